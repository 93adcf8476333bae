"""Every number of the inspector, and of what each part pays, is the codec's own."""

import math

import numpy as np
import pytest

from jahp_gui.codec import Model, encode, latent_views
from jahp_gui.codec.inspection import HYPER_REACH, LatentInspector, Prediction, governed_regions
from jahp_gui.codec.latent_coding import LatentMaps, decode_side, measure_latents
from jahp_gui.codec.latent_views import Region
from jahp_gui.codec.prior_costs import RESIDUAL_EDGES, STEPS, UNSURE_FROM, prior_cost, spread_histogram
from jahp_gui.codec.priors import PRIORS

CHANNELS = 8
GAIN_INDEX = 80


def some_latents(height: int, width: int, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng((seed, height, width))
    return np.rint(generator.laplace(0, 4.0, (height, width, CHANNELS))).astype(np.int16)


def inspector_of(model: Model, y_hat: np.ndarray, gain_index: int = GAIN_INDEX) -> LatentInspector:
    return LatentInspector({name: model.prior(name) for name in PRIORS}, y_hat, gain_index)


def predicted(inspector: LatentInspector, name: str, column: int, row: int, latents: str = "y") -> Prediction:
    prediction = inspector.predict(name, latents, column, row)
    assert prediction is not None
    return prediction


# ---------------------------------------------------------------- predictions


@pytest.mark.parametrize("name", PRIORS)
def test_bits_of_all_positions_are_those_of_the_real_file(tiny_model: Model, name: str) -> None:
    rgb = np.random.default_rng(3).integers(0, 256, (384, 384, 3), np.uint8)
    encoded = encode(tiny_model, rgb, prior=name, lmbda=0.2)
    gain_index = encoded.container.header.gain_index
    inspector = inspector_of(tiny_model, encoded.y_hat, gain_index)
    bits = sum(predicted(inspector, name, x, y).bits.sum() for y in range(24) for x in range(24))
    assert bits == pytest.approx(8 * len(encoded.container.y), rel=0.005)
    z_hat = decode_side(tiny_model.prior(name), encoded.container.z, 24, 24)
    if z_hat is None:
        assert inspector.predict(name, "z", 0, 0) is None
    else:
        np.testing.assert_array_equal(inspector.z_hat(name), z_hat)
        z_bits = sum(predicted(inspector, name, x, y, "z").bits.sum() for y in range(6) for x in range(6))
        assert z_bits == pytest.approx(8 * len(encoded.container.z), rel=0.005, abs=64)


@pytest.mark.parametrize("name", PRIORS)
def test_every_number_is_that_of_the_measured_maps_across_windows(tiny_model: Model, name: str) -> None:
    y_hat = some_latents(67, 70)  # four windows of 64
    maps = measure_latents(tiny_model.prior(name), y_hat, GAIN_INDEX)
    inspector = inspector_of(tiny_model, y_hat)
    for row, column in ((0, 0), (3, 69), (63, 63), (63, 64), (64, 5), (64, 64), (66, 69), (20, 62)):
        prediction = predicted(inspector, name, column, row)
        np.testing.assert_array_equal(prediction.values, y_hat[row, column])
        for ours, theirs in ((prediction.bits, maps.bits), (prediction.mu, maps.mu), (prediction.sigma, maps.sigma)):
            np.testing.assert_array_equal(ours.astype(np.float32), theirs[row, column])


@pytest.mark.parametrize("name", PRIORS)
@pytest.mark.parametrize("latents", ["y", "z"])
def test_tables_sum_to_one_and_give_the_bits_of_the_symbol(tiny_model: Model, name: str, latents: str) -> None:
    y_hat = some_latents(8, 9)
    y_hat[4, 4] = [0, 1, -1, 40, -40, 300, -3000, 32767]  # wide rows, and escapes
    at = 4 if latents == "y" else 1
    prediction = inspector_of(tiny_model, y_hat).predict(name, latents, at, at)
    if prediction is None:
        assert latents == "z" and not tiny_model.prior(name).has_side_information
        return
    for channel, value in enumerate(prediction.values):
        row = prediction.distribution(channel)
        assert row.probability.sum() + row.escape == pytest.approx(1, abs=1e-12)
        assert (np.diff(row.first) == row.width).all()
        column = row.column_of(int(value))
        if column is None:
            assert not row.first[0] <= value < row.first[-1] + row.width
            assert prediction.bits[channel] > -np.log2(row.escape)
        else:
            assert row.first[column] <= value < row.first[column] + row.width
            assert prediction.bits[channel] == pytest.approx(-np.log2(row.probability[column] / row.width))
        certain = (row.probability * 2**24 - 1).clip(min=0)  # each count has one that is not its probability
        middles = row.first + (row.width - 1) / 2
        assert prediction.mu[channel] == pytest.approx((certain * middles).sum() / certain.sum(), abs=1e-6)


def test_neighbours_are_those_of_the_image_and_seen_only_if_decoded_before(tiny_model: Model) -> None:
    y_hat = some_latents(6, 7)
    inspector = inspector_of(tiny_model, y_hat)
    for name, prior in inspector.priors.items():
        prediction = predicted(inspector, name, 1, 2)
        padded = np.pad(y_hat, ((2, 2), (2, 2), (0, 0)))
        np.testing.assert_array_equal(prediction.around, padded[2:7, 1:6])
        assert prediction.inside.tolist() == [[False, True, True, True, True]] * 5
        before = np.arange(25).reshape(5, 5) < 12
        np.testing.assert_array_equal(prediction.seen, before & prediction.inside & prior.has_context)


def test_side_information_of_a_file_is_used_instead_of_this_encoders(tiny_model: Model) -> None:
    y_hat = some_latents(8, 8)
    prior = tiny_model.prior("joint")
    other = np.asarray(prior.side_information(y_hat, GAIN_INDEX)) + 1
    inspector = LatentInspector({"joint": prior}, y_hat, GAIN_INDEX, {"joint": other})
    maps = measure_latents(prior, y_hat, GAIN_INDEX, other)
    np.testing.assert_array_equal(predicted(inspector, "joint", 3, 5).bits.astype(np.float32), maps.bits[5, 3])
    np.testing.assert_array_equal(predicted(inspector, "joint", 1, 1, "z").values, other[1, 1])


# ---------------------------------------------------------------- what a latent governs


def inside(region: Region, height: int, width: int) -> np.ndarray:
    mask = np.zeros((height, width), bool)
    mask[region.top : region.top + region.height, region.left : region.left + region.width] = True
    return mask


def test_a_latent_changes_pixels_of_its_region_and_no_others(tiny_model: Model) -> None:
    height, width = 250, 330  # not multiples of 16
    y_hat = some_latents(16, 21)
    before = tiny_model.synthesis(y_hat, GAIN_INDEX, height, width).astype(int)
    for column, row in ((10, 8), (0, 15), (20, 0)):
        block, reach = governed_regions(tiny_model.config, "y", column, row, width, height)
        assert (block.left, block.top) == (16 * column, 16 * row)
        changed = y_hat.copy()
        changed[row, column] += 400
        moved = (abs(tiny_model.synthesis(changed, GAIN_INDEX, height, width) - before) > 1).any(2)
        assert moved[inside(block, height, width)].mean() > 0.9
        assert not moved[~inside(reach, height, width)].any()
        assert (moved & ~inside(block, height, width)).any()


@pytest.mark.parametrize("place", [(2, 2), (0, 5), (5, 0)])
def test_a_hyper_latent_changes_predictions_of_its_region_and_no_others(
    tiny_model: Model, place: tuple[int, int]
) -> None:
    column, row = place
    prior, y_hat = tiny_model.prior("mean-scale-hyperprior"), some_latents(24, 24)
    z_hat = np.asarray(prior.side_information(y_hat, GAIN_INDEX))
    changed = z_hat.copy()
    changed[row, column] += 20
    before, after = (measure_latents(prior, y_hat, GAIN_INDEX, side).mu for side in (z_hat, changed))
    moved = np.kron((before != after).any(2), np.ones((16, 16), bool))
    block, reach = governed_regions(tiny_model.config, "z", column, row, 384, 384)
    assert block == Region(64 * column, 64 * row, 64, 64)
    assert reach.width == 16 * (4 + HYPER_REACH * (1 + (0 < column < 5)))
    assert moved.any() and not moved[~inside(reach, 384, 384)].any()


# ---------------------------------------------------------------- what each part pays


@pytest.mark.parametrize("name", PRIORS)
def test_costs_add_up_to_the_file_and_so_does_their_map(tiny_model: Model, name: str) -> None:
    rgb = np.random.default_rng(4).integers(0, 256, (390, 370, 3), np.uint8)
    encoded = encode(tiny_model, rgb, prior=name, lmbda=0.2)
    maps = measure_latents(tiny_model.prior(name), encoded.y_hat, encoded.container.header.gain_index)
    cost = prior_cost(maps, encoded.y_hat)
    assert cost.y_bits == pytest.approx(8 * len(encoded.container.y), rel=0.005)
    assert cost.z_bits == pytest.approx(8 * len(encoded.container.z), abs=64)
    assert cost.plane.shape == encoded.y_hat.shape[:2]
    assert cost.plane.sum(dtype=np.float64) == pytest.approx(cost.bits, rel=1e-6)


def test_residuals_are_counted_where_the_prior_was_unsure() -> None:
    generator = np.random.default_rng(0)
    shape = (50, 60, 8)
    sigma = np.where(np.arange(8) < 4, 20.0, 0.3).astype(np.float32) * np.ones(shape, np.float32)
    y_hat = np.rint(generator.normal(0, sigma)).astype(np.int16)
    cost = prior_cost(LatentMaps(np.ones(shape, np.float32), np.zeros(shape, np.float32), sigma, None, None), y_hat)
    assert cost.count == y_hat.size and cost.unsure == y_hat.size // 2 and UNSURE_FROM == 0.5
    assert cost.spread == pytest.approx(1, abs=0.02)
    within_one = cost.histogram[(RESIDUAL_EDGES[:-1] >= -1) & (RESIDUAL_EDGES[1:] <= 1)].sum()
    assert within_one / cost.unsure == pytest.approx(0.683, abs=0.02)
    assert cost.histogram.sum() == pytest.approx(cost.unsure, rel=1e-3)


@pytest.mark.parametrize("sigma", [0.6, 1.3, 8.0])
def test_residuals_of_whole_numbers_are_spread_out_to_the_normal_density(sigma: float) -> None:
    generator = np.random.default_rng(1)
    mu = generator.uniform(-3, 3, 40_000)
    latents = np.rint(generator.normal(mu, sigma))  # N ∗ U at whole numbers: its variance has 1/12 more
    deviation = np.full(latents.shape, np.sqrt(sigma**2 + 1 / 12), np.float32)
    counts = spread_histogram((latents - mu).astype(np.float32), deviation)
    normal = np.array([0.5 * math.erf(edge / math.sqrt(2)) for edge in RESIDUAL_EDGES])
    np.testing.assert_allclose(counts / counts.sum(), np.diff(normal), atol=0.01)


def test_a_channel_of_which_the_prior_is_certain_has_no_residual() -> None:
    zero = np.zeros((2, 3, 4), np.float32)
    maps = LatentMaps(zero, zero, zero, None, None)
    assert (latent_views.plane(maps, zero.astype(np.int16), latent_views.RESIDUAL) == 0).all()
    assert prior_cost(maps, zero.astype(np.int16)).spread == 0


def test_every_prior_is_a_step_that_adds_to_another() -> None:
    assert set(STEPS) == set(PRIORS)
    assert set(STEPS.values()) - {""} < set(PRIORS)
