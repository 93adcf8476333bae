"""PSNR, MS-SSIM and bits per pixel."""

import math
import subprocess
import sys
import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest
from skimage.data import astronaut

from jahp_gui.codec.metrics import bpp, ms_ssim, ms_ssim_db, psnr


def noisy(image: np.ndarray, spread: int) -> np.ndarray:
    offsets = np.random.default_rng(1).integers(-spread, spread + 1, image.shape)
    return np.clip(image.astype(np.int64) + offsets, 0, 255).astype(np.uint8)


def test_psnr_of_equal_images_is_infinite() -> None:
    image = astronaut()
    assert psnr(image, image.copy()) == math.inf


def test_psnr_of_black_against_white_is_zero() -> None:
    black = np.zeros((7, 5, 3), np.uint8)
    assert psnr(black, black + 255) == 0


def test_psnr_takes_the_mean_error_over_the_three_channels_jointly() -> None:
    a = np.full((4, 4, 3), 100, np.uint8)
    b = a.copy()
    b[..., 1] += 6  # mean squared error 36 / 3; a mean of three PSNR values would be infinite
    assert psnr(a, b) == pytest.approx(10 * math.log10(255**2 / 12))


def test_psnr_does_not_depend_on_the_bands_it_is_summed_in(monkeypatch: pytest.MonkeyPatch) -> None:
    a = astronaut()
    b = noisy(a, 9)
    whole = 10 * math.log10(255**2 / np.mean((a.astype(float) - b) ** 2))
    for band in (1, 512 * 100, 1 << 30):
        monkeypatch.setattr("jahp_gui.codec.metrics._BAND_PIXELS", band)
        assert psnr(a, b) == pytest.approx(whole, abs=1e-9)


def test_psnr_of_a_large_pair_needs_less_memory_than_one_of_its_images() -> None:
    a, b = np.zeros((4000, 3000, 3), np.uint8), np.ones((4000, 3000, 3), np.uint8)
    tracemalloc.start()
    try:
        assert psnr(a, b) == pytest.approx(20 * math.log10(255))
        assert tracemalloc.get_traced_memory()[1] < 30_000_000 < a.nbytes
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("metric", [psnr, ms_ssim])
def test_metrics_refuse_images_of_different_shape_or_type(metric: Callable[..., object]) -> None:
    image = np.zeros((8, 8, 3), np.uint8)
    with pytest.raises(ValueError, match="shape"):
        metric(image, image[:, :4])
    with pytest.raises(ValueError, match="uint8"):
        metric(image, image.astype(np.float32))
    with pytest.raises(ValueError, match="uint8"):
        metric(image[..., 0], image[..., 0])


def test_ms_ssim_is_one_for_equal_images_and_falls_with_noise() -> None:
    image = astronaut()[:200, :200]
    assert ms_ssim(image, image) == pytest.approx(1, abs=1e-6)
    little, much = ms_ssim(image, noisy(image, 8)), ms_ssim(image, noisy(image, 60))
    assert little is not None and much is not None
    assert 0 < much < little < 1


def test_ms_ssim_is_the_value_of_the_library_on_the_whole_rgb_image() -> None:
    import torch
    from pytorch_msssim import ms_ssim as library  # type: ignore[import-untyped]

    a = astronaut()[:165, :230]
    b = noisy(a, 30)
    x, y = (torch.from_numpy(image.copy()).permute(2, 0, 1)[None].float() for image in (a, b))
    # The library rounds its window to float32, whose sum of 1 − 3·10⁻⁸ it then multiplies with squares.
    assert ms_ssim(a, b) == pytest.approx(float(library(x, y, data_range=255)), abs=1e-5)


def test_ms_ssim_does_not_depend_on_the_bands_it_is_summed_in(monkeypatch: pytest.MonkeyPatch) -> None:
    a = astronaut()[:231, :333]
    b = noisy(a, 30)
    values = []
    for band in (333 * 7, 333 * 40, 1 << 30):
        monkeypatch.setattr("jahp_gui.codec.metrics._SSIM_BAND_PIXELS", band)
        values.append(ms_ssim(a, b))
    assert values == pytest.approx([values[0]] * 3, abs=1e-6)


def test_ms_ssim_does_not_exist_for_sides_of_160_pixels_or_less() -> None:
    assert ms_ssim(astronaut()[:160, :300], astronaut()[:160, :300]) is None
    assert ms_ssim(astronaut()[:300, :160], astronaut()[:300, :160]) is None
    assert ms_ssim(astronaut()[:161, :161], astronaut()[:161, :161]) is not None


def test_ms_ssim_of_an_image_and_its_negative_is_never_nan() -> None:
    image = astronaut()[:170, :170]
    value = ms_ssim(image, 255 - image)
    assert value is not None and 0 <= value < 0.5


def test_ms_ssim_of_99_percent_is_20_db() -> None:
    assert ms_ssim_db(0.99) == pytest.approx(20)
    assert ms_ssim_db(0) == 0
    assert ms_ssim_db(1) == math.inf


def test_bpp_counts_every_byte_of_the_file() -> None:
    assert bpp(49152, 768, 512) == 1
    assert bpp(1, 1, 1) == 8


def test_importing_the_metrics_does_not_import_torch() -> None:
    program = "import sys, jahp_gui.codec.metrics; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
