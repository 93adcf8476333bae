"""Part of a picture without synthesising the whole: what a window shows of a 24-megapixel photo while λ moves."""

import numpy as np

from jahp_gui.codec.latent_views import Region
from jahp_gui.codec.model import Model
from jahp_gui.codec.transforms import STRIDE

HALO = 8  # latents around the region: at least the receptive field of the synthesis transforms


def synthesis_of_region(
    model: Model, y_hat: np.ndarray, gain_index: int, region: Region, height: int, width: int
) -> tuple[np.ndarray, Region]:
    """Pixels uint8 of a region of the image (height, width), and the region itself, grown to whole blocks.

    Equal to the same cut of `Model.synthesis`, up to the last bit of a pixel.
    """
    rows, columns, _ = y_hat.shape
    top, left = region.top // STRIDE, region.left // STRIDE
    bottom = min(-(-(region.top + region.height) // STRIDE), rows)
    right = min(-(-(region.left + region.width) // STRIDE), columns)
    first_row, first_column = max(top - HALO, 0), max(left - HALO, 0)
    part = y_hat[first_row : min(bottom + HALO, rows), first_column : min(right + HALO, columns)]
    pixels = model.synthesis(np.ascontiguousarray(part), gain_index, part.shape[0] * STRIDE, part.shape[1] * STRIDE)
    grown_height, grown_width = min(bottom * STRIDE, height) - top * STRIDE, min(right * STRIDE, width) - left * STRIDE
    y, x = (top - first_row) * STRIDE, (left - first_column) * STRIDE
    grown = Region(left * STRIDE, top * STRIDE, grown_width, grown_height)
    return pixels[y : y + grown_height, x : x + grown_width], grown
