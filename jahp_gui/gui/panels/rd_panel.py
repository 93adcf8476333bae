"""The live rate-distortion plot: curves as their points arrive, the current setting among them."""

import math

from PySide6.QtCore import QSignalBlocker, QSize, Qt, Signal
from PySide6.QtGui import QColor, QIcon, QPainter, QPen, QPixmap
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QVBoxLayout,
    QWidget,
)

from jahp_gui.codec import metrics
from jahp_gui.evaluation.references import ReferenceCurve
from jahp_gui.gui import captions, painting, plotting, theme
from jahp_gui.gui.i18n import tr
from jahp_gui.gui.jobs import Job, Jobs
from jahp_gui.gui.panels.widgets import ValueLabel
from jahp_gui.gui.plot_view import PlotRenderer, PlotView
from jahp_gui.gui.plotting import PlotContent
from jahp_gui.gui.results import CurvePoint, SeriesKey
from jahp_gui.gui.session import Session
from jahp_gui.gui.view_choices import PlotChoice

DASHES = {
    "-": Qt.PenStyle.SolidLine,
    "--": Qt.PenStyle.DashLine,
    ":": Qt.PenStyle.DotLine,
    "-.": Qt.PenStyle.DashDotLine,
}
SWATCH = 14
LEGEND_WIDTH = 256
KEY_ROLE = Qt.ItemDataRole.UserRole


class RdPanel(QWidget):
    """Draws `session.curves`. matplotlib is loaded in a job, behind the window."""

    bd_rates_changed = Signal()

    def __init__(self, session: Session, jobs: Jobs, parent: QWidget | None = None):
        super().__init__(parent)
        self.session, self.jobs = session, jobs
        self.view = PlotView(jobs)
        self.references: list[ReferenceCurve] = []
        self.bd_rates: dict[SeriesKey, float] = {}
        self._bd_rates_of: PlotChoice | None = None  # what they compare and measure by
        self.measure, self.anchor = QComboBox(), QComboBox()
        self.log_rate, self.with_references = QCheckBox(tr("Log rate")), QCheckBox(tr("Kodak averages"))
        self.legend = QListWidget()
        self.readout = ValueLabel(tr("Values of the point under the cursor"))
        self._describe()
        self._lay_out()
        self._connect()
        self._on_plot_choice()

    # ------------------------------------------------------------ building

    def _describe(self) -> None:
        self.measure.addItem("PSNR", "psnr")
        self.measure.addItem("MS-SSIM", "ms_ssim")
        for widget, name, term in (
            (self.measure, tr("Quality measure"), tr("PSNR compares pixels, MS-SSIM structures at several scales.")),
            (
                self.anchor,
                tr("BD-rate against"),
                tr("The legend says how many bits each curve needs more or less than this one at equal quality."),
            ),
            (self.log_rate, tr("Logarithmic rate"), tr("Low rates are told apart better on a logarithmic axis.")),
            (
                self.with_references,
                tr("Published Kodak averages"),
                tr("Faint curves from publications: averages over the 24 Kodak images, not of this image."),
            ),
            (self.legend, tr("Curves"), tr("Curves of this image; the check mark shows or hides one.")),
        ):
            widget.setAccessibleName(name)
            widget.setToolTip(term)
        self.legend.setFixedWidth(LEGEND_WIDTH)
        self.readout.setFixedWidth(LEGEND_WIDTH)
        self.legend.setIconSize(QSize(SWATCH, SWATCH))
        self.legend.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.readout.setFont(theme.numbers_font(self.font()))
        self.readout.setWordWrap(True)
        self.readout.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.readout.setFixedHeight(2 * self.readout.fontMetrics().lineSpacing())  # also empty: nothing jumps
        self.anchor.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.anchor.setMinimumContentsLength(10)

    def _lay_out(self) -> None:
        row = QHBoxLayout()
        row.setContentsMargins(0, 0, 0, 0)
        for widget in (self.measure, self.log_rate, self.with_references):
            row.addWidget(widget)
        row.addStretch(1)
        label = QLabel(tr("BD-rate against"))
        label.setProperty("faint", True)
        row.addWidget(label)
        row.addWidget(self.anchor)
        plot = QHBoxLayout()
        plot.addWidget(self.view, 1)
        beside = QVBoxLayout()
        beside.addWidget(self.legend, 1)
        beside.addWidget(self.readout)
        plot.addLayout(beside)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(row)
        layout.addLayout(plot, 1)

    def _connect(self) -> None:
        session = self.session
        self.measure.activated.connect(lambda: session.set_plot(metric=self.measure.currentData()))
        self.anchor.activated.connect(lambda: session.set_plot(anchor=self.anchor.currentData()))
        self.log_rate.toggled.connect(lambda on: session.set_plot(log_rate=on))
        self.with_references.toggled.connect(lambda on: session.set_plot(references=on))
        self.legend.itemChanged.connect(self._toggle)
        self.view.hovered.connect(self._hover)
        self.view.clicked.connect(self._click)
        session.curves_changed.connect(self._on_curves)
        session.current_changed.connect(self.redraw)
        session.plot_changed.connect(self._on_plot_choice)
        session.results_changed.connect(self._move_point)
        session.choice_changed.connect(self._move_point)
        session.refining_changed.connect(self._move_point)
        theme.switch.changed.connect(self.redraw)
        theme.switch.changed.connect(self.refresh_legend)

    def load_matplotlib(self, chinese: bool) -> None:
        """Import it in a job; the plot appears when it is there."""

        def load(job: Job) -> tuple[PlotRenderer, list[ReferenceCurve]]:
            from jahp_gui.evaluation.references import load_references

            plotting.use_fonts(chinese)
            return PlotRenderer(), load_references()

        def loaded(found: tuple[PlotRenderer, list[ReferenceCurve]]) -> None:
            renderer, self.references = found
            self.refresh_legend()
            self.redraw()
            self.view.use_renderer(renderer)

        self.jobs.start("matplotlib", load, loaded, kind="display")

    def stop(self) -> None:
        """Show nothing more: the window is being replaced by one in another language."""
        self.jobs.cancel("bd-rates")
        self.view.stop()

    # ------------------------------------------------------------ session → plot

    def redraw(self) -> None:
        self.view.empty_text = tr("The curves appear here once the image is compressed.")
        if self.session.is_fixed:
            self.view.empty_text = tr("The curves need the original: drop it to see them.")
        self.view.show_content(self.content(), redraw=True)

    def _move_point(self) -> None:
        """Another setting: the current point moves, and another curve is the thick one."""
        content = self.content()
        drawn = self.view.content
        other_curve = drawn is None or drawn.current_series != content.current_series
        self.view.show_content(content, redraw=other_curve)

    def _on_curves(self) -> None:
        self.refresh_legend()
        self._refresh_anchors()
        self._start_bd_rates()
        self.redraw()

    def _on_plot_choice(self) -> None:
        self.refresh_controls()
        self._start_bd_rates()
        self.refresh_legend()
        self.redraw()

    def refresh_controls(self) -> None:
        choice = self.session.plot
        blockers = [QSignalBlocker(box) for box in (self.measure, self.log_rate, self.with_references)]
        self.measure.setCurrentIndex(self.measure.findData(choice.metric))
        self.log_rate.setChecked(choice.log_rate)
        self.with_references.setChecked(choice.references)
        del blockers
        self._refresh_anchors()

    def _refresh_anchors(self) -> None:
        keys = list(self.session.curves.points)
        names = [plotting.name_of_series(key) for key in keys]
        with QSignalBlocker(self.anchor):
            self.anchor.clear()
            self.anchor.addItem(tr("nothing"), "")
            for key, name in zip(keys, names, strict=True):
                self.anchor.addItem(captions.series_name(key), name)
            self.anchor.setCurrentIndex(max(0, self.anchor.findData(self.session.plot.anchor)))

    def refresh_legend(self) -> None:
        with QSignalBlocker(self.legend):
            position, current = self.legend.verticalScrollBar().value(), self.legend.currentItem()
            current_key = None if current is None else current.data(KEY_ROLE)
            self.legend.clear()
            for key in self.session.curves.points:
                entry = QListWidgetItem()
                entry.setData(KEY_ROLE, key)
                entry.setFlags(entry.flags() | Qt.ItemFlag.ItemIsUserCheckable)
                self._fill_legend(entry, key)
                self.legend.addItem(entry)
                if key == current_key:
                    self.legend.setCurrentItem(entry)  # where the keyboard is
            self._add_references()
            self.legend.verticalScrollBar().setValue(position)

    def _fill_legend(self, entry: QListWidgetItem, key: SeriesKey) -> None:
        name = captions.series_name(key)
        rate = self.bd_rates.get(key)
        entry.setText(name if rate is None else f"{name}  " + f"{rate:+.1f}%".replace("-", "−"))
        hidden = plotting.name_of_series(key) in self.session.plot.hidden
        entry.setCheckState(Qt.CheckState.Unchecked if hidden else Qt.CheckState.Checked)
        entry.setIcon(_swatch(theme.series_colour(key.name), plotting.marker_of(key.name), filled=not hidden))

    def _add_references(self) -> None:
        """The published curves below those of the image, told apart by their dashes."""
        for curve, style in plotting.shown_references(self.content()):
            entry = QListWidgetItem(tr("Kodak: {name}").format(name=curve.label))
            entry.setFlags(Qt.ItemFlag.ItemIsEnabled)
            entry.setToolTip(curve.source)
            entry.setForeground(theme.colour("faint_text"))
            entry.setIcon(_dash(theme.current().faint_text, DASHES[style]))
            self.legend.addItem(entry)

    def content(self) -> PlotContent:
        session = self.session
        return PlotContent(
            session.curves.snapshot(),
            session.plot,
            theme.current(),
            self._current_point(),
            SeriesKey("prior", session.choice.prior),
            self.references,
            self._trail(),
        )

    def _trail(self) -> list[tuple[float, float]]:
        """Where a search has led the current point so far. A crop's curves have no place for it."""
        session = self.session
        return [] if session.curves.cropped else plotting.in_order(session.trail, session.plot.metric)

    def _current_point(self) -> tuple[float, float, bool] | None:
        """The current setting: from its real file, else from the estimates. Of a crop, where its curve has it."""
        session, metric = self.session, self.session.plot.metric
        item = session.current
        if item is None or item.original is None:
            return None
        if session.curves.cropped:
            points = session.curves.points.get(SeriesKey("prior", session.choice.prior), [])
            return plotting.on_curve(points, session.choice.gain_index, metric)
        file = session.exact
        if file is not None and file.psnr is not None:
            similarity = None if file.ms_ssim is None else metrics.ms_ssim_db(file.ms_ssim)
            height = file.psnr if metric == "psnr" else similarity
            return None if height is None else (file.container.bpp, height, True)
        live, size = session.live, session.estimated_bytes
        if live is None or size is None or metric != "psnr" or live.psnr is None:
            return None
        if live.choice != session.choice.rounded:
            return None
        return metrics.bpp(round(size), *item.original.size), live.psnr, False

    # ------------------------------------------------------------ BD-rates

    def _start_bd_rates(self) -> None:
        """In a job: the library behind it takes a second to load."""
        session, metric = self.session, self.session.plot.metric
        curves = {key: plotting.drawable(points, metric) for key, points in session.curves.points.items()}
        anchor = next((key for key in curves if plotting.name_of_series(key) == session.plot.anchor), None)
        if anchor is None or not session.curves.complete:
            self.jobs.cancel("bd-rates")
            self.bd_rates, self._bd_rates_of = {}, session.plot
            self.bd_rates_changed.emit()
            return
        asked = session.plot

        def work(job: Job) -> dict[SeriesKey, float]:
            from jahp_gui.evaluation.curves import bd_rate

            found = {key: bd_rate(curves[anchor], points) for key, points in curves.items() if key != anchor}
            return {key: rate.percent for key, rate in found.items() if rate is not None}

        self.jobs.start("bd-rates", work, lambda rates: self._show_bd_rates(rates, asked), kind="display")

    def _show_bd_rates(self, rates: dict[SeriesKey, float], of: PlotChoice) -> None:
        self.bd_rates, self._bd_rates_of = rates, of
        self.refresh_legend()
        self.bd_rates_changed.emit()

    def bd_rate(self, key: SeriesKey) -> float | None:
        """Percent against the chosen curve: NaN where the curves say none, None while they are being measured."""
        of, now = self._bd_rates_of, self.session.plot
        if of is None or not self.session.curves.complete or (of.anchor, of.metric) != (now.anchor, now.metric):
            return None
        return self.bd_rates.get(key, math.nan)

    # ------------------------------------------------------------ plot → session

    def _toggle(self, entry: QListWidgetItem) -> None:
        name = plotting.name_of_series(entry.data(KEY_ROLE))
        hidden = set(self.session.plot.hidden)
        (hidden.discard if entry.checkState() == Qt.CheckState.Checked else hidden.add)(name)
        self.session.set_plot(hidden=frozenset(hidden))

    def _hover(self, found: tuple[SeriesKey, CurvePoint] | None) -> None:
        text = "" if found is None else self.text_of(*found)
        self.readout.setText(text)
        self.view.setAccessibleDescription(text)

    def text_of(self, key: SeriesKey, point: CurvePoint) -> str:
        """A point in words: curve, setting, rate and qualities."""
        if point.gain_index is not None:
            setting = f"λ {captions.lmbda_text(self.session.lmbda_at(point.gain_index))}"
        else:
            setting = f"{point.quality:g}"
        similarity = "" if point.ms_ssim is None else f"  {point.ms_ssim:.4f}"
        about = "≈ " if point.is_estimate else ""
        return f"{captions.series_name(key)} {setting}: {about}{point.bpp:.3f} bpp  {point.psnr:.2f} dB{similarity}"

    def _click(self, found: tuple[SeriesKey, CurvePoint]) -> None:
        """A point of a prior is chosen."""
        key, point = found
        if point.gain_index is not None:
            self.session.set_choice(prior=key.name, gain_index=point.gain_index)


def _swatch(colour: str, marker: str, *, filled: bool) -> QIcon:
    """A point of a curve, hollow while the curve is hidden."""
    pixmap = _empty_pixmap()
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
    painter.translate(SWATCH / 2, SWATCH / 2)
    painter.setPen(QPen(QColor(colour), 1.5))
    painter.setBrush(QColor(colour) if filled else Qt.BrushStyle.NoBrush)
    painter.drawPath(painting.marker_path(marker, SWATCH / 2 - 1.5))
    painter.end()
    return QIcon(pixmap)


def _dash(colour: str, style: Qt.PenStyle) -> QIcon:
    """A piece of a dashed curve."""
    pixmap = _empty_pixmap()
    painter = QPainter(pixmap)
    painter.setPen(QPen(QColor(colour), 2, style))
    painter.drawLine(0, SWATCH // 2, SWATCH, SWATCH // 2)
    painter.end()
    return QIcon(pixmap)


def _empty_pixmap() -> QPixmap:
    """The ground of a swatch, sharp on screens of twice the pixels, too."""
    pixmap = QPixmap(2 * SWATCH, 2 * SWATCH)
    pixmap.setDevicePixelRatio(2)
    pixmap.fill(Qt.GlobalColor.transparent)
    return pixmap
