"""Images that are opened, chosen, removed and cancelled while others are still being read; models that change then."""

import gc
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from gui_helpers import WAIT_MS, card_without_context, make_picture, window_of
from PIL import Image
from PySide6.QtCore import QPoint, QRect, Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from jahp_gui.codec.codec import Decoded
from jahp_gui.codec.errors import ModelError
from jahp_gui.codec.model import Model
from jahp_gui.codec.models import Card, find_model
from jahp_gui.gui import work
from jahp_gui.gui.app import Explorer
from jahp_gui.gui.jobs import Job
from jahp_gui.gui.main_window import MainWindow
from jahp_gui.gui.results import CURRENT, JPEG, ORIGINAL, FileResult, ImageItem, LatentResult, Source


class Reading:
    """Reads image files only when they are let through."""

    def __init__(self) -> None:
        self._load = work.load_item
        self._gates: dict[str, threading.Event] = {}

    def hold(self, *names: str) -> None:
        self._gates.update({name: threading.Event() for name in names})

    def let_through(self, *names: str) -> None:
        for name in names or self._gates:
            self._gates[name].set()

    def load(self, path: Path) -> ImageItem:
        if path.name in self._gates:
            self._gates[path.name].wait(WAIT_MS / 1000)
        return self._load(path)


@pytest.fixture
def reading(explorer: Explorer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reading]:
    reading = Reading()
    monkeypatch.setattr(work, "load_item", reading.load)
    yield reading
    reading.let_through()


def pictures(folder: Path, *names: str) -> list[Path]:
    """Of other sizes than the first image, and of one size with each other."""
    paths = [folder / name for name in names]
    for seed, path in enumerate(paths):
        Image.fromarray(make_picture(48, 64, seed)).save(path)
    return paths


def names_of(explorer: Explorer) -> list[str]:
    return [item.name for item in explorer.session.items]


def wait_for(qtbot: QtBot, explorer: Explorer, name: str) -> ImageItem:
    """Until this image is listed and its pixels are there."""

    def found() -> list[ImageItem]:
        return [item for item in explorer.session.items if item.name == name and item.picture is not None]

    qtbot.waitUntil(lambda: bool(found()), timeout=WAIT_MS)
    return found()[0]


def click(window: MainWindow, row: int) -> None:
    images = window.images.list
    place = images.visualItemRect(images.item(row)).center()
    QTest.mouseClick(images.viewport(), Qt.MouseButton.LeftButton, pos=place)


# ---------------------------------------------------------------- Esc


@pytest.mark.parametrize(("step", "label"), [("load_model", "Loading model tiny"), ("analyse", "Analysing the image")])
def test_what_everything_waits_for_cannot_be_cancelled(
    make_explorer: Callable[..., Explorer],
    picture_file: Path,
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    label: str,
) -> None:
    release, real = threading.Event(), getattr(work, step)
    monkeypatch.setattr(work, step, lambda *values: release.wait(WAIT_MS / 1000) and real(*values))
    explorer = make_explorer(picture_file)
    window = window_of(explorer)
    wait_for(qtbot, explorer, picture_file.name)
    qtbot.waitUntil(lambda: window.activity.text() == label, timeout=WAIT_MS)
    assert window.activity.isVisible() and not window.cancel_button.isVisible()
    window.actions_table["cancel"].trigger()
    release.set()
    qtbot.waitUntil(lambda: explorer.session.exact is not None, timeout=WAIT_MS)


def test_a_cancelled_image_says_so_and_a_click_reads_it(
    explorer: Explorer, reading: Reading, qtbot: QtBot, tmp_path: Path
) -> None:
    reading.hold("first.png")
    window, canvas = window_of(explorer), window_of(explorer).compare.canvas
    explorer.files.open_paths(pictures(tmp_path, "first.png", "second.png"))
    assert canvas._empty_text() == "Opening first.png"
    window.actions_table["cancel"].trigger()
    assert explorer.jobs.activity() is None
    assert "first.png was not read" in canvas._empty_text()
    assert "first.png was not read" in window.images.list.item(1).toolTip()
    click(window, 1)
    assert canvas._empty_text() == "Opening first.png"
    reading.let_through()
    wait_for(qtbot, explorer, "first.png")
    qtbot.waitUntil(lambda: explorer.session.exact is not None, timeout=WAIT_MS)


def test_an_image_that_could_not_be_read_is_read_when_it_is_chosen_again(
    explorer: Explorer, qtbot: QtBot, tmp_path: Path
) -> None:
    paths, window = pictures(tmp_path, "first.png", "second.png"), window_of(explorer)
    whole = paths[0].read_bytes()
    paths[0].write_bytes(b"no image")
    with qtbot.waitSignal(explorer.session.message, timeout=WAIT_MS):
        explorer.files.open_paths(paths)
    item = explorer.session.items[1]
    assert item.failed and window.compare.canvas._empty_text() == item.failed
    paths[0].write_bytes(whole)
    window.images.list.setFocus()
    QTest.keyClick(window.images.list, Qt.Key.Key_Return)
    wait_for(qtbot, explorer, "first.png")
    assert explorer.session.current is item and not item.failed


# ---------------------------------------------------------------- others meanwhile


def test_an_image_that_arrives_late_leaves_the_one_that_was_chosen(
    explorer: Explorer, reading: Reading, qtbot: QtBot, tmp_path: Path, picture_file: Path
) -> None:
    session = explorer.session
    reading.hold("slow.png")
    explorer.files.open_paths(pictures(tmp_path, "slow.png", "second.png"))
    session.select(session.items[0])
    shown: list[ImageItem | None] = []
    session.current_changed.connect(lambda: shown.append(session.current))
    reading.let_through()
    wait_for(qtbot, explorer, "slow.png")
    assert session.current is session.items[0] and shown == []
    session.select(session.items[1])
    activity = explorer.jobs.activity()
    assert activity is None or not activity.label.startswith("Opening")  # its pixels were kept


def test_an_image_is_no_original_of_a_file_that_was_chosen_while_it_was_read(
    explorer: Explorer, reading: Reading, qtbot: QtBot, tmp_path: Path
) -> None:
    session = explorer.session
    assert session.exact is not None
    saved, slow = tmp_path / "waves.jahp", tmp_path / "slow.png"
    saved.write_bytes(session.exact.data)
    Image.fromarray(make_picture(64, 96, seed=3)).save(slow)  # as large as the file's picture
    explorer.files.open_paths([saved])
    opened = wait_for(qtbot, explorer, "waves.jahp")
    reading.hold("slow.png")
    explorer.files.open_paths([slow, *pictures(tmp_path, "other.png")])
    session.select(opened)
    reading.let_through()
    wait_for(qtbot, explorer, "slow.png")
    assert session.current is opened and session.is_fixed and opened.original is None


def test_an_image_that_does_not_look_like_the_file_is_opened_by_itself(
    explorer: Explorer, qtbot: QtBot, tmp_path: Path
) -> None:
    session = explorer.session
    assert session.exact is not None
    saved, other = tmp_path / "waves.jahp", tmp_path / "other.png"
    saved.write_bytes(session.exact.data)
    Image.fromarray(255 - make_picture(64, 96)).save(other)  # as large as the file's picture
    explorer.files.open_paths([saved])
    opened = wait_for(qtbot, explorer, "waves.jahp")
    explorer.files.open_paths([other])
    assert session.current is opened and wait_for(qtbot, explorer, "other.png") is session.current
    assert opened.original is None


def test_a_file_without_its_original_has_the_bits_of_its_latents(
    explorer: Explorer, qtbot: QtBot, tmp_path: Path
) -> None:
    session, window = explorer.session, window_of(explorer)
    assert session.exact is not None
    (tmp_path / "waves.jahp").write_bytes(session.exact.data)
    explorer.files.open_paths([tmp_path / "waves.jahp"])
    qtbot.waitUntil(lambda: session.is_fixed and session.latents is not None, timeout=WAIT_MS)
    session.set_choice(gain_index=7)  # what is compressed next is another matter
    session.set_selection(QRect(16, 0, 32, 48))
    assert " bit · " in window.numbers.values["region"].text()
    assert any(text.startswith("y (1, 0): ") for text in window.compare.values_at(QPoint(20, 5)))


def test_a_file_is_shown_before_its_latents_are_measured(
    explorer: Explorer, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, window, go_on = explorer.session, window_of(explorer), threading.Event()
    assert session.exact is not None
    saved = tmp_path / "waves.jahp"
    saved.write_bytes(session.exact.data)
    measured = work.latents_of_opened

    def slow(opened: FileResult, decoded: Decoded, job: Job) -> LatentResult:
        while not go_on.wait(0.01):
            job.check()
        return measured(opened, decoded, job)

    monkeypatch.setattr(work, "latents_of_opened", slow)
    explorer.files.open_paths([saved])
    opened = wait_for(qtbot, explorer, "waves.jahp")
    qtbot.waitUntil(lambda: window.activity.text() == "Measuring the latents of waves.jahp", timeout=WAIT_MS)
    assert session.sides["b"] is not None and window.numbers.values["file"].text().endswith(" bytes")
    assert session.latents is None and "once the latents are measured" in window.maps.map.text
    with qtbot.waitSignal(session.message, timeout=WAIT_MS) as told:
        window.cancel()
    assert told.args is not None and "open the file again" in told.args[0]
    explorer.files.open_paths([saved])
    qtbot.waitUntil(lambda: explorer.jobs.is_active("opened latents"), timeout=WAIT_MS)
    session.select(session.items[0])
    session.select(opened)
    qtbot.waitUntil(lambda: explorer.jobs.is_active("opened latents"), timeout=WAIT_MS)
    session.select(session.items[0])  # and away from it before they are there
    qtbot.waitUntil(lambda: explorer.jobs.is_free("opened latents"), timeout=WAIT_MS)
    assert opened.opened_latents is None
    go_on.set()
    session.select(opened)
    qtbot.waitUntil(lambda: window.maps.shown is not None, timeout=WAIT_MS)
    assert session.latents is opened.opened_latents is not None
    assert opened.held_bytes > sum(level.nbytes for level in opened.opened.picture.levels)  # type: ignore[union-attr]


def test_an_image_that_is_removed_while_it_is_read_stays_away(
    explorer: Explorer, reading: Reading, qtbot: QtBot, tmp_path: Path
) -> None:
    session = explorer.session
    reading.hold("slow.png")
    explorer.files.open_paths(pictures(tmp_path, "slow.png", "second.png"))
    slow = session.items[1]
    session.select(session.items[0])
    session.remove_item(slow)
    reading.let_through()
    qtbot.waitUntil(lambda: slow.picture is not None, timeout=WAIT_MS)
    assert names_of(explorer) == ["waves.png", "second.png"] and session.current is session.items[0]


def test_images_that_are_opened_one_after_the_other_are_all_listed_and_the_last_is_shown(
    explorer: Explorer, reading: Reading, qtbot: QtBot, tmp_path: Path
) -> None:
    session = explorer.session
    reading.hold("slow.png")
    for path in pictures(tmp_path, "slow.png", "quick.png"):
        explorer.files.open_paths([path])
    quick = wait_for(qtbot, explorer, "quick.png")
    assert session.current is quick
    reading.let_through()
    wait_for(qtbot, explorer, "slow.png")
    assert names_of(explorer) == ["waves.png", "quick.png", "slow.png"] and session.current is quick


# ---------------------------------------------------------------- another model, another image


def test_a_file_without_its_original_stays_when_another_model_is_opened(
    explorer: Explorer, qtbot: QtBot, tmp_path: Path
) -> None:
    session, window = explorer.session, window_of(explorer)
    assert session.exact is not None
    saved = tmp_path / "waves.jahp"
    saved.write_bytes(session.exact.data)
    explorer.files.open_paths([saved])
    qtbot.waitUntil(lambda: session.is_fixed and session.latents is not None, timeout=WAIT_MS)
    shown, latents, sides = session.shown_file, session.latents, dict(session.sides)
    session.use_card(card_without_context())
    qtbot.waitUntil(lambda: session.model is not None, timeout=WAIT_MS)
    assert session.shown_file is shown and session.latents is latents and latents is not None
    assert sides["b"] is not None and session.sides["b"] is not None
    assert session.sides["b"].picture is sides["b"].picture
    assert "digest checked" in window.numbers.state.text() and window.actions_table["save"].isEnabled()


def test_a_target_is_searched_on_the_next_image_too(
    explorer: Explorer, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = explorer.session
    found = {(96, 64): 20, (64, 48): 40}  # gain indices by the size of the image
    monkeypatch.setattr(work, "find_target", lambda analysed, *_: found[analysed.original.size])
    session.set_target("bytes", 0.5)
    qtbot.waitUntil(lambda: session.exact is not None and session.choice.gain_index == 20, timeout=WAIT_MS)
    explorer.files.open_paths(pictures(tmp_path, "other.png"))
    qtbot.waitUntil(lambda: session.exact is not None and session.choice.gain_index == 40, timeout=WAIT_MS)
    assert session.target == ("bytes", 0.5)


def test_a_cancelled_comparison_shows_the_setting_again(
    explorer: Explorer, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, go_on = explorer.session, threading.Event()
    monkeypatch.setattr(work, "make_classical", lambda *_: go_on.wait(WAIT_MS / 1000))
    session.set_compare(b=JPEG)
    qtbot.waitUntil(lambda: explorer.jobs.activity() is not None, timeout=WAIT_MS)
    window_of(explorer).cancel()
    go_on.set()
    assert session.compare.b == CURRENT


def test_a_cancelled_target_leaves_the_lambda_that_there_is(
    explorer: Explorer, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, go_on = explorer.session, threading.Event()
    monkeypatch.setattr(work, "find_target", lambda *_: go_on.wait(WAIT_MS / 1000) and 3)
    before = session.choice
    session.set_target("bytes", 0.3)
    qtbot.waitUntil(lambda: explorer.jobs.activity() is not None, timeout=WAIT_MS)
    window_of(explorer).cancel()
    assert session.target[0] == "lambda" and explorer.jobs.activity() is None
    go_on.set()
    qtbot.waitUntil(lambda: explorer.jobs.idle, timeout=WAIT_MS)
    assert session.choice == before


def test_a_cancelled_file_is_told_and_made_when_its_setting_comes_back(
    explorer: Explorer, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, go_on, make_file = explorer.session, threading.Event(), work.make_file
    told: list[str] = []
    session.message.connect(lambda text, _: told.append(text))

    def slow(*arguments: Any) -> FileResult:
        assert go_on.wait(WAIT_MS / 1000)
        return make_file(*arguments)

    monkeypatch.setattr(work, "make_file", slow)
    session.set_effort(1)  # which takes long enough to be shown
    qtbot.waitUntil(lambda: explorer.jobs.activity() is not None, timeout=WAIT_MS)
    window_of(explorer).cancel()
    assert session.exact is None and told[-1].startswith("Stopped: this setting has no file yet")
    assert "stopped" in window_of(explorer).numbers.state.text()
    go_on.set()
    session.set_effort(0)
    session.set_effort(1)
    qtbot.waitUntil(lambda: session.exact is not None, timeout=WAIT_MS)
    assert session.choice.effort == 1 and session.stopped is None
    session.stopped = session.choice
    session.select(None)
    assert session.stopped is None  # it was of the image


def test_a_model_that_could_not_be_loaded_is_loaded_when_it_is_chosen_again(
    explorer: Explorer, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, box = explorer.session, window_of(explorer).codec.model

    def damaged(card: Card) -> Model:
        raise ModelError("The weights are damaged.")

    assert session.card is not None
    with monkeypatch.context() as patch:
        patch.setattr(work, "load_model", damaged)
        session.use_card(session.card)
        qtbot.waitUntil(lambda: session.model_error != "", timeout=WAIT_MS)
    box.activated.emit(box.currentIndex())
    qtbot.waitUntil(lambda: session.exact is not None, timeout=WAIT_MS)


def test_what_is_alive_when_another_model_is_loaded_is_still_collected() -> None:
    work.load_model(find_model("tiny"))
    item = ImageItem("in a cycle")
    item.opened = item  # type: ignore[assignment]
    gone = weakref.ref(item)
    work.load_model(find_model("tiny"))
    del item
    gc.collect()
    assert gone() is None


def test_a_model_without_a_prior_is_not_compared_with_it(explorer: Explorer, qtbot: QtBot) -> None:
    session, window = explorer.session, window_of(explorer)
    session.set_compare(a=Source("prior", "context"))
    session.set_map(reference="context")
    session.set_parts(wanted=True, reference="context")
    session.use_card(card_without_context())
    assert session.compare.a == ORIGINAL and session.map_choice.reference == ""
    assert window.parts.map.text == "This model lacks one of the two priors."


def test_no_view_keeps_the_mark_of_another_image(explorer: Explorer, qtbot: QtBot, tmp_path: Path) -> None:
    window = window_of(explorer)
    views = (window.maps.map, window.parts.map, window.inside.decoder.map)
    explorer.session.mark(("y", 1, 2))
    assert all(view.marked is not None for view in views)
    explorer.files.open_paths(pictures(tmp_path, "other.png"))
    wait_for(qtbot, explorer, "other.png")
    assert [view.marked for view in views] == [None, None, None]
