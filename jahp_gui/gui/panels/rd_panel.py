"""The live rate-distortion plot: curves as their points arrive, the current setting among them."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QSignalBlocker, QSize, Qt, QTimer
from PySide6.QtGui import QColor, QIcon, QPixmap
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from jahp_gui.codec import metrics
from jahp_gui.evaluation.references import ReferenceCurve
from jahp_gui.gui import captions, plotting, theme
from jahp_gui.gui.i18n import tr
from jahp_gui.gui.jobs import Job, Jobs
from jahp_gui.gui.plotting import PlotContent
from jahp_gui.gui.results import CurvePoint, SeriesKey
from jahp_gui.gui.session import Session

if TYPE_CHECKING:
    from matplotlib.backends.backend_qtagg import FigureCanvasQTAgg

REDRAW_MS = 200  # a redraw takes about 25 ms
NEAR = 12.0  # display pixels from the cursor to a point it means
KEY_ROLE = Qt.ItemDataRole.UserRole


class RdPanel(QWidget):
    """Draws `session.curves`. matplotlib is loaded in a job after the window has been shown."""

    def __init__(self, session: Session, jobs: Jobs, parent: QWidget | None = None):
        super().__init__(parent)
        self.session, self.jobs = session, jobs
        self.canvas: FigureCanvasQTAgg | None = None
        self.axes: Any = None
        self.references: list[ReferenceCurve] = []
        self.bd_rates: dict[SeriesKey, float] = {}
        self.measure, self.anchor = QComboBox(), QComboBox()
        self.log_rate, self.with_references = QCheckBox(tr("Log rate")), QCheckBox(tr("Kodak averages"))
        self.legend = QListWidget()
        self.readout = QLabel()
        self.waiting = QLabel(tr("The curves appear here once the image is compressed."))
        self._describe()
        self._lay_out()
        self._redraw = QTimer(self, singleShot=True, interval=REDRAW_MS)
        self._redraw.timeout.connect(self.draw_now)
        self._connect()
        self.refresh_controls()
        self.refresh_legend()

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
        self.legend.setFixedWidth(218)
        self.legend.setIconSize(QSize(14, 14))
        self.legend.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.readout.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.readout.setFont(theme.numbers_font(self.font()))
        self.readout.setAccessibleName(tr("Values of the point under the cursor"))
        self.waiting.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.waiting.setProperty("faint", True)
        self.anchor.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.anchor.setMinimumContentsLength(10)

    def _lay_out(self) -> None:
        row = QHBoxLayout()
        row.setContentsMargins(0, 0, 0, 0)
        for widget in (self.measure, self.log_rate, self.with_references):
            row.addWidget(widget)
        row.addWidget(self.readout, 1)
        label = QLabel(tr("BD-rate against"))
        label.setProperty("faint", True)
        row.addWidget(label)
        row.addWidget(self.anchor)
        self._plot_row = QHBoxLayout()
        self._plot_row.addWidget(self.waiting, 1)
        self._plot_row.addWidget(self.legend)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(row)
        layout.addLayout(self._plot_row, 1)

    def _connect(self) -> None:
        session = self.session
        self.measure.activated.connect(lambda: session.set_plot(metric=self.measure.currentData()))
        self.anchor.activated.connect(lambda: session.set_plot(anchor=self.anchor.currentData()))
        self.log_rate.toggled.connect(lambda on: session.set_plot(log_rate=on))
        self.with_references.toggled.connect(lambda on: session.set_plot(references=on))
        self.legend.itemChanged.connect(self._toggle)
        session.curves_changed.connect(self._on_curves)
        session.plot_changed.connect(self._on_plot_choice)
        session.results_changed.connect(self.redraw_soon)
        session.choice_changed.connect(self.redraw_soon)
        theme.switch.changed.connect(self.redraw_soon)

    def load_matplotlib(self, chinese: bool) -> None:
        """Import it in a job, then put the canvas in place."""

        def load(job: Job) -> list[ReferenceCurve]:
            import matplotlib.backends.backend_agg  # noqa: F401
            import matplotlib.figure  # noqa: F401

            from jahp_gui.evaluation.references import load_references

            plotting.use_fonts(chinese)
            return load_references()

        self.jobs.start("matplotlib", load, self._matplotlib_loaded)

    def _matplotlib_loaded(self, references: list[ReferenceCurve]) -> None:
        from matplotlib.backends.backend_qtagg import FigureCanvasQTAgg
        from matplotlib.figure import Figure

        self.references = references
        figure = Figure(layout="constrained", dpi=96)
        self.canvas = FigureCanvasQTAgg(figure)
        self.canvas.setMinimumSize(160, 100)
        self.canvas.setAccessibleName(tr("Rate-distortion plot"))
        self.axes = figure.subplots()
        self.canvas.mpl_connect("motion_notify_event", self._hover)
        self.canvas.mpl_connect("button_press_event", self._click)
        self._plot_row.replaceWidget(self.waiting, self.canvas)
        self._plot_row.setStretchFactor(self.canvas, 1)
        self.waiting.hide()
        self.draw_now()

    # ------------------------------------------------------------ session → plot

    def redraw_soon(self) -> None:
        if not self._redraw.isActive():
            self._redraw.start()

    def _on_curves(self) -> None:
        self.refresh_legend()
        self._refresh_anchors()
        self._start_bd_rates()
        self.redraw_soon()

    def _on_plot_choice(self) -> None:
        self.refresh_controls()
        self._start_bd_rates()
        self.refresh_legend()
        self.redraw_soon()

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
            keys = list(self.session.curves.points)
            if [self.legend.item(row).data(KEY_ROLE) for row in range(self.legend.count())] != keys:
                self.legend.clear()
                for key in keys:
                    entry = QListWidgetItem()
                    entry.setData(KEY_ROLE, key)
                    entry.setFlags(entry.flags() | Qt.ItemFlag.ItemIsUserCheckable)
                    self.legend.addItem(entry)
            for row, key in enumerate(keys):
                self._fill_legend(self.legend.item(row), key)

    def _fill_legend(self, entry: QListWidgetItem, key: SeriesKey) -> None:
        name = captions.series_name(key)
        rate = self.bd_rates.get(key)
        entry.setText(name if rate is None else f"{name}  {rate:+.1f}%")
        hidden = plotting.name_of_series(key) in self.session.plot.hidden
        entry.setCheckState(Qt.CheckState.Unchecked if hidden else Qt.CheckState.Checked)
        swatch = QPixmap(14, 14)
        swatch.fill(QColor(theme.series_colour(key.name)))
        entry.setIcon(QIcon(swatch))

    def content(self) -> PlotContent:
        session = self.session
        return PlotContent(
            session.curves,
            session.plot,
            theme.current(),
            self._current_point(),
            SeriesKey("prior", session.choice.prior),
            self.references,
        )

    def _current_point(self) -> tuple[float, float, bool] | None:
        """The current setting: from its real file, else from the estimates. A crop's curves have no place for it."""
        session, metric = self.session, self.session.plot.metric
        item = session.current
        if item is None or item.original is None or session.curves.cropped:
            return None
        file = session.exact
        if file is not None and file.psnr is not None:
            similarity = None if file.ms_ssim is None else metrics.ms_ssim_db(file.ms_ssim)
            height = file.psnr if metric == "psnr" else similarity
            return None if height is None else (file.container.bpp, height, True)
        live, latents = session.live, session.latents
        if live is None or latents is None or metric != "psnr" or live.psnr is None:
            return None
        if live.choice != session.choice or latents.choice != session.choice:
            return None
        return metrics.bpp(round(latents.estimated_bytes), *item.original.size), live.psnr, False

    def draw_now(self) -> None:
        if self.canvas is not None:
            plotting.draw(self.axes, self.content())
            self.canvas.draw_idle()

    # ------------------------------------------------------------ BD-rates

    def _start_bd_rates(self) -> None:
        """In a job: the library behind it takes a second to load."""
        session, metric = self.session, self.session.plot.metric
        curves = {key: plotting.drawable(points, metric) for key, points in session.curves.points.items()}
        anchor = next((key for key in curves if plotting.name_of_series(key) == session.plot.anchor), None)
        if anchor is None or not session.curves.complete:
            self.bd_rates = {}
            return

        def work(job: Job) -> dict[SeriesKey, float]:
            from jahp_gui.evaluation.curves import bd_rate

            found = {key: bd_rate(curves[anchor], points) for key, points in curves.items() if key != anchor}
            return {key: rate.percent for key, rate in found.items() if rate is not None}

        self.jobs.start("bd-rates", work, self._show_bd_rates)

    def _show_bd_rates(self, rates: dict[SeriesKey, float]) -> None:
        self.bd_rates = rates
        self.refresh_legend()

    # ------------------------------------------------------------ plot → session

    def _toggle(self, entry: QListWidgetItem) -> None:
        name = plotting.name_of_series(entry.data(KEY_ROLE))
        hidden = set(self.session.plot.hidden)
        (hidden.discard if entry.checkState() == Qt.CheckState.Checked else hidden.add)(name)
        self.session.set_plot(hidden=frozenset(hidden))

    def nearest(self, x: float, y: float) -> tuple[SeriesKey, CurvePoint] | None:
        """The drawn point nearest to a place in display pixels, when it is near enough to be meant."""
        metric, best = self.session.plot.metric, NEAR
        found: tuple[SeriesKey, CurvePoint] | None = None
        to_display: Callable[[tuple[float, float]], Any] = self.axes.transData.transform
        for key, points in self.session.curves.points.items():
            if plotting.name_of_series(key) in self.session.plot.hidden:
                continue
            for point in points:
                height = plotting.quality(point, metric)
                if height is None:
                    continue
                px, py = to_display((point.bpp, height))
                distance = ((px - x) ** 2 + (py - y) ** 2) ** 0.5
                if distance < best:
                    best, found = distance, (key, point)
        return found

    def _hover(self, event: Any) -> None:
        found = self.nearest(event.x, event.y)
        if found is None:
            self.readout.setText("")
            return
        key, point = found
        setting = (
            f"λ {captions.lmbda_text(self.session.lmbda_at(point.gain_index))}"
            if point.gain_index is not None
            else f"{point.quality:g}"
        )
        similarity = "" if point.ms_ssim is None else f"  {point.ms_ssim:.4f}"
        name = captions.series_name(key)
        self.readout.setText(f"{name} {setting}: {point.bpp:.3f} bpp  {point.psnr:.2f} dB{similarity}")

    def _click(self, event: Any) -> None:
        """A point of a prior is chosen."""
        found = self.nearest(event.x, event.y)
        if found is not None and found[1].gain_index is not None:
            self.session.set_choice(prior=found[0].name, gain_index=found[1].gain_index)
