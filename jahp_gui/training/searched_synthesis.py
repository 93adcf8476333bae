"""The synthesis for searched latents: that of a frozen model, trained further on files of `training.searched`.

    python -m jahp_gui.training.searched_synthesis MODEL_FOLDER CROPS.npz... --validation MORE.npz [--minutes 15]

Analysis, gains and priors stay what they are, and with them all files of rounded latents. What changes is written
beside them as one more part of the model, small because only some of the weights learn (RECIPES.md says why these).
"""

import argparse
import json
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import BadZipFile

import numpy as np
import torch
from torch import Tensor, nn

from jahp_gui.codec.config import ModelConfig
from jahp_gui.codec.distortion import distortion
from jahp_gui.codec.errors import UsageError
from jahp_gui.codec.gain import interpolate
from jahp_gui.codec.model import Model
from jahp_gui.codec.models import CARD, SEARCHED, read_card
from jahp_gui.codec.transforms import STRIDE
from jahp_gui.codec.weights import FINE, compact_change
from jahp_gui.commands.freeze import published
from jahp_gui.training.freeze import write_card, write_part
from jahp_gui.training.objective import balance
from jahp_gui.training.optimizer import set_rates
from jahp_gui.training.searched import ARRAYS

LEARNING_RATE = 1e-4  # of matrices: they are annealed, and what heat undoes takes hours to win back (RECIPES.md)
FAST_RATE = 1e-3  # of all else
WARMUP, CLIP = 0.03, 2.0
BATCH = 8
REPORT_SECONDS = 60


class Crops(NamedTuple):
    """pixels: uint8 (N, crop, crop, 3). latents: int16 (N, h, w, M), searched. anchors: int64 (N,), gain positions."""

    pixels: Tensor
    latents: Tensor
    anchors: Tensor

    def of(self, chosen: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Some of them: x float32 (B, 3, crop, crop) in [0, 1], latents float32 (B, M, h, w), gain positions (B,)."""
        last = torch.channels_last
        x = (self.pixels[chosen].permute(0, 3, 1, 2).float() / 255).contiguous(memory_format=last)
        latents = self.latents[chosen].permute(0, 3, 1, 2).float().contiguous(memory_format=last)
        return x, latents, self.anchors[chosen].float()


def load_crops(paths: Sequence[Path], config: ModelConfig) -> Crops:
    """All crops of some files, of one size. Raises `UsageError` for what is no such file or of another model."""
    parts: list[dict[str, np.ndarray]] = []
    for path in paths:
        try:
            with np.load(path) as file:
                part = {name: file[name] for name in ARRAYS}
            side = part["pixels"].shape[1]
            shapes = [array.shape[1:] for array in part.values()]
        except (OSError, EOFError, TypeError, ValueError, KeyError, IndexError, BadZipFile) as error:
            raise UsageError(
                f"{path} holds no searched crops ({error}); make it by jahp_gui.training.searched."
            ) from error
        expected = [(side, side, 3), (side // STRIDE, side // STRIDE, config.latent_channels), ()]
        anchors, is_first = part["anchors"], not parts
        known = (anchors >= 0).all() and (anchors < len(config.lmbda_anchors)).all()
        if shapes != expected or not known or not (is_first or side == parts[0]["pixels"].shape[1]):
            raise UsageError(
                f"{path} has crops of several sizes or latents of another model; make it by jahp_gui.training.searched."
            )
        parts.append(part)
    return Crops(*(torch.from_numpy(np.concatenate([part[name] for part in parts])) for name in ARRAYS))


class SynthesisInTraining(nn.Module):
    """A model's synthesis and inverse gains, of which `learns` may change."""

    log_lmbda: Tensor

    def __init__(self, model: Model):
        super().__init__()
        self.objective = model.card.objective
        self.synthesis, self.gain = model.copy_of_synthesis(), model.copy_of_gain()
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.register_buffer("log_lmbda", torch.tensor(model.config.lmbda_anchors).log()[:, None])
        for name, value in self.named_parameters():
            value.requires_grad_(learns(name, value))

    def forward(self, x: Tensor, latents: Tensor, position: Tensor) -> Tensor:
        """λ·D of every crop (B,), balanced over λ."""
        log_lmbda = interpolate(self.log_lmbda, position)[:, 0]
        x_hat = self.synthesis(latents * self.gain.inverse(position)[:, :, None, None], position).float()
        # The search knows that pixels are clamped, and its latents overshoot where it costs nothing. The gradient is as
        # if they were not: what lies outside and should not be there comes back.
        x_hat = x_hat + (x_hat.clamp(0, 1) - x_hat).detach()
        error = distortion(self.objective, x, x_hat)
        return balance(log_lmbda, self.log_lmbda) * log_lmbda.exp() * error


def learns(name: str, value: Tensor) -> bool:
    """Inverse gains, biases and λ shifts, and of the matrices the linear shortcut and those at 1/4 resolution."""
    part, _, rest = name.partition(".")
    if part == "gain":
        return rest == "log_inverse"
    return value.ndim < 4 or rest.startswith((*FINE, "up4."))


def train(model: Model, crops: Crops, validation: Crops, seconds: float, seed: int = 1) -> SynthesisInTraining:
    """Adam with a cosine over the time there is; says what validation says before, now and then, and after.

    A part that the model has already is trained further. Raises `UsageError` where validation is no better for it.
    """
    network = SynthesisInTraining(model.for_searched)
    learning = [value for value in network.parameters() if value.requires_grad]
    groups = [
        {"params": [value for value in learning if (value.ndim < 4) is is_fast], "peak": rate}
        for rate, is_fast in ((LEARNING_RATE, False), (FAST_RATE, True))
    ]
    optimizer = torch.optim.Adam(groups, betas=(0.9, 0.99))
    generator = torch.Generator().manual_seed(seed)
    steps, started = 0, time.monotonic()
    next_report = REPORT_SECONDS
    before = mean_loss(network, validation)
    print(f"{sum(value.numel() for value in learning)} weights; λ·D {before:.4f}", flush=True)
    while (elapsed := time.monotonic() - started) < seconds:
        set_rates(optimizer, elapsed / seconds, WARMUP)
        batch = crops.of(torch.randint(len(crops.pixels), (BATCH,), generator=generator))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = network(*batch).mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(learning, CLIP)
        optimizer.step()
        steps += 1
        if elapsed > next_report:
            print(f"step {steps}, {elapsed:.0f} s: λ·D {mean_loss(network, validation):.4f}", flush=True)
            next_report += REPORT_SECONDS
    after = mean_loss(network, validation)
    print(f"step {steps}, the end: λ·D {after:.4f}", flush=True)
    if not after < before:  # nor if it is no number
        raise UsageError("Validation is no better than before; nothing is written. Train longer, or on more crops.")
    return network


@torch.no_grad()
def mean_loss(network: SynthesisInTraining, crops: Crops) -> float:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        losses = [network(*crops.of(chosen)) for chosen in torch.arange(len(crops.pixels)).split(BATCH)]
    return torch.cat(losses).mean().item()


def add_part(model: Model, network: SynthesisInTraining, run: dict[str, Any]) -> None:
    """Give the model's folder the part `SEARCHED`, and its card the part and the run.

    Results on the card stay, and those of efforts 2 and 3 are then of the synthesis before: evaluate again.
    """
    plain = SynthesisInTraining(model.plain)
    arrays: dict[str, np.ndarray] = {}
    for name in ("synthesis", "gain"):
        arrays |= compact_change(getattr(plain, name), getattr(network, name), name)
    with published(model.card.folder) as folder:
        shutil.copytree(model.card.folder, folder, dirs_exist_ok=True)
        digest = write_part(folder, SEARCHED, arrays)
        content = json.loads((folder / CARD).read_text(encoding="utf-8"))
        training = content.get("training", {}) | {"searched": run}
        write_card(folder, content | {"files": content["files"] | {SEARCHED: digest}, "training": training})


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model", type=Path, help="the folder of a frozen model, which gets one more part")
    parser.add_argument("crops", nargs="+", type=Path)
    parser.add_argument("--validation", nargs="+", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--force", action="store_true", help="train a part that there is further, and replace it")
    args = parser.parse_args()
    model = Model(read_card(args.model))
    if model.card.has_searched and not args.force:
        parser.error(f"{args.model} has such a part, and files name it by its digest; --force replaces it.")
    crops, validation = load_crops(args.crops, model.config), load_crops(args.validation, model.config)
    network = train(model, crops, validation, 60 * args.minutes, args.seed)
    run = {"crops": len(crops.pixels), "minutes": args.minutes}
    run |= {"learning_rate": LEARNING_RATE, "fast_learning_rate": FAST_RATE, "batch": BATCH}
    add_part(model, network, run)


if __name__ == "__main__":
    main()
