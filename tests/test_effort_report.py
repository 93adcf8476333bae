"""The table of efforts: real files, resumable, BD-rate against plain rounding."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jahp_gui.codec import metrics
from jahp_gui.codec.codec import decode, encode
from jahp_gui.codec.model import Model
from jahp_gui.evaluation import effort
from jahp_gui.evaluation.effort import Row, Task, as_table, main, run

RATES = {0.01: 1.0, 0.02: 1.5, 0.04: 2.25, 0.08: 3.4}


def rows(effort: int, factor: float) -> list[Row]:
    """A made-up curve of 30 to 36 dB, with `factor` of the bits."""
    return [
        Row("", "a.png", lmbda, effort, factor * bpp, 30 + 2 * number, 1.0)
        for number, (lmbda, bpp) in enumerate(RATES.items())
    ]


def test_bd_rate_of_fewer_bits_at_equal_quality() -> None:
    table = as_table([*rows(0, 1.0), *rows(1, 0.9)])
    plain, searched = table.splitlines()[-2:]
    assert plain.startswith("| 0 | — |")
    assert searched.startswith("| 1 | -10.00% | 30.0–36.0 dB | 1.00 | 0.9000, 30.00 |")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    for name in ("a", "b", "c", "d"):
        coarse = random.integers(0, 255, (6, 8, 3), np.uint8)
        Image.fromarray(coarse).resize((96, 64), Image.Resampling.BICUBIC).save(tmp_path / f"{name}.png")
    return tmp_path


def test_a_row_is_that_of_a_real_file(folder: Path, tiny_model: Model) -> None:
    row = run(Task(str(folder / "a.png"), (64, 32), "tiny", "context", 0.1, 1))
    rgb = np.array(Image.open(folder / "a.png"))[16:48, 16:80]
    data = encode(tiny_model, rgb, prior="context", lmbda=0.1, effort=1).data
    assert row.bpp == 8 * len(data) / (64 * 32)
    assert row.psnr == metrics.psnr(rgb, decode(data).rgb)


def test_rows_are_kept_and_not_measured_again(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = folder / "rows.jsonl"
    command = [str(folder), "--model", "tiny", "--count", "2", "--lmbdas", "0.1", "0.2", "--rows", str(kept)]
    assert main([*command, "--jobs", "1"]) == 0
    first = capsys.readouterr().out
    assert "2 images, λ = 0.1, 0.2" in first
    assert {json.loads(line)["image"] for line in kept.read_text().splitlines()} == {"a.png", "c.png"}
    monkeypatch.setattr(effort, "run", None)
    assert main([*command, "--jobs", "1"]) == 0
    assert capsys.readouterr().out == first
