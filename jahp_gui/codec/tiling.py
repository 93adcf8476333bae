"""Transforms of images of any size in bounded memory.

Tiles lie on one fixed grid, whatever memory is free, so that the same image always gives the same bytes. Each is
computed with a margin of its receptive field, and the margin is cut off: but for the order of floating-point sums
nothing differs from the whole image in one piece.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from jahp_gui.codec.config import ModelConfig

TILE = 64  # latent positions along a side: 1024 pixels
STRIPS = (8, 16, 32, 1 << 24)  # heights that `covering` tries; the last is one rectangle


class Tile(NamedTuple):
    """Row and column ranges of one tile, in latent positions: what it yields, and what must be computed for it."""

    rows: slice
    columns: slice
    rows_with_margin: slice
    columns_with_margin: slice

    @property
    def area(self) -> int:
        """Latent positions that must be computed."""
        rows, columns = self.rows_with_margin, self.columns_with_margin
        return (rows.stop - rows.start) * (columns.stop - columns.start)

    @property
    def inner(self) -> tuple[slice, slice]:
        """The yield within what was computed."""
        return within(self.rows, self.rows_with_margin), within(self.columns, self.columns_with_margin)


def within(part: slice, whole: slice) -> slice:
    return slice(part.start - whole.start, part.stop - whole.start)


def tiles(height: int, width: int, margin: int, side: int = TILE) -> Iterator[Tile]:
    """Tiles of a map of (height, width) latent positions, in raster order."""
    for top in range(0, height, side):
        rows = slice(top, min(top + side, height))
        for left in range(0, width, side):
            columns = slice(left, min(left + side, width))
            yield Tile(rows, columns, widened(rows, margin, height), widened(columns, margin, width))


def covering(changed: np.ndarray, margin: int) -> list[Tile]:
    """Tiles over all that changed positions, bool (h, w), can reach at `margin` around them.

    A front runs aslant, so that strips may take much less than the rectangle around it; the cheapest of a few
    heights is taken. Without a change there are none.
    """
    rows = np.flatnonzero(changed.any(1))
    if len(rows) == 0:
        return []
    reached = widened(slice(int(rows[0]), int(rows[-1]) + 1), margin, len(changed))
    choices = (list(_strips(changed, reached, margin, height)) for height in STRIPS)
    return min(choices, key=lambda tiles: sum(tile.area for tile in tiles))


def _strips(changed: np.ndarray, reached: slice, margin: int, strip: int) -> Iterator[Tile]:
    height, width = changed.shape
    for top in range(reached.start, reached.stop, strip):
        rows = slice(top, min(top + strip, reached.stop))
        around = widened(rows, margin, height)
        columns = np.flatnonzero(changed[around].any(0))
        if len(columns):
            across = widened(slice(int(columns[0]), int(columns[-1]) + 1), margin, width)
            yield Tile(rows, across, around, widened(across, margin, width))


def widened(part: slice, margin: int, size: int) -> slice:
    return slice(max(part.start - margin, 0), min(part.stop + margin, size))


def pixels(part: slice, stride: int, size: int | None = None) -> slice:
    """A range of latent positions in pixels, up to `size`, the last of which may be covered in part."""
    stop = part.stop * stride
    return slice(part.start * stride, stop if size is None else min(stop, size))


def analysis_margin(config: ModelConfig) -> int:
    """Latent positions around a tile that its latents depend on."""
    if config.transform == "paper":
        return 2  # four 5×5 convolutions of stride 2 reach 2·(1 + 2 + 4 + 8) = 30 pixels
    b4, b8, b16 = config.transform_blocks
    # Each 3×3 convolution reaches one position of its resolution; a block has two, and 1/4 starts with another.
    return -(-(4 * (1 + 2 * b4) + 8 * 2 * b8 + 16 * 2 * b16) // 16)


def synthesis_margin(config: ModelConfig) -> int:
    """Latent positions around a tile that its pixels depend on."""
    if config.transform == "paper":
        return 3  # a transposed 5×5 convolution of stride 2 reaches 1½ of its inputs: 1½ + ¾ + ⅜ + 3/16
    b4, b8, b16 = config.synthesis_blocks
    # At 1/4: the picture's convolution, two a block, and the last one.
    return -(-(4 * (2 + 2 * b4) + 8 * 2 * b8 + 16 * 2 * b16) // 16)
