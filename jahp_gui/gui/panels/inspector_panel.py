"""The inspector: one latent under every prior, its neighbours, the channels at its position; a second one pinned."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPoint, QSignalBlocker, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QScrollArea,
    QSizePolicy,
    QStackedWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from jahp_gui.codec.latent_views import STRIDES
from jahp_gui.gui import captions, theme
from jahp_gui.gui.i18n import tr
from jahp_gui.gui.panels.channel_bars import ChannelBars
from jahp_gui.gui.panels.neighbourhood_view import NeighbourhoodView
from jahp_gui.gui.panels.prediction_view import PredictionView, PriorRow, guess_of
from jahp_gui.gui.panels.widgets import NumberBox
from jahp_gui.gui.results import Inspection, Place
from jahp_gui.gui.session import Session

if TYPE_CHECKING:  # at run time it would load torch
    from jahp_gui.codec.inspection import Prediction

COSTLIEST = -1


class InspectorPanel(QWidget):
    """Shows `session.inspection`; keys: arrows move, Page Up and Page Down change the channel."""

    def __init__(self, session: Session, parent: QWidget | None = None):
        super().__init__(parent)
        self.session = session
        self.place, self.info, self.pin_info = QLabel(), QLabel(), QLabel()
        self.channel = NumberBox()
        self.previous, self.following, self.pin, self.by_index = (QToolButton() for _ in range(4))
        self.predictions = PredictionView()
        self.neighbours = NeighbourhoodView(tr("Neighbours of the latent"))
        self.pinned_neighbours = NeighbourhoodView(tr("Neighbours of the pinned latent"))
        self.context_note = QLabel()
        self.bars = ChannelBars()
        self.pages = QStackedWidget()
        self.nothing = QLabel()
        self._mapped_channel: int | None = None
        self._describe()
        self._lay_out()
        self._connect()
        self.refresh()

    # ------------------------------------------------------------ building

    def _describe(self) -> None:
        for button, text, name, term in (
            (self.previous, "◂", tr("Previous channel"), tr("The bar to the left.")),
            (self.following, "▸", tr("Next channel"), tr("The bar to the right.")),
            (self.pin, tr("Pin"), tr("Pin"), tr("Keep this position, to compare others with it.")),
            (
                self.by_index,
                tr("in order"),
                tr("Channels in order"),
                tr("Channels in their own order instead of the most expensive first."),
            ),
        ):
            button.setText(text)
            button.setAccessibleName(name)
            button.setToolTip(term)
            button.setAutoRaise(button in (self.previous, self.following))
        self.pin.setCheckable(True)
        self.by_index.setCheckable(True)
        self.channel.setSpecialValueText(tr("costliest"))
        self.channel.setAccessibleName(tr("Channel"))
        self.channel.setToolTip(tr("One channel, or at each position the one that costs most under the chosen prior."))
        self.place.setProperty("heading", True)
        self.nothing.setProperty("faint", True)
        self.nothing.setAlignment(Qt.AlignmentFlag.AlignCenter)
        for label in (self.info, self.pin_info, self.context_note, self.nothing):
            label.setWordWrap(True)
            label.setTextFormat(Qt.TextFormat.PlainText)
        for label in (self.place, self.info):
            label.setFont(theme.numbers_font(self.font()))
            label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        for label in (self.info, self.context_note):
            label.setProperty("faint", True)
        self.info.setMinimumHeight(2 * self.fontMetrics().height() + 2)
        self.context_note.setAlignment(Qt.AlignmentFlag.AlignTop)

    def _lay_out(self) -> None:
        head = QHBoxLayout()
        head.addWidget(self.place, 1)
        head.addWidget(self.pin)
        row = QHBoxLayout()
        label = QLabel(tr("Channel"))
        label.setProperty("faint", True)
        label.setBuddy(self.channel)
        for widget in (label, self.previous, self.channel, self.following):
            row.addWidget(widget)
        row.addStretch(1)
        around = QHBoxLayout()
        around.addWidget(self.neighbours, 1)
        around.addWidget(self.pinned_neighbours, 1)
        around.addWidget(self.context_note, 1)
        bars_head = QHBoxLayout()
        title = QLabel(tr("Channels here"))
        title.setProperty("heading", True)
        bars_head.addWidget(title, 1)
        bars_head.addWidget(self.by_index)
        content = QWidget()
        layout = QVBoxLayout(content)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(head)
        layout.addLayout(row)
        layout.addWidget(self.info)
        layout.addWidget(self.predictions, 3)
        layout.addWidget(self.pin_info)
        layout.addLayout(around)
        layout.addLayout(bars_head)
        layout.addWidget(self.bars, 1)
        self.pages.addWidget(self.nothing)
        self.pages.addWidget(scrolled(content))
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 4, 0, 0)
        outer.addWidget(self.pages)

    def _connect(self) -> None:
        session = self.session
        self.channel.valueChanged.connect(lambda value: self.choose_channel(None if value == COSTLIEST else value))
        self.previous.clicked.connect(lambda: self.step_channel(-1))
        self.following.clicked.connect(lambda: self.step_channel(1))
        self.pin.toggled.connect(lambda _: self.toggle_pin())
        self.by_index.toggled.connect(lambda on: session.set_inspector(by_index=on))
        self.bars.chosen.connect(self.choose_channel)
        self.neighbours.moved.connect(self.move_by)
        for signal in (
            session.inspection_changed,
            session.inspector_changed,
            session.choice_changed,
            session.current_changed,
            session.model_changed,
            theme.switch.changed,
        ):
            signal.connect(self.refresh)
        session.marked_changed.connect(self._on_mark)
        session.map_choice_changed.connect(self._follow_map)

    # ------------------------------------------------------------ what is looked at

    @property
    def prior(self) -> str:
        return self.session.shown_choice.prior

    @property
    def prediction(self) -> "Prediction | None":
        """That of the chosen prior."""
        inspection = self.session.inspection
        return None if inspection is None else inspection.predictions.get(self.prior)

    @property
    def pinned_prediction(self) -> "Prediction | None":
        pinned = self.session.pinned_inspection
        same = pinned is not None and self._comparable(pinned)
        return pinned.predictions.get(self.prior) if pinned is not None and same else None

    def _comparable(self, pinned: Inspection) -> bool:
        """A latent y has other channels than one of z."""
        inspection = self.session.inspection
        return inspection is not None and inspection.place[0] == pinned.place[0]

    def current_channel(self) -> int:
        """The chosen channel, or the one that costs most under the chosen prior."""
        any_known = next((known for known in self._known().values() if known is not None), None)
        of = self.prediction or any_known
        if of is None:
            return 0
        chosen = self.session.inspector.channel
        return chosen if chosen is not None and chosen < len(of.bits) else int(of.bits.argmax())

    def _known(self) -> "dict[str, Prediction | None]":
        inspection = self.session.inspection
        return {} if inspection is None else inspection.predictions

    def _order(self, bits: NDArray[np.float64]) -> NDArray[np.intp]:
        return np.arange(len(bits)) if self.session.inspector.by_index else np.argsort(-bits, kind="stable")

    # ------------------------------------------------------------ session → widgets

    def refresh(self) -> None:
        inspection, marked = self.session.inspection, self.session.marked
        with QSignalBlocker(self.pin), QSignalBlocker(self.by_index):
            self.pin.setChecked(self.session.inspector.pinned is not None)
            self.by_index.setChecked(self.session.inspector.by_index)
        if marked is None or inspection is None:
            self.nothing.setText(tr("Being made…") if marked is not None else self._hint())
            self.pages.setCurrentIndex(0)
            return
        channel = self.current_channel()
        self._refresh_channel(channel)
        self._refresh_text(inspection, channel)
        self.predictions.show_rows(self.prior_rows(channel), "ẑ" if inspection.place[0] == "z" else "")
        self._refresh_neighbours(channel)
        self._refresh_bars(channel)
        self.pages.setCurrentIndex(1)

    def _on_mark(self) -> None:
        """While one is moved from latent to latent, the last one stays until the next is there."""
        if self.session.marked is None or self.session.inspection is None:
            self.refresh()

    def _hint(self) -> str:
        return tr("Click a latent in the picture or in a map.\n\nHere is then what every prior expected of it.")

    def _refresh_channel(self, channel: int) -> None:
        known = self.prediction
        with QSignalBlocker(self.channel):
            self.channel.setRange(COSTLIEST, max(len(known.bits) - 1 if known is not None else channel, 0))
            chosen = self.session.inspector.channel
            self.channel.setValue(COSTLIEST if chosen is None else channel)
        for button in (self.previous, self.following):
            button.setEnabled(known is not None)

    def _refresh_text(self, inspection: Inspection, channel: int) -> None:
        self.place.setText(f"{place_text(inspection.place)} · {tr('channel {channel}').format(channel=channel)}")
        known = self.prediction
        texts = []
        if known is not None:
            text = tr("{symbol} = {value}; all channels here: {bits:.1f} bit")
            symbol = "ŷ" if inspection.place[0] == "y" else "ẑ"
            texts.append(text.format(symbol=symbol, value=known.values[channel], bits=known.bits.sum()))
        block, reach = inspection.block, inspection.reach
        text = tr("{width}×{height} pixels at ({x}, {y}), reaches {reach}")
        if inspection.place[0] == "z":
            text = tr("{width}×{height} pixels at ({x}, {y}), predicts {reach}")
        wide = f"{reach.width}×{reach.height}"
        texts.append(text.format(width=block.width, height=block.height, x=block.left, y=block.top, reach=wide))
        self.info.setText("\n".join(texts))
        pinned = self.session.pinned_inspection
        self.pin_info.setVisible(pinned is not None)
        if pinned is not None:
            comparable = self._comparable(pinned)
            text = tr("Pinned: {place}") if comparable else tr("Pinned: {place}, which has other channels")
            self.pin_info.setText(text.format(place=place_text(pinned.place)))
            self.pin_info.setStyleSheet(f"color: {theme.current().accent}")

    def prior_rows(self, channel: int) -> list[PriorRow]:
        """Every prior of the model in the order of the paper."""
        inspection, pinned = self.session.inspection, self.session.pinned_inspection
        assert inspection is not None
        card = self.session.card
        names = list(inspection.predictions) if card is None or self.session.is_fixed else card.priors
        rows = []
        for name in captions.ordered_priors(names):
            guess = guess_of(inspection.predictions.get(name), channel)
            missing = "…" if name not in inspection.predictions else tr("no side information")
            same = pinned is not None and self._comparable(pinned)
            other = guess_of(pinned.predictions.get(name), channel) if pinned is not None and same else None
            rows.append(PriorRow(name, name == self.prior, guess, other, missing))
        return rows

    def _refresh_neighbours(self, channel: int) -> None:
        inspection, known, pinned = self.session.inspection, self.prediction, self.pinned_prediction
        self.neighbours.show_prediction(known, channel)
        self.pinned_neighbours.show_prediction(pinned, channel)
        self.pinned_neighbours.setVisible(pinned is not None)
        self.context_note.setVisible(pinned is None)
        name = captions.prior_name(self.prior)
        if known is None:
            text = tr("This prior has no side information z.")
        elif inspection is not None and inspection.place[0] == "z":
            text = tr("ẑ is coded without a look at its neighbours. Every prior chooses its own ẑ.")
        elif known.seen.any():
            text = tr("{prior} sees the neighbours decoded before, in all channels. Hatched: masked.")
        else:
            text = tr("{prior} looks at no neighbours: all are masked.")
        self.context_note.setText(text.format(prior=name))

    def _refresh_bars(self, channel: int) -> None:
        known, pinned = self.prediction, self.pinned_prediction
        bits = np.zeros(0) if known is None else known.bits
        others = None if pinned is None else pinned.bits
        self.bars.show_bits(bits, others, self._order(bits), channel, self.prior)

    def _follow_map(self) -> None:
        """A channel chosen for the map is the one to look at."""
        choice = self.session.map_choice
        if choice.channel != self._mapped_channel:
            self._mapped_channel = choice.channel
            if choice.channel is not None:
                self.session.set_inspector(channel=choice.channel)

    # ------------------------------------------------------------ widgets → session

    def choose_channel(self, channel: int | None) -> None:
        self.session.set_inspector(channel=channel)

    def step_channel(self, step: int) -> None:
        """The next bar, or the one before."""
        if self.prediction is not None:
            self.choose_channel(self.bars.neighbour(step))

    def choose_costliest(self) -> None:
        self.choose_channel(None)

    def toggle_pin(self) -> None:
        pinned = self.session.inspector.pinned
        self.session.set_inspector(pinned=self.session.marked if pinned is None else None)
        self.refresh()  # without a mark there is nothing to pin: the button goes back

    def move_by(self, step: QPoint) -> None:
        """To another position of the same latents, as far as the image goes."""
        marked, item = self.session.marked, self.session.current
        if marked is None or item is None or item.size is None:
            return
        latents, column, row = marked
        columns, rows = (-(-side // STRIDES[latents]) for side in item.size)
        column, row = min(max(column + step.x(), 0), columns - 1), min(max(row + step.y(), 0), rows - 1)
        self.session.mark((latents, column, row))

    def look(self) -> None:
        """Take the keys; where nothing is marked, start with the position that costs most."""
        session = self.session
        if session.marked is None and session.latents is not None:
            of_each = session.latents.summed.bits
            row, column, _ = np.unravel_index(int(of_each.argmax()), of_each.shape)
            session.mark(("y", int(column), int(row)))
        self.neighbours.setFocus()

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        step = {Qt.Key.Key_PageUp: -1, Qt.Key.Key_PageDown: 1}.get(Qt.Key(event.key()))
        if step is None:
            super().keyPressEvent(event)
        else:
            self.step_channel(step)


def place_text(place: Place) -> str:
    latents, column, row = place
    return f"{latents} ({column}, {row})"


class _ScrollArea(QScrollArea):
    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        """The keys are the panel's."""
        event.ignore()


def scrolled(content: QWidget) -> QScrollArea:
    """A widget that scrolls up and down where the window is too low for it."""
    area = _ScrollArea()
    area.setWidget(content)
    area.setWidgetResizable(True)
    area.setFrameShape(QScrollArea.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    area.viewport().setAutoFillBackground(False)
    content.setAutoFillBackground(False)
    return area
