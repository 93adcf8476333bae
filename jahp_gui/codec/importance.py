"""A painted region of interest: which pixels matter, and the weights that a search gives their errors.

The region is held on a grid coarser than a large image, so that it takes a megabyte at most whatever the image's size.
"""

import io
import zlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from PIL import Image

from jahp_gui.codec.errors import UsageError
from jahp_gui.codec.metrics import psnr_of, squared_error

GRID_CELLS = 1_000_000  # of the region at most
FULL = 255
OUTSIDE = 0.1  # what errors outside the region count for, where nobody says otherwise

Plane = npt.NDArray[np.uint8]
Rgb = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Mask:
    """A region of an image of (width, height) pixels.

    packed: zlib of uint8 (⌈height/step⌉, ⌈width/step⌉), 255 inside, 0 outside, softer between, one value for step ×
    step pixels. outside: 0 … 1, the weight of errors there.
    """

    width: int
    height: int
    packed: bytes
    outside: float = OUTSIDE

    @classmethod
    def of_plane(cls, width: int, height: int, plane: Plane, outside: float = OUTSIDE) -> "Mask":
        return cls(width, height, zlib.compress(plane.tobytes(), 1), outside)

    @classmethod
    def of_weights(cls, weights: npt.NDArray[np.float32]) -> "Mask":
        """The mask with about these weights float32 (H, W), the least of them outside.

        Raises `UsageError` where all are equal.
        """
        height, width = weights.shape
        coarse = _block_means(weights, step_of(width, height))
        refuse_even(coarse)
        low, high = float(coarse.min()), float(coarse.max())
        plane = np.rint((coarse - low) * (FULL / (high - low))).astype(np.uint8)
        return cls.of_plane(width, height, plane, low / high)

    def png(self) -> bytes:
        """The weights as a grey image of full size, which `load_weights` reads."""
        file = io.BytesIO()
        Image.fromarray(np.rint(self.weights() * FULL).astype(np.uint8)).save(file, "PNG")
        return file.getvalue()

    @property
    def step(self) -> int:
        return step_of(self.width, self.height)

    @cached_property
    def _counts(self) -> tuple[int, int]:
        plane = self.plane()
        return int(np.count_nonzero(plane >= FULL // 2 + 1)), plane.size

    @property
    def share(self) -> float:
        """Which part of the image lies inside."""
        return self._counts[0] / self._counts[1]

    def plane(self) -> Plane:
        """A copy of the region: uint8 (⌈height/step⌉, ⌈width/step⌉)."""
        cells = np.frombuffer(zlib.decompress(self.packed), np.uint8)
        return cells.reshape(grid_shape(self.width, self.height)).copy()

    def inside(self) -> npt.NDArray[np.bool_]:
        """Which pixels lie inside: bool (height, width)."""
        return self._spread(self.plane() > FULL // 2)

    def weights(self) -> npt.NDArray[np.float32]:
        """What errors count for, 1 inside: float32 (height, width)."""
        share = self.plane().astype(np.float32) / FULL
        return self._spread(np.float32(self.outside) + np.float32(1 - self.outside) * share)

    def shares(self, stride: int) -> npt.NDArray[np.float64]:
        """Which part of each block of stride × stride pixels lies inside: (⌈height/stride⌉, ⌈width/stride⌉)."""
        return _block_means((self.plane() > FULL // 2).astype(np.float32), stride // self.step).astype(np.float64)

    def psnr_parts(self, a: Rgb, b: Rgb) -> tuple[float | None, float | None]:
        """PSNR in dB inside and outside, of images uint8 (height, width, 3); infinite where equal, None where empty."""
        inside = self.inside().astype(np.float32)
        error, count = squared_error(a, b, inside), 3 * int(np.count_nonzero(inside))
        parts = (error, count), (squared_error(a, b) - error, a.size - count)
        inner, outer = (psnr_of(*part) if part[1] else None for part in parts)
        return inner, outer

    def _spread(self, cells: npt.NDArray) -> npt.NDArray:
        return cells.repeat(self.step, 0)[: self.height].repeat(self.step, 1)[:, : self.width]


def refuse_even(weights: npt.NDArray[np.float32]) -> None:
    """Raise `UsageError` where all weights are equal: that is no region."""
    if float(weights.max()) - float(weights.min()) < 1 / FULL:
        raise UsageError("The mask is the same everywhere: paint what matters lighter than the rest.")


def step_of(width: int, height: int) -> int:
    """Pixels along a cell's side: a power of two that divides the latents' stride, and beyond it for huge images."""
    step = 1
    while -(-width // step) * -(-height // step) > GRID_CELLS and step < 16:
        step *= 2
    return step


def grid_shape(width: int, height: int) -> tuple[int, int]:
    """(rows, columns) of the region of an image."""
    step = step_of(width, height)
    return -(-height // step), -(-width // step)


def draw_line(plane: Plane, start: tuple[float, float], end: tuple[float, float], radius: float, value: int) -> None:
    """Set all cells within `radius` of a line, in cells from the upper left corner, x first."""
    (x0, y0), (x1, y1) = start, end
    rows, columns = plane.shape
    top, bottom = max(0, int(min(y0, y1) - radius)), min(rows, int(max(y0, y1) + radius) + 2)
    left, right = max(0, int(min(x0, x1) - radius)), min(columns, int(max(x0, x1) + radius) + 2)
    if top >= bottom or left >= right:
        return
    y, x = np.mgrid[top:bottom, left:right] + 0.5
    dx, dy = x1 - x0, y1 - y0
    along = ((x - x0) * dx + (y - y0) * dy) / max(dx * dx + dy * dy, 1e-9)
    along = along.clip(0, 1)
    distance = (x - x0 - along * dx) ** 2 + (y - y0 - along * dy) ** 2
    plane[top:bottom, left:right][distance <= max(radius, 0.5) ** 2] = value


def draw_rectangle(plane: Plane, left: float, top: float, right: float, bottom: float, value: int) -> None:
    """Set all cells whose middle lies in a rectangle, in cells."""
    edges = [round(edge) for edge in (left, top, right, bottom)]
    left_cell, top_cell, right_cell, bottom_cell = (max(0, edge) for edge in edges)
    plane[top_cell:bottom_cell, left_cell:right_cell] = value


def share_of_bits(bits: npt.NDArray[np.float32], shares: npt.NDArray[np.float64]) -> float:
    """Bits of latents (h, w, M) that are spent inside, given each block's share (h, w)."""
    return float((bits.sum(2, dtype=np.float64) * shares).sum())


def _block_means(values: npt.NDArray[np.float32], side: int) -> npt.NDArray[np.float32]:
    """Means of side × side blocks, those at the edges of what there is."""
    rows, columns = np.arange(0, values.shape[0], side), np.arange(0, values.shape[1], side)
    sums = np.add.reduceat(np.add.reduceat(values, rows, 0), columns, 1)
    heights = np.diff([*rows, values.shape[0]])
    widths = np.diff([*columns, values.shape[1]])
    return (sums / np.outer(heights, widths)).astype(np.float32)
