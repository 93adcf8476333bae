"""Networks whose results are the same bit for bit on every machine.

Activations are integers in units of 2^-10, weights integers in units of 2^-e with an exponent e per output channel.
They are held in float64 and multiplied by plain matrix products. Every partial sum is an integer below 2^48, which
float64 holds exactly, so that neither the order of summation, nor threads, nor SIMD width, nor fused multiply-adds, nor
the device can change it. A layer whose weights would break the bound is refused when it is built.

They are the same integers however they are made, and two ways are faster (`FrozenLayer.products`): in 8-bit integers
where the processor multiplies those, and in float32 where the sums of a whole batch provably stay within 2^24, which it
holds exactly.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property

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
SINGLE_LIMIT = (1 << 24) * 0.999  # float32 holds integers to 2^24; the rest is for the rounding of the norms below
CHUNK = 64  # rows of a weight matrix whose partial sums are bounded together
BAND_POSITIONS = 2048  # most output positions of a convolution computed at a time, which bounds memory
BYTE_LIMIT = 127
DIGITS_LIMIT = (1 << 15) - 129  # of activations that two bytes hold
DIGIT_ROWS = 16  # rows come in multiples: a kernel is made for each number of them that there is


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

    @cached_property
    def single(self) -> Tensor:
        """The weights in float32: 16 bits and a sign at most."""
        return self.weight.float()

    @cached_property
    def bytes(self) -> Tensor | None:
        """The weights as int8; None where they do not fit, or where this processor is not seen to multiply them."""
        if not multiplies_bytes() or bool((self.weight.abs() > BYTE_LIMIT).any()):
            return None
        weight = self.weight.to(torch.int8).T.contiguous().T
        generator = torch.Generator().manual_seed(0)
        shape = DIGIT_ROWS, len(weight)
        x = torch.randint(-DIGITS_LIMIT, DIGITS_LIMIT + 1, shape, generator=generator, device="cpu").float()
        x[0], x[1] = DIGITS_LIMIT, -DIGITS_LIMIT
        product = product_of_digits(x, weight)
        assert product is not None
        return weight if torch.equal(product, x.double() @ self.weight) else None

    @cached_property
    def _chunks(self) -> tuple[Tensor, Tensor]:
        """Which rows of the matrix are in which chunk, float32 (K, S), and the chunks' largest column norms (S,)."""
        index = torch.arange(len(self.weight)) // CHUNK
        members = F.one_hot(index).float()
        return members, (members.T @ self.single.square()).sqrt().amax(1)

    def products(self, x: Tensor) -> Tensor:
        """Exact x·W of integers (n, K), as float64.

        With 8-bit weights by the two bytes of each input, which most inputs fit: sums in int32, below 2^26.

        Else in float32: by Cauchy and Schwarz no partial sum over some inputs, in any order, exceeds the norm of those
        inputs times that of their weights. Inputs are taken together, chunk by chunk, as long as this bound lets them;
        what a single chunk breaks it with goes through float64.
        """
        if self.bytes is not None and (product := product_of_digits(x, self.bytes)) is not None:
            return product
        if not keeps_float32():
            return x.double() @ self.weight
        x = x.float()
        members, norms = self._chunks
        total: Tensor | None = None
        for part, single in spans(((x.square() @ members).amax(0).sqrt() * norms).tolist()):
            inputs = x[:, part]
            product = (inputs @ self.single[part]).double() if single else inputs.double() @ self.weight[part]
            total = product if total is None else total.add_(product)
        assert total is not None
        return total

    def sums(self, x: Tensor) -> Tensor:
        """Exact sums x·W + b after the activation, in units of 2^-(exponent + 10): float64 of x (n, K), float32."""
        total = self.products(x).add_(self.bias)
        return F.leaky_relu_(total, 2.0**-LEAK_BITS) if self.leaky else total

    def __call__(self, x: Tensor) -> Tensor:
        """Activations in units of 2^-10, float32, of such activations x (n, K)."""
        scaled = self.sums(x).mul_(self.unit).add_(0.5).floor_()
        return scaled.clamp_(-ACTIVATION_LIMIT, ACTIVATION_LIMIT).float()


def spans(bounds: Sequence[float]) -> Iterator[tuple[slice, bool]]:
    """Runs of chunks whose bounds together stay below `SINGLE_LIMIT`, as rows; false with a chunk that does not."""
    start, together = 0, 0.0
    for number, bound in enumerate(bounds):
        if number > start and together + bound > SINGLE_LIMIT:
            yield slice(start * CHUNK, number * CHUNK), together <= SINGLE_LIMIT
            start, together = number, 0.0
        together += bound
    yield slice(start * CHUNK, len(bounds) * CHUNK), together <= SINGLE_LIMIT


def product_of_digits(x: Tensor, weight: Tensor) -> Tensor | None:
    """Exact x·W as float64 (n, N) of integers x (n, K), in floats, and W int8 (K, N); None where x is beyond two bytes.

    x is 256·high + low, both from −128 to 127.
    """
    if x.abs().amax() > DIGITS_LIMIT:
        return None
    count, whole = len(x), x.short()
    rows = count + -count % DIGIT_ROWS
    digits = torch.empty(2 * rows, x.shape[1], dtype=torch.int8, device=x.device)
    digits[:count] = whole  # its lower byte, with that one's sign
    digits[rows : rows + count] = (whole + 128) >> 8
    sums = torch._int_mm(digits, weight)
    return sums[rows : rows + count].double().mul_(256).add_(sums[:count])


@cache
def multiplies_bytes() -> bool:
    """Whether this processor has instructions that sum products of 8-bit integers in 32 bits.

    Without them there is nothing to gain, and those that older ones have saturate at 16 bits.
    """
    # Private names, as is that of the product: another release of torch may not have them.
    names = ("_is_vnni_supported", "_is_amx_tile_supported")
    return hasattr(torch, "_int_mm") and any(getattr(torch.cpu, name, bool)() for name in names)


def keeps_float32() -> bool:
    """Whether the caller has left float32 products as they are: autocast makes them bfloat16, switches TF32."""
    try:
        precision = torch.get_float32_matmul_precision()
    except RuntimeError:  # torch has no one word for what its newer switches ask for, each of its backend
        return False
    return not torch.is_autocast_enabled("cpu") and float32_is_exact(precision)


@cache
def float32_is_exact(precision: str) -> bool:
    """Whether matrix products in float32 are what they say: torch can be told to round their inputs to fewer bits.

    `precision` is what it has been told; the processor's libraries may have been told by other ways, so it is tried.
    """
    numbers = torch.arange(128, dtype=torch.float32, device="cpu").reshape(1, -1) * 32 + 1  # up to 12 bits
    x, weight = numbers.expand(32, -1), numbers.T.expand(-1, 64).remainder(64)
    return precision == "highest" and torch.equal((x @ weight).double(), x.double() @ weight.double())


def round_half_up(x: Tensor) -> Tensor:
    """⌊x + ½⌋: exact for the sums above, and an addition and a shift for integers."""
    return torch.floor(x + 0.5)


def freeze_matrix(
    weight: Tensor, bias: Tensor | None, bits: int, input_mean: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """Integer weights of a linear map (N, K) with bias (N,): a dictionary of arrays as the model file stores them.

    Each output channel takes the largest exponent with which its weights fit `bits` bits (8 or 16, sign included).
    input_mean: (C,) of the C channels that make up K, tap by tap, where it is known: weights are then rounded so that
    their errors cancel for it. A channel that stands far from zero makes the error of its weights as much larger.
    """
    values = weight.detach().double().cpu().numpy()
    offsets = np.zeros(len(values)) if bias is None else bias.detach().double().cpu().numpy()
    largest = np.maximum(np.abs(values).max(1), 1e-9)
    exponent = np.floor(np.log2((2 ** (bits - 1) - 1) / largest)).clip(0, MAX_EXPONENT)
    scaled = values * np.exp2(exponent)[:, None]
    rounded = np.rint(scaled)
    if input_mean is not None:
        by_tap = scaled.reshape(len(scaled), -1, len(input_mean))
        rounded = round_cancelling(by_tap, input_mean).reshape(scaled.shape)
    return {
        "weight": rounded.T.astype(np.int8 if bits == 8 else np.int16),
        "bias": np.rint(offsets * np.exp2(exponent + ACTIVATION_BITS)).astype(np.int64),
        "exponent": exponent.astype(np.uint8),
    }


def freeze_conv(
    conv: nn.Conv2d, bits: int, taps: Tensor | None = None, input_mean: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """A convolution as a matrix over (tap, channel), taps in raster order; `taps` (k, k) says which are not masked."""
    kernel = conv.weight.detach().permute(0, 2, 3, 1)  # (N, k, k, K)
    kernel = kernel.flatten(1, 2) if taps is None else kernel[:, taps.bool()]
    return freeze_matrix(kernel.flatten(1), conv.bias, bits, input_mean)


def round_cancelling(values: np.ndarray, input_mean: np.ndarray) -> np.ndarray:
    """`values` (N, taps, K) to integers above or below so that error · `input_mean` (K,) sums to about 0 at each tap.

    Channel by channel, that of the largest mean first: each takes over what the ones before it left.
    """
    result, left = np.rint(values), np.zeros(values.shape[:2])
    for channel in np.argsort(-np.abs(input_mean)):
        mean = input_mean[channel]
        if abs(mean) < 1e-3:  # the rest could carry nothing
            break
        exact = values[:, :, channel]
        result[:, :, channel] = np.clip(np.rint(exact + left / mean), np.floor(exact), np.ceil(exact))
        left += (exact - result[:, :, channel]) * mean
    return result


def thaw_matrix(tensors: Mapping[str, np.ndarray], name: str) -> tuple[Tensor, Tensor]:
    """Inverse of `freeze_matrix` up to its rounding: weight (N, K) and bias (N,), float32."""
    unit = np.ldexp(1.0, -tensors[f"{name}.exponent"].astype(np.int32))
    weight = tensors[f"{name}.weight"].T * unit[:, None]
    bias = np.ldexp(tensors[f"{name}.bias"] * unit, -ACTIVATION_BITS)
    return torch.from_numpy(weight.astype(np.float32)), torch.from_numpy(bias.astype(np.float32))


def thaw_conv(conv: nn.Conv2d, tensors: Mapping[str, np.ndarray], name: str, taps: Tensor | None = None) -> None:
    """Give a convolution the weights that `freeze_conv` stored; masked taps become zero."""
    weight, bias = thaw_matrix(tensors, name)
    size = conv.kernel_size[0]
    kernel = weight.new_zeros(len(weight), size, size, conv.in_channels)
    known = torch.ones(size, size, dtype=torch.bool) if taps is None else taps.bool()
    kernel[:, known] = weight.reshape(len(weight), -1, conv.in_channels)
    with torch.no_grad():
        conv.weight.copy_(kernel.permute(0, 3, 1, 2))
        if conv.bias is not None:
            conv.bias.copy_(bias)


def load_layer(tensors: Mapping[str, np.ndarray], name: str, leaky: bool) -> FrozenLayer:
    """The layer stored as `name`.weight, .bias and .exponent. Raises `ModelError` where the bound does not hold."""
    weight, bias = (torch.from_numpy(tensors[f"{name}.{part}"].astype(np.float64)) for part in ("weight", "bias"))
    # ldexp of a double is exact; torch's own goes through a power function.
    unit = np.ldexp(1.0, -tensors[f"{name}.exponent"].astype(np.int32))
    return FrozenLayer(weight, bias, torch.from_numpy(unit), leaky)


def convolve3(layer: FrozenLayer, x: Tensor, rows: slice | None = None) -> Tensor:
    """A 3×3 convolution with zero padding: (h, w, C) → (h, w, N), or only the given output rows of it.

    Computed in bands of rows, and of a wide map in parts of rows. Maps are kept as float32, which holds activations (18
    bits) exactly in half the memory.
    """
    height, width, _ = x.shape
    start, stop = (0, height) if rows is None else (rows.start, rows.stop)
    result = torch.empty(stop - start, width, len(layer.unit), dtype=torch.float32)
    count = max(1, BAND_POSITIONS // width)
    for top in range(start, stop, count):
        for left in range(0, width, BAND_POSITIONS):
            bottom, right = min(top + count, stop), min(left + BAND_POSITIONS, width)
            part = layer(neighbourhoods(x, slice(top, bottom), slice(left, right)))
            result[top - start : bottom - start, left:right] = part.reshape(bottom - top, right - left, -1)
    return result


def neighbourhoods(x: Tensor, rows: slice, columns: slice) -> Tensor:
    """The 3×3 neighbourhoods of a part of a map (h, w, C), zeros outside the map: (positions, 9·C), in raster order."""
    height, width, channels = x.shape
    around = x[max(rows.start - 1, 0) : rows.stop + 1, max(columns.start - 1, 0) : columns.stop + 1]
    outside = columns.start == 0, columns.stop == width, rows.start == 0, rows.stop == height
    around = F.pad(around, (0, 0, *map(int, outside)))
    shape = rows.stop - rows.start, columns.stop - columns.start
    taps = [around[dy : dy + shape[0], dx : dx + shape[1]] for dy in range(3) for dx in range(3)]
    return torch.cat(taps, 2).reshape(-1, 9 * channels)


def pixel_shuffle(x: Tensor, factor: int = 2) -> Tensor:
    """(h, w, f²·C) → (f·h, f·w, C), channels in the order of `torch.nn.PixelShuffle(f)`."""
    height, width, channels = x.shape
    parts = x.reshape(height, width, channels // factor**2, factor, factor)
    return parts.permute(0, 3, 1, 4, 2).reshape(factor * height, factor * width, -1)
