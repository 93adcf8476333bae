"""Analysis and synthesis transforms between pixels and latents at 1/16 resolution.

Two kinds, chosen by `ModelConfig.transform`:

* "paper": 5×5 convolutions of stride 2 with GDN (Minnen et al. 2018, table 1).
* "efficient": a linear shortcut initialised with the KLT of 16×16×3 blocks, so that training starts from a working
  transform codec, plus a residual path of cheap 3×3 convolutions at 1/4, 1/8 and 1/16 resolution. The synthesis path
  reads the shortcut's picture at 1/4 resolution, where it acts as a learned deblocking filter.

All take x of shape (B, 3, H, W) in [0, 1] with H and W multiples of 16, and latents (B, M, H/16, W/16).
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from jahp_gui.codec.config import ModelConfig
from jahp_gui.codec.gain import interpolate

STRIDE = 16
PIXEL_MEAN = 0.5  # subtracted before the transforms, so that the latents of the mean are near zero


def build_transforms(config: ModelConfig) -> tuple[nn.Module, nn.Module]:
    """The (analysis, synthesis) pair of a configuration."""
    if config.transform == "efficient":
        return EfficientAnalysis(config), EfficientSynthesis(config)
    if config.transform == "paper":
        return PaperAnalysis(config), PaperSynthesis(config)
    raise ValueError(f"transform must be 'efficient' or 'paper', not {config.transform!r}")


def planes(rgb: np.ndarray) -> Tensor:
    """uint8 (H, W, 3) as the transforms take a picture: float32 (1, 3, H, W) in [0, 1]."""
    return torch.tensor(np.ascontiguousarray(rgb)).permute(2, 0, 1)[None].float() / 255


class ResidualBlock(nn.Module):
    """x + conv(act(conv(x))), 3×3; the second convolution starts at zero, so the block starts as the identity."""

    def __init__(self, width: int):
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = zero_init(nn.Conv2d(width, width, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(F.leaky_relu(self.first(x), 0.1))


class LambdaShift(nn.Module):
    """Per-channel offset that depends on λ: how hard to filter is a matter of the quantiser's step."""

    def __init__(self, anchors: int, width: int):
        super().__init__()
        self.table = nn.Parameter(torch.zeros(anchors, width))

    def forward(self, x: Tensor, position: Tensor) -> Tensor:
        return x + interpolate(self.table, position)[:, :, None, None].to(x.dtype)


def zero_init(conv: nn.Conv2d) -> nn.Conv2d:
    nn.init.zeros_(conv.weight)
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
    return conv


def blocks(width: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(ResidualBlock(width) for _ in range(count)))


class EfficientAnalysis(nn.Module):
    """y = deep(x) + W·unshuffle16(x); what a latent reads around its block: `tiling.analysis_margin`."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        n4, n8, n16 = config.transform_widths
        b4, b8, b16 = config.transform_blocks
        self.shortcut = zero_init(nn.Conv2d(3 * STRIDE**2, config.latent_channels, 1))  # until the KLT is known
        self.at4 = nn.Sequential(
            nn.PixelUnshuffle(4), nn.Conv2d(48, n4, 3, padding=1), nn.LeakyReLU(0.1), blocks(n4, b4)
        )
        self.at8 = nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(4 * n4, n8, 1), nn.LeakyReLU(0.1), blocks(n8, b8))
        self.at16 = nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(4 * n8, n16, 1), nn.LeakyReLU(0.1), blocks(n16, b16))
        self.out = zero_init(nn.Conv2d(n16, config.latent_channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        x = x - PIXEL_MEAN
        deep = self.out(self.at16(self.at8(self.at4(x))))
        # The shortcut carries most of the energy: bfloat16 would round it coarser than the finest quantiser step.
        with torch.autocast(x.device.type, enabled=False):
            return deep.to(x.dtype) + self.shortcut(F.pixel_unshuffle(x, STRIDE))


class EfficientSynthesis(nn.Module):
    """x̂ = lin + deep(ŷ, lin) with lin = shuffle16(V·ŷ), V starting at the transposed KLT."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        n4, n8, n16 = config.transform_widths
        b4, b8, b16 = config.synthesis_blocks
        anchors = len(config.lmbda_anchors)
        self.shortcut = zero_init(nn.Conv2d(config.latent_channels, 3 * STRIDE**2, 1))
        self.into = nn.Conv2d(config.latent_channels, n16, 1)
        self.shift16 = LambdaShift(anchors, n16)
        self.at16 = nn.Sequential(nn.LeakyReLU(0.1), blocks(n16, b16))
        self.up8 = nn.Sequential(nn.Conv2d(n16, 4 * n8, 1), nn.PixelShuffle(2))
        self.shift8 = LambdaShift(anchors, n8)
        self.at8 = nn.Sequential(nn.LeakyReLU(0.1), blocks(n8, b8))
        self.up4 = nn.Sequential(nn.Conv2d(n8, 4 * n4, 1), nn.PixelShuffle(2))
        self.pixels = nn.Conv2d(48, n4, 3, padding=1)
        self.shift4 = LambdaShift(anchors, n4)
        self.at4 = nn.Sequential(nn.LeakyReLU(0.1), blocks(n4, b4))
        self.out = zero_init(nn.Conv2d(n4, 48, 3, padding=1))

    def forward(self, y_hat: Tensor, position: Tensor) -> Tensor:
        """ŷ after the inverse gain (B, M, h, w) and gain positions (B,) to pixels (B, 3, 16h, 16w), not clamped."""
        with torch.autocast(y_hat.device.type, enabled=False):
            linear = F.pixel_shuffle(self.shortcut(y_hat), STRIDE)
        deep = self.at16(self.shift16(self.into(y_hat), position))
        deep = self.at8(self.shift8(self.up8(deep), position))
        deep = self.up4(deep) + self.pixels(F.pixel_unshuffle(linear, 4))
        deep = self.out(self.at4(self.shift4(deep, position)))
        return linear + F.pixel_shuffle(deep, 4).to(linear.dtype) + PIXEL_MEAN


class GDN(nn.Module):
    """Generalised divisive normalisation y = x / sqrt(β + Γ x²), or its inverse (Ballé et al. 2016)."""

    def __init__(self, channels: int, inverse: bool = False):
        super().__init__()
        self.inverse = inverse
        self.beta = nn.Parameter(torch.ones(channels))
        self.gamma = nn.Parameter(0.1**0.5 * torch.eye(channels))

    def forward(self, x: Tensor) -> Tensor:
        # Squares keep β and Γ non-negative; the floor keeps the root away from zero.
        gamma = (self.gamma**2)[:, :, None, None].to(x.dtype)
        norm = F.conv2d(x * x, gamma, (self.beta**2 + 1e-6).to(x.dtype))
        return x * torch.sqrt(norm) if self.inverse else x * torch.rsqrt(norm)


class PaperAnalysis(nn.Module):
    """Four 5×5 convolutions of stride 2, GDN between them (Minnen et al. 2018, table 1, "Encoder")."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        (n,), m = config.transform_widths, config.latent_channels
        layers: list[nn.Module] = []
        for width_in, width_out in ((3, n), (n, n), (n, n), (n, m)):
            layers += [nn.Conv2d(width_in, width_out, 5, stride=2, padding=2), GDN(width_out)]
        self.layers = nn.Sequential(*layers[:-1])

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x - PIXEL_MEAN).to(x.dtype)


class PaperSynthesis(nn.Module):
    """Four 5×5 transposed convolutions of stride 2, IGDN between them (table 1, "Decoder")."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        (n,), m = config.transform_widths, config.latent_channels
        layers: list[nn.Module] = []
        for width_in, width_out in ((m, n), (n, n), (n, n), (n, 3)):
            conv = nn.ConvTranspose2d(width_in, width_out, 5, stride=2, padding=2, output_padding=1)
            layers += [conv, GDN(width_out, inverse=True)]
        self.layers = nn.Sequential(*layers[:-1])

    def forward(self, y_hat: Tensor, position: Tensor) -> Tensor:
        """ŷ after the inverse gain (B, M, h, w) to pixels (B, 3, 16h, 16w), not clamped; λ acts by the gain alone."""
        return self.layers(y_hat).to(y_hat.dtype) + PIXEL_MEAN
