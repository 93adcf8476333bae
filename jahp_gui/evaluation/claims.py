"""What Minnen et al. 2018 say of their priors, beside what was measured here. Kodak only: theirs is.

The paper's abstract: 15.8% smaller than the best learned method before (the scale hyperprior), 59.8% smaller than
JPEG, more than 35% than WebP and JPEG 2000, 8.4% than BPG. Its section 3: context and hyperprior complement each other.
"""

from dataclasses import dataclass

from jahp_gui.codec.priors import PRIORS
from jahp_gui.evaluation.results import COMMON, OVERLAP, Comparison, Curve, Metric, Results


@dataclass(frozen=True)
class Claim:
    """`test` needs fewer bits than `anchor`: by `quoted` percent (negative) where the paper gives a number.

    test, and anchor unless it is a published curve: names of priors. paper: the keys of the published curves (test,
    anchor) that the claim is about, where there are. live: the classical codec of the same format measured here.
    """

    text: str
    test: str
    anchor: str
    quoted: float | None = None
    paper: tuple[str, str] | None = None
    live: str = ""


JOINT, MEAN, SCALE, FACTORIZED = (f"published/paper-{name}" for name in ("joint", "mean-scale", "scale", "factorized"))
JOINT_MS_SSIM, BPG = "published/paper-joint-msssim", "published/bpg444"


def _against(text: str, curve: str, quoted: float, live: str = "") -> Claim:
    return Claim(text, "joint", f"published/{curve}", quoted, (JOINT, f"published/{curve}"), live)


CLAIMS: tuple[Claim, ...] = (
    Claim("joint against scale hyperprior", "joint", "scale-hyperprior", -15.8, (JOINT, SCALE)),
    _against("joint against BPG 4:4:4", "bpg444", -8.4, "heic"),
    _against("joint against JPEG 4:2:0", "jpeg420", -59.8, "jpeg420"),
    _against("joint against WebP", "webp", -35.0, "webp"),
    _against("joint against JPEG 2000", "j2k-openjpeg", -35.0, "jpeg2000"),
    Claim("scale hyperprior against factorized", "scale-hyperprior", "factorized", None, (SCALE, FACTORIZED)),
    Claim("mean-scale against scale hyperprior", "mean-scale-hyperprior", "scale-hyperprior", None, (MEAN, SCALE)),
    Claim("joint against mean-scale hyperprior", "joint", "mean-scale-hyperprior", None, (JOINT, MEAN)),
    Claim("joint against context only", "joint", "context"),
    Claim("joint against factorized", "joint", "factorized", None, (JOINT, FACTORIZED)),
)
MS_SSIM_CLAIM = Claim(
    "joint for MS-SSIM against BPG 4:4:4", "joint", BPG, None, (JOINT_MS_SSIM, BPG), "heic"
)
