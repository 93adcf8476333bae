"""What is said aloud, reached by keys, read in faint colours and large letters, and told apart without colours."""

from collections.abc import Callable, Iterator
from itertools import combinations, pairwise

import numpy as np
import pytest
from gui_helpers import make_picture, window_of
from PySide6.QtCore import QPoint, QPointF, QRect, QSize, Qt
from PySide6.QtGui import QAccessible, QAccessibleAnnouncementEvent, QColor, QImage
from PySide6.QtWidgets import QPushButton, QToolTip, QWidget
from pytestqt.qtbot import QtBot

from jahp_gui.codec.prior_costs import PriorCost
from jahp_gui.evaluation.colours import SERIES_COLOURS
from jahp_gui.gui import painting, plotting, theme
from jahp_gui.gui.app import Explorer
from jahp_gui.gui.batch import BatchDialog
from jahp_gui.gui.canvas import CompareCanvas
from jahp_gui.gui.imaging import Pyramid
from jahp_gui.gui.jobs import Jobs
from jahp_gui.gui.main_window import MainWindow
from jahp_gui.gui.panels import byte_strip
from jahp_gui.gui.panels.channel_bars import ChannelBars
from jahp_gui.gui.panels.channel_grid import ChannelGrid
from jahp_gui.gui.panels.codec_panel import LmbdaSlider
from jahp_gui.gui.panels.map_view import ColourBar, MapView
from jahp_gui.gui.panels.message_bar import MessageBar
from jahp_gui.gui.panels.neighbourhood_view import NeighbourhoodView
from jahp_gui.gui.panels.parts_views import CostBars, CostRow, ResidualPlot
from jahp_gui.gui.panels.prediction_view import PredictionView
from jahp_gui.gui.panels.rd_panel import RdPanel
from jahp_gui.gui.plot_view import PlotRenderer
from jahp_gui.gui.results import CurvePoint, ImageItem, SeriesKey
from jahp_gui.gui.session import Session

CONTRAST = 4.5  # what WCAG 2.2 asks of letters


@pytest.fixture
def window(explorer: Explorer) -> MainWindow:
    return window_of(explorer)


# ---------------------------------------------------------------- said aloud


def test_messages_are_announced(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []

    def hear(event: object) -> None:
        assert isinstance(event, QAccessibleAnnouncementEvent)
        told.append(event.message())

    bar = MessageBar()
    qtbot.addWidget(bar)
    monkeypatch.setattr(QAccessible, "updateAccessibility", hear)
    bar.tell("There is no file a.png.", "error")
    bar.tell("Saved b.png", "info")
    assert told == ["There is no file a.png.", "Saved b.png"]


def test_maps_and_pictures_say_what_they_show(window: MainWindow) -> None:
    inside = window.inside
    for panel, label in (
        (window.maps, window.maps.info),
        (window.parts, window.parts.info),
        *((panel, panel.map_title) for panel in (inside.decoder, inside.surgery, inside.damage)),
    ):
        panel.map.hovered.emit(None)
        assert panel.map.accessibleDescription() == label.text()
    window.maps.map.hovered.emit(QPoint(2, 1))
    assert window.maps.map.accessibleDescription() == window.maps.text_at(QPoint(2, 1)) != ""
    a, b, *_ = window.compare.canvas.accessibleDescription().splitlines()
    assert a == "A: Original" and b.startswith("B: Joint · λ 0.0128 · ") and b.endswith(" dB")


def test_a_batch_says_what_is_chosen_and_what_progresses(window: MainWindow, qtbot: QtBot) -> None:
    dialog = BatchDialog(window.session, window.jobs, window)
    qtbot.addWidget(dialog)
    names = [button.accessibleName() for button in dialog.findChildren(QPushButton) if button.accessibleName()]
    assert names == ["Images from: Choose…", "Files to: Choose…"] and dialog.progress.accessibleName() == "Progress"


def test_a_prior_that_costs_more_is_not_said_to_save(qtbot: QtBot) -> None:
    bars = CostBars()
    qtbot.addWidget(bars)

    def cost(bits: float) -> PriorCost:
        return PriorCost(bits, 0.0, np.zeros((1, 1), np.float32), np.zeros(48), unsure=0, count=0, spread=1.0)

    for bits, expected in ((900.0, "100 bit less than Factorized"), (1100.0, "100 bit more than Factorized")):
        assert bars.row_text(CostRow("scale-hyperprior", cost(bits), cost(1000.0))).endswith(expected)


# ---------------------------------------------------------------- keys


def test_what_is_seen_can_be_selected_by_a_key_but_not_out_of_a_field(window: MainWindow, qtbot: QtBot) -> None:
    session, entry = window.session, window.codec.entry
    window.activateWindow()
    select_all = (Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier)
    entry.setFocus()
    entry.deselect()
    qtbot.keyClick(entry, *select_all)
    assert entry.selectedText() == entry.text() != "" and session.selection is None
    qtbot.keyClick(window.compare.canvas, *select_all)
    assert session.selection == QRect(0, 0, 96, 64)
    session.view.look_at(QPointF(30, 30), session.view.pane.height() / 20)
    window.actions_table["select_seen"].trigger()
    assert session.selection == session.view.visible().toAlignedRect()
    assert session.selection.height() in (20, 21)


@pytest.fixture
def panel(qtbot: QtBot) -> Iterator[RdPanel]:
    """With curves of two priors, drawn."""
    jobs, session = Jobs(), Session()
    panel = RdPanel(session, jobs)
    qtbot.addWidget(panel)
    panel.resize(900, 320)
    for name, height in (("factorized", 30.0), ("joint", 32.0)):
        for n in range(4):
            point = CurvePoint(0.2 + 0.1 * n, height + n, None, 100, gain_index=16 * n)
            session.curves.add(SeriesKey("prior", name), point)
    session.curves_changed.emit()
    panel.view._show(PlotRenderer().render(panel.content(), QSize(500, 300), 1.0))
    panel.show()
    yield panel
    assert jobs.shutdown(10)


def test_the_points_of_the_plot_are_walked_over_by_keys(panel: RdPanel, qtbot: QtBot) -> None:
    view, told = panel.view, []
    view.clicked.connect(told.append)
    assert view.focusPolicy() == Qt.FocusPolicy.StrongFocus
    joint, factorized = (panel.session.curves.points[SeriesKey("prior", name)] for name in ("joint", "factorized"))
    Key = Qt.Key
    for key, name, point in (
        (Key.Key_Right, "joint", joint[0]),  # the current prior
        (Key.Key_Right, "joint", joint[1]),
        (Key.Key_Down, "joint", joint[1]),  # the last curve
        (Key.Key_Up, "factorized", factorized[1]),
        (Key.Key_Left, "factorized", factorized[0]),
        (Key.Key_Left, "factorized", factorized[0]),
    ):
        qtbot.keyClick(view, key)
        expected = panel.text_of(SeriesKey("prior", name), point)
        assert panel.readout.text() == view.accessibleDescription() == expected
    qtbot.keyClick(view, Key.Key_Return)
    assert told == [(SeriesKey("prior", "factorized"), factorized[0])]


def test_the_tabs_follow_each_other_by_key(window: MainWindow) -> None:
    tabs = window.right_switch.buttons.buttons()
    assert all(first.nextInFocusChain() is second for first, second in pairwise(tabs))


def test_one_key_explains_what_has_the_keyboard(window: MainWindow, qtbot: QtBot) -> None:
    window.activateWindow()
    for widget, expected in (
        (window.codec.slider, window.codec.slider.toolTip()),
        (window.compare.canvas, window.compare.canvas.accessibleDescription()),
    ):
        widget.setFocus()
        qtbot.keyClick(widget, Qt.Key.Key_F1, Qt.KeyboardModifier.ShiftModifier)
        assert QToolTip.text() == expected != ""
    QToolTip.hideText()


# ---------------------------------------------------------------- seen


def canvas_of(session: Session) -> CompareCanvas:
    session.add_items([ImageItem("waves", original=Pyramid(make_picture(64, 96)))])
    session.select(session.items[0])
    return CompareCanvas(session)


@pytest.mark.parametrize(
    "make", [lambda: canvas_of(Session()), MapView, lambda: NeighbourhoodView("neighbours"), ChannelBars]
)
def test_only_who_comes_by_key_sees_a_frame_around_what_has_the_keyboard(
    make: Callable[[], QWidget], qtbot: QtBot
) -> None:
    widget = make()
    qtbot.addWidget(widget)
    with qtbot.waitActive(widget):
        widget.show()
        widget.activateWindow()
    reason = Qt.FocusReason
    for came, framed in (
        (reason.OtherFocusReason, False),
        (reason.TabFocusReason, True),
        (reason.MouseFocusReason, False),
        (reason.BacktabFocusReason, True),
        (reason.ActiveWindowFocusReason, True),  # back from another window
    ):
        widget.clearFocus()
        assert widget.grab().toImage().pixelColor(1, 20) != theme.colour("accent")
        widget.setFocus(came)
        assert widget.hasFocus()
        assert (widget.grab().toImage().pixelColor(1, 20) == theme.colour("accent")) == framed


def contrast(one: QColor | str, other: QColor | str) -> float:
    """As WCAG defines it."""

    def luminance(colour: QColor) -> float:
        parts = (colour.redF(), colour.greenF(), colour.blueF())
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return float(np.dot((0.2126, 0.7152, 0.0722), linear))

    dark, light = sorted(luminance(QColor(colour)) for colour in (one, other))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.usefixtures("qapp")
def test_letters_can_be_read_on_their_ground() -> None:
    assert all(contrast(colour, "white") >= CONTRAST for colour in byte_strip.COLOURS.values())
    light = theme.LIGHT
    for ground in (light.window, light.raised, light.panel, light.canvas, light.button):
        assert contrast(light.faint_text, ground) >= CONTRAST
    for name in theme.THEMES:
        theme.switch.use(name)
        ground = theme.current().raised
        assert all(contrast(theme.series_text_colour(series), ground) >= CONTRAST for series in SERIES_COLOURS)
    theme.switch.use("light")


@pytest.mark.usefixtures("qapp")
def test_curves_can_be_seen_on_their_ground() -> None:
    assert all(contrast(colour, theme.LIGHT.panel) >= 3 for colour in SERIES_COLOURS.values())
    assert all(contrast(colour, theme.DARK.panel) >= 3 for colour in SERIES_COLOURS.values())


def test_every_curve_has_a_shape_of_its_own(panel: RdPanel) -> None:
    assert set(plotting.MARKERS) == set(SERIES_COLOURS)
    paths = [painting.marker_path(marker, 6) for marker in plotting.MARKERS.values()]
    assert all(one != other for one, other in combinations(paths, 2))
    assert all(8 < max(path.boundingRect().width(), path.boundingRect().height()) <= 12.01 for path in paths)
    in_legend = [panel.legend.item(row).icon().pixmap(14, 14).toImage() for row in (0, 1)]
    one, other = (image.convertToFormat(QImage.Format.Format_Alpha8) for image in in_legend)
    assert one != other


# ---------------------------------------------------------------- larger letters


def costs() -> CostBars:
    bars = CostBars()
    bars.show_rows([CostRow("joint", None, None)], "joint")
    return bars


def grid() -> ChannelGrid:
    grid = ChannelGrid()
    grid.show_channels(np.zeros((4, 4, 3), np.float32), np.zeros(3), 0, 1, "viridis")
    return grid


@pytest.mark.parametrize(
    ("make", "height", "lines"),
    [
        (PredictionView, lambda view: view.minimumSizeHint().height(), 4),
        (costs, lambda bars: bars.sizeHint().height(), 1),
        (ResidualPlot, lambda plot: plot.axis_height(), 1),
        (ChannelBars, lambda bars: bars.label_height(), 1),
        (ColourBar, lambda bar: bar.sizeHint().height(), 1),
        (LmbdaSlider, lambda slider: slider.sizeHint().height(), 1),
        (grid, lambda grid: grid.cells.cell_rect(0).height(), 1),
    ],
)
def test_larger_letters_get_more_room(
    make: Callable[[], QWidget], height: Callable[[QWidget], int], lines: int, qtbot: QtBot
) -> None:
    widget = make()
    qtbot.addWidget(widget)
    before, line = height(widget), widget.fontMetrics().height()
    font = widget.font()
    font.setPointSizeF(3 * font.pointSizeF())
    for part in (widget, *widget.findChildren(QWidget)):
        part.setFont(font)
    if isinstance(widget, ChannelGrid):
        widget.cells.settle(300)
    assert height(widget) > before + lines * line
