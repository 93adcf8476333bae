"""Part of a picture without synthesising the whole: what a window shows of a 24-megapixel photo while λ moves."""

import numpy as np

from jahp_gui.codec.latent_views import Region
from jahp_gui.codec.model import Model
from jahp_gui.codec.tiling import pixels, synthesis_margin, widened, within
from jahp_gui.codec.transforms import STRIDE


def synthesis_of_region(
    model: Model, y: np.ndarray, gain_index: int, region: Region, height: int, width: int
) -> tuple[np.ndarray, Region]:
    """Pixels uint8 of a region of the image (height, width) from its latents y (h, w, M) before the gain.

    Also the region itself, grown to whole blocks. Equal to the same cut of `Model.synthesis` of the quantised y, up
    to the last bit of a pixel.
    """
    rows = slice(region.top // STRIDE, -(-(region.top + region.height) // STRIDE))
    columns = slice(region.left // STRIDE, -(-(region.left + region.width) // STRIDE))
    margin = synthesis_margin(model.config)
    more_rows, more_columns = widened(rows, margin, y.shape[0]), widened(columns, margin, y.shape[1])
    part = model.quantise(np.ascontiguousarray(y[more_rows, more_columns]), gain_index)
    picture = model.synthesis(part, gain_index, part.shape[0] * STRIDE, part.shape[1] * STRIDE)
    down, across = pixels(rows, STRIDE, height), pixels(columns, STRIDE, width)
    grown = Region(across.start, down.start, across.stop - across.start, down.stop - down.start)
    inner = picture[pixels(within(rows, more_rows), STRIDE), pixels(within(columns, more_columns), STRIDE)]
    return np.ascontiguousarray(inner[: grown.height, : grown.width]), grown
