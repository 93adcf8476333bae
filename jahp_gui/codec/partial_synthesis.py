"""The picture of latents that change a few at a time: only what a change can reach is synthesised again."""

import numpy as np

from jahp_gui.codec.model import Model
from jahp_gui.codec.tiling import Tile, covering, pixels, synthesis_margin
from jahp_gui.codec.transforms import STRIDE


class PartialSynthesis:
    """Keeps the last picture. Each is within the last bit of a pixel of the full synthesis of the same latents."""

    def __init__(self, model: Model, gain_index: int, height: int, width: int):
        self.model, self.gain_index = model, gain_index
        self.height, self.width = height, width
        self._margin = synthesis_margin(model.config)
        self._rgb: np.ndarray | None = None

    def picture(self, latents: np.ndarray, changed: np.ndarray | None = None) -> np.ndarray:
        """uint8 (height, width, 3), never written to again, of latents (h, w, M) int16 or float32.

        changed: bool (h, w), where they may differ from those of the last call; None for everywhere.
        """
        tiles = None if changed is None or self._rgb is None else covering(changed, self._margin)
        if tiles is None or sum(tile.area for tile in tiles) >= latents.shape[0] * latents.shape[1]:
            self._rgb = self.model.synthesis(latents, self.gain_index, self.height, self.width)
        else:
            assert self._rgb is not None
            self._rgb = self._rgb.copy()
            for tile in tiles:
                self._redo(latents, tile)
        return self._rgb

    def _redo(self, latents: np.ndarray, tile: Tile) -> None:
        assert self._rgb is not None
        part = np.ascontiguousarray(latents[tile.rows_with_margin, tile.columns_with_margin])
        picture = self.model.synthesis(part, self.gain_index, part.shape[0] * STRIDE, part.shape[1] * STRIDE)
        rows, columns = pixels(tile.rows, STRIDE, self.height), pixels(tile.columns, STRIDE, self.width)
        inner = picture[tuple(pixels(side, STRIDE) for side in tile.inner)]
        self._rgb[rows, columns] = inner[: rows.stop - rows.start, : columns.stop - columns.start]
