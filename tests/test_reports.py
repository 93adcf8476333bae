"""The two commands behind the figures on a model's card."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jahp_gui.codec.model import Model
from jahp_gui.evaluation import monotone
from jahp_gui.training import frozen_cost


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    y, x = np.mgrid[:80, :96]
    waves = 127 + 100 * np.sin(x / 7) * np.cos(y / 11)
    Image.fromarray(np.stack([waves, waves[::-1], waves], 2).astype(np.uint8)).save(tmp_path / "waves.png")
    return tmp_path


def test_falls_and_dips_are_counted(tiny_model: Model, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rgb = np.asarray(Image.open(folder / "waves.png"))
    honest = monotone.rise(tiny_model, rgb, every=16)
    assert honest == monotone.Rise(falls=0, dips=0, deepest=0.0)
    values = iter([30.0, 31.0, 30.5, 32.0, 33.0, 34.0, 35.0, 36.0])
    monkeypatch.setattr(monotone.metrics, "psnr", lambda a, b: next(values))
    assert monotone.rise(tiny_model, rgb, every=16) == monotone.Rise(falls=1, dips=1, deepest=0.5)


def test_escapes_are_those_outside_the_row(tiny_model: Model) -> None:
    y_hat = np.zeros((4, 4, tiny_model.config.latent_channels), np.int16)
    assert frozen_cost.escapes_of(tiny_model.prior("joint"), y_hat, 64) == 0
    y_hat[1, 1, 2] = y_hat[3, 0, 0] = 30_000
    assert frozen_cost.escapes_of(tiny_model.prior("joint"), y_hat, 64) >= 2
