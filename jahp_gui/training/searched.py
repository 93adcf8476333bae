"""Training crops with the latents that the encoder's search writes for them, for `searched_synthesis` to learn from.

    python -m jahp_gui.training.searched MODEL OUT.npz FOLDER... [--minutes 20] [--crop 256] [--effort 2] [--seed 1]

MODEL's joint prior is searched at one anchor λ a crop, with the synthesis that decodes such files now.
"""

import argparse
import io
import time
from pathlib import Path

import numpy as np
import torch

from jahp_gui.codec.choices import DEFAULT_PRIOR
from jahp_gui.codec.effort import Problem, best_found
from jahp_gui.codec.model import Model
from jahp_gui.codec.output import write_atomically
from jahp_gui.codec.rate_scale import STEPS_PER_ANCHOR
from jahp_gui.commands.common import check_output
from jahp_gui.training.data import CropSource

ARRAYS = ("pixels", "latents", "anchors")  # of a file, see `search_crops`
SCALES, SMALLEST_SCALE = 1, 0.45  # of each image, as the configurations have it


def search_crops(model: Model, source: CropSource, effort: int, seed: int, seconds: float) -> dict[str, np.ndarray]:
    """The arrays of a file: as many crops as there is time for, one at least."""
    generator = torch.Generator().manual_seed(seed)
    pixels: list[np.ndarray] = []
    latents: list[np.ndarray] = []
    anchors: list[int] = []
    deadline = time.monotonic() + seconds
    while not pixels or time.monotonic() < deadline:
        x = source.batch(1, generator)[0]
        rgb = x.mul(255).round().to(torch.uint8).permute(1, 2, 0).contiguous().cpu().numpy()
        anchor = int(torch.randint(len(model.config.lmbda_anchors), (), generator=generator))
        problem = Problem(model, rgb, model.analysis(rgb), DEFAULT_PRIOR, STEPS_PER_ANCHOR * anchor)
        pixels.append(rgb)
        latents.append(best_found(problem, effort).y_hat)
        anchors.append(anchor)
    return {"pixels": np.stack(pixels), "latents": np.stack(latents), "anchors": np.array(anchors)}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("out", type=Path)
    parser.add_argument("folders", nargs="+")
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--crop", type=int, default=256)
    parser.add_argument("--effort", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    check_output(str(args.out), force=False)  # told before the search, not after it
    device = torch.device("cpu")
    source = CropSource.from_folders(tuple(args.folders), args.crop, SCALES, SMALLEST_SCALE, args.seed, device)
    arrays = search_crops(Model.load(args.model), source, args.effort, args.seed, 60 * args.minutes)
    file = io.BytesIO()
    np.savez(file, pixels=arrays["pixels"], latents=arrays["latents"], anchors=arrays["anchors"])
    write_atomically(args.out, file.getvalue())
    print(f"{len(arrays['pixels'])} crops in {args.out}")


if __name__ == "__main__":
    main()
