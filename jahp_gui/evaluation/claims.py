"""What Minnen et al. 2018 say of their priors, beside what was measured here. Kodak only: theirs is.

The paper's abstract: 15.8% smaller than the best learned method before (the scale hyperprior), 59.8% smaller than
JPEG, more than 35% than WebP and JPEG 2000, 8.4% than BPG; and context and hyperprior complement each other.
"""

from dataclasses import dataclass

from jahp_gui.codec.choices import SEARCHED_FROM
from jahp_gui.codec.priors import PRIORS
from jahp_gui.evaluation.results import USUAL_INTERVAL, Comparison, Metric, Results


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
OWN_NOTE = "How long theirs were trained is under “Recipes”; the paper's were trained for each prior from the start."
MS_SSIM_CLAIM = Claim("joint for MS-SSIM against BPG 4:4:4", "joint", BPG, None, (JOINT_MS_SSIM, BPG), "heic")
# What a curve of the joint prior can be judged by without the other priors: claims and metrics, by its objective.
_ALONE: dict[str, tuple[tuple[Claim, ...], tuple[Metric, ...]]] = {
    "mse": (tuple(claim for claim in CLAIMS if claim.anchor not in PRIORS), ("psnr", "ms-ssim")),
    "ms-ssim": ((MS_SSIM_CLAIM,), ("ms-ssim",)),
}


@dataclass(frozen=True)
class LineUp:
    """Which curve stands for each prior: name → curve key.

    same_latents: whether all are of one model, so that bits can be compared at each λ. note: what else to know.
    """

    title: str
    curves: dict[str, str]
    same_latents: bool
    claims: tuple[Claim, ...] = CLAIMS
    metrics: tuple[Metric, ...] = ("psnr", "ms-ssim")
    note: str = ""


@dataclass(frozen=True)
class Verdict:
    """A claim, the published curves' BD-rate, ours, and ours against the classical codec measured here."""

    claim: Claim
    quoted: float | None
    paper: Comparison | None
    ours: Comparison | None
    live: Comparison | None

    @property
    def margin(self) -> float | None:
        """Percentage points from what is claimed, or from zero without a number, to ours: ≤ 0 when the claim is met."""
        if self.ours is None or self.ours.percent is None:
            return None
        return self.ours.percent - (self.quoted or 0.0)


def line_ups(results: Results) -> list[LineUp]:
    """The line-ups that the measured models allow.

    First the family, one transform under all priors; then, where there are models of a single prior, each prior with
    transforms of its own, as in the paper; then every model optimised for MS-SSIM; then joint priors whose latents the
    encoder searched, which the paper's did not.
    """
    priors = [curve for curve in results.curves if curve.group == "prior"]
    curves = [curve for curve in priors if not curve.effort]
    objective = {card.model_id: card.objective for card in results.plan.cards}
    with_synthesis = {card.model_id: card.has_searched for card in results.plan.cards}
    psnr = [curve for curve in curves if objective[curve.model] == "mse"]
    found = []
    if psnr:
        size = {model: sum(curve.model == model for curve in psnr) for model in objective}
        family_id = max(size, key=lambda model: size[model])  # of equals the first
        family = {curve.prior: curve.key for curve in psnr if curve.model == family_id}
        found.append(LineUp(f"Model {family_id}: one transform, the same latents under every prior", family, True))
        own = {curve.prior: curve.key for curve in reversed(psnr) if size[curve.model] == 1}
        if own and size[family_id] > 1:
            title = "Each prior with transforms of its own, where a model has them"
            found.append(LineUp(title, family | own, False, note=OWN_NOTE))
    for curve in curves:
        if objective[curve.model] == "ms-ssim" and curve.prior == "joint":
            title = f"Model {curve.model}: optimised for MS-SSIM"
            found.append(LineUp(title, {"joint": curve.key}, True, (MS_SSIM_CLAIM,), ("ms-ssim",)))
    for curve in priors:
        if curve.effort:
            title = f"Model {curve.model}, latents searched by the encoder (`jahp encode --effort {curve.effort}`)"
            if curve.effort >= SEARCHED_FROM and with_synthesis[curve.model]:
                title += " and decoded by the synthesis for such latents"
            claims, metrics = _ALONE[objective[curve.model]]
            found.append(LineUp(title, {"joint": curve.key}, False, claims, metrics))
    return found


def judge(results: Results, line_up: LineUp, metric: Metric) -> list[Verdict]:
    """Every claim of a line-up: PSNR over 28 to 37 dB, MS-SSIM over all qualities that our two curves cover.

    The paper's curves are compared over the same qualities as ours: over their own, which reach further, they would be
    the mean of something else.
    """
    interval = USUAL_INTERVAL[metric]

    def compared(test: str | None, anchor: str | None, within: tuple[float, float] | None = None) -> Comparison | None:
        return results.comparison(test, anchor, metric, interval, within) if test and anchor else None

    verdicts = []
    for claim in line_up.claims:
        test = line_up.curves.get(claim.test)
        anchor = line_up.curves.get(claim.anchor) if claim.anchor in PRIORS else claim.anchor
        ours = compared(test, anchor)
        covered = ours.qualities if ours else None
        paper = compared(*claim.paper, covered) if claim.paper else None
        quoted = claim.quoted if metric == "psnr" else None  # the abstract's numbers are of PSNR
        verdicts.append(Verdict(claim, quoted, paper, ours, compared(test, claim.live)))
    return verdicts


LADDER = (
    ("factorized", "scale-hyperprior"),
    ("scale-hyperprior", "mean-scale-hyperprior"),
    ("mean-scale-hyperprior", "joint"),
    ("context", "joint"),
)  # the first of each pair needs more bits for the same latents


def ladder_steps(results: Results, line_up: LineUp) -> list[tuple[str, str, int, int]]:
    """(more bits, fewer bits, λ at which this holds, λ compared) for the pairs of LADDER that were measured."""
    steps = []
    for more, fewer in LADDER:
        if more in line_up.curves and fewer in line_up.curves:
            upper, lower = (
                {average.setting: average.bpp for average in results.averages_of(line_up.curves[prior])}
                for prior in (more, fewer)
            )
            common = upper.keys() & lower.keys()
            steps.append((more, fewer, sum(lower[lmbda] < upper[lmbda] for lmbda in common), len(common)))
    return steps
