"""What every prior said of the latents of one position before the decoder knew them.

Rows, μ, σ and bits are those of the tables that the coder uses, so that the bits of all positions add up to the file's.
A window of the image is prepared at a time, after which a position takes about a millisecond.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jahp_gui.codec.config import ModelConfig
from jahp_gui.codec.latent_views import STRIDES, Region
from jahp_gui.codec.priors.base import CodingState, FrozenPrior
from jahp_gui.codec.priors.context_model import CAUSAL_OFFSETS, KERNEL
from jahp_gui.codec.priors.hyper import HYPER_STRIDE, shrunk
from jahp_gui.codec.tables import NARROW_HALF, TOTAL, WIDE_HALF, SymbolTables
from jahp_gui.codec.tiling import TILE, Tile, pixels, synthesis_margin, tiles, widened

# Around a window, in latent positions. h_s reaches one hyper-latent (4), one position of half the resolution (2) and
# one latent; the context reaches two. Two hyper-latents cover both.
HYPER_REACH = 4 + 2 + 1
WINDOW_MARGIN = 2 * HYPER_STRIDE
KEPT_WINDOWS = 2  # of each prior: two positions are compared
REACH = KERNEL // 2


@dataclass(frozen=True, eq=False)
class Distribution:
    """The table row that codes one latent.

    first: int64 (n,) the least value of each column, ascending. width: how many values a column stands for, all
    equally likely. probability: float64 (n,) of each column; with `escape`, that of any other value, they sum to one.
    """

    first: NDArray[np.int64]
    width: int
    probability: NDArray[np.float64]
    escape: float

    def column_of(self, value: int) -> int | None:
        """The column that codes a value, None where it is escaped."""
        column = (value - int(self.first[0])) // self.width
        return column if 0 <= column < len(self.first) else None

    def probability_of(self, value: int) -> float | None:
        """That of one value, None where it is escaped."""
        column = self.column_of(value)
        return None if column is None else float(self.probability[column]) / self.width


@dataclass(frozen=True, eq=False)
class Prediction:
    """All latents of one position under one prior.

    values: int32 (C,) what they turned out to be. bits, mu, sigma: float64 (C,), of the table rows that code them.
    around: int32 (5, 5, C) the values about the position, zero outside of the image. inside: bool (5, 5) which of them
    lie in the image; seen: bool (5, 5) which the prior may look at, because they are decoded before.
    """

    values: NDArray[np.int32]
    bits: NDArray[np.float64]
    mu: NDArray[np.float64]
    sigma: NDArray[np.float64]
    around: NDArray[np.int32]
    inside: NDArray[np.bool_]
    seen: NDArray[np.bool_]
    tables: SymbolTables
    rows: NDArray[np.int32]
    offsets: NDArray[np.int32]

    def distribution(self, channel: int) -> Distribution:
        """The table row, at its offset, that codes this channel."""
        row, offset = int(self.rows[channel]), int(self.offsets[channel])
        narrow = len(self.tables.narrow)
        counts, half = (
            (self.tables.narrow[row], NARROW_HALF) if row < narrow else (self.tables.wide[row - narrow], WIDE_HALF)
        )
        width = 1 << int(self.tables.shift[row])
        first = np.arange(-half, half, dtype=np.int64) * width + offset
        return Distribution(first, width, counts[:-1] / TOTAL, float(counts[-1]) / TOTAL)


class LatentInspector:
    """Predictions for any position of an image's latents under any of a model's priors."""

    def __init__(
        self,
        priors: Mapping[str, FrozenPrior],
        y_hat: np.ndarray,
        gain_index: int,
        z_hats: Mapping[str, np.ndarray] | None = None,
    ):
        """y_hat: int16 (h, w, M). z_hats: ẑ of priors for which a file says it; others get this machine's choice."""
        self.priors, self.y_hat, self.gain_index = priors, y_hat, gain_index
        self._z_hats: dict[str, np.ndarray | None] = dict(z_hats or {})
        self._states: OrderedDict[tuple[str, int, int], tuple[Tile, CodingState]] = OrderedDict()

    def z_hat(self, name: str) -> np.ndarray | None:
        """ẑ (h/4, w/4, C) of a prior, None without side information."""
        if name not in self._z_hats:
            self._z_hats[name] = self.priors[name].side_information(self.y_hat, self.gain_index)
        return self._z_hats[name]

    def predict(self, name: str, latents: str, column: int, row: int) -> Prediction | None:
        """What a prior says of a position of y or z; None of z where it has none. The position lies in the image."""
        return self._predict_z(name, column, row) if latents == "z" else self._predict_y(name, column, row)

    def _predict_y(self, name: str, column: int, row: int) -> Prediction:
        tile, state = self._state(name, column, row)
        width = tile.columns_with_margin.stop - tile.columns_with_margin.start
        position = (row - tile.rows_with_margin.start) * width + column - tile.columns_with_margin.start
        rows, offsets = state.rows(np.array([position]))
        return _prediction(self.y_hat, column, row, state.tables, rows[0], offsets[0], self.priors[name].has_context)

    def _predict_z(self, name: str, column: int, row: int) -> Prediction | None:
        z_hat = self.z_hat(name)
        if z_hat is None:
            return None
        rows = np.arange(z_hat.shape[2], dtype=np.int32)
        return _prediction(z_hat, column, row, self.priors[name].side_tables(), rows, np.zeros_like(rows), False)

    def _state(self, name: str, column: int, row: int) -> tuple[Tile, CodingState]:
        """The window that holds a position, and the prior's rows there with all latents known.

        The rows of a position read its causal neighbours alone, whatever else is known.
        """
        key = name, row // TILE, column // TILE
        if key not in self._states:
            height, width, channels = self.y_hat.shape
            windows = tiles(height, width, WINDOW_MARGIN)
            tile = next(tile for tile in windows if row < tile.rows.stop and column < tile.columns.stop)
            part = self.y_hat[tile.rows_with_margin, tile.columns_with_margin]
            z_hat = self.z_hat(name)
            if z_hat is not None:
                z_hat = z_hat[shrunk(tile.rows_with_margin), shrunk(tile.columns_with_margin)]
            state = self.priors[name].start(z_hat, part.shape[0], part.shape[1], self.gain_index)
            state.reveal(np.arange(part.shape[0] * part.shape[1]), part.reshape(-1, channels))
            self._states[key] = tile, state
            while len(self._states) > KEPT_WINDOWS * len(self.priors):
                self._states.popitem(last=False)
        self._states.move_to_end(key)
        return self._states[key]


def _prediction(
    latents: np.ndarray,
    column: int,
    row: int,
    tables: SymbolTables,
    rows: np.ndarray,
    offsets: np.ndarray,
    has_context: bool,
) -> Prediction:
    values = latents[row, column].astype(np.int32)
    mean_of_row, deviation_of_row = tables.moments
    around, inside = _surroundings(latents, column, row)
    seen = np.zeros((KERNEL, KERNEL), bool)
    if has_context:
        for dy, dx in CAUSAL_OFFSETS:
            seen[REACH + dy, REACH + dx] = inside[REACH + dy, REACH + dx]
    bits = tables.bits(values.astype(np.int64) - offsets, rows)
    mu, sigma = mean_of_row[rows] + offsets, deviation_of_row[rows]
    return Prediction(values, bits, mu, sigma, around, inside, seen, tables, rows, offsets)


def _surroundings(latents: np.ndarray, column: int, row: int) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """Values (5, 5, C) about a position of (h, w, C), zero outside, and which lie inside."""
    height, width, _ = latents.shape
    rows, columns = (at + np.arange(-REACH, REACH + 1) for at in (row, column))
    inside = ((rows >= 0) & (rows < height))[:, None] & ((columns >= 0) & (columns < width))
    nearest = latents[np.ix_(rows.clip(0, height - 1), columns.clip(0, width - 1))].astype(np.int32)
    return nearest * inside[..., None], inside


def governed_regions(
    config: ModelConfig, latents: str, column: int, row: int, width: int, height: int
) -> tuple[Region, Region]:
    """The block of pixels that a latent stands for, and all that it can change, cut at the image's edge.

    A latent y changes the pixels that the synthesis transform computes from it. One of z changes no pixel: what it
    changes is the prediction of the latents in the second region.
    """
    stride, y_stride = STRIDES[latents], STRIDES["y"]
    block = _region(slice(row, row + 1), slice(column, column + 1), stride, width, height)
    scale = stride // y_stride
    margin = synthesis_margin(config) if latents == "y" else HYPER_REACH
    rows, columns = (
        widened(slice(at * scale, (at + 1) * scale), margin, -(-size // y_stride))
        for at, size in ((row, height), (column, width))
    )
    return block, _region(rows, columns, y_stride, width, height)


def _region(rows: slice, columns: slice, stride: int, width: int, height: int) -> Region:
    down, across = pixels(rows, stride, height), pixels(columns, stride, width)
    return Region(across.start, down.start, across.stop - across.start, down.stop - down.start)
