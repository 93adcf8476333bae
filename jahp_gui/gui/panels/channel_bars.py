"""What each channel of one position costs, as bars: sorted, or in the order of the channels."""

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QHelpEvent, QKeyEvent, QMouseEvent, QPainter, QPainterPath, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from jahp_gui.gui import charts, theme
from jahp_gui.gui.focus_frame import FocusFrame
from jahp_gui.gui.i18n import tr

SMALLEST_BAR = 3.0  # of sorted bars; what does not fit costs next to nothing
LABEL_HEIGHT, FONT_SCALE = 16, 0.85
BAR_ALPHA = 120


class ChannelBars(FocusFrame):
    """A click, or the keys ← and →, choose a channel."""

    chosen = Signal(int)

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self.bits: NDArray[np.float64] = np.zeros(0)
        self.pinned: NDArray[np.float64] | None = None
        self.order: NDArray[np.intp] = np.zeros(0, np.intp)
        self.channel = 0
        self.prior = ""
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAccessibleName(tr("Bits of the channels at this position"))
        theme.switch.changed.connect(self.update)

    def sizeHint(self) -> QSize:  # noqa: N802
        return QSize(280, 96)

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        return QSize(160, 72)

    def show_bits(
        self,
        bits: NDArray[np.float64],
        pinned: NDArray[np.float64] | None,
        order: NDArray[np.intp],
        channel: int,
        prior: str,
    ) -> None:
        """bits: (C,) at the position, and at the pinned one; order: the channels from left to right."""
        self.bits, self.pinned, self.order, self.channel, self.prior = bits, pinned, order, channel, prior
        if len(bits):
            text = tr("Channel {channel}: {bits:,.0f} bit, {share:.1f}% of all")
            share = 100 * bits[channel] / max(float(bits.sum()), 1e-9)
            self.setAccessibleDescription(text.format(channel=channel, bits=bits[channel], share=share))
        self.update()

    # ------------------------------------------------------------ geometry

    def label_height(self) -> int:
        return charts.line_height(charts.small_font(self.font(), FONT_SCALE), LABEL_HEIGHT)

    def plot_rect(self) -> QRectF:
        return QRectF(self.rect()).adjusted(0, self.label_height(), -1, -1)

    def count_shown(self) -> int:
        """How many channels have a bar: in their own order all, sorted as many as can be told apart."""
        is_sorted = len(self.order) > 1 and not (np.diff(self.order) > 0).all()
        fitting = int(self.plot_rect().width() / SMALLEST_BAR)
        return min(len(self.order), max(fitting, 1)) if is_sorted else len(self.order)

    def bar_rect(self, number: int, bits: float) -> QRectF:
        return self.bar_rects(number, [bits])[0]

    def bar_rects(self, number: int, bits: list[float]) -> list[QRectF]:
        """Bars side by side from the one of a number on."""
        rect, highest = self.plot_rect(), self._highest()
        width = rect.width() / max(self.count_shown(), 1)
        heights = [rect.height() * value / highest for value in bits]
        return [
            QRectF(rect.left() + place * width, rect.bottom() - height, width, height)
            for place, height in enumerate(heights, number)
        ]

    def _highest(self) -> float:
        highest = float(self.bits.max(initial=0.0))
        return max(highest, 1.0 if self.pinned is None else float(self.pinned.max(initial=1.0)), 1e-9)

    def channel_at(self, position: QPointF) -> int | None:
        count = self.count_shown()
        number = int((position.x() - self.plot_rect().left()) / self.plot_rect().width() * count)
        return int(self.order[number]) if 0 <= number < count else None

    # ------------------------------------------------------------ painting

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        painter = QPainter(self)
        painter.setFont(charts.small_font(self.font(), FONT_SCALE))
        if len(self.bits):
            self._paint_bars(painter)
        self.paint_focus(painter)

    def _paint_bars(self, painter: QPainter) -> None:
        shown = self.order[: self.count_shown()]
        fill = QColor(theme.series_colour(self.prior))
        solid = QColor(fill)
        fill.setAlpha(BAR_ALPHA)
        bars = QPainterPath()
        for bar in self.bar_rects(0, self.bits[shown].tolist()):
            bars.addRect(bar)
        painter.fillPath(bars, fill)
        places = np.flatnonzero(shown == self.channel)
        if len(places):
            self._paint_chosen(painter, int(places[0]), solid)
        if self.pinned is not None and len(self.pinned) == len(self.bits):
            self._paint_pinned(painter, self.bar_rects(0, self.pinned[shown].tolist()))
        rect = self.plot_rect()
        painter.setPen(QPen(theme.colour("accent" if self.hasFocus() else "border"), 1))
        painter.drawLine(rect.bottomLeft(), rect.bottomRight())
        self._paint_labels(painter, shown)

    def _paint_chosen(self, painter: QPainter, number: int, colour: QColor) -> None:
        """The chosen channel's bar, at least two units wide, with a mark above it."""
        bar = self.bar_rect(number, float(self.bits[self.channel]))
        bar.setWidth(max(bar.width(), 2.0))
        painter.fillRect(bar, colour)
        top = max(bar.top(), self.plot_rect().top() + 5)
        mark = QPainterPath(QPointF(bar.center().x(), top))
        mark.lineTo(bar.center().x() - 4, top - 5)
        mark.lineTo(bar.center().x() + 4, top - 5)
        painter.fillPath(mark, theme.colour("text"))

    def _paint_pinned(self, painter: QPainter, bars: list[QRectF]) -> None:
        path = QPainterPath(self.plot_rect().bottomLeft())
        for bar in bars:
            path.lineTo(bar.topLeft())
            path.lineTo(bar.topRight())
        painter.setPen(QPen(theme.colour("accent"), 1))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawPath(path)

    def _paint_labels(self, painter: QPainter, shown: NDArray[np.intp]) -> None:
        area = QRectF(0, 0, self.width(), self.label_height())
        painter.setPen(theme.colour("faint_text"))
        painter.drawText(area, Qt.AlignmentFlag.AlignLeft, f"{self._highest():.1f} {tr('bit')}")
        if len(shown) < len(self.bits):
            share = 100 * self.bits[shown].sum() / max(float(self.bits.sum()), 1e-9)
            text = tr("first {count} of {all}: {share:.1f}% of the bits")
            text = text.format(count=len(shown), all=len(self.bits), share=share)
        else:
            text = tr("{count} channels").format(count=len(self.bits))
        painter.drawText(area, Qt.AlignmentFlag.AlignRight, text)

    # ------------------------------------------------------------ input

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        channel = self.channel_at(event.position())
        if channel is not None:
            self.chosen.emit(channel)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        step = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}.get(Qt.Key(event.key()))
        if step is None:
            super().keyPressEvent(event)
        elif len(self.order):
            self.chosen.emit(self.neighbour(step))

    def neighbour(self, step: int) -> int:
        """The channel so many bars away from the chosen one, at the ends the last one."""
        number = int(np.flatnonzero(self.order == self.channel)[0]) + step
        return int(self.order[min(max(number, 0), len(self.order) - 1)])

    def event(self, event: QEvent) -> bool:
        if isinstance(event, QHelpEvent):
            channel = self.channel_at(QPointF(event.pos()))
            text = ""
            if channel is not None:
                text = tr("Channel {channel}: {bits:.2f} bit").format(channel=channel, bits=self.bits[channel])
            QToolTip.showText(event.globalPos(), text, self)
            return True
        return super().event(event)
