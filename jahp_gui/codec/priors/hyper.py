"""The hyperprior: side information z about ŷ (Ballé et al. 2018; Minnen et al. 2018, figure 1).

ŷ (B, M, h, w) with h and w multiples of 4  →  z (B, C, h/4, w/4)  →  hyper features (B, F, h, w)

and, where `coarse` more channels of z say so, coarse means (B, M, h, w).
"""

import copy
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from jahp_gui.codec.config import ModelConfig
from jahp_gui.codec.priors.density import FactorizedDensity
from jahp_gui.codec.priors.rounding import Quantised, bits_of_quantised, noisy, rounded
from jahp_gui.codec.tables import normalise
from jahp_gui.codec.tiling import tiles
from jahp_gui.codec.weights import compact, expand

HYPER_STRIDE = 4
Z_LIMIT = 32  # the encoder clamps ẑ to −32 … 31, the symbols of a wide table row
MIDDLE_POSITION = 3.5  # of the gain positions t, with the usual eight anchors
Z_SCALE = 4.0  # z starts with a spread of a few units: noise of ±1/2 must not drown it while it learns
COARSE_KERNEL = 3 * HYPER_STRIDE  # latent positions: a cell of ẑ and its neighbours, which the means interpolate
ANALYSIS_MARGIN = 8  # latent positions: two 5×5 convolutions of stride 2 reach 2 + 4, and tiles keep multiples of 4
LEAK = 0.125  # slope of the leaky ReLU of every network that is frozen: a power of two is exact


def shrunk(part: slice) -> slice:
    """A range of latent positions, from a multiple of 4, in hyper-latent positions."""
    return slice(part.start // HYPER_STRIDE, -(-part.stop // HYPER_STRIDE))


def compress(y_hat: Tensor) -> Tensor:
    """sign(ŷ)·log(1 + |ŷ|): one network serves the spread of the latents at every λ."""
    return torch.sign(y_hat) * torch.log1p(torch.abs(y_hat))


class HyperAnalysis(nn.Module):
    """h_a: runs only in the encoder, in ordinary floats."""

    def __init__(self, config: ModelConfig, coarse: int):
        super().__init__()
        self.channels = config.hyper_channels + coarse
        width = config.hyper_width
        self.layers = nn.Sequential(
            nn.Conv2d(config.latent_channels, width, 1),
            nn.LeakyReLU(LEAK),
            nn.Conv2d(width, width, 5, stride=2, padding=2),
            nn.LeakyReLU(LEAK),
            nn.Conv2d(width, config.hyper_channels, 5, stride=2, padding=2),
        )
        self.coarse = CoarseAnalysis(config, coarse) if coarse else None

    def forward(self, y_hat: Tensor, gain: Tensor | None) -> Tensor:
        """z (B, C, h/4, w/4), not yet rounded, of ŷ (B, M, h, w) at gains (B, M), which only coarse means need."""
        z = Z_SCALE * self.layers(compress(y_hat))
        if self.coarse is None:
            return z
        assert gain is not None
        with torch.autocast(y_hat.device.type, enabled=False):
            return torch.cat([z.float(), self.coarse(y_hat / gain[:, :, None, None])], 1)

    @torch.no_grad()
    def choose(self, y_hat: np.ndarray, gain: Tensor | None = None) -> np.ndarray:
        """ẑ (⌈h/4⌉, ⌈w/4⌉, C) int16 for ŷ (h, w, M) int16 at gains (1, M).

        ŷ is padded to multiples of 4 by edge replication.
        """
        height, width, _ = y_hat.shape
        z_hat = np.empty((-(-height // HYPER_STRIDE), -(-width // HYPER_STRIDE), self.channels), np.int16)
        for tile in tiles(height, width, ANALYSIS_MARGIN):
            part = torch.from_numpy(y_hat[tile.rows_with_margin, tile.columns_with_margin]).permute(2, 0, 1)[None]
            padding = (0, -part.shape[3] % HYPER_STRIDE, 0, -part.shape[2] % HYPER_STRIDE)
            z = torch.round(self(F.pad(part.float(), padding, mode="replicate"), gain)).clamp(-Z_LIMIT, Z_LIMIT - 1)
            inner = z[0].permute(1, 2, 0)[tuple(shrunk(side) for side in tile.inner)]
            z_hat[shrunk(tile.rows), shrunk(tile.columns)] = inner.to(torch.int16).numpy()
        return z_hat


class CoarseAnalysis(nn.Module):
    """A linear map of the latents before their gain, so the same at every λ, to the channels of z behind coarse means.

    The rest of h_a and h_s sees latents through a logarithm, and a mean needs its inverse: they do not find one.
    Starts as the averages over 4×4 positions of the first channels, which hold the lowest frequencies.
    """

    def __init__(self, config: ModelConfig, channels: int):
        super().__init__()
        self.reduce = nn.Conv2d(config.latent_channels, channels, 1, bias=False)
        self.gather = nn.Conv2d(
            channels, channels, COARSE_KERNEL, HYPER_STRIDE, HYPER_STRIDE, padding_mode="replicate", bias=False
        )
        average = np.pad(np.full((HYPER_STRIDE, HYPER_STRIDE), HYPER_STRIDE**-2.0), HYPER_STRIDE)
        start_at(self.reduce, np.eye(channels, config.latent_channels)[:, :, None, None])
        start_at(self.gather, np.eye(channels)[:, :, None, None] * average)

    def forward(self, y: Tensor) -> Tensor:
        return self.gather(self.reduce(y))


def start_at(conv: nn.Conv2d, weight: np.ndarray) -> None:
    """From NumPy: models are built on the meta device to be loaded, and there torch.eye imports for a second."""
    with torch.no_grad():
        conv.weight.copy_(torch.from_numpy(weight))


class CoarseSynthesis(nn.Module):
    """Means (B, M, h, w) of the latents before their gain, linear in their channels of ẑ; starts as interpolation."""

    def __init__(self, config: ModelConfig, channels: int):
        super().__init__()
        self.spread = nn.Conv2d(
            channels, channels * HYPER_STRIDE**2, 3, padding=1, padding_mode="replicate", bias=False
        )
        self.expand = nn.Conv2d(channels, config.latent_channels, 1, bias=False)
        # Weights of the value before, at and after a cell, for the four places inside it.
        place = (np.arange(HYPER_STRIDE) + 0.5) / HYPER_STRIDE - 0.5
        taps = np.stack([np.maximum(-place, 0), 1 - np.abs(place), np.maximum(place, 0)], 1)
        bilinear = np.einsum("ik,jl->ijkl", taps, taps).reshape(-1, 3, 3)
        start_at(self.spread, np.einsum("cd,pkl->cpdkl", np.eye(channels), bilinear).reshape(self.spread.weight.shape))
        start_at(self.expand, np.eye(config.latent_channels, channels)[:, :, None, None])

    def forward(self, z_hat: Tensor) -> Tensor:
        return self.expand(F.pixel_shuffle(self.spread(z_hat), HYPER_STRIDE))


class HyperSynthesis(nn.Module):
    """h_s: 3×3 convolutions and pixel shuffles, each followed by a leaky ReLU; frozen to fixed point for the codec.

    λ enters as one more constant channel, t / 4 for the gain position t.
    """

    def __init__(self, config: ModelConfig, coarse: int):
        super().__init__()
        width = config.hyper_width
        self.coarse = CoarseSynthesis(config, coarse) if coarse else None
        self.up2 = nn.Conv2d(config.hyper_channels + 1, 4 * width, 3, padding=1)
        self.up1 = nn.Conv2d(width, 4 * width, 3, padding=1)
        self.out = nn.Conv2d(width, config.hyper_features, 3, padding=1)

    def forward(self, z_hat: Tensor, gain: Tensor, position: Tensor) -> "HyperPrediction":
        """From ẑ (B, C, h/4, w/4), gains (B, M) and gain positions (B,)."""
        read = self.up2.in_channels - 1
        h = append_position(z_hat[:, :read] / Z_SCALE, position)
        h = F.leaky_relu(F.pixel_shuffle(self.up2(h), 2), LEAK)
        h = F.leaky_relu(F.pixel_shuffle(self.up1(h), 2), LEAK)
        features = F.leaky_relu(self.out(h), LEAK)
        if self.coarse is None:
            return HyperPrediction(features, None)
        with torch.autocast(z_hat.device.type, enabled=False):
            return HyperPrediction(features, self.coarse(z_hat[:, read:].float()) * gain[:, :, None, None])


class HyperPrediction(NamedTuple):
    """What h_s says: features (B, F, h, w), and means (B, M, h, w) float32 or None."""

    features: Tensor
    mean: Tensor | None

    def cut(self, height: int, width: int) -> "HyperPrediction":
        """Without what is behind the last of (height, width) latents."""
        mean = None if self.mean is None else self.mean[:, :, :height, :width]
        return HyperPrediction(self.features[:, :, :height, :width], mean)


def append_position(features: Tensor, position: Tensor) -> Tensor:
    """`features` (B, C, h, w) with one more channel that holds t / 4 for gain positions t (B,)."""
    plane = (position / 4).to(features.dtype)[:, None, None, None].expand(-1, 1, *features.shape[2:])
    return torch.cat([features, plane], 1)


class Hyperprior(nn.Module):
    """h_a, the density of z, and h_s."""

    def __init__(self, config: ModelConfig, coarse: int):
        super().__init__()
        self.channels = config.hyper_channels + coarse
        self.analysis = HyperAnalysis(config, coarse)
        self.density = FactorizedDensity(self.channels)
        self.synthesis = HyperSynthesis(config, coarse)

    def forward(self, y: Quantised, gain: Tensor, position: Tensor) -> tuple[HyperPrediction, Tensor]:
        """What h_s says of ŷ (B, M, h, w), and the bits of z (B, C, h/4, w/4), quantised as ŷ is."""
        u = self.analysis(y.value, gain).float()
        with torch.autocast(u.device.type, enabled=False):
            z = noisy(u) if y.below is None else rounded(u)
            z = z._replace(value=z.value.clamp(-Z_LIMIT, Z_LIMIT - 1))
            bits = bits_of_quantised(lambda value: self.density.interval_bits(value - 0.5, value + 0.5), z)
        return self.synthesis(z.value, gain, position), bits

    def freeze_encoder_side(self) -> dict[str, np.ndarray]:
        """h_a, which only the encoder runs, and the counts of ẑ: −32 … 31 and an escape never used."""
        arrays = compact(self.analysis, "analysis")
        edges = torch.arange(-Z_LIMIT, Z_LIMIT + 1, dtype=torch.float64) - 0.5
        with torch.no_grad():
            density = copy.deepcopy(self.density).double().cpu()
            cumulative = torch.sigmoid(density.logits(edges.expand(self.channels, -1))).numpy()
        cumulative[:, 0], cumulative[:, -1] = 0, 1  # the encoder clamps: the tails belong to the last symbols
        mass = np.diff(cumulative, axis=1)
        arrays["z.wide"] = normalise(np.concatenate([mass, np.zeros((len(mass), 1))], 1)).astype(np.int32)
        return arrays


def mean_input(z_counts: np.ndarray) -> np.ndarray:
    """The mean of what h_s reads, (C + 1,): of ẑ / 4 with stored counts (C, 65), and of t / 4.

    Some channels of ẑ stand at one of their limits for good: constants that the training found of use.
    """
    symbols = np.arange(-Z_LIMIT, Z_LIMIT)
    return np.append(z_counts[:, :-1] @ symbols / z_counts[:, :-1].sum(1) / Z_SCALE, MIDDLE_POSITION / 4)


def load_encoder_side(tensors: Mapping[str, np.ndarray], config: ModelConfig, coarse: int) -> HyperAnalysis:
    """h_a from the arrays of `Hyperprior.freeze_encoder_side`."""
    with torch.device("meta"):
        analysis = HyperAnalysis(config, coarse)
    expand(analysis, tensors, "analysis")
    return analysis
