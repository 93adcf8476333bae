"""Geometry, pixels and colours that the panels share."""

import os
import subprocess
import sys

import numpy as np
import pytest
from PySide6.QtCore import QPointF, QRectF, QSizeF
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QImage

from jahp_gui.gui import imaging, painting
from jahp_gui.gui.imaging import Pyramid
from jahp_gui.gui.viewstate import ViewState


@pytest.fixture
def view() -> ViewState:
    view = ViewState()
    view.set_pane(400, 300)
    view.set_image(800, 200)
    return view


def test_a_new_image_is_fitted(view: ViewState) -> None:
    assert view.fitted and view.scale == 0.5 and view.centre == QPointF(400, 100)
    assert view.shows_all


def test_the_point_under_the_cursor_stays_when_zooming(view: ViewState) -> None:
    anchor = QPointF(300, 120)

    def on_screen() -> QPointF:
        return (anchor - view.centre) * view.scale

    view.zoom_to(2.0, anchor)
    before = on_screen()
    view.zoom_by(1.5, anchor)
    assert view.scale == 3.0
    assert (on_screen() - before).manhattanLength() < 1e-9


def test_the_image_cannot_be_pushed_out_of_the_pane(view: ViewState) -> None:
    view.zoom_to(4.0)
    view.pan(-1e6, -1e6)
    assert view.visible().topLeft() == QPointF(0, 0)
    view.pan(1e6, 1e6)
    assert view.visible().bottomRight() == QPointF(800, 200)
    assert not view.shows_all


def test_the_position_is_kept_for_another_image_of_the_same_size(view: ViewState) -> None:
    view.zoom_to(2.0, QPointF(100, 50))
    centre = view.centre
    view.set_image(800, 200)
    assert (view.centre, view.scale) == (centre, 2.0)
    view.set_image(801, 200)
    assert view.fitted


def test_a_fitted_view_follows_its_pane(view: ViewState) -> None:
    view.set_pane(800, 600)
    assert view.scale == 1.0
    view.zoom_to(3.0)
    view.set_pane(400, 300)
    assert view.scale == 3.0 and view.pane == QSizeF(400, 300)


def test_reduced_levels_are_means_and_end_at_a_screen() -> None:
    rng = np.random.default_rng(1)
    rgb = rng.integers(0, 256, (2100, 3001, 3), dtype=np.uint8)
    pyramid = Pyramid(rgb)
    assert [level.shape[:2] for level in pyramid.levels] == [(2100, 3001), (1050, 1500), (525, 750)]
    expected = rgb[:2, :2].reshape(4, 3).astype(int).sum(0)
    np.testing.assert_array_equal(pyramid.levels[1][0, 0], (expected + 2) // 4)
    assert [pyramid.level_for(scale) for scale in (2.0, 1.0, 0.5, 0.3, 0.25, 0.01)] == [0, 0, 1, 1, 2, 2]


def test_qt_images_of_any_width_give_their_pixels_back() -> None:
    rgb = np.random.default_rng(2).integers(0, 256, (5, 7, 3), dtype=np.uint8)  # 21 bytes a row: Qt pads to 24
    image = imaging.qimage(rgb)
    assert image.pixelColor(6, 4) == QColor(*(int(value) for value in rgb[4, 6]))
    np.testing.assert_array_equal(imaging.rgb_of(image.copy()), rgb)


def test_transparency_is_put_on_white() -> None:
    image = QImage(1, 1, QImage.Format.Format_ARGB32)
    image.fill(QColor(255, 0, 0, 0))
    np.testing.assert_array_equal(imaging.rgb_of(image), [[[255, 255, 255]]])


def test_differences_have_no_sign_and_saturate_when_amplified() -> None:
    a, b = np.full((1, 1, 3), 10, np.uint8), np.array([[[12, 5, 250]]], np.uint8)
    difference = imaging.absolute_difference(a, b)
    np.testing.assert_array_equal(difference, [[[2, 5, 240]]])
    np.testing.assert_array_equal(imaging.amplified(difference, 8), [[[16, 40, 255]]])


@pytest.mark.parametrize("name", [imaging.SEQUENTIAL, imaging.DIVERGING])
def test_colour_maps_are_those_of_matplotlib(name: str) -> None:
    import matplotlib

    expected = (matplotlib.colormaps[name](np.arange(256))[:, :3] * 255).round()
    np.testing.assert_array_equal(imaging.colour_table(name), expected.astype(np.uint8))
    values = np.array([[-1.0, 0.0, 5.0, 10.0, 99.0]], np.float32)
    table = imaging.colour_table(name)
    np.testing.assert_array_equal(imaging.coloured(values, 0, 10, name)[0], table[[0, 0, 128, 255, 255]])


def test_visible_is_in_image_pixels(view: ViewState) -> None:
    view.zoom_to(2.0)
    assert view.visible() == QRectF(300, 25, 200, 150)


def test_a_caption_without_room_is_broken_between_its_parts(qapp: object) -> None:
    metrics = QFontMetricsF(QFont())
    text = "B · Mean-scale hyperprior · λ 0.0049 · 0.495 bpp · 31.32 dB"
    width = metrics.horizontalAdvance(text)
    assert painting.label_lines(metrics, text, width + 1) == [text]
    first, second = painting.label_lines(metrics, text, 0.7 * width)
    assert f"{first} · {second}" == text and first.endswith(("bpp", "0.0049"))
    narrow = painting.label_lines(metrics, text, 0.3 * width)
    assert len(narrow) == 2 and narrow[1].endswith("…")


def test_with_two_device_pixels_a_point_100_percent_is_still_one_pixel_a_pixel() -> None:
    """In a process of its own: the ratio of a screen is set before the application."""
    code = """
import numpy as np
from PySide6.QtWidgets import QApplication
from jahp_gui.gui.canvas import CompareCanvas
from jahp_gui.gui.imaging import Pyramid, rgb_of
from jahp_gui.gui.results import ORIGINAL, ImageItem, Side
from jahp_gui.gui.session import Session

application = QApplication([])
rgb = np.random.default_rng(3).integers(0, 256, (60, 90, 3), dtype=np.uint8)
session = Session()
canvas = CompareCanvas(session)
canvas.resize(300, 200)
session.select(ImageItem("noise", original=Pyramid(rgb)))
session.sides["b"] = Side(ORIGINAL, session.current.original)
session.set_compare(mode="blink")
session.view.zoom_to(1.0)
shown = rgb_of(canvas.grab().toImage())
assert canvas.devicePixelRatioF() == 2 and shown.shape == (400, 600, 3), shown.shape
top, left = (400 - 60) // 2, (600 - 90) // 2
np.testing.assert_array_equal(shown[top + 2 : top + 58, left + 2 : left + 88], rgb[2:58, 2:88])
print("equal")
"""
    environment = {**os.environ, "QT_SCALE_FACTOR": "2", "QT_QPA_PLATFORM": "offscreen"}
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert ended.stdout.strip() == "equal", ended.stderr
