"""A non-parametric density per channel of ŷ, no side information (Ballé et al. 2018, appendix 6.1)."""

import copy
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from jahp_gui.codec.config import ModelConfig
from jahp_gui.codec.priors.base import Bits, CodingState, FrozenPrior, Prior
from jahp_gui.codec.priors.density import FactorizedDensity
from jahp_gui.codec.priors.rounding import Quantised, bits_of_quantised
from jahp_gui.codec.tables import NARROW_WIDTH, TOTAL, WIDE_HALF, WIDE_WIDTH, SymbolTables

GRID = 512  # cells of the stored cumulative distribution of a channel, symmetric about zero
GRID_TOTAL = 1 << 30
POSITION_BITS = 20  # fractional bits of a position on the grid
TAIL = 2.0**-22  # mass that the grid may leave out on either side
ESCAPE_SHARE = 1 << 14  # the window of a row leaves at most this fraction's inverse of the mass to escapes
MAX_SHIFT = 10


class Factorized(Prior):
    """The density is that of the ungained y, so that one density serves every λ: p(ŷ) = c((ŷ+½)/g) − c((ŷ−½)/g)."""

    name = "factorized"
    code = 0

    def __init__(self, config: ModelConfig):
        super().__init__(config)
        self.density = FactorizedDensity(config.latent_channels, init_scale=1.0)

    def bits(self, y: Quantised, gain: Tensor, position: Tensor, keep: Tensor | None = None) -> Bits:
        step = (1 / gain)[:, :, None, None]

        def bits_at(value: Tensor) -> Tensor:
            return self.density.interval_bits((value - 0.5) * step, (value + 0.5) * step)

        return Bits(bits_of_quantised(bits_at, y), None)

    def freeze(self, gains: np.ndarray) -> dict[str, np.ndarray]:
        with torch.no_grad():
            density = copy.deepcopy(self.density).double().cpu()
            reach = self._reach(density)  # (M,)
            points = torch.linspace(-1, 1, GRID + 1, dtype=torch.float64) * reach[:, None]
            cumulative = torch.sigmoid(density.logits(points)).numpy()
        cell = reach.numpy() / (GRID // 2)
        return {
            "cumulative": np.rint(cumulative * GRID_TOTAL).astype(np.int32),  # (M, GRID + 1)
            # Half a quantiser step, 1/(2g), in cells: the edges of symbol k are its odd multiples 2k ± 1. A channel
            # that always rounds to zero has steps wider than its grid, whose width is then as good.
            "half_step": np.rint((0.5 / gains / cell).clip(max=GRID) * (1 << POSITION_BITS)).astype(np.int32),  # (G, M)
        }

    def _reach(self, density: FactorizedDensity) -> Tensor:
        """Distance from zero beyond which a channel has less than `TAIL` of its mass on either side: float64 (M,)."""
        distance = torch.exp2(torch.arange(-8, 10, 0.125, dtype=torch.float64)).expand(self.config.latent_channels, -1)
        above, below = torch.sigmoid(-density.logits(distance)), torch.sigmoid(density.logits(-distance))
        outside = (torch.maximum(above, below) > TAIL).sum(1).clamp(max=distance.shape[1] - 1)
        return distance.gather(1, outside[:, None])[:, 0]

    @classmethod
    def load_frozen(cls, tensors: Mapping[str, np.ndarray], config: ModelConfig) -> "FrozenFactorized":
        return FrozenFactorized(tensors["cumulative"], tensors["half_step"])


class FrozenFactorized(FrozenPrior):
    """Row c of the tables of a gain index is channel c; integer arithmetic alone makes them."""

    def __init__(self, cumulative: np.ndarray, half_step: np.ndarray):
        self.cumulative = cumulative.astype(np.int64)
        self.half_step = half_step.astype(np.int64)

    def tables(self, gain_index: int) -> SymbolTables:
        """One wide row per channel, with the smallest shift whose window leaves next to nothing to escapes."""
        half_step = self.half_step[gain_index]
        window = WIDE_HALF << np.arange(MAX_SHIFT + 1)
        low = self._mass_below(-2 * window[None, :] - 1, half_step)
        high = self._mass_below(2 * window[None, :] - 1, half_step)
        outside = GRID_TOTAL - (high - low)
        shift = (outside * ESCAPE_SHARE > GRID_TOTAL).sum(1).clip(max=MAX_SHIFT)
        edges = 2 * (np.arange(-WIDE_HALF, WIDE_HALF + 1)[None, :] << shift[:, None]) - 1
        mass = np.diff(self._mass_below(edges, half_step), axis=1).clip(min=0)
        # Counts of floor(mass share) + 1; the escape takes its own mass and everything that rounding left over.
        counts = 1 + mass * (TOTAL - WIDE_WIDTH) // GRID_TOTAL
        escape = TOTAL - counts.sum(1)
        surplus = escape - 1 - (GRID_TOTAL - mass.sum(1)) * (TOTAL - WIDE_WIDTH) // GRID_TOTAL
        counts[np.arange(len(counts)), counts.argmax(1)] += surplus
        wide = np.concatenate([counts, (escape - surplus)[:, None]], 1)
        return SymbolTables(np.empty((0, NARROW_WIDTH), np.int64), wide, shift)

    def _mass_below(self, edges: np.ndarray, half_step: np.ndarray) -> np.ndarray:
        """Cumulative counts at odd multiples `edges` (M or 1, n) of half a quantiser step: int64 (M, n)."""
        position = edges * half_step[:, None] + ((GRID // 2) << POSITION_BITS)
        position = position.clip(0, (GRID << POSITION_BITS) - 1)
        cell, fraction = position >> POSITION_BITS, position & ((1 << POSITION_BITS) - 1)
        low = np.take_along_axis(self.cumulative, cell, 1)
        high = np.take_along_axis(self.cumulative, cell + 1, 1)
        return low + ((high - low) * fraction >> POSITION_BITS)

    def start(self, z_hat: np.ndarray | None, height: int, width: int, gain_index: int) -> "FactorizedState":
        return FactorizedState(self.tables(gain_index))


class FactorizedState(CodingState):
    def __init__(self, tables: SymbolTables):
        self.tables = tables

    def rows(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        channels = np.arange(len(self.tables.wide), dtype=np.int32)
        rows = np.broadcast_to(channels, (len(positions), len(channels)))
        return rows, np.zeros(rows.shape, np.int32)
