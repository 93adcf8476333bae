"""Tiles: nothing but the order of sums may differ from the image in one piece."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from jahp_gui.codec import metrics, precision, tiling
from jahp_gui.codec.config import ModelConfig
from jahp_gui.codec.images import load_image
from jahp_gui.codec.model import Model
from jahp_gui.codec.transforms import build_transforms

EFFICIENT = ModelConfig(latent_channels=4, transform_widths=(4, 4, 4), transform_blocks=(2, 1, 1))
PAPER = dataclasses.replace(EFFICIENT, transform="paper", transform_widths=(4,))


def randomised(module: torch.nn.Module) -> torch.nn.Module:
    """Every weight matters: zero-initialised layers would hide a margin that is too small."""
    torch.manual_seed(0)
    for parameter in module.parameters():
        if parameter.dim() == 4:
            torch.nn.init.normal_(parameter, std=0.2)
    return module.double()


@pytest.mark.parametrize("config", [EFFICIENT, PAPER], ids=["efficient", "paper"])
def test_latents_depend_on_no_pixel_beyond_the_margin(config: ModelConfig) -> None:
    analysis = randomised(build_transforms(config)[0])
    x = torch.rand(1, 3, 192, 192, dtype=torch.float64, requires_grad=True)
    analysis(x)[0, :, 6, 6].sum().backward()
    assert x.grad is not None
    touched = x.grad[0].abs().sum(0).nonzero()
    margin = tiling.analysis_margin(config)
    assert touched.min() >= 16 * (6 - margin)
    assert touched.max() < 16 * (7 + margin)


@pytest.mark.parametrize("config", [EFFICIENT, PAPER], ids=["efficient", "paper"])
def test_pixels_depend_on_no_latent_beyond_the_margin(config: ModelConfig) -> None:
    synthesis = randomised(build_transforms(config)[1])
    y = torch.rand(1, 4, 15, 15, dtype=torch.float64, requires_grad=True)
    synthesis(y, torch.tensor([2.5], dtype=torch.float64))[0, :, 112:128, 112:128].sum().backward()
    assert y.grad is not None
    touched = y.grad[0].abs().sum(0).nonzero()
    margin = tiling.synthesis_margin(config)
    assert touched.min() >= 7 - margin
    assert touched.max() <= 7 + margin


@pytest.mark.parametrize("size", [(300, 500), (513, 257), (17, 700)], ids=str)
def test_tiled_and_untiled_transforms_agree(
    tiny_model: Model, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    whole = tiny_model.analysis(rgb)
    y_hat = tiny_model.quantise(whole, 100)
    picture = tiny_model.synthesis(y_hat, 100, *size)
    monkeypatch.setattr(tiling, "TILE", 8)
    np.testing.assert_allclose(tiny_model.analysis(rgb), whole, atol=1e-5)
    assert (tiny_model.quantise(tiny_model.analysis(rgb), 100) != y_hat).mean() <= 1e-4
    assert np.abs(tiny_model.synthesis(y_hat, 100, *size).astype(int) - picture).max() <= 1


def test_in_float64_tiled_and_untiled_latents_agree_to_a_billionth(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Model.load(Path(__file__).parent / "models" / "tiny")
    loaded = model._loaded()
    loaded.analysis.double()
    x = torch.rand(1, 3, 320, 480, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        whole = loaded.analysis(x)
        margin = tiling.analysis_margin(model.config)
        monkeypatch.setattr(tiling, "TILE", 8)
        for tile in tiling.tiles(20, 30, margin):
            rows, columns = (tiling.pixels(side, 16) for side in (tile.rows_with_margin, tile.columns_with_margin))
            part = loaded.analysis(x[:, :, rows, columns])[0][(slice(None), *tile.inner)]
            torch.testing.assert_close(part, whole[0, :, tile.rows, tile.columns], atol=1e-9, rtol=0)


@pytest.mark.parametrize(("name", "prior"), [("tiny", "joint"), ("tiny-coarse", "mean-scale-hyperprior")])
@pytest.mark.parametrize("size", [(33, 50), (16, 17), (9, 70)], ids=str)
def test_tiled_and_untiled_hyper_latents_agree(
    monkeypatch: pytest.MonkeyPatch, size: tuple[int, int], name: str, prior: str
) -> None:
    model = Model.load(Path(__file__).parent / "models" / name)
    y_hat = np.random.default_rng(1).integers(-9, 10, (*size, model.config.latent_channels)).astype(np.int16)
    whole = model.prior(prior).side_information(y_hat, 60)
    monkeypatch.setattr(tiling, "TILE", 8)
    tiled = model.prior(prior).side_information(y_hat, 60)
    assert whole is not None
    assert tiled is not None
    assert (tiled != whole).mean() <= 1e-3


def test_tiles_cover_every_position_once() -> None:
    seen = np.zeros((130, 70), int)
    for tile in tiling.tiles(130, 70, 4):
        seen[tile.rows, tile.columns] += 1
        assert tile.rows.start % tiling.TILE == 0
        assert tile.columns.start % tiling.TILE == 0
    assert (seen == 1).all()


def test_bfloat16_shows_the_same_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the shipped model, at its finest step, where it matters most; slow where the processor has no bfloat16."""
    rgb = load_image(Path(__file__).parents[1] / "assets" / "samples" / "astronaut.png").rgb[:256, :256]
    shipped = Model.load()
    y_hat = shipped.quantise(shipped.analysis(rgb), 112)
    pictures = []
    for bfloat16 in (False, True):
        monkeypatch.setattr(precision, "multiplies_bfloat16", lambda bfloat16=bfloat16: bfloat16)
        pictures.append(shipped.synthesis(y_hat, 112, 256, 256))
    difference = np.abs(pictures[0].astype(int) - pictures[1])
    assert 0 < (difference > 0).mean() < 0.15 and difference.max() <= 2
    assert metrics.psnr(rgb, pictures[1]) == pytest.approx(metrics.psnr(rgb, pictures[0]), abs=0.01)
