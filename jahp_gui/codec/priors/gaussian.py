"""What the four conditional priors share: a density of one shape, (μ, σ) from the entropy parameters network.

The paper has N(μ, σ) ∗ U (section 2). Here it is two Gaussians of one mean (`tables.MIXTURE`), which have a Gaussian's
mean μ and deviation σ and heavier tails, as the latents have; the tables, and so the decoder, cost the same.
"""

import math
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from jahp_gui.codec.config import ModelConfig
from jahp_gui.codec.fixed_point import ACTIVATION_BITS, freeze_conv, freeze_matrix, thaw_conv, thaw_matrix
from jahp_gui.codec.priors.base import Bits, Prior
from jahp_gui.codec.priors.context_model import CAUSAL_OFFSETS, ContextModel
from jahp_gui.codec.priors.density import bits_of, floor
from jahp_gui.codec.priors.frozen_gaussian import COMPRESSED_COUNT, FrozenGaussian
from jahp_gui.codec.priors.hyper import (
    LEAK,
    HyperPrediction,
    Hyperprior,
    append_position,
    load_encoder_side,
    mean_input,
)
from jahp_gui.codec.priors.rounding import Quantised, bits_of_quantised
from jahp_gui.codec.tables import MIXTURE, mixture_tables, scale_grid
from jahp_gui.codec.transforms import zero_init

SCALE_COUNT = 64
# Below the knee indices are wider apart: the mixture's tails need a smaller σ where nearly all latents are zero, and
# above it the indices mean what they meant with a Gaussian, so that older weights remain a start for training.
SCALE_MIN, SCALE_KNEE, SCALE_MAX = 0.085, 0.29441, 256.0  # σ at index 0, KNEE and SCALE_COUNT − 1, logarithmic between
KNEE = 8
LOW_STEP = math.log(SCALE_KNEE / SCALE_MIN) / KNEE  # of log σ from one table scale to the next
SCALE_STEP = math.log(SCALE_MAX / SCALE_KNEE) / (SCALE_COUNT - 1 - KNEE)
OUTPUT_SCALE = 8.0  # the scale index moves over tens, weights over hundredths: the output layer is scaled up


def scale_at(index: Tensor) -> Tensor:
    """σ at table indices, 0 … SCALE_COUNT − 1, whole or between two, of any shape."""
    above = index - KNEE
    return SCALE_KNEE * torch.exp(torch.where(above > 0, SCALE_STEP, LOW_STEP) * above)


def index_of(scale: float) -> float:
    """The inverse of `scale_at`."""
    above = math.log(scale / SCALE_KNEE)
    return KNEE + above / (SCALE_STEP if above > 0 else LOW_STEP)


def table_scales() -> np.ndarray:
    """σ of the tables: float64 (SCALE_COUNT,)."""
    return scale_at(torch.arange(SCALE_COUNT, dtype=torch.float64)).numpy()


def table_arrays() -> dict[str, np.ndarray]:
    """The table rows that all conditional priors of a model share, as the model file stores them."""
    grid = scale_grid(table_scales())
    tables = mixture_tables(grid)
    return {
        "tables.narrow": tables.narrow.astype(np.int32),
        "tables.wide": tables.wide.astype(np.int32),
        "tables.shift": tables.shift.astype(np.uint8),
        "tables.fraction_bits": grid.fraction_bits.astype(np.uint8),
    }


def mixture_bits(value: Tensor, scale: Tensor) -> Tensor:
    """−log2 of the mass in [value − 1/2, value + 1/2] of the mixture of mean 0 and deviation `scale`."""
    magnitude = torch.abs(value)  # symmetric, and the lower tail does not cancel
    upper, lower = (0.5 - magnitude) / scale, (-0.5 - magnitude) / scale
    masses = [
        weight * (torch.special.ndtr(upper / ratio) - torch.special.ndtr(lower / ratio)) for weight, ratio in MIXTURE
    ]
    return bits_of(sum(masses[1:], masses[0]))


def bias_of(conv: nn.Conv2d) -> Tensor:
    assert conv.bias is not None
    return conv.bias


class EntropyParameters(nn.Module):
    """1×1 convolutions from the features of one position to a scale index and, unless `scale_only`, a mean per channel.

    The features are those of the hyperprior, of the context model, and λ as one more channel.
    """

    def __init__(self, features: int, config: ModelConfig, scale_only: bool):
        super().__init__()
        first, second = config.parameter_widths
        self.scale_only = scale_only
        self.first = nn.Conv2d(features + 1, first, 1)
        self.second = nn.Conv2d(first, second, 1)
        self.scale = nn.Conv2d(second, config.latent_channels, 1)
        nn.init.normal_(self.scale.weight, std=0.002)
        nn.init.constant_(bias_of(self.scale), index_of(1.0) / OUTPUT_SCALE)  # σ = 1, where training starts
        if not scale_only:
            self.mean = zero_init(nn.Conv2d(second, config.latent_channels, 1))

    def forward(self, features: Tensor, position: Tensor) -> tuple[Tensor, Tensor | None]:
        """Scale index and mean, each (B, M, h, w) float32."""
        h = F.leaky_relu(self.first(append_position(features, position)), LEAK)
        h = F.leaky_relu(self.second(h), LEAK)
        index = OUTPUT_SCALE * self.scale(h).float()
        return index, None if self.scale_only else self.mean(h).float()

    def freeze(self, bits: int) -> dict[str, dict[str, np.ndarray]]:
        """The layers as the model file stores them; the scale's output factor goes into its weights."""
        layers = {"first": freeze_conv(self.first, bits), "second": freeze_conv(self.second, bits)}
        scale_weight, scale_bias = self.scale.weight.flatten(1) * OUTPUT_SCALE, bias_of(self.scale) * OUTPUT_SCALE
        layers["scale"] = freeze_matrix(scale_weight, scale_bias, bits)
        if not self.scale_only:
            layers["mean"] = freeze_conv(self.mean, bits)
        return layers

    @torch.no_grad()
    def thaw(self, tensors: Mapping[str, np.ndarray]) -> None:
        """Inverse of `freeze`."""
        thaw_conv(self.first, tensors, "first")
        thaw_conv(self.second, tensors, "second")
        weight, bias = thaw_matrix(tensors, "scale")
        self.scale.weight.copy_(weight[:, :, None, None] / OUTPUT_SCALE)
        bias_of(self.scale).copy_(bias / OUTPUT_SCALE)
        if not self.scale_only:
            thaw_conv(self.mean, tensors, "mean")


class GaussianPrior(Prior):
    """The mixture with μ and σ; subclasses say which of hyperprior, context and means they have."""

    has_hyperprior: ClassVar[bool]
    has_context: ClassVar[bool]
    has_means: ClassVar[bool] = True
    has_coarse_means: ClassVar[bool] = False  # a linear path from ẑ to the means, as the context model's from ŷ
    weight_bits: ClassVar[int] = 8  # of the frozen networks; 16 costs twice the bytes, see models/README.md

    def __init__(self, config: ModelConfig):
        super().__init__(config)
        self.hyperprior = Hyperprior(config, self.coarse_channels(config)) if self.has_hyperprior else None
        self.context = ContextModel(config) if self.has_context else None
        features = config.hyper_features * self.has_hyperprior + config.context_features * self.has_context
        self.parameters_net = EntropyParameters(features, config, scale_only=not self.has_means)

    @classmethod
    def coarse_channels(cls, config: ModelConfig) -> int:
        """Channels of z behind coarse means."""
        return config.coarse_channels if cls.has_coarse_means else 0

    def bits(self, y: Quantised, gain: Tensor, position: Tensor, keep: Tensor | None = None) -> Bits:
        told = z_bits = None
        if self.hyperprior is not None:
            told, z_bits = self.hyperprior(y, gain, position)
        mean, scale = self.predict(y.value, told, position, keep)
        with torch.autocast(scale.device.type, enabled=False):
            return Bits(bits_of_quantised(lambda value: mixture_bits(value - mean, scale), y), z_bits)

    def predict(
        self, y_hat: Tensor, told: HyperPrediction | None, position: Tensor, keep: Tensor | None = None
    ) -> tuple[Tensor | float, Tensor]:
        """μ and σ of latents (B, M, h, w), each of their shape, from those before them and what h_s told."""
        features = [] if told is None else [told.features]
        linear: Tensor | float = 0.0 if told is None or told.mean is None else told.mean
        if self.context is not None:
            context_features, predicted = self.context(y_hat)
            if keep is not None:
                context_features = context_features * keep[:, None, None, None].to(context_features.dtype)
                predicted = predicted * keep[:, None, None, None]
            features.append(context_features)
            linear = linear + predicted
        index, mean = self.parameters_net(torch.cat(features, 1), position)
        with torch.autocast(index.device.type, enabled=False):
            scale = scale_at(floor(index, 0.0).clamp(max=SCALE_COUNT - 1))
            return 0.0 if mean is None else mean + linear, scale

    def freeze(self, gains: np.ndarray) -> dict[str, np.ndarray]:
        layers = self.parameters_net.freeze(self.weight_bits)
        arrays: dict[str, np.ndarray] = {}
        if self.hyperprior is not None:
            synthesis = self.hyperprior.synthesis
            arrays |= self.hyperprior.freeze_encoder_side()
            read = arrays["z.wide"][: self.config.hyper_channels]
            layers["up2"] = freeze_conv(synthesis.up2, self.weight_bits, input_mean=mean_input(read))
            for name in ("up1", "out"):
                layers[name] = freeze_conv(getattr(synthesis, name), self.weight_bits)
            if synthesis.coarse is not None:
                layers["spread"] = freeze_conv(synthesis.coarse.spread, 16)
                layers["expand"] = freeze_conv(synthesis.coarse.expand, 16)
                arrays["mean_gain"] = np.rint(gains * (1 << ACTIVATION_BITS)).astype(np.int32)
        if self.context is not None:
            layers["reduce"] = freeze_conv(self.context.reduce, self.weight_bits)
            layers["masked"] = freeze_conv(self.context.masked, self.weight_bits, self.context.mask)
            taps = [self.context.linear[:, 0, 2 + dy, 2 + dx] for dy, dx in CAUSAL_OFFSETS]
            layers["linear"] = freeze_matrix(torch.stack(taps, 1), None, 16)
            arrays["compressed"] = np.rint(np.log1p(np.arange(COMPRESSED_COUNT)) * 1024).astype(np.int16)
        return arrays | {f"{name}.{part}": value for name, layer in layers.items() for part, value in layer.items()}

    @classmethod
    def load_frozen(cls, tensors: Mapping[str, np.ndarray], config: ModelConfig) -> FrozenGaussian:
        coarse = cls.coarse_channels(config)
        return FrozenGaussian(tensors, config, cls.has_hyperprior, cls.has_context, cls.has_means, coarse)

    @classmethod
    @torch.no_grad()
    def thaw(cls, tensors: Mapping[str, np.ndarray], config: ModelConfig) -> "GaussianPrior":
        """The differentiable form of stored arrays, all but the density of z, which a table of counts replaces."""
        prior = cls(config)
        prior.parameters_net.thaw(tensors)
        if prior.hyperprior is not None:
            prior.hyperprior.analysis.load_state_dict(
                load_encoder_side(tensors, config, cls.coarse_channels(config)).state_dict()
            )
            synthesis = prior.hyperprior.synthesis
            for name in ("up2", "up1", "out"):
                thaw_conv(getattr(synthesis, name), tensors, name)
            if synthesis.coarse is not None:
                thaw_conv(synthesis.coarse.spread, tensors, "spread")
                thaw_conv(synthesis.coarse.expand, tensors, "expand")
        if prior.context is not None:
            thaw_conv(prior.context.reduce, tensors, "reduce")
            thaw_conv(prior.context.masked, tensors, "masked", prior.context.mask)
            taps, _ = thaw_matrix(tensors, "linear")
            for tap, (dy, dx) in enumerate(CAUSAL_OFFSETS):
                prior.context.linear[:, 0, 2 + dy, 2 + dx] = taps[:, tap]
        return prior
