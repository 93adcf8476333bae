"""What the window's commands do."""

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QObject
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QApplication, QFileDialog, QMessageBox, QToolTip, QWidget

from jahp_gui.codec.choices import EFFORTS
from jahp_gui.codec.images import IMAGE_SUFFIXES
from jahp_gui.codec.rate_scale import STEPS_PER_ANCHOR
from jahp_gui.gui import captions, exporting, work
from jahp_gui.gui.batch import BatchDialog
from jahp_gui.gui.dialogs import ModelCardDialog, SaveDialog, ShortcutSheet, ask_user, show_dialog
from jahp_gui.gui.exact_settings import caption_of, exact_settings
from jahp_gui.gui.files import FileController, folder_of
from jahp_gui.gui.i18n import tr
from jahp_gui.gui.imaging import qimage
from jahp_gui.gui.jobs import Jobs
from jahp_gui.gui.panels.maps_panel import MapsPanel
from jahp_gui.gui.panels.numbers_panel import NumbersPanel
from jahp_gui.gui.panels.rd_panel import RdPanel
from jahp_gui.gui.plotting import table_rows
from jahp_gui.gui.refining import RefiningController
from jahp_gui.gui.results import JPEG, ORIGINAL, ROUNDED, ImageItem
from jahp_gui.gui.session import Session
from jahp_gui.gui.view_choices import MODES
from jahp_gui.gui.viewstate import ZOOM_STEP

Handler = Callable[..., None]
PICTURE_FILTERS = "PNG (*.png);;TIFF (*.tif *.tiff);;WebP (*.webp)"
FIGURE_FILTERS = "PNG (*.png);;SVG (*.svg);;PDF (*.pdf);;NumPy (*.npz)"


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
            "same_jpeg": lambda: session.set_compare(a=JPEG),
            "a_original": lambda: session.set_compare(a=ORIGINAL),
            "a_rounded": lambda: session.set_compare(a=ROUNDED),
            "effort_next": lambda: session.set_effort((session.effort + 1) % len(EFFORTS)),
            "paint": lambda on: session.set_paint(on=on),
            "clear_region": lambda: session.set_mask(None),
            "swap": lambda: session.set_compare(a=session.compare.b, b=session.compare.a),
            "select_seen": lambda: session.set_selection(view.visible().toAlignedRect()),
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
        numbers: NumbersPanel,
    ):
        super().__init__(window)
        self.window, self.session, self.jobs, self.files = window, session, jobs, files
        self.open_model_folder = open_model
        self.maps, self.plot, self.numbers = maps, plot, numbers

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
            "save_numbers": self.save_numbers,
            "load_region": self.load_region,
            "save_region": self.save_region,
            "batch": self.batch,
            "shortcuts": lambda: show_dialog(ShortcutSheet(self.window)),
            "model_card": self.model_card,
            "explain": explain_focused,
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
        return folder_of(self.session.current)

    def load_region(self) -> None:
        name, _ = QFileDialog.getOpenFileName(
            self.window, tr("Load region"), str(self._folder()), f"{tr('Images')} (*.png *.tif *.webp *.bmp *.pgm)"
        )
        if name:
            self.files.load_region(Path(name))

    # ------------------------------------------------------------ out

    def ask(self, title: str, suffix: str, filters: str, ending: str = "") -> Path | None:
        """A place to save to, with the image's name to start from; the dialog asks before it replaces a file.

        None, too, where another image is shown by then: what is saved is read only now.
        """
        item = self.session.current
        stem = Path(item.name).stem if item is not None else "image"
        dialog = SaveDialog(title, self._folder() / f"{stem}{ending}{suffix}", filters, self.window)
        path = dialog.ask()
        dialog.deleteLater()
        if path is not None and self.session.current is not item:
            self.session.tell(tr("Nothing was saved: another image is shown by now."), "warning")
            return None
        return path

    def save(self) -> None:
        if path := self.ask(tr("Save .jahp"), work.JAHP_SUFFIX, "JAHP (*.jahp)"):
            self.files.save_jahp(path, force=True)

    def keep_refined(self, refining: RefiningController, of: ImageItem | None = None) -> bool:
        """Before the end, or that of one image: ask what becomes of refined files that are on no disk.

        False where window or image are to stay.
        """
        unsaved = refining.unsaved(of)
        if not unsaved:
            return True
        names = ", ".join(sorted({item.name for item, _ in unsaved}))
        buttons = QMessageBox.StandardButton
        text = tr("Refined files are not saved yet: {names}. Save them beside their images?").format(names=names)
        offered = buttons.Save | buttons.Discard | buttons.Cancel
        answer = ask_user(self.window, tr("Refined files"), text, offered, buttons.Save)
        if answer == buttons.Save:
            return all(self.files.save_refined(item, data) for item, data in unsaved)
        return answer == buttons.Discard

    def save_picture(self) -> None:
        if path := self.ask(tr("Save reconstruction"), ".png", PICTURE_FILTERS, "-decoded"):
            self.files.save_reconstruction(path)

    def save_region(self) -> None:
        if self.session.mask is not None and (path := self.ask(tr("Save region"), ".png", "PNG (*.png)", "-region")):
            self.files.save_region(path)

    def save_comparison(self) -> None:
        if path := self.ask(tr("Export comparison"), ".png", FIGURE_FILTERS, "-comparison"):
            self.export_comparison(path)

    def save_map(self) -> None:
        if path := self.ask(tr("Export map"), ".png", FIGURE_FILTERS, "-map"):
            self.export_map(path)

    def save_plot(self) -> None:
        if path := self.ask(tr("Export plot"), ".png", FIGURE_FILTERS, "-curves"):
            self.export_plot(path)

    def save_numbers(self) -> None:
        if path := self.ask(tr("Export numbers"), ".png", f"{FIGURE_FILTERS};;CSV (*.csv)", "-numbers"):
            self.export_numbers(path)

    def save_table(self) -> None:
        if path := self.ask(tr("Export table"), ".csv", "CSV (*.csv)", "-curves"):
            rows = table_rows(self.session.curves, self.session.lmbda_at)
            self.files.write(path, lambda: exporting.save_table(path, rows))

    def export_map(self, path: Path) -> None:
        """The map or the grid of channels that is shown, or with the suffix .npz every map in full."""
        shown, grid, latents = self.maps.shown, self.maps.shown_grid(), self.session.latents
        if latents is None:
            self.files.tell_missing()
            return
        settings = exact_settings(self.session, latents.choice)
        caption, title = caption_of(settings), self.maps.title(is_grid=grid is not None)
        unit = tr(captions.QUANTITY_UNITS[self.session.map_choice.quantity])
        if path.suffix.lower() == ".npz":
            self.files.write(path, lambda: exporting.save_arrays(path, exporting.maps_arrays(latents, settings)))
        elif grid is not None:
            self.files.write(path, lambda: exporting.save_grid_figure(path, *grid, title, unit, caption))
        elif shown is not None:
            self.files.write(
                path,
                lambda: exporting.save_map_figure(
                    path, shown.values, shown.low, shown.high, shown.colours, title, unit, caption
                ),
            )
        else:
            self.files.tell_missing()

    def export_comparison(self, path: Path) -> None:
        """The two pictures and the map as one figure, or with the suffix .npz their pixels and values."""
        session, shown, settings = self.session, self.maps.shown, exact_settings(self.session)
        pictures = {}
        for name, side in session.sides.items():
            if side is not None:
                pixels = side.picture.size[0] * side.picture.size[1]
                pictures[name] = captions.side_caption(side, session.lmbda_at, pixels), side.picture
        heatmap = None
        if shown is not None:
            heatmap = (self.maps.title(is_grid=False), shown.values, shown.low, shown.high, shown.colours)
        if not pictures:
            self.files.tell_missing()
            return
        if path.suffix.lower() == ".npz":
            self.files.write(
                path, lambda: exporting.save_arrays(path, exporting.comparison_arrays(pictures, heatmap, settings))
            )
        else:
            caption, listed = caption_of(settings), list(pictures.values())
            self.files.write(path, lambda: exporting.save_comparison(path, listed, heatmap, caption))

    def export_plot(self, path: Path) -> None:
        """The plot as it is shown, or with the suffix .npz every point of every curve."""
        content, settings = self.plot.content(), exact_settings(self.session)
        if path.suffix.lower() == ".npz":
            arrays = exporting.curves_arrays(table_rows(content.curves, self.session.lmbda_at), settings)
            self.files.write(path, lambda: exporting.save_arrays(path, arrays))
        else:
            caption = caption_of(settings)
            self.files.write(path, lambda: exporting.save_plot(path, content, caption))

    def export_numbers(self, path: Path) -> None:
        """The table of numbers as a figure, or with the suffix .csv or .npz all of them in full precision."""
        settings = exact_settings(self.session)
        rows, caption = self.numbers.shown_rows(), caption_of(settings)
        self.files.write(path, lambda: exporting.save_numbers(path, rows, settings, caption))

    def copy(self) -> None:
        side = self.session.sides["b"]
        if side is not None:
            QGuiApplication.clipboard().setImage(qimage(side.picture.rgb).copy())
            self.session.tell(tr("Picture B is on the clipboard."))

    # ------------------------------------------------------------ dialogs

    def batch(self) -> None:
        show_dialog(BatchDialog(self.session, self.jobs, self.window))

    def model_card(self) -> None:
        if self.session.card is not None:
            show_dialog(ModelCardDialog(self.session.card, self.window))


def explain_focused() -> None:
    """The tool tip of what has the keyboard, which else only the mouse brings; of a picture or chart what it shows."""
    widget = QApplication.focusWidget()
    if widget is not None:
        text = widget.toolTip() or widget.accessibleDescription() or widget.accessibleName()
        QToolTip.showText(widget.mapToGlobal(widget.rect().bottomLeft()), text, widget)
