"""Figures and arrays for slides and papers: every view, with a caption of exact settings."""

import csv
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gui_helpers import WAIT_MS
from PIL import Image
from pytestqt.qtbot import QtBot

from jahp_gui import __version__
from jahp_gui.codec import Model, encode
from jahp_gui.codec.latent_views import channel_bits
from jahp_gui.gui import work
from jahp_gui.gui.app import Explorer
from jahp_gui.gui.commands import FileCommands
from jahp_gui.gui.exact_settings import caption_of, exact_settings
from jahp_gui.gui.main_window import MainWindow
from jahp_gui.gui.results import FileResult

VIEWS: dict[str, tuple[int, Callable[[FileCommands], Callable[[Path], None]]]] = {
    "comparison": (0, lambda commands: commands.export_comparison),
    "map": (0, lambda commands: commands.export_map),
    "channels": (1, lambda commands: commands.export_map),
    "plot": (0, lambda commands: commands.export_plot),
    "numbers": (0, lambda commands: commands.export_numbers),
}


@pytest.fixture
def window(explorer: Explorer, qtbot: QtBot) -> MainWindow:
    qtbot.waitUntil(lambda: bool(explorer.session.curves.points), timeout=WAIT_MS)
    assert explorer.window is not None
    return explorer.window


def export(window: MainWindow, qtbot: QtBot, view: str, path: Path) -> Path:
    page, command = VIEWS[view]
    window.maps.show_page(page)
    command(window.file_commands)(path)
    qtbot.waitUntil(path.exists, timeout=WAIT_MS)
    return path


def test_the_caption_names_every_setting_exactly(window: MainWindow, picture: np.ndarray) -> None:
    session = window.session
    encoded = encode(Model.load("tiny"), picture, prior="joint", lmbda=0.0128)
    assert session.exact is not None and session.exact.psnr is not None
    size = len(encoded.data)
    digest = encoded.container.header.model_digest.hex()
    assert caption_of(exact_settings(session)) == (
        f"waves.png, 96 × 64 · Model tiny ({digest[:8]}) · Joint, λ 0.0128 (step 48) · {size} bytes, "
        f"{size * 8 / (64 * 96):.4f} bpp · PSNR {session.exact.psnr:.2f} dB · JAHP Explorer {__version__}"
    )


def test_while_the_file_is_made_the_caption_says_what_is_an_estimate(
    window: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, release, read_back = window.session, threading.Event(), work.read_back

    def held(*arguments: Any) -> FileResult:
        release.wait(60)
        return read_back(*arguments)

    monkeypatch.setattr(work, "read_back", held)
    session.set_choice(gain_index=100)
    assert "bytes" not in caption_of(exact_settings(session))  # those of another setting
    qtbot.waitUntil(lambda: session.latents is not None and session.latents.choice == session.choice, timeout=WAIT_MS)
    assert session.exact is None and "≈" in caption_of(exact_settings(session))
    release.set()
    qtbot.waitUntil(lambda: session.exact is not None, timeout=WAIT_MS)
    assert "≈" not in caption_of(exact_settings(session))


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_is_a_png_and_an_svg_with_its_caption(
    window: MainWindow, qtbot: QtBot, tmp_path: Path, view: str
) -> None:
    caption = caption_of(exact_settings(window.session))
    image = Image.open(export(window, qtbot, view, tmp_path / f"{view}.png"))
    assert image.info["Description"] == caption and min(image.size) > 200
    pixels = np.asarray(image.convert("L")).astype(int)
    bottom = pixels[-60:]  # where the caption is written
    assert (bottom < 160).sum() > 200
    svg = export(window, qtbot, view, tmp_path / f"{view}.svg").read_text(encoding="utf-8")
    assert svg.count("<svg") == 1 and "waves.png, 96 × 64" in svg


def test_the_channels_are_all_there_by_bits(window: MainWindow, qtbot: QtBot, tmp_path: Path) -> None:
    svg = export(window, qtbot, "channels", tmp_path / "channels.svg").read_text(encoding="utf-8")
    assert window.session.latents is not None
    bits = channel_bits(window.session.latents.maps)
    order = [int(channel) for channel in re.findall(r"<!-- (\d+): [\d,]+ -->", svg)]
    assert sorted(order) == list(range(len(bits)))
    assert (np.diff(bits[order]) <= 0).all()


def test_arrays_carry_the_names_of_their_axes_and_the_settings(
    window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    session = window.session
    assert session.latents is not None and session.exact is not None
    maps = np.load(export(window, qtbot, "map", tmp_path / "map.npz"))
    np.testing.assert_array_equal(maps["bits"], session.latents.maps.bits)
    np.testing.assert_array_equal(maps["z_hat"], session.latents.maps.z_hat)
    for name in ("y_hat", "bits", "mu", "sigma", "z_hat", "z_bits"):
        assert list(maps[f"{name}_axes"]) == ["row", "column", "channel"] and maps[name].ndim == 3
    assert (maps["prior"], maps["gain_index"], maps["y_stride"]) == ("joint", 48, 16)
    assert maps["lmbda"] == pytest.approx(0.0128) and maps["file_bytes"] == len(session.exact.data)
    pictures = np.load(export(window, qtbot, "comparison", tmp_path / "comparison.npz"))
    np.testing.assert_array_equal(pictures["b"], session.exact.picture.rgb)
    assert list(pictures["a_axes"]) == ["row", "column", "rgb"] and pictures["a_title"] == "Original"
    assert pictures["map"].shape == session.latents.y_hat.shape[:2]
    numbers = np.load(export(window, qtbot, "numbers", tmp_path / "numbers.npz"))
    assert numbers["psnr_db"] == session.exact.psnr and numbers["y_bytes"] == len(session.exact.container.y)


def test_the_points_of_the_plot_come_as_columns(window: MainWindow, qtbot: QtBot, tmp_path: Path) -> None:
    session = window.session
    qtbot.waitUntil(lambda: session.curves.complete, timeout=WAIT_MS)
    arrays = np.load(export(window, qtbot, "plot", tmp_path / "plot.npz"))
    points = [point for of in session.curves.points.values() for point in of]
    assert sorted(arrays["bytes"]) == sorted(point.n_bytes for point in points)
    assert set(arrays["name"][arrays["kind"] == "prior"]) == {
        key.name for key in session.curves.points if key.kind == "prior"
    }
    anchors = set(session.card.lmbda_anchors) if session.card else set()
    assert set(arrays["lmbda"][arrays["kind"] == "prior"]) == anchors and np.isnan(arrays["lmbda"]).any()
    assert list(arrays["bpp_axes"]) == ["point"] and arrays["current_prior"] == "joint"
    assert np.isnan(arrays["ms_ssim"]).all()  # sides of 160 pixels or less


def test_the_table_of_numbers_is_complete(window: MainWindow, qtbot: QtBot, tmp_path: Path) -> None:
    path = export(window, qtbot, "numbers", tmp_path / "numbers.csv")
    rows = dict(csv.reader(path.read_text(encoding="utf-8").splitlines()))
    assert window.session.exact is not None
    assert float(rows["psnr_db"]) == window.session.exact.psnr
    assert int(rows["file_bytes"]) == int(rows["header_bytes"]) + int(rows["z_bytes"]) + int(rows["y_bytes"])
    assert rows["image"] == "waves.png" and rows["prior"] == "joint"


def test_a_map_that_is_still_of_the_old_lambda_says_so(window: MainWindow, qtbot: QtBot, tmp_path: Path) -> None:
    session, commands = window.session, window.file_commands
    session.set_choice(gain_index=100)  # its own map is not there yet
    commands.export_map(tmp_path / "old.npz")
    qtbot.waitUntil((tmp_path / "old.npz").exists, timeout=WAIT_MS)
    arrays = np.load(tmp_path / "old.npz")
    assert arrays["gain_index"] == 48 and "file_bytes" not in arrays.files
    session.set_map(reference="context")
    assert window.maps.shown is None
    with qtbot.waitSignal(session.message) as told:
        commands.export_map(tmp_path / "none.png")
    assert told.args == ["There is nothing to save at the moment: save again once it is there.", "warning"]
