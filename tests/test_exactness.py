"""A file decodes to the same latents whatever the threads and the instruction sets of the machine."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from golden_photo import golden_photo

from jahp_gui.codec import metrics
from jahp_gui.codec.codec import decode, encode
from jahp_gui.codec.model import Model
from jahp_gui.codec.models import DEFAULT_MODEL, Card, installed_models
from jahp_gui.paths import models_dir

HERE = Path(__file__).parent
GOLDEN = HERE / "golden"
DIGESTS = json.loads((GOLDEN / "digests.json").read_text())

DECODE_ALL = """
import hashlib, json, sys, torch
from pathlib import Path
from jahp_gui.codec.codec import decode
torch.set_num_threads(int(sys.argv[1]))
for file in sys.argv[2:]:
    y_hat = decode(Path(file).read_bytes(), name=file).y_hat
    print(json.dumps([Path(file).stem, hashlib.sha256(y_hat.astype("<i4").tobytes()).hexdigest()]))
"""


def decode_in_child(files: list[Path], threads: int = 1, **environment: str) -> dict[str, str]:
    result = subprocess.run(
        [sys.executable, "-c", DECODE_ALL, str(threads), *map(str, files)],
        env={**os.environ, "JAHP_MODELS": str(HERE / "models"), **environment},
        cwd=HERE.parent,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr
    return dict(json.loads(line) for line in result.stdout.splitlines())


SETTINGS = [
    {"threads": 1},
    {"threads": 2},
    {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41"},
    {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "threads": 2},
    {"ATEN_CPU_CAPABILITY": "avx512"},
    {"MKL_ENABLE_INSTRUCTIONS": "SSE4_2"},
    {"MKL_ENABLE_INSTRUCTIONS": "AVX2", "threads": 2},
    {"MKL_CBWR": "COMPATIBLE"},
]


def lacks(capability: str) -> bool:
    """Whether this processor has no such instructions: torch would use them all the same when it is told to."""
    cpu_info = Path("/proc/cpuinfo")
    flags = cpu_info.read_text().split() if cpu_info.exists() else []
    needed = {"avx2": ["avx2", "fma"], "avx512": ["avx512f", "avx512bw", "avx512vl", "avx512dq"]}
    return not set(needed.get(capability, [])) <= set(flags)


@pytest.mark.parametrize("setting", SETTINGS, ids=str)
def test_golden_files_decode_to_the_recorded_latents(setting: dict) -> None:
    if lacks(setting.get("ATEN_CPU_CAPABILITY", "")):
        pytest.skip("not of this processor")
    assert decode_in_child(sorted(GOLDEN.glob("*.jahp")), **setting) == DIGESTS


def test_golden_files_hold_escapes_at_the_extreme_values(tiny_model: Model) -> None:
    y_hat = decode((GOLDEN / "extreme-escapes.jahp").read_bytes(), model=tiny_model).y_hat
    assert {y_hat.min(), y_hat.max()} == {-32767, 32767}


SHIPPED = [card for card in installed_models() if card.folder.parent == models_dir()]


RECORDED = json.loads((GOLDEN / "shipped" / "recorded.json").read_text())


@pytest.mark.parametrize(
    ("card", "prior", "effort"),
    [(card, prior, 0) for card in SHIPPED for prior in card.priors]
    + [(card, "joint", 2) for card in SHIPPED if card.has_searched],
    ids=lambda value: value.model_id if isinstance(value, Card) else value,
)
def test_shipped_models_decode_their_golden_files_to_as_good_a_picture(card: Card, prior: str, effort: int) -> None:
    """Latents to the last bit; size and PSNR as they were, whatever else has changed in transforms and gains."""
    name = f"{card.model_id}-{prior}" + (f"-effort-{effort}" if effort else "")
    data, recorded, rgb = (GOLDEN / "shipped" / f"{name}.jahp").read_bytes(), RECORDED[name], golden_photo()
    decoded = decode(data)
    assert hashlib.sha256(decoded.y_hat.astype("<i4").tobytes()).hexdigest() == recorded["y_hat"]
    assert np.abs(decoded.y_hat).max() > 10
    assert metrics.psnr(rgb, decoded.rgb) == pytest.approx(recorded["psnr"], abs=0.05)
    gain_index = decoded.container.header.gain_index
    assert decoded.model.is_searched is (effort == 2)
    again = encode(decoded.model, rgb, prior=prior, lmbda=decoded.model.lmbda(gain_index), effort=effort)
    # A search of one thread or of two, of bfloat16 or of float32, ends with other latents.
    size, quality = (0.01, 0.05) if effort == 0 else (0.03, 0.2)
    assert len(again.data) == pytest.approx(len(data), rel=size)
    assert metrics.psnr(rgb, decode(again.data).rgb) == pytest.approx(recorded["psnr"], abs=quality)


@pytest.mark.parametrize("setting", [SETTINGS[1], SETTINGS[2]], ids=str)
def test_shipped_models_decode_alike_on_other_machines(setting: dict) -> None:
    expected = {name: recorded["y_hat"] for name, recorded in RECORDED.items()}
    assert decode_in_child(sorted((GOLDEN / "shipped").glob("*.jahp")), **setting) == expected


@pytest.mark.parametrize("card", SHIPPED, ids=lambda card: card.model_id)
def test_shipped_cards_say_what_they_were_trained_on_and_what_they_reach(card: Card) -> None:
    written = json.loads((card.folder / "card.json").read_text(encoding="utf-8"))
    data = written["training"]["data"]
    assert data["images"] > 0 and data["sources and licences"]
    assert written["training"]["hardware"] and written["training"]["runs"][0]["steps"] > 0
    assert any(row["codec"].startswith(card.model_id) for row in written["results"]["averages"])


def test_the_default_model_is_shipped_and_models_stay_under_thirty_megabytes() -> None:
    assert DEFAULT_MODEL in [card.model_id for card in SHIPPED]
    assert sum(file.stat().st_size for file in models_dir().rglob("*") if file.is_file()) < 30e6
