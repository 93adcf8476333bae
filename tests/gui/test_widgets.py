"""Widgets on their own: other screens, a second mouse button, the keyboard, the system's colours."""

from collections.abc import Iterator

import pytest
from gui_helpers import make_picture
from PySide6.QtCore import QCoreApplication, QEvent, QPointF, Qt
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from jahp_gui.gui import theme
from jahp_gui.gui.canvas import CompareCanvas
from jahp_gui.gui.imaging import Pyramid
from jahp_gui.gui.jobs import Jobs
from jahp_gui.gui.panels.message_bar import MessageBar
from jahp_gui.gui.panels.rd_panel import KEY_ROLE, RdPanel
from jahp_gui.gui.results import CurvePoint, ImageItem, SeriesKey
from jahp_gui.gui.session import Session

LEFT, MIDDLE, RIGHT = Qt.MouseButton.LeftButton, Qt.MouseButton.MiddleButton, Qt.MouseButton.RightButton
PRESS, RELEASE = QEvent.Type.MouseButtonPress, QEvent.Type.MouseButtonRelease


@pytest.fixture
def canvas(qtbot: QtBot) -> CompareCanvas:
    session = Session()
    session.add_items([ImageItem("waves", original=Pyramid(make_picture(64, 96)))])
    session.select(session.items[0])
    canvas = CompareCanvas(session)
    qtbot.addWidget(canvas)
    canvas.resize(404, 300)
    canvas.show()
    return canvas


@pytest.fixture
def panel(qtbot: QtBot) -> Iterator[RdPanel]:
    jobs = Jobs()
    panel = RdPanel(Session(), jobs)
    qtbot.addWidget(panel)
    yield panel
    assert jobs.shutdown(10)


def other_ratio(widget: CompareCanvas | RdPanel) -> None:
    """The window comes to a screen of another ratio."""
    QCoreApplication.sendEvent(widget, QEvent(QEvent.Type.DevicePixelRatioChange))


# ---------------------------------------------------------------- another screen


def test_a_fitted_picture_fits_a_screen_of_another_ratio(
    canvas: CompareCanvas, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = canvas.view.scale
    monkeypatch.setattr(canvas, "devicePixelRatioF", lambda: 2.0)
    other_ratio(canvas)
    assert canvas.view.scale == 2 * before


def test_the_plot_is_drawn_anew_for_a_screen_of_another_ratio(panel: RdPanel) -> None:
    panel.view._timer.stop()
    other_ratio(panel.view)
    assert panel.view._timer.isActive()


# ---------------------------------------------------------------- messages


def test_information_leaves_a_warning_that_nobody_has_closed(qtbot: QtBot) -> None:
    bar = MessageBar()
    qtbot.addWidget(bar)
    bar.tell("There is no file a.png.", "error")
    for number in (1, 2):
        bar.tell(f"Saved {number}.png", "info")
    assert bar.label.text() == "There is no file a.png.\nSaved 2.png" and bar.level == "error"
    bar._timer.timeout.emit()
    assert bar.label.text() == "There is no file a.png." and not bar.isHidden()
    bar.hide()
    bar.tell("Saved 3.png", "info")
    assert bar.label.text() == "Saved 3.png" and bar.level == "info"
    bar._timer.timeout.emit()
    assert bar.isHidden()


# ---------------------------------------------------------------- a second button


def mouse(canvas: CompareCanvas, kind: QEvent.Type, button: Qt.MouseButton, down: Qt.MouseButton, x: int) -> None:
    """down: the buttons that are pressed after it."""
    place = QPointF(x, 150)
    event = QMouseEvent(kind, place, canvas.mapToGlobal(place), button, down, Qt.KeyboardModifier.NoModifier)
    QCoreApplication.sendEvent(canvas, event)


@pytest.mark.parametrize("second", [MIDDLE, RIGHT])
def test_a_second_button_leaves_a_stroke_alone(canvas: CompareCanvas, second: Qt.MouseButton) -> None:
    session = canvas.session
    session.set_paint(on=True, size=10)
    mouse(canvas, PRESS, LEFT, LEFT, 40)
    mouse(canvas, PRESS, second, LEFT | second, 40)
    mouse(canvas, RELEASE, second, LEFT, 40)
    assert session.mask is None
    mouse(canvas, QEvent.Type.MouseMove, Qt.MouseButton.NoButton, LEFT, 160)
    mouse(canvas, RELEASE, LEFT, Qt.MouseButton.NoButton, 160)
    assert session.mask is not None
    inside = session.mask.inside()
    assert all(inside[32, int(canvas.image_point(QPointF(x, 150)).x())] for x in (40, 100, 160))


def test_a_button_whose_release_went_elsewhere_can_be_pressed_again(canvas: CompareCanvas) -> None:
    canvas.session.set_paint(on=True, size=10)
    mouse(canvas, PRESS, LEFT, LEFT, 40)
    mouse(canvas, PRESS, MIDDLE, MIDDLE, 40)
    assert canvas._grabbed == "view"
    mouse(canvas, RELEASE, MIDDLE, Qt.MouseButton.NoButton, 40)
    mouse(canvas, PRESS, LEFT, LEFT, 60)
    mouse(canvas, RELEASE, LEFT, Qt.MouseButton.NoButton, 60)
    assert canvas.session.mask is not None


# ---------------------------------------------------------------- the keyboard


def test_the_legend_keeps_its_place_for_the_keyboard(panel: RdPanel, qtbot: QtBot) -> None:
    session, legend = panel.session, panel.legend
    keys = [SeriesKey("prior", name) for name in ("factorized", "context", "joint")]
    for key in keys:
        session.curves.add(key, CurvePoint(0.5, 30.0, None, 100, gain_index=0))
    session.curves_changed.emit()
    assert list(session.curves.points) == keys
    legend.setCurrentRow(1)
    for hidden in (1, 0):
        qtbot.keyClick(legend, Qt.Key.Key_Space)
        assert len(session.plot.hidden) == hidden and legend.currentItem().data(KEY_ROLE) == keys[1]
    session.curves.add(SeriesKey("prior", "mean-scale-hyperprior"), CurvePoint(0.5, 31.0, None, 100, gain_index=0))
    session.curves_changed.emit()
    assert legend.currentItem().data(KEY_ROLE) == keys[1]


# ---------------------------------------------------------------- the system's colours


def test_the_window_follows_the_system_while_it_is_asked_to(qapp: QApplication) -> None:
    prefers = qapp.styleHints().colorSchemeChanged
    try:
        theme.switch.use("system")
        for scheme, name in ((Qt.ColorScheme.Dark, "dark"), (Qt.ColorScheme.Light, "light")):
            prefers.emit(scheme)
            assert theme.current().name == name
        theme.switch.use("light")
        prefers.emit(Qt.ColorScheme.Dark)
        assert theme.current().name == "light"
    finally:
        theme.switch.use("light")
