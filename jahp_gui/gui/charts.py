"""What the small charts of the inspector share: ticks, numbers that fit, the hatching of what is hidden."""

import math

import numpy as np
from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QBrush, QColor, QFont, QFontMetricsF, QPainter

from jahp_gui.gui import theme


def ticks(low: float, high: float, count: int) -> list[float]:
    """About `count` round numbers between two values: multiples of 1, 2 or 5 times a power of ten, whole ones."""
    step = max((high - low) / max(count, 1), 1e-9)
    unit = 10.0 ** np.floor(np.log10(step))
    step = max(1.0, next(factor * unit for factor in (1, 2, 5, 10) if factor * unit >= step * 0.999))
    return [float(value) for value in np.arange(np.ceil(low / step), np.floor(high / step) + 1) * step]


def small_font(base: QFont, scale: float) -> QFont:
    """Smaller letters than a widget's own, with figures of equal width."""
    font = theme.numbers_font(base)
    font.setPointSizeF(font.pointSizeF() * scale)
    return font


def line_height(font: QFont, least: int) -> int:
    """Room for a line: with the fonts of most systems `least`, more where the user has chosen larger ones."""
    return max(least, math.ceil(QFontMetricsF(font).height()))


def draw_tick(
    painter: QPainter,
    area: QRectF,
    x: float,
    text: str,
    colour: QColor,
    taken: QRectF | None = None,
    bold: bool = False,
) -> QRectF:
    """A number under an axis at x, left out where it would touch `taken`; the room taken so far."""
    font = painter.font()
    font.setBold(bold)
    painter.setFont(font)
    width = QFontMetricsF(font).horizontalAdvance(text) + 6
    box = QRectF(x - width / 2, area.top(), width, area.height())
    box.moveLeft(min(max(box.left(), area.left()), area.right() - width))
    if taken is None or not box.intersects(taken):
        painter.setPen(colour)
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)
    font.setBold(False)
    painter.setFont(font)
    return box if taken is None else taken


def draw_line(painter: QPainter, area: QRectF, text: str, colour: QColor, bold: bool = False) -> float:
    """A line of text from the left, shortened where it does not fit; its width."""
    font = painter.font()
    font.setBold(bold)
    painter.setFont(font)
    metrics = QFontMetricsF(font)
    painter.setPen(colour)
    painter.drawText(area, 0, metrics.elidedText(text, Qt.TextElideMode.ElideRight, area.width()))
    font.setBold(False)
    painter.setFont(font)
    return metrics.horizontalAdvance(text)


def draw_fitting(painter: QPainter, rect: QRectF, text: str) -> None:
    """Text in the middle of a cell, smaller where it would not fit."""
    width = QFontMetricsF(painter.font()).horizontalAdvance(text)
    if width <= rect.width() - 2:
        painter.drawText(rect, Qt.AlignmentFlag.AlignCenter, text)
        return
    painter.save()
    font = painter.font()
    font.setPointSizeF(font.pointSizeF() * (rect.width() - 2) / width)
    painter.setFont(font)
    painter.drawText(rect, Qt.AlignmentFlag.AlignCenter, text)
    painter.restore()


def hatching() -> QBrush:
    """What is hidden from a prior."""
    return QBrush(theme.colour("border"), Qt.BrushStyle.BDiagPattern)
