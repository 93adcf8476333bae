"""Networks whose results are the same bit for bit on every machine.

Activations are integers in units of 2^-10, weights integers in units of 2^-e with an exponent e per output channel.
They are held in float64 and multiplied by plain matrix products. Every partial sum is an integer below 2^48, which
float64 holds exactly, so that neither the order of summation, nor threads, nor SIMD width, nor fused multiply-adds, nor
the device can change it. A layer whose weights would break the bound is refused when it is built.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from jahp_gui.codec.errors import ModelError

ACTIVATION_BITS = 10  # fractional bits of an activation
ACTIVATION_LIMIT = 1 << 17  # activations are clamped to ±128
LEAK_BITS = 3  # the leaky ReLU's slope is 2^-3
MAX_EXPONENT = 20
# 53 bits of float64, less three that the leaky slope needs below the point, less two spare.
SUM_LIMIT = 1 << 48
BAND_POSITIONS = 2048  # output positions of a convolution computed at a time, which bounds memory


@dataclass(frozen=True)
class FrozenLayer:
    """round(act(x·W + b)) with integers: x (n, K) → (n, N).

    weight: float64 (K, N), integers in units of 2^-exponent. bias: float64 (N,), in units of 2^-(exponent + 10).
    unit: float64 (N,), the powers of two 2^-exponent. leaky: whether the leaky ReLU is applied before rounding.
    """

    weight: Tensor
    bias: Tensor
    unit: Tensor
    leaky: bool

    def __post_init__(self) -> None:
        bound = self.weight.abs().sum(0) * ACTIVATION_LIMIT + self.bias.abs()
        if not bool((bound < SUM_LIMIT).all()):
            raise ModelError("A frozen network breaks the bound under which its sums are exact; the model is unusable.")

    def sums(self, x: Tensor) -> Tensor:
        """Exact sums x·W + b after the activation, in units of 2^-(exponent + 10)."""
        total = x @ self.weight + self.bias
        return torch.where(total < 0, total * 2.0**-LEAK_BITS, total) if self.leaky else total

    def __call__(self, x: Tensor) -> Tensor:
        """Activations in units of 2^-10."""
        return round_half_up(self.sums(x) * self.unit).clamp(-ACTIVATION_LIMIT, ACTIVATION_LIMIT)


def round_half_up(x: Tensor) -> Tensor:
    """⌊x + ½⌋: exact for the sums above, and an addition and a shift for integers."""
    return torch.floor(x + 0.5)


def freeze_matrix(weight: Tensor, bias: Tensor | None, bits: int) -> dict[str, np.ndarray]:
    """Integer weights of a linear map (N, K) with bias (N,): a dictionary of arrays as the model file stores them.

    Each output channel takes the largest exponent with which its weights fit `bits` bits (8 or 16, sign included).
    """
    values = weight.detach().double().cpu().numpy()
    offsets = np.zeros(len(values)) if bias is None else bias.detach().double().cpu().numpy()
    largest = np.maximum(np.abs(values).max(1), 1e-9)
    exponent = np.floor(np.log2((2 ** (bits - 1) - 1) / largest)).clip(0, MAX_EXPONENT)
    return {
        "weight": np.rint(values * np.exp2(exponent)[:, None]).T.astype(np.int8 if bits == 8 else np.int16),
        "bias": np.rint(offsets * np.exp2(exponent + ACTIVATION_BITS)).astype(np.int64),
        "exponent": exponent.astype(np.uint8),
    }


def freeze_conv(conv: nn.Conv2d, bits: int, taps: Tensor | None = None) -> dict[str, np.ndarray]:
    """A convolution as a matrix over (tap, channel), taps in raster order; `taps` (k, k) says which are not masked."""
    kernel = conv.weight.detach().permute(0, 2, 3, 1)  # (N, k, k, K)
    kernel = kernel.flatten(1, 2) if taps is None else kernel[:, taps.bool()]
    return freeze_matrix(kernel.flatten(1), conv.bias, bits)


def load_layer(tensors: Mapping[str, np.ndarray], name: str, leaky: bool) -> FrozenLayer:
    """The layer stored as `name`.weight, .bias and .exponent. Raises `ModelError` where the bound does not hold."""
    weight, bias = (torch.from_numpy(tensors[f"{name}.{part}"].astype(np.float64)) for part in ("weight", "bias"))
    # ldexp of a double is exact; torch's own goes through a power function.
    unit = np.ldexp(1.0, -tensors[f"{name}.exponent"].astype(np.int32))
    return FrozenLayer(weight, bias, torch.from_numpy(unit), leaky)


def convolve3(layer: FrozenLayer, x: Tensor) -> Tensor:
    """A 3×3 convolution with zero padding: (h, w, C) → (h, w, N), in bands of rows.

    Maps are kept as float32, which holds activations (18 bits) exactly in half the memory.
    """
    height, width, channels = x.shape
    padded = F.pad(x, (0, 0, 1, 1, 1, 1))
    rows = max(1, BAND_POSITIONS // width)
    bands = []
    for top in range(0, height, rows):
        count = min(rows, height - top)
        window = padded[top : top + count + 2]
        patches = [window[dy : dy + count, dx : dx + width] for dy in range(3) for dx in range(3)]
        result = layer(torch.cat(patches, 2).reshape(-1, 9 * channels).double())
        bands.append(result.float().reshape(count, width, -1))
    return torch.cat(bands)


def pixel_shuffle(x: Tensor) -> Tensor:
    """(h, w, 4C) → (2h, 2w, C), channels in the order of `torch.nn.PixelShuffle(2)`."""
    height, width, channels = x.shape
    return x.reshape(height, width, channels // 4, 2, 2).permute(0, 3, 1, 4, 2).reshape(2 * height, 2 * width, -1)
