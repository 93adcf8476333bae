"""One line above the picture for what went well or wrong; never a dialog."""

from PySide6.QtCore import QTimer
from PySide6.QtGui import QAccessible, QAccessibleAnnouncementEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QToolButton, QWidget

from jahp_gui.gui import theme
from jahp_gui.gui.i18n import tr
from jahp_gui.gui.panels.widgets import ValueLabel

INFO_MS = 6000
SIGNS = {"info": "ⓘ", "warning": "⚠", "error": "✕"}


class MessageBar(QFrame):
    """Shows the newest message; information goes by itself, warnings and errors wait to be closed or replaced.

    Information never replaces a warning or an error: it stands below it until it goes.
    """

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self.setObjectName("panel")
        self.label = ValueLabel(tr("Message"))
        self.label.setWordWrap(True)
        self.sign = QLabel()
        close = QToolButton()
        close.setText("✕")
        close.setAutoRaise(True)
        close.setToolTip(tr("Close this message"))
        close.setAccessibleName(tr("Close this message"))
        close.clicked.connect(self.hide)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(10, 4, 4, 4)
        layout.addWidget(self.sign)
        layout.addWidget(self.label, 1)
        layout.addWidget(close)
        self._timer = QTimer(self, singleShot=True)
        self._timer.timeout.connect(self._drop_information)
        self.level, self._text = "info", ""
        theme.switch.changed.connect(self._paint_sign)
        self.hide()

    def tell(self, text: str, level: str) -> None:
        if level == "info" and self.level != "info" and not self.isHidden():
            self.label.setText(f"{self._text}\n{text}")
        else:
            self.label.setText(text)
            self.level, self._text = level, text
            self._paint_sign()
            self.show()
        if level == "info":
            self._timer.start(INFO_MS)
        else:
            self._timer.stop()
        QAccessible.updateAccessibility(QAccessibleAnnouncementEvent(self, text))

    def _drop_information(self) -> None:
        if self.level == "info":
            self.hide()
        else:
            self.label.setText(self._text)

    def _paint_sign(self) -> None:
        name = {"info": "accent", "warning": "warning", "error": "error"}[self.level]
        self.sign.setText(SIGNS[self.level])
        self.sign.setStyleSheet(f"color: {theme.colour(name).name()}; font-weight: bold;")
