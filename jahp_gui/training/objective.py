"""The model as it is trained, and the loss balanced over λ."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from jahp_gui.codec.config import ModelConfig
from jahp_gui.codec.distortion import distortion
from jahp_gui.codec.gain import Gain, interpolate
from jahp_gui.codec.priors import Prior, prior_class
from jahp_gui.codec.priors.rounding import noisy, rounded
from jahp_gui.codec.transforms import EfficientAnalysis, EfficientSynthesis, build_transforms


class TrainingModel(nn.Module):
    """Transforms, gains and one or more priors over the same latents."""

    log_lmbda: Tensor

    def __init__(self, config: ModelConfig, priors: tuple[str, ...]):
        super().__init__()
        self.config = config
        self.analysis, self.synthesis = build_transforms(config)
        self.gain = Gain(config.lmbda_anchors, config.latent_channels)
        # Dots and dashes are not allowed in module names; the registry's names have dashes.
        self.priors = nn.ModuleDict({name.replace("-", "_"): prior_class(name)(config) for name in priors})
        self.register_buffer("log_lmbda", torch.tensor(config.lmbda_anchors).log()[:, None], persistent=False)

    def start_from_klt(self, basis: Tensor) -> None:
        """Set the linear shortcuts to the KLT (M, 768) and its transpose; paper transforms have none."""
        if isinstance(self.analysis, EfficientAnalysis) and isinstance(self.synthesis, EfficientSynthesis):
            with torch.no_grad():
                self.analysis.shortcut.weight.copy_(basis[:, :, None, None])
                self.synthesis.shortcut.weight.copy_(basis.T[:, :, None, None])

    def forward(self, x: Tensor, position: Tensor, phase: "Phase") -> "Losses":
        """Balanced rate–distortion loss of crops x (B, 3, H, W) in [0, 1] at gain positions (B,)."""
        moves = phase.train_transforms and not phase.only_synthesis
        with torch.set_grad_enabled(moves and torch.is_grad_enabled()):
            gain = self.gain.gain(position)
            gained = self.analysis(x) * gain[:, :, None, None]
        lmbda = torch.exp(interpolate(self.log_lmbda, position))[:, 0]
        pixels = x.shape[2] * x.shape[3]
        y_hat = rounded(gained)
        y = y_hat if phase.straight_through else noisy(gained)
        keep = (torch.rand(len(x), device=x.device) >= phase.hide_context).float() if phase.hide_context > 0 else None
        rate, error = torch.zeros_like(lmbda)[None], torch.zeros_like(lmbda)
        if not phase.only_synthesis:
            rate = torch.stack(
                [prior.bits(y, gain, position, keep).per_image() / pixels for prior in self.each_prior().values()]
            )
        if phase.train_transforms:
            # Most latents round to zero; noise would teach the synthesis to expect an error there that never comes.
            x_hat = self.synthesis(y_hat.value * self.gain.inverse(position)[:, :, None, None], position)
            error = distortion(self.config.objective, x, x_hat)
        weight = balance(lmbda.log(), self.log_lmbda)
        rate, error = weight * rate, weight * lmbda * error
        return Losses((error + rate.sum(0)).mean(), rate.mean(1), error.mean())

    def each_prior(self) -> dict[str, Prior]:
        """The priors by their registered names."""
        return {prior.name: prior for prior in self.priors.values() if isinstance(prior, Prior)}


def balance(log_lmbda: Tensor, of_anchors: Tensor) -> Tensor:
    """What a loss at each λ is multiplied by, given log λ and those of the anchors.

    λ^-½ keeps the high rates from drowning the low ones; the constant makes the loss about 1 at any λ.
    """
    return torch.exp(-0.5 * (log_lmbda - of_anchors.mean()))


@dataclass(frozen=True)
class Phase:
    """What changes over the schedule."""

    train_transforms: bool
    straight_through: bool  # the prior, too, sees rounded latents instead of noise
    hide_context: float  # probability that a crop's context is hidden from the prior
    only_synthesis: bool = False  # the loss is λ·D alone, of latents that do not move


@dataclass
class Losses:
    total: Tensor
    rate: Tensor  # balanced bpp of each prior
    distortion: Tensor  # balanced λ·D
