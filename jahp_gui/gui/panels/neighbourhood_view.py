"""A latent with the 5×5 about it: which the prior may look at, and which are masked because they come later."""

from typing import TYPE_CHECKING

from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QPoint, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QHelpEvent, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from jahp_gui.gui import charts, theme
from jahp_gui.gui.focus_frame import FocusFrame
from jahp_gui.gui.i18n import tr
from jahp_gui.gui.panels.map_view import ARROWS

if TYPE_CHECKING:  # at run time it would load torch
    from jahp_gui.codec.inspection import Prediction

SIDE, MIDDLE = 5, 2
CELL_WIDTH, NARROW_CELL, CELL_HEIGHT = 27, 21, 20  # cells are narrower where two grids would not fit
STRONGEST = 120  # alpha of the colour of the largest value


class NeighbourhoodView(FocusFrame):
    """Values of one channel as a grid. Arrow keys and clicks move to a neighbour."""

    moved = Signal(QPoint)  # by so many columns and rows

    def __init__(self, name: str, parent: QWidget | None = None):
        super().__init__(parent)
        self.prediction: Prediction | None = None
        self.channel = 0
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.setMinimumWidth(SIDE * NARROW_CELL + 2)
        self.setMaximumWidth(SIDE * CELL_WIDTH + 2)
        self.setFixedHeight(SIDE * CELL_HEIGHT + 2)
        self.setAccessibleName(name)
        theme.switch.changed.connect(self.update)

    def sizeHint(self) -> QSize:  # noqa: N802
        return QSize(SIDE * CELL_WIDTH + 2, SIDE * CELL_HEIGHT + 2)

    def show_prediction(self, prediction: "Prediction | None", channel: int) -> None:
        self.prediction, self.channel = prediction, channel
        if prediction is not None:
            seen = prediction.around[..., channel][prediction.seen]
            self.setAccessibleDescription(" ".join(map(str, seen.tolist())) or tr("It looks at no neighbours."))
        self.update()

    def cell_rect(self, row: int, column: int) -> QRectF:
        width = self._cell_width()
        return QRectF(1 + column * width, 1 + row * CELL_HEIGHT, width, CELL_HEIGHT)

    def _cell_width(self) -> int:
        return (self.width() - 2) // SIDE

    def cell_at(self, position: QPointF) -> tuple[int, int] | None:
        row, column = int((position.y() - 1) // CELL_HEIGHT), int((position.x() - 1) // self._cell_width())
        return (row, column) if 0 <= row < SIDE and 0 <= column < SIDE else None

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        painter = QPainter(self)
        if self.prediction is not None and self.channel < self.prediction.around.shape[2]:
            self._paint_cells(painter, self.prediction.around[..., self.channel])
        self.paint_focus(painter)

    def _paint_cells(self, painter: QPainter, values: NDArray) -> None:
        """values: (5, 5) of the channel."""
        painter.setFont(charts.small_font(self.font(), 0.8))
        largest = max(int(abs(values).max()), 1)
        for row in range(SIDE):
            for column in range(SIDE):
                self._paint_cell(painter, row, column, int(values[row, column]), largest)
        middle = self.cell_rect(MIDDLE, MIDDLE)
        painter.setPen(QPen(theme.colour("accent" if self.hasFocus() else "text"), 2))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRect(middle)

    def _paint_cell(self, painter: QPainter, row: int, column: int, value: int, largest: int) -> None:
        assert self.prediction is not None
        rect, is_middle = self.cell_rect(row, column), (row, column) == (MIDDLE, MIDDLE)
        seen = bool(self.prediction.seen[row, column])
        if seen or is_middle:
            fill = QColor(theme.series_colour("joint" if value > 0 else "mean-scale-hyperprior"))
            fill.setAlpha(round(STRONGEST * abs(value) / largest))
            painter.fillRect(rect, fill)
        else:
            painter.fillRect(rect, charts.hatching())
        painter.setPen(QPen(theme.colour("border"), 1))
        painter.drawRect(rect)
        if self.prediction.inside[row, column]:
            painter.setPen(theme.colour("text" if seen or is_middle else "faint_text"))
            charts.draw_fitting(painter, rect, f"{value}".replace("-", "−"))

    # ------------------------------------------------------------ input

    def text_at(self, position: QPointF) -> str:
        cell = self.cell_at(position)
        if cell is None or self.prediction is None:
            return ""
        if cell == (MIDDLE, MIDDLE):
            return tr("The latent itself: what has to be predicted.")
        if not self.prediction.inside[cell]:
            return tr("Outside of the image.")
        if self.prediction.seen[cell]:
            return tr("Decoded before: the prior sees this neighbour, in all its channels.")
        return tr("Masked: this prior does not see it.")

    def event(self, event: QEvent) -> bool:
        if isinstance(event, QHelpEvent):
            QToolTip.showText(event.globalPos(), self.text_at(QPointF(event.pos())), self)
            return True
        return super().event(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        cell = self.cell_at(event.position())
        if self.prediction is not None and cell is not None and self.prediction.inside[cell]:
            self.moved.emit(QPoint(cell[1] - MIDDLE, cell[0] - MIDDLE))

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        step = ARROWS.get(Qt.Key(event.key()))
        if step is None:
            super().keyPressEvent(event)
        else:
            self.moved.emit(step)
