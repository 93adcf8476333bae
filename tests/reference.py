"""A second, plain implementation of everything between the stored integers and the latents.

Written from FORMAT.md with Python integers and NumPy int64 only: no floating point, no vectorised order of decoding,
no code of the package's decoder. Slow; the tests hold the package to it.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

OFFSETS = [(dy, dx) for dy in (-2, -1) for dx in (-2, -1, 0, 1, 2)] + [(0, -2), (0, -1)]
LIMIT = 1 << 17
RUN = 65_536  # symbols


class RangeDecoder:
    """The range coder of FORMAT.md: 32-bit words, 64-bit state, 24-bit probabilities."""

    def __init__(self, data: bytes):
        self.words = iter(np.frombuffer(data, "<u4").tolist())
        self.lower, self.range = 0, (1 << 64) - 1
        self.point = (next(self.words, 0) << 32) | next(self.words, 0)

    def decode(self, boundaries: list[int]) -> int:
        """Symbol whose interval [boundaries[s], boundaries[s + 1]) of 2^24 holds the coded point."""
        scale = self.range >> 24
        quantile = ((self.point - self.lower) % (1 << 64)) // scale
        symbol = next(s for s in range(len(boundaries) - 1) if boundaries[s] <= quantile < boundaries[s + 1])
        self.lower = (self.lower + scale * boundaries[symbol]) % (1 << 64)
        self.range = scale * (boundaries[symbol + 1] - boundaries[symbol])
        if self.range < 1 << 32:
            self.lower = (self.lower << 32) % (1 << 64)
            self.range <<= 32
            self.point = ((self.point << 32) | next(self.words, 0)) % (1 << 64)
        return symbol

    def uniform(self, size: int) -> int:
        """A symbol of `size` equally likely ones; the last takes what does not divide."""
        share = (1 << 24) // size
        return self.decode([share * s for s in range(size)] + [1 << 24])


def boundaries(counts: np.ndarray) -> list[int]:
    return [0, *np.cumsum(counts).tolist()]


def floor_shift(total: np.ndarray, exponent: np.ndarray, leaky: bool) -> np.ndarray:
    """⌊act(total)·2^-exponent + ½⌋ and the clamp, in integers: the leak is three more bits of shift."""
    shift = exponent.astype(np.int64) + (3 * (total < 0) if leaky else 0)
    half = np.where(shift > 0, np.int64(1) << np.maximum(shift - 1, 0), 0)
    return ((total + half) >> shift).clip(-LIMIT, LIMIT)


def dense(tensors: Mapping[str, np.ndarray], name: str, x: np.ndarray, leaky: bool) -> np.ndarray:
    weight, bias = tensors[f"{name}.weight"].astype(np.int64), tensors[f"{name}.bias"].astype(np.int64)
    return floor_shift(x @ weight + bias, tensors[f"{name}.exponent"], leaky)


def convolve(tensors: Mapping[str, np.ndarray], name: str, x: np.ndarray) -> np.ndarray:
    height, width, _ = x.shape
    padded = np.pad(x, ((1, 1), (1, 1), (0, 0)))
    patches = [padded[dy : dy + height, dx : dx + width] for dy in range(3) for dx in range(3)]
    return dense(tensors, name, np.concatenate(patches, 2), leaky=True)


def shuffle(x: np.ndarray) -> np.ndarray:
    out = np.zeros((2 * x.shape[0], 2 * x.shape[1], x.shape[2] // 4), np.int64)
    for dy in (0, 1):
        for dx in (0, 1):
            out[dy::2, dx::2] = x[:, :, 2 * dy + dx :: 4]
    return out


def hyper_features(tensors: Mapping[str, np.ndarray], z_hat: np.ndarray, gain_index: int) -> np.ndarray:
    plane = np.full((*z_hat.shape[:2], 1), 16 * gain_index, np.int64)
    h = np.concatenate([z_hat[:, :, : read_by_up2(tensors)].astype(np.int64) * 256, plane], 2)
    h = shuffle(convolve(tensors, "up2", h))
    h = shuffle(convolve(tensors, "up1", h))
    return convolve(tensors, "out", h)


def read_by_up2(tensors: Mapping[str, np.ndarray]) -> int:
    """Channels of ẑ that are not of the coarse means."""
    return len(tensors["up2.weight"]) // 9 - 1


def coarse_means(tensors: Mapping[str, np.ndarray], z_hat: np.ndarray, gain_index: int) -> np.ndarray | None:
    """(4h, 4w, M) for ẑ (h, w, C), None where the prior has none."""
    if "spread.weight" not in tensors:
        return None
    z = z_hat[:, :, read_by_up2(tensors) :].astype(np.int64) << 10
    rows, columns, channels = z.shape
    fine = np.zeros((4 * rows, 4 * columns, channels), np.int64)
    for y, x in np.ndindex(rows, columns):
        around = [
            z[min(max(y + dy, 0), rows - 1), min(max(x + dx, 0), columns - 1)] for dy in (-1, 0, 1) for dx in (-1, 0, 1)
        ]
        cell = dense(tensors, "spread", np.concatenate(around), leaky=False).reshape(channels, 4, 4)
        fine[4 * y : 4 * y + 4, 4 * x : 4 * x + 4] = cell.transpose(1, 2, 0)
    gain = tensors["mean_gain"][gain_index].astype(np.int64)
    return (dense(tensors, "expand", fine, leaky=False) * gain + 512) >> 10


class Told(NamedTuple):
    """What ẑ says of every position."""

    features: np.ndarray
    coarse: np.ndarray | None


def told_by(tensors: Mapping[str, np.ndarray], z_hat: np.ndarray, gain_index: int) -> Told:
    return Told(hyper_features(tensors, z_hat, gain_index), coarse_means(tensors, z_hat, gain_index))


def causal(y_hat: np.ndarray, y: int, x: int) -> Iterator[np.ndarray | None]:
    """The twelve neighbours of a position, None for those outside the image."""
    for dy, dx in OFFSETS:
        inside = y + dy >= 0 and 0 <= x + dx < y_hat.shape[1]
        yield y_hat[y + dy, x + dx].astype(np.int64) if inside else None


def rows_at(
    tensors: Mapping[str, np.ndarray], told: Told | None, y_hat: np.ndarray, y: int, x: int, gain_index: int
) -> tuple[np.ndarray, np.ndarray]:
    """Table row and offset of each channel at one position, from the latents before it in raster order."""
    inputs = [] if told is None else [told.features[y, x]]
    linear = np.zeros(y_hat.shape[2], np.int64)
    if told is not None and told.coarse is not None:
        linear = linear + told.coarse[y, x]
    if "masked.weight" in tensors:
        around = list(causal(y_hat, y, x))
        table = tensors["compressed"].astype(np.int64)
        reduced = [np.zeros_like(tensors["reduce.bias"], np.int64)] * len(around)
        for n, k in enumerate(around):
            if k is not None:
                compressed = np.sign(k) * table[np.minimum(np.abs(k), len(table) - 1)]
                reduced[n] = dense(tensors, "reduce", compressed, leaky=False)
        inputs.append(dense(tensors, "masked", np.concatenate(reduced), leaky=True))
        known = np.stack([linear * 0 if k is None else k for k in around])
        total = (known * tensors["linear.weight"].astype(np.int64)).sum(0) << 10
        shift = tensors["linear.exponent"].astype(np.int64)
        linear = linear + ((total + np.where(shift > 0, np.int64(1) << np.maximum(shift - 1, 0), 0)) >> shift)
    inputs.append(np.array([16 * gain_index], np.int64))
    h = dense(tensors, "second", dense(tensors, "first", np.concatenate(inputs), True), True)
    weight, bias = tensors["scale.weight"].astype(np.int64), tensors["scale.bias"].astype(np.int64)
    shift = tensors["scale.exponent"].astype(np.int64) + 10
    scale = ((h @ weight + bias + (np.int64(1) << (shift - 1))) >> shift).clip(0, 63)
    mean = linear * 0 if "mean.weight" not in tensors else dense(tensors, "mean", h, False) + linear
    mean = mean.clip(-(1 << 30), 1 << 30)
    bits = tensors["tables.fraction_bits"].astype(np.int64)
    first = np.cumsum(1 << bits) - (1 << bits)
    steps = (mean + (np.int64(1) << (9 - bits[scale]))) >> (10 - bits[scale])
    return first[scale] + steps % (1 << bits[scale]), steps >> bits[scale]


def decode_run(
    decoder: RangeDecoder, tensors: Mapping[str, np.ndarray], rows: np.ndarray, offsets: np.ndarray
) -> np.ndarray:
    """One run of symbols in the five passes of FORMAT.md."""
    narrow = tensors["tables.narrow"]
    half = np.where(rows < len(narrow), 8, 32)
    index = np.zeros(len(rows), np.int64)
    for is_wide in (False, True):
        for i in np.flatnonzero((rows >= len(narrow)) == is_wide):
            counts = tensors["tables.wide"][rows[i] - len(narrow)] if is_wide else narrow[rows[i]]
            index[i] = decoder.decode(boundaries(counts))
    shift = tensors["tables.shift"][rows].astype(np.int64)
    low = [decoder.uniform(1 << int(s)) if s else 0 for s in shift]
    escaped = np.flatnonzero(index == 2 * half)
    lengths = [decoder.uniform(18) for _ in escaped]
    value = index - half
    for i, length in zip(escaped, lengths, strict=True):
        excess = (1 << length) - 1 + (decoder.uniform(1 << length) if length else 0)
        value[i] = half[i] + excess // 2 if excess % 2 == 0 else -half[i] - 1 - excess // 2
    return ((value << shift) + low + offsets).clip(-32767, 32767)


def decode_latents(
    tensors: Mapping[str, np.ndarray], z: bytes, y: bytes, shape: tuple[int, int, int], gain_index: int
) -> np.ndarray:
    """ŷ of a file of a conditional prior, front by front."""
    height, width, channels = shape
    told = None
    if "z.wide" in tensors:
        decoder = RangeDecoder(z)
        z_shape = (-(-height // 4), -(-width // 4), len(tensors["z.wide"]))
        z_hat = np.array([decoder.decode(boundaries(tensors["z.wide"][c])) - 32 for *_, c in np.ndindex(*z_shape)])
        assert z_hat.max() < 32, "an escape"
        told = told_by(tensors, z_hat.reshape(z_shape), gain_index)
    y_hat = np.zeros(shape, np.int64)
    decoder = RangeDecoder(y)
    has_context = "masked.weight" in tensors
    positions = [(j, i) for j in range(height) for i in range(width)]
    if has_context:
        steps = [[(j, i) for j, i in positions if i + 3 * j == t] for t in range(width + 3 * (height - 1))]
    else:
        steps = [positions[start : start + 128] for start in range(0, len(positions), 128)]
    for step in filter(None, steps):
        parts = [rows_at(tensors, told, y_hat, j, i, gain_index) for j, i in step]
        rows, offsets = (np.concatenate(part) for part in zip(*parts, strict=True))
        runs = [slice(start, start + RUN) for start in range(0, len(rows), RUN)]
        values = np.concatenate([decode_run(decoder, tensors, rows[run], offsets[run]) for run in runs])
        for (j, i), latents in zip(step, values.reshape(len(step), channels), strict=True):
            y_hat[j, i] = latents
    return y_hat
