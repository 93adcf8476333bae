"""Rate and distortion of one reconstruction: PSNR, MS-SSIM, bits per pixel."""

import math

import numpy as np
from numpy.typing import NDArray

Rgb = NDArray[np.uint8]

MS_SSIM_LARGEST_UNDEFINED_SIDE = 160  # five scales of an 11-pixel window need (11 - 1)·2⁴ + 1 pixels
_BAND_PIXELS = 1 << 20  # 6 MB of differences at a time, however large the image


def psnr(a: Rgb, b: Rgb) -> float:
    """PSNR in dB over the 8-bit values of the three channels jointly; infinite when the images are equal.

    Both images are uint8 (H, W, 3). The squared error is summed in integers, band by band, so the result does not
    depend on the size of the bands and a 100-megapixel pair needs a few megabytes. Raises ValueError when the
    arrays are not two such images of one shape.
    """
    _check_pair(a, b)
    height, width, _ = a.shape
    rows = max(1, _BAND_PIXELS // width)
    squared_error = 0
    for top in range(0, height, rows):
        difference = a[top : top + rows].astype(np.int16) - b[top : top + rows]
        squared_error += int(np.sum(np.square(difference, dtype=np.int32), dtype=np.int64))
    if squared_error == 0:
        return math.inf
    return 10 * math.log10(255**2 * a.size / squared_error)


def ms_ssim(a: Rgb, b: Rgb) -> float | None:
    """MS-SSIM (Wang et al. 2003) in 0 … 1, the mean over the three RGB channels; 1 when the images are equal.

    Both images are uint8 (H, W, 3). None when a side has 160 pixels or less, where the coarsest of the five scales
    does not hold the window, or when the library yields NaN. Raises ValueError as `psnr` does.
    """
    _check_pair(a, b)
    if min(a.shape[:2]) <= MS_SSIM_LARGEST_UNDEFINED_SIDE:
        return None
    # Here and not above: importing torch takes seconds, and listing files or curves does without it.
    import torch
    from pytorch_msssim import ms_ssim as ms_ssim_of_batch

    # The library averages over channels at the very end: one channel at a time gives its mean in a third of the memory.
    values = []
    with torch.inference_mode():
        for channel in range(3):
            x, y = (torch.from_numpy(image[..., channel].astype(np.float32))[None, None] for image in (a, b))
            values.append(float(ms_ssim_of_batch(x, y, data_range=255)))
    mean = sum(values) / 3
    return None if math.isnan(mean) else min(mean, 1.0)


def ms_ssim_db(m: float) -> float:
    """MS-SSIM on the scale of the plots, -10·log10(1 - m) in dB; infinite for m = 1."""
    return math.inf if m >= 1 else -10 * math.log10(1 - m)


def bpp(n_bytes: int, width: int, height: int) -> float:
    """Bits per pixel of a whole file of `n_bytes` that holds an image of `width` by `height` pixels."""
    return 8 * n_bytes / (width * height)


def _check_pair(a: Rgb, b: Rgb) -> None:
    if a.shape != b.shape:
        raise ValueError(f"the images differ in shape: {a.shape} and {b.shape}")
    if a.ndim != 3 or a.shape[2] != 3 or a.size == 0 or a.dtype != np.uint8 or b.dtype != np.uint8:
        raise ValueError(f"both images must be uint8 (H, W, 3), not {a.dtype} and {b.dtype} of {a.shape}")
