"""The whole application: what a user does, and what the codec says that should come of it."""

import io
import json
import os
import shutil
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gui_helpers import TINY_MODELS, WAIT_MS, card_without_context, make_picture, window_of
from PIL import Image
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QTimer, QUrl
from PySide6.QtGui import QDragEnterEvent, QDragLeaveEvent, QDropEvent, QGuiApplication
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from jahp_gui.codec import Encoded, Model, decode, encode, metrics, size_estimate
from jahp_gui.codec.models import find_model
from jahp_gui.evaluation.classical import get_codec
from jahp_gui.gui import app, captions, painting, theme, work
from jahp_gui.gui.app import Explorer
from jahp_gui.gui.controller import REST_MS
from jahp_gui.gui.exact_settings import exact_settings
from jahp_gui.gui.files import folder_of
from jahp_gui.gui.imaging import qimage, rgb_of
from jahp_gui.gui.jobs import Job
from jahp_gui.gui.main_window import MainWindow
from jahp_gui.gui.results import (
    CURRENT,
    JPEG,
    ORIGINAL,
    Choice,
    ClassicalResult,
    FileResult,
    ImageItem,
    LatentResult,
    SeriesKey,
    Source,
)
from jahp_gui.gui.samples import path_of
from jahp_gui.gui.settings import Settings
from jahp_gui.paths import assets_dir


def wait_for_file(qtbot: QtBot, explorer: Explorer) -> None:
    qtbot.waitUntil(lambda: explorer.session.exact is not None, timeout=WAIT_MS)


def drop(window: MainWindow, mime: QMimeData) -> bool:
    """What the window system does: enter, then drop where the window accepts. Whether it did."""
    actions, buttons = Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton
    none = Qt.KeyboardModifier.NoModifier
    enter = QDragEnterEvent(QPoint(50, 50), actions, mime, buttons, none)
    QApplication.sendEvent(window, enter)
    if enter.isAccepted():
        QApplication.sendEvent(window, QDropEvent(QPointF(50, 50), actions, mime, buttons, none))
    return enter.isAccepted()


def urls(*paths: Path) -> QMimeData:
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    return mime


def test_main_opens_the_files_it_is_given_and_ends_when_the_window_closes(
    qapp: QApplication,
    settings_file: Path,
    picture_file: Path,
    picture: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # On a busy machine a job may outlive the usual wait, and ending the process would end the tests.
    monkeypatch.setattr(app, "SHUTDOWN_SECONDS", 60.0)
    seen: list[bytes] = []

    def watch() -> None:
        window = next(widget for widget in QApplication.topLevelWidgets() if isinstance(widget, MainWindow))
        if window.session.exact is not None and not seen:  # on a busy machine closing may outlast the interval
            seen.append(window.session.exact.data)
            window.close()

    timer = QTimer(interval=30)
    timer.timeout.connect(watch)
    timer.start()
    assert app.main(["--settings", str(settings_file), str(picture_file)]) == 0
    timer.stop()
    assert seen == [encode(Model.load("tiny"), picture, prior="joint", lmbda=0.0128).data]
    entry = assets_dir() / "desktop" / f"{qapp.desktopFileName()}.desktop"
    assert entry.is_file()


def test_the_first_run_shows_a_sample_compressed_with_the_joint_prior(
    make_explorer: Callable[..., Explorer], qtbot: QtBot
) -> None:
    explorer = make_explorer()
    wait_for_file(qtbot, explorer)
    session = explorer.session
    assert session.current is not None and session.current.name == "astronaut.png"
    assert session.choice.prior == "joint" and session.exact is not None
    file = session.exact
    qtbot.waitUntil(lambda: file.ms_ssim_known, timeout=WAIT_MS)
    assert file.ms_ssim is not None
    qtbot.waitUntil(lambda: bool(session.curves.points), timeout=WAIT_MS)


def test_the_file_waits_for_a_rest_after_every_move(explorer: Explorer) -> None:
    rest = explorer.controller._rest
    explorer.session.set_choice(gain_index=60)
    assert rest.isActive() and rest.interval() == REST_MS and not explorer.jobs.is_active("file")


def test_maps_and_file_come_from_one_pass_through_the_networks(
    explorer: Explorer, qtbot: QtBot, picture: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = explorer.session
    monkeypatch.setattr(work, "write_file", lambda *_: pytest.fail("the networks ran twice"))
    session.set_choice(gain_index=77)
    wait_for_file(qtbot, explorer)
    assert session.exact is not None and session.latents is not None
    assert session.exact.data == encode(Model.load("tiny"), picture, prior="joint", lmbda=session.lmbda).data
    assert session.latents.estimated_bytes == len(session.exact.data)
    assert session.exact.encode_seconds is not None and session.exact.encode_seconds > 0


def test_classical_codecs_run_in_a_process_that_ends_with_the_window(
    codec_process: None, make_explorer: Callable[..., Explorer], picture_file: Path, qtbot: QtBot
) -> None:
    explorer = make_explorer(picture_file)
    session, key = explorer.session, SeriesKey("classical", "jpeg420")
    qtbot.waitUntil(lambda: len(session.curves.points.get(key, [])) > 2, timeout=WAIT_MS)
    process = explorer.controller.curves._process._process
    assert process is not None and process.poll() is None
    point = session.curves.points[key][2]
    rgb = np.asarray(Image.open(picture_file))
    assert point.quality is not None and point.n_bytes == len(get_codec("jpeg420").encode(rgb, point.quality))
    window_of(explorer).close()
    assert explorer.jobs.shutdown(10)
    assert process.poll() is not None


def test_what_is_shown_at_rest_is_decoded_from_the_file(explorer: Explorer, picture: np.ndarray) -> None:
    file, side = explorer.session.exact, explorer.session.sides["b"]
    assert file is not None and side is not None
    np.testing.assert_array_equal(side.picture.rgb, decode(file.data).rgb)
    assert file.psnr == metrics.psnr(picture, side.picture.rgb)
    numbers = window_of(explorer).numbers
    assert numbers.values["file"].text() == f"{len(file.data):,} bytes"
    assert f"{file.psnr:.2f} dB" in numbers.values["psnr"].text()
    assert "digest checked" in numbers.state.text()


def test_moving_the_slider_estimates_at_once_and_ends_in_the_real_file(
    explorer: Explorer, qtbot: QtBot, picture: np.ndarray
) -> None:
    session, window = explorer.session, window_of(explorer)
    window.codec.slider.setValue(96)
    assert session.exact is None and "digest" not in window.numbers.state.text()
    qtbot.waitUntil(lambda: session.live is not None, timeout=WAIT_MS)
    live = session.live
    assert live is not None and live.choice.gain_index == 96
    wait_for_file(qtbot, explorer)
    file = session.exact
    assert file is not None
    np.testing.assert_array_equal(live.picture.rgb, file.picture.rgb)  # the same latents, the same picture
    assert file.data == encode(Model.load("tiny"), picture, prior="joint", lmbda=session.lmbda).data
    qtbot.waitUntil(lambda: session.latents is not None and session.latents.choice == session.choice, timeout=WAIT_MS)
    assert session.latents is not None
    assert session.latents.estimated_bytes == pytest.approx(len(file.data), abs=24)


def test_switching_the_prior_keeps_the_latents_and_changes_the_file(
    explorer: Explorer, qtbot: QtBot, picture: np.ndarray
) -> None:
    session, window = explorer.session, window_of(explorer)
    before = session.exact
    assert before is not None
    window.codec.prior.setCurrentIndex(window.codec.prior.findData("context"))
    window.codec.prior.activated.emit(0)
    wait_for_file(qtbot, explorer)
    after = session.exact
    assert after is not None and after.choice.prior == "context"
    np.testing.assert_array_equal(after.picture.rgb, before.picture.rgb)
    assert after.data == encode(Model.load("tiny"), picture, prior="context", lmbda=session.lmbda).data
    assert len(after.container.z) == 0 and len(before.container.z) > 0


def test_undo_brings_the_setting_back_with_its_file(explorer: Explorer, qtbot: QtBot) -> None:
    session, actions = explorer.session, window_of(explorer).actions_table
    first = session.exact
    actions["anchor_up"].trigger()
    wait_for_file(qtbot, explorer)
    second = session.exact
    actions["undo"].trigger()
    assert session.exact is first
    actions["redo"].trigger()
    assert session.exact is second


def test_a_target_size_is_reached_by_the_real_file(explorer: Explorer, qtbot: QtBot) -> None:
    session = explorer.session
    assert session.exact is not None
    explorer.window.session_commands.step_lmbda(40)  # type: ignore[union-attr]
    wait_for_file(qtbot, explorer)
    wanted = len(session.exact.data) / 1000
    session.set_choice(gain_index=0)
    wait_for_file(qtbot, explorer)
    session.set_target("bytes", wanted)
    qtbot.waitUntil(lambda: session.exact is not None and session.choice.gain_index > 0, timeout=WAIT_MS)
    assert session.exact is not None
    assert len(session.exact.data) / 1000 == pytest.approx(wanted, rel=0.02)


def test_dropped_images_are_listed_and_the_first_is_shown(explorer: Explorer, qtbot: QtBot, tmp_path: Path) -> None:
    pictures = [make_picture(32, 48, seed) for seed in (1, 2)]
    paths = [tmp_path / f"dropped{number}.png" for number in (1, 2)]
    for path, rgb in zip(paths, pictures, strict=True):
        Image.fromarray(rgb).save(path)
    assert drop(window_of(explorer), urls(*paths))
    session = explorer.session
    qtbot.waitUntil(lambda: session.current is not None and session.current.name == "dropped1.png", timeout=WAIT_MS)
    wait_for_file(qtbot, explorer)
    assert [item.name for item in session.items] == ["waves.png", "dropped1.png", "dropped2.png"]
    assert session.sides["a"] is not None
    np.testing.assert_array_equal(session.sides["a"].picture.rgb, pictures[0])


def test_a_dropped_folder_gives_its_images(explorer: Explorer, qtbot: QtBot, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in ("b.png", "a.png"):
        Image.fromarray(make_picture(32, 32)).save(folder / name)
    (folder / "notes.txt").write_text("no image")
    drop(window_of(explorer), urls(folder))
    assert [item.name for item in explorer.session.items[1:]] == ["a.png", "b.png"]


def test_a_pasted_image_is_compressed(explorer: Explorer, qtbot: QtBot) -> None:
    rgb = make_picture(40, 56, seed=5)
    QGuiApplication.clipboard().setImage(qimage(rgb).copy())
    window_of(explorer).actions_table["paste"].trigger()
    session = explorer.session
    qtbot.waitUntil(lambda: session.current is not None and session.current.path is None, timeout=WAIT_MS)
    wait_for_file(qtbot, explorer)
    assert session.current is not None and session.current.original is not None and session.exact is not None
    np.testing.assert_array_equal(session.current.original.rgb, rgb)
    assert session.exact.data == encode(Model.load("tiny"), rgb, prior="joint", lmbda=session.lmbda).data


def test_pasted_files_are_opened_and_listed_as_recent(explorer: Explorer, qtbot: QtBot, tmp_path: Path) -> None:
    path, rgb, window = tmp_path / "copied.png", make_picture(24, 40, seed=6), window_of(explorer)
    Image.fromarray(rgb).save(path)
    QGuiApplication.clipboard().setMimeData(urls(path))
    window.actions_table["paste"].trigger()
    session = explorer.session
    qtbot.waitUntil(lambda: session.current is not None and session.current.path == path, timeout=WAIT_MS)
    wait_for_file(qtbot, explorer)
    assert session.exact is not None
    assert session.exact.data == encode(Model.load("tiny"), rgb, prior="joint", lmbda=session.lmbda).data
    window.actions_table["close_image"].trigger()
    window.recent_menu.aboutToShow.emit()
    newest = window.recent_menu.actions()[0]
    assert newest.text() == str(path)
    newest.trigger()
    qtbot.waitUntil(lambda: session.current is not None and session.current.path == path, timeout=WAIT_MS)


def test_a_saved_file_reopens_without_its_original_and_takes_it_when_dropped(
    explorer: Explorer,
    qtbot: QtBot,
    tmp_path: Path,
    picture: np.ndarray,
    picture_file: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    session, window = explorer.session, window_of(explorer)
    assert session.exact is not None
    data = session.exact.data
    window.actions_table["save_beside"].trigger()
    session.set_choice(prior="context", gain_index=5)  # not the setting of the file
    saved = tmp_path / "waves.jahp"
    qtbot.waitUntil(saved.exists, timeout=WAIT_MS)
    qtbot.waitUntil(lambda: explorer.jobs.activity() is None, timeout=WAIT_MS)
    assert saved.read_bytes() == data
    wait_for_file(qtbot, explorer)
    drop(window, urls(saved))
    qtbot.waitUntil(lambda: session.current is not None and session.current.name == "waves.jahp", timeout=WAIT_MS)
    assert session.sides["a"] is None and session.sides["b"] is not None
    qtbot.waitUntil(lambda: session.latents is not None, timeout=WAIT_MS)
    np.testing.assert_array_equal(session.sides["b"].picture.rgb, decode(data).rgb)
    assert window.numbers.values["file"].text() == f"{len(data):,} bytes"
    assert window.numbers.values["psnr"].text() == "–"
    assert not window.codec.slider.isEnabled() and not window.compare.jpeg.isEnabled()
    assert "need the original" in window.plot.view.empty_text
    session.set_map(reference="factorized")
    assert window.maps.shown is None and "need the original" in window.maps.map.text
    drawn: list[str] = []
    with monkeypatch.context() as patch:
        patch.setattr(painting, "draw_centred", lambda painter, text, place: drawn.append(text))
        session.set_compare(mode="difference")
        window.compare.canvas.grab()
    assert "Drop the original here to compare" in drawn
    session.set_compare(mode="side")
    session.set_map(reference="")
    assert window.codec.prior.currentData() == "joint" and window.codec.slider.value() == 48
    drop(window, urls(picture_file))
    qtbot.waitUntil(lambda: session.exact is not None and session.exact.psnr is not None, timeout=WAIT_MS)
    assert session.current.name == "waves.jahp" and window.codec.slider.isEnabled()
    assert session.exact is not None and session.exact.data == data


def test_a_file_of_another_model_shows_that_models_lambda(
    make_explorer: Callable[..., Explorer],
    qtbot: QtBot,
    tmp_path: Path,
    picture: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = tmp_path / "models" / "other"
    shutil.copytree(TINY_MODELS / "tiny", folder)
    card = json.loads((folder / "card.json").read_text())
    card["id"] = "other"
    card["config"]["lmbda_anchors"] = [10 * lmbda for lmbda in card["config"]["lmbda_anchors"]]
    (folder / "card.json").write_text(json.dumps(card))
    monkeypatch.setenv("JAHP_MODELS", os.pathsep.join((str(TINY_MODELS), str(folder.parent))))
    path = tmp_path / "other.jahp"
    path.write_bytes(encode(Model.load("other"), picture, lmbda=0.5).data)
    explorer = make_explorer(path)
    session, window = explorer.session, window_of(explorer)
    qtbot.waitUntil(lambda: session.latents is not None, timeout=WAIT_MS)
    assert session.card is not None and session.card.model_id == "tiny", "what is compressed next is another matter"
    assert window.codec.entry.text() == captions.lmbda_text(session.lmbda_at(session.shown_choice.gain_index)) == "0.5"
    assert window.codec.model.currentData() == "other" and not window.codec.model.isEnabled()
    assert exact_settings(session)["lmbda"] == pytest.approx(0.5) and "λ 0.5" in window.maps.caption.text()
    assert session.lmbda == pytest.approx(0.0128, rel=0.02)


def test_saving_beside_never_overwrites(explorer: Explorer, qtbot: QtBot, tmp_path: Path) -> None:
    taken = tmp_path / "waves.jahp"
    taken.write_bytes(b"mine")
    with qtbot.waitSignal(explorer.session.message, timeout=WAIT_MS) as told:
        window_of(explorer).actions_table["save_beside"].trigger()
    assert told.args is not None and told.args[1] == "error" and "waves.jahp" in told.args[0]
    assert taken.read_bytes() == b"mine"


def test_a_wrong_or_damaged_file_is_a_message_and_the_application_goes_on(
    explorer: Explorer, qtbot: QtBot, tmp_path: Path
) -> None:
    session, window = explorer.session, window_of(explorer)
    assert session.exact is not None
    damaged = bytearray(session.exact.data)
    damaged[len(damaged) // 2] ^= 1
    for name, content in (("damaged.jahp", bytes(damaged)), ("text.png", b"no image at all")):
        path = tmp_path / name
        path.write_bytes(content)
        with qtbot.waitSignal(session.message, timeout=WAIT_MS) as told:
            drop(window, urls(path))
        assert told.args is not None and told.args[1] == "error" and name in told.args[0]
        assert window.message_bar.isVisible() and name in window.message_bar.label.text()
        qtbot.waitUntil(lambda: explorer.jobs.activity() is None, timeout=WAIT_MS)
        window.actions_table["cancel"].trigger()
        assert not window.message_bar.isVisible()
    assert session.current is not None and session.current.name == "waves.png"
    session.set_choice(gain_index=7)
    wait_for_file(qtbot, explorer)


def test_no_part_of_the_window_keeps_a_drop_for_itself(explorer: Explorer) -> None:
    """A line edit would take the file's name for its text."""
    window = window_of(explorer)
    assert window.acceptDrops()
    assert [child for child in window.findChildren(QWidget) if child.acceptDrops()] == []


def test_what_is_dragged_over_the_window_is_answered_on_all_of_it(explorer: Explorer) -> None:
    window = window_of(explorer)
    window.compare.canvas.setFocus()
    before = window.grab().toImage().pixelColor(window.rect().center())
    mime = urls(Path("any.png"))
    actions, button = Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton
    enter = QDragEnterEvent(QPoint(50, 50), actions, mime, button, Qt.KeyboardModifier.NoModifier)
    QApplication.sendEvent(window, enter)
    assert window.overlay.isVisible() and window.overlay.geometry() == window.rect()
    shown = window.grab().toImage()
    assert shown.pixelColor(window.rect().center()) != before
    frame = [shown.pixelColor(14, y) for y in range(100, 160)]  # dashes in the accent colour
    assert theme.colour("accent") in frame
    QApplication.sendEvent(window, QDragLeaveEvent())
    assert not window.overlay.isVisible()


def test_text_is_refused_while_it_is_dragged(explorer: Explorer) -> None:
    mime = QMimeData()
    mime.setText("just words")
    assert not drop(window_of(explorer), mime)


def test_the_result_can_be_dragged_out_as_a_file(explorer: Explorer) -> None:
    mime = explorer.files.drag_out()
    assert mime is not None and explorer.session.exact is not None
    path = Path(mime.urls()[0].toLocalFile())
    assert path.name == "waves.jahp" and path.read_bytes() == explorer.session.exact.data
    assert explorer.jobs.shutdown(10)
    assert not path.exists()  # also where the process is then ended without its destructors


def test_copying_puts_picture_b_on_the_clipboard(explorer: Explorer) -> None:
    window_of(explorer).actions_table["copy"].trigger()
    side = explorer.session.sides["b"]
    assert side is not None
    np.testing.assert_array_equal(rgb_of(QGuiApplication.clipboard().image()), side.picture.rgb)


def test_exports_hold_what_is_shown(explorer: Explorer, qtbot: QtBot, tmp_path: Path) -> None:
    session, commands = explorer.session, window_of(explorer).file_commands
    assert session.latents is not None
    commands.export_map(tmp_path / "maps.npz")
    commands.export_map(tmp_path / "map.svg")
    commands.export_comparison(tmp_path / "comparison.png")
    for name in ("maps.npz", "map.svg", "comparison.png"):
        qtbot.waitUntil((tmp_path / name).exists, timeout=WAIT_MS)
    arrays = np.load(tmp_path / "maps.npz")
    np.testing.assert_array_equal(arrays["bits"], session.latents.maps.bits)
    np.testing.assert_array_equal(arrays["y_hat"], session.latents.y_hat)
    assert "<svg" in (tmp_path / "map.svg").read_text()
    assert Image.open(tmp_path / "comparison.png").size[0] > 600
    explorer.files.save_reconstruction(tmp_path / "decoded.png")
    qtbot.waitUntil((tmp_path / "decoded.png").exists, timeout=WAIT_MS)
    assert session.exact is not None
    np.testing.assert_array_equal(np.array(Image.open(tmp_path / "decoded.png")), session.exact.picture.rgb)


def test_closing_while_everything_is_busy_is_quick_and_clean(
    make_explorer: Callable[..., Explorer], qtbot: QtBot, tmp_path: Path
) -> None:
    path = tmp_path / "large.png"
    Image.fromarray(make_picture(512, 768)).save(path)
    explorer = make_explorer(path)
    qtbot.waitUntil(lambda: explorer.session.live is not None or explorer.session.file is not None, timeout=WAIT_MS)
    explorer.session.set_choice(gain_index=3)
    ended, delivered = threading.Event(), []

    def late(job: Job) -> int:
        job.progress("half")
        ended.set()
        return 1

    explorer.jobs.start("late", late, delivered.append, progress=delivered.append, kind="reading")
    assert ended.wait(10)  # what it has to say waits for the window
    window_of(explorer).close()
    assert explorer.jobs.shutdown(5)
    QApplication.processEvents()
    assert delivered == [] and explorer.session.exact is None  # nothing was delivered after the end


def test_without_any_model_there_is_one_clear_message(
    make_explorer: Callable[..., Explorer], qtbot: QtBot, picture_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jahp_gui.gui.controller.installed_models", list)
    explorer = make_explorer(picture_file)
    qtbot.waitUntil(lambda: explorer.session.current is not None, timeout=WAIT_MS)
    window = window_of(explorer)
    assert "No model is installed" in window.message_bar.label.text()
    assert not window.codec.slider.isEnabled() and explorer.session.sides["a"] is not None
    window.grab()  # paints without one


def test_a_model_without_the_wanted_prior_is_used_with_one_it_has(
    make_explorer: Callable[..., Explorer], qtbot: QtBot, picture_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = card_without_context()
    monkeypatch.setattr("jahp_gui.gui.controller.installed_models", lambda *_: [card])
    explorer = make_explorer(picture_file)
    wait_for_file(qtbot, explorer)
    assert explorer.session.choice.prior == "mean-scale-hyperprior"
    prior = window_of(explorer).codec.prior
    assert [prior.itemData(index) for index in range(prior.count())] == card.priors


def test_an_image_that_could_not_be_read_does_not_come_back(
    make_explorer: Callable[..., Explorer], qtbot: QtBot, tmp_path: Path, picture_file: Path, settings_file: Path
) -> None:
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no image")
    explorer = make_explorer(bad, picture_file)
    session = explorer.session
    qtbot.waitUntil(lambda: any(item.failed for item in session.items), timeout=WAIT_MS)
    assert window_of(explorer).compare.zoom.text() == ""
    window_of(explorer).close()
    assert Settings(str(settings_file)).paths("last images") == [picture_file]


def test_without_a_display_there_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    assert app.main([]) == 2
    assert capsys.readouterr().err.startswith("jahp: There is no display here;")


def test_settings_and_images_come_back(
    make_explorer: Callable[..., Explorer], qtbot: QtBot, picture_file: Path, settings_file: Path
) -> None:
    first = make_explorer(picture_file)
    wait_for_file(qtbot, first)
    first.session.set_choice(prior="factorized", gain_index=64)
    first.session.set_compare(mode="swipe", overlay=True)
    wait_for_file(qtbot, first)
    window_of(first).resize(window_of(first).minimumSizeHint().width(), 730)  # the screen of the tests is small
    window_of(first).centre_splitter.setSizes([420, 240])
    sizes = window_of(first).centre_splitter.sizes()
    window_of(first).close()
    second = make_explorer()
    assert (window_of(second).height(), window_of(second).centre_splitter.sizes()) == (730, sizes)
    wait_for_file(qtbot, second)
    session = second.session
    assert (session.choice.prior, session.choice.gain_index) == ("factorized", 64)
    assert (session.compare.mode, session.compare.overlay) == ("swipe", True)
    assert [item.path for item in session.items] == [picture_file]


def test_the_language_changes_at_once_and_keeps_everything(explorer: Explorer) -> None:
    before = explorer.session.exact
    window_of(explorer).language_chosen.emit("zh_CN")
    window = window_of(explorer)
    assert window.menuBar().actions()[0].text() == "文件"
    assert explorer.session.exact is before and before is not None
    assert f"{len(before.data):,}" in window.numbers.values["file"].text()


def test_both_themes_paint_their_own_ground(explorer: Explorer) -> None:
    window = window_of(explorer)
    for name, level in (("light", 242), ("dark", 35)):
        window.use_theme(name)
        window.menuBar().setFixedWidth(window.width())
        assert abs(window.grab().toImage().pixelColor(1, window.height() - 2).red() - level) < 12


def test_cancelling_stops_what_the_status_bar_shows(explorer: Explorer, qtbot: QtBot) -> None:
    started: list[bool] = []

    def endless(job: object) -> None:
        started.append(True)
        while True:
            job.check()  # type: ignore[attr-defined]

    explorer.jobs.start("endless", endless, label="counting")
    qtbot.waitUntil(lambda: bool(started), timeout=WAIT_MS)
    window = window_of(explorer)
    assert window.activity.text() == "counting" and window.cancel_button.isVisible()
    window.cancel_button.click()
    qtbot.waitUntil(lambda: not window.cancel_button.isVisible(), timeout=WAIT_MS)
    assert explorer.jobs.activity() is None


def test_an_equal_sized_jpeg_is_one_command(explorer: Explorer, qtbot: QtBot) -> None:
    session = explorer.session
    session.set_choice(gain_index=112)  # a file large enough for a JPEG header
    wait_for_file(qtbot, explorer)
    window_of(explorer).compare.jpeg.click()
    qtbot.waitUntil(
        lambda: session.sides["a"] is not None and session.sides["a"].source == Source("classical", "jpeg420"),
        timeout=WAIT_MS,
    )
    side, exact = session.sides["a"], session.exact
    assert side is not None and exact is not None
    decoded = Image.open(io.BytesIO(side.of.data))  # type: ignore[union-attr]
    np.testing.assert_array_equal(np.array(decoded.convert("RGB")), side.picture.rgb)
    assert side.of.wanted_bytes == len(exact.data)  # type: ignore[union-attr]
    window_of(explorer).compare.jpeg.click()
    assert session.compare.a == ORIGINAL
    window_of(explorer).actions_table["same_jpeg"].trigger()
    assert window_of(explorer).compare.jpeg.isChecked()


def test_a_model_from_any_folder_can_be_opened_and_is_there_in_the_next_run(
    explorer: Explorer, make_explorer: Callable[..., Explorer], qtbot: QtBot, tmp_path: Path
) -> None:
    folder = tmp_path / "mine"
    shutil.copytree(find_model("tiny").folder, folder)
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps({**card, "id": "mine"}))
    session = explorer.session
    session.set_choice(prior="context", gain_index=30)
    explorer.controller.open_model(folder)
    wait_for_file(qtbot, explorer)
    assert session.exact is not None and session.exact.container.header.model_id == "mine"
    assert (session.choice.prior, session.choice.gain_index) == ("context", 30)  # kept, as the model has them
    model = window_of(explorer).codec.model
    assert {model.itemData(index) for index in range(model.count())} >= {"tiny", "mine"}
    window_of(explorer).close()
    second = make_explorer()
    wait_for_file(qtbot, second)
    assert second.session.choice.model_id == "mine"


def test_a_folder_that_is_no_model_is_a_message(explorer: Explorer, qtbot: QtBot, tmp_path: Path) -> None:
    with qtbot.waitSignal(explorer.session.message, timeout=WAIT_MS) as told:
        explorer.controller.open_model(tmp_path)
    assert told.args is not None and told.args[1] == "error"
    assert explorer.session.card is not None and explorer.session.card.model_id == "tiny"


def test_running_out_of_memory_is_a_message_and_the_next_setting_works(
    explorer: Explorer, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("jahp_gui.gui.work.read_back", lambda *_: (_ for _ in ()).throw(MemoryError))
        with qtbot.waitSignal(explorer.session.message, timeout=WAIT_MS) as told:
            explorer.session.set_choice(gain_index=9)
        assert told.args is not None and "not enough memory" in told.args[0]
    explorer.session.set_choice(gain_index=10)
    wait_for_file(qtbot, explorer)


def test_a_slow_answer_never_shows_under_a_later_setting(
    explorer: Explorer, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file of an abandoned setting comes late: the screen has another one by then."""
    session = explorer.session
    read, release = work.read_back, threading.Event()

    def slow(analysed: work.Analysed, choice: Choice, encoded: Encoded, job: Job) -> FileResult:
        if choice.gain_index == 20:
            release.wait(20)
        return read(analysed, choice, encoded, job)

    monkeypatch.setattr(work, "read_back", slow)
    session.set_choice(gain_index=20)
    qtbot.waitUntil(lambda: explorer.jobs.is_active("file"), timeout=WAIT_MS)
    session.set_choice(gain_index=21)
    shown: list[int] = []
    session.results_changed.connect(lambda: session.file and shown.append(session.file.choice.gain_index))
    release.set()
    wait_for_file(qtbot, explorer)
    assert session.exact is not None and session.exact.choice.gain_index == 21
    assert 20 not in shown


def test_large_images_show_their_visible_part_first(
    make_explorer: Callable[..., Explorer], qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "LARGE_PIXELS", 10_000)
    monkeypatch.setattr(work, "LIVE_PIXELS", 4_096)
    monkeypatch.setattr(work, "CROP_SIDE", 64)
    monkeypatch.setattr(size_estimate, "SAMPLE_BLOCK", 2)
    path = tmp_path / "large.png"
    rgb = make_picture(160, 240)
    Image.fromarray(rgb).save(path)
    explorer = make_explorer(path)
    session = explorer.session
    wait_for_file(qtbot, explorer)
    qtbot.waitUntil(lambda: session.latents is not None, timeout=WAIT_MS)
    state = window_of(explorer).numbers.state
    release, make_file = threading.Event(), work.make_file

    def held(*arguments: Any) -> FileResult:
        release.wait(60)
        return make_file(*arguments)

    monkeypatch.setattr(work, "make_file", held)
    session.set_choice(gain_index=90)
    qtbot.waitUntil(lambda: session.live is not None, timeout=WAIT_MS)
    live, side = session.live, session.sides["b"]
    assert live is not None and side is not None and side.patch is live and live.region is not None
    caption = captions.side_caption(side, session.lmbda_at, 160 * 240)
    assert caption == f"Joint · λ {captions.lmbda_text(session.lmbda)} outlined, λ 0.0128 around"
    region = live.region
    qtbot.waitUntil(lambda: getattr(session.estimate, "choice", None) == session.choice, timeout=WAIT_MS)
    estimate = session.estimate
    assert estimate is not None and 0.2 < estimate.share < 1
    assert session.exact is None and f"≈ from {100 * estimate.share:.2g}% of the latents" in state.text()
    release.set()
    wait_for_file(qtbot, explorer)
    assert session.exact is not None
    assert estimate.n_bytes == pytest.approx(len(session.exact.data), rel=0.1)
    whole = session.exact.picture.rgb
    cut = whole[region.top : region.top + region.height, region.left : region.left + region.width]
    assert np.abs(live.picture.rgb.astype(int) - cut).max() <= 1
    assert region.width * region.height < 160 * 240
    qtbot.waitUntil(lambda: session.curves.complete, timeout=2 * WAIT_MS)
    assert session.curves.cropped
    point = session.curves.points[SeriesKey("prior", "joint")][0]
    crop = rgb[48:112, 88:152]
    assert point.n_bytes == len(encode(Model.load("tiny"), crop, prior="joint", lmbda=0.0016).data)
    before, after = (one for one in session.curves.points[SeriesKey("prior", "joint")] if one.gain_index in (80, 96))
    current = window_of(explorer).plot.content().current  # gain index 90 lies between them
    assert current is not None and before.bpp < current[0] < after.bpp
    assert min(before.psnr, after.psnr) < current[1] < max(before.psnr, after.psnr)


def test_a_setting_chosen_while_the_latents_of_a_large_image_are_measured_gets_its_file(
    make_explorer: Callable[..., Explorer], qtbot: QtBot, picture_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "LARGE_PIXELS", 1_000)
    measured, latents, release = threading.Event(), work.latents, threading.Event()

    def slow(analysed: work.Analysed, choice: Choice, found: Any, job: Job) -> LatentResult:
        measured.set()
        while choice.gain_index != 90 and not release.wait(0.01):
            job.check()
        return latents(analysed, choice, found, job)

    monkeypatch.setattr(work, "latents", slow)
    explorer = make_explorer(picture_file)
    session = explorer.session
    wait_for_file(qtbot, explorer)
    qtbot.waitUntil(measured.is_set, timeout=WAIT_MS)
    session.set_choice(gain_index=90)
    qtbot.waitUntil(lambda: session.exact is not None or explorer.controller._file_awaited is not None, timeout=WAIT_MS)
    release.set()
    wait_for_file(qtbot, explorer)
    qtbot.waitUntil(lambda: session.latents is not None and session.latents.choice == session.choice, timeout=WAIT_MS)


def test_a_side_that_is_known_is_not_replaced_by_one_that_was_being_made(
    explorer: Explorer, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, jobs, make, go_on = explorer.session, explorer.jobs, work.make_classical, threading.Event()
    session.set_compare(a=JPEG)
    qtbot.waitUntil(lambda: session.sides["a"] is not None and session.sides["a"].source == JPEG, timeout=WAIT_MS)
    first = session.sides["a"]
    index = session.choice.gain_index

    def slow(*arguments: Any) -> ClassicalResult:
        go_on.wait(WAIT_MS / 1000)
        return make(*arguments)

    monkeypatch.setattr(work, "make_classical", slow)
    session.set_choice(gain_index=10)
    qtbot.waitUntil(lambda: jobs.is_active("side a"), timeout=WAIT_MS)
    session.set_choice(gain_index=index)
    assert not jobs.is_active("side a")
    go_on.set()
    qtbot.waitUntil(lambda: jobs.is_free("side a"), timeout=WAIT_MS)
    assert first is not None and session.sides["a"] is not None and session.sides["a"].of is first.of


def test_nothing_is_written_beside_a_sample(explorer: Explorer, qtbot: QtBot) -> None:
    assert explorer.session.current is not None
    assert window_of(explorer).actions_table["save_beside"].isEnabled()
    assert folder_of(explorer.session.current) == explorer.session.current.path.parent  # type: ignore[union-attr]
    assert folder_of(ImageItem("coffee", path_of("coffee"))) == Path.home() == folder_of(None)


def test_an_opened_file_shows_no_other_source_as_itself(explorer: Explorer, qtbot: QtBot, tmp_path: Path) -> None:
    session, window = explorer.session, window_of(explorer)
    assert session.exact is not None
    (tmp_path / "alone.jahp").write_bytes(session.exact.data)
    session.set_choice(prior="context")
    qtbot.waitUntil(lambda: session.exact is not None and session.can_undo, timeout=WAIT_MS)
    explorer.files.open_paths([tmp_path / "alone.jahp"])
    qtbot.waitUntil(lambda: session.is_fixed, timeout=WAIT_MS)
    assert not window.actions_table["undo"].isEnabled(), "of the setting of another image"
    for source in (JPEG, Source("prior", "factorized")):
        session.set_compare(a=source, b=CURRENT)
        assert session.sides["a"] is None and session.sides["b"] is not None
