"""Prior, model, λ and target: what the image is compressed with."""

from PySide6.QtCore import QRect, QSignalBlocker, QSize, Qt
from PySide6.QtGui import QFont, QPainter, QPaintEvent
from PySide6.QtWidgets import (
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QSlider,
    QStackedWidget,
    QStyle,
    QStyleOptionSlider,
    QVBoxLayout,
    QWidget,
)

from jahp_gui.codec.rate_scale import STEPS_PER_ANCHOR, gain_index_count
from jahp_gui.gui import captions, charts, theme
from jahp_gui.gui.i18n import tr
from jahp_gui.gui.panels.widgets import DecimalBox
from jahp_gui.gui.refining import RefiningController
from jahp_gui.gui.session import Session
from jahp_gui.gui.targets import RANGES, UNITS
from jahp_gui.gui.view_choices import TARGETS

LABEL_HEIGHT = 13
TARGET_NAMES = {"lambda": "Fixed λ", "bpp": "Rate", "bytes": "File size", "psnr": "PSNR"}


class LmbdaSlider(QSlider):
    """A slider over gain indices; λ is logarithmic in them. Ticks stand at the model's anchors."""

    def __init__(self, parent: QWidget | None = None):
        super().__init__(Qt.Orientation.Horizontal, parent)
        self.setPageStep(STEPS_PER_ANCHOR)
        self.setSingleStep(1)
        self.labels: list[str] = []

    def sizeHint(self) -> QSize:  # noqa: N802
        """The labels have the lower half, below the handle."""
        size = super().sizeHint()
        return QSize(size.width(), max(size.height(), 2 * self.label_height() + 18))

    def _small_font(self) -> QFont:
        return charts.small_font(self.font(), 0.8)

    def label_height(self) -> int:
        return charts.line_height(self._small_font(), LABEL_HEIGHT)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        super().paintEvent(event)
        if not self.labels or self.maximum() == 0:
            return
        painter = QPainter(self)
        painter.setFont(self._small_font())
        top, bottom = self.height() - self.label_height(), self.height()
        painter.setPen(theme.colour("faint_text"))
        for number, label in enumerate(self.labels):
            x = self.position_of(number * STEPS_PER_ANCHOR)
            painter.drawLine(x, top - 4, x, top)
            if number % 2 == 0 or number == len(self.labels) - 1:  # every label would touch the next
                width = painter.fontMetrics().horizontalAdvance(label)
                left = min(max(x - width // 2, 0), self.width() - width)
                painter.drawText(QRect(left, top, width + 2, bottom - top), Qt.AlignmentFlag.AlignLeft, label)

    def position_of(self, value: int) -> int:
        """Widget x of a value's handle centre."""
        option = QStyleOptionSlider()
        self.initStyleOption(option)
        style, control = self.style(), QStyle.ComplexControl.CC_Slider
        groove = style.subControlRect(control, option, QStyle.SubControl.SC_SliderGroove, self)
        handle = style.subControlRect(control, option, QStyle.SubControl.SC_SliderHandle, self)
        span = groove.width() - handle.width()
        offset = QStyle.sliderPositionFromValue(self.minimum(), self.maximum(), value, span)
        return groove.left() + handle.width() // 2 + offset


class CodecPanel(QWidget):
    """Shows `session.choice`, effort and target; every widget writes back to the session at once."""

    def __init__(self, session: Session, refining: RefiningController, parent: QWidget | None = None):
        super().__init__(parent)
        self.session, self.refining = session, refining
        self.prior = QComboBox()
        self.model = QComboBox()
        self.slider = LmbdaSlider()
        self.entry = QLineEdit()
        self.target = QComboBox()
        self.target_value = DecimalBox()
        self.effort, self.progress, self.effort_pages = QComboBox(), QProgressBar(), QStackedWidget()
        self.refine = QPushButton()
        self._describe()
        self._lay_out()
        self.prior.activated.connect(lambda: session.set_choice(prior=self.prior.currentData()))
        self.model.activated.connect(self._use_model)
        self.slider.valueChanged.connect(lambda value: session.set_choice(gain_index=value))
        self.entry.editingFinished.connect(self._enter_lmbda)
        self.target.activated.connect(self._choose_target)
        self.target_value.valueChanged.connect(self._change_target)
        self.effort.activated.connect(lambda: session.set_effort(self.effort.currentData()))
        self.refine.clicked.connect(self.toggle_refining)
        session.model_changed.connect(self.refresh)
        session.choice_changed.connect(self.refresh)
        session.target_changed.connect(self.refresh)
        session.current_changed.connect(self.refresh)
        for signal in (session.effort_changed, session.refining_changed, session.results_changed):
            signal.connect(self._refresh_effort)
        self.refresh()

    def _describe(self) -> None:
        for widget, name, term in (
            (self.prior, tr("Prior"), tr("What the coder believes about the latents before it sees them.")),
            (
                self.model,
                tr("Model"),
                tr(
                    "One pair of transforms, and the priors for its latents. "
                    "Where there are several, the transforms were trained with the joint one."
                ),
            ),
            (
                self.slider,
                tr("λ, rate against distortion"),
                tr(
                    "Weighs quality against size: larger λ, larger file, better picture. Ticks: values of the training."
                ),
            ),
            (self.entry, tr("λ, exact value"), tr("Type any λ; the nearest step of the model's scale is used.")),
            (self.effort, tr("Effort"), tr("How long the encoder searches for better latents.")),
            (self.progress, tr("Progress of the refinement"), tr("How much is done, and how far λ·D + R has fallen.")),
            (self.target, tr("Target"), tr("Let the program search the λ that reaches a size or a quality.")),
            (self.target_value, tr("Target value"), tr("What the file or the picture should reach.")),
        ):
            widget.setAccessibleName(name)
            widget.setToolTip(term)
        self.entry.setMaximumWidth(78)
        self.target_value.setKeyboardTracking(False)  # a target takes a second: not at every digit
        for number, name in enumerate(captions.EFFORT_NAMES):
            self.effort.addItem(f"{number} {tr(name)}", number)
            self.effort.setItemData(number, tr(captions.EFFORT_TERMS[number]), Qt.ItemDataRole.ToolTipRole)
        for box in (self.prior, self.model, self.target, self.effort):
            box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            box.setMinimumContentsLength(7)
        self.target.setMinimumContentsLength(4)  # beside its value the panel stays as wide as it is
        self.target_value.setFixedWidth(92)

    def _lay_out(self) -> None:
        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow(tr("Prior"), self.prior)
        form.addRow(tr("Model"), self.model)
        target = QHBoxLayout()
        target.addWidget(self.target, 1)
        target.addWidget(self.target_value)
        form.addRow(tr("Target"), target)
        self.effort_pages.addWidget(self.effort)
        self.effort_pages.addWidget(self.progress)
        self.effort_pages.setSizePolicy(self.effort.sizePolicy())
        effort = QHBoxLayout()
        effort.addWidget(self.effort_pages, 1)
        effort.addWidget(self.refine)
        form.addRow(tr("Effort"), effort)
        head = QHBoxLayout()
        label = QLabel("λ")
        label.setProperty("heading", True)
        label.setBuddy(self.entry)
        head.addWidget(label)
        head.addStretch(1)
        head.addWidget(self.entry)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(form)
        layout.addLayout(head)
        layout.addWidget(self.slider)

    # ------------------------------------------------------------ session → widgets

    def refresh(self) -> None:
        session = self.session
        card = session.shown_card
        fixed = session.is_fixed
        for widget in (self.prior, self.slider, self.entry, self.target, self.target_value):
            widget.setEnabled(card is not None and not fixed)
        self.model.setEnabled(len(session.cards) > 0 and not fixed)
        self._refresh_models()
        if card is not None:
            self._refresh_priors(captions.ordered_priors(card.priors))
            self._refresh_lmbda(card.lmbda_anchors)
        self._refresh_target()
        self._refresh_effort()

    def _refresh_effort(self) -> None:
        """The effort that is asked for, or how far the search is."""
        session, running = self.session, self.session.refining
        self.effort.setCurrentIndex(0 if session.is_fixed else session.effort)
        self.effort.setEnabled(session.card is not None and not session.is_fixed)
        self.effort.setToolTip(tr(captions.EFFORT_TERMS[session.effort]))
        self.effort_pages.setCurrentWidget(self.effort if running is None else self.progress)
        self.refine.setText(tr("Refine") if running is None else tr("Stop"))
        self.refine.setToolTip(tr(captions.EFFORT_TERMS[2]) if running is None else tr("The best so far is kept."))
        self.refine.setAccessibleName(self.refine.text())
        self.refine.setEnabled(running is not None or self.refining.can_start)
        if running is not None:
            self.progress.setValue(round(100 * running.fraction))
            self.progress.setFormat(f"%p % · −{running.gain:.1f} %" if running.gain >= 0.05 else "%p %")

    def toggle_refining(self) -> None:
        """Start the refinement, or stop the one that runs."""
        if self.session.refining is None:
            self.refining.start()
        else:
            self.refining.stop()

    def _refresh_models(self) -> None:
        with QSignalBlocker(self.model):
            self.model.clear()
            shown = self.session.shown_card
            others = [shown] if shown is not None and shown not in self.session.cards else []
            for card in [*self.session.cards, *others]:
                kind = "MS-SSIM" if card.objective == "ms-ssim" else "PSNR"
                self.model.addItem(f"{card.model_id} ({kind})", card.model_id)
                self.model.setItemData(self.model.count() - 1, card.title, Qt.ItemDataRole.ToolTipRole)
            if shown is not None:
                self.model.setCurrentIndex(self.model.findData(shown.model_id))
            else:
                self.model.setPlaceholderText(tr("No model installed"))

    def _refresh_priors(self, priors: list[str]) -> None:
        with QSignalBlocker(self.prior):
            if [self.prior.itemData(index) for index in range(self.prior.count())] != priors:
                self.prior.clear()
                for name in priors:
                    self.prior.addItem(captions.prior_name(name), name)
                    term = tr(captions.PRIOR_TERMS[name]) if name in captions.PRIOR_TERMS else name
                    self.prior.setItemData(self.prior.count() - 1, term, Qt.ItemDataRole.ToolTipRole)
            self.prior.setCurrentIndex(self.prior.findData(self.session.shown_choice.prior))

    def _refresh_lmbda(self, anchors: list[float]) -> None:
        with QSignalBlocker(self.slider):
            self.slider.setRange(0, gain_index_count(anchors) - 1)
            self.slider.labels = [f"{anchor:.4g}".removeprefix("0") for anchor in anchors]
            self.slider.setValue(self.session.shown_choice.gain_index)
        self.slider.update()
        if not self.entry.hasFocus() or not self.entry.isModified():
            self.entry.setText(captions.lmbda_text(self.session.lmbda_at(self.session.shown_choice.gain_index)))

    def _refresh_target(self) -> None:
        kind, value = self.session.target
        with QSignalBlocker(self.target), QSignalBlocker(self.target_value):
            if self.target.count() == 0:
                for name in TARGETS:
                    self.target.addItem(tr(TARGET_NAMES[name]), name)
            self.target.setCurrentIndex(self.target.findData(kind))
            self.target_value.setVisible(kind != "lambda")
            if kind != "lambda":
                low, high, _, decimals = RANGES[kind]
                self.target_value.setDecimals(decimals)
                self.target_value.setRange(low, high)
                self.target_value.setSuffix(" " + UNITS[kind])
                self.target_value.setValue(value)

    # ------------------------------------------------------------ widgets → session

    def _use_model(self) -> None:
        card = next(card for card in self.session.cards if card.model_id == self.model.currentData())
        if card is not self.session.card or self.session.model_error:
            self.session.use_card(card)

    def _enter_lmbda(self) -> None:
        if not self.entry.isModified():
            return
        self.entry.setModified(False)
        lmbda = captions.read_lmbda(self.entry.text())
        if lmbda is None:
            self.session.tell(tr("λ is a positive number, such as 0.0128."), "warning")
        else:
            self.session.set_lmbda(lmbda)
        self.entry.setText(captions.lmbda_text(self.session.lmbda))

    def _choose_target(self) -> None:
        """A target starts from what the current file has, so that choosing one changes nothing yet."""
        kind = self.target.currentData()
        file = self.session.exact
        value = 0.0
        if kind != "lambda":
            value = RANGES[kind][2]
            if file is not None:
                now = {"bpp": file.container.bpp, "bytes": len(file.data) / 1000, "psnr": file.psnr or value}
                low, high, _, decimals = RANGES[kind]
                value = round(min(max(now[kind], low), high), decimals)
        self.session.set_target(kind, value)

    def _change_target(self, value: float) -> None:
        self.session.set_target(self.session.target[0], value)
