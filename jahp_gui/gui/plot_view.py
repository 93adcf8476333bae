"""The plot on the screen: matplotlib draws it in a job, Qt shows the picture and the current point on it.

A redraw holds matplotlib for a tenth of a second; the point, which moves with the slider, costs nothing.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from PySide6.QtCore import QEvent, QPoint, QPointF, QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QColor, QFocusEvent, QImage, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QResizeEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from jahp_gui.gui import painting, plotting, theme
from jahp_gui.gui.focus_frame import FocusFrame
from jahp_gui.gui.i18n import tr
from jahp_gui.gui.imaging import qimage
from jahp_gui.gui.jobs import Job, Jobs
from jahp_gui.gui.panels.map_view import ARROWS
from jahp_gui.gui.plotting import PlotContent
from jahp_gui.gui.results import CurvePoint, SeriesKey

REDRAW_MS = 200
NEAR = 12.0  # widget pixels from the cursor to a point it means
DPI = 96
MARGINS = (50.0, 10.0, 40.0, 12.0)  # left, right, bottom, top in widget pixels
TITLE_HEIGHT = 12.0
POINT_RADIUS, TRAIL_RADIUS, RING_RADIUS = 6.0, 2.2, 9.0
INSET = (148.0, 78.0)  # the enlarged trail, widget pixels


@dataclass(frozen=True, eq=False)
class RenderedPlot:
    """A drawn plot: its picture, where its axes lie, and what they range over."""

    content: PlotContent
    image: QImage
    axes: QRectF  # widget pixels
    rates: tuple[float, float]
    heights: tuple[float, float]

    def position(self, rate: float, height: float) -> QPointF:
        """Widget point of (bpp, dB)."""
        low, high = self.rates
        if self.content.choice.log_rate:
            rate, low, high = math.log(max(rate, 1e-9)), math.log(low), math.log(high)
        x = self.axes.left() + (rate - low) / (high - low) * self.axes.width()
        bottom, top = self.heights
        return QPointF(x, self.axes.bottom() - (height - bottom) / (top - bottom) * self.axes.height())


class DrawnPoint(NamedTuple):
    """A point of a curve, and where it is in the widget."""

    point: CurvePoint
    place: QPointF


class PlotRenderer:
    """Draws into one figure that it keeps; used by one job at a time."""

    def __init__(self) -> None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        self.figure = Figure(dpi=DPI)
        self.canvas = FigureCanvasAgg(self.figure)
        self.axes = self.figure.subplots()

    def render(self, content: PlotContent, size: QSize, ratio: float) -> RenderedPlot:
        width, height = max(size.width(), 120), max(size.height(), 80)
        left, right, bottom, top = MARGINS
        top += TITLE_HEIGHT if content.curves.cropped else 0.0
        self.figure.set_dpi(DPI * ratio)
        self.figure.set_size_inches(width / DPI, height / DPI)
        self.figure.subplots_adjust(left / width, bottom / height, 1 - right / width, 1 - top / height)
        plotting.draw(self.axes, content, with_current=False)
        self.canvas.draw()
        image = qimage(np.array(self.canvas.buffer_rgba()))
        image.setDevicePixelRatio(ratio)
        area = QRectF(left, top, width - left - right, height - top - bottom)
        return RenderedPlot(content, image, area, self.axes.get_xlim(), self.axes.get_ylim())


class PlotView(FocusFrame):
    """Shows a `PlotContent`; asks a job for a new drawing when it differs from the one shown.

    The mouse, or ← and → along a curve, ↑ and ↓ to another, hover over points; a click, or Enter, chooses one.
    """

    hovered = Signal(object)  # (SeriesKey, CurvePoint) or None
    clicked = Signal(object)  # (SeriesKey, CurvePoint)

    def __init__(self, jobs: Jobs, parent: QWidget | None = None):
        super().__init__(parent)
        self.jobs = jobs
        self.content: PlotContent | None = None
        self.empty_text = ""
        self.rendered: RenderedPlot | None = None
        self._at: tuple[SeriesKey, float] | None = None  # curve and rate where the keyboard is
        self._renderer: PlotRenderer | None = None
        self._timer = QTimer(self, singleShot=True, interval=REDRAW_MS)
        self._timer.timeout.connect(self._render)
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMinimumSize(200, 120)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAccessibleName(tr("Rate-distortion plot"))

    def use_renderer(self, renderer: PlotRenderer) -> None:
        """matplotlib has been loaded."""
        self._renderer = renderer
        self._render()

    def stop(self) -> None:
        """Draw no more: the window is being replaced by one in another language."""
        self._renderer = None
        self.jobs.cancel("plot")

    def show_content(self, content: PlotContent, *, redraw: bool) -> None:
        """Without `redraw`, only the current point has moved."""
        self.content = content
        self.update()
        point = self._current_position()
        outside = point is not None and self.rendered is not None and not self.rendered.axes.contains(point)
        if (redraw or outside) and not self._timer.isActive():
            self._timer.start()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        if not self._timer.isActive():
            self._timer.start()

    def event(self, event: QEvent) -> bool:
        """On a screen of another ratio what was drawn for the one before is blurred."""
        if event.type() == QEvent.Type.DevicePixelRatioChange:
            self._timer.start()
        return super().event(event)

    def _render(self) -> None:
        content, renderer = self.content, self._renderer
        if content is None or renderer is None:
            return
        size, ratio = self.size(), self.devicePixelRatioF()

        def work(job: Job) -> RenderedPlot:
            return renderer.render(content, size, ratio)

        self.jobs.start("plot", work, self._show, kind="display", keep_running=True)

    def _show(self, rendered: RenderedPlot) -> None:
        self.rendered = rendered
        self.update()

    def _current_position(self) -> QPointF | None:
        if self.content is None or self.content.current is None or self.rendered is None:
            return None
        rate, height, _ = self.content.current
        return self.rendered.position(rate, height)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        painter = QPainter(self)
        if self.rendered is None or self.content is None or self.content.is_empty:
            painting.draw_centred(painter, self.empty_text, QRectF(self.rect()))
        else:
            self._paint_plot(painter, self.rendered, self.content)
        self.paint_focus(painter)

    def _paint_plot(self, painter: QPainter, rendered: RenderedPlot, content: PlotContent) -> None:
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, True)
        painter.drawImage(QRectF(self.rect()), rendered.image)
        self._paint_trail(painter, [rendered.position(*place) for place in content.trail])
        point = self._current_position()
        if point is not None and rendered.axes.contains(point):
            self._paint_current(painter, point, content)
        drawn = self.drawn_points() if self.hasFocus() else {}
        if (at := self._keyboard_at(drawn)) is not None:
            key, number = at
            painting.draw_circle(painter, drawn[key][number].place, RING_RADIUS)

    def _paint_trail(self, painter: QPainter, places: list[QPointF]) -> None:
        """Where the current point came from while it was refined, faintly."""
        if len(places) < 2 or self.rendered is None:
            return
        painter.save()
        painter.setClipRect(self.rendered.axes)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
        colour = theme.colour("faint_text")
        painter.setPen(QPen(colour, 1.4))
        painter.drawPolyline(places)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colour)
        for place in places:
            painter.drawEllipse(place, TRAIL_RADIUS, TRAIL_RADIUS)
        self._paint_enlarged(painter, places)
        painter.restore()

    def _paint_enlarged(self, painter: QPainter, places: list[QPointF]) -> None:
        """The trail once more in the corner where no curve comes: on the plot itself it is a few pixels long."""
        assert self.content is not None and self.rendered is not None
        box = QRectF(0, 0, *INSET)
        box.moveBottomRight(self.rendered.axes.bottomRight() - QPointF(6, 6))
        painter.setBrush(theme.colour("panel"))
        painter.setPen(QPen(theme.colour("border"), 1))
        painter.drawRect(box)
        (rate, height), (last_rate, last_height) = self.content.trail[0], self.content.trail[-1]
        text = f"{100 * (last_rate / rate - 1):+.1f} % bpp · {last_height - height:+.2f} dB".replace("-", "−")
        painter.setPen(theme.colour("text"))
        font = painter.font()
        font.setPointSizeF(0.8 * font.pointSizeF())
        painter.setFont(font)
        painter.drawText(box.adjusted(4, 2, -4, 0), Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop, text)
        area = box.adjusted(10, 22, -10, -8)
        xs, ys = [place.x() for place in places], [place.y() for place in places]
        width, height = max(max(xs) - min(xs), 1e-9), max(max(ys) - min(ys), 1e-9)
        enlarged = [
            QPointF(
                area.left() + (place.x() - min(xs)) / width * area.width(),
                area.top() + (place.y() - min(ys)) / height * area.height(),
            )
            for place in places
        ]
        painter.setPen(QPen(theme.colour("faint_text"), 1.4))
        painter.drawPolyline(enlarged)
        painter.setBrush(theme.colour("faint_text"))
        for place in enlarged[:-1]:
            painter.drawEllipse(place, TRAIL_RADIUS, TRAIL_RADIUS)
        series = self.content.current_series
        painter.setBrush(QColor(theme.series_colour(series.name)) if series is not None else theme.colour("accent"))
        painter.setPen(QPen(theme.colour("text"), 1))
        painter.drawEllipse(enlarged[-1], 4, 4)

    def _paint_current(self, painter: QPainter, point: QPointF, content: PlotContent) -> None:
        """Solid from a real file, hollow while estimated."""
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
        series = content.current_series
        fill = QColor(theme.series_colour(series.name)) if series is not None else theme.colour("accent")
        assert content.current is not None
        is_exact = content.current[2]
        painter.setBrush(fill if is_exact else Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(theme.colour("text") if is_exact else fill, 2))
        painter.drawEllipse(point, POINT_RADIUS, POINT_RADIUS)

    # ------------------------------------------------------------ points

    def drawn_points(self) -> dict[SeriesKey, list[DrawnPoint]]:
        """The points of every curve that the picture shows, by rate."""
        if self.rendered is None:
            return {}
        rendered, choice, drawn = self.rendered, self.rendered.content.choice, {}
        for key, points in rendered.content.curves.points.items():
            heights = [(point, plotting.quality(point, choice.metric)) for point in points]
            placed = [
                DrawnPoint(point, rendered.position(point.bpp, height))
                for point, height in heights
                if height is not None and math.isfinite(height)
            ]
            if placed and plotting.name_of_series(key) not in choice.hidden:
                drawn[key] = sorted(placed, key=lambda drawn: drawn.point.bpp)
        return drawn

    def nearest(self, position: QPointF) -> tuple[SeriesKey, CurvePoint] | None:
        """The drawn point nearest to a place, when it is near enough to be meant."""
        best, found = NEAR, None
        for key, points in self.drawn_points().items():
            for point, place in points:
                distance = math.hypot(place.x() - position.x(), place.y() - position.y())
                if distance < best:
                    best, found = distance, (key, point)
        return found

    def _keyboard_at(self, drawn: dict[SeriesKey, list[DrawnPoint]]) -> tuple[SeriesKey, int] | None:
        """Curve and number of the point where the keyboard is, also after the curve has got other points."""
        if self._at is None or self._at[0] not in drawn:
            return None
        key, rate = self._at
        return key, _number_near(drawn[key], rate)

    def _start(self, drawn: dict[SeriesKey, list[DrawnPoint]]) -> tuple[SeriesKey, int]:
        """Where the keyboard begins: at the current setting, as far as it is drawn."""
        assert self.content is not None
        current, series = self.content.current, self.content.current_series
        key = series if series in drawn else next(iter(drawn))
        return key, _number_near(drawn[key], 0.0 if current is None else current[0])

    # ------------------------------------------------------------ mouse and keys

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        found = self.nearest(event.position())
        self.setCursor(Qt.CursorShape.PointingHandCursor if found else Qt.CursorShape.ArrowCursor)
        self.hovered.emit(found)

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        found = self.nearest(event.position())
        if found is not None:
            self.clicked.emit(found)

    def leaveEvent(self, event: object) -> None:  # noqa: N802
        self.hovered.emit(None)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        step, drawn = ARROWS.get(Qt.Key(event.key())), self.drawn_points()
        at = self._keyboard_at(drawn)
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and at is not None:
            key, number = at
            self.clicked.emit((key, drawn[key][number].point))
        elif step is not None and drawn:
            key, number = self._start(drawn) if at is None else _moved(drawn, *at, step)
            point = drawn[key][number].point
            self._at = (key, point.bpp)
            self.update()
            self.hovered.emit((key, point))
        else:
            super().keyPressEvent(event)

    def focusOutEvent(self, event: QFocusEvent) -> None:  # noqa: N802
        super().focusOutEvent(event)
        self.hovered.emit(None)


def _number_near(points: list[DrawnPoint], rate: float) -> int:
    return min(range(len(points)), key=lambda number: abs(points[number].point.bpp - rate))


def _moved(
    drawn: dict[SeriesKey, list[DrawnPoint]], key: SeriesKey, number: int, step: QPoint
) -> tuple[SeriesKey, int]:
    """The next point of the curve, or of another curve the one at about the same rate; at the ends the last."""
    if not step.y():
        return key, min(max(number + step.x(), 0), len(drawn[key]) - 1)
    keys, rate = list(drawn), drawn[key][number].point.bpp
    key = keys[min(max(keys.index(key) + step.y(), 0), len(keys) - 1)]
    return key, _number_near(drawn[key], rate)
