"""Do bytes and PSNR rise with λ?

    python -m jahp_gui.evaluation.monotone IMAGE_FOLDER [--model ID] [--every N]

From anchor to anchor both must rise on every image. Between anchors a uniform quantiser dips by its nature: dips of the
PSNR over the anchors and every N-th gain index are counted, and the deepest is told.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from jahp_gui.codec import metrics
from jahp_gui.codec.codec import DEFAULT_PRIOR, encode_y
from jahp_gui.codec.images import find_images, load_image
from jahp_gui.codec.model import Model
from jahp_gui.codec.models import DEFAULT_MODEL
from jahp_gui.codec.rate_scale import STEPS_PER_ANCHOR


@dataclass(frozen=True)
class Rise:
    """What one image does over the λ range.

    falls: anchors at which bytes or PSNR are not above those of the anchor before. dips: gain indices at which PSNR is
    below the highest so far. deepest: the largest such difference in dB.
    """

    falls: int
    dips: int
    deepest: float


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images")
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--every", type=int, default=2, help="gain indices looked at: every N-th (default 2)")
    args = parser.parse_args(argv)
    model = Model.load(args.model)
    rises = [rise(model, load_image(path).rgb, args.every) for path in find_images(args.images)]
    looked = len(indices_looked_at(model, args.every))
    print(f"{len(rises)} images: {sum(entry.falls for entry in rises)} falls from anchor to anchor")
    print(
        f"{sum(entry.dips for entry in rises)} dips among {looked * len(rises)} gain indices, "
        f"the deepest {max(entry.deepest for entry in rises):.3f} dB"
    )
    return 0


def indices_looked_at(model: Model, every: int) -> list[int]:
    """Every `every`-th gain index and those of the anchors."""
    return sorted({*model.gain_indices[::every], *model.gain_indices[::STEPS_PER_ANCHOR]})


def rise(model: Model, rgb: np.ndarray, every: int) -> Rise:
    """Measure one image uint8 (H, W, 3): bytes of real files at the anchors, PSNR at `indices_looked_at`."""
    height, width, _ = rgb.shape
    y = model.analysis(rgb)
    anchors = range(0, len(model.gain_indices), STEPS_PER_ANCHOR)
    sizes = [len(encode_y(model, y, height, width, DEFAULT_PRIOR, index).data) for index in anchors]
    quality = {}
    for index in indices_looked_at(model, every):
        picture = model.synthesis(model.quantise(y, index), index, height, width)
        quality[index] = metrics.psnr(rgb, picture)
    at_anchors = [quality[index] for index in anchors]
    falls = sum(b <= a for a, b in zip(sizes, sizes[1:], strict=False))
    falls += sum(b <= a for a, b in zip(at_anchors, at_anchors[1:], strict=False))
    values = np.array(list(quality.values()))
    below = np.maximum.accumulate(values) - values
    return Rise(falls, int((below > 0).sum()), float(below.max()))


if __name__ == "__main__":
    raise SystemExit(main())
