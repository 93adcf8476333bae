"""What is wrong with the settings' file or a model's card is told in the window."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from gui_helpers import TINY_MODELS, WAIT_MS
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from jahp_gui.codec.model import Model
from jahp_gui.codec.models import Card
from jahp_gui.gui.app import Explorer
from jahp_gui.gui.session import Session
from jahp_gui.gui.settings import Settings


@pytest.fixture
def unwritable(tmp_path: Path) -> Path:
    """A settings file in a folder that is none."""
    (tmp_path / "file").write_text("")
    return tmp_path / "file" / "settings.ini"


@pytest.fixture
def idle_explorer(qapp: QApplication, unwritable: Path) -> Iterator[Explorer]:
    """An explorer that opens nothing."""
    settings = Settings(str(unwritable))
    settings.set("language", "en")
    explorer = Explorer(settings)
    yield explorer
    assert explorer.window is not None
    explorer.window.close()
    assert explorer.jobs.shutdown(60)
    explorer.window.deleteLater()
    explorer.deleteLater()
    qapp.processEvents()


@pytest.fixture
def told(idle_explorer: Explorer) -> list[tuple[str, str]]:
    messages: list[tuple[str, str]] = []
    idle_explorer.session.message.connect(lambda text, level: messages.append((text, level)))
    return messages


def test_another_objective_keeps_the_place_on_the_slider_and_is_what_the_plot_shows(
    tiny_model: Model, ms_ssim_card: Card
) -> None:
    session = Session()
    session.set_cards([tiny_model.card, ms_ssim_card])
    assert session.lmbda == 0.0128
    session.set_choice(gain_index=84)
    session.use_card(ms_ssim_card)
    assert session.plot.metric == "ms_ssim"
    assert session.choice.gain_index == 84 and 62 < session.lmbda < 120
    session.use_card(tiny_model.card)
    assert session.choice.gain_index == 84 and session.plot.metric == "psnr"


def test_settings_know_whether_they_are_on_the_disk(tmp_path: Path, unwritable: Path) -> None:
    settings = Settings(str(tmp_path / "settings.ini"))
    settings.set("theme", "dark")
    assert settings.sync()
    assert "dark" in Path(settings.file).read_text()
    assert not Settings(str(unwritable)).sync()


def test_settings_that_cannot_be_written_are_told_once(
    idle_explorer: Explorer, told: list[tuple[str, str]], unwritable: Path
) -> None:
    idle_explorer._write_settings()
    idle_explorer._write_settings()
    sentence = f"The settings cannot be written to {unwritable}: this window's are lost when it is closed."
    assert told == [(sentence, "error")]


def test_a_damaged_card_is_told_and_the_other_models_are_there(
    idle_explorer: Explorer, told: list[tuple[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    damaged = tmp_path / "models" / "mine" / "card.json"
    damaged.parent.mkdir(parents=True)
    damaged.write_text("{")
    monkeypatch.setenv("JAHP_MODELS", f"{TINY_MODELS}{os.pathsep}{tmp_path / 'models'}")
    idle_explorer.controller.find_models("tiny")
    assert [(text.startswith(f"The model card {damaged} is damaged ("), level) for text, level in told] == [
        (True, "error")
    ]
    assert idle_explorer.session.card is not None
    assert idle_explorer.session.card.model_id == "tiny"


def test_settings_that_somebody_has_spoilt_are_the_usual_ones(
    make_explorer: Callable[..., Explorer], qtbot: QtBot, picture_file: Path, settings_file: Path
) -> None:
    settings = Settings(str(settings_file))
    for key in ("effort", "lmbda", "compare/mode", "compare/opacity"):
        settings.set(key, "nan")
    settings.set("compare/gain", "1e30")
    settings.sync()
    session = make_explorer(picture_file).session
    qtbot.waitUntil(lambda: session.current is not None, timeout=WAIT_MS)
    assert session.effort == 0 and session.lmbda == 0.0128
    assert (session.compare.mode, session.compare.opacity, session.compare.difference_gain) == ("side", 0.6, 64)
