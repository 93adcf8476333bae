"""The two commands behind the figures on a model's card."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jahp_gui.codec.model import Model
from jahp_gui.codec.models import read_card
from jahp_gui.evaluation import card, monotone
from jahp_gui.evaluation.results import COMMON, INTERVALS, OVERLAP
from jahp_gui.training import frozen_cost

TINY = Path(__file__).parent / "models" / "tiny"


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


@pytest.mark.parametrize(
    ("objective", "metric", "interval", "name"),
    [("mse", "psnr", COMMON, "PSNR"), ("ms-ssim", "ms-ssim", OVERLAP, "MS-SSIM")],
)
def test_a_card_gets_the_results_of_its_own_priors_on_what_they_were_trained_for(
    tmp_path: Path, objective: str, metric: str, interval: str, name: str
) -> None:
    tiny = read_card(TINY)
    content = json.loads((TINY / "card.json").read_text()) | {"id": "m", "training": {"runs": []}, "results": {}}
    content["config"]["objective"] = objective
    (tmp_path / "card.json").write_text(json.dumps(content))
    rate = {"anchor": "published/jpeg", "percent": -41.234, "low_db": 28.0, "high_db": 32.046}
    wanted = {"metric": metric, "interval": interval}
    kinds = [{"metric": one, "interval": over} for one, over in INTERVALS]
    results = {
        "settings": {
            "kodak": True,
            "images": 24,
            "command": "jahp evaluate",
            "models": {"m": {"digests": {"joint": tiny.digest("joint").hex()}, "searched": tiny.files["searched"]}},
        },
        "averages": [{"codec": "m/joint", "bpp": 0.123456}, {"codec": "jpeg420", "bpp": 1.0}],
        "bd_rates": [
            *({**rate, **kind, "test": "m/joint", "percent": -41.234 if kind == wanted else 0.0} for kind in kinds),
            {**rate, **wanted, "test": "m/context", "percent": None},
        ],
    }
    (tmp_path / "results.json").write_text(json.dumps(results))
    (tmp_path / "notes.json").write_text('{"images": 775}')
    card.main([str(tmp_path), str(tmp_path / "results.json"), "--notes", str(tmp_path / "notes.json")])
    written = json.loads((tmp_path / "card.json").read_text())
    assert written["training"] == {"runs": [], "images": 775}
    assert written["results"]["averages"] == [{"codec": "m/joint", "bpp": 0.1235}]
    rates = written["results"][f"BD-rate on {name}, percent"]
    assert rates == {"m/joint": {"published/jpeg": "-41.23 (28.0 to 32.0 dB)"}}


def test_a_card_does_not_get_the_results_of_other_weights(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (TINY / "card.json").read_text()
    (tmp_path / "card.json").write_text(before)
    settings = {"models": {"tiny": {"digests": {"joint": "00" * 6}}}}
    (tmp_path / "results.json").write_text(json.dumps({"settings": settings}))
    with pytest.raises(SystemExit):
        card.main([str(tmp_path), str(tmp_path / "results.json")])
    assert "not of the weights" in capsys.readouterr().err
    assert (tmp_path / "card.json").read_text() == before
