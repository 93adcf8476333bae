"""The bytes of a file as a strip, coloured by section: what they are, how far a decoder has read, which are damaged."""

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFontMetricsF, QHelpEvent, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from jahp_gui.codec.container import Section
from jahp_gui.gui import theme
from jahp_gui.gui.i18n import tr
from jahp_gui.gui.painting import HAZARD, draw_focus

NARROWEST = 20.0  # a header of 40 bytes among 40,000 must still be seen
COLOURS = {"header": "#67727d", "z": "#0072b2", "y": "#bd5300", "checksum": "#67727d"}
LABELS = {"header": "H", "z": "ẑ", "y": "ŷ", "checksum": "C"}
NAMES = {"header": "header", "z": "side information ẑ", "y": "latents ŷ", "checksum": "checksum"}
KEY_FAR = 64  # bytes


class ByteStrip(QWidget):
    """Where a section begins and ends is true to scale within it; narrow sections are shown wider than they are."""

    pressed = Signal(int, bool)  # byte; whether another one is meant (Shift)
    dragged = Signal(int)

    def __init__(self, interactive: bool, parent: QWidget | None = None):
        super().__init__(parent)
        self.interactive = interactive
        self.sections: list[Section] = []
        self.read: tuple[float, float] | None = None  # fractions of ẑ and ŷ that have been read; None: all
        self.marks: tuple[int, ...] = ()  # damaged bytes, the current one last
        self.setFixedHeight(34)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(tr("Bytes of the file"))
        if interactive:
            self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
            self.setCursor(Qt.CursorShape.CrossCursor)
        theme.switch.changed.connect(self.update)

    def sizeHint(self) -> QSize:  # noqa: N802
        return QSize(280, 34)

    def show_sections(self, sections: Sequence[Section]) -> None:
        self.sections = [section for section in sections if section.stop > section.start]
        self.update()

    def show_read(self, z: float, y: float) -> None:
        """How much of ẑ and ŷ a decoder has read."""
        self.read = (z, y)
        self.update()

    def show_marks(self, marks: Sequence[int]) -> None:
        self.marks = tuple(marks)
        self.update()

    # ------------------------------------------------------------ geometry

    def rects(self) -> list[tuple[Section, QRectF]]:
        """Each section with the part of the widget it takes."""
        total = sum(section.stop - section.start for section in self.sections)
        room = self.width() - NARROWEST * len(self.sections)
        left, rects = 0.0, []
        for section in self.sections:
            width = NARROWEST + room * (section.stop - section.start) / max(total, 1)
            rects.append((section, QRectF(left, 0, width, self.height() - 1)))
            left += width
        return rects

    def byte_at(self, x: float) -> int | None:
        """The byte under a place, of those beyond the ends the first or the last."""
        rects = self.rects()
        if not rects:
            return None
        section, rect = next(((s, r) for s, r in rects if x < r.right()), rects[-1])
        offset = int((x - rect.left()) / rect.width() * (section.stop - section.start))
        return min(max(section.start + offset, section.start), section.stop - 1)

    def x_of(self, byte: int) -> float:
        """The middle of a byte."""
        for section, rect in self.rects():
            if section.start <= byte < section.stop:
                return rect.left() + rect.width() * (byte - section.start + 0.5) / (section.stop - section.start)
        return 0.0

    def section_of(self, byte: int) -> Section | None:
        return next((section for section in self.sections if section.start <= byte < section.stop), None)

    # ------------------------------------------------------------ painting

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        painter = QPainter(self)
        if not self.sections:
            painter.fillRect(self.rect(), theme.colour("canvas"))
            return
        for section, rect in self.rects():
            self._paint_section(painter, section, rect)
        for byte in self.marks:
            x = self.x_of(byte)
            painter.setPen(QPen(QColor(0, 0, 0), 4))
            painter.drawLine(QPointF(x, 0), QPointF(x, self.height()))
            painter.setPen(QPen(HAZARD.lighter(135) if byte != self.marks[-1] else QColor(255, 255, 255), 2))
            painter.drawLine(QPointF(x, 0), QPointF(x, self.height()))
        if self.hasFocus():
            draw_focus(painter, QRectF(self.rect()))

    def _paint_section(self, painter: QPainter, section: Section, rect: QRectF) -> None:
        colour = QColor(COLOURS[section.name])
        fraction = 1.0
        if self.read is not None:
            fraction = {"z": self.read[0], "y": self.read[1], "checksum": float(self.read[1] >= 1)}.get(section.name, 1)
        unread = QColor(colour)
        unread.setAlpha(70)
        painter.fillRect(rect.adjusted(0, 0, -1, 0), unread)
        done = QRectF(rect.left(), rect.top(), (rect.width() - 1) * fraction, rect.height())
        painter.fillRect(done, colour)
        part = self.clear_part(rect, done)
        painter.setPen(QColor(255, 255, 255) if part.right() <= done.right() + 1 else theme.colour("text"))
        text = LABELS[section.name]
        if QFontMetricsF(painter.font()).horizontalAdvance(tr(NAMES[section.name])) < part.width() - 8:
            text = tr(NAMES[section.name])
        painter.drawText(part, Qt.AlignmentFlag.AlignCenter, text)
        if 0 < fraction < 1:
            painter.setPen(QPen(theme.colour("text"), 2))
            painter.drawLine(done.topRight(), done.bottomRight())

    def clear_part(self, rect: QRectF, done: QRectF) -> QRectF:
        """The widest part of a section without a line through it: of how far it was read, of a damaged byte."""
        lines = [x for x in (done.right(), *map(self.x_of, self.marks)) if rect.left() < x < rect.right()]
        edges = sorted((rect.left(), *lines, rect.right()))
        left, right = max(zip(edges, edges[1:], strict=False), key=lambda part: part[1] - part[0])
        return QRectF(left, rect.top(), right - left, rect.height())

    # ------------------------------------------------------------ mouse and keys

    def event(self, event: QEvent) -> bool:
        if isinstance(event, QHelpEvent) and (byte := self.byte_at(event.pos().x())) is not None:
            section = self.section_of(byte)
            assert section is not None
            size = section.stop - section.start
            text = tr("{name}: {size:,} bytes; here byte {byte:,}")
            QToolTip.showText(event.globalPos(), text.format(name=tr(NAMES[section.name]), size=size, byte=byte), self)
            return True
        return super().event(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        byte = self.byte_at(event.position().x())
        if self.interactive and byte is not None and event.button() == Qt.MouseButton.LeftButton:
            self.pressed.emit(byte, bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        byte = self.byte_at(event.position().x())
        if self.interactive and byte is not None and event.buttons() & Qt.MouseButton.LeftButton:
            self.dragged.emit(byte)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        """Left and right move the current byte, with Shift far."""
        step = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}.get(Qt.Key(event.key()))
        if step is None or not self.interactive or not self.sections:
            super().keyPressEvent(event)
            return
        if event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            step *= KEY_FAR
        last = self.sections[-1].stop - 1
        byte = self.marks[-1] + step if self.marks else self.sections[-1].start // 2
        self.dragged.emit(min(max(byte, 0), last))
