"""What does each part pay? The same latents under every prior: bits, residuals, and where a part saves."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPoint, QSignalBlocker
from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import QComboBox, QGridLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from jahp_gui.codec.prior_costs import STEPS
from jahp_gui.gui import captions, theme
from jahp_gui.gui.i18n import tr
from jahp_gui.gui.imaging import DIVERGING, SAVING
from jahp_gui.gui.panels.inspector_panel import scrolled
from jahp_gui.gui.panels.map_view import ColourBar
from jahp_gui.gui.panels.maps_panel import ShownMap, automatic_range
from jahp_gui.gui.panels.marking_map import MarkingMap
from jahp_gui.gui.panels.parts_views import CostBars, ResidualPlot, cost_rows
from jahp_gui.gui.panels.widgets import faint
from jahp_gui.gui.session import Session
from jahp_gui.gui.view_choices import PartsChoice

if TYPE_CHECKING:  # at run time it would load torch
    from jahp_gui.codec.prior_costs import PriorCost


class PartsPanel(QWidget):
    """Shows `session.parts`, and asks for them while it is seen."""

    def __init__(self, session: Session, parent: QWidget | None = None):
        super().__init__(parent)
        self.session = session
        self.caption, self.legend, self.info, self.map_title = QLabel(), QLabel(), QLabel(), faint(tr("Saved by"))
        self.bars, self.residuals = CostBars(), ResidualPlot()
        self.prior, self.reference = QComboBox(), QComboBox()
        self.map, self.colour_bar = MarkingMap(session), ColourBar()
        self.shown: ShownMap | None = None
        self._describe()
        self._lay_out()
        self._connect()
        self.refresh()

    # ------------------------------------------------------------ building

    def _describe(self) -> None:
        for box, name, term in (
            (self.prior, tr("Prior"), tr("The prior whose savings the map shows.")),
            (self.reference, tr("against"), tr("The prior that it is compared with.")),
        ):
            box.setAccessibleName(name)
            box.setToolTip(term)
            box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            box.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.bars.setToolTip(tr("Bits of each prior. A click shows below what its part saves, and where."))
        self.map.setAccessibleName(tr("Map of the saving"))
        for label in (self.caption, self.legend, self.info):
            label.setFont(theme.numbers_font(self.font()))
            label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.legend.setText(tr("Bar’s end: ẑ. Percent: against the row above."))
        for label in (self.caption, self.legend):
            label.setProperty("faint", True)

    def _lay_out(self) -> None:
        choices = QGridLayout()
        choices.setColumnStretch(1, 1)
        for row, (label, box) in enumerate(((self.map_title, self.prior), (faint(tr("against")), self.reference))):
            choices.addWidget(label, row, 0)
            choices.addWidget(box, row, 1)
        content = QWidget()
        layout = QVBoxLayout(content)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.caption)
        layout.addWidget(self.bars)
        layout.addWidget(self.legend)
        layout.addWidget(self.residuals, 2)
        layout.addLayout(choices)
        layout.addWidget(self.map, 4)
        layout.addWidget(self.colour_bar)
        layout.addWidget(self.info)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 4, 0, 0)
        outer.addWidget(scrolled(content))

    def _connect(self) -> None:
        session = self.session
        self.bars.chosen.connect(self.choose_step)
        self.prior.activated.connect(lambda: session.set_parts(prior=self.prior.currentData()))
        self.reference.activated.connect(lambda: session.set_parts(reference=self.reference.currentData()))
        self.map.hovered.connect(self._hover)
        for signal in (session.parts_changed, session.parts_choice_changed, session.model_changed):
            signal.connect(self.refresh)
        session.choice_changed.connect(self._refresh_caption)
        session.current_changed.connect(self.refresh)

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802
        super().showEvent(event)
        self.session.set_parts(wanted=True)

    def hideEvent(self, event: QHideEvent) -> None:  # noqa: N802
        super().hideEvent(event)
        self.session.set_parts(wanted=False)

    # ------------------------------------------------------------ session → widgets

    @property
    def costs(self) -> "dict[str, PriorCost]":
        return self.session.parts.costs if self.session.parts is not None else {}

    def _names(self) -> list[str]:
        card = self.session.shown_card
        return captions.ordered_priors(self.costs if card is None else card.priors)

    def refresh(self) -> None:
        choice = self.session.parts_choice
        self._refresh_boxes()
        self.bars.show_rows(cost_rows(self.costs, self._names()), choice.prior)
        self.residuals.show_costs(self.costs, choice.reference, choice.prior)
        self.shown = self._shown_map()
        if self.shown is None:
            self.map.text = self._nothing_text(choice)
            self.map.show_values(None, 0, 1, SAVING)
        else:
            self.map.show_values(self.shown.values, self.shown.low, self.shown.high, self.shown.colours)
            self.colour_bar.show_range(self.shown.low, self.shown.high, tr("bit saved"), SAVING)
        self.colour_bar.setVisible(self.shown is not None)
        self._refresh_caption()
        self._hover(None)

    def _nothing_text(self, choice: PartsChoice) -> str:
        if choice.prior == choice.reference:
            return tr("Choose two priors.")
        missing = {choice.prior, choice.reference} - set(self._names())
        return tr("This model lacks one of the two priors.") if missing else tr("Being made…")

    def _refresh_boxes(self) -> None:
        choice, names = self.session.parts_choice, self._names()
        for box, chosen in ((self.prior, choice.prior), (self.reference, choice.reference)):
            with QSignalBlocker(box):
                box.clear()
                for name in names:
                    box.addItem(captions.prior_name(name), name)
                box.setCurrentIndex(box.findData(chosen))

    def _refresh_caption(self) -> None:
        parts = self.session.parts
        if parts is None:
            self.caption.setText(tr("The same latents under every prior"))
            return
        lmbda = captions.lmbda_text(self.session.lmbda_at(parts.gain_index))
        self.caption.setText(tr("The same latents under every prior, λ {lmbda}").format(lmbda=lmbda))

    def _shown_map(self) -> ShownMap | None:
        choice, costs = self.session.parts_choice, self.costs
        if choice.prior not in costs or choice.reference not in costs or choice.prior == choice.reference:
            return None
        values: NDArray[np.float32] = costs[choice.reference].plane - costs[choice.prior].plane
        return ShownMap(values, *automatic_range(values, DIVERGING), SAVING)

    def _hover(self, cell: QPoint | None) -> None:
        text = self.text_at(cell)
        self.info.setText(text)
        self.map.setAccessibleDescription(text)

    def text_at(self, cell: QPoint | None) -> str:
        """What is saved at a latent's position, or without one in all."""
        if self.shown is None:
            return ""
        if cell is not None:
            text = tr("{bits:.1f} bit saved at y ({x}, {y})")
            return text.format(bits=self.shown.values[cell.y(), cell.x()], x=cell.x(), y=cell.y())
        choice, costs = self.session.parts_choice, self.costs
        before, after = costs[choice.reference].bits, costs[choice.prior].bits
        text = tr("{bits:,.0f} bit saved in all, {share:.1f}%")
        if after > before:
            text = tr("{bits:,.0f} bit more in all, {share:.1f}%")
        return text.format(bits=abs(before - after), share=100 * abs(1 - after / before))

    # ------------------------------------------------------------ widgets → session

    def choose_step(self, prior: str) -> None:
        """Map and histogram show what this prior's part saves against the prior before it."""
        self.session.set_parts(prior=prior, reference=STEPS.get(prior) or self.session.parts_choice.reference)
