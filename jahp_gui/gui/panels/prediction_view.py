"""The distribution that every prior gave one latent, from the coder's own tables, with the symbol that came."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QHelpEvent, QPainter, QPainterPath, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from jahp_gui.gui import captions, charts, theme
from jahp_gui.gui.i18n import tr

if TYPE_CHECKING:  # at run time it would load torch
    from jahp_gui.codec.inspection import Distribution, Prediction

TEXT_WIDTH, AXIS_HEIGHT, ROW_HEIGHT = 130, 18, 46
TICK_SPACE = 28
FONT_SCALE = 0.85
SPREADS = 3.5  # standard deviations of every prior that the axis shows
BAR_ALPHA = 110


@dataclass(frozen=True, eq=False)
class Guess:
    """What one prior said of one latent, and what it was."""

    value: int
    bits: float
    mu: float
    sigma: float
    distribution: "Distribution"


@dataclass(frozen=True, eq=False)
class PriorRow:
    """A prior with its guess for the latent looked at and for the pinned one; `missing` says why there is none."""

    prior: str
    chosen: bool
    guess: Guess | None
    pinned: Guess | None
    missing: str = ""


def guess_of(prediction: "Prediction | None", channel: int) -> Guess | None:
    if prediction is None or channel >= len(prediction.values):
        return None
    return Guess(
        int(prediction.values[channel]),
        float(prediction.bits[channel]),
        float(prediction.mu[channel]),
        float(prediction.sigma[channel]),
        prediction.distribution(channel),
    )


def axis_of(rows: Sequence[PriorRow]) -> tuple[float, float]:
    """The values that all rows share: where any prior has its mass, and the latents themselves."""
    guesses = [guess for row in rows for guess in (row.guess, row.pinned) if guess is not None]
    if not guesses:
        return -1.0, 1.0
    low = min(min(guess.mu - SPREADS * guess.sigma, guess.value) for guess in guesses)
    high = max(max(guess.mu + SPREADS * guess.sigma, guess.value) for guess in guesses)
    return float(np.floor(low)) - 1.5, float(np.ceil(high)) + 1.5


class PredictionView(QWidget):
    """One row of bars a prior, under one axis of values; each row has its own height, as wide rows would vanish."""

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self.rows: list[PriorRow] = []
        self.axis = axis_of(self.rows)
        self.symbol = ""  # said with each row where the priors have symbols of their own
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAccessibleName(tr("Predicted distributions"))
        theme.switch.changed.connect(self.update)

    def show_rows(self, rows: list[PriorRow], symbol: str = "") -> None:
        self.rows, self.axis, self.symbol = rows, axis_of(rows), symbol
        self.setAccessibleDescription("; ".join(self._spoken(row) for row in rows))
        self.updateGeometry()
        self.update()

    def _spoken(self, row: PriorRow) -> str:
        name = captions.prior_name(row.prior)
        return f"{name}: {row.missing}" if row.guess is None else f"{name}: {self._bits_text(row.guess)}"

    def _bits_text(self, guess: Guess) -> str:
        after = f"{self.symbol} {signed(guess.value)}" if self.symbol else f"p {2.0**-guess.bits:.2g}"
        return f"{guess.bits:.2f} {tr('bit')} · {after}"

    def sizeHint(self) -> QSize:  # noqa: N802
        return QSize(280, self._least_height())

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        return QSize(200, self._least_height())

    # ------------------------------------------------------------ geometry

    def small_font(self) -> QFont:
        return charts.small_font(self.font(), FONT_SCALE)

    def axis_height(self) -> int:
        return charts.line_height(self.small_font(), AXIS_HEIGHT)

    def _least_height(self) -> int:
        """Every row has room for three lines."""
        row_height = max(ROW_HEIGHT, 3 * charts.line_height(self.small_font(), 0) + 3)
        return max(len(self.rows), 1) * row_height + self.axis_height()

    def plot_rect(self, number: int) -> QRectF:
        """Where the bars of a row are."""
        height = (self.height() - self.axis_height()) / max(len(self.rows), 1)
        return QRectF(TEXT_WIDTH, number * height, self.width() - TEXT_WIDTH - 2, height).adjusted(0, 4, 0, -3)

    def x_of(self, value: float) -> float:
        """The middle of a value on the axis."""
        low, high = self.axis
        return TEXT_WIDTH + (value - low) / (high - low) * (self.width() - TEXT_WIDTH - 2)

    # ------------------------------------------------------------ painting

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        painter = QPainter(self)
        painter.setFont(self.small_font())
        for number, row in enumerate(self.rows):
            self._paint_text(painter, number, row)
            self._paint_bars(painter, number, row)
        if any(row.guess is not None for row in self.rows):
            self._paint_axis(painter)

    def _paint_text(self, painter: QPainter, number: int, row: PriorRow) -> None:
        rect = self.plot_rect(number)
        height = QFontMetricsF(painter.font()).height()
        count = 1 if row.guess is None else 3
        top = rect.top() - 2 + max(0.0, (rect.height() + 4 - count * height) / 2)
        line = QRectF(0, top, TEXT_WIDTH - 6, height)
        charts.draw_line(painter, line, captions.prior_name(row.prior), theme.colour("text"), row.chosen)
        if row.guess is None:
            return
        line.translate(0, height)
        if row.pinned is None:
            charts.draw_line(painter, line, self._bits_text(row.guess), theme.colour("text"), row.chosen)
        else:
            text = f"{row.guess.bits:.2f} {tr('bit')} "
            used = charts.draw_line(painter, line, text, theme.colour("text"), row.chosen)
            charts.draw_line(painter, line.adjusted(used, 0, 0, 0), f"⇄ {row.pinned.bits:.2f}", theme.colour("accent"))
        line.translate(0, height)
        moments = f"μ {fixed(row.guess.mu)}  σ {fixed(row.guess.sigma)}"
        charts.draw_line(painter, line, moments, theme.colour("faint_text"))

    def _paint_bars(self, painter: QPainter, number: int, row: PriorRow) -> None:
        rect = self.plot_rect(number)
        painter.setPen(QPen(theme.colour("border"), 1))
        painter.drawLine(rect.bottomLeft(), rect.bottomRight())
        if row.guess is None:
            painter.setPen(theme.colour("faint_text"))
            painter.drawText(rect, Qt.AlignmentFlag.AlignCenter, row.missing)
            return
        painter.save()
        painter.setClipRect(rect.adjusted(0, -3, 0, 1))
        fill = QColor(theme.series_colour(row.prior))
        solid = QColor(fill)
        fill.setAlpha(BAR_ALPHA)
        painter.fillPath(self._steps(rect, row.guess.distribution), fill)
        self._paint_symbol(painter, rect, row.guess, solid)
        if row.pinned is not None:
            painter.setPen(QPen(theme.colour("accent"), 1))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawPath(self._steps(rect, row.pinned.distribution))
            self._paint_line(painter, rect, row.pinned.value, theme.colour("accent"), Qt.PenStyle.DotLine)
        painter.restore()

    def _steps(self, rect: QRectF, row: "Distribution") -> QPainterPath:
        """The outline of the bars: their area is probability, the highest fills the row."""
        scale = rect.height() / max(float(row.probability.max()), 1e-12)
        path = QPainterPath(QPointF(self.x_of(float(row.first[0]) - 0.5), rect.bottom()))
        for first, probability in zip(row.first.tolist(), row.probability.tolist(), strict=True):
            y = rect.bottom() - probability * scale
            path.lineTo(self.x_of(first - 0.5), y)
            path.lineTo(self.x_of(first + row.width - 0.5), y)
        path.lineTo(self.x_of(float(row.first[-1]) + row.width - 0.5), rect.bottom())
        return path

    def _paint_symbol(self, painter: QPainter, rect: QRectF, guess: Guess, colour: QColor) -> None:
        """The column that codes the symbol, filled, and a line at the symbol itself."""
        row = guess.distribution
        column = row.column_of(guess.value)
        if column is not None:
            height = rect.height() * float(row.probability[column] / row.probability.max())
            left = self.x_of(float(row.first[column]) - 0.5)
            right = self.x_of(float(row.first[column]) + row.width - 0.5)
            painter.fillRect(QRectF(left, rect.bottom() - height, right - left, height), colour)
        self._paint_line(painter, rect, guess.value, theme.colour("text"), Qt.PenStyle.SolidLine)

    def _paint_line(self, painter: QPainter, rect: QRectF, value: int, colour: QColor, style: Qt.PenStyle) -> None:
        x = round(self.x_of(value)) + 0.5
        painter.setPen(QPen(colour, 1, style))
        painter.drawLine(QPointF(x, rect.top() - 3), QPointF(x, rect.bottom()))

    def _paint_axis(self, painter: QPainter) -> None:
        """Values under the last row, that of the latent under the chosen prior in bold."""
        rect = self.plot_rect(len(self.rows) - 1)
        height = self.axis_height()
        area = QRectF(rect.left(), self.height() - height, rect.width(), height)
        known = sorted((row for row in self.rows if row.guess is not None), key=lambda row: not row.chosen)
        value = known[0].guess.value if known[0].guess is not None else 0
        low, high = self.axis
        taken = charts.draw_tick(painter, area, self.x_of(value), signed(value), theme.colour("text"), bold=True)
        for tick in charts.ticks(low, high, max(2, int(area.width() / TICK_SPACE))):
            taken = charts.draw_tick(painter, area, self.x_of(tick), signed(tick), theme.colour("faint_text"), taken)

    # ------------------------------------------------------------ the value under the cursor

    def text_at(self, position: QPointF) -> str:
        """Probability and cost of the value under a point."""
        for number, row in enumerate(self.rows):
            rect = self.plot_rect(number)
            if row.guess is None or not rect.adjusted(0, -4, 0, 3).contains(position):
                continue
            low, high = self.axis
            value = round(low + (position.x() - rect.left()) / rect.width() * (high - low))
            table, name = row.guess.distribution, captions.prior_name(row.prior)
            probability = table.probability_of(value)
            if probability is None:
                text = tr("{prior}: {value} lies outside of the table; all such values together have p {p:.2g}")
                return text.format(prior=name, value=value, p=table.escape)
            text = tr("{prior}: {value} has p {p:.3g} and would cost {bits:.2f} bit")
            return text.format(prior=name, value=value, p=probability, bits=-np.log2(probability))
        return ""

    def event(self, event: QEvent) -> bool:
        if isinstance(event, QHelpEvent):
            QToolTip.showText(event.globalPos(), self.text_at(QPointF(event.pos())), self)
            return True
        return super().event(event)


def fixed(value: float) -> str:
    """Two decimals, and no minus before a zero."""
    return f"{round(value, 2) + 0.0:.2f}".replace("-", "−")


def signed(value: float) -> str:
    """A whole number with a minus as long as a plus."""
    return f"{value:g}".replace("-", "−")
