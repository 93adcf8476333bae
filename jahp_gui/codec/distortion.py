"""The distortions that models are trained for, as differentiable functions; encoders search by the same ones."""

import torch
import torch.nn.functional as F
from torch import Tensor

MS_SSIM_SMALLEST_SIDE = 161  # five scales of an 11-pixel window


def distortion(objective: str, x: Tensor, x_hat: Tensor) -> Tensor:
    """255²·MSE ("mse") or 1 − MS-SSIM ("ms-ssim") of each image: x, x̂ (B, 3, H, W) in [0, 1] → (B,)."""
    if objective == "mse":
        return 255**2 * F.mse_loss(x_hat, x, reduction="none").mean((1, 2, 3))
    from pytorch_msssim import ms_ssim

    height, width = x.shape[2:]
    missing = (0, max(0, MS_SSIM_SMALLEST_SIDE - width), 0, max(0, MS_SSIM_SMALLEST_SIDE - height))
    if any(missing):
        x, x_hat = (F.pad(image.float(), missing, mode="replicate") for image in (x, x_hat))
    # Variances are small differences of large squares: in bfloat16, which autocast would choose, they are noise.
    with torch.autocast(x.device.type, enabled=False):
        similarity = ms_ssim(x_hat.float(), x.float(), data_range=1.0, size_average=False)
    # Of opposite images it is not a number; there is no worse.
    return 1 - torch.nan_to_num(similarity, nan=0.0)
