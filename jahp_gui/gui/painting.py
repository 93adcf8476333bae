"""Drawing of images, overlays and labels; all functions take a QPainter and say nothing about input."""

import math
from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QImage, QPainter, QPainterPath, QPen

from jahp_gui.codec.latent_views import Region
from jahp_gui.gui import theme
from jahp_gui.gui.imaging import Pyramid, amplified, qimage

MARGIN = 8.0
LABEL_BACKGROUND = QColor(0, 0, 0, 170)
LABEL_TEXT = QColor(255, 255, 255)
SEPARATOR = " · "  # between the parts of a caption
MINIMAP_SIDE = 110.0
MARKER_CORNERS = {  # how many, degrees of the first, how far in is every second one, how wide they lie
    "^": (3, 90, 1, 1),
    "v": (3, -90, 1, 1),
    "<": (3, 180, 1, 1),
    ">": (3, 0, 1, 1),
    "s": (4, 45, 1, 1),
    "D": (4, 90, 1, 1),
    "d": (4, 90, 1, 0.6),
    "*": (10, 90, 0.4, 1),
    "h": (6, 90, 1, 1),
}
HAZARD = QColor(220, 40, 30)
HAZARD_WIDTH, HAZARD_STEP = 7.0, 14.0


@dataclass(frozen=True)
class Pane:
    """A rectangle of the widget that shows the image: how image points and widget points belong together.

    scale is widget units per image pixel, ratio device pixels per widget unit.
    """

    rect: QRectF
    centre: QPointF  # the image point in its middle
    scale: float
    ratio: float

    def to_widget(self, point: QPointF) -> QPointF:
        return self.rect.center() + (point - self.centre) * self.scale

    def to_image(self, point: QPointF) -> QPointF:
        return self.centre + (point - self.rect.center()) / self.scale

    def image_rect(self, rect: QRectF) -> QRectF:
        """A rectangle of the image on the widget, its edges on device pixels."""
        top_left, bottom_right = self.to_widget(rect.topLeft()), self.to_widget(rect.bottomRight())
        return QRectF(self._snapped(top_left), self._snapped(bottom_right))

    def _snapped(self, point: QPointF) -> QPointF:
        return QPointF(round(point.x() * self.ratio) / self.ratio, round(point.y() * self.ratio) / self.ratio)

    def visible(self, width: float, height: float) -> QRectF:
        """The part of an image that the pane shows, grown to whole pixels."""
        shown = QRectF(self.to_image(self.rect.topLeft()), self.to_image(self.rect.bottomRight()))
        return QRectF(shown.toAlignedRect()).intersected(QRectF(0, 0, width, height))


def draw_picture(painter: QPainter, pane: Pane, picture: Pyramid, gain: float | None = None) -> None:
    """An image, or with `gain` a difference made brighter: sharp pixels when enlarged, averaged when reduced."""
    width, height = picture.size
    visible = pane.visible(width, height)
    if visible.isEmpty():
        return
    level = picture.level_for(pane.scale * pane.ratio)
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, pane.scale * pane.ratio < 1)
    factor_x = picture.levels[level].shape[1] / width
    factor_y = picture.levels[level].shape[0] / height
    source = QRectF(
        visible.x() * factor_x, visible.y() * factor_y, visible.width() * factor_x, visible.height() * factor_y
    )
    image = picture.image(level)
    if gain is not None:
        cut = source.toAlignedRect().intersected(image.rect())
        part = picture.levels[level][cut.top() : cut.bottom() + 1, cut.left() : cut.right() + 1]
        image = qimage(amplified(part, gain))
        source.translate(-cut.left(), -cut.top())
    painter.drawImage(pane.image_rect(visible), image, source)


def draw_patch(painter: QPainter, pane: Pane, picture: Pyramid, left: int, top: int) -> None:
    """Part of an image at its place, outlined: the only part that is fresh."""
    width, height = picture.size
    moved = Pane(pane.rect, pane.centre - QPointF(left, top), pane.scale, pane.ratio)
    draw_picture(painter, moved, picture)
    painter.setPen(QPen(theme.colour("accent"), 1, Qt.PenStyle.DashLine))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawRect(pane.image_rect(QRectF(left, top, width, height)))


def draw_overlay(
    painter: QPainter, pane: Pane, heatmap: QImage, stride: int, image: tuple[int, int], opacity: float
) -> None:
    """A map over the image, one cell per `stride` pixels, cut where the image ends."""
    painter.save()
    painter.setClipRect(pane.image_rect(QRectF(0, 0, *image)), Qt.ClipOperation.IntersectClip)
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, False)
    painter.setOpacity(opacity)
    target = pane.image_rect(QRectF(0, 0, heatmap.width() * stride, heatmap.height() * stride))
    painter.drawImage(target, heatmap, QRectF(heatmap.rect()))
    painter.restore()


def draw_outline(painter: QPainter, rect: QRectF, style: Qt.PenStyle = Qt.PenStyle.SolidLine) -> None:
    """A rectangle seen on any ground: white on black."""
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(QPen(QColor(0, 0, 0, 200), 3))
    painter.drawRect(rect)
    painter.setPen(QPen(QColor(255, 255, 255), 1, style))
    painter.drawRect(rect)


def draw_circle(painter: QPainter, centre: QPointF, radius: float) -> None:
    """A circle seen on any ground."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    for colour, width in ((QColor(0, 0, 0, 200), 3.0), (QColor(255, 255, 255), 1.2)):
        painter.setPen(QPen(colour, width))
        painter.drawEllipse(centre, radius, radius)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)


def marker_path(marker: str, radius: float) -> QPainterPath:
    """A marker of matplotlib around the origin."""
    path = QPainterPath()
    if marker == "o":
        path.addEllipse(QPointF(0, 0), radius, radius)
    elif marker == "P":
        path.setFillRule(Qt.FillRule.WindingFill)  # else the middle, which is in both, would be a hole
        arm = radius / 3
        path.addRect(QRectF(-radius, -arm, 2 * radius, 2 * arm))
        path.addRect(QRectF(-arm, -radius, 2 * arm, 2 * radius))
        return path.simplified()
    else:
        count, first, inner, width = MARKER_CORNERS[marker]
        for number in range(count):
            angle, reach = math.radians(first + 360 * number / count), radius * (inner if number % 2 else 1)
            point = QPointF(width * reach * math.cos(angle), -reach * math.sin(angle))
            path.lineTo(point) if number else path.moveTo(point)
        path.closeSubpath()
    return path


def draw_reach(painter: QPainter, pane: Pane, block: Region, reach: Region, pinned: bool) -> None:
    """All that a latent can change, dashed; of the pinned one its block too, in the accent colour."""
    if pinned:
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(QColor(0, 0, 0, 200), 3))
        painter.drawRect(_on_pane(pane, block))
        painter.setPen(QPen(theme.colour("accent"), 2))
        painter.drawRect(_on_pane(pane, block))
    else:
        draw_outline(painter, _on_pane(pane, reach), Qt.PenStyle.DotLine)


def _on_pane(pane: Pane, region: Region) -> QRectF:
    return pane.image_rect(QRectF(region.left, region.top, region.width, region.height))


def draw_label(painter: QPainter, text: str, area: QRectF, right: bool = False) -> None:
    """A caption in an upper corner of an area, in two lines where one has no room, at last shortened."""
    metrics = QFontMetricsF(painter.font())
    room = area.width() - 2 * MARGIN - 12
    if not text or room < 20:
        return
    lines = label_lines(metrics, text, room)
    width = max(map(metrics.horizontalAdvance, lines)) + 12
    height = len(lines) * metrics.height() + 6
    x = area.right() - MARGIN - width if right else area.left() + MARGIN
    box = QRectF(x, area.top() + MARGIN, width, height)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(LABEL_BACKGROUND)
    painter.drawRoundedRect(box, 4, 4)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
    painter.setPen(LABEL_TEXT)
    for number, line in enumerate(lines):
        top = box.top() + 3 + number * metrics.height()
        painter.drawText(QRectF(x, top, width, metrics.height()), Qt.AlignmentFlag.AlignCenter, line)


def label_lines(metrics: QFontMetricsF, text: str, room: float) -> list[str]:
    """One line or two, broken between the parts of a caption."""
    parts = text.split(SEPARATOR)
    whole = [SEPARATOR.join(parts[:count]) for count in range(len(parts), 0, -1)]
    first = next((line for line in whole if metrics.horizontalAdvance(line) <= room), whole[-1])
    rest = text[len(first) + len(SEPARATOR) :]
    return [metrics.elidedText(line, Qt.TextElideMode.ElideRight, room) for line in (first, rest) if line]


def draw_focus(painter: QPainter, rect: QRectF) -> None:
    """A frame within the edges of what has the keyboard; its inner line parts it from a picture of its own colour."""
    painter.setBrush(Qt.BrushStyle.NoBrush)
    for name, width in (("panel", 4), ("accent", 2)):
        painter.setPen(QPen(theme.colour(name), width))
        painter.drawRect(rect.adjusted(1, 1, -1, -1))


def draw_centred(painter: QPainter, text: str, area: QRectF) -> None:
    """A message where there is no picture."""
    painter.setPen(theme.colour("faint_text"))
    flags = int(Qt.AlignmentFlag.AlignCenter) | int(Qt.TextFlag.TextWordWrap)
    painter.drawText(area.adjusted(20, 20, -20, -20), flags, text)


def draw_minimap(painter: QPainter, pane: Pane, picture: Pyramid, shown: QRectF) -> None:
    """The whole image in the lower right corner with what is seen of it."""
    width, height = picture.size
    scale = MINIMAP_SIDE / max(width, height)
    box = QRectF(0, 0, width * scale, height * scale)
    box.moveBottomRight(pane.rect.bottomRight() - QPointF(MARGIN, MARGIN))
    if box.width() > pane.rect.width() / 2 or box.height() > pane.rect.height() / 2:
        return
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, True)
    painter.drawImage(box, picture.image(picture.level_for(scale)))
    draw_outline(painter, box)
    seen = shown.intersected(QRectF(0, 0, width, height))
    part = QRectF(box.x() + seen.x() * scale, box.y() + seen.y() * scale, seen.width() * scale, seen.height() * scale)
    painter.setPen(QPen(theme.colour("accent"), 2))
    painter.drawRect(part)


def draw_divider(painter: QPainter, x: float, area: QRectF) -> None:
    """The line of the swipe with its handle."""
    painter.setPen(QPen(QColor(0, 0, 0, 160), 3))
    painter.drawLine(QPointF(x, area.top()), QPointF(x, area.bottom()))
    painter.setPen(QPen(QColor(255, 255, 255), 1))
    painter.drawLine(QPointF(x, area.top()), QPointF(x, area.bottom()))
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
    painter.setBrush(QColor(255, 255, 255, 230))
    painter.setPen(QPen(QColor(0, 0, 0, 160), 1))
    middle = QPointF(x, area.center().y())
    painter.drawEllipse(middle, 11, 11)
    painter.setPen(QPen(QColor(40, 40, 40), 1.6))
    for sign in (-1, 1):
        tip = middle + QPointF(sign * 7, 0)
        painter.drawLine(tip, tip + QPointF(-sign * 4, -4))
        painter.drawLine(tip, tip + QPointF(-sign * 4, 4))
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)


def draw_front(painter: QPainter, pane: Pane, front: np.ndarray, stride: int) -> None:
    """The blocks that a decoder has just decoded, (n, 2) columns and rows, in the accent colour on black."""
    path = QPainterPath()
    for column, row in front.tolist():
        path.addRect(pane.image_rect(QRectF(column * stride, row * stride, stride, stride)))
    accent = theme.colour("accent")
    fill = QColor(accent)
    fill.setAlpha(90)
    painter.setPen(QPen(QColor(0, 0, 0, 200), 3))
    painter.setBrush(fill)
    painter.drawPath(path)
    painter.setPen(QPen(accent, 1))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawPath(path)


def draw_hazard(painter: QPainter, area: QRectF) -> None:
    """A striped frame within an area: what it holds must not be taken for a result."""
    inner = area.adjusted(HAZARD_WIDTH, HAZARD_WIDTH, -HAZARD_WIDTH, -HAZARD_WIDTH)
    frame = QPainterPath()
    frame.addRect(area)
    frame.addRect(inner)  # what is in both is outside: odd and even
    painter.save()
    painter.setClipPath(frame, Qt.ClipOperation.IntersectClip)
    painter.fillRect(area, QColor(20, 20, 20))
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
    painter.setPen(QPen(HAZARD, HAZARD_STEP / 2))
    reach = area.height() + HAZARD_STEP
    x = area.left() - reach
    while x < area.right() + HAZARD_STEP:
        painter.drawLine(QPointF(x, area.bottom() + HAZARD_STEP / 2), QPointF(x + reach, area.top() - HAZARD_STEP / 2))
        x += HAZARD_STEP
    painter.restore()
