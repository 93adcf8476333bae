"""The window around the panels: what it asks before it saves or closes, what it leaves behind, what it says aloud."""

import gc
import threading
import weakref
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from gui_helpers import WAIT_MS, window_of
from PySide6.QtCore import QCoreApplication, QEvent, QTimer, Signal
from PySide6.QtGui import QAccessible
from PySide6.QtWidgets import QApplication, QDialog, QLabel, QLineEdit, QMessageBox
from pytestqt.qtbot import QtBot

from jahp_gui.gui import theme
from jahp_gui.gui.app import Explorer
from jahp_gui.gui.commands import FIGURE_FILTERS
from jahp_gui.gui.dialogs import SaveDialog
from jahp_gui.gui.main_window import MainWindow
from jahp_gui.gui.panels.compare_panel import ComparePanel
from jahp_gui.gui.results import ImageItem
from jahp_gui.gui.session import Session
from jahp_gui.gui.settings import Settings

Buttons = QMessageBox.StandardButton


@pytest.fixture
def window(explorer: Explorer) -> MainWindow:
    return window_of(explorer)


def delete_what_is_due() -> None:
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


# ---------------------------------------------------------------- where to save


def enter(name: str, kind: str = "") -> None:
    """Name and file type in the dialog that opens next, then Save; without a name it is left."""

    def fill() -> None:
        dialog = QApplication.activeModalWidget()
        assert isinstance(dialog, SaveDialog)
        dialog.findChild(QLineEdit, "fileNameEdit").setText(name)
        if kind:
            dialog.selectNameFilter(kind)
        dialog.accept() if name else dialog.reject()

    QTimer.singleShot(0, fill)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The questions that were asked; all are answered with yes."""
    questions: list[str] = []

    def answer(box: QMessageBox) -> Buttons:
        questions.append(box.text())
        assert box.defaultButton() is box.button(Buttons.No)  # Return pressed twice replaces nothing
        return Buttons.Yes

    monkeypatch.setattr(QMessageBox, "exec", answer)
    return questions


@pytest.mark.usefixtures("qapp", "asked")
@pytest.mark.parametrize(
    ("name", "kind", "saved"),
    [
        ("map1", "", "map1.png"),
        ("map1", "NumPy (*.npz)", "map1.npz"),
        ("waves-map.png", "NumPy (*.npz)", "waves-map.npz"),
        ("fig.v2", "", "fig.v2.png"),
        ("figure.SVG", "", "figure.SVG"),
    ],
)
def test_a_name_without_a_suffix_on_offer_gets_that_of_the_chosen_type(
    tmp_path: Path, name: str, kind: str, saved: str
) -> None:
    enter(name, kind)
    assert SaveDialog("Export map", tmp_path / "waves-map.png", FIGURE_FILTERS).ask() == tmp_path / saved


@pytest.mark.usefixtures("qapp")
def test_a_system_dialog_that_tells_no_type_gets_the_first_on_offer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SaveDialog, "selectedNameFilter", lambda _: "")
    enter("fig.v2")
    assert SaveDialog("Export map", tmp_path / "x.png", FIGURE_FILTERS).ask() == tmp_path / "fig.v2.png"


@pytest.mark.usefixtures("qapp")
def test_a_file_is_replaced_only_after_a_question_about_its_whole_name(tmp_path: Path, asked: list[str]) -> None:
    taken = tmp_path / "precious.jahp"
    taken.write_bytes(b"mine")
    for name in ("precious", "precious.jahp"):
        enter(name)
        assert SaveDialog("Save", tmp_path / "waves.jahp", "JAHP (*.jahp)").ask() == taken
    assert asked == ["precious.jahp is there already. Replace it?"] * 2


@pytest.mark.usefixtures("qapp")
def test_after_a_no_another_name_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "precious.jahp").write_bytes(b"mine")

    def refuse(_: QMessageBox) -> Buttons:
        enter("other")
        return Buttons.No

    monkeypatch.setattr(QMessageBox, "exec", refuse)
    enter("precious")
    assert SaveDialog("Save", tmp_path / "waves.jahp", "JAHP (*.jahp)").ask() == tmp_path / "other.jahp"


def test_an_export_is_of_the_chosen_type(window: MainWindow, qtbot: QtBot, tmp_path: Path) -> None:
    enter(str(tmp_path / "map1"), "NumPy (*.npz)")
    window.actions_table["save_map"].trigger()
    qtbot.waitUntil((tmp_path / "map1.npz").exists, timeout=WAIT_MS)
    assert "bits" in np.load(tmp_path / "map1.npz")


# ---------------------------------------------------------------- from one run to the next


@pytest.mark.parametrize("meanwhile", ["another image", "another setting"])
def test_what_has_gone_while_a_place_was_asked_for_is_told(window: MainWindow, tmp_path: Path, meanwhile: str) -> None:
    session, other = window.session, ImageItem("other.png")
    session.add_items([other])
    told: list[tuple[str, str]] = []
    session.message.connect(lambda *message: told.append(message))
    change = {
        "another image": lambda: session.select(other),
        "another setting": lambda: session.set_choice(gain_index=3),
    }
    QTimer.singleShot(0, change[meanwhile])
    enter("a.jahp")
    window.file_commands.save()
    sentences = {"another image": "another image is shown", "another setting": "nothing to save at the moment"}
    assert len(told) == 1 and sentences[meanwhile] in told[0][0] and told[0][1] == "warning"
    assert window.jobs.is_free(f"write {tmp_path / 'a.jahp'}") and not (tmp_path / "a.jahp").exists()


def test_paths_of_the_command_line_are_kept_for_runs_from_other_folders(
    make_explorer: Callable[..., Explorer], qtbot: QtBot, picture_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(picture_file.parent)
    explorer = make_explorer(Path(picture_file.name))
    qtbot.waitUntil(lambda: explorer.session.current is not None, timeout=WAIT_MS)
    window_of(explorer).close()
    assert explorer.settings.paths("recent") == explorer.settings.paths("last images") == [picture_file]


def test_undo_begins_with_the_setting_of_the_last_run(
    make_explorer: Callable[..., Explorer], qtbot: QtBot, picture_file: Path, settings_file: Path
) -> None:
    settings = Settings(str(settings_file))
    settings.set("prior", "factorized")
    settings.set("lmbda", 0.05)
    settings.sync()
    explorer = make_explorer(picture_file)
    session = explorer.session
    qtbot.waitUntil(lambda: session.exact is not None, timeout=WAIT_MS)
    session.remember_choice()
    assert session.choice.prior == "factorized" and not session.can_undo
    assert not window_of(explorer).actions_table["undo"].isEnabled()


# ---------------------------------------------------------------- closing


def test_the_window_closes_only_once_a_file_is_saved(window: MainWindow, qtbot: QtBot, tmp_path: Path) -> None:
    release, path = threading.Event(), tmp_path / "map.npz"

    def write() -> None:
        release.wait(WAIT_MS / 1000)
        path.write_bytes(b"all of it")

    window.files.write(path, write)
    assert not window.close() and window.isVisible()
    assert "still being saved" in window.message_bar.label.text()
    release.set()
    qtbot.waitUntil(window.isHidden, timeout=WAIT_MS)
    assert path.read_bytes() == b"all of it"


def test_who_closes_twice_does_not_wait(window: MainWindow, tmp_path: Path) -> None:
    release = threading.Event()
    window.files.write(tmp_path / "map.npz", lambda: release.wait(WAIT_MS / 1000))
    assert not window.close()
    assert window.close()
    release.set()


def test_the_window_stays_where_saving_fails_meanwhile(window: MainWindow, qtbot: QtBot, tmp_path: Path) -> None:
    release = threading.Event()

    def fail() -> None:
        release.wait(WAIT_MS / 1000)
        raise OSError("the disk is full")

    window.files.write(tmp_path / "map.npz", fail)
    window.close()
    release.set()
    qtbot.waitUntil(lambda: "the disk is full" in window.message_bar.label.text(), timeout=WAIT_MS)
    qtbot.waitUntil(lambda: window.jobs.idle, timeout=WAIT_MS)
    assert window.isVisible()
    assert window.close()


# ---------------------------------------------------------------- what is left behind


def test_another_language_leaves_no_panel_that_still_listens(explorer: Explorer) -> None:
    """An exception in a slot fails the test."""
    window_of(explorer).language_chosen.emit("zh_CN")
    delete_what_is_due()
    session = explorer.session
    with_values = ("message", "item_forgotten")
    for name in [name for name, member in vars(Session).items() if isinstance(member, Signal)]:
        if name not in with_values:
            getattr(session, name).emit()
    session.view.changed.emit()
    theme.switch.changed.emit()


def test_another_language_gets_no_plot_of_the_old_window(explorer: Explorer, qtbot: QtBot) -> None:
    """An exception in a slot fails the test."""
    qtbot.waitUntil(lambda: explorer.jobs.idle, timeout=WAIT_MS)
    view, release = window_of(explorer).plot.view, threading.Event()
    explorer.jobs.start("plot", lambda job: release.wait(WAIT_MS / 1000), view._show, kind="display", keep_running=True)
    window_of(explorer).language_chosen.emit("zh_CN")
    delete_what_is_due()
    release.set()
    qtbot.waitUntil(lambda: explorer.jobs.idle, timeout=WAIT_MS)


def test_another_language_keeps_the_bd_rates(explorer: Explorer, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: bool(window_of(explorer).plot.bd_rates), timeout=WAIT_MS)
    before = window_of(explorer).plot.bd_rates
    window_of(explorer).language_chosen.emit("zh_CN")
    qtbot.waitUntil(lambda: window_of(explorer).plot.bd_rates == before, timeout=WAIT_MS)


@pytest.mark.usefixtures("qapp")
def test_a_comparison_that_is_gone_is_held_by_nothing() -> None:
    session = Session()
    panel = ComparePanel(session)
    gone = weakref.ref(panel)
    panel.deleteLater()
    del panel
    delete_what_is_due()
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize("command", ["shortcuts", "settings", "model_card", "batch", "save"])
def test_a_dialog_that_was_closed_is_gone(window: MainWindow, command: str) -> None:
    if command == "save":
        enter("")
    window.actions_table[command].trigger()
    for dialog in window.findChildren(QDialog):
        dialog.reject()
    delete_what_is_due()
    assert not window.findChildren(QDialog)


# ---------------------------------------------------------------- said aloud


def test_a_screen_reader_is_told_what_a_value_is_of_and_what_it_is(window: MainWindow) -> None:
    def spoken(label: QLabel) -> str:
        return QAccessible.queryAccessibleInterface(label).text(QAccessible.Text.Name)

    window.session.tell("Something happened.", "error")
    assert window.session.exact is not None
    assert spoken(window.numbers.values["file"]) == f"File: {len(window.session.exact.data):,} bytes"
    assert spoken(window.message_bar.label) == "Message: Something happened."
    window.session.view.zoom_to(1.0)
    assert spoken(window.compare.zoom) == "Zoom: 100 %"
    assert spoken(window.plot.readout) == "Values of the point under the cursor"
