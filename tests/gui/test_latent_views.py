"""Planes, channels and regions of latent maps against the codec's own numbers."""

from dataclasses import replace

import numpy as np
import pytest
from gui_helpers import make_picture

from jahp_gui.codec import Analysis, Model, analyse, encode
from jahp_gui.codec import latent_views as views
from jahp_gui.codec.errors import UsageError
from jahp_gui.codec.latent_views import Region
from jahp_gui.codec.regions import synthesis_of_region

HEIGHT, WIDTH = 150, 210  # neither a multiple of 16


@pytest.fixture(scope="module")
def model() -> Model:
    return Model.load("tiny")


@pytest.fixture(scope="module")
def analysis(model: Model) -> Analysis:
    return analyse(model, make_picture(HEIGHT, WIDTH), prior="joint", lmbda=0.02)


def test_bits_add_up_to_the_sections_of_the_file(model: Model, analysis: Analysis) -> None:
    encoded = encode(model, make_picture(HEIGHT, WIDTH), prior="joint", lmbda=0.02)
    z_bits, y_bits = views.total_bits(analysis.maps)
    assert 8 * len(encoded.container.z) == pytest.approx(z_bits, abs=96)
    assert 8 * len(encoded.container.y) == pytest.approx(y_bits, abs=96)
    plane = views.plane(analysis.maps, analysis.y_hat, views.BITS)
    assert plane.sum() == pytest.approx(y_bits, rel=1e-5)
    assert views.channel_bits(analysis.maps).sum() == pytest.approx(y_bits, rel=1e-9)


def test_planes_of_one_channel_are_that_channel(analysis: Analysis) -> None:
    maps = analysis.maps
    np.testing.assert_array_equal(views.plane(maps, analysis.y_hat, views.MEAN, channel=3), maps.mu[..., 3])
    residual = views.plane(maps, analysis.y_hat, views.RESIDUAL, channel=3)
    np.testing.assert_allclose(residual * maps.sigma[..., 3] + maps.mu[..., 3], analysis.y_hat[..., 3], atol=1e-4)


def test_signed_quantities_are_summed_up_without_their_sign(analysis: Analysis) -> None:
    plane = views.plane(analysis.maps, analysis.y_hat, views.LATENT)
    expected = np.sqrt((analysis.y_hat.astype(float) ** 2).mean(2))
    np.testing.assert_allclose(plane, expected, rtol=1e-5)


def test_the_whole_image_has_all_bits_and_parts_add_up(analysis: Analysis) -> None:
    total = sum(views.total_bits(analysis.maps))
    assert views.region_bits(analysis.maps, Region(0, 0, WIDTH, HEIGHT), WIDTH, HEIGHT) == pytest.approx(total)
    parts = [Region(0, 0, 77, HEIGHT), Region(77, 0, WIDTH - 77, 41), Region(77, 41, WIDTH - 77, HEIGHT - 41)]
    assert sum(views.region_bits(analysis.maps, part, WIDTH, HEIGHT) for part in parts) == pytest.approx(total)


def test_one_block_has_its_own_bits_and_its_share_of_the_side_information(analysis: Analysis) -> None:
    maps = analysis.maps
    assert maps.z_bits is not None
    expected = maps.bits[2, 5].sum() + maps.z_bits[0, 1].sum() * (16 * 16) / (64 * 64)
    assert views.region_bits(maps, Region(80, 32, 16, 16), WIDTH, HEIGHT) == pytest.approx(expected, rel=1e-5)


def test_a_prior_without_side_information_has_no_maps_of_it(model: Model) -> None:
    analysis = analyse(model, make_picture(32, 32), prior="context")
    assert views.channel_bits(analysis.maps, "z").size == 0
    with pytest.raises(UsageError):
        views.plane(analysis.maps, analysis.y_hat, views.BITS, "z")


@pytest.mark.parametrize(
    "region", [Region(0, 0, WIDTH, HEIGHT), Region(70, 50, 1, 1), Region(100, 90, 110, 60), Region(16, 16, 64, 48)]
)
def test_a_region_is_synthesised_as_in_the_whole_picture(model: Model, region: Region) -> None:
    y = model.analysis(make_picture(HEIGHT, WIDTH))
    whole = model.synthesis(model.quantise(y, 50), 50, HEIGHT, WIDTH)
    part, grown = synthesis_of_region(model, y, 50, region, HEIGHT, WIDTH)
    cut = whole[grown.top : grown.top + grown.height, grown.left : grown.left + grown.width]
    assert part.shape == cut.shape
    assert np.abs(part.astype(int) - cut).max() <= 1
    assert grown.left <= region.left and grown.left + grown.width >= region.left + region.width
    assert grown.top <= region.top and grown.top + grown.height >= region.top + region.height


def test_what_means_explain_and_what_the_dearest_take(analysis: Analysis) -> None:
    maps, y_hat = analysis.maps, analysis.y_hat
    right = replace(maps, mu=y_hat.astype(np.float32))
    assert views.explained_energy(right, y_hat) == 1.0
    assert views.explained_energy(replace(maps, mu=np.zeros_like(maps.mu)), y_hat) == 0.0
    assert views.explained_energy(maps, np.zeros_like(y_hat)) is None
    assert views.dearest_share(maps, y_hat, 1.0) == pytest.approx(1.0)
    one = maps.bits.sum(2).max() / maps.bits.sum()
    assert views.dearest_share(maps, y_hat, 1e-9) == pytest.approx(one, rel=1e-5)
