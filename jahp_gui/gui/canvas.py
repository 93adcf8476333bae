"""The comparison view: two pictures in one widget, side by side, swiped, blinked or subtracted.

All panes share `session.view`. The widget paints from the session and writes back only what the user did.
"""

from collections.abc import Iterator

from PySide6.QtCore import QEvent, QPointF, QRect, QRectF, Qt, Signal
from PySide6.QtGui import QFocusEvent, QImage, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QResizeEvent, QWheelEvent
from PySide6.QtWidgets import QWidget

from jahp_gui.codec.latent_views import STRIDES
from jahp_gui.gui import captions, painting, theme
from jahp_gui.gui.actions import key_name
from jahp_gui.gui.focus_frame import FocusFrame
from jahp_gui.gui.i18n import tr
from jahp_gui.gui.painting import Pane
from jahp_gui.gui.region import TINT_OPACITY, RegionPainter
from jahp_gui.gui.results import (
    CURRENT,
    DAMAGED,
    DECODER,
    EDITED,
    EXHIBITS,
    ORIGINAL,
    REFINED,
    DamagedResult,
    DecoderFrame,
    Side,
    Source,
)
from jahp_gui.gui.sentences import translated
from jahp_gui.gui.session import Session
from jahp_gui.gui.viewstate import ZOOM_STEP

GAP = 4.0  # between two panes
GRAB = 12.0  # how near the divider the mouse takes hold of it
KEY_PAN = 64.0  # device pixels
KEY_SWIPE, KEY_SWIPE_FAR = 0.01, 0.1
SMALLEST_SELECTION = 4
BRUSH_KEYS = {Qt.Key.Key_BracketLeft: -1, Qt.Key.Key_BracketRight: 1}  # and by how many steps its size changes


class CompareCanvas(FocusFrame):
    """Mouse: wheel zooms to the cursor, drag pans or moves the divider, Shift+drag selects a rectangle.

    While the region of interest is painted, the left button paints and the middle one pans.
    """

    hovered = Signal(object)  # QPoint of the image pixel under the cursor, or None
    clicked = Signal(object)  # QPoint of the image pixel

    def __init__(self, session: Session, parent: QWidget | None = None):
        super().__init__(parent)
        self.session = session
        self.view = session.view
        self.divider = 0.5  # fraction of the width
        self.blinking = False  # A is shown in place of B
        self.heatmap: QImage | None = None
        self._pressed_at: QPointF | None = None
        self._button = Qt.MouseButton.NoButton  # which was pressed there
        self._grabbed = ""  # what the mouse drags: "view", "divider", "selection" or "paint"
        self.region = RegionPainter(session, self)
        self._brush: QPointF | None = None  # where the brush is, in the image
        self.region.changed.connect(self.update)
        self._moved = False
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMinimumSize(240, 160)
        self.setAccessibleName(tr("Comparison view"))
        for signal in (
            self.view.changed,
            session.sides_changed,
            session.compare_changed,
            session.selection_changed,
            session.marked_changed,
            session.inspection_changed,
            theme.switch.changed,
        ):
            signal.connect(self.update)
        session.compare_changed.connect(self._tell_pane)
        session.current_changed.connect(self._tell_image)
        session.sides_changed.connect(self._describe)
        self._tell_image()
        self._describe()

    def _describe(self) -> None:
        """For a screen reader: what the labels on the pictures say."""
        lmbda_at, pixels = self.session.lmbda_at, self._pixels()
        shown = [(name.upper(), side) for name, side in self.session.sides.items() if side is not None]
        captioned = [f"{letter}: {captions.side_caption(side, lmbda_at, pixels)}" for letter, side in shown]
        hint = tr("Two versions of the image; arrow keys move the divider or the view.")
        self.setAccessibleDescription("\n".join([*captioned, hint]))

    # ------------------------------------------------------------ geometry

    def _tell_image(self) -> None:
        item = self.session.current
        if item is not None and item.size is not None:
            self.view.set_image(*item.size)
        self.update()

    def _tell_pane(self) -> None:
        rect, ratio = self._pane_rects()[0], self.devicePixelRatioF()
        self.view.set_pane(rect.width() * ratio, rect.height() * ratio)

    def _pane_rects(self) -> list[QRectF]:
        area = QRectF(self.rect())
        if self.session.compare.mode != "side":
            return [area]
        half = (area.width() - GAP) / 2
        return [
            QRectF(area.left(), area.top(), half, area.height()),
            QRectF(area.right() - half, area.top(), half, area.height()),
        ]

    def panes(self) -> list[Pane]:
        ratio = self.devicePixelRatioF()
        return [Pane(rect, self.view.centre, self.view.scale / ratio, ratio) for rect in self._pane_rects()]

    def image_point(self, position: QPointF) -> QPointF:
        """The image point under a widget point, whichever pane it is in."""
        panes = self.panes()
        pane = next((pane for pane in panes if pane.rect.contains(position)), panes[0])
        return pane.to_image(position)

    def divider_x(self) -> float:
        return self.divider * self.width()

    # ------------------------------------------------------------ painting

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        painter = QPainter(self)
        painter.fillRect(self.rect(), theme.colour("canvas"))
        if self.session.current is None or self.session.current.size is None:
            painting.draw_centred(painter, self._empty_text(), QRectF(self.rect()))
        else:
            self._paint_comparison(painter)
        self.paint_focus(painter)

    def _paint_comparison(self, painter: QPainter) -> None:
        for pane, side, label, clip in self._layers():
            painter.save()
            painter.setClipRect(clip)
            self._paint_side(painter, pane, side, label, clip)
            painter.restore()
        if self.session.compare.mode == "swipe":
            painting.draw_divider(painter, self.divider_x(), QRectF(self.rect()))
        if self.session.paint.on:
            self._paint_brush(painter)

    def _paint_brush(self, painter: QPainter) -> None:
        """The brush's outline, or the rectangle that is being drawn, in all panes."""
        paint = self.session.paint
        for pane in self.panes():
            painter.save()
            painter.setClipRect(pane.rect)
            if self.region.rectangle is not None:
                painting.draw_outline(painter, pane.image_rect(self.region.rectangle), Qt.PenStyle.DashLine)
            elif self._brush is not None and paint.tool != "rectangle":
                painting.draw_circle(painter, pane.to_widget(self._brush), paint.size / 2 * pane.scale)
            painter.restore()

    def _empty_text(self) -> str:
        if self.session.current is not None:
            return self.session.current.failed or tr("Opening {name}").format(name=self.session.current.name)
        return tr("Drop an image here, or open one with {keys}").format(keys=key_name("Ctrl+O"))

    def _layers(self) -> Iterator[tuple[Pane, Side | None, str, QRectF]]:
        """(pane, side, its letter, the part of the widget it covers), in the order they are painted."""
        panes, sides, mode = self.panes(), self.session.sides, self.session.compare.mode
        whole = QRectF(self.rect())
        shown = "a" if self.blinking else "b"
        if mode == "side":
            for pane, name in zip(panes, ("a", "b"), strict=True):
                name = "a" if self.blinking else name
                yield pane, sides[name], name, pane.rect
        elif mode == "swipe" and not self.blinking:
            left, right = QRectF(whole), QRectF(whole)
            left.setRight(self.divider_x())
            right.setLeft(self.divider_x())
            yield panes[0], sides["a"], "a", left
            yield panes[0], sides["b"], "b", right
        elif mode == "difference" and not self.blinking:
            yield panes[0], None, "difference", whole
        else:
            yield panes[0], sides[shown], shown, whole

    def _paint_side(self, painter: QPainter, pane: Pane, side: Side | None, name: str, clip: QRectF) -> None:
        if name == "difference":
            caption = self._paint_difference(painter, pane, clip)
        elif side is None:
            painting.draw_centred(painter, self._missing_text(name), clip)
            painting.draw_label(painter, name.upper(), clip)
            return
        else:
            painting.draw_picture(painter, pane, side.picture)
            if side.patch is not None and side.patch.region is not None:
                region = side.patch.region
                painting.draw_patch(painter, pane, side.patch.picture, region.left, region.top)
            caption = f"{name.upper()} · " + captions.side_caption(side, self.session.lmbda_at, self._pixels())
        if side is not None:
            self._paint_exhibit(painter, pane, side, clip)
        self._paint_marks(painter, pane, name)
        painting.draw_label(painter, caption, clip, right=self.session.compare.mode == "swipe" and name == "b")
        if not self.view.shows_all and side is not None and name == "b":
            painting.draw_minimap(painter, pane, side.picture, self.view.visible())

    def _paint_exhibit(self, painter: QPainter, pane: Pane, side: Side, clip: QRectF) -> None:
        """What marks a picture that is no ordinary result: the decoder's front, the hatching of a damaged file."""
        if isinstance(side.of, DecoderFrame):
            painting.draw_front(painter, pane, side.of.front, STRIDES["y"])
        elif isinstance(side.of, DamagedResult) and side.of.objection:
            painting.draw_hazard(painter, clip)

    def _paint_difference(self, painter: QPainter, pane: Pane, clip: QRectF) -> str:
        sides, gain = self.session.sides, self.session.compare.difference_gain
        if self.session.difference is None:
            missing = next((name for name, side in sides.items() if side is None), None)
            if missing is not None:
                painting.draw_centred(painter, self._missing_text(missing), clip)
            return tr("Difference")
        painting.draw_picture(painter, pane, self.session.difference, gain)
        lmbda_at = self.session.lmbda_at
        names = [f"{name.upper()} {captions.side_name(side, lmbda_at)}" for name, side in sides.items() if side]
        return "   ".join([tr("|A − B| × {gain:g}").format(gain=gain), *names])

    def _paint_marks(self, painter: QPainter, pane: Pane, name: str) -> None:
        """Heatmap, the marked latent, the selected rectangle."""
        session = self.session
        tint = self.region.tint
        if tint is not None and session.current is not None:
            size = session.current.size or (0, 0)
            painting.draw_overlay(painter, pane, tint, self.region.step, size, TINT_OPACITY)
        on_picture = name != "a" or self.blinking
        if session.compare.overlay and self.heatmap is not None and on_picture and session.current is not None:
            stride = STRIDES[session.map_choice.latents]
            size = session.current.size or (0, 0)
            painting.draw_overlay(painter, pane, self.heatmap, stride, size, session.compare.opacity)
        for inspection in (session.pinned_inspection, session.inspection):
            if inspection is not None and inspection.place in (session.marked, session.inspector.pinned):
                is_pinned = inspection is session.pinned_inspection
                painting.draw_reach(painter, pane, inspection.block, inspection.reach, is_pinned)
        if session.marked is not None:
            latents, column, row = session.marked
            stride = STRIDES[latents]
            painting.draw_outline(painter, pane.image_rect(QRectF(column * stride, row * stride, stride, stride)))
        if session.selection is not None:
            painting.draw_outline(painter, pane.image_rect(QRectF(session.selection)), Qt.PenStyle.DashLine)

    def _missing_text(self, name: str) -> str:
        item, source = self.session.current, getattr(self.session.compare, name)
        needs_original = source == ORIGINAL or (self.session.is_fixed and source not in (CURRENT, *EXHIBITS))
        if item is not None and item.original is None and needs_original:
            return tr("Drop the original here to compare")
        if self.session.model_error:
            return self.session.model_error
        if source in EXHIBITS:
            return self._exhibit_text(source)
        if source == REFINED:
            return tr("Press Refine in the codec panel.")
        return self.session.side_errors.get(source) or tr("Being made…")

    def _exhibit_text(self, source: Source) -> str:
        damaged = self.session.exhibits.get(DAMAGED.kind)
        if source == DAMAGED and isinstance(damaged, DamagedResult):
            return tr("Nothing of this file can be decoded:") + f"\n{translated(damaged.objection)}"
        return {
            DECODER: tr("Play the decoder in the tab on the right."),
            EDITED: tr("Edit latents in the tab on the right."),
            DAMAGED: tr("Flip bits of the file in the tab on the right."),
        }[source]

    def _pixels(self) -> int:
        size = self.session.current.size if self.session.current else None
        return size[0] * size[1] if size else 1

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        self._tell_pane()

    # ------------------------------------------------------------ mouse

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802
        steps = event.angleDelta().y() / 120
        if steps:
            self.view.zoom_by(ZOOM_STEP**steps, self.image_point(event.position()))
        event.accept()

    def _near_divider(self, position: QPointF) -> bool:
        return self.session.compare.mode == "swipe" and abs(position.x() - self.divider_x()) <= GRAB

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        is_second = event.button() != self._button and bool(event.buttons() & self._button)
        if is_second or event.button() not in (Qt.MouseButton.LeftButton, Qt.MouseButton.MiddleButton):
            return
        self._pressed_at, self._button, self._moved = event.position(), event.button(), False
        if event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            self._grabbed = "selection"
        elif self._near_divider(event.position()) and event.button() == Qt.MouseButton.LeftButton:
            self._grabbed = "divider"
        elif self.session.paint.on and event.button() == Qt.MouseButton.LeftButton:
            self._grabbed = "paint"
            self.region.begin(self.image_point(event.position()))
        else:
            self._grabbed = "view"
            self.setCursor(Qt.CursorShape.ClosedHandCursor)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        position = event.position()
        if self.session.paint.on:
            self._move_brush(self.image_point(position))
        if self._grabbed == "paint":
            self.region.move(self.image_point(position))
        elif self._pressed_at is None:
            near = self._near_divider(position)
            self.setCursor(Qt.CursorShape.SplitHCursor if near else Qt.CursorShape.CrossCursor)
        elif self._moved or (position - self._pressed_at).manhattanLength() > 3:
            self._drag(position)
        self.hovered.emit(self._pixel_at(position))

    def _drag(self, position: QPointF) -> None:
        assert self._pressed_at is not None
        self._moved = True
        if self._grabbed == "divider":
            self.move_divider(position.x() / max(self.width(), 1))
        elif self._grabbed == "selection":
            self.session.set_selection(self._selected(self._pressed_at, position))
        else:
            delta = (self._pressed_at - position) * self.devicePixelRatioF()
            self._pressed_at = position
            self.view.pan(delta.x(), delta.y())

    def _selected(self, start: QPointF, end: QPointF) -> QRect:
        return QRectF(self.image_point(start), self.image_point(end)).normalized().toAlignedRect()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        if self._pressed_at is None or event.button() != self._button:
            return
        if self._grabbed == "paint":
            self.region.end()
        elif not self._moved:
            pixel = self._pixel_at(event.position())
            if pixel is not None and self._grabbed == "view":
                self.clicked.emit(pixel)
        selection = self.session.selection
        if self._grabbed == "selection" and (
            not self._moved or selection is None or min(selection.width(), selection.height()) < SMALLEST_SELECTION
        ):
            self.session.set_selection(None)
        self._pressed_at, self._button, self._grabbed = None, Qt.MouseButton.NoButton, ""
        self.setCursor(Qt.CursorShape.CrossCursor)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        """Between the whole image and 100% at the point; while painting, one more touch of the brush."""
        if self.session.paint.on:
            self.mousePressEvent(event)
        elif self.view.fitted:
            self.view.zoom_to(1.0, self.image_point(event.position()))
        else:
            self.view.fit()

    def leaveEvent(self, event: object) -> None:  # noqa: N802
        self.hovered.emit(None)
        self._move_brush(None)

    def _pixel_at(self, position: QPointF) -> object:
        size = self.session.current.size if self.session.current else None
        point = self.image_point(position)
        if size is None or not QRectF(0, 0, *size).contains(point):
            return None
        x, y = min(int(point.x()), size[0] - 1), min(int(point.y()), size[1] - 1)
        return QRect(x, y, 1, 1).topLeft()

    # ------------------------------------------------------------ keys

    def move_divider(self, fraction: float) -> None:
        self.divider = min(max(fraction, 0.0), 1.0)
        self.update()

    def blink(self, on: bool) -> None:
        """Show A in place of B."""
        if on != self.blinking:
            self.blinking = on
            self.update()

    def event(self, event: QEvent) -> bool:
        """While painting, [ and ] are the brush's and not the shortcuts of λ."""
        if event.type() == QEvent.Type.DevicePixelRatioChange:  # the window has come to another screen
            self._tell_pane()
        if event.type() == QEvent.Type.ShortcutOverride and self.session.paint.on:
            assert isinstance(event, QKeyEvent)
            if Qt.Key(event.key()) in BRUSH_KEYS:
                event.accept()
                return True
        return super().event(event)

    def _move_brush(self, point: QPointF | None) -> None:
        self._brush = point
        self.update()

    def _key_painted(self, event: QKeyEvent, direction: tuple[int, int] | None) -> bool:
        """Whether a key was for the brush: size, place, or a touch."""
        key, paint = Qt.Key(event.key()), self.session.paint
        if key in BRUSH_KEYS:
            self.region.resize(BRUSH_KEYS[key])
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self._brush is not None and paint.tool != "rectangle":
            self.region.stamp(self._brush)
        elif direction is not None and not event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            brush = self._brush or self.view.centre
            self._move_brush(brush + QPointF(*direction) * max(paint.size / 2, 1))
        else:
            return False
        return True

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        direction = {
            Qt.Key.Key_Left: (-1, 0),
            Qt.Key.Key_Right: (1, 0),
            Qt.Key.Key_Up: (0, -1),
            Qt.Key.Key_Down: (0, 1),
        }.get(Qt.Key(event.key()))
        if self.session.paint.on and self._key_painted(event, direction):
            return
        if event.key() == Qt.Key.Key_Space:
            self.blink(True)
        elif direction is not None and direction[0] and self.session.compare.mode == "swipe":
            far = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
            self.move_divider(self.divider + direction[0] * (KEY_SWIPE_FAR if far else KEY_SWIPE))
        elif direction is not None:
            self.view.pan(KEY_PAN * direction[0], KEY_PAN * direction[1])
        else:
            super().keyPressEvent(event)

    def keyReleaseEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        if event.key() == Qt.Key.Key_Space:
            if not event.isAutoRepeat():
                self.blink(False)
        else:
            super().keyReleaseEvent(event)

    def focusOutEvent(self, event: QFocusEvent) -> None:  # noqa: N802
        super().focusOutEvent(event)
        self.blink(False)  # the key may be let go of elsewhere
