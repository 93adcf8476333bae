"""A frame around what the keyboard acts on, for widgets that paint all of themselves."""

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QFocusEvent, QPainter
from PySide6.QtWidgets import QWidget

from jahp_gui.gui import painting

Reason = Qt.FocusReason
KEYBOARD = (Reason.TabFocusReason, Reason.BacktabFocusReason, Reason.ShortcutFocusReason)
COMING_BACK = (Reason.ActiveWindowFocusReason, Reason.PopupFocusReason, Reason.MenuBarFocusReason)


class FocusFrame(QWidget):
    """Framed where the focus came by a key: who clicks into a picture knows where it is."""

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self._came_by_key = False

    def paint_focus(self, painter: QPainter) -> None:
        """To be called at the end of `paintEvent`."""
        if self._came_by_key and self.hasFocus():
            painting.draw_focus(painter, QRectF(self.rect()))

    def focusInEvent(self, event: QFocusEvent) -> None:  # noqa: N802
        super().focusInEvent(event)
        if event.reason() not in COMING_BACK:  # from a menu or another window it comes back as it was
            self._came_by_key = event.reason() in KEYBOARD
