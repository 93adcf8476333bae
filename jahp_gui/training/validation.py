"""What the latents of the validation images cost, estimated with the float likelihoods, at every anchor λ."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from jahp_gui.codec.distortion import distortion as distortion_of
from jahp_gui.codec.images import load_image
from jahp_gui.codec.priors.rounding import rounded
from jahp_gui.codec.transforms import planes
from jahp_gui.training.data import image_files
from jahp_gui.training.objective import TrainingModel


@dataclass
class Score:
    """Per anchor λ, the mean over images: bpp of each prior, distortion of the loss, PSNR; and the figure to minimise.

    `loss` is Σ over the anchors of (λ/λ̄)^-½·(λ·D + bpp) of the last prior, λ̄ their geometric mean.
    """

    bpp: dict[str, list[float]]
    distortion: list[float]
    psnr: list[float]
    loss: dict[str, float]


def pad_to(x: Tensor, multiple: int) -> Tensor:
    """Edge replication of (B, C, H, W) on the right and below to multiples of `multiple`."""
    height, width = x.shape[2:]
    return F.pad(x, (0, -width % multiple, 0, -height % multiple), mode="replicate")


@torch.no_grad()
def validate(model: TrainingModel, folder: str, device: torch.device, synthesise: bool = True) -> Score:
    """Rate (estimated) and distortion (8-bit RGB) of every image of the folder at every anchor."""
    anchors = model.config.lmbda_anchors
    files = image_files((folder,))
    bpp = {name: [0.0] * len(anchors) for name in model.each_prior()}
    distortion, psnr = [0.0] * len(anchors), [0.0] * len(anchors)
    for file in files:
        x = planes(load_image(file).rgb).to(device)
        y = model.analysis(pad_to(x, 64))
        for anchor in range(len(anchors)):
            position = torch.tensor([float(anchor)], device=device)
            gain = model.gain.gain(position)
            y_hat = rounded(y * gain[:, :, None, None])
            for name, prior in model.each_prior().items():
                bits = prior.bits(y_hat, gain, position).of_image(*x.shape[2:])
                bpp[name][anchor] += bits / (x.shape[2] * x.shape[3]) / len(files)
            if synthesise:
                x_hat = model.synthesis(y_hat.value * model.gain.inverse(position)[:, :, None, None], position)
                x_hat = x_hat[:, :, : x.shape[2], : x.shape[3]].float().clamp(0, 1).mul(255).round() / 255
                distortion[anchor] += distortion_of(model.config.objective, x, x_hat).item() / len(files)
                psnr[anchor] += -10 * math.log10(max(F.mse_loss(x_hat, x).item(), 1e-10)) / len(files)
    middle = math.exp(sum(map(math.log, anchors)) / len(anchors))
    loss = {
        name: sum(
            (lmbda / middle) ** -0.5 * (lmbda * d + r) for lmbda, d, r in zip(anchors, distortion, rates, strict=True)
        )
        for name, rates in bpp.items()
    }
    return Score(bpp, distortion, psnr, loss)
