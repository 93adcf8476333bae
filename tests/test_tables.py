"""The integer tables, and that the range coder uses exactly their counts."""

import math

import constriction
import numpy as np
import pytest

from jahp_gui.codec.entropy_coder import LATENT_LIMIT, SymbolDecoder, SymbolEncoder
from jahp_gui.codec.errors import DigestError
from jahp_gui.codec.priors.gaussian import index_of, table_scales
from jahp_gui.codec.tables import (
    MIXTURE,
    NARROW_HALF,
    TOTAL,
    WIDE_HALF,
    SymbolTables,
    escape_excess,
    escape_value,
    mixture_tables,
    normalise,
    scale_grid,
)

SCALES = table_scales()
GRID = scale_grid(SCALES)
TABLES = mixture_tables(GRID)


def test_every_row_has_positive_counts_that_sum_to_the_coders_precision() -> None:
    for counts in (TABLES.narrow, TABLES.wide):
        assert counts.min() >= 1
        assert set(counts.sum(1).tolist()) == {TOTAL}


def test_rows_that_are_not_distributions_are_refused() -> None:
    broken = TABLES.narrow.copy()
    broken[3, 2] += 1
    with pytest.raises(ValueError, match="sum to 2"):
        SymbolTables(broken, TABLES.wide, TABLES.shift)


@pytest.mark.parametrize("scale_index", [0, 7, 8, 15, 18, 19, 30, 45, 63])
def test_rows_agree_with_numerical_integration_of_the_mixture(scale_index: int) -> None:
    scale, bits = SCALES[scale_index], int(GRID.fraction_bits[scale_index])
    fraction = (1 << bits) - 1
    row = int(GRID.first_row[scale_index]) + fraction
    mean = fraction / (1 << bits)
    is_narrow = row < len(TABLES.narrow)
    counts = TABLES.narrow[row] if is_narrow else TABLES.wide[row - len(TABLES.narrow)]
    half, step = (NARROW_HALF if is_narrow else WIDE_HALF), 1 << int(TABLES.shift[row])
    for symbol in (-half, -1, 0, 1, half - 1):
        # Simpson's rule over the symbol's interval, fine against the spread of the narrowest Gaussian.
        x = np.linspace(symbol * step - 0.5, (symbol + 1) * step - 0.5, 2001)
        density = sum(
            weight * np.exp(-0.5 * ((x - mean) / deviation) ** 2) / (deviation * math.sqrt(2 * math.pi))
            for weight, deviation in ((weight, ratio * scale) for weight, ratio in MIXTURE)
        )
        weights = np.r_[1, np.tile([4, 2], 999), 4, 1] / 3 * (x[1] - x[0])
        assert counts[symbol + half] / TOTAL == pytest.approx(
            (density * weights).sum(), abs=80 / TOTAL
        )  # counts of at least 1


def test_the_index_of_a_scale_is_where_the_tables_have_it() -> None:
    assert (np.diff(SCALES) > 0).all()
    np.testing.assert_allclose([index_of(scale) for scale in SCALES], np.arange(len(SCALES)), atol=1e-4)


def test_the_mixture_is_a_distribution_of_deviation_one() -> None:
    assert sum(weight for weight, _ in MIXTURE) == 1
    assert sum(weight * ratio**2 for weight, ratio in MIXTURE) == pytest.approx(1, abs=2e-3)


def test_moments_of_a_row_are_those_of_its_density_convolved_with_the_quantiser() -> None:
    mean, deviation = TABLES.moments
    for scale_index in (20, 30, 40, 60):
        row = int(GRID.first_row[scale_index])
        assert mean[row] == pytest.approx(0, abs=0.02 * SCALES[scale_index])
        expected = math.sqrt(SCALES[scale_index] ** 2 + 1 / 12)
        assert deviation[row] == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("width", [3, 5, 17, 65, 129, 257])
def test_constriction_codes_with_exactly_the_stored_counts_at_every_boundary(width: int) -> None:
    generator = np.random.default_rng(width)
    rows = normalise(generator.dirichlet(np.full(width, 0.05), 20))
    model = constriction.stream.model.Categorical(perfect=False)
    for counts in rows:
        starts = np.concatenate([[0], np.cumsum(counts)])
        for symbol in range(width):
            encoder = constriction.stream.queue.RangeEncoder()
            encoder.encode(np.array([symbol], np.int32), model, (counts[None] - 1).astype(np.float32))
            lower, size = encoder.pos()[1]
            # From the fresh state (0, 2^64 − 1): one symbol narrows the interval by its counts and nothing else,
            # and a range below 2^32 moves on by a word.
            scale = ((1 << 64) - 1) >> 24
            expected = scale * int(starts[symbol]), scale * int(counts[symbol])
            if expected[1] < 1 << 32:
                expected = (expected[0] << 32) % (1 << 64), expected[1] << 32
            assert (lower, size) == expected


def test_escapes_cover_both_sides_without_gaps() -> None:
    outside = np.array([-LATENT_LIMIT, -34, -33, 32, 33, 40, LATENT_LIMIT])
    half = np.full(len(outside), WIDE_HALF)
    excess = escape_excess(outside, half)
    assert sorted(excess.tolist())[:4] == [0, 1, 2, 3]
    assert escape_value(excess, half).tolist() == outside.tolist()


def random_symbols(count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(latents, rows, offsets) as a real image has them, with every row used and extreme escapes among them."""
    generator = np.random.default_rng(5)
    rows = generator.integers(0, len(TABLES.shift), count)
    offsets = generator.integers(-300, 300, count)
    spread = TABLES.moments[1][rows]
    latents = np.rint(generator.normal(0, 1, count) * spread).astype(np.int64) + offsets
    latents[:6] = [LATENT_LIMIT, -LATENT_LIMIT, LATENT_LIMIT, -LATENT_LIMIT, 0, 1]
    return latents.astype(np.int16), rows, offsets


def test_what_is_encoded_is_decoded_with_escapes_at_the_extreme_values() -> None:
    latents, rows, offsets = random_symbols(70_000)  # more than one run
    encoder = SymbolEncoder()
    encoder.encode(latents, TABLES, rows, offsets)
    decoded = SymbolDecoder(encoder.finish()).decode(TABLES, rows, offsets)
    np.testing.assert_array_equal(decoded, latents)


def test_the_bits_reported_are_the_bits_written() -> None:
    latents, rows, offsets = random_symbols(20_000)
    encoder = SymbolEncoder()
    encoder.encode(latents, TABLES, rows, offsets)
    written = 8 * len(encoder.finish())
    assert TABLES.bits(latents.astype(np.int64) - offsets, rows).sum() == pytest.approx(written, abs=64)


def test_words_that_no_encoder_wrote_give_latents_in_range_or_the_digest_error() -> None:
    latents, rows, offsets = random_symbols(2000)
    encoder = SymbolEncoder()
    encoder.encode(latents, TABLES, rows, offsets)
    words = bytearray(encoder.finish())
    generator = np.random.default_rng(0)
    in_range = 0
    for _ in range(50):
        damaged = bytes(words[: 4 * generator.integers(0, len(words) // 4)]) + generator.bytes(40)
        try:
            decoded = SymbolDecoder(damaged).decode(TABLES, rows, offsets)
        except DigestError:
            continue
        assert np.abs(decoded.astype(int)).max() <= LATENT_LIMIT
        in_range += 1
    assert in_range > 0
