"""The context model: features of the latents already decoded (Minnen et al. 2018, section 2, 5×5 masked convolution).

Type A: the position itself, and everything after it in raster order, is masked.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from jahp_gui.codec.config import ModelConfig
from jahp_gui.codec.priors.hyper import LEAK, compress

KERNEL = 5
# (dy, dx) of the causal neighbours in raster order: two rows above, and two to the left.
CAUSAL_OFFSETS = tuple((dy, dx) for dy in (-2, -1, 0) for dx in (-2, -1, 0, 1, 2) if (dy, dx) < (0, 0))


def causal_mask() -> Tensor:
    """(5, 5): one where a neighbour precedes the centre in raster order."""
    mask = torch.zeros(KERNEL, KERNEL)
    for dy, dx in CAUSAL_OFFSETS:
        mask[2 + dy, 2 + dx] = 1
    return mask


class ContextModel(nn.Module):
    """Context features, and a linear prediction of the mean.

    The masked convolution reads a compressed, channel-reduced ŷ (the 1×1 reduction is causal too). The linear
    prediction reads ŷ itself, each channel from its own twelve neighbours: it scales with the gain, so the same
    twelve weights serve every λ, and it reaches the large values of the lowest frequencies, which the compressed
    path cannot.
    """

    mask: Tensor

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.reduce = nn.Conv2d(config.latent_channels, config.context_reduction, 1, bias=False)
        self.masked = nn.Conv2d(config.context_reduction, config.context_features, KERNEL, padding=2)
        self.linear = nn.Parameter(torch.zeros(config.latent_channels, 1, KERNEL, KERNEL))
        self.register_buffer("mask", causal_mask(), persistent=False)

    def forward(self, y_hat: Tensor) -> tuple[Tensor, Tensor]:
        """Features (B, F, h, w) and the linear part of μ (B, M, h, w) of ŷ (B, M, h, w)."""
        h = F.conv2d(self.reduce(compress(y_hat)), self.masked.weight * self.mask, self.masked.bias, padding=2)
        with torch.autocast(y_hat.device.type, enabled=False):
            linear = F.conv2d(y_hat, self.linear * self.mask, padding=2, groups=y_hat.shape[1])
        return F.leaky_relu(h, LEAK), linear
