"""Every panel: what it shows is what the codec says, what the user does reaches the session."""

import csv
import shutil
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from gui_helpers import WAIT_MS, make_picture, window_of
from PIL import Image
from PySide6.QtCore import QEvent, QLocale, QPoint, QPointF, QRect, QSize, Qt
from PySide6.QtGui import QColor, QKeyEvent, QWheelEvent
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from jahp_gui.codec import Encoded, Model, analyse, decode, encode, latent_views, metrics
from jahp_gui.codec.errors import ImageError
from jahp_gui.codec.importance import Mask
from jahp_gui.evaluation.classical import ClassicalCodec, get_codec
from jahp_gui.evaluation.classical_process import CodecProcess
from jahp_gui.gui import captions, exporting, plotting, theme, work
from jahp_gui.gui.app import Explorer
from jahp_gui.gui.batch import BatchDialog, compress_folder
from jahp_gui.gui.imaging import Pyramid, colour_table
from jahp_gui.gui.jobs import Job
from jahp_gui.gui.main_window import MainWindow
from jahp_gui.gui.panels import numbers_panel
from jahp_gui.gui.panels.maps_panel import automatic_range
from jahp_gui.gui.panels.widgets import DecimalBox
from jahp_gui.gui.plot_view import PlotRenderer, PlotView
from jahp_gui.gui.plotting import PlotContent, table_rows
from jahp_gui.gui.results import Choice, CurvePoint, Curves, ImageItem, LatentResult, SeriesKey, Source
from jahp_gui.gui.view_choices import PlotChoice


@pytest.fixture
def window(explorer: Explorer) -> MainWindow:
    assert explorer.window is not None
    explorer.window.resize(1280, 800)
    QApplication.processEvents()
    return explorer.window


def wait_for_file(qtbot: QtBot, window: MainWindow) -> None:
    qtbot.waitUntil(lambda: window.session.exact is not None, timeout=WAIT_MS)


def pixel(widget: QWidget, x: float, y: float) -> QColor:
    return widget.grab().toImage().pixelColor(round(x), round(y))


def rgb_at(colour: QColor) -> tuple[int, int, int]:
    return colour.red(), colour.green(), colour.blue()


def press(widget: QWidget, key: Qt.Key, modifiers: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
    QApplication.sendEvent(widget, QKeyEvent(QEvent.Type.KeyPress, key, modifiers))


def release(widget: QWidget, key: Qt.Key) -> None:
    QApplication.sendEvent(widget, QKeyEvent(QEvent.Type.KeyRelease, key, Qt.KeyboardModifier.NoModifier))


# ---------------------------------------------------------------- codec panel


def test_the_slider_has_its_ticks_at_the_anchors(window: MainWindow) -> None:
    session, slider = window.session, window.codec.slider
    assert session.card is not None
    assert slider.maximum() == 16 * (len(session.card.lmbda_anchors) - 1)
    slider.setValue(3 * 16)
    assert session.lmbda == session.card.lmbda_anchors[3]
    assert slider.labels[3] == ".0128"
    press(slider, Qt.Key.Key_PageUp)
    assert session.lmbda == session.card.lmbda_anchors[4]
    press(slider, Qt.Key.Key_Left)
    assert session.choice.gain_index == 63


def test_an_entered_lambda_goes_to_the_nearest_step_and_shows_it(window: MainWindow, qtbot: QtBot) -> None:
    entry, session = window.codec.entry, window.session
    entry.selectAll()
    qtbot.keyClicks(entry, "0,021")
    qtbot.keyClick(entry, Qt.Key.Key_Return)
    assert session.card is not None
    assert session.choice.gain_index == Model(session.card).gain_index(0.021)
    assert float(entry.text()) == pytest.approx(session.lmbda, abs=5e-5)


def test_nonsense_in_the_entry_is_told_and_changes_nothing(window: MainWindow, qtbot: QtBot) -> None:
    before = window.session.choice
    window.codec.entry.selectAll()
    qtbot.keyClicks(window.codec.entry, "much")
    qtbot.keyClick(window.codec.entry, Qt.Key.Key_Return)
    assert window.session.choice == before and "positive number" in window.message_bar.label.text()


def test_choosing_a_target_starts_from_what_there_is(window: MainWindow) -> None:
    panel, session = window.codec, window.session
    assert session.exact is not None
    panel.target.setCurrentIndex(panel.target.findData("psnr"))
    panel.target.activated.emit(0)
    assert session.target == ("psnr", round(session.exact.psnr or 0, 2))
    assert panel.target_value.isVisible() and panel.target_value.suffix() == " dB"


@pytest.mark.parametrize("typed", ["12.5", "12,5"])
@pytest.mark.parametrize("country", ["de_DE", "en_US", "fr_CH"])
def test_a_typed_number_is_the_same_in_every_country(qtbot: QtBot, country: str, typed: str) -> None:
    """Qt's own box makes 125 kB of 12.5 where the point separates thousands."""
    usual = QLocale()
    QLocale.setDefault(QLocale(country))
    try:
        box = DecimalBox()
    finally:
        QLocale.setDefault(usual)
    qtbot.addWidget(box)
    box.setRange(1, 100_000)
    box.setSuffix(" kB")
    box.selectAll()
    qtbot.keyClicks(box, typed)
    qtbot.keyClick(box, Qt.Key.Key_Return)
    assert (box.value(), box.text()) == (12.5, "12.50 kB")


def test_an_unreachable_target_is_told(window: MainWindow, qtbot: QtBot) -> None:
    with qtbot.waitSignal(window.session.message, timeout=WAIT_MS) as told:
        window.session.set_target("psnr", 60.0)
    assert told.args is not None and "cannot be reached" in told.args[0]


# ---------------------------------------------------------------- numbers


def test_the_selection_has_its_bits_and_psnr(window: MainWindow, picture: np.ndarray) -> None:
    session = window.session
    session.set_selection(QRect(16, 0, 32, 48))
    assert session.latents is not None and session.exact is not None
    bits = latent_views.region_bits(session.latents.maps, latent_views.Region(16, 0, 32, 48), 96, 64)
    psnr = metrics.psnr(picture[0:48, 16:48], session.exact.picture.rgb[0:48, 16:48])
    text = window.numbers.values["region"].text()
    assert "32×48" in text and f"{bits:,.0f} bit" in text and f"{psnr:.2f} dB" in text


def test_a_large_selection_has_its_psnr_when_the_mouse_rests(
    window: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(numbers_panel, "QUICK_PIXELS", 100)
    computed, psnr = [], metrics.psnr  # shapes; curves are measured meanwhile

    def counting(a: np.ndarray, b: np.ndarray) -> float:
        computed.append(a.shape[:2])
        return psnr(a, b)

    monkeypatch.setattr(metrics, "psnr", counting)
    text = window.numbers.values["region"].text
    for side in range(20, 60, 10):
        window.session.set_selection(QRect(0, 0, side, side))
        assert text().endswith("…") and (side, side) not in computed
    qtbot.waitUntil(lambda: text().endswith("dB"), timeout=WAIT_MS)
    window.session.results_changed.emit()
    assert text().endswith("dB") and computed.count((50, 50)) == 1
    window.session.set_selection(QRect(0, 0, 9, 9))
    assert text().endswith("dB")


def test_parts_of_the_file_add_up(window: MainWindow) -> None:
    assert window.session.exact is not None
    parts = window.numbers.values["parts"].text()
    assert [part.split()[0] for part in parts.split(" · ")] == ["header", "ẑ", "ŷ"]
    assert sum(int(part.split()[1].replace(",", "")) for part in parts.split(" · ")) == len(window.session.exact.data)


# ---------------------------------------------------------------- comparison


def test_side_by_side_shows_both_pictures_at_the_same_place(window: MainWindow, picture: np.ndarray) -> None:
    canvas, session = window.compare.canvas, window.session
    session.view.zoom_to(8.0)
    point = session.view.centre
    x, y = int(point.x()), int(point.y())
    assert session.sides["b"] is not None
    for pane, rgb in zip(canvas.panes(), (picture, session.sides["b"].picture.rgb), strict=True):
        place = pane.to_widget(QPointF(x + 0.5, y + 0.5))
        assert rgb_at(pixel(canvas, place.x(), place.y())) == tuple(rgb[y, x])


def test_at_100_percent_an_image_pixel_is_a_device_pixel(window: MainWindow, picture: np.ndarray) -> None:
    window.session.set_compare(mode="blink", a=Source("original"))
    window.actions_table["zoom_100"].trigger()
    canvas = window.compare.canvas
    canvas.blink(True)
    corner = canvas.panes()[0].image_rect(QRect(0, 0, 96, 64).toRectF()).topLeft()
    shown = canvas.grab().toImage()
    for dx, dy in ((0, 63), (50, 40), (95, 63)):
        x, y = round(corner.x()) + dx, round(corner.y()) + dy
        assert rgb_at(shown.pixelColor(x, y)) == tuple(picture[dy, dx])


def test_swipe_shows_a_left_and_b_right_and_the_arrow_keys_move_the_divider(
    window: MainWindow, picture: np.ndarray
) -> None:
    session, canvas = window.session, window.compare.canvas
    window.actions_table["mode_swipe"].trigger()
    assert session.sides["b"] is not None
    place = canvas.panes()[0].to_widget(QPointF(30.5, 50.5))
    canvas.move_divider((place.x() + 30) / canvas.width())
    assert rgb_at(pixel(canvas, place.x(), place.y())) == tuple(picture[50, 30])
    canvas.move_divider((place.x() - 30) / canvas.width())
    assert rgb_at(pixel(canvas, place.x(), place.y())) == tuple(session.sides["b"].picture.rgb[50, 30])
    before = canvas.divider
    press(canvas, Qt.Key.Key_Right, Qt.KeyboardModifier.ShiftModifier)
    assert canvas.divider == pytest.approx(before + 0.1)
    press(canvas, Qt.Key.Key_Left)
    assert canvas.divider == pytest.approx(before + 0.09)


def test_the_mouse_drags_the_divider(window: MainWindow, qtbot: QtBot) -> None:
    canvas = window.compare.canvas
    window.session.set_compare(mode="swipe")
    start = QPoint(round(canvas.divider_x()), canvas.height() // 2)
    qtbot.mousePress(canvas, Qt.MouseButton.LeftButton, pos=start)
    qtbot.mouseMove(canvas, start + QPoint(60, 0))
    qtbot.mouseMove(canvas, start + QPoint(120, 0))
    qtbot.mouseRelease(canvas, Qt.MouseButton.LeftButton, pos=start + QPoint(120, 0))
    assert canvas.divider_x() == pytest.approx(start.x() + 120, abs=1)


def test_blink_shows_a_while_the_space_bar_is_held(window: MainWindow, picture: np.ndarray) -> None:
    session, canvas = window.session, window.compare.canvas
    window.actions_table["mode_blink"].trigger()
    assert session.sides["b"] is not None
    place = canvas.panes()[0].to_widget(QPointF(60.5, 50.5))
    b = tuple(session.sides["b"].picture.rgb[50, 60])
    assert rgb_at(pixel(canvas, place.x(), place.y())) == b
    press(canvas, Qt.Key.Key_Space)
    assert rgb_at(pixel(canvas, place.x(), place.y())) == tuple(picture[50, 60])
    release(canvas, Qt.Key.Key_Space)
    assert rgb_at(pixel(canvas, place.x(), place.y())) == b


def test_the_space_bar_blinks_wherever_the_focus_is(window: MainWindow, qtbot: QtBot) -> None:
    canvas = window.compare.canvas
    qtbot.keyPress(window.codec.slider, Qt.Key.Key_Space)
    assert canvas.blinking
    qtbot.keyRelease(window.codec.slider, Qt.Key.Key_Space)
    assert not canvas.blinking


def test_delete_in_the_list_closes_the_image_and_edits_no_latents(
    window: MainWindow, qtbot: QtBot, tmp_path: Path, picture_file: Path
) -> None:
    window.files.open_paths([shutil.copy(picture_file, tmp_path / "other.png")])
    qtbot.waitUntil(lambda: len(window.session.items) == 2, timeout=WAIT_MS)
    window.activateWindow()
    window.images.list.setFocus()
    qtbot.keyClick(window.images.list, Qt.Key.Key_Delete)
    assert len(window.session.items) == 1 and (tmp_path / "other.png").exists()
    assert window.right_tabs.currentWidget() is window.maps


def test_the_difference_says_what_it_is_of(window: MainWindow, qtbot: QtBot) -> None:
    session = window.session
    session.set_compare(mode="difference", a=Source("classical", "jpeg420"))
    session.set_choice(gain_index=112)
    qtbot.waitUntil(lambda: session.sides["a"] is not None and session.exact is not None, timeout=WAIT_MS)
    names = [captions.side_name(side, session.lmbda_at) for side in session.sides.values() if side is not None]
    assert names[0].startswith("JPEG 4:2:0 quality ") and names[1] == "Joint · λ 0.2"


def test_the_difference_is_amplified_by_the_gain(window: MainWindow, qtbot: QtBot, picture: np.ndarray) -> None:
    session, canvas = window.session, window.compare.canvas
    window.actions_table["mode_difference"].trigger()
    qtbot.waitUntil(lambda: session.difference is not None, timeout=WAIT_MS)
    window.compare.gain.setValue(5)
    assert session.sides["b"] is not None
    other = session.sides["b"].picture.rgb[50, 60].astype(int)
    expected = np.minimum(5 * np.abs(picture[50, 60] - other), 255)
    place = canvas.panes()[0].to_widget(QPointF(60.5, 50.5))
    assert rgb_at(pixel(canvas, place.x(), place.y())) == tuple(expected)


@pytest.mark.parametrize(
    ("latents", "stride", "cells"), [("y", 16, [(0, 3), (5, 2), (2, 1)]), ("z", 64, [(0, 0), (1, 0)])]
)
def test_the_map_lies_on_the_grid_of_the_latents(
    window: MainWindow, latents: str, stride: int, cells: list[tuple[int, int]]
) -> None:
    session, canvas = window.session, window.compare.canvas
    session.set_map(latents=latents)
    session.set_compare(mode="blink", overlay=True, opacity=1.0)
    shown = window.maps.shown
    assert shown is not None
    table = colour_table(shown.colours)
    for column, row in cells:
        index = int(np.clip(shown.values[row, column] / shown.high * 255 + 0.5, 0, 255))
        left, top = stride * column, stride * row
        right, bottom = min(left + stride, 96), min(top + stride, 64)
        for x, y in ((left + 0.5, top + 0.5), (right - 0.5, bottom - 0.5)):  # first and last pixel of the block
            place = canvas.panes()[0].to_widget(QPointF(x, y))
            assert rgb_at(pixel(canvas, place.x(), place.y())) == tuple(table[index])


def test_the_wheel_zooms_to_the_cursor(window: MainWindow) -> None:
    canvas, view = window.compare.canvas, window.session.view
    position = QPointF(50.0, canvas.height() / 2)
    anchor = canvas.image_point(position)
    wheel = QWheelEvent(
        position,
        canvas.mapToGlobal(position),
        QPoint(),
        QPoint(0, 480),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    before = view.scale
    QApplication.sendEvent(canvas, wheel)
    assert view.scale == pytest.approx(before * 1.25**4)
    assert abs(canvas.image_point(position).y() - anchor.y()) < 0.5


def test_shift_drag_selects_whole_pixels(window: MainWindow, qtbot: QtBot) -> None:
    canvas, session = window.compare.canvas, window.session
    pane = canvas.panes()[1]
    start, end = (pane.to_widget(QPointF(*point)).toPoint() for point in ((10.5, 20.5), (40.5, 30.5)))
    shift = Qt.KeyboardModifier.ShiftModifier
    qtbot.mousePress(canvas, Qt.MouseButton.LeftButton, shift, start)
    qtbot.mouseMove(canvas, (start + end) / 2)
    qtbot.mouseMove(canvas, end)
    qtbot.mouseRelease(canvas, Qt.MouseButton.LeftButton, shift, end)
    assert session.selection == QRect(10, 20, 31, 11)
    window.actions_table["clear_selection"].trigger()
    assert session.selection is None


def test_values_under_the_cursor_are_those_of_both_pictures_and_the_latent(
    window: MainWindow, picture: np.ndarray
) -> None:
    session = window.session
    assert session.sides["b"] is not None and session.latents is not None
    texts = window.compare.values_at(QPoint(37, 50))
    a = " ".join(str(value) for value in picture[50, 37])
    b = " ".join(str(value) for value in session.sides["b"].picture.rgb[50, 37])
    bits = session.latents.maps.bits[3, 2].sum()
    assert texts == ["x 37  y 50", f"A {a}", f"B {b}", f"y (2, 3): {bits:.1f} bit"]
    label = window.compare.pixel
    window.compare.show_values(QPoint(37, 50))
    assert label.text() == "   ".join(texts)
    label.setFixedWidth(label.fontMetrics().horizontalAdvance("   ".join(texts)) - 5)
    window.compare.show_values(QPoint(37, 50))
    assert label.text() == "   ".join(texts[:3])  # no half number


def test_a_side_can_hold_another_prior_at_its_own_lambda(window: MainWindow, qtbot: QtBot, picture: np.ndarray) -> None:
    session, picker = window.session, window.compare.pickers["a"]
    picker.box.setCurrentIndex(picker._index_of(("prior", "factorized")))
    picker.box.activated.emit(picker.box.currentIndex())
    picker.lmbda.setText("0.2")
    picker.lmbda.editingFinished.emit()
    assert session.compare.a == Source("prior", "factorized", 112)

    def is_there() -> bool:
        side = session.sides["a"]
        return side is not None and side.source.gain_index == 112

    qtbot.waitUntil(is_there, timeout=WAIT_MS)
    side = session.sides["a"]
    assert side is not None
    expected = encode(Model.load("tiny"), picture, prior="factorized", lmbda=0.2)
    np.testing.assert_array_equal(side.picture.rgb, decode(expected.data).rgb)
    session.set_choice(gain_index=5)  # the slider moves, the held side stays
    wait_for_file(qtbot, window)
    assert session.sides["a"] is not None and session.sides["a"].picture is side.picture


@pytest.mark.parametrize("typed", ["0", "-1", "nan", "inf", "much"])
def test_a_lambda_that_is_no_positive_number_is_told(window: MainWindow, typed: str) -> None:
    source, picker = Source("prior", "factorized"), window.compare.pickers["a"]
    window.session.set_compare(a=source)
    picker.lmbda.setText(typed)
    picker.lmbda.editingFinished.emit()
    assert window.session.compare.a == source and "positive number" in window.message_bar.label.text()


def test_a_codec_that_cannot_hold_the_image_is_tried_and_told_once(
    window: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, tried = window.session, []
    told: list[str] = []
    session.message.connect(lambda text, _: told.append(text))

    def refuse(_process: object, codec: ClassicalCodec, *_: object) -> None:
        tried.append(codec.key)
        raise ImageError("WebP cannot store it.")

    monkeypatch.setattr(work, "make_classical", refuse)
    session.set_compare(b=Source("classical", "webp"))
    qtbot.waitUntil(lambda: bool(told), timeout=WAIT_MS)
    for _ in range(2):
        session.compare_changed.emit()
    assert window.compare.canvas._missing_text("b") == "WebP cannot store it." and not window.jobs.is_active("side b")
    session.set_choice(gain_index=90)
    qtbot.waitUntil(lambda: len(tried) == 2 and not window.jobs.is_active("side b"), timeout=WAIT_MS)
    assert tried == ["webp", "webp"] and told == ["WebP cannot store it."]
    session.set_compare(b=Source("prior", "context"))
    assert window.compare.canvas._missing_text("b") == "Being made…"


def test_a_codec_that_cannot_hold_the_image_leaves_the_others_their_curves() -> None:
    rgb = np.zeros((1, 17_000, 3), np.uint8)  # WebP ends at 16,383
    codecs = [get_codec("webp"), get_codec("jpeg420")]
    points = work.classical_points(CodecProcess(), rgb, codecs, Job(print, lambda: False))
    assert {key.name for key, _ in points} == {"jpeg420"}


# ---------------------------------------------------------------- latent maps


def test_the_map_is_the_sum_of_the_bits_of_the_coder(window: MainWindow, picture: np.ndarray) -> None:
    expected = analyse(Model.load("tiny"), picture, prior="joint", lmbda=window.session.lmbda)
    assert window.maps.shown is not None
    np.testing.assert_allclose(window.maps.shown.values, expected.maps.bits.sum(2), rtol=1e-5)


@pytest.mark.parametrize("quantity", latent_views.QUANTITIES["y"])
def test_a_channel_of_every_quantity_is_shown_with_value_and_place(window: MainWindow, quantity: str) -> None:
    session, maps = window.session, window.maps
    session.set_map(quantity=quantity, channel=2)
    assert session.latents is not None and maps.shown is not None
    expected = latent_views.values(session.latents.maps, session.latents.y_hat, quantity)[1, 4, 2]
    text = maps.text_at(QPoint(4, 1))
    assert text.startswith(f"{float(expected):.4g} ")
    assert "channel 2" in text and "y (4, 1)" in text and "pixels 64–79, 16–31" in text


def test_side_information_has_its_own_grid(window: MainWindow) -> None:
    window.session.set_map(latents="z")
    assert window.session.latents is not None and window.maps.shown is not None
    z_bits = window.session.latents.maps.z_bits
    assert z_bits is not None
    np.testing.assert_allclose(window.maps.shown.values, z_bits.sum(2), rtol=1e-5)
    assert "pixels 64–127, 0–63" in window.maps.text_at(QPoint(1, 0))


def test_a_prior_without_side_information_says_so(window: MainWindow, qtbot: QtBot) -> None:
    session = window.session
    session.set_choice(prior="context")
    qtbot.waitUntil(lambda: session.latents is not None and session.latents.choice == session.choice, timeout=WAIT_MS)
    session.set_map(latents="z")
    assert window.maps.shown is None and "no side information" in window.maps.map.text


def test_the_difference_of_two_priors_is_of_the_same_latents(
    window: MainWindow, qtbot: QtBot, picture: np.ndarray
) -> None:
    window.session.set_map(reference="factorized")
    qtbot.waitUntil(lambda: window.maps.shown is not None, timeout=WAIT_MS)
    model, lmbda = Model.load("tiny"), window.session.lmbda
    joint, factorized = (analyse(model, picture, prior=name, lmbda=lmbda) for name in ("joint", "factorized"))
    assert window.maps.shown is not None
    expected = joint.maps.bits.sum(2) - factorized.maps.bits.sum(2)
    np.testing.assert_allclose(window.maps.shown.values, expected, atol=1e-3)
    assert window.maps.shown.low == -window.maps.shown.high
    total = f"{expected.sum(dtype=np.float64):+,.0f}".replace("-", "−")
    assert window.maps.info.text() == f"{total} bit in all, of y alone"
    window.session.set_map(quantity="sigma")
    qtbot.waitUntil(lambda: window.maps.info.text() == "", timeout=WAIT_MS)  # scales do not add up


def test_a_difference_of_searched_latents_ends_with_them(
    make_explorer: Callable[..., Explorer], qtbot: QtBot, picture_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "LARGE_PIXELS", 1_000)  # the rounded latents are made last
    explorer = make_explorer(picture_file)
    session = explorer.session
    qtbot.waitUntil(lambda: session.latents is not None, timeout=WAIT_MS)

    def wait_for_reference(effort: int) -> LatentResult:
        qtbot.waitUntil(
            lambda: (
                session.latents is not None
                and session.latents.choice == session.choice
                and session.reference_latents is not None
                and session.reference_latents.choice == replace(session.choice, prior="factorized")
                and explorer.jobs.activity() is None
            ),
            timeout=WAIT_MS,
        )
        assert session.choice.effort == effort and session.reference_latents is not None
        return session.reference_latents

    session.set_effort(1)
    session.set_choice(gain_index=70, effort=1)
    session.set_map(reference="factorized")
    searched = wait_for_reference(1)
    session.set_effort(0)
    assert wait_for_reference(0) is not searched


def test_a_difference_is_never_shown_under_another_priors_name(
    window: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    window.session.set_map(reference="factorized")
    qtbot.waitUntil(lambda: window.maps.shown is not None, timeout=WAIT_MS)
    assert window.maps.shown is not None
    before, go_on, original = window.maps.shown.values, threading.Event(), work.quick_latents

    def slow(*arguments: Any) -> LatentResult:
        assert go_on.wait(WAIT_MS / 1000)
        return original(*arguments)

    monkeypatch.setattr(work, "quick_latents", slow)
    window.session.set_map(reference="context")
    assert window.maps.shown is None and window.maps.map.text == "Being made…"
    window.session.set_map(reference="scale-hyperprior")  # the one before may still end
    go_on.set()
    qtbot.waitUntil(lambda: window.maps.shown is not None, timeout=WAIT_MS)
    reference = window.session.reference_latents
    assert reference is not None and reference.choice.prior == "scale-hyperprior"
    assert window.maps.shown is not None and not np.array_equal(window.maps.shown.values, before)


def test_of_a_large_image_the_map_to_subtract_is_measured_when_the_slider_rests(
    make_explorer: Callable[..., Explorer], qtbot: QtBot, picture_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "LARGE_PIXELS", 1_000)
    explorer = make_explorer(picture_file)
    session = explorer.session
    session.set_map(reference="context")
    qtbot.waitUntil(lambda: session.reference_latents is not None, timeout=WAIT_MS)
    measured: list[Choice] = []
    quick_latents = work.quick_latents

    def watched(analysed: work.Analysed, choice: Choice, *rest: Any) -> LatentResult:
        measured.append(choice)
        return quick_latents(analysed, choice, *rest)

    monkeypatch.setattr(work, "quick_latents", watched)
    for gain_index in (60, 61, 62):
        session.set_choice(gain_index=gain_index)
        assert not explorer.jobs.is_active("reference")
    wanted = replace(session.choice, prior="context")
    qtbot.waitUntil(
        lambda: session.reference_latents is not None and session.reference_latents.choice == wanted, timeout=WAIT_MS
    )
    assert measured == [wanted]


def test_maps_of_a_large_image_come_back_with_undo(
    make_explorer: Callable[..., Explorer], qtbot: QtBot, picture_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of which the latents of two settings are kept, and three are wanted."""
    monkeypatch.setattr(work, "LARGE_PIXELS", 1_000)
    explorer = make_explorer(picture_file)
    session = explorer.session

    def wait_for_map() -> None:
        assert explorer.window is not None
        maps = explorer.window.maps
        qtbot.waitUntil(
            lambda: (
                session.exact is not None
                and session.latents is not None
                and session.latents.choice == session.choice
                and maps.shown is not None
            ),
            timeout=WAIT_MS,
        )

    wait_for_map()
    session.set_map(reference="context")
    for gain_index in (60, 70):
        session.set_choice(gain_index=gain_index)
        session.remember_choice()
        wait_for_map()
    session.undo()
    assert session.choice.gain_index == 60
    wait_for_map()


def test_a_fixed_range_stays_when_the_prior_changes(window: MainWindow, qtbot: QtBot) -> None:
    session = window.session
    window.maps.fixed.setChecked(True)
    fixed = session.map_choice.fixed
    assert fixed is not None
    session.set_choice(prior="factorized")
    qtbot.waitUntil(lambda: session.latents is not None and session.latents.choice == session.choice, timeout=WAIT_MS)
    assert window.maps.shown is not None
    assert (window.maps.shown.low, window.maps.shown.high) == fixed == (window.maps.bar.low, window.maps.bar.high)


def test_the_grid_sorts_channels_by_bits_and_a_click_chooses_one(window: MainWindow, qtbot: QtBot) -> None:
    session, maps = window.session, window.maps
    maps.show_page(1)
    assert session.latents is not None
    bits = latent_views.channel_bits(session.latents.maps)
    cells = maps.grid.cells
    assert cells.order[0] == int(bits.argmax())
    assert list(bits[cells.order]) == sorted(bits, reverse=True)
    qtbot.mouseClick(cells, Qt.MouseButton.LeftButton, pos=cells.cell_rect(1).center())
    assert session.map_choice.channel == cells.order[1]
    assert maps.pages.currentWidget() is maps.map


def test_a_clicked_cell_is_outlined_in_the_picture(window: MainWindow, qtbot: QtBot) -> None:
    target = window.maps.map.target()
    cell = target.width() / 6
    place = QPointF(target.left() + 2.5 * cell, target.top() + 1.5 * cell).toPoint()
    qtbot.mouseClick(window.maps.map, Qt.MouseButton.LeftButton, pos=place)
    assert window.session.marked == ("y", 2, 1)
    canvas = window.compare.canvas
    edge = canvas.panes()[0].image_rect(QRect(32, 16, 16, 16).toRectF())
    assert rgb_at(pixel(canvas, edge.left(), edge.center().y())) == (255, 255, 255)


def test_the_arrow_keys_walk_over_the_map(window: MainWindow) -> None:
    window.session.mark(("y", 2, 1))
    press(window.maps.map, Qt.Key.Key_Right)
    press(window.maps.map, Qt.Key.Key_Down)
    assert window.session.marked == ("y", 3, 2)
    assert "y (3, 2)" in window.maps.info.text()
    for _ in range(5):
        press(window.maps.map, Qt.Key.Key_Down)
    assert window.session.marked == ("y", 3, 3)  # the last row


def test_the_automatic_range_ignores_single_outliers() -> None:
    values = np.concatenate([np.linspace(-1, 1, 100_000), [1000.0]])
    assert automatic_range(values, "coolwarm")[1] == pytest.approx(1.0, abs=0.01)
    assert automatic_range(np.zeros(4), "viridis") == (0.0, 1.0)


# ---------------------------------------------------------------- plot


@pytest.fixture
def curves(window: MainWindow, qtbot: QtBot) -> Curves:
    qtbot.waitUntil(lambda: window.session.curves.complete, timeout=2 * WAIT_MS)
    qtbot.waitUntil(lambda: window.plot.view.rendered is not None, timeout=WAIT_MS)
    return window.session.curves


def test_the_points_are_real_files_of_every_prior_and_codec(
    window: MainWindow, curves: Curves, picture: np.ndarray
) -> None:
    model = Model.load("tiny")
    keys = list(curves.points)
    assert [key.name for key in keys if key.kind == "prior"] == captions.ordered_priors(model.card.priors)
    for prior in ("context", "factorized"):
        for point in curves.points[SeriesKey("prior", prior)][::3]:
            assert point.gain_index is not None
            encoded = encode(model, picture, prior=prior, lmbda=model.lmbda(point.gain_index))
            assert point.n_bytes == len(encoded.data) and point.bpp == encoded.container.bpp
            assert point.psnr == pytest.approx(metrics.psnr(picture, decode(encoded.data).rgb), abs=0.01)
    jpeg = curves.points[SeriesKey("classical", "jpeg420")][4]
    assert jpeg.quality is not None
    assert jpeg.n_bytes == len(get_codec("jpeg420").encode(picture, jpeg.quality))


def test_estimates_of_all_priors_come_before_their_files(tiny_model: Model) -> None:
    rgb = make_picture(300, 420)
    priors = ["joint", "factorized"]
    job = Job(lambda _: None, lambda: False)
    found = list(work.prior_points(tiny_model, rgb, priors, job))
    estimates = found[: len(priors) * len(tiny_model.gain_indices[::16])]
    assert all(point.is_estimate for _, point in estimates)
    assert sum(not point.is_estimate for _, point in found) == len(estimates)
    curves = Curves()
    for key, point in found:
        curves.add(key, point)
    for key, estimate in estimates:
        assert estimate not in curves.points[key]
        (real,) = (point for point in curves.points[key] if point.gain_index == estimate.gain_index)
        assert not real.is_estimate and real.psnr == estimate.psnr
        assert estimate.n_bytes == pytest.approx(real.n_bytes, rel=0.15)
        last = [point for of, point in found if of == key and point.gain_index == estimate.gain_index][-2]
        if estimate.gain_index > 0:  # set right by the file before
            assert last.is_estimate and last.n_bytes == pytest.approx(real.n_bytes, rel=0.04)
    assert [key.name for key in curves.points] == ["factorized", "joint"]  # from the simplest on
    curves.add(*found[0])
    assert found[0][1] not in curves.points[found[0][0]]  # an estimate that comes late replaces nothing


def test_a_point_is_hollow_while_estimated_and_solid_from_its_file(qapp: object) -> None:
    key, renderer = SeriesKey("prior", "joint"), PlotRenderer()
    for is_estimate in (True, False):
        curves = Curves()
        for n in range(5):
            curves.add(key, CurvePoint(0.2 + 0.1 * n, 30 + n, None, 1, gain_index=n, is_estimate=is_estimate))
        content = PlotContent(curves, PlotChoice(), theme.LIGHT)
        rendered = renderer.render(content, QSize(500, 300), 1.0)
        place = rendered.position(0.4, 32).toPoint()
        colour = rendered.image.pixelColor(place)
        expected = QColor(theme.LIGHT.panel if is_estimate else theme.series_colour("joint"))
        assert colour == expected
    assert table_rows(curves, float)[1:] and not table_rows(_only_estimates(curves), float)[1:]


def test_a_setting_between_two_points_lies_on_the_curve() -> None:
    points = [
        CurvePoint(0.2, 30.0, 0.9, 1, gain_index=0),
        CurvePoint(0.8, 34.0, 0.99, 1, gain_index=16, is_estimate=True),
    ]
    assert plotting.on_curve(points, 0, "psnr") == (0.2, 30.0, True)
    assert plotting.on_curve(points, 16, "psnr") == (0.8, 34.0, False)
    assert plotting.on_curve(points, 8, "psnr") == (pytest.approx(0.4), 32.0, False)
    assert plotting.on_curve(points, 8, "ms_ssim") == (pytest.approx(0.4), pytest.approx(15.0), False)
    assert plotting.on_curve(points, 17, "psnr") is None and plotting.on_curve([], 0, "psnr") is None


def _only_estimates(curves: Curves) -> Curves:
    points = {key: [replace(point, is_estimate=True) for point in of] for key, of in curves.points.items()}
    return Curves(points)


def test_the_current_point_is_hollow_until_the_file_is_there(window: MainWindow, qtbot: QtBot, curves: Curves) -> None:
    session, panel = window.session, window.plot
    session.set_choice(gain_index=50)
    qtbot.waitUntil(lambda: panel.content().current is not None, timeout=WAIT_MS)
    wait_for_file(qtbot, window)
    current = panel.content().current
    assert session.exact is not None and session.exact.psnr is not None
    assert current == (session.exact.container.bpp, session.exact.psnr, True)


def test_a_click_on_a_point_chooses_its_prior_and_lambda(window: MainWindow, qtbot: QtBot, curves: Curves) -> None:
    view, key = window.plot.view, SeriesKey("prior", "scale-hyperprior")
    window.session.set_plot(hidden=frozenset(f"{other.kind}/{other.name}" for other in curves.points if other != key))
    qtbot.waitUntil(lambda: view.rendered is not None and len(view.rendered.content.choice.hidden) > 3, timeout=WAIT_MS)
    assert view.rendered is not None
    point = curves.points[key][5]
    place = view.rendered.position(point.bpp, point.psnr)
    qtbot.mouseMove(view, place.toPoint())
    assert f"{point.bpp:.3f} bpp  {point.psnr:.2f} dB" in window.plot.readout.text()
    qtbot.mouseClick(view, Qt.MouseButton.LeftButton, pos=place.toPoint())
    assert (window.session.choice.prior, window.session.choice.gain_index) == ("scale-hyperprior", point.gain_index)


def shows_all_points(view: PlotView, log_rate: bool) -> bool:
    content = None if view.rendered is None else view.rendered.content
    return content is not None and content.curves.complete and content.choice.log_rate == log_rate


def test_points_lie_where_the_picture_has_them(window: MainWindow, qtbot: QtBot, curves: Curves) -> None:
    view, key = window.plot.view, SeriesKey("prior", "joint")
    for log in (False, True):
        window.session.set_plot(log_rate=log)
        qtbot.waitUntil(lambda log=log: shows_all_points(view, log), timeout=WAIT_MS)
        rendered = view.rendered
        assert rendered is not None
        point = curves.points[key][6]
        place = rendered.position(point.bpp, point.psnr)
        colour = rendered.image.pixelColor(round(place.x()), round(place.y()))
        assert colour == QColor(theme.series_colour("joint"))


def test_an_exported_plot_names_every_curve_that_it_shows(
    window: MainWindow, qtbot: QtBot, curves: Curves, tmp_path: Path
) -> None:
    window.session.set_plot(references=True)
    qtbot.waitUntil(lambda: len(window.plot.references) > 0, timeout=WAIT_MS)
    path = tmp_path / "plot.svg"
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        exporting.save_plot(path, window.plot.content())
    text = path.read_text(encoding="utf-8")
    shown = plotting.shown_references(window.plot.content())
    assert len(shown) > 1 and all(f"Kodak: {curve.label}" in text for curve, _ in shown)


def test_no_rates_are_shown_once_nothing_is_compared_with(window: MainWindow, qtbot: QtBot, curves: Curves) -> None:
    qtbot.waitUntil(lambda: not window.jobs.is_active("bd-rates"), timeout=WAIT_MS)
    window.session.set_plot(anchor="prior/factorized")
    assert window.jobs.is_active("bd-rates")
    window.session.set_plot(anchor="")
    assert not window.jobs.is_active("bd-rates") and window.plot.bd_rates == {}


def test_the_legend_hides_a_curve(window: MainWindow, curves: Curves) -> None:
    window.plot.legend.item(4).setCheckState(Qt.CheckState.Unchecked)
    assert window.session.plot.hidden == {"prior/joint"}


def test_the_table_has_every_point(window: MainWindow, curves: Curves, tmp_path: Path) -> None:
    exporting.save_table(tmp_path / "table.csv", table_rows(curves, window.session.lmbda_at))
    rows = list(csv.DictReader((tmp_path / "table.csv").open()))
    assert len(rows) == sum(len(points) for points in curves.points.values())
    point = curves.points[SeriesKey("prior", "joint")][0]
    row = next(row for row in rows if row["name"] == "joint" and row["gain_index"] == "0")
    assert (float(row["lmbda"]), row["quality"]) == (0.0016, "")
    assert int(row["bytes"]) == point.n_bytes and float(row["psnr_db"]) == pytest.approx(point.psnr, abs=1e-4)


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_the_plot_is_exported(window: MainWindow, tmp_path: Path, suffix: str) -> None:
    points = [CurvePoint(0.1 * n, 25 + n, None, 100 * n, gain_index=16 * n) for n in range(1, 8)]
    window.session.curves.points[SeriesKey("prior", "joint")] = points
    path = tmp_path / f"plot{suffix}"
    exporting.save_plot(path, window.plot.content())
    magic = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}[suffix]
    assert path.read_bytes().startswith(magic)


# ---------------------------------------------------------------- batch


def test_a_folder_is_compressed_with_summary_and_what_fails_is_told(
    window: MainWindow, explorer: Explorer, qtbot: QtBot, tmp_path: Path
) -> None:
    source, target = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    target.mkdir()
    rgb = make_picture(40, 40, 3)
    Image.fromarray(rgb).save(source / "good.png")
    (source / "bad.png").write_bytes(b"broken")
    dialog = BatchDialog(window.session, explorer.jobs, window)
    qtbot.addWidget(dialog)
    assert not dialog.start_button.isEnabled()
    dialog.source.setText(str(source))
    dialog.target.setText(str(target))
    dialog.start_button.click()
    qtbot.waitUntil(lambda: "1 of 2" in dialog.summary.text(), timeout=WAIT_MS)
    expected = encode(Model.load("tiny"), rgb, prior="joint", lmbda=window.session.lmbda).data
    assert (target / "good.jahp").read_bytes() == expected
    assert "bad.png" in dialog.table.item(0, 1).text() and dialog.table.item(1, 2).text() == f"{len(expected):,}"
    (target / "good.jahp").write_bytes(b"mine")
    dialog.start_button.click()
    qtbot.waitUntil(lambda: "0 of 2" in dialog.summary.text(), timeout=WAIT_MS)
    assert (target / "good.jahp").read_bytes() == b"mine"
    dialog.replace.setChecked(True)
    dialog.start_button.click()
    qtbot.waitUntil(lambda: "1 of 2" in dialog.summary.text(), timeout=WAIT_MS)
    assert (target / "good.jahp").read_bytes() == expected


@pytest.mark.parametrize("panel", ["images", "maps", "plot"])
def test_the_view_menu_hides_and_shows_a_panel(window: MainWindow, panel: str) -> None:
    action = window.actions_table[f"show_{panel}"]
    place = {"images": window.left, "maps": window.right, "plot": window.bottom}[panel]
    for visible in (False, True):
        action.trigger()
        assert place.isVisible() == action.isChecked() == visible


@pytest.mark.parametrize("size", [(300, 1), (1, 300)])
def test_a_line_of_latents_makes_no_endless_figure(tmp_path: Path, size: tuple[int, int]) -> None:
    path = tmp_path / "map.png"
    exporting.save_map_figure(path, np.zeros(size, np.float32), 0, 1, "viridis", "title", "bit")
    with Image.open(path) as image:
        assert max(image.size) < 12 * min(image.size)


@pytest.mark.usefixtures("qapp")
def test_a_line_of_pixels_has_a_thumbnail() -> None:
    item = work.thumbnail(ImageItem("line.png", original=Pyramid(np.zeros((3, 5000, 3), np.uint8))))
    assert item.thumbnail is not None and not item.thumbnail.isNull()


def test_a_missing_folder_for_the_files_is_made(tmp_path: Path, tiny_model: Model) -> None:
    Image.fromarray(make_picture(24, 24)).save(tmp_path / "a.png")
    target = tmp_path / "new" / "folder"
    compress_folder(tiny_model, Choice("tiny", "joint", 48), tmp_path, target, Job(print, lambda: False))
    assert (target / "a.jahp").exists()


def test_two_images_of_one_name_are_no_file_less(tmp_path: Path, tiny_model: Model) -> None:
    for name, side in (("a.jpg", 40), ("a.png", 24)):
        Image.fromarray(make_picture(side, side)).save(tmp_path / name)
    (tmp_path / "a.jahp").write_bytes(b"of an earlier run")
    choice = Choice("tiny", "joint", 48)
    first, second = compress_folder(tiny_model, choice, tmp_path, tmp_path, Job(print, lambda: False), replace=True)
    assert first.error == "" and "exists already" in second.error
    assert decode((tmp_path / "a.jahp").read_bytes(), model=tiny_model).rgb.shape == (40, 40, 3)


def test_an_image_that_needs_too_much_memory_ends_no_batch(
    tmp_path: Path, tiny_model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, side in (("large.png", 40), ("small.png", 24)):
        Image.fromarray(make_picture(side, side)).save(tmp_path / name)

    def encode_small(model: Model, rgb: np.ndarray, **how: Any) -> Encoded:
        if len(rgb) == 40:
            raise RuntimeError("DefaultCPUAllocator: not enough memory")
        return encode(model, rgb, **how)

    monkeypatch.setattr("jahp_gui.codec.codec.encode", encode_small)
    large, small = compress_folder(
        tiny_model, Choice("tiny", "joint", 48), tmp_path, tmp_path, Job(print, lambda: False)
    )
    assert large.error.startswith("There is not enough memory") and small.error == ""
    assert (tmp_path / "small.jahp").exists()


def test_a_batch_dialog_follows_the_model_and_the_setting(
    window: MainWindow, explorer: Explorer, qtbot: QtBot, tmp_path: Path
) -> None:
    session, model = window.session, window.session.model
    session.model = None  # as while it is being loaded
    dialog = BatchDialog(session, explorer.jobs, window)
    qtbot.addWidget(dialog)
    dialog.source.setText(str(tmp_path))
    assert not dialog.start_button.isEnabled()
    session.model = model
    session.model_changed.emit()
    assert dialog.start_button.isEnabled() and dialog.setting.text() == "Joint, λ 0.0128, tiny"
    session.set_choice(prior="context", gain_index=112)
    assert dialog.setting.text() == "Context, λ 0.2, tiny"


def test_a_batch_can_be_cancelled(window: MainWindow, explorer: Explorer, qtbot: QtBot, tmp_path: Path) -> None:
    source = tmp_path / "many"
    source.mkdir()
    for number in range(40):
        Image.fromarray(make_picture(64, 64, number)).save(source / f"{number:02}.png")
    dialog = BatchDialog(window.session, explorer.jobs, window)
    qtbot.addWidget(dialog)
    dialog.source.setText(str(source))
    dialog.start()
    qtbot.waitUntil(lambda: dialog.table.rowCount() >= 1, timeout=WAIT_MS)
    dialog.cancel_button.click()
    qtbot.waitUntil(lambda: explorer.jobs.activity() is None, timeout=WAIT_MS)
    assert len(list(source.glob("*.jahp"))) < 40 and "Cancelled" in dialog.summary.text()


# ---------------------------------------------------------------- the whole


def test_everything_has_an_accessible_name(window: MainWindow) -> None:
    from PySide6.QtWidgets import QAbstractButton, QAbstractSlider, QAbstractSpinBox, QComboBox, QLineEdit, QListWidget

    kinds = (QAbstractButton, QAbstractSlider, QAbstractSpinBox, QComboBox, QLineEdit, QListWidget)
    own = [
        widget for kind in kinds for widget in window.findChildren(kind) if not widget.objectName().startswith("qt_")
    ]
    nameless = [
        widget
        for widget in own
        if not (widget.accessibleName() or getattr(widget, "text", str)())
        and widget.metaObject().className() not in ("QScrollBar",)
        and not isinstance(widget.parentWidget(), QComboBox | QAbstractSpinBox)
    ]
    assert not nameless, nameless


def test_every_command_has_a_tip_and_no_shortcut_is_taken_twice(window: MainWindow) -> None:
    from jahp_gui.gui.actions import COMMANDS, SEPARATOR

    commands = [command for command in COMMANDS if command.key != SEPARATOR]
    shortcuts = [window.actions_table[command.key].shortcut().toString() for command in commands]
    assert all(shortcuts) and len(set(shortcuts)) == len(shortcuts)
    assert all(command.tip for command in commands)
    assert {action.text() for action in window.menuBar().actions()} == {command.menu for command in commands}


@pytest.mark.parametrize("size", [(1280, 800), (1920, 1080)])
def test_nothing_is_cut_off(window: MainWindow, size: tuple[int, int]) -> None:
    window.resize(*size)
    QApplication.processEvents()
    assert (window.width(), window.height()) == size  # no minimum size is larger
    for panel in (window.images, window.codec, window.numbers, window.compare, window.maps, window.plot):
        corner = panel.mapTo(window, panel.rect().bottomRight())
        assert window.rect().contains(corner)
        assert panel.width() >= panel.minimumSizeHint().width(), panel


def test_two_priors_side_by_side_make_no_panel_wider(window: MainWindow) -> None:
    before = window.splitter.sizes()
    priors = (Source("prior", "mean-scale-hyperprior"), Source("prior", "scale-hyperprior"))
    window.session.set_compare(a=priors[0], b=priors[1], mode="difference", overlay=True)
    window.session.set_target("bpp", 0.5)
    QApplication.processEvents()
    assert window.splitter.sizes() == before


def test_two_explorers_share_nothing(make_explorer: Callable[..., Explorer]) -> None:
    """What is chosen, opened or started in one leaves the other as it was."""

    def state(explorer: Explorer) -> list[Any]:
        session = explorer.session
        choices = [session.choice, session.compare, session.map_choice, session.plot, session.paint]
        choices += [session.inspector, session.parts_choice, session.target, session.effort, session.marked]
        kept = [list(session.items), dict(session.masks), session.can_undo]
        view, tab = (session.view.scale, session.view.fitted), window_of(explorer).right_tabs.currentIndex()
        return [*choices, *kept, view, tab, explorer.jobs.is_active("held")]

    first, second = make_explorer(), make_explorer()
    session, release, before = first.session, threading.Event(), state(second)
    first.jobs.start("held", lambda job: release.wait(60))
    session.begin_history()
    session.add_items([ImageItem("own.png")])
    session.set_choice(prior="context")
    session.set_mask(Mask.of_plane(1, 1, np.full((1, 1), 255, np.uint8)))
    session.set_compare(mode="swipe")
    session.set_map(quantity="sigma")
    session.set_plot(log_rate=True)
    session.set_paint(on=True)
    session.set_inspector(by_index=True)
    session.set_parts(prior="context")
    session.set_target("bpp", 0.5)
    session.mark(("y", 1, 2))
    session.view.zoom_to(7.0)
    window_of(first).right_tabs.setCurrentIndex(2)
    assert state(second) == before
    assert all(ours != theirs for ours, theirs in zip(state(first), before, strict=True))
    release.set()
