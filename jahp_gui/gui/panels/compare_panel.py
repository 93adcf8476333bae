"""The comparison with its controls: mode, what A and B are, overlay, and the values under the cursor."""

from PySide6.QtCore import QPoint, QSignalBlocker, Qt
from PySide6.QtWidgets import (
    QButtonGroup,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QSizePolicy,
    QSlider,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from jahp_gui.codec.container import Y_STRIDE
from jahp_gui.codec.rate_scale import gain_index_of, lmbda_of
from jahp_gui.gui import captions, theme
from jahp_gui.gui.canvas import CompareCanvas
from jahp_gui.gui.i18n import tr
from jahp_gui.gui.panels.region_bar import RegionBar
from jahp_gui.gui.panels.widgets import ValueLabel
from jahp_gui.gui.results import CURRENT, EXHIBITS, JPEG, ORIGINAL, REFINED, ROUNDED, Source
from jahp_gui.gui.session import Session
from jahp_gui.gui.view_choices import MODES

MODE_NAMES = {"side": "Side by side", "swipe": "Swipe", "blink": "Blink", "difference": "Difference"}
MODE_TERMS = {
    "side": "A left, B right, moved and enlarged together.",
    "swipe": "A left and B right of a divider that mouse and arrow keys move.",
    "blink": "B, and A while the space bar is held: changes jump to the eye.",
    "difference": "The absolute difference of A and B, made brighter.",
}
LARGEST_GAIN = 64
GAP = "   "  # between the values under the cursor


class SourcePicker(QWidget):
    """What one side shows: a list of sources and, for a prior, a λ of its own."""

    def __init__(self, session: Session, side: str, parent: QWidget | None = None):
        super().__init__(parent)
        self.session, self.side = session, side
        self.box = QComboBox()
        self.box.setAccessibleName(tr("Picture {side}").format(side=side.upper()))
        self.box.setToolTip(
            tr("What this side shows. Classical codecs are set to the size of the current file, or just below.")
        )
        self.box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.box.setMinimumContentsLength(11)
        self.box.setMinimumWidth(76)  # shortened, where both sides have a λ, rather than a wider window
        self.lmbda = QLineEdit()
        self.lmbda.setPlaceholderText(tr("λ as set"))
        self.lmbda.setFixedWidth(64)
        self.lmbda.setAccessibleName(tr("λ of picture {side}").format(side=side.upper()))
        self.lmbda.setToolTip(tr("A λ of its own for this side; empty follows the slider."))
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        letter = QLabel(side.upper())
        letter.setProperty("heading", True)
        for widget in (letter, self.box, self.lmbda):
            layout.addWidget(widget)
        self.box.activated.connect(lambda: self._choose(self.box.currentData()))
        self.lmbda.editingFinished.connect(self._enter_lmbda)
        session.model_changed.connect(self.refresh)
        session.compare_changed.connect(self.refresh)
        session.codecs_changed.connect(self.refresh)
        self.refresh()

    @property
    def source(self) -> Source:
        return getattr(self.session.compare, self.side)

    def refresh(self) -> None:
        source = self.source
        with QSignalBlocker(self.box):
            self.box.clear()
            for entry in self._sources():
                self.box.addItem(captions.source_name(entry), (entry.kind, entry.name))
            self.box.setCurrentIndex(self._index_of((source.kind, source.name)))
        self.lmbda.setVisible(source.kind == "prior")
        if not self.lmbda.hasFocus():
            held, card = source.gain_index, self.session.card
            lmbda = None if held is None or card is None else lmbda_of(held, card.lmbda_anchors)
            self.lmbda.setText("" if lmbda is None else captions.lmbda_text(lmbda))

    def _sources(self) -> list[Source]:
        priors = self.session.card.priors if self.session.card else []
        classical = [Source("classical", codec.key) for codec in self.session.codecs]
        searched = [CURRENT, ROUNDED, REFINED]
        return [ORIGINAL, *searched, *(Source("prior", name) for name in priors), *classical, *EXHIBITS]

    def _index_of(self, data: tuple[str, str]) -> int:
        return next((index for index in range(self.box.count()) if tuple(self.box.itemData(index)) == data), -1)

    def _choose(self, data: tuple[str, str]) -> None:
        kind, name = data
        self.session.set_compare(**{self.side: Source(kind, name)})

    def _enter_lmbda(self) -> None:
        source, card = self.source, self.session.card
        if source.kind != "prior" or card is None:
            return
        text = self.lmbda.text().strip()
        lmbda = captions.read_lmbda(text)
        if text and lmbda is None:
            self.session.tell(tr("λ is a positive number, such as 0.0128."), "warning")
            return
        index = None if lmbda is None else gain_index_of(lmbda, card.lmbda_anchors)
        self.session.set_compare(**{self.side: Source("prior", source.name, index)})


class ComparePanel(QWidget):
    """The canvas, a row of controls above it and the values under the cursor below it."""

    def __init__(self, session: Session, parent: QWidget | None = None):
        super().__init__(parent)
        self.session = session
        self.canvas = CompareCanvas(session)
        self.pickers = {side: SourcePicker(session, side) for side in ("a", "b")}
        self.modes = QButtonGroup(self)
        self.gain = QSlider(Qt.Orientation.Horizontal)
        self.gain_label = QLabel()
        self.opacity = QSlider(Qt.Orientation.Horizontal)
        self.jpeg, self.overlay, self.paint = QToolButton(), QToolButton(), QToolButton()
        self.region_bar = RegionBar(session)
        self.zoom = ValueLabel(tr("Zoom"))
        self.pixel = ValueLabel(tr("Values under the cursor"))
        self._under_cursor: QPoint | None = None
        self._lay_out()
        self._connect()
        self.refresh()

    def _lay_out(self) -> None:
        row = QHBoxLayout()
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.pickers["a"])
        row.addWidget(self._swap_button())
        row.addWidget(self.pickers["b"])
        row.addStretch(1)
        for number, mode in enumerate(MODES):
            row.addWidget(self._mode_button(number, mode))
        second = QHBoxLayout()
        second.setContentsMargins(0, 0, 0, 0)
        self._set_up_sliders()
        second.addWidget(self.pixel, 1)
        for widget in (self.gain_label, self.gain, self.jpeg, self.paint, self.overlay, self.opacity, self.zoom):
            second.addWidget(widget)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(row)
        layout.addWidget(self.region_bar)
        layout.addWidget(self.canvas, 1)
        layout.addLayout(second)

    def _swap_button(self) -> QToolButton:
        button = QToolButton()
        button.setText("⇄")
        button.setAutoRaise(True)
        button.setToolTip(tr("Swap A and B"))
        button.setAccessibleName(tr("Swap A and B"))
        button.clicked.connect(self.swap)
        return button

    def _mode_button(self, number: int, mode: str) -> QToolButton:
        button = QToolButton()
        button.setText(tr(MODE_NAMES[mode]))
        button.setCheckable(True)
        button.setAutoRaise(True)
        button.setToolTip(tr(MODE_TERMS[mode]))
        button.setAccessibleName(tr(MODE_NAMES[mode]))
        self.modes.addButton(button, number)
        return button

    def _set_up_sliders(self) -> None:
        self.gain.setRange(1, LARGEST_GAIN)
        self.gain.setToolTip(tr("How much brighter differences are shown"))
        self.gain.setAccessibleName(tr("Difference gain"))
        self.opacity.setRange(5, 100)
        self.opacity.setToolTip(tr("How much the map covers the picture"))
        self.opacity.setAccessibleName(tr("Map opacity"))
        for slider in (self.gain, self.opacity):
            slider.setFixedWidth(64)
        for toggle in (self.jpeg, self.overlay, self.paint):
            toggle.setProperty("toggle", True)
        self.overlay.setText(tr("Overlay"))
        self.overlay.setAccessibleName(tr("Map on picture"))
        self.overlay.setCheckable(True)
        self.overlay.setToolTip(tr("Lay the latent map over the picture, each cell on the pixels it describes."))
        self.jpeg.setText("JPEG")
        self.jpeg.setAccessibleName(tr("A: JPEG of the same size"))
        self.jpeg.setCheckable(True)
        self.jpeg.setToolTip(tr("Side A: what JPEG makes of as many bytes; again: the original."))
        self.paint.setText(tr("Paint"))
        self.paint.setAccessibleName(tr("Paint region"))
        self.paint.setCheckable(True)
        self.paint.setToolTip(tr("Region of interest: paint what matters; bits go there, at the same λ inside."))
        self.pixel.setFont(theme.numbers_font(self.font()))
        self.pixel.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.zoom.setMinimumWidth(46)
        self.zoom.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.zoom.setToolTip(tr("100% is one image pixel on one pixel of the screen."))

    def _connect(self) -> None:
        session = self.session
        self.modes.idClicked.connect(lambda number: session.set_compare(mode=MODES[number]))
        self.gain.valueChanged.connect(lambda value: session.set_compare(difference_gain=float(value)))
        self.opacity.valueChanged.connect(lambda value: session.set_compare(opacity=value / 100))
        self.jpeg.clicked.connect(lambda on: session.set_compare(a=JPEG if on else ORIGINAL))
        self.overlay.toggled.connect(lambda on: session.set_compare(overlay=on))
        self.paint.toggled.connect(lambda on: session.set_paint(on=on))
        session.paint_changed.connect(self.refresh)
        self.canvas.hovered.connect(self.show_values)
        self.canvas.clicked.connect(self._mark)
        session.compare_changed.connect(self.refresh)
        for signal in (session.sides_changed, session.results_changed):
            signal.connect(self._refresh_values)
        session.current_changed.connect(self._forget_cursor)
        session.current_changed.connect(self.refresh)
        session.view.changed.connect(self._refresh_zoom)

    def refresh(self) -> None:
        compare = self.session.compare
        self.modes.button(MODES.index(compare.mode)).setChecked(True)
        is_difference = compare.mode == "difference"
        for widget in (self.gain, self.gain_label):
            widget.setVisible(is_difference)
        self.opacity.setVisible(compare.overlay)
        self.jpeg.setChecked(compare.a == JPEG)
        for entry in (self.jpeg, self.paint):
            entry.setEnabled(self.session.current is not None and not self.session.is_fixed)
        with QSignalBlocker(self.paint):
            self.paint.setChecked(self.session.paint.on)
        with QSignalBlocker(self.gain), QSignalBlocker(self.opacity), QSignalBlocker(self.overlay):
            self.gain.setValue(round(compare.difference_gain))
            self.opacity.setValue(round(100 * compare.opacity))
            self.overlay.setChecked(compare.overlay)
        self.gain_label.setText(f"× {compare.difference_gain:g}")
        self._refresh_zoom()

    def _refresh_zoom(self) -> None:
        percent, item = 100 * self.session.view.scale, self.session.current
        if item is None or item.picture is None:
            self.zoom.setText("")
            return
        self.zoom.setText(f"{percent:.0f} %" if percent >= 10 else f"{percent:.1f} %")

    def swap(self) -> None:
        compare = self.session.compare
        self.session.set_compare(a=compare.b, b=compare.a)

    def show_values(self, pixel: QPoint | None) -> None:
        """Position, both pictures' values, and the latent that describes the place."""
        self._under_cursor = pixel
        texts = [] if pixel is None else self.values_at(pixel)
        self.pixel.setToolTip(GAP.join(texts))
        metrics = self.pixel.fontMetrics()
        while texts and metrics.horizontalAdvance(GAP.join(texts)) > self.pixel.width():
            texts.pop()  # half a number would be a wrong one
        self.pixel.setText(GAP.join(texts))

    def _refresh_values(self) -> None:
        self.show_values(self._under_cursor)

    def _forget_cursor(self) -> None:
        self.show_values(None)

    def values_at(self, pixel: QPoint) -> list[str]:
        session = self.session
        x, y = pixel.x(), pixel.y()
        texts = [f"x {x}  y {y}"]
        for name, side in session.sides.items():
            if side is not None and x < side.picture.size[0] and y < side.picture.size[1]:
                red, green, blue = side.picture.rgb[y, x]
                texts.append(f"{name.upper()} {red} {green} {blue}")
        latents = session.latents
        column, row = x // Y_STRIDE, y // Y_STRIDE
        if latents is not None and latents.choice in (session.shown_choice, session.shown_choice.rounded):
            bits = float(latents.maps.bits[row, column].sum())
            texts.append(tr("y ({column}, {row}): {bits:.1f} bit").format(column=column, row=row, bits=bits))
        return texts

    def _mark(self, pixel: QPoint) -> None:
        """A click outlines the latent in picture and map, a second one on it takes the outline away."""
        place = ("y", pixel.x() // Y_STRIDE, pixel.y() // Y_STRIDE)
        self.session.mark(None if self.session.marked == place else place)
