"""The distortions that models are trained for, as differentiable functions; encoders search by the same ones."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from jahp_gui.codec.metrics import MS_SSIM_LARGEST_UNDEFINED_SIDE, Rgb, ms_ssim_of_channel, squared_error


def distortion(objective: str, x: Tensor, x_hat: Tensor) -> Tensor:
    """255²·MSE ("mse") or 1 − MS-SSIM ("ms-ssim") of each image: x, x̂ (B, 3, H, W) in [0, 1] → (B,)."""
    if objective == "mse":
        return 255**2 * F.mse_loss(x_hat, x, reduction="none").mean((1, 2, 3))
    from pytorch_msssim import ms_ssim

    # Variances are small differences of large squares: in bfloat16, which autocast would choose, they are noise.
    with torch.autocast(x.device.type, enabled=False):
        similarity = ms_ssim(enlarged(x_hat.float()), enlarged(x.float()), data_range=1.0, size_average=False)
    # Of opposite images it is not a number; there is no worse.
    return 1 - torch.nan_to_num(similarity, nan=0.0)


def distortion_of_picture(objective: str, rgb: Rgb, picture: Rgb, weights: np.ndarray | None = None) -> float:
    """`distortion` of an image and its picture, both uint8 (H, W, 3), but for rounding.

    It is summed in bands of rows: MS-SSIM takes the memory of a few planes of floats, MSE that of a band.
    weights: float32 (H, W), how much the squared error of each pixel counts (see `seen`).
    """
    if objective == "mse":
        return squared_error(rgb, picture, weights) / rgb.size
    return 1 - sum(_similarity(rgb[..., channel], picture[..., channel], weights) for channel in range(3)) / 3


def _similarity(plane: np.ndarray, picture: np.ndarray, weights: np.ndarray | None) -> float:
    """MS-SSIM of one channel, uint8 (H, W)."""
    x, x_hat = (torch.from_numpy(values.astype(np.float32)) for values in (plane, picture))
    if weights is not None:
        x_hat = seen(x, x_hat, torch.from_numpy(weights))
    return ms_ssim_of_channel(enlarged(x[None])[0], enlarged(x_hat[None])[0])


def seen(x: Tensor, x_hat: Tensor, weights: Tensor) -> Tensor:
    """x̂ with its error scaled by the root of the weights (H, W): its squared error is the weighted one."""
    return x + weights.sqrt() * (x_hat - x)


def enlarged(images: Tensor) -> Tensor:
    """Images (…, H, W) with their last row and column repeated up to the sides that MS-SSIM needs."""
    smallest = MS_SSIM_LARGEST_UNDEFINED_SIDE + 1
    missing = [max(0, smallest - side) for side in images.shape[-2:]]
    return F.pad(images, (0, missing[1], 0, missing[0]), mode="replicate") if any(missing) else images
