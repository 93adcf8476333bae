"""Integer probability tables: built once when a model is frozen, stored with it, never computed by a decoder.

A table row is the distribution of a symbol v (a latent minus the integer part of its mean). Rows of small spread are
narrow: 16 symbols, −8 … 7, and an escape. The others are wide: 64 symbols, −32 … 31, and an escape. A wide row with
shift k codes v >> k, and the k low bits are flat. Counts are at least 1 and sum to 2^24, the range coder's precision.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

PRECISION = 24
TOTAL = 1 << PRECISION
NARROW_HALF, WIDE_HALF = 8, 32  # a row codes −half … half − 1, then the escape
NARROW_WIDTH, WIDE_WIDTH = 2 * NARROW_HALF + 1, 2 * WIDE_HALF + 1
ESCAPE_LENGTHS = 18  # an escape's excess has 0 to 17 bits after its leading one: latents are 16-bit


@dataclass(frozen=True)
class SymbolTables:
    """Rows 0 … N−1 are the narrow ones, N … N+W−1 the wide ones.

    narrow: int64 (N, 17). wide: int64 (W, 65). shift: int64 (N + W,), zero for narrow rows.
    """

    narrow: np.ndarray
    wide: np.ndarray
    shift: np.ndarray

    def __post_init__(self) -> None:
        for counts, width in ((self.narrow, NARROW_WIDTH), (self.wide, WIDE_WIDTH)):
            if counts.ndim != 2 or counts.shape[1] != width or (counts < 1).any() or (counts.sum(1) != TOTAL).any():
                raise ValueError("table rows must be positive counts that sum to 2^24")
        if self.shift.shape != (len(self.narrow) + len(self.wide),) or (self.shift[: len(self.narrow)] != 0).any():
            raise ValueError("one shift per row, none for narrow rows")

    @cached_property
    def narrow_probabilities(self) -> np.ndarray:
        """float32 rows n − 1, which constriction's `Categorical(perfect=False)` turns back into exactly n."""
        return (self.narrow - 1).astype(np.float32)

    @cached_property
    def wide_probabilities(self) -> np.ndarray:
        """The same of the wide rows."""
        return (self.wide - 1).astype(np.float32)

    @cached_property
    def symbol_bits(self) -> np.ndarray:
        """float64 (N + W, 65): −log2 of each entry's probability, low bits included; narrow rows fill 17 columns."""
        bits = np.zeros((len(self.shift), WIDE_WIDTH))
        bits[: len(self.narrow), :NARROW_WIDTH] = PRECISION - np.log2(self.narrow)
        bits[len(self.narrow) :] = PRECISION - np.log2(self.wide)
        return bits + self.shift[:, None]

    @cached_property
    def moments(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of v under each row, escapes left out: float64 (N + W,) each."""
        mean, deviation = np.zeros(len(self.shift)), np.zeros(len(self.shift))
        for start, counts, half in ((0, self.narrow, NARROW_HALF), (len(self.narrow), self.wide, WIDE_HALF)):
            rows = slice(start, start + len(counts))
            step = np.exp2(self.shift[rows])[:, None]
            value = np.arange(-half, half) * step + (step - 1) / 2
            weight = (counts[:, :-1] - 1) / (counts[:, :-1] - 1).sum(1, keepdims=True)
            mean[rows] = (weight * value).sum(1)
            spread = (weight * (value - mean[rows, None]) ** 2).sum(1) + (step[:, 0] ** 2 - 1) / 12
            deviation[rows] = np.sqrt(spread)
        return mean, deviation

    def half(self, rows: np.ndarray) -> np.ndarray:
        """Half of the symbols that each row codes without an escape: the shape of `rows`."""
        return np.where(rows < len(self.narrow), NARROW_HALF, WIDE_HALF)

    def index(self, values: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Column of each symbol v in its row, the escape column where it lies outside."""
        half = self.half(rows)
        shifted = values >> self.shift[rows]
        return np.where((shifted < -half) | (shifted >= half), 2 * half, shifted + half)

    def bits(self, values: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Exact cost in bits of symbols v under their rows, escapes included: float64, the shape of `values`."""
        index = self.index(values, rows)
        half = self.half(rows)
        cost = self.symbol_bits[rows, index]
        escaped = index == 2 * half
        excess = escape_excess(values[escaped] >> self.shift[rows[escaped]], half[escaped])
        cost[escaped] += math.log2(ESCAPE_LENGTHS) + np.floor(np.log2(excess + 1.0))
        return cost


def escape_excess(shifted: np.ndarray, half: np.ndarray) -> np.ndarray:
    """How far outside −half … half − 1 a symbol lies, sides interleaved: 0, 2, 4 … above, 1, 3, 5 … below."""
    return np.where(shifted >= half, 2 * (shifted - half), 2 * (-half - 1 - shifted) + 1)


def escape_value(excess: np.ndarray, half: np.ndarray) -> np.ndarray:
    """Inverse of `escape_excess`."""
    return np.where(excess % 2 == 0, half + excess // 2, -half - 1 - excess // 2)


def normalise(probabilities: np.ndarray) -> np.ndarray:
    """Counts ≥ 1 that sum to 2^24, nearest to each row of probabilities (R, n): int64 (R, n)."""
    counts = np.maximum(np.rint(probabilities / probabilities.sum(1, keepdims=True) * TOTAL), 1).astype(np.int64)
    largest = counts.argmax(1)
    counts[np.arange(len(counts)), largest] += TOTAL - counts.sum(1)
    return counts


# What the networks leave unsaid of a latent has heavier tails than a Gaussian: (weight, deviation / σ) of two of them,
# fitted to ŷ of the joint prior at all λ; the mixture's deviation is σ. RECIPES.md, "The shape of the density".
MIXTURE = ((0.738, 0.802), (0.262, 1.415))


@dataclass(frozen=True)
class ScaleGrid:
    """The scales and mean fractions for which the mixture has a row.

    Row `first_row[s] + f` is scale s with mean f / 2^fraction_bits[s]; finer where σ is small, because a mean that is
    off by δ costs δ²/(2σ²) nats.
    """

    scales: np.ndarray  # float64 (S,)
    fraction_bits: np.ndarray  # int64 (S,)
    first_row: np.ndarray  # int64 (S,)


NARROW_BELOW = 1.1  # σ up to which 16 symbols hold all but 10^-6 of the mass
FRACTION_BITS = ((0.4, 5), (1.0, 4), (3.0, 3), (8.0, 2), (24.0, 1))  # (σ below, bits); none above
WIDE_REACH = 6.0  # standard deviations that the 64 symbols of a wide row reach to each side


def scale_grid(scales: np.ndarray) -> ScaleGrid:
    """The rows of a set of scales, in the order of the scales."""
    bits = np.array([next((bits for below, bits in FRACTION_BITS if scale < below), 0) for scale in scales])
    return ScaleGrid(scales, bits, first_rows(bits))


def first_rows(fraction_bits: np.ndarray) -> np.ndarray:
    """The first row of each scale, where each has 2^fraction_bits of them."""
    counts = 1 << fraction_bits
    return np.cumsum(counts) - counts


def mixture_tables(grid: ScaleGrid) -> SymbolTables:
    """The rows of the mixture of mean f and deviation σ, for every scale and fraction of the grid."""
    narrow: list[list[float]] = []
    wide: list[list[float]] = []
    shifts: list[int] = []
    for scale, bits in zip(grid.scales, grid.fraction_bits, strict=True):
        half = NARROW_HALF if scale < NARROW_BELOW else WIDE_HALF
        shift = max(0, math.ceil(math.log2(WIDE_REACH * scale / half))) if half == WIDE_HALF else 0
        for fraction in range(1 << int(bits)):
            mean = fraction / (1 << int(bits))
            edges = [((v << shift) - 0.5 - mean) / scale for v in range(-half, half + 1)]
            row = [mixture_mass(low, high) for low, high in zip(edges, edges[1:], strict=False)]
            row.append(mixture_mass(-math.inf, edges[0]) + mixture_mass(edges[-1], math.inf))
            (narrow if half == NARROW_HALF else wide).append(row)
            shifts.append(shift)
    return SymbolTables(normalise(np.array(narrow)), normalise(np.array(wide)), np.array(shifts))


def mixture_mass(low: float, high: float) -> float:
    """Mass of the mixture of mean 0 and deviation 1 between two points."""
    return sum(weight * normal_mass(low / ratio, high / ratio) for weight, ratio in MIXTURE)


def normal_mass(low: float, high: float) -> float:
    """Mass of N(0, 1) between two points, from the tail on their side, where it does not cancel."""
    if low > 0:
        low, high = -high, -low
    return 0.5 * (math.erfc(-high / math.sqrt(2)) - math.erfc(-low / math.sqrt(2)))
