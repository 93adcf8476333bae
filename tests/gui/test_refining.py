"""The encoder's effort in the window: quick searches, refining in the background, and the painted region."""

import threading
import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from gui_helpers import WAIT_MS, make_picture
from PIL import Image
from PySide6.QtCore import QPointF, Qt
from PySide6.QtWidgets import QMessageBox
from pytestqt.qtbot import QtBot

from jahp_gui.codec import decode, metrics
from jahp_gui.codec.container import Y_STRIDE
from jahp_gui.codec.effort import STEPS
from jahp_gui.codec.importance import Mask, share_of_bits
from jahp_gui.gui import jobs, work
from jahp_gui.gui.app import Explorer
from jahp_gui.gui.canvas import CompareCanvas
from jahp_gui.gui.controller import REST_MS
from jahp_gui.gui.main_window import MainWindow
from jahp_gui.gui.refining import Kept, search_clock
from jahp_gui.gui.results import REFINED, ROUNDED, FileResult, ImageItem, LatentResult
from jahp_gui.gui.session import Session
from jahp_gui.gui.view_choices import WITHOUT_REGION


@pytest.fixture(autouse=True)
def discards_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(QMessageBox, "exec", lambda _: QMessageBox.StandardButton.Discard)


@pytest.fixture(autouse=True)
def searches_to_be_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Effort 3 that is still running when a test ends it, and on a busy machine does not wait for everything else."""
    monkeypatch.setitem(STEPS, 3, 100)
    monkeypatch.setattr(jobs, "BACKGROUND_NICENESS", 0)


@pytest.fixture
def window(explorer: Explorer) -> MainWindow:
    assert explorer.window is not None
    return explorer.window


def current_file(session: Session) -> FileResult:
    assert session.exact is not None
    return session.exact


def current_latents(session: Session) -> LatentResult:
    assert session.latents is not None
    return session.latents


def wait_for_file(qtbot: QtBot, session: Session) -> None:
    """The real file, and the maps of its latents."""
    qtbot.waitUntil(
        lambda: session.exact is not None and current_latents(session).choice == session.choice, timeout=WAIT_MS
    )


def cost(session: Session, file: FileResult, picture: np.ndarray) -> float:
    """λ·255²·MSE + bpp of the real file."""
    error = np.square(file.picture.rgb.astype(float) - picture).mean()
    return session.lmbda_at(file.choice.gain_index) * error + file.container.bpp


def refine_until_better(qtbot: QtBot, window: MainWindow) -> None:
    """Two candidates at least have been shown."""
    with qtbot.waitSignal(window.session.refining_changed, timeout=WAIT_MS):
        window.codec.refine.click()
    qtbot.waitUntil(lambda: len(window.session.trail) > 2 or window.session.refining is None, timeout=WAIT_MS)


def test_effort_1_writes_a_file_that_decodes_and_costs_no_more(
    window: MainWindow, picture: np.ndarray, qtbot: QtBot
) -> None:
    session = window.session
    rounded = current_file(session)
    window.codec.effort.setCurrentIndex(1)
    window.codec.effort.activated.emit(1)
    assert session.choice.effort == 1 and session.exact is None
    assert session.live is None or session.live.choice == session.choice.rounded
    wait_for_file(qtbot, session)
    searched = current_file(session)
    assert searched.data != rounded.data
    assert cost(session, searched, picture) <= cost(session, rounded, picture)
    assert np.array_equal(decode(searched.data).rgb, searched.picture.rgb)
    assert np.array_equal(current_latents(session).y_hat, decode(searched.data).y_hat)
    assert current_latents(session).estimated_bytes == pytest.approx(len(searched.data), abs=12)
    session.undo()
    assert session.exact is rounded and session.effort == 0


def test_the_effort_survives_the_program(
    make_explorer: Callable[..., Explorer], picture_file: Path, qtbot: QtBot
) -> None:
    first = make_explorer(picture_file)
    qtbot.waitUntil(lambda: first.session.exact is not None, timeout=WAIT_MS)
    first.session.set_effort(2)
    assert first.window is not None
    first.window.close()
    second = make_explorer(picture_file)
    qtbot.waitUntil(lambda: second.session.exact is not None, timeout=WAIT_MS)
    assert second.session.effort == 2 and second.session.choice.effort == 1  # refining waits until it is asked for


def test_the_slider_stays_with_rounding_and_the_file_takes_the_effort(window: MainWindow, qtbot: QtBot) -> None:
    session = window.session
    session.set_effort(1)
    session.set_choice(gain_index=40)
    shown: list[bool] = []
    session.results_changed.connect(
        lambda: shown.append(session.live is not None and session.live.choice == session.choice.rounded)
    )
    wait_for_file(qtbot, session)
    assert any(shown) and current_file(session).choice.effort == 1


def test_refining_wanders_and_stopping_keeps_a_valid_better_file(
    window: MainWindow, picture: np.ndarray, qtbot: QtBot, tmp_path: Path
) -> None:
    session = window.session
    rounded = current_file(session)
    refine_until_better(qtbot, window)
    assert session.choice.effort == session.effort == 2
    points = [(point.bpp, point.psnr) for point in session.trail]
    assert len(set(points)) > 2
    assert points[0] == (rounded.container.bpp, rounded.psnr)
    content = window.plot.content()
    file = current_file(session)
    assert content.trail == points and content.current == (file.container.bpp, file.psnr, True)
    if session.refining is not None:
        window.codec.refine.click()
    assert session.refining is None and not window.jobs.is_active("refine")
    file = current_file(session)
    assert file.choice.effort == 2 and cost(session, file, picture) < cost(session, rounded, picture)
    decoded = decode(file.data)
    assert np.array_equal(decoded.rgb, file.picture.rgb)
    assert np.array_equal(current_latents(session).y_hat, decoded.y_hat)
    window.files.save_jahp(tmp_path / "refined.jahp", force=False)
    qtbot.waitUntil((tmp_path / "refined.jahp").exists, timeout=WAIT_MS)
    assert (tmp_path / "refined.jahp").read_bytes() == file.data


def test_a_search_shares_the_cores_with_what_else_is_measured(
    explorer: Explorer, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Threads of all cores beside another job's wait for each other at every product."""
    running, release = explorer.jobs, threading.Event()
    share = explorer.controller.refining._share
    qtbot.waitUntil(lambda: running.idle, timeout=WAIT_MS)
    assert share() == work.ALL
    running.start("curves", lambda job: release.wait(60), kind="background")
    assert share() == work.HALF
    taken: list[float] = []
    monkeypatch.setattr(work, "use_cores", taken.append)
    job = jobs.Job(lambda job, value: None, lambda: False)
    search_clock(job, share)(0.5)
    release.set()
    qtbot.waitUntil(lambda: running.idle, timeout=WAIT_MS)
    search_clock(job, share)(0.5)
    assert taken == [work.HALF, work.ALL]


def test_a_refinement_that_ends_says_so_and_undo_and_redo_know_it(window: MainWindow, qtbot: QtBot) -> None:
    session = window.session
    rounded = current_file(session)
    told: list[str] = []
    session.message.connect(lambda text, _: told.append(text))
    window.codec.refine.click()
    qtbot.waitUntil(lambda: session.refining is None, timeout=WAIT_MS)
    refined = current_file(session)
    assert any(text.startswith("Refined: ") for text in told)
    assert not window.codec.refine.isEnabled()  # nothing is left to be found
    assert window.numbers.state.text().endswith(" · synthesis for searched latents")
    session.undo()
    assert window.numbers.state.text().endswith("digest checked")
    assert session.exact is rounded and session.effort == 0 and window.codec.refine.isEnabled()
    session.redo()
    assert session.exact is refined and session.effort == 2
    session.undo()
    window.codec.refine.click()  # what is known is shown at once
    assert session.refining is None and session.exact is refined


def test_refining_goes_on_beside_the_decoder_at_work(window: MainWindow, qtbot: QtBot, picture: np.ndarray) -> None:
    session, decoder = window.session, window.inside.decoder.decoder
    rounded = current_file(session)
    decoder.go_to(1)
    qtbot.waitUntil(lambda: decoder.frame is not None and window.jobs.activity() is None, timeout=WAIT_MS)
    told: list[str] = []
    session.message.connect(lambda text, _: told.append(text))
    window.codec.refine.click()  # the decoder follows, with a job that the status bar shows
    qtbot.waitUntil(lambda: session.refining is None, timeout=WAIT_MS)
    assert not any(text.startswith("Stopped") for text in told)
    assert cost(session, current_file(session), picture) < cost(session, rounded, picture)


@pytest.mark.parametrize("way", ["slider", "prior", "status bar", "undo"])
def test_another_setting_ends_refining(window: MainWindow, qtbot: QtBot, way: str) -> None:
    session = window.session
    session.set_effort(3)
    wait_for_file(qtbot, session)
    window.codec.refine.click()
    qtbot.waitUntil(lambda: len(session.trail) > 1, timeout=WAIT_MS)
    if way == "slider":
        window.codec.slider.setValue(window.codec.slider.value() + 7)
    elif way == "prior":
        session.set_choice(prior="factorized")
    elif way == "undo":
        session.undo()
    else:
        window.cancel_button.click()
    qtbot.waitUntil(lambda: session.refining is None, timeout=WAIT_MS)
    qtbot.waitUntil(lambda: "refine" not in window.jobs._running, timeout=WAIT_MS)
    assert session.choice.effort == (3 if way == "status bar" else 1)
    wait_for_file(qtbot, session)
    assert current_file(session).choice == session.choice
    assert session.effort == 3 and window.codec.refine.isEnabled()


def test_a_target_that_was_reached_leaves_the_refinement(
    window: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, searched, release = window.session, [], threading.Event()

    def find(*_: object) -> int:
        searched.append(session.choice.effort)
        release.wait(WAIT_MS / 1000)
        return 20

    monkeypatch.setattr(work, "find_target", find)
    session.set_target("bytes", 0.5)
    qtbot.waitUntil(lambda: bool(searched), timeout=WAIT_MS)
    assert not window.codec.refine.isEnabled() and not window.refining.can_start
    release.set()
    qtbot.waitUntil(lambda: session.choice.gain_index == 20 and session.exact is not None, timeout=WAIT_MS)
    qtbot.waitUntil(window.codec.refine.isEnabled, timeout=WAIT_MS)
    window.codec.refine.click()
    qtbot.waitUntil(lambda: session.refining is None, timeout=WAIT_MS)
    qtbot.wait(2 * REST_MS)
    assert searched == [0] and session.choice.effort == 2 and session.exact is not None


def test_a_refinement_without_any_gain_can_be_operated_on_and_damaged(
    window: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jahp_gui.gui.refining.refine", lambda *_: None)
    session, rounded = window.session, current_latents(window.session)
    window.codec.refine.click()
    qtbot.waitUntil(lambda: session.refining is None, timeout=WAIT_MS)
    assert current_file(session).found is None and current_file(session).choice.effort == 2
    assert current_latents(session).choice == session.choice and current_latents(session).maps is rounded.maps
    assert window.inside.surgery.surgery.base is session.latents
    shown = session.latents
    session.undo()
    session.redo()
    assert session.latents is shown, "edits of it are not made anew"


def test_undo_to_a_refinement_that_was_forgotten_leaves_what_can_be_redone(window: MainWindow, qtbot: QtBot) -> None:
    session = window.session
    session.set_choice(effort=2)  # whose file is not kept
    session.remember_choice()
    session.set_choice(gain_index=60)
    wait_for_file(qtbot, session)
    session.undo()
    wait_for_file(qtbot, session)
    assert session.choice.effort == 1 and session.choice.gain_index != 60 and session.can_redo
    session.redo()
    assert session.choice.gain_index == 60
    for _ in range(2):
        session.undo()
    assert session.choice.effort == 0 and not session.can_undo


def test_a_stroke_that_paints_nothing_leaves_the_refinement(window: MainWindow, qtbot: QtBot) -> None:
    session = window.session
    refine_until_better(qtbot, window)
    for tool in ("eraser", "rectangle"):
        session.set_paint(on=True, tool=tool, size=8)
        paint(qtbot, window.compare.canvas, (24, 24))
        assert session.mask is None and session.choice.effort == 2


def test_rounded_and_refined_are_compared_like_any_other(window: MainWindow, qtbot: QtBot) -> None:
    session = window.session
    rounded = current_file(session)
    session.set_compare(a=ROUNDED, b=REFINED)
    assert session.sides["b"] is None  # nothing is refined yet
    refine_until_better(qtbot, window)
    if session.refining is not None:
        window.codec.refine.click()
    a, b = session.sides["a"], session.sides["b"]
    assert a is not None and a.of is rounded
    assert b is not None and b.of is current_file(session)
    session.undo()
    assert session.sides["b"] is not None and session.sides["b"].of is b.of
    names = [window.compare.pickers["a"].box.itemText(row) for row in range(4)]
    assert names == ["Original", "Current setting", "Rounded (effort 0)", "Refined"]


def test_a_file_that_took_minutes_is_not_lost_at_the_end(
    window: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, picture_file: Path
) -> None:
    refine_until_better(qtbot, window)
    if window.session.refining is not None:
        window.codec.refine.click()
    data = current_file(window.session).data
    with monkeypatch.context() as patch:
        patch.setattr(QMessageBox, "exec", lambda _: QMessageBox.StandardButton.Cancel)
        assert not window.close() and window.isVisible()
        patch.setattr(QMessageBox, "exec", lambda _: QMessageBox.StandardButton.Save)
        assert window.close()
    assert picture_file.with_name("waves-refined.jahp").read_bytes() == data


def test_a_closed_image_takes_no_unsaved_file_with_it(
    window: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, picture_file: Path
) -> None:
    session, refining = window.session, window.refining
    item, file = session.current, current_file(session)
    assert item is not None
    other = ImageItem("other.png")
    session.add_items([other])
    for of in (item, other):
        refining._keep(of, file.choice, Kept(replace(file, data=of.name.encode()), gain=1.0))
    gone, asked = weakref.ref(item), []
    with monkeypatch.context() as patch:
        patch.setattr(QMessageBox, "exec", lambda box: asked.append(box.text()) or QMessageBox.StandardButton.Cancel)
        window.actions_table["close_image"].trigger()
        assert session.current is item and "not saved yet: waves.png." in asked[0]
        patch.setattr(QMessageBox, "exec", lambda _: QMessageBox.StandardButton.Save)
        window.images.remove_asked.emit(item)
    assert picture_file.with_name("waves-refined.jahp").read_bytes() == b"waves.png"
    assert session.items == [other] and refining.unsaved() == [(other, b"other.png")]
    window.actions_table["close_image"].trigger()  # and discard
    assert session.items == [] and refining.unsaved() == [] and not refining._kept
    del item, of
    qtbot.waitUntil(lambda: window.jobs.idle and gone() is None, timeout=WAIT_MS)


def test_files_of_a_model_that_was_frozen_again_are_not_shown_as_its_own(explorer: Explorer, qtbot: QtBot) -> None:
    session, refining = explorer.session, explorer.controller.refining
    card, file, item = session.card, current_file(session), session.current
    assert card is not None and item is not None
    refining._keep(item, file.choice, Kept(file, gain=1.0))
    session.use_card(card)
    assert refining.best(file.choice) is file
    session.use_card(replace(card, files=card.files | {"joint": "0" * 64}))
    assert refining.best(file.choice) is None and refining.unsaved() == [(item, file.data)]


def test_a_file_that_was_refined_of_another_picture_can_still_be_saved(explorer: Explorer) -> None:
    session, refining = explorer.session, explorer.controller.refining
    file, item = current_file(session), session.current
    assert item is not None
    session.set_mask(Mask.of_plane(96, 64, np.full((64, 96), 255, np.uint8)))
    refining._keep(item, session.choice, Kept(file, gain=1.0))
    session.renew_item(item)
    assert session.mask is None and session.choice.mask == 0
    assert not refining._kept and refining.unsaved() == [(item, file.data)]


def test_no_unsaved_file_makes_room_for_another(explorer: Explorer) -> None:
    refining, session = explorer.controller.refining, explorer.session
    file, items = current_file(session), [ImageItem(f"{number}.png") for number in range(14)]
    session.add_items(items)
    for number, item in enumerate(items):
        found = replace(file, data=bytes([number]))
        refining._keep(item, file.choice, Kept(found, gain=1.0, is_large=number >= 10))
    assert {data for _, data in refining.unsaved()} == {bytes([number]) for number in range(14)}
    in_memory = [item for item, _ in refining._kept]
    assert in_memory == items[2:10] + items[12:], "the large ones take no small one's place"
    refining._keep(items[0], file.choice, Kept(replace(file, data=bytes([0])), gain=1.0))  # refined once more
    assert len(refining.unsaved()) == 14, "none is asked about or written twice"
    for number in range(14):
        refining.note_saved(bytes([number]))
    assert refining.unsaved() == []


def test_a_search_of_a_large_image_makes_few_files(
    window: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jahp_gui.gui.refining.WRITING_SHARE", 1e9)
    window.codec.refine.click()
    qtbot.waitUntil(lambda: window.session.refining is None, timeout=WAIT_MS)
    assert len(window.session.trail) <= 3  # the start, the first candidate and the last


# ---------------------------------------------------------------- the region


def paint(qtbot: QtBot, canvas: CompareCanvas, *places: tuple[int, int]) -> None:
    """Press at the first place of the image, drag over the others, let go."""
    left = Qt.MouseButton.LeftButton
    points = [canvas.panes()[0].to_widget(QPointF(*place)).toPoint() for place in places]
    qtbot.mousePress(canvas, left, pos=points[0])
    for point in points[1:]:
        qtbot.mouseMove(canvas, point)
    qtbot.mouseRelease(canvas, left, pos=points[-1])


def mask_of(session: Session) -> Mask:
    assert session.mask is not None
    return session.mask


def test_painting_raises_the_effort_and_weights_the_file(window: MainWindow, picture: np.ndarray, qtbot: QtBot) -> None:
    session, canvas = window.session, window.compare.canvas
    rounded = current_file(session)
    told: list[str] = []
    session.message.connect(lambda text, _: told.append(text))
    window.actions_table["paint"].trigger()
    assert window.compare.region_bar.isVisibleTo(window)
    session.set_paint(size=24)
    paint(qtbot, canvas, (24, 16), (24, 32), (24, 48))
    mask = mask_of(session)
    assert session.choice.effort == 1 and "effort is now 1" in told[-1]
    weights = mask.weights()
    assert weights.shape == picture.shape[:2] and weights[32, 24] == 1
    assert weights[32, 90] == pytest.approx(0.1) and 0.1 < mask.share < 0.4
    wait_for_file(qtbot, session)
    after, file = current_latents(session), current_file(session)
    assert after.choice.mask == session.choice.mask and np.array_equal(decode(file.data).y_hat, after.y_hat)
    assert file.psnr_parts == mask.psnr_parts(picture, file.picture.rgb)
    assert file.psnr_parts is not None
    inside, outside = file.psnr_parts
    text = window.numbers.values["painted"].text()
    assert f"in {inside:.2f} dB · out {outside:.2f} dB" in text and "% of bits" in text
    session.undo()
    assert session.mask is None and session.exact is rounded
    assert not window.numbers.values["painted"].isVisibleTo(window)
    session.redo()
    assert mask_of(session) is mask


def test_bits_move_into_the_region_and_the_map_shows_it(window: MainWindow, qtbot: QtBot) -> None:
    session = window.session
    before = current_latents(session).maps.bits
    session.set_map(reference=WITHOUT_REGION)
    session.set_paint(on=True, tool="rectangle")
    session.set_outside(0.0)
    paint(qtbot, window.compare.canvas, (0, 0), (16, 30), (32, 64))
    wait_for_file(qtbot, session)
    window.codec.refine.click()
    qtbot.waitUntil(lambda: session.refining is None, timeout=2 * WAIT_MS)
    mask = mask_of(session)
    bits, shares = current_latents(session).maps.bits, mask.shares(Y_STRIDE)
    assert shares[:, :2].min() > 0.9 and shares[:, 2:].max() < 0.1
    shift = share_of_bits(bits, shares) / bits.sum() - share_of_bits(before, shares) / before.sum()
    assert shift > 0.01

    def is_there() -> bool:
        found = session.reference_latents
        return found is not None and (found.choice.effort, found.choice.mask) == (1, 0)

    qtbot.waitUntil(is_there, timeout=WAIT_MS)
    shown = window.maps.shown
    assert shown is not None
    assert shown.values[:, 2:].mean() < 0 and shown.values[:, 2:].mean() < shown.values[:, :2].mean()


def test_painting_makes_the_window_no_wider(window: MainWindow, qtbot: QtBot) -> None:
    before = window.minimumSizeHint().width()
    window.session.set_paint(on=True)
    assert window.minimumSizeHint().width() == before


def test_eraser_rectangle_and_clear(window: MainWindow, qtbot: QtBot) -> None:
    session, canvas = window.session, window.compare.canvas
    session.set_paint(on=True, tool="rectangle", size=16)
    paint(qtbot, canvas, (32, 16), (40, 40), (64, 48))
    inside = mask_of(session).inside()
    rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
    assert abs(rows[0] - 16) <= 1 and abs(rows[-1] - 47) <= 1
    assert abs(columns[0] - 32) <= 1 and abs(columns[-1] - 63) <= 1
    session.set_paint(tool="eraser")
    paint(qtbot, canvas, (48, 32), (48, 32))
    erased = mask_of(session).inside()
    assert not erased[32, 48] and erased[18, 34] and erased.sum() < inside.sum()
    session.undo()
    assert np.array_equal(mask_of(session).inside(), inside)
    window.compare.region_bar.clear.click()
    assert session.mask is None and canvas.region.tint is None
    paint(qtbot, canvas, (48, 32), (50, 32))  # nothing to erase
    assert session.mask is None


def test_keys_size_move_and_touch_the_brush_and_leave_the_slider_alone(window: MainWindow, qtbot: QtBot) -> None:
    session, canvas = window.session, window.compare.canvas
    gain_index = session.choice.gain_index
    window.activateWindow()
    canvas.setFocus()
    session.set_paint(on=True, size=20)
    qtbot.keyClick(canvas, Qt.Key.Key_BracketRight)
    assert session.paint.size == 26
    qtbot.keyClick(canvas, Qt.Key.Key_BracketLeft)
    assert session.paint.size == 20
    qtbot.keyClick(canvas, Qt.Key.Key_Left)
    qtbot.keyClick(canvas, Qt.Key.Key_Return)
    inside = mask_of(session).inside()
    assert inside[32, 38] and not inside[32, 60] and session.choice.gain_index == gain_index
    session.set_paint(on=False)
    qtbot.keyClick(canvas, Qt.Key.Key_BracketRight)
    assert session.choice.gain_index == gain_index + 1


def test_the_tint_lies_over_the_outside(window: MainWindow, qtbot: QtBot) -> None:
    session, canvas = window.session, window.compare.canvas
    session.set_paint(on=True, size=24)
    session.set_effort(1)  # without a message, for which the canvas makes room
    wait_for_file(qtbot, session)
    pane = canvas.panes()[0]
    places = [pane.to_widget(QPointF(*place)).toPoint() for place in ((24, 32), (80, 32))]

    def colours() -> list[int]:
        shown = canvas.grab().toImage()
        return [shown.pixel(place) for place in places]

    before = colours()
    paint(qtbot, canvas, (24, 32), (24, 36))
    canvas._move_brush(None)
    after = colours()
    assert after[0] == before[0] and after[1] != before[1]


def test_a_stroke_ends_with_its_image(window: MainWindow, explorer: Explorer, qtbot: QtBot, tmp_path: Path) -> None:
    path, session, canvas = tmp_path / "other.png", window.session, window.compare.canvas
    Image.fromarray(make_picture(48, 64)).save(path)
    session.set_paint(on=True, size=20)
    canvas.region.begin(QPointF(30, 30))
    explorer.files.open_paths([path])
    qtbot.waitUntil(lambda: session.current is not None and session.current.size == (64, 48), timeout=WAIT_MS)
    canvas.region.end()  # the button is let go over the other image
    assert session.mask is None
    canvas.region.stamp(QPointF(20, 20))
    assert mask_of(session).plane().shape == (48, 64)


def test_a_region_is_saved_and_loaded(window: MainWindow, qtbot: QtBot, tmp_path: Path) -> None:
    session = window.session
    session.set_paint(on=True, size=30)
    session.set_outside(0.2)
    paint(qtbot, window.compare.canvas, (30, 30), (60, 30))
    weights, path = mask_of(session).weights(), tmp_path / "region.png"
    window.files.save_region(path)
    qtbot.waitUntil(path.exists, timeout=WAIT_MS)
    with Image.open(path) as image:
        assert image.mode == "L" and image.size == (96, 64)
    session.set_mask(None)
    window.files.load_region(path)
    qtbot.waitUntil(lambda: session.mask is not None, timeout=WAIT_MS)
    assert np.allclose(mask_of(session).weights(), weights, atol=1 / 255)
    Image.new("L", (10, 10)).save(tmp_path / "small.png")
    with qtbot.waitSignal(session.message, timeout=WAIT_MS) as told:
        window.files.load_region(tmp_path / "small.png")
    assert told.args == ["small.png is not as large as the image: make them the same size.", "error"]


def test_each_image_keeps_its_region(window: MainWindow, qtbot: QtBot, tmp_path: Path, picture_file: Path) -> None:
    session = window.session
    first = session.current
    session.set_paint(on=True, size=30)
    paint(qtbot, window.compare.canvas, (24, 24), (24, 40))
    mask = mask_of(session)
    Image.fromarray(make_picture(48, 80, seed=1)).save(tmp_path / "other.png")
    window.files.open_paths([tmp_path / "other.png"])
    qtbot.waitUntil(lambda: session.current is not first and session.exact is not None, timeout=WAIT_MS)
    assert session.mask is None
    session.undo()
    assert session.mask is None  # the other image's region never comes back here
    session.select(first)
    wait_for_file(qtbot, session)
    assert mask_of(session) is mask and current_file(session).choice.mask == session.choice.mask


def test_a_mask_of_a_large_image_is_small() -> None:
    plane_shape = (1500, 2000)
    mask = Mask.of_plane(4000, 3000, np.zeros((750, 1000), np.uint8))
    assert mask.step == 4 and mask.plane().size < np.prod(plane_shape) and mask.weights().shape == (3000, 4000)


def test_psnr_inside_and_outside_are_those_of_the_pixels() -> None:
    a, b = make_picture(40, 56), make_picture(40, 56, seed=3)
    plane = np.zeros((40, 56), np.uint8)
    plane[:, :20] = 255
    mask = Mask.of_plane(56, 40, plane)
    parts = metrics.psnr(a[:, :20], b[:, :20]), metrics.psnr(a[:, 20:], b[:, 20:])
    assert mask.psnr_parts(a, b) == pytest.approx(parts)
    assert mask.shares(16)[0].tolist() == [1, 0.25, 0, 0]
