"""Tabs in as many rows as it takes to read every one of them: those of a `QTabWidget` would be cut off or scroll."""

import itertools

from PySide6.QtCore import Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QButtonGroup, QGridLayout, QSizePolicy, QStackedWidget, QToolButton, QWidget


class ViewSwitch(QWidget):
    """A button for every page of a stack; arrow keys go from one to the next."""

    def __init__(self, stack: QStackedWidget, parent: QWidget | None = None):
        super().__init__(parent)
        self.stack = stack
        self.buttons = QButtonGroup(self)
        self.grid = QGridLayout(self)
        self.grid.setContentsMargins(0, 0, 0, 0)
        self.grid.setSpacing(0)
        self.buttons.idToggled.connect(self._on_toggled)
        stack.currentChanged.connect(self._on_page)

    def add(self, page: QWidget, title: str, tooltip: str) -> None:
        """One more page; title and tooltip are translated already."""
        button = QToolButton()
        button.setText(title)
        button.setToolTip(tooltip)
        button.setAccessibleName(title)
        button.setAccessibleDescription(tooltip)
        button.setCheckable(True)
        button.setProperty("tab", True)
        button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.buttons.addButton(button, self.stack.addWidget(page))
        self._arrange()
        self._on_page(self.stack.currentIndex())

    def title(self) -> str:
        """Of the page that is shown."""
        return self.buttons.button(self.stack.currentIndex()).text()

    def step(self, count: int) -> None:
        """To another page, from the last on to the first."""
        self.stack.setCurrentIndex((self.stack.currentIndex() + count) % self.stack.count())

    def _on_toggled(self, number: int, on: bool) -> None:
        if on:
            self.stack.setCurrentIndex(number)

    def _on_page(self, number: int) -> None:
        button = self.buttons.button(number)
        if button is not None:
            button.setChecked(True)

    def _arrange(self) -> None:
        """Equally wide columns, in the fewest rows of equal length in which every title can be read."""
        buttons = self.buttons.buttons()
        widest = max((button.sizeHint().width() for button in buttons), default=1)
        fitting = max(1, min(self.width() // widest, len(buttons)))
        rows = -(-len(buttons) // fitting)
        columns = -(-len(buttons) // rows)
        for column in range(self.grid.columnCount()):
            self.grid.setColumnStretch(column, 1 if column < columns else 0)
        for number, button in enumerate(buttons):
            self.grid.addWidget(button, *divmod(number, columns))
        for first, second in itertools.pairwise(buttons):
            QWidget.setTabOrder(first, second)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        super().resizeEvent(event)
        self._arrange()
