"""What the window's commands do."""

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QObject
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QFileDialog, QWidget

from jahp_gui.codec.images import IMAGE_SUFFIXES
from jahp_gui.codec.rate_scale import STEPS_PER_ANCHOR
from jahp_gui.gui import captions, exporting, work
from jahp_gui.gui.batch import BatchDialog
from jahp_gui.gui.dialogs import ModelCardDialog, ShortcutSheet
from jahp_gui.gui.files import FileController
from jahp_gui.gui.i18n import tr
from jahp_gui.gui.imaging import qimage
from jahp_gui.gui.jobs import Jobs
from jahp_gui.gui.panels.maps_panel import MapsPanel
from jahp_gui.gui.panels.rd_panel import RdPanel
from jahp_gui.gui.results import ORIGINAL, Source
from jahp_gui.gui.session import MODES, Session
from jahp_gui.gui.viewstate import ZOOM_STEP

Handler = Callable[..., None]


class SessionCommands(QObject):
    """Commands that only change the session."""

    def __init__(self, session: Session, parent: QObject | None = None):
        super().__init__(parent)
        self.session = session

    def handlers(self) -> dict[str, Handler]:
        session, view = self.session, self.session.view
        modes: dict[str, Handler] = {f"mode_{mode}": self._mode_setter(mode) for mode in MODES}
        return modes | {
            "undo": session.undo,
            "redo": session.redo,
            "overlay": lambda on: session.set_compare(overlay=on),
            "same_jpeg": lambda: session.set_compare(a=Source("classical", "jpeg420")),
            "a_original": lambda: session.set_compare(a=ORIGINAL),
            "swap": lambda: session.set_compare(a=session.compare.b, b=session.compare.a),
            "clear_selection": lambda: session.set_selection(None),
            "fit": view.fit,
            "zoom_100": lambda: view.zoom_to(1.0),
            "zoom_200": lambda: view.zoom_to(2.0),
            "zoom_400": lambda: view.zoom_to(4.0),
            "zoom_in": lambda: view.zoom_by(ZOOM_STEP),
            "zoom_out": lambda: view.zoom_by(1 / ZOOM_STEP),
            "prior_next": lambda: self.step_prior(1),
            "prior_previous": lambda: self.step_prior(-1),
            "lmbda_up": lambda: self.step_lmbda(1),
            "lmbda_down": lambda: self.step_lmbda(-1),
            "anchor_up": lambda: self.step_lmbda(STEPS_PER_ANCHOR),
            "anchor_down": lambda: self.step_lmbda(-STEPS_PER_ANCHOR),
            "close_image": self.close_image,
        }

    def _mode_setter(self, mode: str) -> Handler:
        def use(_on: bool) -> None:
            self.session.set_compare(mode=mode)
            self.session.compare_changed.emit()  # a second press leaves the mode checked, as radio buttons do

        return use

    def step_prior(self, step: int) -> None:
        card = self.session.card
        if card is not None and not self.session.is_fixed:
            index = card.priors.index(self.session.choice.prior) + step
            self.session.set_choice(prior=card.priors[index % len(card.priors)])

    def step_lmbda(self, step: int) -> None:
        if not self.session.is_fixed:
            self.session.set_choice(gain_index=self.session.choice.gain_index + step)

    def close_image(self) -> None:
        if self.session.current is not None:
            self.session.remove_item(self.session.current)


class FileCommands(QObject):
    """Commands that ask for a place and then read or write there."""

    def __init__(
        self,
        window: QWidget,
        session: Session,
        jobs: Jobs,
        files: FileController,
        open_model: Callable[[Path], None],
        maps: MapsPanel,
        plot: RdPanel,
    ):
        super().__init__(window)
        self.window, self.session, self.jobs, self.files = window, session, jobs, files
        self.open_model_folder = open_model
        self.maps, self.plot = maps, plot

    def handlers(self) -> dict[str, Handler]:
        return {
            "open": self.open,
            "open_folder": self.open_folder,
            "open_model": self.open_model,
            "paste": self.paste,
            "copy": self.copy,
            "save": self.save,
            "save_beside": self.files.save_beside,
            "save_picture": self.save_picture,
            "save_comparison": self.save_comparison,
            "save_map": self.save_map,
            "save_plot": self.save_plot,
            "save_table": self.save_table,
            "batch": self.batch,
            "shortcuts": lambda: ShortcutSheet(self.window).open(),
            "model_card": self.model_card,
        }

    # ------------------------------------------------------------ in

    def open(self) -> None:
        patterns = " ".join(f"*{suffix}" for suffix in sorted({*IMAGE_SUFFIXES, work.JAHP_SUFFIX}))
        names, _ = QFileDialog.getOpenFileNames(
            self.window, tr("Open images"), str(self._folder()), f"{tr('Images')} ({patterns});;{tr('All files')} (*)"
        )
        if names:
            self.files.open_paths([Path(name) for name in names])

    def paste(self) -> None:
        self.files.paste(QGuiApplication.clipboard().mimeData())

    def open_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(self.window, tr("Open a folder"), str(self._folder()))
        if folder:
            self.files.open_paths([Path(folder)])

    def open_model(self) -> None:
        folder = QFileDialog.getExistingDirectory(self.window, tr("Open a model's folder"), str(self._folder()))
        if folder:
            self.open_model_folder(Path(folder))

    def _folder(self) -> Path:
        item = self.session.current
        return item.path.parent if item is not None and item.path is not None else Path.home()

    # ------------------------------------------------------------ out

    def _ask(self, title: str, suffix: str, filters: str, ending: str = "") -> Path | None:
        """A place to save to, with the image's name to start from; the dialog asks before it replaces a file."""
        item = self.session.current
        stem = Path(item.name).stem if item is not None else "image"
        start = self._folder() / f"{stem}{ending}{suffix}"
        name, _ = QFileDialog.getSaveFileName(self.window, title, str(start), filters)
        if not name:
            return None
        path = Path(name)
        return path if path.suffix else path.with_suffix(suffix)

    def save(self) -> None:
        if path := self._ask(tr("Save .jahp"), work.JAHP_SUFFIX, "JAHP (*.jahp)"):
            self.files.save_jahp(path, force=True)

    def save_picture(self) -> None:
        if path := self._ask(tr("Save reconstruction"), ".png", "PNG (*.png);;TIFF (*.tif);;WebP (*.webp)", "-decoded"):
            self.files.save_reconstruction(path, force=True)

    def save_comparison(self) -> None:
        if path := self._ask(tr("Export comparison"), ".png", "PNG (*.png);;PDF (*.pdf);;SVG (*.svg)", "-comparison"):
            self.export_comparison(path)

    def save_map(self) -> None:
        if path := self._ask(tr("Export map"), ".png", "PNG (*.png);;SVG (*.svg);;NumPy (*.npz)", "-map"):
            self.export_map(path)

    def save_plot(self) -> None:
        if path := self._ask(tr("Export plot"), ".png", "PNG (*.png);;SVG (*.svg);;PDF (*.pdf)", "-curves"):
            content = self.plot.content()
            self.files.write(path, lambda: exporting.save_plot(path, content))

    def save_table(self) -> None:
        if path := self._ask(tr("Export table"), ".csv", "CSV (*.csv)", "-curves"):
            curves = self.session.curves
            self.files.write(path, lambda: exporting.save_table(path, curves))

    def export_map(self, path: Path) -> None:
        """The map that is shown, or with the suffix .npz every map in full."""
        shown, latents = self.maps.shown, self.session.latents
        if latents is None:
            return
        if path.suffix.lower() == ".npz":
            self.files.write(path, lambda: exporting.save_maps_npz(path, latents))
        elif shown is not None:
            quantity = self.session.map_choice.quantity
            title = f"{tr(captions.QUANTITY_NAMES[quantity])} · {self.maps.caption.text()}"
            unit = tr(captions.QUANTITY_UNITS[quantity])
            self.files.write(
                path,
                lambda: exporting.save_map_figure(
                    path, shown.values, shown.low, shown.high, shown.colours, title, unit
                ),
            )

    def export_comparison(self, path: Path) -> None:
        session, shown = self.session, self.maps.shown
        pictures = [
            (captions.side_caption(side, session.lmbda_at, side.picture.size[0] * side.picture.size[1]), side.picture)
            for side in session.sides.values()
            if side is not None
        ]
        heatmap = None
        if shown is not None:
            title = f"{tr(captions.QUANTITY_NAMES[session.map_choice.quantity])} · {self.maps.caption.text()}"
            heatmap = (title, shown.values, shown.low, shown.high, shown.colours)
        if pictures:
            self.files.write(path, lambda: exporting.save_comparison(path, pictures, heatmap))

    def copy(self) -> None:
        side = self.session.sides["b"]
        if side is not None:
            QGuiApplication.clipboard().setImage(qimage(side.picture.rgb).copy())
            self.session.tell(tr("Picture B is on the clipboard."))

    # ------------------------------------------------------------ dialogs

    def batch(self) -> None:
        BatchDialog(self.session, self.jobs, self.window).open()

    def model_card(self) -> None:
        if self.session.card is not None:
            ModelCardDialog(self.session.card, self.window).open()
