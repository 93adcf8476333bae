"""Painting a region of interest: strokes on the comparison's pictures become the session's mask."""

import numpy as np
from PySide6.QtCore import QObject, QPointF, QRectF, Signal, Slot
from PySide6.QtGui import QImage, qRgba

from jahp_gui.codec.importance import FULL, Mask, Plane, draw_line, draw_rectangle, grid_shape, step_of
from jahp_gui.gui.session import Session

TINT = (200, 30, 70)  # over what lies outside
TINT_OPACITY = 0.45
SIZE_STEP = 1.25  # of the brush, per press of a key
SMALLEST_BRUSH, LARGEST_BRUSH = 2, 2000  # pixels of the image


class RegionPainter(QObject):
    """Holds the region while it is painted; a stroke's end makes it the mask that files are searched with.

    Points are those of the image. rectangle: the one that is being drawn.
    """

    changed = Signal()

    def __init__(self, session: Session, parent: QObject | None = None):
        super().__init__(parent)
        self.session = session
        self.rectangle: QRectF | None = None
        self._plane: Plane | None = None
        self._image: QImage | None = None
        self._last: QPointF | None = None  # where the stroke is; None between strokes
        session.current_changed.connect(self._leave)
        for signal in (session.choice_changed, session.current_changed, session.paint_changed):
            signal.connect(self._take_over)
        self._mask: Mask | None = None
        self._take_over()

    @Slot()
    def _leave(self) -> None:
        """Another image: a stroke that has begun was of the one before."""
        self._mask = self._plane = self._last = self.rectangle = self._image = None

    @Slot()
    def _take_over(self) -> None:
        """The session's mask is another one: after undo, for another image, or loaded."""
        mask = self.session.mask if self.session.paint.on else None
        if mask is not self._mask:
            self._mask = mask
            self._plane, self._last, self.rectangle = (None if mask is None else mask.plane()), None, None
            self._image = None
        self.changed.emit()

    @property
    def tint(self) -> QImage | None:
        """What covers the outside, one cell for `step` × `step` pixels; None where nothing is painted."""
        if self._plane is None or not self.session.paint.on:
            return None
        if self._image is None:
            rows, columns = self._plane.shape
            shared = QImage(self._plane.data, columns, rows, columns, QImage.Format.Format_Indexed8)
            self._image = shared.copy()
            self._image.setColorTable([qRgba(*TINT, FULL - value) for value in range(FULL + 1)])
        return self._image

    @property
    def step(self) -> int:
        return step_of(*self._size())

    def _size(self) -> tuple[int, int]:
        item = self.session.current
        return (item.size if item is not None else None) or (1, 1)

    # ------------------------------------------------------------ strokes

    def begin(self, point: QPointF) -> None:
        if self.session.is_fixed or self._size() == (1, 1):
            return
        if self._plane is None:
            self._plane = np.zeros(grid_shape(*self._size()), np.uint8)
        self._last = point
        self._go_on(point)

    def move(self, point: QPointF) -> None:
        if self._last is not None:
            self._go_on(point)

    def _go_on(self, point: QPointF) -> None:
        assert self._last is not None and self._plane is not None
        paint, step = self.session.paint, self.step
        if paint.tool == "rectangle":
            self.rectangle = QRectF(self._last, point).normalized()
        else:
            value = FULL if paint.tool == "brush" else 0
            start, end = (self._last.x() / step, self._last.y() / step), (point.x() / step, point.y() / step)
            draw_line(self._plane, start, end, paint.size / 2 / step, value)
            self._last, self._image = point, None
        self.changed.emit()

    def end(self) -> None:
        """The stroke is done: an empty region is none."""
        if self._last is None or self._plane is None:
            return
        if self.rectangle is not None:
            rect, step = self.rectangle, self.step
            draw_rectangle(
                self._plane, rect.left() / step, rect.top() / step, rect.right() / step, rect.bottom() / step, FULL
            )
        self._last, self.rectangle, self._image = None, None, None
        outside = self._mask.outside if self._mask is not None else self.session.paint.outside
        mask = Mask.of_plane(*self._size(), self._plane, outside) if self._plane.any() else None
        self._mask = mask
        if mask is None:
            self._plane = None
        self.session.set_mask(mask)
        self.changed.emit()

    def stamp(self, point: QPointF) -> None:
        """One touch of the brush or the eraser, for the keyboard."""
        self.begin(point)
        self.end()

    def resize(self, steps: int) -> None:
        """A larger or smaller brush."""
        size = round(self.session.paint.size * SIZE_STEP**steps) + (1 if steps > 0 else -1)
        self.session.set_paint(size=min(max(size, SMALLEST_BRUSH), LARGEST_BRUSH))
