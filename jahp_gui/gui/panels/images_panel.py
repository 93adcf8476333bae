"""The list of open images."""

from PySide6.QtCore import QEvent, QSignalBlocker, QSize, Qt, Signal
from PySide6.QtGui import QIcon, QKeyEvent, QPixmap
from PySide6.QtWidgets import QListView, QListWidget, QListWidgetItem, QVBoxLayout, QWidget

from jahp_gui.gui import theme
from jahp_gui.gui.i18n import tr
from jahp_gui.gui.results import ImageItem
from jahp_gui.gui.session import Session

ICON = QSize(72, 54)
STATE_ROLE = Qt.ItemDataRole.UserRole


class _List(QListWidget):
    """Here the Delete key is the list's, not the shortcut that it is in the rest of the window."""

    def event(self, event: QEvent) -> bool:
        is_shortcut = event.type() == QEvent.Type.ShortcutOverride
        if is_shortcut and isinstance(event, QKeyEvent) and event.key() == Qt.Key.Key_Delete:
            event.accept()
            return True
        return super().event(event)


class ImagesPanel(QWidget):
    """Thumbnails; choosing one shows it, Delete takes it from the list (never from the disk)."""

    remove_asked = Signal(object)

    def __init__(self, session: Session, parent: QWidget | None = None):
        super().__init__(parent)
        self.session = session
        self.list = _List()
        self.list.setViewMode(QListView.ViewMode.IconMode)
        self.list.setIconSize(ICON)
        self.list.setGridSize(QSize(ICON.width() + 38, ICON.height() + 22))
        self.list.setMovement(QListView.Movement.Static)
        self.list.setResizeMode(QListView.ResizeMode.Adjust)
        self.list.setUniformItemSizes(True)
        self.list.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.list.setAccessibleName(tr("Open images"))
        self.list.setToolTip(tr("Open images; drop more anywhere on the window"))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.list)
        self.list.currentRowChanged.connect(self._choose)
        for again in (self.list.itemPressed, self.list.itemActivated):  # the current one, where it was not read
            again.connect(lambda entry: self._choose(self.list.row(entry)))
        session.items_changed.connect(self.refresh)
        session.current_changed.connect(self.refresh)
        theme.switch.changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        with QSignalBlocker(self.list):
            if self.list.count() != len(self.session.items):
                self.list.clear()
                for _ in self.session.items:
                    entry = QListWidgetItem()
                    entry.setSizeHint(self.list.gridSize())  # else a name is cut to the width of a narrow thumbnail
                    self.list.addItem(entry)
            for row, item in enumerate(self.session.items):
                self._fill(self.list.item(row), item)
            current = self.session.current
            self.list.setCurrentRow(self.session.items.index(current) if current in self.session.items else -1)

    def _fill(self, entry: QListWidgetItem, item: ImageItem) -> None:
        """Only what has changed: hundreds of thumbnails arrive one after the other."""
        picture = item.thumbnail.cacheKey() if item.thumbnail is not None else 0
        state = (id(item), picture, item.failed, theme.current().name)
        if entry.data(STATE_ROLE) == state:
            return
        entry.setData(STATE_ROLE, state)
        entry.setText(item.name)
        entry.setToolTip(item.failed or str(item.path or item.name))
        if item.thumbnail is not None:
            entry.setIcon(QIcon(QPixmap.fromImage(item.thumbnail)))
        else:
            blank = QPixmap(ICON)
            blank.fill(theme.colour("border"))
            entry.setIcon(QIcon(blank))

    def _choose(self, row: int) -> None:
        if 0 <= row < len(self.session.items):
            self.session.select(self.session.items[row])

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        row = self.list.currentRow()
        if event.key() == Qt.Key.Key_Delete and row >= 0:
            self.remove_asked.emit(self.session.items[row])
        else:
            super().keyPressEvent(event)
