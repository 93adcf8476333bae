"""The explorer with the tiny model, a small picture and settings of its own, off the screen."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from gui_helpers import TINY_MODELS, WAIT_MS, make_picture
from PIL import Image
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from jahp_gui.evaluation.classical_process import CodecProcess
from jahp_gui.gui import curves, jobs, theme
from jahp_gui.gui.app import Explorer
from jahp_gui.gui.i18n import set_language
from jahp_gui.gui.settings import Settings


@pytest.fixture
def picture() -> np.ndarray:
    return make_picture(64, 96)


@pytest.fixture
def picture_file(tmp_path: Path, picture: np.ndarray) -> Path:
    path = tmp_path / "waves.png"
    Image.fromarray(picture).save(path)
    return path


@pytest.fixture(autouse=True)
def own_surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("JAHP_MODELS", str(TINY_MODELS))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


@pytest.fixture(autouse=True)
def codecs_in_threads(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Classical codecs run as where no process can be started, which is faster, but for tests with `codec_process`."""
    monkeypatch.setattr(jobs, "BACKGROUND_NICENESS", 0)  # on a busy machine the nice wait for ever
    monkeypatch.setattr(curves, "NICENESS", 0)
    if "codec_process" not in request.fixturenames:
        monkeypatch.setattr(CodecProcess, "_start", lambda self: False)


@pytest.fixture
def codec_process() -> None:
    """Asked for by tests whose classical codecs are to run in a process."""


@pytest.fixture
def settings_file(tmp_path: Path) -> Path:
    """Settings of a user who works with the tiny model."""
    path = tmp_path / "settings.ini"
    settings = Settings(str(path))
    settings.set("model", "tiny")
    settings.set("language", "en")
    settings.set("theme", "light")
    settings.sync()
    return path


@pytest.fixture
def make_explorer(qapp: QApplication, settings_file: Path) -> Iterator[Callable[..., Explorer]]:
    """Starts explorers as `main` does, and ends them: no thread, no window is left behind."""
    started: list[Explorer] = []

    def make(*paths: Path) -> Explorer:
        settings = Settings(str(settings_file))
        theme.switch.use(settings.text("theme"))
        explorer = Explorer(settings)
        started.append(explorer)
        explorer.start(list(paths))
        return explorer

    yield make
    for explorer in started:
        assert explorer.window is not None
        explorer.window.close()
        assert explorer.jobs.shutdown(20), "a job did not end"
        explorer.window.deleteLater()
        explorer.deleteLater()
    qapp.processEvents()
    set_language("en")
    theme.switch.use("light")


@pytest.fixture
def explorer(make_explorer: Callable[..., Explorer], picture_file: Path, qtbot: QtBot) -> Explorer:
    """With the small picture, its real file written and decoded, its maps there."""
    explorer = make_explorer(picture_file)
    session = explorer.session
    qtbot.waitUntil(lambda: session.exact is not None and session.latents is not None, timeout=WAIT_MS)
    return explorer
