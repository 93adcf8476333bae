"""The mathematics of the priors: likelihoods, masks, geometry, and the exact form against plain integers."""

import math
from pathlib import Path

import numpy as np
import pytest
import reference
import safetensors.numpy
import torch

from jahp_gui.codec.config import ModelConfig
from jahp_gui.codec.errors import InvalidHeaderError, ModelError, UsageError
from jahp_gui.codec.fixed_point import ACTIVATION_LIMIT, FrozenLayer, freeze_conv, freeze_matrix, load_layer, thaw_conv
from jahp_gui.codec.latent_coding import decode_latents, encode_latents, measure_latents
from jahp_gui.codec.model import Model
from jahp_gui.codec.priors import PRIORS, prior_class, prior_of_code
from jahp_gui.codec.priors.base import FrozenPrior
from jahp_gui.codec.priors.context_model import ContextModel
from jahp_gui.codec.priors.density import FactorizedDensity
from jahp_gui.codec.priors.gaussian import mixture_bits, table_arrays
from jahp_gui.codec.priors.hyper import Hyperprior
from jahp_gui.codec.priors.rounding import rounded
from jahp_gui.codec.tables import MIXTURE
from jahp_gui.codec.wavefront import raster_runs, wavefronts

MODELS = Path(__file__).parent / "models"
TINY = MODELS / "tiny"
CONDITIONAL = [name for name in PRIORS if name != "factorized"]
EXACT = [*(("tiny", name) for name in CONDITIONAL), ("tiny-coarse", "mean-scale-hyperprior")]
CHANNELS = 8


@pytest.fixture(scope="module")
def tiny() -> Model:
    return Model.load(TINY)


def arrays_of(prior: str, model: str = "tiny") -> dict[str, np.ndarray]:
    tables = safetensors.numpy.load_file(MODELS / model / "tables.safetensors")
    return tables | safetensors.numpy.load_file(MODELS / model / f"{prior}.safetensors")


def some_latents(height: int, width: int, seed: int = 0, spread: float = 3.0) -> np.ndarray:
    generator = np.random.default_rng((seed, height, width))
    return np.rint(generator.laplace(0, spread, (height, width, CHANNELS))).astype(np.int16)


def test_likelihood_of_the_mixture_agrees_with_numerical_integration() -> None:
    scale, mean = torch.tensor([0.2, 0.7, 3.0, 40.0], dtype=torch.float64), 0.3
    for value in (-2.0, 0.0, 1.0, 5.0):
        x = torch.linspace(value - 0.5, value + 0.5, 20001, dtype=torch.float64)[:, None]
        density = sum(
            weight * torch.exp(-0.5 * ((x - mean) / deviation) ** 2) / (deviation * math.sqrt(2 * math.pi))
            for weight, deviation in ((weight, ratio * scale) for weight, ratio in MIXTURE)
        )
        expected = -torch.log2(torch.trapezoid(density, x, dim=0).clamp(min=1e-9))
        bits = mixture_bits(torch.tensor(value - mean, dtype=torch.float64), scale)
        torch.testing.assert_close(bits, expected, atol=1e-5, rtol=1e-6)


def test_factorized_density_is_a_distribution_whose_intervals_agree_with_its_slope() -> None:
    torch.manual_seed(0)
    density = FactorizedDensity(3, init_scale=4.0).double()
    x = torch.linspace(-60, 60, 48001, dtype=torch.float64).expand(3, -1)
    cumulative = torch.sigmoid(density.logits(x))
    assert (cumulative.diff(dim=1) >= 0).all()
    assert (cumulative[:, 0] < 1e-3).all()
    assert (cumulative[:, -1] > 1 - 1e-3).all()
    points = torch.tensor([-3.0, 0.0, 2.0], dtype=torch.float64)
    low = (points - 0.5).view(1, 1, 1, 3).expand(1, 3, 1, 3)
    probability = torch.exp2(-density.interval_bits(low, low + 1))[0, :, 0]
    for column, point in enumerate(points):
        inside = (x[0] >= point - 0.5 - 1e-9) & (x[0] <= point + 0.5 + 1e-9)
        slope = torch.autograd.functional.jvp(lambda t: torch.sigmoid(density.logits(t)), x, torch.ones_like(x))[1]
        integral = torch.trapezoid(slope[:, inside], x[0, inside], dim=1)
        torch.testing.assert_close(probability[:, column], integral, atol=1e-6, rtol=1e-5)


def test_an_interval_much_wider_than_the_density_is_certain_whatever_its_logits_sum_to() -> None:
    """Those of ±10^6 sum to exactly zero in float32, where a sign of zero made 30 bits of a certain thing."""
    density = FactorizedDensity(2)
    edge = torch.full((1, 2, 1, 1), 1e6)
    with torch.no_grad():
        for bias in density.biases:
            bias.zero_()
        assert density.logits(edge[0, :, 0]).add(density.logits(-edge[0, :, 0])).eq(0).all()
        assert density.interval_bits(-edge, edge).max() < 1e-6


def test_a_density_is_as_fine_in_autocast() -> None:
    """At high rates an interval is a small part of its ends, which bfloat16 could not tell from each other."""
    density = FactorizedDensity(2, init_scale=4.0)
    low = torch.linspace(-8, 8, 200).expand(1, 2, 1, 200)
    expected = density.interval_bits(low, low + 0.02)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(density.interval_bits(low, low + 0.02), expected, rtol=0, atol=0)


def test_context_of_a_position_does_not_see_it_or_anything_after_it() -> None:
    torch.manual_seed(0)
    config = ModelConfig(latent_channels=3, context_reduction=4, context_features=5)
    model = ContextModel(config)
    torch.nn.init.normal_(model.linear)
    y_hat = torch.randn(1, 3, 7, 7)
    features, linear = model(y_hat)
    for place in range(49):
        changed = y_hat.clone()
        changed.view(1, 3, -1)[:, :, place] += 10
        new_features, new_linear = model(changed)
        for before, after in ((features, new_features), (linear, new_linear)):
            moved = (before != after).any(1).flatten()
            assert not moved[: place + 1].any()
        if place < 48 and place % 7 != 6:
            assert (features != new_features).any(1).flatten()[place + 1]


@pytest.mark.parametrize("name", ["context", "joint"])
def test_frozen_rows_do_not_depend_on_latents_that_are_not_decoded_yet(tiny: Model, name: str) -> None:
    prior = tiny.prior(name)
    y_hat = some_latents(5, 6)
    z_hat = prior.side_information(y_hat, 40)
    known = prior.start(z_hat, 5, 6, 40)
    known.reveal(np.arange(30), y_hat.reshape(30, -1))
    for place in range(30):
        state = prior.start(z_hat, 5, 6, 40)
        state.reveal(np.arange(place), y_hat.reshape(30, -1)[:place])
        for full, causal in zip(known.rows(np.array([place])), state.rows(np.array([place])), strict=True):
            np.testing.assert_array_equal(full, causal)


@pytest.mark.parametrize(("model", "name"), EXACT)
@pytest.mark.parametrize("gain_index", [0, 37, 112])
def test_every_table_index_equals_the_evaluation_in_plain_integers(model: str, name: str, gain_index: int) -> None:
    prior, tensors = Model.load(MODELS / model).prior(name), arrays_of(name, model)
    y_hat = some_latents(6, 7, spread=1 + gain_index)
    y_hat[2, 3] = 32767  # beyond the stored table of compressed magnitudes
    z_hat = prior.side_information(y_hat, gain_index)
    state = prior.start(z_hat, 6, 7, gain_index)
    state.reveal(np.arange(42), y_hat.reshape(42, -1))
    rows, offsets = state.rows(np.arange(42))
    told = None if z_hat is None else reference.told_by(tensors, z_hat, gain_index)
    for place in range(42):
        expected = reference.rows_at(tensors, told, y_hat, place // 7, place % 7, gain_index)
        np.testing.assert_array_equal(rows[place], expected[0])
        np.testing.assert_array_equal(offsets[place], expected[1])


@pytest.mark.parametrize("shape", [(7, 1), (1, 7), (6, 2), (5, 3)], ids=str)
def test_the_context_of_narrow_images_is_zero_outside_them(tiny: Model, shape: tuple[int, int]) -> None:
    tensors, y_hat = arrays_of("context", "tiny"), some_latents(*shape)
    state = tiny.prior("context").start(None, *shape, 40)
    places = np.arange(shape[0] * shape[1])
    state.reveal(places, y_hat.reshape(len(places), -1))
    rows, offsets = state.rows(places)
    for place in places:
        expected = reference.rows_at(tensors, None, y_hat, *divmod(place, shape[1]), 40)
        np.testing.assert_array_equal(rows[place], expected[0])
        np.testing.assert_array_equal(offsets[place], expected[1])


@pytest.mark.parametrize(("model", "name"), EXACT)
def test_a_decoder_written_from_the_specification_reads_the_same_latents(model: str, name: str) -> None:
    prior = Model.load(MODELS / model).prior(name)
    y_hat = some_latents(4, 5, spread=20)
    y_hat[1, 2, :4] = [32767, -32767, 5000, -900]
    z, y = encode_latents(prior, y_hat, 96)
    assert reference.decode_latents(arrays_of(name, model), z, y, y_hat.shape, 96).tolist() == y_hat.tolist()


def test_coarse_means_start_as_interpolated_block_means_at_any_gain() -> None:
    torch.manual_seed(0)
    hyperprior = Hyperprior(ModelConfig(latent_channels=5, hyper_channels=4, hyper_width=4, hyper_features=4), 3)
    blocks = torch.tensor([[-9.0, 0.0, 4.0, 8.0, 12.0, 30.0]]).expand(5, 6, 6).repeat_interleave(4, 1)
    y = blocks.repeat_interleave(4, 2)[None] * torch.arange(1.0, 6.0)[None, :, None, None] / 6
    seen = []
    for gain in (torch.full((1, 5), 6.0), torch.full((1, 5), 48.0)):
        z = hyperprior.analysis(y * gain[:, :, None, None], gain).round()
        mean = hyperprior.synthesis(z, gain, torch.zeros(1)).mean
        assert mean is not None
        assert (mean[:, 3:] == 0).all()
        seen.append((z[:, 4:], mean / gain[0, 0]))
    torch.testing.assert_close(seen[0], seen[1])
    assert seen[0][0][0, 1, 3].tolist() == [-3, 0, 1, 3, 4, 10]
    row = seen[0][1][0, 1, 12]
    assert row[:2].tolist() == [-3, -3]  # outside the image is what is at its edge
    torch.testing.assert_close(row[12:18], torch.tensor([2.25, 2.75, 3.125, 3.375, 3.625, 3.875]))


def test_a_channel_that_is_off_at_a_gain_takes_nothing_from_the_coarse_means() -> None:
    """Its gain, stored in units of 2^-10, may be zero there: 0 / 0 must not reach the other channels."""
    name = "mean-scale-hyperprior"
    tensors = arrays_of(name, "tiny-coarse")
    config = Model.load(MODELS / "tiny-coarse").config
    y_hat = some_latents(12, 12, spread=20)
    y_hat[:, :, 3] = 0
    small, off = (tensors["mean_gain"].copy() for _ in range(2))
    small[64, 3], off[64, 3] = 1, 0
    expected, found = (
        prior_class(name).load_frozen(tensors | {"mean_gain": gains}, config).side_information(y_hat, 64)
        for gains in (small, off)
    )
    assert expected is not None and found is not None and expected[..., -config.coarse_channels :].any()
    np.testing.assert_array_equal(found, expected)


SIZES = [(1, 1), (1, 2), (2, 1), (1, 9), (9, 1), (3, 3), (4, 4), (5, 7), (8, 3), (2, 30)]


@pytest.mark.parametrize("name", PRIORS)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_latents_of_every_size_come_back(tiny: Model, name: str, size: tuple[int, int]) -> None:
    y_hat = some_latents(*size)
    z, y = encode_latents(tiny.prior(name), y_hat, 64)
    np.testing.assert_array_equal(decode_latents(tiny.prior(name), z, y, y_hat.shape, 64)[0], y_hat)


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_hyper_latents_have_a_quarter_of_the_latents_sides_rounded_up(tiny: Model, size: tuple[int, int]) -> None:
    z_hat = tiny.prior("joint").side_information(some_latents(*size), 64)
    assert z_hat is not None
    assert z_hat.shape == (math.ceil(size[0] / 4), math.ceil(size[1] / 4), 4)
    assert z_hat.dtype == np.int16


@pytest.mark.parametrize("name", ["context", "joint"])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_the_wavefront_gives_the_rows_of_a_plain_raster_loop(tiny: Model, name: str, size: tuple[int, int]) -> None:
    height, width = size
    y_hat = some_latents(height, width)
    flat = y_hat.reshape(height * width, -1)
    prior = tiny.prior(name)
    z_hat = prior.side_information(y_hat, 50)
    raster = prior.start(z_hat, height, width, 50)
    expected = []
    for place in range(height * width):
        expected.append(raster.rows(np.array([place])))
        raster.reveal(np.array([place]), flat[place : place + 1])
    front = prior.start(z_hat, height, width, 50)
    for step in wavefronts(height, width):
        for row, place in zip(zip(*front.rows(step), strict=True), step, strict=True):
            np.testing.assert_array_equal(row[0], expected[place][0][0])
            np.testing.assert_array_equal(row[1], expected[place][1][0])
        front.reveal(step, flat[step])


def test_wavefronts_take_w_plus_3h_minus_3_steps_and_visit_every_position_once() -> None:
    assert len(wavefronts(32, 48)) == 48 + 3 * 31
    for height, width in SIZES:
        steps = wavefronts(height, width)
        assert sorted(np.concatenate(steps).tolist()) == list(range(height * width))
        assert [np.concatenate(raster_runs(height, width)).tolist()] == [list(range(height * width))]


@pytest.mark.parametrize("name", PRIORS)
def test_measured_bits_are_those_of_the_stream(tiny: Model, name: str) -> None:
    y_hat = some_latents(12, 16, spread=6)
    prior = tiny.prior(name)
    z, y = encode_latents(prior, y_hat, 80)
    maps = measure_latents(prior, y_hat, 80)
    assert maps.bits.sum(dtype=np.float64) == pytest.approx(8 * len(y), abs=64)
    if maps.z_bits is None:
        assert z == b""
    else:
        assert maps.z_bits.sum(dtype=np.float64) == pytest.approx(8 * len(z), abs=64)
    assert maps.mu.shape == maps.sigma.shape == y_hat.shape
    assert (maps.sigma > 0).all()


def test_factorized_rows_follow_the_density_at_every_gain(tiny: Model) -> None:
    prior = tiny.prior("factorized")
    cumulative = arrays_of("factorized")["cumulative"] / (1 << 30)
    half_step = arrays_of("factorized")["half_step"] / (1 << 20)
    for gain_index in (0, 50, 112):
        tables = prior.start(None, 1, 1, gain_index).tables
        for channel in (0, 3, 7):
            shift = int(tables.shift[channel])
            for symbol in (-3, 0, 2):
                edges = np.array([2 * (symbol << shift) - 1, 2 * ((symbol + 1) << shift) - 1])
                place = (edges * half_step[gain_index, channel] + 256).clip(0, 512)
                expected = np.diff(np.interp(place, np.arange(513), cumulative[channel]))[0]
                assert tables.wide[channel, symbol + 32] / 2**24 == pytest.approx(expected, abs=1e-5)


def test_factorized_rows_of_a_step_wider_than_the_density_are_certain_of_zero() -> None:
    prior = prior_class("factorized")(ModelConfig(latent_channels=3))
    with torch.no_grad():
        for matrix in prior.density.matrices:  # type: ignore[union-attr]
            matrix += 6.0  # a very narrow density
    frozen = prior_class("factorized").load_frozen(prior.freeze(np.full((1, 3), 1e-4)), prior.config)
    tables = frozen.start(None, 1, 1, 0).tables
    assert tables.bits(np.zeros((1, 3), np.int64), np.arange(3)[None]).max() < 0.001


@pytest.mark.parametrize("name", PRIORS)
def test_freezing_the_trained_form_keeps_its_estimated_rate(name: str) -> None:
    """An untrained network is the harder case for the tables: its scales and means are anywhere."""
    torch.manual_seed(1)
    config = ModelConfig.from_dict({**Model.load(TINY).card.config, "latent_channels": CHANNELS})
    prior = prior_class(name)(config).eval()
    for parameter in prior.parameters():
        if parameter.dim() > 1 and parameter.abs().max() < 0.01:
            torch.nn.init.normal_(parameter, std=0.02)
    gains = np.ones((113, CHANNELS))
    frozen: FrozenPrior = prior_class(name).load_frozen({**table_arrays(), **prior.freeze(gains)}, config)
    y_hat = some_latents(16, 16, spread=0.6)
    with torch.no_grad():
        y = torch.from_numpy(y_hat).float().permute(2, 0, 1)[None]
        bits = prior.bits(rounded(y), torch.ones(1, CHANNELS), torch.tensor([3.0])).per_image().item()
    z, y_section = encode_latents(frozen, y_hat, 48)
    assert 8 * (len(z) + len(y_section)) == pytest.approx(bits, rel=0.02)


def test_layers_that_could_lose_a_bit_are_refused() -> None:
    weight = torch.full((1 << 14, 1), 2.0**18, dtype=torch.float64)
    with pytest.raises(ModelError, match="bound"):
        FrozenLayer(weight, torch.zeros(1, dtype=torch.float64), torch.ones(1, dtype=torch.float64), leaky=False)


def test_the_largest_activations_a_layer_can_meet_give_the_integer_result() -> None:
    generator = np.random.default_rng(0)
    matrix = torch.from_numpy(generator.normal(0, 1, (16, 2000)))
    stored = {f"x.{part}": value for part, value in freeze_matrix(matrix, torch.randn(16), 16).items()}
    x = ACTIVATION_LIMIT * generator.choice([-1, 1], (5, 2000))
    result = load_layer(stored, "x", leaky=True)(torch.from_numpy(x).double())
    assert result.numpy().astype(np.int64).tolist() == reference.dense(stored, "x", x, leaky=True).tolist()


def test_rounding_errors_cancel_for_the_mean_input() -> None:
    """Inputs far from zero, as hyper-latents at their limit are, cost an 8-bit layer less where they are expected."""
    conv = torch.nn.Conv2d(40, 16, 3)
    mean = np.random.default_rng(1).normal(0, 0.1, 40)
    mean[:6] = [8, -8, 7.75, 8, 2, -1]
    x = torch.from_numpy(mean).float()[None, :, None, None].expand(1, 40, 3, 3)

    def worst(**how: np.ndarray) -> float:
        stored = {f"x.{part}": value for part, value in freeze_conv(conv, 8, **how).items()}
        assert np.abs(stored["x.weight"]).max() <= 127
        frozen = torch.nn.Conv2d(40, 16, 3)
        thaw_conv(frozen, stored, "x")
        unit = torch.from_numpy(2.0 ** -stored["x.exponent"].astype(float))[:, None, None, None]
        assert ((frozen.weight - conv.weight).abs() < unit).all()  # every weight is one of its two neighbours
        return (frozen(x) - conv(x)).abs().max().item()

    assert worst(input_mean=mean) < worst() / 4


def test_names_and_codes_of_priors_are_unique_and_unknown_ones_are_refused_by_name() -> None:
    assert len({prior.code for prior in PRIORS.values()}) == len(PRIORS)
    for prior in PRIORS.values():
        assert prior_of_code(prior.code) is prior
    with pytest.raises(UsageError, match="no prior named 'nonsense'"):
        prior_class("nonsense")
    with pytest.raises(InvalidHeaderError, match="code 63"):
        prior_of_code(63)
