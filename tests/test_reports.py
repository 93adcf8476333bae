"""The two commands behind the figures on a model's card."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jahp_gui.codec.model import Model
from jahp_gui.evaluation import card, monotone
from jahp_gui.evaluation.results import COMMON
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


def test_a_card_gets_the_results_of_its_own_priors(tmp_path: Path) -> None:
    (tmp_path / "card.json").write_text('{"id": "m", "training": {"runs": []}, "results": {}}')
    rate = {"anchor": "published/jpeg", "metric": "psnr", "interval": COMMON, "percent": -41.234}
    results = {
        "settings": {"kodak": True, "images": 24, "command": "jahp evaluate"},
        "averages": [{"codec": "m/joint", "bpp": 0.123456}, {"codec": "jpeg420", "bpp": 1.0}],
        "bd_rates": [{**rate, "test": "m/joint"}, {**rate, "test": "m/context", "percent": None}],
    }
    (tmp_path / "results.json").write_text(json.dumps(results))
    (tmp_path / "notes.json").write_text('{"images": 775}')
    card.main([str(tmp_path), str(tmp_path / "results.json"), "--notes", str(tmp_path / "notes.json")])
    written = json.loads((tmp_path / "card.json").read_text())
    assert written["training"] == {"runs": [], "images": 775}
    assert written["results"]["averages"] == [{"codec": "m/joint", "bpp": 0.1235}]
    assert written["results"]["BD-rate, PSNR 28 to 37 dB, percent"] == {"m/joint": {"published/jpeg": -41.23}}
