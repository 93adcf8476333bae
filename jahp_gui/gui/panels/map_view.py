"""A plane of latents as a heatmap, and its colour bar."""

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPoint, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QFontMetricsF, QImage, QKeyEvent, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from jahp_gui.gui import charts, painting, theme
from jahp_gui.gui.focus_frame import FocusFrame
from jahp_gui.gui.i18n import tr
from jahp_gui.gui.imaging import colour_table, coloured, qimage

ARROWS = {
    Qt.Key.Key_Left: QPoint(-1, 0),
    Qt.Key.Key_Right: QPoint(1, 0),
    Qt.Key.Key_Up: QPoint(0, -1),
    Qt.Key.Key_Down: QPoint(0, 1),
}


class MapView(FocusFrame):
    """Shows values (h, w), one cell each; hovering and clicking name the cell."""

    hovered = Signal(object)  # QPoint (column, row) or None
    clicked = Signal(object)  # QPoint
    opened = Signal()  # the marked cell, by a double click or the Enter key

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self.values: NDArray[np.float32] | None = None
        self.image: QImage | None = None
        self.marked: QPoint | None = None
        self.text = ""  # shown where there is no map
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMinimumSize(120, 90)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAccessibleName(tr("Latent map"))
        theme.switch.changed.connect(self.update)

    def sizeHint(self) -> QSize:  # noqa: N802
        return QSize(300, 220)

    def show_values(self, values: NDArray[np.float32] | None, low: float, high: float, colours: str) -> None:
        """NaN is no value: such cells are hatched."""
        self.values = values
        self.image = None if values is None else qimage(_picture(values, low, high, colours))
        self.update()

    def target(self) -> QRectF:
        """Where the map lies in the widget: as large as fits, cells square."""
        if self.values is None:
            return QRectF()
        rows, columns = self.values.shape
        cell = min(self.width() / columns, self.height() / rows)
        rect = QRectF(0, 0, cell * columns, cell * rows)
        rect.moveCenter(QRectF(self.rect()).center())
        return rect

    def cell_at(self, position: QPointF) -> QPoint | None:
        target = self.target()
        if self.values is None or not target.contains(position):
            return None
        rows, columns = self.values.shape
        column = int((position.x() - target.left()) / target.width() * columns)
        row = int((position.y() - target.top()) / target.height() * rows)
        return QPoint(min(column, columns - 1), min(row, rows - 1))

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        painter = QPainter(self)
        if self.image is None or self.values is None:
            painting.draw_centred(painter, self.text, QRectF(self.rect()))
        else:
            self._paint_map(painter, self.image, self.values.shape)
        self.paint_focus(painter)

    def _paint_map(self, painter: QPainter, image: QImage, shape: tuple[int, ...]) -> None:
        target = self.target()
        if image.hasAlphaChannel():
            painter.fillRect(target, charts.hatching())
        painter.drawImage(target, image, QRectF(image.rect()))
        if self.marked is not None:
            rows, columns = shape
            cell = target.width() / columns
            left, top = target.left() + self.marked.x() * cell, target.top() + self.marked.y() * target.height() / rows
            painting.draw_outline(painter, QRectF(left, top, cell, cell))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        self.hovered.emit(self.cell_at(event.position()))

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        cell = self.cell_at(event.position())
        if cell is not None:
            self.clicked.emit(cell)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        cell = self.cell_at(event.position())
        if cell is not None:
            if cell != self.marked:  # the first of the two clicks took the mark away
                self.clicked.emit(cell)
            self.opened.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        """The arrow keys choose the next cell, Enter opens it."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self.marked is not None:
            self.opened.emit()
            return
        step = ARROWS.get(Qt.Key(event.key()))
        if step is None or self.values is None:
            super().keyPressEvent(event)
            return
        rows, columns = self.values.shape
        middle = QPoint(columns // 2, rows // 2)
        cell = (self.marked if self.marked is not None else middle) + step  # QPoint(0, 0) counts as false
        cell = QPoint(min(max(cell.x(), 0), columns - 1), min(max(cell.y(), 0), rows - 1))
        if cell != self.marked:
            self.clicked.emit(cell)
            self.hovered.emit(cell)

    def leaveEvent(self, event: object) -> None:  # noqa: N802
        self.hovered.emit(None)


def _picture(values: NDArray[np.float32], low: float, high: float, colours: str) -> NDArray[np.uint8]:
    """uint8 (h, w, 3), or with a fourth channel where cells without a value are seen through."""
    missing = np.isnan(values)
    rgb = np.ascontiguousarray(coloured(np.where(missing, low, values), low, high, colours))
    return np.dstack([rgb, np.where(missing, 0, 255).astype(np.uint8)]) if missing.any() else rgb


class ColourBar(QWidget):
    """The colours of a range with its ends, its middle and the unit."""

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self.low, self.high, self.unit, self.colours = 0.0, 1.0, "", "viridis"
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(tr("Colour scale"))
        theme.switch.changed.connect(self.update)

    def sizeHint(self) -> QSize:  # noqa: N802
        return QSize(120, 14 + charts.line_height(self.font(), 18))

    def show_range(self, low: float, high: float, unit: str, colours: str) -> None:
        self.low, self.high, self.unit, self.colours = low, high, unit, colours
        self.setAccessibleDescription(f"{low:.3g} … {high:.3g} {unit}")
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, True)
        bar = QRectF(0, 0, self.width(), 12)
        strip = qimage(np.ascontiguousarray(colour_table(self.colours)[None]))
        painter.drawImage(bar, strip, QRectF(strip.rect()))
        painter.setPen(theme.colour("text"))
        metrics = QFontMetricsF(painter.font())
        for fraction in (0.0, 0.5, 1.0):
            text = _number(self.low + fraction * (self.high - self.low)) + (f" {self.unit}" if fraction == 1 else "")
            width = metrics.horizontalAdvance(text)
            left = min(max(fraction * self.width() - width / 2, 0), self.width() - width)
            painter.drawText(QRectF(left, 14, width + 2, self.height() - 14), Qt.AlignmentFlag.AlignLeft, text)


def _number(value: float) -> str:
    text = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return text.replace("-", "−")
