"""What freezing costs: real sections and 8-bit pictures of a frozen model beside the trained one's floats.

    python -m jahp_gui.training.frozen_cost MODEL_FOLDER IMAGE_FOLDER CHECKPOINT [CHECKPOINT …]

For every prior and anchor λ: bytes of the sections against the float likelihood before freezing, the share of escapes,
and the difference in PSNR between the shipped transforms and the trained ones.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from jahp_gui.codec import metrics
from jahp_gui.codec.images import load_image
from jahp_gui.codec.latent_coding import encode_latents, known_rows
from jahp_gui.codec.model import Model
from jahp_gui.codec.priors.base import FrozenPrior
from jahp_gui.codec.priors.rounding import rounded
from jahp_gui.codec.rate_scale import STEPS_PER_ANCHOR
from jahp_gui.codec.transforms import planes
from jahp_gui.training.data import image_files
from jahp_gui.training.freeze import load_trained
from jahp_gui.training.objective import TrainingModel
from jahp_gui.training.validation import pad_to


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("images")
    parser.add_argument("checkpoints", type=Path, nargs="+")
    args = parser.parse_args(argv)
    trained, frozen = load_trained(args.checkpoints)[0], Model.load(args.model)
    files = image_files((args.images,))
    print("| λ | PSNR change, dB | " + " | ".join(f"{name}: bytes, escapes" for name in trained.each_prior()) + " |")
    print("|---" * (2 + len(trained.priors)) + "|")
    for anchor, lmbda in enumerate(trained.config.lmbda_anchors):
        results = [compare(trained, frozen, load_image(file).rgb, anchor) for file in files]
        change = float(np.mean([result[0] for result in results]))
        columns = []
        for name in trained.each_prior():
            written, estimated, escapes = np.sum([result[1][name] for result in results], axis=0)
            share = escapes / sum(result[2] for result in results)
            columns.append(f"{100 * (written / estimated - 1):+.2f}% ({written - estimated:+.0f} B), {share:.1e}")
        print(f"| {lmbda} | {change:+.4f} | " + " | ".join(columns) + " |", flush=True)
    return 0


@torch.no_grad()
def compare(
    trained: TrainingModel, frozen: Model, rgb: np.ndarray, anchor: int
) -> tuple[float, dict[str, tuple[float, float, int]], int]:
    """(PSNR change, per prior (bytes written, bytes estimated, escapes), latents) of one image at one anchor."""
    height, width, _ = rgb.shape
    x = pad_to(planes(rgb), 64)
    position = torch.tensor([float(anchor)])
    gain = trained.gain.gain(position)
    y_float = rounded(trained.analysis(x) * gain[:, :, None, None])
    x_hat = trained.synthesis(y_float.value * trained.gain.inverse(position)[:, :, None, None], position)
    picture = x_hat[0, :, :height, :width].clamp(0, 1).mul(255).round().byte().permute(1, 2, 0).numpy()
    gain_index = STEPS_PER_ANCHOR * anchor
    y_hat = frozen.quantise(frozen.analysis(rgb), gain_index)
    shipped = frozen.synthesis(y_hat, gain_index, height, width)
    priors = {}
    for name, prior in trained.each_prior().items():
        estimated = prior.bits(y_float, gain, position).of_image(height, width) / 8
        z, y = encode_latents(frozen.prior(name), y_hat, gain_index)
        priors[name] = (float(len(z) + len(y)), estimated, escapes_of(frozen.prior(name), y_hat, gain_index))
    return metrics.psnr(rgb, shipped) - metrics.psnr(rgb, picture), priors, y_hat.size


def escapes_of(prior: FrozenPrior, y_hat: np.ndarray, gain_index: int) -> int:
    """How many latents (h, w, M) lie outside their table row."""
    height, width, channels = y_hat.shape
    state = prior.start(prior.side_information(y_hat, gain_index), height, width, gain_index)
    flat, count = y_hat.reshape(-1, channels), 0
    for step, rows, offsets in known_rows(state, prior.schedule(height, width), flat):
        half = state.tables.half(rows)
        count += int((state.tables.index(flat[step].astype(np.int64) - offsets, rows) == 2 * half).sum())
    return count


if __name__ == "__main__":
    raise SystemExit(main())
