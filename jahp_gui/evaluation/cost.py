"""What transforms and priors cost: multiply–accumulates (MAC) per pixel, from the configuration alone, and weights.

A k×k convolution from A to B channels takes k²·A·B MAC per output position. Counted are the networks that the codec
runs: convolutions, GDN and the linear prediction; activations and table lookups are not, nor the part of the masked
convolution that is masked.
"""

from dataclasses import dataclass

import torch

from jahp_gui.codec.config import ModelConfig
from jahp_gui.codec.gain import Gain
from jahp_gui.codec.priors import PRIORS
from jahp_gui.codec.priors.context_model import CAUSAL_OFFSETS
from jahp_gui.codec.priors.gaussian import GaussianPrior
from jahp_gui.codec.priors.hyper import COARSE_KERNEL, HYPER_STRIDE
from jahp_gui.codec.transforms import STRIDE, build_transforms

PIXELS_AT_4, PIXELS_AT_8, PIXELS_AT_16 = 4**2, 8**2, 16**2  # per position at 1/4, 1/8, 1/16 resolution
PIXELS_AT_32, PIXELS_AT_64 = 32**2, 64**2  # of the hyper path


@dataclass(frozen=True)
class Macs:
    """MAC per pixel of the image, in the encoder and in the decoder."""

    encoder: float
    decoder: float


def transform_macs(config: ModelConfig) -> Macs:
    """Of analysis (encoder) and synthesis (decoder)."""
    return _efficient_macs(config) if config.transform == "efficient" else _paper_macs(config)


def _efficient_macs(config: ModelConfig) -> Macs:
    n4, n8, n16 = config.transform_widths
    m = config.latent_channels
    pixels = 3 * STRIDE**2  # of a block, which the linear shortcut reads or writes
    a4, a8, a16 = (2 * 9 * n * n * count for n, count in zip((n4, n8, n16), config.transform_blocks, strict=True))
    s4, s8, s16 = (2 * 9 * n * n * count for n, count in zip((n4, n8, n16), config.synthesis_blocks, strict=True))
    analysis = (
        (9 * 48 * n4 + a4) / PIXELS_AT_4
        + (4 * n4 * n8 + a8) / PIXELS_AT_8
        + (4 * n8 * n16 + a16 + n16 * m + pixels * m) / PIXELS_AT_16
    )
    synthesis = (
        (pixels * m + m * n16 + s16 + n16 * 4 * n8) / PIXELS_AT_16
        + (s8 + n8 * 4 * n4) / PIXELS_AT_8
        + (9 * 48 * n4 + s4 + 9 * n4 * 48) / PIXELS_AT_4
    )
    return Macs(analysis, synthesis)


def _paper_macs(config: ModelConfig) -> Macs:
    """Alike in both directions: a transposed convolution takes its MAC per input position."""
    (n,), m = config.transform_widths, config.latent_channels
    gdn = n * n
    macs = (
        (25 * 3 * n + gdn) / 2**2
        + (25 * n * n + gdn) / PIXELS_AT_4
        + (25 * n * n + gdn) / PIXELS_AT_8
        + 25 * n * m / PIXELS_AT_16
    )
    return Macs(macs, macs)


def prior_macs(config: ModelConfig, prior: str) -> Macs:
    """Of a prior's networks: h_a runs in the encoder alone, all others on both sides; `factorized` has none."""
    kind = PRIORS[prior]
    if not issubclass(kind, GaussianPrior):
        return Macs(0.0, 0.0)
    m, w, c = config.latent_channels, config.hyper_width, config.hyper_channels
    features = 1  # λ
    h_a = both = 0.0
    if kind.has_hyperprior:
        h_a = m * w / PIXELS_AT_16 + 25 * w * w / PIXELS_AT_32 + 25 * w * c / PIXELS_AT_64
        both += 9 * (c + 1) * 4 * w / PIXELS_AT_64 + 9 * w * 4 * w / PIXELS_AT_32
        both += 9 * w * config.hyper_features / PIXELS_AT_16
        features += config.hyper_features
        if coarse := kind.coarse_channels(config):
            h_a += m * coarse / PIXELS_AT_16 + COARSE_KERNEL**2 * coarse**2 / PIXELS_AT_64
            both += 9 * coarse**2 * HYPER_STRIDE**2 / PIXELS_AT_64 + coarse * m / PIXELS_AT_16
    if kind.has_context:
        taps, reduced = len(CAUSAL_OFFSETS), config.context_reduction
        both += (m * reduced + taps * reduced * config.context_features + taps * m) / PIXELS_AT_16
        features += config.context_features
    first, second = config.parameter_widths
    outputs = m * (1 + kind.has_means)
    both += (features * first + first * second + second * outputs) / PIXELS_AT_16
    return Macs(h_a + both, both)


def transform_parameters(config: ModelConfig) -> int:
    """Weights of analysis, synthesis and gains."""
    with torch.device("meta"):
        modules = *build_transforms(config), Gain(config.lmbda_anchors, config.latent_channels)
    return sum(weight.numel() for module in modules for weight in module.parameters())


def prior_parameters(config: ModelConfig, prior: str) -> int:
    """Trained weights of a prior, those of densities and of masked taps included."""
    with torch.device("meta"):
        module = PRIORS[prior](config)
    return sum(weight.numel() for weight in module.parameters())
