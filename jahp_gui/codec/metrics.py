"""Rate and distortion of one reconstruction: PSNR, MS-SSIM, bits per pixel."""

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:  # at run time it takes seconds
    from torch import Tensor

Rgb = NDArray[np.uint8]

MS_SSIM_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # of the five scales, finest first
SSIM_WINDOW, SSIM_SIGMA = 11, 1.5
SSIM_CENTRE = 127.5  # variances do not depend on it, and lose fewer digits around it
MS_SSIM_LARGEST_UNDEFINED_SIDE = 160  # five scales of an 11-pixel window need (11 - 1)·2⁴ + 1 pixels
_BAND_PIXELS = 1 << 20  # 6 MB of differences at a time, however large the image
_SSIM_BAND_PIXELS = 1 << 16  # of five planes of floats: they stay in the processor's cache


def psnr(a: Rgb, b: Rgb, weights: NDArray[np.float32] | None = None) -> float:
    """PSNR in dB over the 8-bit values of the three channels jointly; infinite when the images are equal.

    Both images are uint8 (H, W, 3). weights: (H, W), how much the squared errors of each pixel count in their mean.
    A 100-megapixel pair needs a few megabytes. Raises ValueError when the arrays are not two such images of one shape.
    """
    _check_pair(a, b)
    count = a.size if weights is None else 3 * float(weights.sum(dtype=np.float64))
    return psnr_of(squared_error(a, b, weights), count)


def psnr_of(error: float, count: float) -> float:
    """PSNR in dB, given the sum of the squares of so many errors, or of so much weight."""
    return math.inf if error == 0 else 10 * math.log10(255**2 * count / error)


def squared_error(a: Rgb, b: Rgb, weights: NDArray[np.float32] | None = None) -> float:
    """The sum of the squared differences of two images uint8 (H, W, 3), in bands of rows.

    weights: (H, W), how much those of each pixel count. Without them the sum is one of integers, which does not depend
    on the size of the bands.
    """
    height, width, _ = a.shape
    rows = max(1, _BAND_PIXELS // width)
    total: float = 0
    for top in range(0, height, rows):
        band = slice(top, top + rows)
        total += _squared_error_of_band(a[band], b[band], None if weights is None else weights[band])
    return total


def _squared_error_of_band(a: Rgb, b: Rgb, weights: NDArray[np.float32] | None) -> float:
    squares = np.square(a.astype(np.int16) - b, dtype=np.int32)
    if weights is None:
        return int(squares.sum(dtype=np.int64))
    return float(np.vdot(squares.sum(2, dtype=np.float64), weights))


def ms_ssim(a: Rgb, b: Rgb) -> float | None:
    """MS-SSIM (Wang et al. 2003) in 0 … 1, the mean over the three RGB channels; 1 when the images are equal.

    Both images are uint8 (H, W, 3). None when a side has 160 pixels or less, where the coarsest of the five scales
    does not hold the window. Memory beyond the images is a few float planes of their size. Raises ValueError as `psnr`
    does.
    """
    _check_pair(a, b)
    if min(a.shape[:2]) <= MS_SSIM_LARGEST_UNDEFINED_SIDE:
        return None
    # Here and not above: importing torch takes seconds, and listing files or curves does without it.
    import torch

    means = []
    with torch.inference_mode():
        for channel in range(3):
            x, y = (torch.from_numpy(image[..., channel].astype(np.float32)) for image in (a, b))
            means.append(ms_ssim_of_channel(x, y))
    mean = sum(means) / 3
    return None if math.isnan(mean) else min(mean, 1.0)


def ms_ssim_of_channel(x: "Tensor", y: "Tensor") -> float:
    """MS-SSIM of two planes float32 (H, W) in 0 … 255, with the window and padding of the package pytorch-msssim.

    Each side must be longer than `MS_SSIM_LARGEST_UNDEFINED_SIDE`.
    """
    import torch.nn.functional as F

    value = 1.0
    for scale, weight in enumerate(MS_SSIM_WEIGHTS):
        structure, similarity = _ssim_means(x, y)
        # Below zero, where images are opposites, there is no power.
        value *= max(similarity if scale == len(MS_SSIM_WEIGHTS) - 1 else structure, 0.0) ** weight
        odd = x.shape[0] % 2, x.shape[1] % 2
        x, y = (F.avg_pool2d(plane[None], kernel_size=2, padding=odd)[0] for plane in (x, y))
    return value


def _ssim_means(x: "Tensor", y: "Tensor") -> tuple[float, float]:
    """Means of (contrast and structure, SSIM) over a plane, computed in bands of rows."""
    import torch

    small, smaller = (0.03 * 255) ** 2, (0.01 * 255) ** 2
    height, width = x.shape[0] - SSIM_WINDOW + 1, x.shape[1] - SSIM_WINDOW + 1
    rows = max(1, _SSIM_BAND_PIXELS // x.shape[1])
    structure, similarity = 0.0, 0.0
    for top in range(0, height, rows):
        band = slice(top, min(top + rows, height) + SSIM_WINDOW - 1)
        u, v = x[band] - SSIM_CENTRE, y[band] - SSIM_CENTRE
        moments = torch.stack([u, v, u * u, v * v, u * v])
        mean_u, mean_v, square_u, square_v, product = _blurred(_blurred(moments, 1), 2)
        covariance = product - mean_u * mean_v
        variances = square_u + square_v - mean_u**2 - mean_v**2
        cs = (2 * covariance + small) / (variances + small)
        mean_u, mean_v = mean_u + SSIM_CENTRE, mean_v + SSIM_CENTRE
        luminance = (2 * mean_u * mean_v + smaller) / (mean_u**2 + mean_v**2 + smaller)
        structure += float(cs.sum(dtype=torch.float64))
        similarity += float((cs * luminance).sum(dtype=torch.float64))
    return structure / (height * width), similarity / (height * width)


def _blurred(planes: "Tensor", axis: int) -> "Tensor":
    """Weighted sums of 11 neighbours along an axis; shifted additions are many times faster here than a convolution."""
    taps = [math.exp(-((tap - SSIM_WINDOW // 2) ** 2) / (2 * SSIM_SIGMA**2)) for tap in range(SSIM_WINDOW)]
    count = planes.shape[axis] - SSIM_WINDOW + 1
    total = planes.narrow(axis, 0, count) * (taps[0] / sum(taps))
    for start in range(1, SSIM_WINDOW):
        total.add_(planes.narrow(axis, start, count), alpha=taps[start] / sum(taps))
    return total


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
