"""Latent maps: what every latent cost and what was predicted for it, summed, by channel, or against another prior."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPoint, QSignalBlocker, Qt, Signal
from PySide6.QtGui import QImage
from PySide6.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QSizePolicy,
    QStackedWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from jahp_gui.codec import latent_views
from jahp_gui.codec.latent_views import BITS, QUANTITIES, SCALE, STRIDES
from jahp_gui.gui import captions, theme
from jahp_gui.gui.i18n import tr
from jahp_gui.gui.imaging import DIVERGING, SEQUENTIAL
from jahp_gui.gui.panels.channel_grid import ChannelGrid
from jahp_gui.gui.panels.map_view import ColourBar, MapView
from jahp_gui.gui.panels.widgets import DecimalBox, NumberBox
from jahp_gui.gui.results import LatentResult
from jahp_gui.gui.session import Session
from jahp_gui.gui.view_choices import WITHOUT_REGION, WITHOUT_SEARCH

ALL_CHANNELS = -1
COVERED = 0.99  # share of the values that the automatic range covers
RANGE_SAMPLES = 1_000_003  # values that the automatic range looks at; prime, so that no channel is left out
ROUNDING = 1e-4  # below, a map is zero: means of tables that are symmetric come out as millionths
SUMMARIES = {BITS: "sum of the channels", SCALE: "mean of the channels"}  # what of all channels is shown
OTHER_SUMMARY = "root mean square"


@dataclass(frozen=True, eq=False)
class ShownMap:
    """Values with the range and colours that they are shown in."""

    values: NDArray[np.float32]
    low: float
    high: float
    colours: str


class MapsPanel(QWidget):
    """Controls, the map or the grid of channels, the colour bar, and the value under the cursor."""

    heatmap_changed = Signal(object)  # QImage or None, for the overlay on the picture

    def __init__(self, session: Session, parent: QWidget | None = None):
        super().__init__(parent)
        self.session = session
        self.shown: ShownMap | None = None
        self.latents, self.quantity, self.reference = QComboBox(), QComboBox(), QComboBox()
        self.channel = NumberBox()
        self.fixed = QCheckBox(tr("Fixed range"))
        self.low, self.high = DecimalBox(), DecimalBox()
        self.pages = QStackedWidget()
        self.map, self.grid, self.bar = MapView(), ChannelGrid(), ColourBar()
        self.info, self.caption = QLabel(), QLabel()
        self.page_buttons = QButtonGroup(self)
        self._describe()
        self._lay_out()
        self._connect()
        self.refresh()

    # ------------------------------------------------------------ building

    def _describe(self) -> None:
        for widget, name, term in (
            (self.latents, tr("Latents"), tr("y: the latents of the picture. z: side information about them.")),
            (self.quantity, tr("Quantity"), tr("What the colours show.")),
            (
                self.reference,
                tr("Minus prior"),
                tr("Subtract the map of another prior: negative bits are what the chosen one saves."),
            ),
            (self.channel, tr("Channel"), tr("One channel of the latents, or all of them together.")),
            (self.low, tr("Least value of the colours"), tr("Value of the first colour")),
            (self.high, tr("Greatest value of the colours"), tr("Value of the last colour")),
            (self.fixed, tr("Fixed range"), tr("Keep the colours' range, so that two priors can be compared.")),
        ):
            widget.setAccessibleName(name)
            widget.setToolTip(term)
        for box in (self.latents, self.quantity, self.reference):
            box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            box.setMinimumContentsLength(6)
        for spin in (self.low, self.high):
            spin.setRange(-1e6, 1e6)
            spin.setDecimals(2)
            spin.setKeyboardTracking(False)
            spin.setMinimumWidth(64)  # else showing them would make the panel wider
        self.info.setWordWrap(True)
        self.info.setFont(theme.numbers_font(self.font()))
        self.info.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.info.setMinimumHeight(2 * self.fontMetrics().height() + 2)
        self.info.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.caption.setProperty("faint", True)
        self.caption.setWordWrap(True)
        self.caption.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)

    def _lay_out(self) -> None:
        grid = QGridLayout()
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setColumnStretch(1, 3)
        grid.setColumnStretch(3, 2)
        for row, column, text, widget in (
            (0, 0, tr("Show"), self.quantity),
            (0, 2, tr("of"), self.latents),
            (1, 0, tr("Minus"), self.reference),
        ):
            grid.addWidget(_labelled(text, widget), row, column)
            grid.addWidget(widget, row, column + 1, 1, 1 if row == 0 else 3)
        head = QHBoxLayout()
        for number, (text, term) in enumerate(
            ((tr("Map"), tr("One map")), (tr("Channels"), tr("Every channel, the most expensive first")))
        ):
            button = QToolButton()
            button.setText(text)
            button.setToolTip(term)
            button.setCheckable(True)
            button.setAutoRaise(True)
            button.setChecked(number == 0)
            self.page_buttons.addButton(button, number)
            head.addWidget(button)
        head.addStretch(1)
        head.addWidget(_labelled(tr("Channel"), self.channel))
        head.addWidget(self.channel)
        ranges = QHBoxLayout()
        ranges.addWidget(self.fixed)
        ranges.addWidget(self.low, 1)
        ranges.addWidget(self.high, 1)
        self.pages.addWidget(self.map)
        self.pages.addWidget(self.grid)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(grid)
        layout.addLayout(head)
        layout.addWidget(self.caption)
        layout.addWidget(self.pages, 1)
        layout.addWidget(self.bar)
        layout.addLayout(ranges)
        layout.addWidget(self.info)

    def _connect(self) -> None:
        session = self.session
        self.quantity.activated.connect(lambda: session.set_map(quantity=self.quantity.currentData(), fixed=None))
        self.latents.activated.connect(self._choose_latents)
        self.reference.activated.connect(lambda: session.set_map(reference=self.reference.currentData(), fixed=None))
        self.channel.valueChanged.connect(self._choose_channel)
        self.fixed.toggled.connect(self._fix)
        for spin in (self.low, self.high):
            spin.valueChanged.connect(lambda _: self._fix(True))
        self.page_buttons.idClicked.connect(self.show_page)
        self.grid.chosen.connect(self._choose_channel_of_grid)
        self.map.hovered.connect(self._hover)
        self.map.clicked.connect(self._mark)
        session.maps_changed.connect(self.refresh)
        session.map_choice_changed.connect(self.refresh)
        session.model_changed.connect(self.refresh)
        session.marked_changed.connect(self._refresh_mark)

    # ------------------------------------------------------------ session → widgets

    def refresh(self) -> None:
        self._refresh_controls()
        self.shown = self._shown_map()
        self.bar.setVisible(self.session.latents is not None)
        if self.shown is None:
            self.map.text = self._nothing_text()
            self.map.show_values(None, 0, 1, SEQUENTIAL)
            self.caption.setText("")
            self.heatmap_changed.emit(None)
        else:
            shown = self.shown
            unit = tr(captions.QUANTITY_UNITS[self.session.map_choice.quantity])
            self.map.show_values(shown.values, shown.low, shown.high, shown.colours)
            self.bar.show_range(shown.low, shown.high, unit, shown.colours)
            self.caption.setText(self._caption(self.pages.currentWidget() is self.grid))
            self.heatmap_changed.emit(self.map.image)
        self._refresh_grid()
        self._refresh_mark()
        self._hover(None)

    def _refresh_controls(self) -> None:
        session, choice = self.session, self.session.map_choice
        boxes = (self.latents, self.quantity, self.reference, self.channel, self.fixed, self.low, self.high)
        blockers = [QSignalBlocker(box) for box in boxes]
        if self.latents.count() == 0:
            for name in QUANTITIES:
                self.latents.addItem(name, name)
        self.latents.setCurrentIndex(self.latents.findData(choice.latents))
        self.quantity.clear()
        for name in QUANTITIES[choice.latents]:
            self.quantity.addItem(tr(captions.QUANTITY_NAMES[name]), name)
            term = tr(captions.QUANTITY_TERMS[name])
            self.quantity.setItemData(self.quantity.count() - 1, term, Qt.ItemDataRole.ToolTipRole)
        self.quantity.setCurrentIndex(self.quantity.findData(choice.quantity))
        self.reference.clear()
        self.reference.addItem(tr("nothing"), "")
        for name in captions.ordered_priors(session.card.priors) if session.card else []:
            self.reference.addItem(captions.prior_name(name), name)
        self.reference.addItem(tr("Rounded (effort 0)"), WITHOUT_SEARCH)
        self.reference.addItem(tr("No region"), WITHOUT_REGION)
        self.reference.setCurrentIndex(max(0, self.reference.findData(choice.reference)))
        self.channel.setRange(ALL_CHANNELS, max(self._channel_count() - 1, ALL_CHANNELS))
        self.channel.setSpecialValueText(tr("all"))
        self.channel.setValue(ALL_CHANNELS if choice.channel is None else choice.channel)
        self.fixed.setChecked(choice.fixed is not None)
        for spin in (self.low, self.high):
            spin.setVisible(choice.fixed is not None)
        if choice.fixed is not None:
            self.low.setValue(choice.fixed[0])
            self.high.setValue(choice.fixed[1])
        del blockers

    def _channel_count(self) -> int:
        result = self.session.latents
        if result is None:
            return 0
        array = result.y_hat if self.session.map_choice.latents == "y" else result.maps.z_hat
        return 0 if array is None else array.shape[2]

    def _plane(self, result: LatentResult) -> NDArray[np.float32] | None:
        choice = self.session.map_choice
        if choice.latents == "z" and result.maps.z_bits is None:
            return None
        return latent_views.plane(result.maps, result.y_hat, choice.quantity, choice.latents, self._channel())

    def _channel(self) -> int | None:
        channel = self.session.map_choice.channel
        return channel if channel is not None and channel < self._channel_count() else None

    def _shown_map(self) -> ShownMap | None:
        session, choice = self.session, self.session.map_choice
        if session.latents is None:
            return None
        values = self._plane(session.latents)
        if values is not None and choice.reference:
            reference = session.reference_latents
            if reference is None or reference.choice.gain_index != session.latents.choice.gain_index:
                return None
            subtracted = self._plane(reference)
            values = None if subtracted is None else values - subtracted
        if values is None:
            return None
        colours = DIVERGING if choice.reference or self._is_signed() else SEQUENTIAL
        low, high = choice.fixed or automatic_range(values, colours)
        return ShownMap(values, low, high, colours)

    def _is_signed(self) -> bool:
        """One channel of μ, ŷ or the residual; of all channels the root mean square is shown, which has no sign."""
        return self.session.map_choice.quantity not in (BITS, SCALE) and self._channel() is not None

    def _nothing_text(self) -> str:
        session = self.session
        if session.latents is None and session.is_fixed:
            return tr("The maps appear once the latents are measured.")
        if session.latents is None:
            return tr("The maps appear once the image is compressed.")
        if session.map_choice.latents == "z":
            return tr("This prior has no side information z.")
        if session.is_fixed:
            return tr("Differences need the original: drop it to see them.")
        return tr("Being made…")

    def _caption(self, is_grid: bool) -> str:
        """Of the grid of channels, or of the one map."""
        session, choice = self.session, self.session.map_choice
        result = session.latents
        assert result is not None
        of = captions.prior_name(result.choice.prior)
        if choice.reference and not is_grid:  # the grid is of the chosen prior alone
            of += f" − {self.reference.currentText()}"
        of += f", λ {captions.lmbda_text(session.lmbda_at(result.choice.gain_index))}"
        channel = self._channel()
        which = tr("channel {channel}").format(channel=channel)
        if is_grid:
            which = tr("every channel")
        elif channel is None:
            which = tr(SUMMARIES.get(choice.quantity, OTHER_SUMMARY))
        return f"{of} · {which}"

    def _is_difference(self) -> bool:
        """Whether the page shown is of one prior minus another; the grid is of the chosen prior alone."""
        return bool(self.session.map_choice.reference) and self.pages.currentWidget() is not self.grid

    def title(self, is_grid: bool) -> str:
        """What a figure of the grid, or of the one map, is called."""
        return f"{tr(captions.QUANTITY_NAMES[self.session.map_choice.quantity])} · {self._caption(is_grid)}"

    def _refresh_grid(self) -> None:
        """Only while it is seen: three hundred planes take their time."""
        if self.pages.currentWidget() is not self.grid:
            return
        grid = self.shown_grid()
        if grid is None:
            self.grid.show_channels(None, np.zeros(0), 0, 1, SEQUENTIAL)
            return
        _, _, low, high, colours = grid
        self.grid.cells.selected = self._channel()
        self.grid.show_channels(*grid)
        self.bar.show_range(low, high, tr(captions.QUANTITY_UNITS[self.session.map_choice.quantity]), colours)

    def shown_grid(self) -> tuple[NDArray, NDArray[np.float64], float, float, str] | None:
        """Values (h, w, C), bits (C,) and the range and colours of the grid; None where it is not the page shown."""
        result, choice = self.session.latents, self.session.map_choice
        if self.pages.currentWidget() is not self.grid or result is None:
            return None
        if choice.latents == "z" and result.maps.z_bits is None:
            return None
        values = latent_views.values(result.maps, result.y_hat, choice.quantity, choice.latents)
        colours = SEQUENTIAL if choice.quantity in (BITS, SCALE) else DIVERGING
        low, high = choice.fixed or automatic_range(values, colours)
        bits = result.channel_bits if choice.latents == "y" else latent_views.channel_bits(result.maps, "z")
        return values, bits, low, high, colours

    def _refresh_mark(self) -> None:
        marked = self.session.marked
        same = marked is not None and marked[0] == self.session.map_choice.latents
        self.map.marked = QPoint(marked[1], marked[2]) if marked is not None and same else None
        self.map.update()

    # ------------------------------------------------------------ widgets → session

    def show_page(self, number: int) -> None:
        """0: the map, 1: the grid of channels."""
        self.pages.setCurrentIndex(number)
        self.page_buttons.button(number).setChecked(True)
        self.refresh()

    def _choose_latents(self) -> None:
        latents = self.latents.currentData()
        quantity = self.session.map_choice.quantity
        if quantity not in QUANTITIES[latents]:
            quantity = BITS
        self.session.set_map(latents=latents, quantity=quantity, channel=None, fixed=None)

    def _choose_channel(self, channel: int) -> None:
        self.session.set_map(channel=None if channel == ALL_CHANNELS else channel)

    def _choose_channel_of_grid(self, channel: int) -> None:
        self.pages.setCurrentIndex(0)
        self.page_buttons.button(0).setChecked(True)
        if self.session.map_choice.channel == channel:
            self.refresh()
        self._choose_channel(channel)

    def _fix(self, on: bool) -> None:
        """Fixing takes the range that is shown; its ends can then be typed."""
        if not on:
            self.session.set_map(fixed=None)
        elif self.session.map_choice.fixed is None and self.shown is not None:
            self.session.set_map(fixed=(round(self.shown.low, 2), round(self.shown.high, 2)))
        elif self.high.value() > self.low.value():
            self.session.set_map(fixed=(self.low.value(), self.high.value()))

    def _hover(self, cell: QPoint | None) -> None:
        text = self.text_at(cell) if cell is not None else self._total_text()
        self.info.setText(text)
        self.map.setAccessibleDescription(text)

    def text_at(self, cell: QPoint) -> str:
        """Value, channel, position, and the pixels that the latent describes."""
        if self.shown is None:
            return ""
        choice = self.session.map_choice
        value = float(self.shown.values[cell.y(), cell.x()])
        unit = tr(captions.QUANTITY_UNITS[choice.quantity])
        channel = self._channel()
        which = tr("channel {channel}").format(channel=channel) if channel is not None else tr("all channels")
        stride = STRIDES[choice.latents]
        left, top = cell.x() * stride, cell.y() * stride
        place = f"{choice.latents} ({cell.x()}, {cell.y()})"
        pixels = tr("pixels {x0}–{x1}, {y0}–{y1}").format(x0=left, x1=left + stride - 1, y0=top, y1=top + stride - 1)
        return f"{value:.4g} {unit} · {which}\n{place} · {pixels}"

    def _total_text(self) -> str:
        result = self.session.latents
        if result is None:
            return ""
        choice = self.session.map_choice
        if self._is_difference():  # a total of one prior would say nothing of the map
            if self.shown is None or choice.quantity != latent_views.BITS:
                return ""
            bits = f"{float(self.shown.values.sum()):+,.0f}".replace("-", "−")
            return tr("{bits} bit in all, of {latents} alone").format(bits=bits, latents=choice.latents)
        z_bits, y_bits = latent_views.total_bits(result.summed)
        return tr("ŷ {y:,.0f} bit, ẑ {z:,.0f} bit").format(y=y_bits, z=z_bits)

    def _mark(self, cell: QPoint) -> None:
        place = (self.session.map_choice.latents, cell.x(), cell.y())
        self.session.mark(None if self.session.marked == place else place)

    def heatmap(self) -> QImage | None:
        return self.map.image


def _labelled(text: str, widget: QWidget) -> QLabel:
    label = QLabel(text)
    label.setProperty("faint", True)
    label.setBuddy(widget)
    return label


def automatic_range(values: NDArray, colours: str) -> tuple[float, float]:
    """From zero to nearly the largest value, or the same to both sides: single outliers would darken all else."""
    if values.size == 0:
        return 0.0, 1.0
    step = -(-values.size // RANGE_SAMPLES)
    reach = float(np.quantile(np.abs(values.ravel()[::step]), COVERED))
    reach = reach if reach > ROUNDING else 1.0
    return (-reach, reach) if colours == DIVERGING else (0.0, reach)
