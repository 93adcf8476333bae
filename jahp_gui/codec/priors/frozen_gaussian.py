"""The exact form of the conditional priors: from ẑ and the latents decoded so far to a table row per latent.

Activations are integers in units of 2^-10 (see `fixed_point`); the result is the index of one of 64 scales and a mean
in units of 2^-10, which choose a stored table row and an integer offset.
"""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from jahp_gui.codec.config import ModelConfig
from jahp_gui.codec.fixed_point import (
    ACTIVATION_BITS,
    FrozenLayer,
    convolve3,
    load_layer,
    pixel_shuffle,
    round_half_up,
)
from jahp_gui.codec.priors.base import CodingState, FrozenPrior
from jahp_gui.codec.priors.context_model import CAUSAL_OFFSETS
from jahp_gui.codec.priors.hyper import HYPER_STRIDE, HyperAnalysis, load_encoder_side, shrunk
from jahp_gui.codec.rate_scale import STEPS_PER_ANCHOR
from jahp_gui.codec.tables import NARROW_WIDTH, SymbolTables, first_rows
from jahp_gui.codec.tiling import tiles
from jahp_gui.codec.wavefront import wavefronts

COMPRESSED_COUNT = 2048  # entries of the stored table of log(1 + |ŷ|); larger magnitudes use the last
Z_UNIT = 1 << (ACTIVATION_BITS - 2)  # h_s reads ẑ / 4
POSITION_UNIT = (1 << ACTIVATION_BITS) // (4 * STEPS_PER_ANCHOR)  # and t / 4 of the gain index 16·t
GAIN_UNIT = 2.0**-ACTIVATION_BITS  # of the stored gains
MEAN_LIMIT = 1 << 30
FEATURE_ROWS = 64  # of hyper features computed at a time; even
FEATURE_SIDE = 2048  # latent positions; hyper features of longer sides are computed in parts, which bounds memory
FEATURE_MARGIN = 8  # latent positions around a part: its three convolutions reach 1 + 2 + 4, and ẑ is there whole
BATCH = 512  # positions whose rows are computed at a time where nothing forces fewer


class FrozenGaussian(FrozenPrior):
    """Joint, mean-scale, scale and context priors: whichever parts the tensors hold."""

    def __init__(
        self,
        tensors: Mapping[str, np.ndarray],
        config: ModelConfig,
        has_hyperprior: bool,
        has_context: bool,
        has_means: bool,
        coarse_channels: int,
    ):
        self.config = config
        self.has_side_information = has_hyperprior  # type: ignore[misc]
        self.has_context = has_context  # type: ignore[misc]
        shift = tensors["tables.shift"].astype(np.int64)
        self.tables = SymbolTables(
            tensors["tables.narrow"].astype(np.int64), tensors["tables.wide"].astype(np.int64), shift
        )
        self.step_tables = StepTables(tensors["tables.fraction_bits"])
        self.first, self.second = (load_layer(tensors, name, leaky=True) for name in ("first", "second"))
        # Scale indices, then means: two layers of one input are one product.
        self.has_means = has_means
        heads = [load_layer(tensors, name, leaky=False) for name in ("scale", "mean")[: 1 + has_means]]
        weight, bias = torch.cat([head.weight for head in heads], 1), torch.cat([head.bias for head in heads])
        units = [heads[0].unit * 2.0**-ACTIVATION_BITS, *(head.unit for head in heads[1:])]
        self.head = FrozenLayer(weight, bias, torch.cat(units), leaky=False)
        if has_hyperprior:
            self.up2, self.up1, self.out = (load_layer(tensors, name, leaky=True) for name in ("up2", "up1", "out"))
            self.hyper_analysis: HyperAnalysis = load_encoder_side(tensors, config, coarse_channels)
            z_wide = tensors["z.wide"].astype(np.int64)
            self.z_tables = SymbolTables(np.empty((0, NARROW_WIDTH), np.int64), z_wide, np.zeros(len(z_wide), np.int64))
        self.has_coarse_means = coarse_channels > 0
        if self.has_coarse_means:
            self.spread, self.expand = (load_layer(tensors, name, leaky=False) for name in ("spread", "expand"))
            self.mean_gain = torch.from_numpy(tensors["mean_gain"])
        if has_context:
            self.reduce = load_layer(tensors, "reduce", leaky=False)
            self.masked = load_layer(tensors, "masked", leaky=True)
            self.linear = load_layer(tensors, "linear", leaky=False)
            self.compressed = torch.from_numpy(tensors["compressed"].astype(np.float32))

    def schedule(self, height: int, width: int) -> list[np.ndarray]:
        return wavefronts(height, width) if self.has_context else super().schedule(height, width)

    def side_information(self, y_hat: np.ndarray, gain_index: int) -> np.ndarray | None:
        if not self.has_side_information:
            return None
        gain = None
        if self.has_coarse_means:  # one of a channel that is zero at this λ may be stored as zero
            gain = self.mean_gain[gain_index : gain_index + 1].clamp(min=1) * GAIN_UNIT
        return self.hyper_analysis.choose(y_hat, gain)

    def side_tables(self) -> SymbolTables:
        return self.z_tables

    def start(self, z_hat: np.ndarray | None, height: int, width: int, gain_index: int) -> "GaussianState":
        features = coarse = None
        if z_hat is not None:
            features = self._hyper_features(z_hat, height, width, gain_index).reshape(height * width, -1)
        if z_hat is not None and self.has_coarse_means:
            coarse = self._coarse(z_hat, height, width).reshape(height * width, -1)
        return GaussianState(self, features, coarse, height, width, gain_index)

    def _hyper_features(self, z_hat: np.ndarray, height: int, width: int, gain_index: int) -> Tensor:
        """h_s of ẑ (h/4, w/4, C): (h, w, F) integers, held in float32."""
        features = torch.empty(height, width, len(self.out.unit), dtype=torch.float32)
        for tile in tiles(height, width, FEATURE_MARGIN, FEATURE_SIDE):
            around = z_hat[shrunk(tile.rows_with_margin), shrunk(tile.columns_with_margin)]
            self._fill_features(features[tile.rows, tile.columns], around, tile.inner, gain_index)
        return features

    def _fill_features(self, features: Tensor, z_hat: np.ndarray, inner: tuple[slice, slice], gain_index: int) -> None:
        """Write h_s of ẑ at the rows and columns `inner` to `features`.

        The widest map, that before the last convolution, is there a band of rows at a time.
        """
        z = torch.from_numpy(z_hat[:, :, : self.config.hyper_channels].astype(np.float32)) * Z_UNIT
        h = torch.cat([z, torch.full((*z.shape[:2], 1), float(POSITION_UNIT * gain_index))], 2)
        h = pixel_shuffle(convolve3(self.up2, h))
        rows, columns = inner
        for top in range(rows.start, rows.stop, FEATURE_ROWS):
            bottom = min(top + FEATURE_ROWS, rows.stop)
            # The last convolution reads one row more on either side, and two rows here are one of h.
            around = slice(max(top // 2 - 1, 0), min(bottom // 2 + 1, len(h)))
            wide = pixel_shuffle(convolve3(self.up1, h, around))
            first = 2 * around.start
            band = convolve3(self.out, wide, slice(top - first, bottom - first))
            features[top - rows.start : bottom - rows.start] = band[:, columns]

    def _coarse(self, z_hat: np.ndarray, height: int, width: int) -> Tensor:
        """What the coarse means are made of, (h, w, channels) integers, held in float32."""
        known = np.pad(z_hat[:, :, self.config.hyper_channels :], ((1, 1), (1, 1), (0, 0)), mode="edge")
        z = torch.from_numpy(known.astype(np.float32)) * (1 << ACTIVATION_BITS)
        spread = convolve3(self.spread, z, slice(1, len(z) - 1))[:, 1:-1]
        return pixel_shuffle(spread, HYPER_STRIDE)[:height, :width]


class StepTables:
    """Table rows by scale and mean; a mean is known in steps of 2^-bits, of as many bits as its scale has."""

    def __init__(self, fraction_bits: np.ndarray):
        self.bits = fraction_bits.astype(np.int32)
        self.dropped = ACTIVATION_BITS - self.bits  # bits of a mean
        self.half = np.int32(1) << (self.dropped - 1)
        self.last = (np.int32(1) << self.bits) - 1
        self.first_row = first_rows(self.bits).astype(np.int32)

    def rows(self, scale: np.ndarray, mean: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rows and integer offsets, int32 (n, M) each, of scale indices (n, M) and means in units of 2^-10, integers in
        floats; of one mean (n, 1) for all channels, too.
        """
        scale = scale.clip(0, len(self.bits) - 1).astype(np.intp)
        whole = mean.clip(-MEAN_LIMIT, MEAN_LIMIT).astype(np.int32)
        steps = (whole + self.half[scale]) >> self.dropped[scale]
        # The integer part goes to the offset, the rest to the row.
        return self.first_row[scale] + (steps & self.last[scale]), steps >> self.bits[scale]


class GaussianState(CodingState):
    """The causal neighbourhood of one image, zero where nothing is known yet, and the rows it gives."""

    def __init__(
        self,
        prior: FrozenGaussian,
        features: Tensor | None,
        coarse: Tensor | None,
        height: int,
        width: int,
        gain_index: int,
    ):
        self.prior, self.features, self.coarse = prior, features, coarse
        self.gain_index = gain_index
        self.tables = prior.tables
        self.position = float(POSITION_UNIT * gain_index)
        self.width = width
        if prior.has_context:
            # Two rows above and two columns on the left stay zero: the padding of the masked convolution. What is right
            # of a row is left of the next. NumPy's zeros take memory where they are written to, PyTorch's everywhere.
            self.stride = width + 2
            cells = (height + 2) * self.stride
            self.latents = torch.from_numpy(np.zeros((cells, prior.config.latent_channels), np.int16))
            self.reduced = torch.from_numpy(np.zeros((cells, prior.config.context_reduction), np.float32))
            self.neighbours = torch.tensor([dy * self.stride + dx for dy, dx in CAUSAL_OFFSETS])

    def _cells(self, positions: np.ndarray) -> Tensor:
        """Indices into the padded maps of raster positions."""
        y, x = np.divmod(positions, self.width)
        return torch.from_numpy((y + 2) * self.stride + x + 2)

    def reveal(self, positions: np.ndarray, latents: np.ndarray) -> None:
        if not self.prior.has_context:
            return
        for start in range(0, len(positions), BATCH):
            part = slice(start, start + BATCH)
            cells, known = self._cells(positions[part]), torch.from_numpy(latents[part])
            self.latents[cells] = known
            magnitude = known.abs().long().clamp(max=COMPRESSED_COUNT - 1)
            compressed = self.prior.compressed[magnitude] * torch.sign(known)
            self.reduced[cells] = self.prior.reduce(compressed)

    def rows(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        parts = [self._rows(positions[start : start + BATCH]) for start in range(0, len(positions), BATCH)]
        return np.concatenate([rows for rows, _ in parts]), np.concatenate([offsets for _, offsets in parts])

    def _rows(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        prior = self.prior
        features: list[Tensor] = []
        if self.features is not None:
            features.append(self.features[torch.from_numpy(positions)])
        linear: Tensor | float = 0.0
        if self.coarse is not None:
            coarse = prior.expand(self.coarse[torch.from_numpy(positions)]).double()
            linear = round_half_up(coarse * prior.mean_gain[self.gain_index] * GAIN_UNIT)
        if prior.has_context:
            around = self._cells(positions)[:, None] + self.neighbours  # (n, 12)
            features.append(prior.masked(self.reduced[around].flatten(1)))
            linear = linear + linear_mean(prior.linear, self.latents[around])
        features.append(torch.full((len(positions), 1), self.position))
        h = prior.second(prior.first(torch.cat(features, 1)))
        head = prior.head(h)
        channels = prior.config.latent_channels
        mean = head[:, channels:].double() + linear if prior.has_means else torch.zeros_like(h[:, :1])
        return prior.step_tables.rows(head[:, :channels].numpy(), mean.numpy())


def linear_mean(layer: FrozenLayer, around: Tensor) -> Tensor:
    """Linear prediction from the neighbours (n, 12, M) int16: (n, M) integers in units of 2^-10."""
    total = (around.double() * layer.weight).sum(1)
    return round_half_up(total * (layer.unit * 2.0**ACTIVATION_BITS))
