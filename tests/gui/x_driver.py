"""Runs the explorer in a real window for `test_x_window`, with a second window from which files can be dragged.

Prints one line of JSON whenever what the test waits for has changed; ends when its standard input is closed.
"""

import json
import sys
import threading
from pathlib import Path

from PySide6.QtCore import QMimeData, QPoint, QRect, Qt, QTimer, QUrl
from PySide6.QtGui import QDrag, QMouseEvent
from PySide6.QtWidgets import QApplication, QLabel

from jahp_gui.gui import app
from jahp_gui.gui.main_window import MainWindow


class Source(QLabel):
    """A window from which one file after the other can be dragged."""

    def __init__(self, paths: list[Path]):
        super().__init__("file", None, Qt.WindowType.FramelessWindowHint)
        self.paths = iter(paths)
        self.setGeometry(0, 0, 80, 80)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        mime = QMimeData()
        mime.setUrls([QUrl.fromLocalFile(str(next(self.paths)))])
        drag = QDrag(self)
        drag.setMimeData(mime)
        drag.exec(Qt.DropAction.CopyAction)


def state_of(window: MainWindow) -> dict:
    canvas, session = window.compare.canvas, window.session
    handle = canvas.mapToGlobal(QPoint(round(canvas.divider_x()), canvas.height() // 2))
    corner = canvas.mapToGlobal(QPoint(0, 0))
    entry = window.codec.entry.mapToGlobal(window.codec.entry.rect().center())
    return {
        "handle": [handle.x(), handle.y()],
        "canvas": [corner.x(), corner.y(), canvas.width(), canvas.height()],
        "divider": canvas.divider,
        "entry": [entry.x(), entry.y()],
        "lmbda": window.codec.entry.text(),
        "exact": None if session.exact is None else len(session.exact.data),
        "items": [item.name for item in session.items],
        "current": session.current.name if session.current else None,
        "overlay": window.overlay.isVisible(),
    }


def main() -> int:
    settings, shown, *dragged = sys.argv[1:]
    application = QApplication(["x_driver"])
    source = Source([Path(file) for file in dragged])
    source.show()
    last = [""]

    def report() -> None:
        window = next((one for one in application.topLevelWidgets() if isinstance(one, MainWindow)), None)
        if window is None:
            return
        if window.geometry() != QRect(100, 0, 1180, 760):
            window.setGeometry(100, 0, 1180, 760)
            window.session.set_compare(mode="swipe")
            return
        text = json.dumps(state_of(window))
        if text != last[0]:
            last[0] = text
            print(text, flush=True)

    timer = QTimer(interval=100)
    timer.timeout.connect(report)
    timer.start()

    def quit_at_end_of_input() -> None:
        sys.stdin.read()
        QTimer.singleShot(0, application, application.closeAllWindows)

    threading.Thread(target=quit_at_end_of_input, daemon=True).start()
    return app.main(["--settings", settings, shown])


if __name__ == "__main__":
    sys.exit(main())
