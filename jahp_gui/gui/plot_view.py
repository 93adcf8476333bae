"""The plot on the screen: matplotlib draws it in a job, Qt shows the picture and the current point on it.

A redraw holds matplotlib for a tenth of a second; the point, which moves with the slider, costs nothing.
"""

import math
from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QColor, QImage, QMouseEvent, QPainter, QPaintEvent, QPen, QResizeEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from jahp_gui.gui import plotting, theme
from jahp_gui.gui.i18n import tr
from jahp_gui.gui.imaging import qimage
from jahp_gui.gui.jobs import Job, Jobs
from jahp_gui.gui.painting import draw_centred
from jahp_gui.gui.plotting import PlotContent
from jahp_gui.gui.results import CurvePoint, SeriesKey

REDRAW_MS = 200
NEAR = 12.0  # widget pixels from the cursor to a point it means
DPI = 96
MARGINS = (50.0, 10.0, 40.0, 12.0)  # left, right, bottom, top in widget pixels
TITLE_HEIGHT = 12.0
POINT_RADIUS, TRAIL_RADIUS = 6.0, 2.2
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


class PlotView(QWidget):
    """Shows a `PlotContent`; asks a job for a new drawing when it differs from the one shown."""

    hovered = Signal(object)  # (SeriesKey, CurvePoint) or None
    clicked = Signal(object)  # (SeriesKey, CurvePoint)

    def __init__(self, jobs: Jobs, parent: QWidget | None = None):
        super().__init__(parent)
        self.jobs = jobs
        self.content: PlotContent | None = None
        self.empty_text = ""
        self.rendered: RenderedPlot | None = None
        self._renderer: PlotRenderer | None = None
        self._timer = QTimer(self, singleShot=True, interval=REDRAW_MS)
        self._timer.timeout.connect(self._render)
        self.setMouseTracking(True)
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
            draw_centred(painter, self.empty_text, QRectF(self.rect()))
            return
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, True)
        painter.drawImage(QRectF(self.rect()), self.rendered.image)
        self._paint_trail(painter, [self.rendered.position(*place) for place in self.content.trail])
        point = self._current_position()
        if point is not None and self.rendered.axes.contains(point):
            self._paint_current(painter, point, self.content)

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

    # ------------------------------------------------------------ mouse

    def nearest(self, position: QPointF) -> tuple[SeriesKey, CurvePoint] | None:
        """The drawn point nearest to a place, when it is near enough to be meant."""
        if self.rendered is None:
            return None
        choice, best = self.rendered.content.choice, NEAR
        found: tuple[SeriesKey, CurvePoint] | None = None
        for key, points in self.rendered.content.curves.points.items():
            if plotting.name_of_series(key) in choice.hidden:
                continue
            for point in points:
                height = plotting.quality(point, choice.metric)
                if height is None or not math.isfinite(height):
                    continue
                offset = self.rendered.position(point.bpp, height) - position
                distance = math.hypot(offset.x(), offset.y())
                if distance < best:
                    best, found = distance, (key, point)
        return found

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
