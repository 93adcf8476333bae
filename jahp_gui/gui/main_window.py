"""The window: puts the panels together, hands drops to the file controller, keeps geometry. Nothing else."""

from functools import partial

from PySide6.QtCore import QByteArray, QSize, Qt, Signal
from PySide6.QtGui import (
    QCloseEvent,
    QDragEnterEvent,
    QDragLeaveEvent,
    QDropEvent,
    QIcon,
    QImage,
    QPixmap,
    QResizeEvent,
)
from PySide6.QtWidgets import (
    QFrame,
    QLabel,
    QMainWindow,
    QMenu,
    QProgressBar,
    QSplitter,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from jahp_gui.gui import samples, theme
from jahp_gui.gui.actions import Actions
from jahp_gui.gui.commands import FileCommands, SessionCommands
from jahp_gui.gui.controller import Controller
from jahp_gui.gui.dialogs import SettingsDialog
from jahp_gui.gui.drop import DragHandle, DropOverlay
from jahp_gui.gui.files import FileController
from jahp_gui.gui.i18n import tr
from jahp_gui.gui.jobs import Jobs
from jahp_gui.gui.panels.codec_panel import CodecPanel
from jahp_gui.gui.panels.compare_panel import ComparePanel
from jahp_gui.gui.panels.images_panel import ImagesPanel
from jahp_gui.gui.panels.maps_panel import MapsPanel
from jahp_gui.gui.panels.message_bar import MessageBar
from jahp_gui.gui.panels.numbers_panel import NumbersPanel
from jahp_gui.gui.panels.rd_panel import RdPanel
from jahp_gui.gui.session import MODES, Session
from jahp_gui.gui.settings import Settings
from jahp_gui.paths import assets_dir

FIRST_SIZE = QSize(1280, 780)
LEFT_WIDTH, RIGHT_WIDTH, PLOT_HEIGHT = 262, 320, 250


class MainWindow(QMainWindow):
    """Built from the session alone, so that it can be built anew in another language."""

    language_chosen = Signal(str)
    closing = Signal()

    def __init__(
        self,
        session: Session,
        jobs: Jobs,
        controller: Controller,
        files: FileController,
        settings: Settings,
        language: str,
    ):
        super().__init__()
        self.session, self.jobs, self.files, self.settings = session, jobs, files, settings
        self.language = language
        self.setWindowTitle("JAHP Explorer")
        self.setWindowIcon(app_icon())
        self.setAcceptDrops(True)
        self._build_panels()
        self._build_splitters()
        self._build_status()
        self.file_commands = FileCommands(self, session, jobs, files, controller.open_model, self.maps, self.plot)
        self.session_commands = SessionCommands(session, self)
        handlers = self.session_commands.handlers() | self.file_commands.handlers() | self._own_handlers()
        self.actions_table = Actions(self, handlers)
        self._fill_menus()
        self.overlay = DropOverlay(self)
        self._connect()
        self._restore_geometry()
        self._refresh_actions()
        self.compare.canvas.setFocus()
        self.plot.load_matplotlib(language == "zh_CN")

    # ------------------------------------------------------------ building

    def _build_panels(self) -> None:
        session = self.session
        self.images, self.codec, self.numbers = ImagesPanel(session), CodecPanel(session), NumbersPanel(session)
        self.compare, self.maps, self.plot = ComparePanel(session), MapsPanel(session), RdPanel(session, self.jobs)
        self.message_bar = MessageBar()
        self.drag_handle = DragHandle(self.files.drag_out)

    def _build_splitters(self) -> None:
        self.left = _column(
            _panel(tr("Images"), self.images, stretch=True),
            _panel(tr("Codec"), self.codec),
            _panel(tr("Numbers"), self.numbers, self.drag_handle),
        )
        centre = _column(self.message_bar, _panel("", self.compare, stretch=True))
        self.right = _column(_panel(tr("Latent maps"), self.maps, stretch=True))
        self.bottom = _column(_panel("", self.plot, stretch=True))
        self.centre_splitter = _splitter(Qt.Orientation.Vertical, centre, self.bottom)
        self.splitter = _splitter(Qt.Orientation.Horizontal, self.left, self.centre_splitter, self.right)
        self.splitter.setStretchFactor(1, 1)
        self.centre_splitter.setStretchFactor(0, 3)
        self.centre_splitter.setStretchFactor(1, 1)
        self.setCentralWidget(self.splitter)

    def _build_status(self) -> None:
        self.activity, self.progress, self.cancel_button = QLabel(), QProgressBar(), QToolButton()
        self.activity.setTextFormat(Qt.TextFormat.PlainText)  # a file's name is never markup
        self.progress.setFixedWidth(140)
        self.progress.setAccessibleName(tr("Progress"))
        self.cancel_button.setText(tr("Cancel"))
        self.cancel_button.setToolTip(tr("Stop what the status bar shows."))
        self.cancel_button.clicked.connect(self.jobs.cancel_labelled)
        for widget in (self.activity, self.progress, self.cancel_button):
            self.statusBar().addPermanentWidget(widget)

    def _own_handlers(self) -> dict:
        return {
            "quit": self.close,
            "settings": self.open_settings,
            "show_images": self.left.setVisible,
            "show_maps": self.right.setVisible,
            "show_plot": self.bottom.setVisible,
            "channel_grid": lambda: self.maps.show_page(1 - self.maps.pages.currentIndex()),
            "dark": lambda on: self.use_theme("dark" if on else "light"),
            "full_screen": lambda: self.showNormal() if self.isFullScreen() else self.showFullScreen(),
            "cancel": self.cancel,
        }

    def _fill_menus(self) -> None:
        menus = self.actions_table.fill(self.menuBar())
        file_menu = menus["File"]
        assert isinstance(file_menu, QMenu)
        before = self.actions_table["paste"]
        self.recent_menu, self.samples_menu = QMenu(tr("Recent"), self), QMenu(tr("Samples"), self)
        file_menu.insertMenu(before, self.recent_menu)
        file_menu.insertMenu(before, self.samples_menu)
        self.recent_menu.aboutToShow.connect(self._fill_recent)
        for name in samples.names():
            self.samples_menu.addAction(name, partial(self.files.open_sample, name))

    def _fill_recent(self) -> None:
        self.recent_menu.clear()
        for path in self.settings.paths("recent"):
            self.recent_menu.addAction(str(path), partial(self.files.open_paths, [path]))

    def _connect(self) -> None:
        session = self.session
        session.message.connect(self.message_bar.tell)
        self.jobs.failed.connect(self._tell_failure)
        self.jobs.activity_changed.connect(self._refresh_activity)
        self.maps.heatmap_changed.connect(self._use_heatmap)
        self.images.remove_asked.connect(session.remove_item)
        for signal in (
            session.results_changed,
            session.current_changed,
            session.history_changed,
            session.compare_changed,
            session.curves_changed,
            session.choice_changed,
            theme.switch.changed,
        ):
            signal.connect(self._refresh_actions)
        session.current_changed.connect(self._refresh_title)
        self._use_heatmap(self.maps.heatmap())
        self._refresh_title()
        self._refresh_activity()

    # ------------------------------------------------------------ refreshing

    def _tell_failure(self, text: str) -> None:
        self.session.tell(text, "error")

    def _use_heatmap(self, image: QImage | None) -> None:
        self.compare.canvas.heatmap = image
        self.compare.canvas.update()

    def _refresh_title(self) -> None:
        item = self.session.current
        self.setWindowTitle("JAHP Explorer" if item is None else f"{item.name} – JAHP Explorer")

    def _refresh_activity(self) -> None:
        activity = self.jobs.activity()
        for widget in (self.activity, self.progress, self.cancel_button):
            widget.setVisible(activity is not None)
        if activity is not None:
            label, fraction = activity
            self.activity.setText(label)
            self.progress.setRange(0, 0 if fraction < 0 else 100)
            self.progress.setValue(max(0, round(100 * fraction)))

    def _refresh_actions(self) -> None:
        session, actions = self.session, self.actions_table
        has_file = session.shown_file is not None
        for key in ("save", "save_picture"):
            actions[key].setEnabled(has_file)
        self.drag_handle.setEnabled(has_file)
        item = session.current
        beside = has_file and item is not None and item.path is not None and item.original is not None
        actions["save_beside"].setEnabled(beside)
        for key in ("copy", "save_comparison"):
            actions[key].setEnabled(session.sides["b"] is not None)
        actions["save_map"].setEnabled(session.latents is not None)
        for key in ("save_plot", "save_table"):
            actions[key].setEnabled(bool(session.curves.points))
        actions["undo"].setEnabled(session.can_undo)
        actions["redo"].setEnabled(session.can_redo)
        actions["close_image"].setEnabled(item is not None)
        for mode in MODES:
            actions[f"mode_{mode}"].setChecked(session.compare.mode == mode)
        actions["overlay"].setChecked(session.compare.overlay)
        actions["dark"].setChecked(theme.current().name == "dark")
        for key, panel in (("show_images", self.left), ("show_maps", self.right), ("show_plot", self.bottom)):
            actions[key].setChecked(not panel.isHidden())

    def cancel(self) -> None:
        """Escape: stop the work that is shown; where there is none, forget the selection."""
        if self.jobs.activity() is not None:
            self.jobs.cancel_labelled()
        else:
            self.session.set_selection(None)

    # ------------------------------------------------------------ settings

    def use_theme(self, name: str) -> None:
        self.settings.set("theme", name)
        theme.switch.use(name)

    def open_settings(self) -> None:
        dialog = SettingsDialog(self.settings, self.language, self.settings.text("theme", "system"), self)
        dialog.theme_chosen.connect(self.use_theme)
        dialog.language_chosen.connect(self.language_chosen)
        dialog.open()

    def _restore_geometry(self) -> None:
        self.resize(FIRST_SIZE)
        self.restoreGeometry(self.settings.blob("geometry"))
        if not self.splitter.restoreState(self.settings.blob("splitter")):
            self.splitter.setSizes([LEFT_WIDTH, self.width() - LEFT_WIDTH - RIGHT_WIDTH, RIGHT_WIDTH])
        if not self.centre_splitter.restoreState(self.settings.blob("centre_splitter")):
            self.centre_splitter.setSizes([self.height() - PLOT_HEIGHT, PLOT_HEIGHT])

    def keep_geometry(self) -> None:
        states: dict[str, QByteArray] = {
            "geometry": self.saveGeometry(),
            "splitter": self.splitter.saveState(),
            "centre_splitter": self.centre_splitter.saveState(),
        }
        for key, state in states.items():
            self.settings.set(key, state)

    # ------------------------------------------------------------ drops, closing

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:  # noqa: N802
        mime = event.mimeData()
        acceptable = any(url.isLocalFile() for url in mime.urls()) or mime.hasImage()
        self.overlay.show_for(acceptable)
        event.setDropAction(Qt.DropAction.CopyAction)
        event.setAccepted(acceptable)
        if not acceptable:  # no leave event follows a refusal
            self.overlay.hide()
            self.session.tell(tr("There is no file or image in this"), "warning")

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:  # noqa: N802
        self.overlay.hide()

    def dropEvent(self, event: QDropEvent) -> None:  # noqa: N802
        self.overlay.hide()
        event.setDropAction(Qt.DropAction.CopyAction)
        event.accept()
        self.files.paste(event.mimeData())

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        super().resizeEvent(event)
        self.overlay.setGeometry(self.rect())

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802
        self.keep_geometry()
        self.closing.emit()
        super().closeEvent(event)


def _panel(title: str, *widgets: QWidget, stretch: bool = False) -> QFrame:
    """A frame with a heading around widgets."""
    frame = QFrame()
    frame.setObjectName("panel")
    layout = QVBoxLayout(frame)
    layout.setContentsMargins(8, 6, 8, 8)
    layout.setSpacing(5)
    if title:
        heading = QLabel(title)
        heading.setProperty("heading", True)
        layout.addWidget(heading)
    for number, widget in enumerate(widgets):
        layout.addWidget(widget, 1 if stretch and number == 0 else 0)
    frame.setProperty("stretches", stretch)
    return frame


def _column(*widgets: QWidget) -> QWidget:
    column = QWidget()
    layout = QVBoxLayout(column)
    layout.setContentsMargins(3, 3, 3, 3)
    layout.setSpacing(6)
    for widget in widgets:
        layout.addWidget(widget, 1 if widget.property("stretches") else 0)
    return column


def _splitter(orientation: Qt.Orientation, *widgets: QWidget) -> QSplitter:
    splitter = QSplitter(orientation)
    splitter.setChildrenCollapsible(False)
    splitter.setHandleWidth(4)
    for widget in widgets:
        splitter.addWidget(widget)
    return splitter


def app_icon() -> QIcon:
    return QIcon(QPixmap(str(assets_dir() / "icons" / "jahp.png")))
