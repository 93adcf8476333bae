"""What part of the image is seen, shared by all panes: one centre, one scale."""

from PySide6.QtCore import QObject, QPointF, QRectF, QSizeF, Signal

SMALLEST_SCALE, LARGEST_SCALE = 1 / 64, 64.0
ZOOM_STEP = 1.25


class ViewState(QObject):
    """`scale` is device pixels per image pixel (1.0 is 100%, HiDPI included), `centre` the image point in the middle.

    While `fitted`, the scale follows the panes so that the whole image is seen.
    """

    changed = Signal()

    def __init__(self, parent: QObject | None = None):
        super().__init__(parent)
        self.image = QSizeF(1, 1)
        self.pane = QSizeF(1, 1)  # in device pixels
        self.centre = QPointF(0.5, 0.5)
        self.scale = 1.0
        self.fitted = True

    def set_image(self, width: float, height: float) -> None:
        """A new image is fitted; one of the same size keeps position and scale, as a comparison needs."""
        if QSizeF(width, height) != self.image:
            self.image = QSizeF(width, height)
            self.fit()

    def set_pane(self, width: float, height: float) -> None:
        if QSizeF(width, height) != self.pane:
            self.pane = QSizeF(max(width, 1), max(height, 1))
            if self.fitted:
                self.fit()
            else:
                self._settle(self.scale, self.centre)

    @property
    def fitting_scale(self) -> float:
        return min(self.pane.width() / self.image.width(), self.pane.height() / self.image.height())

    def fit(self) -> None:
        self.fitted = True
        self._settle(self.fitting_scale, QPointF(self.image.width() / 2, self.image.height() / 2))

    def zoom_to(self, scale: float, anchor: QPointF | None = None) -> None:
        """A scale at which the image point `anchor` stays where it is on the screen (default: the centre)."""
        scale = min(max(scale, SMALLEST_SCALE), LARGEST_SCALE)
        anchor = anchor if anchor is not None else self.centre
        self.fitted = False
        self._settle(scale, anchor + (self.centre - anchor) * (self.scale / scale))

    def look_at(self, centre: QPointF, scale: float) -> None:
        """Bring an image point to the middle at a scale."""
        self.fitted = False
        self._settle(min(max(scale, SMALLEST_SCALE), LARGEST_SCALE), centre)

    def zoom_by(self, factor: float, anchor: QPointF | None = None) -> None:
        self.zoom_to(self.scale * factor, anchor)

    def pan(self, dx: float, dy: float) -> None:
        """Move the view by device pixels."""
        self.fitted = False
        self._settle(self.scale, self.centre + QPointF(dx, dy) / self.scale)

    def visible(self) -> QRectF:
        """What the pane shows, in image pixels; may reach beyond the image."""
        width, height = self.pane.width() / self.scale, self.pane.height() / self.scale
        return QRectF(self.centre.x() - width / 2, self.centre.y() - height / 2, width, height)

    @property
    def shows_all(self) -> bool:
        return self.visible().adjusted(-0.5, -0.5, 0.5, 0.5).contains(QRectF(QPointF(0, 0), self.image))

    def _settle(self, scale: float, centre: QPointF) -> None:
        """The image never leaves the pane: where it is larger it fills it, where it is smaller it is centred."""
        self.scale = scale

        def clamp(value: float, image: float, pane: float) -> float:
            half = pane / scale / 2
            return image / 2 if 2 * half >= image else min(max(value, half), image - half)

        self.centre = QPointF(
            clamp(centre.x(), self.image.width(), self.pane.width()),
            clamp(centre.y(), self.image.height(), self.pane.height()),
        )
        self.changed.emit()
