"""The inspector and what each part pays: what they show is the codec's, what the user does reaches the session."""

import threading
from pathlib import Path

import numpy as np
import pytest
from gui_helpers import WAIT_MS
from PIL import Image
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from jahp_gui.codec import Model, decode
from jahp_gui.codec.inspection import Prediction
from jahp_gui.codec.latent_coding import LatentMaps, decode_side, measure_latents
from jahp_gui.gui import charts, theme
from jahp_gui.gui.app import Explorer
from jahp_gui.gui.exact_settings import caption_of, exact_settings
from jahp_gui.gui.inspecting import LatentSource
from jahp_gui.gui.main_window import MainWindow
from jahp_gui.gui.panels.prediction_view import axis_of
from jahp_gui.gui.results import Inspection, Place


@pytest.fixture
def window(explorer: Explorer) -> MainWindow:
    assert explorer.window is not None
    explorer.window.resize(1280, 800)
    QApplication.processEvents()
    return explorer.window


def press(widget: QWidget, key: Qt.Key) -> None:
    QApplication.sendEvent(widget, QKeyEvent(QEvent.Type.KeyPress, key, Qt.KeyboardModifier.NoModifier))


def wait_for(qtbot: QtBot, window: MainWindow, place: Place) -> Inspection:
    """The inspection of a place under every prior."""
    session = window.session

    def complete() -> bool:
        found = session.inspection
        return found is not None and found.place == place and len(found.predictions) == 5

    qtbot.waitUntil(complete, timeout=WAIT_MS)
    assert session.inspection is not None
    return session.inspection


def measured(window: MainWindow, prior: str) -> LatentMaps:
    session = window.session
    assert session.model is not None and session.latents is not None
    return measure_latents(session.model.prior(prior), session.latents.y_hat, session.choice.gain_index)


def known(prediction: Prediction | None) -> Prediction:
    assert prediction is not None
    return prediction


def click(widget: QWidget, point: QPointF) -> None:
    QTest.mouseClick(widget, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, point.toPoint())


# ---------------------------------------------------------------- a click shows a latent


def test_a_click_in_the_picture_opens_the_inspector_with_the_codecs_numbers(window: MainWindow, qtbot: QtBot) -> None:
    session, panel = window.session, window.inspector
    window.right_tabs.setCurrentWidget(window.maps)
    canvas = window.compare.canvas
    click(canvas, canvas.panes()[1].to_widget(QPointF(3 * 16 + 8, 2 * 16 + 8)))
    assert window.right_tabs.currentWidget() is panel
    inspection = wait_for(qtbot, window, ("y", 3, 2))
    assert panel.pages.currentIndex() == 1 and "y (3, 2)" in panel.place.text()
    for row in panel.predictions.rows:
        maps = measured(window, row.prior)
        channel = panel.current_channel()
        assert row.guess is not None and session.latents is not None
        assert row.guess.value == session.latents.y_hat[2, 3, channel]
        assert np.float32(row.guess.bits) == maps.bits[2, 3, channel]
        assert np.float32(row.guess.mu) == maps.mu[2, 3, channel]
        assert np.float32(row.guess.sigma) == maps.sigma[2, 3, channel]
        assert row.guess.distribution.probability.sum() + row.guess.distribution.escape == pytest.approx(1)
    joint = measured(window, "joint").bits[2, 3]
    np.testing.assert_array_equal(panel.bars.bits.astype(np.float32), joint)
    assert panel.current_channel() == joint.argmax() == panel.bars.order[0]
    assert f"{joint.sum():.1f} bit" in panel.info.text()
    assert (inspection.block.left, inspection.block.top) == (48, 32) and inspection.reach.width > 16


def test_displayed_bits_of_all_latents_are_within_half_a_percent_of_the_files_section(
    explorer: Explorer, window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    session, panel = window.session, window.inspector
    path, side = tmp_path / "noise.png", 16  # large enough for the range coder's last words not to count
    Image.fromarray(np.random.default_rng(8).integers(0, 256, (16 * side, 16 * side, 3), np.uint8)).save(path)
    explorer.files.open_paths([path])
    qtbot.waitUntil(lambda: session.current is not None and session.current.name == "noise.png", timeout=WAIT_MS)
    session.set_choice(gain_index=112)
    qtbot.waitUntil(lambda: session.exact is not None and session.latents is not None, timeout=WAIT_MS)
    window.show_right_tab(panel)
    chosen, costliest = 0.0, 0.0
    for row in range(side):
        for column in range(side):
            session.mark(("y", column, row))
            wait_for(qtbot, window, ("y", column, row))
            chosen += float(panel.bars.bits.sum())
            guess = next(row.guess for row in panel.predictions.rows if row.chosen)
            assert guess is not None and guess.bits == panel.bars.bits.max()
            costliest += guess.bits
    assert session.exact is not None
    assert chosen == pytest.approx(8 * len(session.exact.container.y), rel=0.005)
    assert costliest == pytest.approx(float(measured(window, "joint").bits.max(2).sum(dtype=np.float64)), rel=1e-5)


def test_a_click_in_the_map_marks_and_a_double_click_or_enter_opens_the_inspector(
    window: MainWindow, qtbot: QtBot
) -> None:
    view = window.maps.map
    target = view.target()
    cell = target.width() / 6
    point = target.topLeft() + QPointF(4.5 * cell, 1.5 * cell)
    click(view, point)
    assert window.session.marked == ("y", 4, 1)
    assert window.right_tabs.currentWidget() is window.maps
    wait_for(qtbot, window, ("y", 4, 1))
    press(view, Qt.Key.Key_Return)
    assert window.right_tabs.currentWidget() is window.inspector
    window.show_right_tab(window.maps)
    other = target.topLeft() + QPointF(2.5 * cell, 2.5 * cell)
    click(view, other)
    QTest.mouseDClick(view, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, other.toPoint())
    assert window.session.marked == ("y", 2, 2) and window.right_tabs.currentWidget() is window.inspector


def test_hyper_latents_have_predictions_only_where_there_is_side_information(window: MainWindow, qtbot: QtBot) -> None:
    session, panel = window.session, window.inspector
    window.show_right_tab(panel)
    session.mark(("z", 1, 0))
    inspection = wait_for(qtbot, window, ("z", 1, 0))
    for name, prediction in inspection.predictions.items():
        maps = measured(window, name)
        if maps.z_bits is None or maps.z_hat is None:
            assert prediction is None
        else:
            np.testing.assert_array_equal(known(prediction).bits.astype(np.float32), maps.z_bits[0, 1])
            np.testing.assert_array_equal(known(prediction).values, maps.z_hat[0, 1])
    missing = {row.prior for row in panel.predictions.rows if row.guess is None}
    assert missing == {"factorized", "context"}
    session.set_choice(prior="context")
    assert "no side information" in panel.context_note.text() and len(panel.bars.bits) == 0
    assert panel.grab().width() > 0


def test_another_lambda_and_another_prior_are_followed(window: MainWindow, qtbot: QtBot) -> None:
    session, panel = window.session, window.inspector
    window.show_right_tab(panel)
    session.mark(("y", 2, 1))
    wait_for(qtbot, window, ("y", 2, 1))
    session.set_choice(prior="scale-hyperprior", gain_index=96)
    qtbot.waitUntil(
        lambda: session.inspection is not None and session.inspection.gain_index == 96 and session.exact is not None,
        timeout=WAIT_MS,
    )
    expected = measured(window, "scale-hyperprior").bits[1, 2]
    np.testing.assert_array_equal(panel.bars.bits.astype(np.float32), expected)
    assert [row.prior for row in panel.predictions.rows if row.chosen] == ["scale-hyperprior"]


def test_the_inspector_starts_at_the_costliest_position_and_hints_where_there_is_none(window: MainWindow) -> None:
    panel, session = window.inspector, window.session
    window.show_right_tab(panel)
    assert "Click a latent" in panel.nothing.text() and panel.pages.currentIndex() == 0
    window.actions_table["show_inspector"].trigger()
    assert session.latents is not None and session.marked is not None
    of_each = session.latents.maps.bits.sum(2)
    assert of_each[session.marked[2], session.marked[1]] == of_each.max()
    assert QApplication.focusWidget() in (panel.neighbours, None)


# ---------------------------------------------------------------- keys, channels, pin


def test_arrow_keys_move_on_from_the_first_cell_of_a_map(window: MainWindow, qtbot: QtBot) -> None:
    window.session.mark(("y", 0, 0))
    press(window.maps.map, Qt.Key.Key_Right)
    assert window.session.marked == ("y", 1, 0)


def test_arrow_keys_move_within_the_image(window: MainWindow, qtbot: QtBot) -> None:
    session, panel = window.session, window.inspector
    window.show_right_tab(panel)
    session.mark(("y", 4, 0))
    wait_for(qtbot, window, ("y", 4, 0))
    for key in (Qt.Key.Key_Up, Qt.Key.Key_Right, Qt.Key.Key_Right, Qt.Key.Key_Down):
        press(panel.neighbours, key)
    assert session.marked == ("y", 5, 1)
    inspection = wait_for(qtbot, window, ("y", 5, 1))
    assert panel.neighbours.prediction is inspection.predictions["joint"]
    middle = panel.neighbours.cell_rect(2, 1).center()
    click(panel.neighbours, middle)
    assert session.marked == ("y", 4, 1)
    click(panel.neighbours, panel.neighbours.cell_rect(0, 0).center())  # two rows up: outside
    assert session.marked == ("y", 4, 1)


def test_channels_are_stepped_through_in_the_order_of_the_bars(window: MainWindow, qtbot: QtBot) -> None:
    session, panel, actions = window.session, window.inspector, window.actions_table
    window.show_right_tab(panel)
    session.mark(("y", 1, 1))
    inspection = wait_for(qtbot, window, ("y", 1, 1))
    order = np.argsort(-known(inspection.predictions["joint"]).bits, kind="stable")
    actions["channel_next"].trigger()
    assert panel.current_channel() == session.inspector.channel == order[1]
    press(panel, Qt.Key.Key_PageDown)
    assert panel.current_channel() == order[2]
    press(panel.neighbours, Qt.Key.Key_PageUp)
    assert panel.current_channel() == order[1]
    press(panel.bars, Qt.Key.Key_Right)
    assert panel.current_channel() == order[2] and panel.channel.value() == order[2]
    actions["channel_costliest"].trigger()
    actions["channel_previous"].trigger()
    assert panel.current_channel() == order[0]
    panel.by_index.click()
    assert panel.bars.order.tolist() == list(range(8))
    click(panel.bars, panel.bars.bar_rect(5, 0.0).center() - QPointF(0, 10))
    assert panel.current_channel() == 5
    assert known(panel.prediction).values[5] == panel.neighbours.prediction.around[2, 2, 5]  # type: ignore[union-attr]
    session.set_map(channel=3)
    assert panel.current_channel() == 3
    panel.channel.setValue(-1)
    assert session.inspector.channel is None


def test_a_pinned_position_is_compared_with_the_one_looked_at(window: MainWindow, qtbot: QtBot) -> None:
    session, panel = window.session, window.inspector
    window.show_right_tab(panel)
    panel.pin.click()
    assert session.inspector.pinned is None and not panel.pin.isChecked()  # nothing is marked
    session.mark(("y", 1, 1))
    wait_for(qtbot, window, ("y", 1, 1))
    window.actions_table["pin"].trigger()
    assert session.inspector.pinned == ("y", 1, 1) and panel.pin.isChecked()
    session.mark(("y", 3, 2))
    wait_for(qtbot, window, ("y", 3, 2))
    qtbot.waitUntil(lambda: session.pinned_inspection is not None, timeout=WAIT_MS)
    channel = panel.current_channel()
    for row in panel.predictions.rows:
        assert row.guess is not None and row.pinned is not None
        assert np.float32(row.pinned.bits) == measured(window, row.prior).bits[1, 1, channel]
    assert panel.bars.pinned is not None and not panel.pinned_neighbours.isHidden()
    session.mark(("z", 0, 0))  # has other channels
    wait_for(qtbot, window, ("z", 0, 0))
    assert panel.bars.pinned is None and all(row.pinned is None for row in panel.predictions.rows)
    window.actions_table["pin"].trigger()
    assert session.inspector.pinned is None and session.pinned_inspection is None


# ---------------------------------------------------------------- what is painted


def test_bars_mark_and_grid_are_painted_where_they_belong(window: MainWindow, qtbot: QtBot) -> None:
    session, panel = window.session, window.inspector
    window.show_right_tab(panel)
    session.mark(("y", 3, 1))
    wait_for(qtbot, window, ("y", 3, 1))
    view = panel.predictions
    low, high = axis_of(view.rows)
    row = view.rows[-1]
    assert row.guess is not None and low < row.guess.value < high
    QApplication.processEvents()
    image = view.grab().toImage()
    rect = view.plot_rect(len(view.rows) - 1)
    x = round(view.x_of(row.guess.value))
    line = image.pixelColor(x, round(rect.bottom()) - 4)
    assert line.name() == theme.current().text
    assert "would cost" in view.text_at(QPointF(x, rect.center().y()))
    assert f"{row.guess.bits:.2f} bit" in view.text_at(QPointF(x, rect.center().y()))
    assert "Decoded before" in panel.neighbours.text_at(panel.neighbours.cell_rect(2, 1).center())
    assert "Masked" in panel.neighbours.text_at(panel.neighbours.cell_rect(3, 1).center())
    assert "Outside" in panel.neighbours.text_at(panel.neighbours.cell_rect(0, 2).center())


def test_the_region_that_a_latent_governs_is_outlined_in_the_picture(window: MainWindow, qtbot: QtBot) -> None:
    session, canvas = window.session, window.compare.canvas
    session.view.zoom_to(2.0)
    session.mark(("y", 0, 0))
    inspection = wait_for(qtbot, window, ("y", 0, 0))
    QApplication.processEvents()
    pane = canvas.panes()[0]
    corner = pane.to_widget(QPointF(inspection.reach.width, 20))
    with_mark = canvas.grab().toImage()
    session.mark(None)
    qtbot.waitUntil(lambda: session.inspection is None, timeout=WAIT_MS)
    without = canvas.grab().toImage()
    near = [(round(corner.x()) + dx, round(corner.y())) for dx in (-1, 0, 1)]
    assert any(with_mark.pixelColor(*at) != without.pixelColor(*at) for at in near)


# ---------------------------------------------------------------- files


def test_an_opened_file_is_inspected_with_its_own_side_information(
    explorer: Explorer, window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    session = window.session
    assert session.exact is not None
    path = tmp_path / "other.jahp"
    path.write_bytes(session.exact.data)
    explorer.files.open_paths([path])
    qtbot.waitUntil(lambda: session.is_fixed and session.latents is not None, timeout=WAIT_MS)
    session.mark(("y", 5, 3))
    inspection = wait_for(qtbot, window, ("y", 5, 3))
    decoded = decode(path.read_bytes(), model=session.model)
    prior = decoded.model.prior("joint")
    z_hat = decode_side(prior, decoded.container.z, 4, 6)
    maps = measure_latents(prior, decoded.y_hat, decoded.container.header.gain_index, z_hat)
    np.testing.assert_array_equal(known(inspection.predictions["joint"]).bits.astype(np.float32), maps.bits[3, 5])


def test_another_image_forgets_mark_pin_and_parts(
    explorer: Explorer, window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    session = window.session
    window.show_right_tab(window.inspector)
    session.mark(("y", 5, 3))
    session.set_inspector(pinned=("y", 0, 0))
    wait_for(qtbot, window, ("y", 5, 3))
    path = tmp_path / "small.png"
    Image.fromarray(np.full((20, 20, 3), 90, np.uint8)).save(path)
    explorer.files.open_paths([path])
    qtbot.waitUntil(lambda: len(session.items) == 2 and session.exact is not None, timeout=WAIT_MS)
    assert session.marked is None and session.inspector.pinned is None
    assert session.inspection is None and session.pinned_inspection is None and session.parts is None
    session.mark(("y", 5, 3))  # beyond this image
    assert explorer.controller.inspection._asked[1] is None


def check_axes(arrays: "np.lib.npyio.NpzFile") -> None:
    """Every array that is no single number has a name for each of its axes."""
    for name in arrays.files:
        if arrays[name].ndim and not name.endswith("_axes"):
            assert len(arrays[f"{name}_axes"]) == arrays[name].ndim, name


def test_the_inspector_is_exported_with_its_settings(window: MainWindow, qtbot: QtBot, tmp_path: Path) -> None:
    session, panel, commands = window.session, window.inspector, window.inspection_commands
    window.show_right_tab(panel)
    session.mark(("y", 3, 2))
    session.set_inspector(pinned=("y", 1, 1), channel=4)
    inspection = wait_for(qtbot, window, ("y", 3, 2))
    qtbot.waitUntil(lambda: session.pinned_inspection is not None, timeout=WAIT_MS)
    for suffix in ("png", "svg", "npz"):
        with qtbot.waitSignal(session.message, timeout=WAIT_MS):
            commands.export_inspector(tmp_path / f"latent.{suffix}")
    svg = (tmp_path / "latent.svg").read_text(encoding="utf-8")
    assert "waves.png" in svg and "tiny" in svg and "λ 0.0128" in svg and "y (3, 2)" in svg and "channel 4" in svg
    image = Image.open(tmp_path / "latent.png")
    assert image.size[0] > 1000 and image.info["Description"] == caption_of(exact_settings(session))
    arrays = np.load(tmp_path / "latent.npz")
    names = arrays["priors"].tolist()
    assert names == ["factorized", "scale-hyperprior", "mean-scale-hyperprior", "context", "joint"]
    for number, name in enumerate(names):
        prediction = known(inspection.predictions[name])
        np.testing.assert_array_equal(arrays["bits"][number], prediction.bits)
        assert np.nansum(arrays["table_probability"][number]) + arrays["table_escape"][number] == pytest.approx(1)
    assert arrays["around"].shape == (5, 5, 5, 8) and (arrays["pinned_column"], arrays["pinned_row"]) == (1, 1)
    assert (arrays["latents"], arrays["column"], arrays["row"], arrays["channel"]) == ("y", 3, 2, 4)
    check_axes(arrays)
    assert arrays["around_axes"].tolist() == ["prior", "row", "column", "channel"]
    assert float(arrays["lmbda"]) == session.lmbda and str(arrays["model"]) == "tiny"


# ---------------------------------------------------------------- what each part pays


def show_parts(window: MainWindow, qtbot: QtBot) -> None:
    window.actions_table["show_parts"].trigger()
    session = window.session
    qtbot.waitUntil(lambda: session.parts is not None and len(session.parts.costs) == 5, timeout=WAIT_MS)


def test_parts_are_measured_once_asked_for_and_add_up(window: MainWindow, qtbot: QtBot) -> None:
    session, panel = window.session, window.parts
    assert session.parts is None and not session.parts_choice.wanted
    show_parts(window, qtbot)
    assert session.parts is not None and session.exact is not None
    for row in panel.bars.rows:
        maps = measured(window, row.prior)
        assert row.cost is not None
        assert row.cost.y_bits == pytest.approx(float(maps.bits.sum(dtype=np.float64)))
        assert row.cost.z_bits == pytest.approx(0.0 if maps.z_bits is None else float(maps.z_bits.sum()))
    joint = session.parts.costs["joint"]
    assert joint.y_bits == pytest.approx(8 * len(session.exact.container.y), rel=0.005, abs=40)
    rows = {row.prior: row for row in panel.bars.rows}
    before = session.parts.costs["mean-scale-hyperprior"].bits
    assert rows["joint"].saving() == pytest.approx(1 - joint.bits / before)
    assert rows["factorized"].saving() is None and list(rows)[0] == "factorized"
    names = [panel.bars.name_of(number) for number in range(5)]
    assert names == ["Factorized", "Scale hyperprior", "Mean-scale hyperprior", "Joint", "Context, against Factorized"]
    widths = [rect.width() for rect in panel.bars.bar_rects(list(rows).index("joint"))]
    assert widths[1] / widths[0] == pytest.approx(joint.z_bits / joint.y_bits)


def test_a_step_chosen_by_mouse_or_key_shows_where_it_saves(window: MainWindow, qtbot: QtBot) -> None:
    session, panel = window.session, window.parts
    show_parts(window, qtbot)
    assert session.parts is not None
    costs = session.parts.costs
    click(panel.bars, panel.bars.bar_rects(1)[0].center())
    assert (session.parts_choice.prior, session.parts_choice.reference) == ("scale-hyperprior", "factorized")
    expected = costs["factorized"].plane - costs["scale-hyperprior"].plane
    assert panel.shown is not None
    np.testing.assert_array_equal(panel.shown.values, expected)
    saved = costs["factorized"].bits - costs["scale-hyperprior"].bits
    assert panel.info.text().startswith(f"{abs(saved):,.0f} bit " + ("saved" if saved > 0 else "more"))
    assert f"{expected[1, 2]:.1f} bit" in panel.text_at(QPoint(2, 1))
    press(panel.bars, Qt.Key.Key_Down)
    assert session.parts_choice.prior == "mean-scale-hyperprior"
    panel.reference.setCurrentIndex(panel.reference.findData("mean-scale-hyperprior"))
    panel.reference.activated.emit(0)
    assert panel.shown is None and "two priors" in panel.map.text
    press(panel.bars, Qt.Key.Key_Down)
    assert (session.parts_choice.prior, session.parts_choice.reference) == ("joint", "mean-scale-hyperprior")
    cell = panel.map.target().width() / 6
    click(panel.map, panel.map.target().topLeft() + QPointF(1.5 * cell, 2.5 * cell))
    assert session.marked == ("y", 1, 2) and panel.map.marked == QPoint(1, 2)


def test_residuals_are_drawn_at_their_density(window: MainWindow, qtbot: QtBot) -> None:
    show_parts(window, qtbot)
    plot, session = window.parts.residuals, window.session
    assert session.parts is not None
    values = session.parts.costs["joint"].density
    number = int(values.argmax())
    top = plot.point(-6 + 0.25 * number + 0.125, float(values[number]))
    QApplication.processEvents()
    image = plot.grab().toImage()
    y = round(top.y()) + 12
    assert image.pixelColor(round(top.x()), y) != image.pixelColor(plot.width() - 3, y)  # filled; nothing in the tail
    assert f"{session.parts.costs['joint'].spread:.2f}" in plot.accessibleDescription()


def test_parts_follow_lambda_only_while_they_are_seen(window: MainWindow, qtbot: QtBot) -> None:
    session = window.session
    show_parts(window, qtbot)
    first = session.parts
    session.set_choice(gain_index=90)
    qtbot.waitUntil(
        lambda: session.parts is not None and session.parts.gain_index == 90 and len(session.parts.costs) == 5,
        timeout=WAIT_MS,
    )
    assert first is not None
    session.set_choice(gain_index=first.gain_index)
    assert session.parts is first  # remembered
    window.show_right_tab(window.maps)
    session.set_choice(gain_index=70)
    qtbot.waitUntil(lambda: session.exact is not None and window.jobs.idle, timeout=WAIT_MS)
    assert session.parts is first


def test_a_cancelled_measurement_waits_until_it_is_asked_for_again(
    window: MainWindow, explorer: Explorer, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, inspection, cost = window.session, explorer.controller.inspection, LatentSource.cost
    release = threading.Event()
    monkeypatch.setattr(LatentSource, "cost", lambda *what: release.wait(WAIT_MS / 1000) and cost(*what))
    window.actions_table["show_parts"].trigger()
    qtbot.waitUntil(lambda: window.activity.text() == "Measuring every prior", timeout=WAIT_MS)
    window.cancel()
    release.set()
    session.mark(("y", 1, 1))
    session.results_changed.emit()
    assert not inspection._rest.isActive() and not window.jobs.is_active("parts")
    window.show_right_tab(window.maps)
    show_parts(window, qtbot)


def test_parts_are_exported_with_their_settings(window: MainWindow, qtbot: QtBot, tmp_path: Path) -> None:
    session, commands = window.session, window.inspection_commands
    show_parts(window, qtbot)
    for suffix in ("png", "svg", "npz"):
        with qtbot.waitSignal(session.message, timeout=WAIT_MS):
            commands.export_parts(tmp_path / f"parts.{suffix}")
    svg = (tmp_path / "parts.svg").read_text(encoding="utf-8")
    assert "waves.png" in svg and "λ 0.0128" in svg and "Joint against Mean-scale hyperprior" in svg
    image = Image.open(tmp_path / "parts.png")
    assert image.size[0] > 1000 and image.info["Description"] == caption_of(exact_settings(session))
    arrays = np.load(tmp_path / "parts.npz")
    check_axes(arrays)
    assert session.parts is not None and session.latents is not None
    assert arrays["latent_count"] == session.latents.y_hat.size and arrays["gain_index"] == 48
    for number, name in enumerate(arrays["priors"].tolist()):
        cost = session.parts.costs[name]
        assert arrays["total_y_bits"][number] == cost.y_bits and arrays["total_z_bits"][number] == cost.z_bits
        np.testing.assert_array_equal(arrays["bits_of_position"][number], cost.plane)
    assert arrays["residual_counts"].shape == (5, 48) and arrays["residual_edges"].shape == (49,)


def test_the_panels_are_painted_in_both_themes_and_without_an_image(
    window: MainWindow, explorer: Explorer, qtbot: QtBot
) -> None:
    session = window.session
    session.mark(("y", 2, 2))
    wait_for(qtbot, window, ("y", 2, 2))
    show_parts(window, qtbot)
    pictures = {}
    for name in ("light", "dark"):
        theme.switch.use(name)
        pictures[name] = [panel.grab().toImage() for panel in (window.inspector, window.parts)]
    assert all(a != b for a, b in zip(pictures["light"], pictures["dark"], strict=True))
    session.select(None)
    assert window.inspector.pages.currentIndex() == 0 and window.parts.bars.rows[0].cost is None
    assert window.parts.grab().width() > 0 and isinstance(explorer.session.model, Model)


@pytest.mark.parametrize(
    ("low", "high", "count", "expected"),
    [(-55.5, 27.5, 6, [-40, -20, 0, 20]), (-2.5, 2.5, 6, [-2, -1, 0, 1, 2]), (95, 1010, 4, [500, 1000])],
)
def test_ticks_are_few_round_whole_numbers(low: float, high: float, count: int, expected: list[int]) -> None:
    assert charts.ticks(low, high, count) == expected
