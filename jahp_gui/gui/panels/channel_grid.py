"""Every channel as a small map, the most expensive first."""

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QRect, QRectF, Qt, Signal
from PySide6.QtGui import QFont, QHelpEvent, QImage, QMouseEvent, QPainter, QPaintEvent, QPen, QResizeEvent
from PySide6.QtWidgets import QScrollArea, QToolTip, QWidget

from jahp_gui.gui import charts, theme
from jahp_gui.gui.i18n import tr
from jahp_gui.gui.imaging import coloured, qimage

CELL, CAPTION, GAP = 84, 15, 6
FONT_SCALE = 0.8


class ChannelGrid(QScrollArea):
    """A scrolled grid of channels; a click chooses one."""

    chosen = Signal(int)

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self.cells = _Cells(self)
        self.setWidget(self.cells)
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setAccessibleName(tr("Channels by bits"))
        self.cells.chosen.connect(self.chosen)

    def show_channels(
        self, values: NDArray | None, bits: NDArray[np.float64], low: float, high: float, colours: str
    ) -> None:
        """Values (h, w, C) in one range of colours, ordered by the bits (C,) of each channel."""
        self.cells.fill(values, bits, low, high, colours)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        super().resizeEvent(event)
        self.cells.settle(self.viewport().width())


class _Cells(QWidget):
    """Paints the cells that are seen; images are made when they are first painted."""

    chosen = Signal(int)

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self.values: NDArray | None = None
        self.bits: NDArray[np.float64] = np.zeros(0)
        self.order: list[int] = []
        self.selected: int | None = None
        self.caption = CAPTION  # the height of one
        self._range = (0.0, 1.0, "viridis")
        self._images: dict[int, QImage] = {}
        theme.switch.changed.connect(self.update)

    def fill(self, values: NDArray | None, bits: NDArray[np.float64], low: float, high: float, colours: str) -> None:
        self.values, self.bits, self._range = values, bits, (low, high, colours)
        self.order = [] if values is None else [int(channel) for channel in np.argsort(-bits, kind="stable")]
        self._images.clear()
        self.settle(self.width())
        self.update()

    def settle(self, width: int) -> None:
        self.caption = charts.line_height(self._small_font(), CAPTION)
        rows = -(-len(self.order) // self._columns(width))
        self.setMinimumHeight(GAP + rows * self._row_height())

    def _columns(self, width: int) -> int:
        return max(1, (width - GAP) // (CELL + GAP))

    def _small_font(self) -> QFont:
        return charts.small_font(self.font(), FONT_SCALE)

    def _row_height(self) -> int:
        if self.values is None:
            return CELL + self.caption + GAP
        rows, columns = self.values.shape[:2]
        return max(16, min(CELL, round(CELL * rows / columns))) + self.caption + GAP

    def cell_rect(self, number: int) -> QRect:
        row, column = divmod(number, self._columns(self.width()))
        height = self._row_height()
        return QRect(GAP + column * (CELL + GAP), GAP + row * height, CELL, height - GAP)

    def channel_at(self, position: QRect) -> int | None:
        for number, channel in enumerate(self.order):
            if self.cell_rect(number).contains(position.topLeft()):
                return channel
        return None

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        painter = QPainter(self)
        painter.setFont(self._small_font())
        for number, channel in enumerate(self.order):
            cell = self.cell_rect(number)
            if cell.intersects(event.rect()):
                self._paint_cell(painter, cell, channel)

    def _paint_cell(self, painter: QPainter, cell: QRect, channel: int) -> None:
        picture = cell.adjusted(0, 0, 0, -self.caption)
        image = self._image(channel)
        size = image.size().scaled(picture.size(), Qt.AspectRatioMode.KeepAspectRatio)
        target = QRectF(0, 0, size.width(), size.height())
        target.moveCenter(QRectF(picture).center())
        painter.drawImage(target, image, QRectF(image.rect()))
        if channel == self.selected:
            painter.setPen(QPen(theme.colour("accent"), 2))
            painter.drawRect(target)
        painter.setPen(theme.colour("text"))
        text = f"{channel}: {self.bits[channel]:,.0f} {tr('bit')}"
        painter.drawText(cell.adjusted(0, cell.height() - self.caption, 0, 0), Qt.AlignmentFlag.AlignCenter, text)

    def _image(self, channel: int) -> QImage:
        assert self.values is not None
        if channel not in self._images:
            low, high, colours = self._range
            plane = self.values[..., channel].astype(np.float32)
            self._images[channel] = qimage(np.ascontiguousarray(coloured(plane, low, high, colours)))
        return self._images[channel]

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        channel = self.channel_at(QRect(event.position().toPoint(), event.position().toPoint()))
        if channel is not None:
            self.chosen.emit(channel)

    def event(self, event: QEvent) -> bool:
        if isinstance(event, QHelpEvent):
            channel = self.channel_at(QRect(event.pos(), event.pos()))
            if channel is not None:
                share = 100 * self.bits[channel] / max(self.bits.sum(), 1e-9)
                text = tr("Channel {channel}: {bits:,.0f} bit, {share:.1f}% of all")
                QToolTip.showText(event.globalPos(), text.format(channel=channel, bits=self.bits[channel], share=share))
            return True
        return super().event(event)
