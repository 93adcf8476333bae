"""The window: puts the panels together, hands drops to the file controller, keeps geometry. Nothing else."""

from functools import partial

from PySide6.QtCore import QByteArray, QEvent, QSize, Qt, Signal
from PySide6.QtGui import (
    QCloseEvent,
    QDragEnterEvent,
    QDragLeaveEvent,
    QDropEvent,
    QIcon,
    QImage,
    QKeyEvent,
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
    QStackedWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from jahp_gui.gui import samples, theme
from jahp_gui.gui.actions import Actions
from jahp_gui.gui.commands import FileCommands, SessionCommands
from jahp_gui.gui.controller import Controller
from jahp_gui.gui.dialogs import SettingsDialog, show_dialog
from jahp_gui.gui.drop import DragHandle, DropOverlay
from jahp_gui.gui.files import FileController
from jahp_gui.gui.i18n import tr
from jahp_gui.gui.inside_commands import InsideCommands
from jahp_gui.gui.inspection_commands import InspectionCommands
from jahp_gui.gui.jobs import Jobs
from jahp_gui.gui.lessons.course import Course
from jahp_gui.gui.lessons.text import Lesson
from jahp_gui.gui.panels.codec_panel import CodecPanel
from jahp_gui.gui.panels.compare_panel import ComparePanel
from jahp_gui.gui.panels.images_panel import ImagesPanel
from jahp_gui.gui.panels.inspector_panel import InspectorPanel
from jahp_gui.gui.panels.lessons_panel import LessonsPanel, LessonsPlace
from jahp_gui.gui.panels.maps_panel import MapsPanel
from jahp_gui.gui.panels.message_bar import MessageBar
from jahp_gui.gui.panels.numbers_panel import NumbersPanel
from jahp_gui.gui.panels.parts_panel import PartsPanel
from jahp_gui.gui.panels.rd_panel import RdPanel
from jahp_gui.gui.panels.view_switch import ViewSwitch
from jahp_gui.gui.results import DAMAGED, DECODER, EDITED, ImageItem
from jahp_gui.gui.session import Session
from jahp_gui.gui.settings import Settings
from jahp_gui.gui.view_choices import MODES
from jahp_gui.paths import assets_dir

FIRST_SIZE = QSize(1280, 780)
LEFT_WIDTH, RIGHT_WIDTH, PLOT_HEIGHT = 262, 320, 290


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
        self.is_replaced = False  # by a window in another language, which goes on with its work
        self._closes_when_saved = False
        self.language, self.refining = language, controller.refining
        self.setWindowTitle("JAHP Explorer")
        self.setWindowIcon(app_icon())
        self.setAcceptDrops(True)
        self._build_panels()
        self.course = Course(self, controller.file_of)
        self.lessons = LessonsPanel(self.course)
        self._build_splitters()
        self._build_status()
        self.file_commands = FileCommands(
            self, session, jobs, files, controller.open_model, self.maps, self.plot, self.numbers
        )
        self.session_commands = SessionCommands(session, self)
        self.inside = InsideCommands(session, controller, files, self.show_right_tab, self.file_commands.ask, self)
        self._add_inside_tabs()
        self.inspection_commands = InspectionCommands(
            session, self.inspector, self.parts, files, self.show_right_tab, self.file_commands.ask, self
        )
        handlers = self.session_commands.handlers() | self.file_commands.handlers() | self._own_handlers()
        handlers |= self.inside.handlers() | self.inspection_commands.handlers()
        self.actions_table = Actions(self, handlers)
        self._fill_menus()
        self.overlay = DropOverlay(self)
        self._take_all_drops()
        self._connect()
        self._restore_geometry()
        self._refresh_actions()
        self.compare.canvas.setFocus()
        self.plot.load_matplotlib(language == "zh_CN")

    # ------------------------------------------------------------ building

    def _build_panels(self) -> None:
        session = self.session
        self.images, self.numbers = ImagesPanel(session), NumbersPanel(session)
        self.codec = CodecPanel(session, self.refining)
        self.compare, self.maps, self.plot = ComparePanel(session), MapsPanel(session), RdPanel(session, self.jobs)
        self.message_bar = MessageBar()
        self.right_tabs = QStackedWidget()
        self.right_switch = ViewSwitch(self.right_tabs)
        self.right_switch.setAccessibleName(tr("Looking inside"))
        add = self.right_switch.add
        add(self.maps, tr("Maps"), tr("What every latent cost and what was predicted for it, as maps."))
        self.inspector = InspectorPanel(session)
        add(self.inspector, tr("Inspector"), tr("One latent: what every prior expected, and what came."))
        self.parts = PartsPanel(session)
        add(self.parts, tr("Parts"), tr("What each part of the joint prior saves, and where."))
        self.drag_handle = DragHandle(self.files.drag_out)

    def _build_splitters(self) -> None:
        lessons, images = _panel("", self.lessons, stretch=True), _panel(tr("Images"), self.images, stretch=True)
        numbers = _panel(tr("Numbers: current setting"), self.numbers, self.drag_handle)
        self.left = _column(lessons, images, _panel(tr("Codec"), self.codec), numbers)
        centre = _column(self.message_bar, _panel("", self.compare, stretch=True))
        self.right = _column(_panel("", self.right_tabs, above=self.right_switch, stretch=True))
        self.bottom = _column(_panel("", self.plot, stretch=True))
        self.centre_splitter = _splitter(Qt.Orientation.Vertical, centre, self.bottom)
        self.splitter = _splitter(Qt.Orientation.Horizontal, self.left, self.centre_splitter, self.right)
        self.splitter.setStretchFactor(1, 1)
        self.centre_splitter.setStretchFactor(0, 3)
        self.centre_splitter.setStretchFactor(1, 1)
        self.setCentralWidget(self.splitter)
        self.lessons_place = LessonsPlace(lessons, images, numbers, self.left, self.splitter, self.course)

    def _build_status(self) -> None:
        self.activity, self.progress, self.cancel_button = QLabel(), QProgressBar(), QToolButton()
        self.activity.setTextFormat(Qt.TextFormat.PlainText)  # a file's name is never markup
        self.progress.setFixedWidth(140)
        self.progress.setAccessibleName(tr("Progress"))
        self.cancel_button.setText(tr("Cancel"))
        self.cancel_button.setToolTip(tr("Stop what the status bar shows."))
        self.cancel_button.clicked.connect(self.jobs.cancel_shown)
        for widget in (self.activity, self.progress, self.cancel_button):
            self.statusBar().addPermanentWidget(widget)

    def _own_handlers(self) -> dict:
        return {
            "quit": self.close,
            "close_image": lambda: self.close_image(self.session.current),
            "settings": self.open_settings,
            "show_images": self.left.setVisible,
            "show_maps": self.right.setVisible,
            "show_plot": self.bottom.setVisible,
            "channel_grid": self.toggle_channel_grid,
            "view_next": partial(self._step_view, 1),
            "view_previous": partial(self._step_view, -1),
            "dark": lambda on: self.use_theme("dark" if on else "light"),
            "full_screen": lambda: self.showNormal() if self.isFullScreen() else self.showFullScreen(),
            "cancel": self.cancel,
            "refine": self.codec.toggle_refining,
            "lessons": self.show_lessons,
            "lesson_next": self.course.forward,
            "lesson_back": self.course.back,
            "lesson_again": self.course.set_up,
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
        lessons_menu = menus["Lessons"]
        assert isinstance(lessons_menu, QMenu)
        for lesson in self.course.lessons:
            lessons_menu.addAction(lesson.title, partial(self.open_lesson, lesson))

    def _fill_recent(self) -> None:
        self.recent_menu.clear()
        for path in self.settings.paths("recent"):
            self.recent_menu.addAction(str(path), partial(self.files.open_paths, [path]))

    def _connect(self) -> None:
        session = self.session
        session.message.connect(self.message_bar.tell)
        self.jobs.failed.connect(self._tell_failure)
        self.jobs.activity_changed.connect(self._refresh_activity)
        self.jobs.activity_changed.connect(self._close_when_saved)
        self.maps.heatmap_changed.connect(self._use_heatmap)
        inside = self.inside
        for view in (self.maps.map, self.parts.map, inside.decoder.map, inside.surgery.map, inside.damage.map):
            view.opened.connect(self.inspection_commands.show_inspector)
        self.compare.canvas.clicked.connect(self._inspect_clicked)
        self.compare.region_bar.load_asked.connect(self.file_commands.load_region)
        self.compare.region_bar.save_asked.connect(self.file_commands.save_region)
        self.files.jahp_saved.connect(self.refining.note_saved)
        self.images.remove_asked.connect(self.close_image)
        for signal in (
            session.results_changed,
            session.current_changed,
            session.history_changed,
            session.compare_changed,
            session.sides_changed,
            session.curves_changed,
            session.exhibits_changed,
            session.choice_changed,
            session.inspection_changed,
            session.parts_changed,
            session.paint_changed,
            session.refining_changed,
            session.effort_changed,
            theme.switch.changed,
            self.course.changed,
        ):
            signal.connect(self._refresh_actions)
        self.lessons.closed.connect(lambda: self.show_lessons(False))
        self.language_chosen.connect(self.lessons_place.hide)
        session.current_changed.connect(self._refresh_title)
        self._use_heatmap(self.maps.heatmap())
        self._refresh_title()
        self._refresh_activity()

    # ------------------------------------------------------------ tabs on the right

    def _add_inside_tabs(self) -> None:
        inside, add = self.inside, self.right_switch.add
        add(inside.decoder, tr("Decoder"), tr("The decoder at work, step by step, on the real file."))
        add(inside.surgery, tr("Surgery"), tr("Change latents by hand and see what comes of it."))
        add(inside.damage, tr("Damage"), tr("Flip bits of the file and see the decoder lose its way."))

    def show_right_tab(self, widget: QWidget) -> None:
        """Bring one of its views to the front, and the panel back where it was hidden."""
        self.right.setVisible(True)
        self.right_tabs.setCurrentWidget(widget)

    def _step_view(self, count: int) -> None:
        self.right.setVisible(True)
        self.right_switch.step(count)

    def toggle_channel_grid(self) -> None:
        """The grid of channels, or the one map where the grid is seen already."""
        seen = self.right_tabs.currentWidget() is self.maps and self.maps.pages.currentIndex() == 1
        self.maps.show_page(0 if seen else 1)
        self.show_right_tab(self.maps)

    def _inspect_clicked(self) -> None:
        """A click in the picture is answered by the inspector, unless another view has been chosen."""
        if self.session.marked is not None and self.right_tabs.currentWidget() is self.maps:
            self.right_tabs.setCurrentWidget(self.inspector)

    # ------------------------------------------------------------ lessons

    def show_lessons(self, on: bool) -> None:
        """The lessons in place of the list of images; closing them leaves the lesson."""
        if on:
            self.lessons_place.show()
            self.lessons.take_focus()
        else:
            self.lessons_place.hide()
            self.compare.canvas.setFocus()
        self._refresh_actions()

    def open_lesson(self, lesson: Lesson) -> None:
        self.show_lessons(True)
        self.course.start(lesson)
        self.lessons.take_focus()

    # ------------------------------------------------------------ refreshing

    def _tell_failure(self, text: str) -> None:
        self._closes_when_saved = False  # it is to be read
        self.session.tell(text, "error")

    def _use_heatmap(self, image: QImage | None) -> None:
        self.compare.canvas.heatmap = image
        self.compare.canvas.update()

    def _refresh_title(self) -> None:
        item = self.session.current
        self.setWindowTitle("JAHP Explorer" if item is None else f"{item.name} – JAHP Explorer")

    def _refresh_activity(self) -> None:
        activity = self.jobs.activity()
        for widget in (self.activity, self.progress):
            widget.setVisible(activity is not None)
        self.cancel_button.setVisible(activity is not None and activity.can_stop)
        if activity is not None:
            self.activity.setText(activity.label)
            self.progress.setRange(0, 0 if activity.fraction < 0 else 100)
            self.progress.setValue(max(0, round(100 * activity.fraction)))

    def _refresh_actions(self) -> None:
        session, actions = self.session, self.actions_table
        has_file = session.shown_file is not None
        for key in ("save", "save_picture"):
            actions[key].setEnabled(has_file)
        self.drag_handle.setEnabled(has_file)
        item = session.current
        path = item.path if item is not None and item.original is not None else None
        actions["save_beside"].setEnabled(has_file and path is not None and not samples.is_sample(path))
        for key in ("copy", "save_comparison"):
            actions[key].setEnabled(session.sides["b"] is not None)
        actions["save_map"].setEnabled(session.latents is not None)
        actions["save_numbers"].setEnabled(session.current is not None and session.card is not None)
        actions["save_inspector"].setEnabled(session.inspection is not None)
        actions["save_parts"].setEnabled(session.parts is not None)
        for key, source in (("export_decoder", DECODER), ("export_edited", EDITED), ("export_damaged", DAMAGED)):
            actions[key].setEnabled(source.kind in session.exhibits)
        for key in ("save_plot", "save_table"):
            actions[key].setEnabled(bool(session.curves.points))
        actions["undo"].setEnabled(session.can_undo and not session.is_fixed)
        actions["redo"].setEnabled(session.can_redo and not session.is_fixed)
        actions["close_image"].setEnabled(item is not None)
        for mode in MODES:
            actions[f"mode_{mode}"].setChecked(session.compare.mode == mode)
        actions["refine"].setEnabled(session.refining is not None or self.refining.can_start)
        actions["paint"].setChecked(session.paint.on)
        for key in ("paint", "load_region", "effort_next"):
            actions[key].setEnabled(item is not None and not session.is_fixed)
        for key in ("clear_region", "save_region"):
            actions[key].setEnabled(session.mask is not None)
        actions["overlay"].setChecked(session.compare.overlay)
        for key in ("lesson_next", "lesson_back", "lesson_again"):
            actions[key].setEnabled(self.course.lesson is not None)
        actions["lessons"].setChecked(self.lessons_place.is_shown)
        actions["dark"].setChecked(theme.current().name == "dark")
        for key, panel in (("show_images", self.left), ("show_maps", self.right), ("show_plot", self.bottom)):
            actions[key].setChecked(not panel.isHidden())

    def cancel(self) -> None:
        """Escape: stop the work that is shown; else close the message, then forget the selection, then end painting."""
        activity = self.jobs.activity()
        if activity is not None and activity.can_stop:
            self.jobs.cancel_shown()
        elif self.message_bar.isVisible():
            self.message_bar.hide()
        elif self.session.selection is not None:
            self.session.set_selection(None)
        else:
            self.session.set_paint(on=False)

    def close_image(self, item: ImageItem | None) -> None:
        """Take it from the list, unless there are refined files of it and the user would rather keep them."""
        if item is not None and self.file_commands.keep_refined(self.refining, item):
            self.session.remove_item(item)

    # ------------------------------------------------------------ settings

    def use_theme(self, name: str) -> None:
        self.settings.set("theme", name)
        theme.switch.use(name)

    def open_settings(self) -> None:
        dialog = SettingsDialog(self.settings, self.language, self.settings.text("theme", "system"), self)
        dialog.theme_chosen.connect(self.use_theme)
        dialog.language_chosen.connect(self.language_chosen)
        show_dialog(dialog)

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

    # ------------------------------------------------------------ keys

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        """Space that the widget in focus has no use for blinks, as it does in the comparison itself."""
        if event.key() == Qt.Key.Key_Space:
            self.compare.canvas.blink(True)
        else:
            super().keyPressEvent(event)

    def keyReleaseEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        if event.key() == Qt.Key.Key_Space and not event.isAutoRepeat():
            self.compare.canvas.blink(False)
        else:
            super().keyReleaseEvent(event)

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        if event.type() == QEvent.Type.ActivationChange:
            self.compare.canvas.blink(False)  # the key may be let go of in another window
        super().changeEvent(event)

    # ------------------------------------------------------------ drops, closing

    def _take_all_drops(self) -> None:
        """A line edit would take a dropped file for text."""
        for child in self.findChildren(QWidget):
            child.setAcceptDrops(False)

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
        self.lessons_place.fit()

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802
        if not self.is_replaced and (self._is_saving() or not self.file_commands.keep_refined(self.refining)):
            event.ignore()
            return
        self.lessons_place.hide()  # what is kept for the next run is the user's own
        self.keep_geometry()
        self.closing.emit()
        super().closeEvent(event)

    def _is_saving(self) -> bool:
        """Whether files are still being written: then the window closes by itself, unless one of them fails.

        Who closes it again does not wait: the folder may be on a network that has gone.
        """
        if self._closes_when_saved or not self.jobs.holds_open:
            self._closes_when_saved = False
            return False
        self._closes_when_saved = True
        text = tr("Files are still being saved: the window closes once they are. Close it again to lose them.")
        self.session.tell(text, "warning")
        return True

    def _close_when_saved(self) -> None:
        if self._closes_when_saved and not self.jobs.holds_open:
            self.close()


def _panel(title: str, *widgets: QWidget, above: QWidget | None = None, stretch: bool = False) -> QFrame:
    """A frame with a heading around widgets, the first of which may stretch below what is `above`."""
    frame = QFrame()
    frame.setObjectName("panel")
    layout = QVBoxLayout(frame)
    layout.setContentsMargins(8, 6, 8, 8)
    layout.setSpacing(5)
    if title:
        heading = QLabel(title)
        heading.setProperty("heading", True)
        layout.addWidget(heading)
    if above is not None:
        layout.addWidget(above)
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
