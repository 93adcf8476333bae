"""Charts of what each part pays: bars of the priors' bits, and the residuals that they leave."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFont,
    QFontMetricsF,
    QHelpEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPainterPath,
    QPaintEvent,
    QPen,
)
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from jahp_gui.codec.prior_costs import RESIDUAL_EDGES, STEPS, normal_density
from jahp_gui.gui import captions, charts, theme
from jahp_gui.gui.i18n import tr

if TYPE_CHECKING:  # at run time it would load torch
    from jahp_gui.codec.prior_costs import PriorCost

BAR_HEIGHT, LINE_HEIGHT = 9, 16
SHOWN_REACH = 4.0  # σ to both sides that the histogram shows
AXIS_HEIGHT = 16
COST_FONT_SCALE, AXIS_FONT_SCALE = 0.9, 0.85


@dataclass(frozen=True, eq=False)
class CostRow:
    """A prior with what it costs, None while that is not known, and the cost of the prior it adds a part to."""

    prior: str
    cost: "PriorCost | None"
    before: "PriorCost | None"

    def saving(self) -> float | None:
        """The fraction of the bits before that this prior saves."""
        return None if self.cost is None or self.before is None else 1 - self.cost.bits / self.before.bits


def cost_rows(costs: "dict[str, PriorCost]", names: list[str]) -> list[CostRow]:
    """The steps of the paper among the priors that a model has, then its other priors."""
    ordered = [name for name in STEPS if name in names] + [name for name in names if name not in STEPS]
    return [CostRow(name, costs.get(name), costs.get(STEPS.get(name, ""))) for name in ordered]


def row_name(rows: Sequence[CostRow], number: int) -> str:
    """A row's prior, and what its saving is against where that is not the row above."""
    row = rows[number]
    name, step = captions.prior_name(row.prior), STEPS.get(row.prior, "")
    if row.before is None or rows[number - 1].prior == step:
        return name
    return tr("{prior}, against {step}").format(prior=name, step=captions.prior_name(step))


class CostBars(QWidget):
    """Bits of ŷ and ẑ under each prior with the saving of its step. A click, or the keys ↑ and ↓, choose a step."""

    chosen = Signal(str)

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self.rows: list[CostRow] = []
        self.selected = ""
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(tr("Bits under each prior"))
        theme.switch.changed.connect(self.update)

    def show_rows(self, rows: list[CostRow], selected: str) -> None:
        self.rows, self.selected = rows, selected
        self.setAccessibleDescription("; ".join(self.row_text(row) for row in rows))
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:  # noqa: N802
        return QSize(280, self.row_height() * max(len(self.rows), 1) + 2)

    def small_font(self) -> QFont:
        return charts.small_font(self.font(), COST_FONT_SCALE)

    def row_height(self) -> int:
        """A line of text with the bar below it."""
        return charts.line_height(self.small_font(), LINE_HEIGHT) + BAR_HEIGHT + 6

    def row_text(self, row: CostRow) -> str:
        """A row in words."""
        name = captions.prior_name(row.prior)
        if row.cost is None:
            return f"{name}: …"
        text = tr("{prior}: ŷ {y:,.0f} bit, ẑ {z:,.0f} bit").format(prior=name, y=row.cost.y_bits, z=row.cost.z_bits)
        if row.before is None:
            return text
        saved, before = row.before.bits - row.cost.bits, captions.prior_name(STEPS[row.prior])
        change = tr("{bits:,.0f} bit less than {prior}") if saved >= 0 else tr("{bits:,.0f} bit more than {prior}")
        return f"{text}; " + change.format(bits=abs(saved), prior=before)

    def row_at(self, position: QPointF) -> int | None:
        number = int(position.y() // self.row_height())
        return number if 0 <= number < len(self.rows) else None

    def bar_rects(self, number: int) -> tuple[QRectF, QRectF]:
        """The bars of ŷ and ẑ of a row."""
        row = self.rows[number]
        largest = max((known.cost.bits for known in self.rows if known.cost is not None), default=1.0)
        scale = (self.width() - 8) / max(largest, 1e-9)
        top = (number + 1) * self.row_height() - BAR_HEIGHT - 4
        y_bits, z_bits = (row.cost.y_bits, row.cost.z_bits) if row.cost is not None else (0.0, 0.0)
        y_bar = QRectF(4, top, y_bits * scale, BAR_HEIGHT)
        return y_bar, QRectF(y_bar.right(), top, z_bits * scale, BAR_HEIGHT)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        painter, height = QPainter(self), self.row_height()
        painter.setFont(self.small_font())
        for number, row in enumerate(self.rows):
            if row.prior == self.selected:
                box = QRectF(0.5, number * height + 0.5, self.width() - 1, height - 1)
                painter.setPen(QPen(theme.colour("accent" if self.hasFocus() else "border"), 1))
                painter.setBrush(theme.colour("window"))
                painter.drawRect(box)
            self._paint_row(painter, number, row)

    def name_of(self, number: int) -> str:
        return row_name(self.rows, number)

    def _paint_row(self, painter: QPainter, number: int, row: CostRow) -> None:
        height = self.row_height()
        line = QRectF(4, number * height + 2, self.width() - 8, height - BAR_HEIGHT - 6)
        saving = row.saving()
        price = "…" if row.cost is None else f"{row.cost.bits:,.0f} {tr('bit')}"
        percent = "" if saving is None else f"{-100 * saving:+.1f}%".replace("-", "−")
        metrics = QFontMetricsF(painter.font())
        right = metrics.horizontalAdvance("−00.0%") + 8
        name = line.adjusted(0, 0, -right - metrics.horizontalAdvance(price) - 6, 0)
        charts.draw_line(painter, name, self.name_of(number), theme.colour("text"), row.prior == self.selected)
        painter.setPen(theme.colour("text"))
        painter.drawText(line.adjusted(0, 0, -right, 0), Qt.AlignmentFlag.AlignRight, price)
        painter.setPen(theme.colour("accent"))
        painter.drawText(line, Qt.AlignmentFlag.AlignRight, percent)
        y_bar, z_bar = self.bar_rects(number)
        colour = QColor(theme.series_colour(row.prior))
        painter.fillRect(y_bar, colour)
        painter.fillRect(z_bar, theme.colour("text"))

    # ------------------------------------------------------------ input

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        number = self.row_at(event.position())
        if number is not None:
            self.chosen.emit(self.rows[number].prior)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        step = {Qt.Key.Key_Up: -1, Qt.Key.Key_Down: 1}.get(Qt.Key(event.key()))
        names = [row.prior for row in self.rows]
        if step is None or self.selected not in names:
            super().keyPressEvent(event)
        else:
            self.chosen.emit(names[min(max(names.index(self.selected) + step, 0), len(names) - 1)])

    def event(self, event: QEvent) -> bool:
        if isinstance(event, QHelpEvent):
            number = self.row_at(QPointF(event.pos()))
            QToolTip.showText(event.globalPos(), "" if number is None else self.row_text(self.rows[number]), self)
            return True
        return super().event(event)


class ResidualPlot(QWidget):
    """Histograms of (ŷ − μ)/σ before and after a step, and the normal density they would have if σ were right."""

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self.costs: dict[str, PriorCost] = {}
        self.before = self.after = ""
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAccessibleName(tr("Residuals (ŷ−μ)/σ"))
        self.setToolTip(
            tr(
                "How far the latents lay from their predictions, in units of the predicted σ, where σ is half a step "
                "or more; each spread out over its quantiser step. Where a prior judges its errors rightly the spread "
                "is 1 σ. The dashed line is N(0, 1): latents have a higher peak and heavier tails, as the coder's "
                "tables."
            )
        )
        theme.switch.changed.connect(self.update)

    def show_costs(self, costs: "dict[str, PriorCost]", before: str, after: str) -> None:
        self.costs, self.before, self.after = costs, before, after
        self.setAccessibleDescription("; ".join(self._legend(name) for name in (before, after) if name in costs))
        self.update()

    def sizeHint(self) -> QSize:  # noqa: N802
        return QSize(280, 108)

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        return QSize(180, 96)

    def _legend(self, name: str) -> str:
        return f"{captions.prior_name(name)}: " + tr("spread {spread:.2f} σ").format(spread=self.costs[name].spread)

    def small_font(self) -> QFont:
        return charts.small_font(self.font(), AXIS_FONT_SCALE)

    def axis_height(self) -> int:
        return charts.line_height(self.small_font(), AXIS_HEIGHT)

    def plot_rect(self) -> QRectF:
        return QRectF(self.rect()).adjusted(0, 2, -1, -self.axis_height())

    def point(self, residual: float, density: float) -> QPointF:
        rect = self.plot_rect()
        x = rect.left() + (residual + SHOWN_REACH) / (2 * SHOWN_REACH) * rect.width()
        return QPointF(x, rect.bottom() - density / self._highest() * rect.height())

    def _highest(self) -> float:
        shown = [self.costs[name].density for name in (self.before, self.after) if name in self.costs]
        return 1.05 * max(0.4, *(float(values.max()) for values in shown)) if shown else 0.42

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        painter = QPainter(self)
        painter.setFont(self.small_font())
        rect, height = self.plot_rect(), self.axis_height()
        if self.after not in self.costs and self.before not in self.costs:
            painter.setPen(theme.colour("faint_text"))
            painter.drawText(rect, Qt.AlignmentFlag.AlignCenter, tr("Being made…"))
            return
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
        painter.setClipRect(rect.adjusted(0, -2, 1, height))
        for name, filled in ((self.after, True), (self.before, False)):
            if name in self.costs:
                self._paint_histogram(painter, name, filled)
        self._paint_normal(painter)
        self._paint_legend(painter)
        for tick in range(-3, 4):
            area = QRectF(rect.left(), rect.bottom() + 1, rect.width(), height - 1)
            label = f"{tick} σ" if tick == 3 else f"{tick}"
            charts.draw_tick(painter, area, self.point(tick, 0).x(), label, theme.colour("faint_text"))

    def _paint_histogram(self, painter: QPainter, name: str, filled: bool) -> None:
        path = QPainterPath(self.point(float(RESIDUAL_EDGES[0]), 0))
        edges, values = RESIDUAL_EDGES.tolist(), self.costs[name].density.tolist()
        for left, right, value in zip(edges, edges[1:], values, strict=False):
            path.lineTo(self.point(left, value))
            path.lineTo(self.point(right, value))
        path.lineTo(self.point(edges[-1], 0))
        colour = QColor(theme.series_colour(name))
        if filled:
            fill = QColor(colour)
            fill.setAlpha(100)
            painter.fillPath(path, fill)
        painter.setPen(QPen(colour, 1.5))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawPath(path)

    def _paint_normal(self, painter: QPainter) -> None:
        residuals = np.linspace(-SHOWN_REACH, SHOWN_REACH, 81)
        normal = normal_density(residuals)
        path = QPainterPath(self.point(float(residuals[0]), float(normal[0])))
        for residual, density in zip(residuals.tolist(), normal.tolist(), strict=True):
            path.lineTo(self.point(residual, density))
        painter.setPen(QPen(theme.colour("text"), 1, Qt.PenStyle.DashLine))
        painter.drawPath(path)
        rect = self.plot_rect()
        painter.setPen(QPen(theme.colour("border"), 1))
        painter.drawLine(rect.bottomLeft(), rect.bottomRight())

    def _paint_legend(self, painter: QPainter) -> None:
        """Name and spread in the corner, in the colour of the curve."""
        metrics = QFontMetricsF(painter.font())
        names = [name for name in (self.before, self.after) if name in self.costs]
        lines = [(captions.prior_name(name), f"{self.costs[name].spread:.2f} σ", name) for name in names]
        left, right = self.plot_rect(), QRectF(self.plot_rect())
        for number, (name, spread, prior) in enumerate(lines):
            top = left.top() + number * (2 * metrics.height() + 2)
            painter.setPen(theme.series_text_colour(prior))
            width = left.width() * 0.385  # as far as the peak leaves room
            shown = metrics.elidedText(name, Qt.TextElideMode.ElideRight, width)
            painter.drawText(QRectF(left.left(), top, width, metrics.height()), 0, shown)
            painter.drawText(QRectF(left.left(), top + metrics.height(), width, metrics.height()), 0, spread)
        painter.setPen(theme.colour("text"))
        painter.drawText(right, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignTop, "- - N(0, 1)")
