"""The feedback while something is dragged over the window, and the handle by which a result is dragged out."""

from collections.abc import Callable

from PySide6.QtCore import QMimeData, QPointF, QRectF, Qt
from PySide6.QtGui import QDrag, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QLabel, QWidget

from jahp_gui.gui import theme
from jahp_gui.gui.i18n import tr


class DropOverlay(QWidget):
    """Covers the window while a drag is over it and says what a drop will do."""

    def __init__(self, parent: QWidget):
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.acceptable = True
        self.hide()

    def show_for(self, acceptable: bool) -> None:
        self.acceptable = acceptable
        parent = self.parentWidget()
        assert parent is not None
        self.setGeometry(parent.rect())
        self.raise_()
        self.show()
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        ground = theme.colour("window")
        ground.setAlpha(215)
        painter.fillRect(self.rect(), ground)
        colour = theme.colour("accent" if self.acceptable else "error")
        painter.setPen(QPen(colour, 3, Qt.PenStyle.DashLine))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(14, 14, -14, -14), 12, 12)
        font = self.font()
        font.setPointSizeF(font.pointSizeF() * 1.7)
        painter.setFont(font)
        painter.setPen(colour)
        good = tr("Drop images, folders or .jahp files")
        text = good if self.acceptable else tr("There is no file or image in this")
        painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, text)


class DragHandle(QLabel):
    """Press and pull: the `.jahp` goes where it is dropped."""

    def __init__(self, mime: Callable[[], QMimeData | None], parent: QWidget | None = None):
        super().__init__(tr("⇱ Drag the file out"), parent)
        self._mime = mime
        self._pressed_at: QPointF | None = None
        self.setCursor(Qt.CursorShape.OpenHandCursor)
        self.setToolTip(tr("Drag this into another program or folder to put the .jahp file there."))
        self.setAccessibleName(tr("Drag the file out"))
        self.setProperty("faint", True)

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        self._pressed_at = event.position()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        if self._pressed_at is None or (event.position() - self._pressed_at).manhattanLength() < 8:
            return
        self._pressed_at = None
        mime = self._mime()
        if mime is not None:
            drag = QDrag(self)
            drag.setMimeData(mime)
            drag.exec(Qt.DropAction.CopyAction)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        self._pressed_at = None
