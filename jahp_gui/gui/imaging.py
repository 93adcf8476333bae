"""Pixels for Qt: images with their reduced versions, differences, values through a colour map."""

import json
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PySide6.QtGui import QImage

from jahp_gui.paths import assets_dir

Rgb = NDArray[np.uint8]

SMALLEST_LEVEL = 512  # an image whose longer side is below is not reduced further
SEQUENTIAL, DIVERGING = "viridis", "coolwarm"
SAVING = "coolwarm_r"  # the other way round, as matplotlib calls it: blue is where bits are saved, as in a difference


class Pyramid:
    """An image uint8 (H, W, 3) and its halvings, so that a 24-megapixel photo is drawn from what the screen needs."""

    def __init__(self, rgb: Rgb):
        self.levels: list[Rgb] = [np.ascontiguousarray(rgb)]
        while max(self.levels[-1].shape[:2]) > 2 * SMALLEST_LEVEL and min(self.levels[-1].shape[:2]) > 1:
            self.levels.append(_halved(self.levels[-1]))
        self._images: dict[int, QImage] = {}

    @property
    def rgb(self) -> Rgb:
        return self.levels[0]

    @property
    def size(self) -> tuple[int, int]:
        """(width, height)"""
        return self.rgb.shape[1], self.rgb.shape[0]

    def level_for(self, scale: float) -> int:
        """The smallest level that still has a pixel for every screen pixel at `scale` screen pixels per image pixel."""
        level = 0
        while level + 1 < len(self.levels) and scale * 2 ** (level + 1) <= 1:
            level += 1
        return level

    def image(self, level: int) -> QImage:
        """A QImage over the level's pixels, without a copy."""
        if level not in self._images:
            self._images[level] = qimage(self.levels[level])
        return self._images[level]


def _halved(rgb: Rgb) -> Rgb:
    height, width = (side - side % 2 for side in rgb.shape[:2])
    total = rgb[0:height:2, 0:width:2].astype(np.uint16)
    for dy, dx in ((0, 1), (1, 0), (1, 1)):
        total += rgb[dy:height:2, dx:width:2]
    return ((total + 2) >> 2).astype(np.uint8)


def qimage(rgb: Rgb) -> QImage:
    """A QImage over uint8 (H, W, 3) or (H, W, 4), C-contiguous; the array lives as long as the image."""
    height, width, channels = rgb.shape
    kind = QImage.Format.Format_RGB888 if channels == 3 else QImage.Format.Format_RGBA8888
    image = QImage(rgb.data, width, height, width * channels, kind)
    image._pixels = rgb  # type: ignore[attr-defined]
    return image


def rgb_of(image: QImage) -> Rgb:
    """The pixels of a QImage as uint8 (H, W, 3), transparency on white as `load_image` does it."""
    if image.hasAlphaChannel():
        rgba = _pixels(image.convertToFormat(QImage.Format.Format_RGBA8888), 4).astype(np.uint16)
        alpha = rgba[..., 3:]
        return ((rgba[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
    return _pixels(image.convertToFormat(QImage.Format.Format_RGB888), 3)


def _pixels(image: QImage, channels: int) -> Rgb:
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    return rows[:, : channels * image.width()].reshape(image.height(), image.width(), channels).copy()


def absolute_difference(a: Rgb, b: Rgb) -> Rgb:
    """|a − b| per channel of two images of one shape."""
    return np.maximum(a, b) - np.minimum(a, b)


def amplified(difference: Rgb, gain: float) -> Rgb:
    """A difference made visible: multiplied and clipped."""
    table = np.clip(np.arange(256) * gain, 0, 255).astype(np.uint8)
    return table[difference]


@cache
def colour_table(name: str) -> NDArray[np.uint8]:
    """A colour map as uint8 (256, 3)."""
    tables = json.loads((assets_dir() / "colour_maps.json").read_text(encoding="utf-8"))
    table = np.frombuffer(bytes.fromhex(tables[name.removesuffix("_r")]), np.uint8).reshape(256, 3)
    return np.ascontiguousarray(table[::-1]) if name.endswith("_r") else table


def coloured(values: NDArray[np.float32], low: float, high: float, name: str) -> Rgb:
    """Values (h, w) through a colour map, its ends at `low` and `high`: uint8 (h, w, 3)."""
    span = high - low if high > low else 1.0
    index = np.clip((values - low) * (255 / span) + 0.5, 0, 255).astype(np.uint8)
    return colour_table(name)[index]
