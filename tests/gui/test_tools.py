"""The two programs beside the explorer: screenshots, and how fast it answers."""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from gui_helpers import make_picture
from PIL import Image, ImageStat

from jahp_gui import bench
from jahp_gui.gui import speed
from jahp_gui.gui.app import Explorer
from jahp_gui.gui.screenshots import STATES, shoot


def test_every_state_is_photographed_in_its_size(explorer: Explorer, tmp_path: Path) -> None:
    paths = shoot(explorer, tmp_path, everything=False)
    assert [path.stem for path in paths] == [state.name for state in STATES]
    assert {Image.open(path).size for path in paths} == {(1280, 800)}
    means = {path.stem: ImageStat.Stat(Image.open(path).convert("L")).mean[0] for path in paths}
    assert means["dark"] < 100 < means["first-run"]


def test_the_speed_of_a_dragged_slider_is_measured(
    qapp: object, picture_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(speed, "DRAG_SECONDS", 0.4)
    assert speed.main(["--no-plot", str(picture_file)]) == 0
    printed = capsys.readouterr().out
    assert "slider → picture" in printed and "stalls slider" in printed


def test_jahp_bench_measures_the_explorer_on_the_first_size(
    qapp: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run_here(command: list[str], check: bool) -> subprocess.CompletedProcess[str]:
        assert command[1:3] == ["-m", "jahp_gui.gui.speed"] and not check
        return subprocess.CompletedProcess(command, speed.main(command[3:]))

    parser = argparse.ArgumentParser()
    bench.add_arguments(parser)
    monkeypatch.setattr(speed, "DRAG_SECONDS", 0.4)
    monkeypatch.setattr(bench.subprocess, "run", run_here)
    assert bench.run(parser.parse_args(["--gui", "--sizes", "96x64", "--model", "tiny", "--json"])) == 0
    figures = json.loads(capsys.readouterr().out)
    assert set(figures["stalls_ms"]) >= {"start", "plot", "slider"}
    assert figures["picture_ms"] and figures["bits_ms"] and figures["file_after_rest_s"] > 0
    assert 0 < figures["window_s"] < figures["first_file_s"] and figures["plot_s"] > 0


def run_python(code: str, *arguments: object, timeout: float = 300) -> subprocess.CompletedProcess[str]:
    root = str(Path(__file__).resolve().parents[2])
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "OMP_NUM_THREADS": "1", "PYTHONPATH": root}
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=timeout, check=False)


def test_the_window_does_not_wait_for_torch_or_matplotlib() -> None:
    code = "import sys, jahp_gui.gui.app; print({'torch', 'matplotlib', 'scipy', 'skimage'} & set(sys.modules))"
    assert run_python(code).stdout.strip() == "set()"


def test_closing_in_the_middle_of_work_does_not_wait_for_it(tmp_path: Path, settings_file: Path) -> None:
    """Here with ten minutes that cannot be asked to stop, as a network in the middle of a layer cannot."""
    code = """
import sys, time
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication
from jahp_gui.gui import app, work

work.read_back = lambda *_: time.sleep(600)
application = QApplication([])

def close_when_busy():
    windows = [one for one in application.topLevelWidgets() if hasattr(one, "jobs")]
    if windows and windows[0].jobs.is_active("file"):
        windows[0].close()

timer = QTimer(interval=20)
timer.timeout.connect(close_when_busy)
timer.start()
sys.exit(app.main(sys.argv[1:]))
"""
    path = tmp_path / "image.png"
    Image.fromarray(make_picture(64, 64)).save(path)
    ended = run_python(code, "--settings", settings_file, path)
    assert ended.returncode == 0, ended.stderr
