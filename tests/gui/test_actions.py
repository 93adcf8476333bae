"""What the commands of the menus do, each to what it is about and to nothing else."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gui_helpers import WAIT_MS, make_picture, window_of
from PIL import Image
from PySide6.QtWidgets import QFileDialog
from pytestqt.qtbot import QtBot

from jahp_gui.codec.importance import Mask
from jahp_gui.gui.app import Explorer
from jahp_gui.gui.dialogs import SaveDialog
from jahp_gui.gui.main_window import MainWindow
from jahp_gui.gui.results import CURRENT, ORIGINAL, ROUNDED

# One after the other: what each changes of `state`, from the joint prior at the default λ beside the original on.
ACTIONS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("a_rounded", {"a": ROUNDED}),
    ("swap", {"a": CURRENT, "b": ROUNDED}),
    ("a_original", {"a": ORIGINAL}),
    ("prior_next", {"prior": "factorized"}),  # after the last the first
    ("prior_next", {"prior": "scale-hyperprior"}),
    ("prior_previous", {"prior": "factorized"}),
    ("prior_previous", {"prior": "joint"}),
    ("lmbda_up", {"step": 49}),
    ("anchor_down", {"step": 33}),
    ("lmbda_down", {"step": 32}),
    ("anchor_up", {"step": 48}),
    ("effort_next", {"effort": 1}),
    ("effort_next", {"effort": 2}),
    ("effort_next", {"effort": 3}),
    ("effort_next", {"effort": 0}),
    ("zoom_200", {"scale": 2.0}),
    ("zoom_in", {"scale": 2.5}),
    ("zoom_400", {"scale": 4.0}),
    ("zoom_out", {"scale": 3.2}),
    ("view_next", {"view": "inspector"}),
    ("view_next", {"view": "parts"}),
    ("view_previous", {"view": "inspector"}),
    ("channel_grid", {"view": "maps", "page": 1}),
    ("channel_grid", {"page": 0}),
    ("view_previous", {"view": "damage"}),  # before the first the last
    ("full_screen", {"full screen": True}),
    ("full_screen", {"full screen": False}),
)

# The name that is offered, the type that is chosen, and what of this type only this export has in it.
EXPORTS = {
    "save_comparison": ("waves-comparison.png", ".npz", "a_title"),
    "save_plot": ("waves-curves.png", ".npz", "current_gain_index"),
    "save_inspector": ("waves-latent.png", ".npz", "table_probability"),
    "save_parts": ("waves-parts.png", ".npz", "residual_counts"),
    "export_decoder": ("waves-decoder.png", ".npz", "mu_when_decoded"),
    "export_damaged": ("waves-damaged.png", ".npz", "flipped_bits"),
    "save_table": ("waves-curves.csv", ".csv", "lmbda"),
    "save_numbers": ("waves-numbers.png", ".csv", "quantity"),
}


@pytest.fixture
def window(explorer: Explorer) -> MainWindow:
    return window_of(explorer)


def state(window: MainWindow) -> dict[str, Any]:
    session, inside = window.session, window.inside
    views = {"maps": window.maps, "inspector": window.inspector, "parts": window.parts}
    views |= {"decoder": inside.decoder, "surgery": inside.surgery, "damage": inside.damage}
    return {
        "a": session.compare.a,
        "b": session.compare.b,
        "prior": session.choice.prior,
        "step": session.choice.gain_index,
        "effort": session.effort,
        "painted": session.mask is not None,
        "scale": round(session.view.scale, 6),
        "view": next(name for name, view in views.items() if view is window.right_tabs.currentWidget()),
        "page": window.maps.pages.currentIndex(),
        "full screen": window.isFullScreen(),
    }


def trigger(window: MainWindow, key: str) -> None:
    assert window.actions_table[key].isEnabled(), key
    window.actions_table[key].trigger()


def names_in(path: Path) -> set[str]:
    """Of the arrays of an NPZ, of the columns of a CSV."""
    if path.suffix == ".npz":
        with np.load(path) as arrays:
            return set(arrays.files)
    with path.open(encoding="utf-8", newline="") as file:
        return set(next(csv.reader(file)))


def test_a_command_changes_what_it_says_and_nothing_else(window: MainWindow) -> None:
    for key, changes in ACTIONS:
        expected = state(window) | changes
        trigger(window, key)
        assert state(window) == expected, key
    weights = np.ones((64, 96), np.float32)
    weights[:32] = 0.1
    window.session.set_mask(Mask.of_weights(weights))
    painted = state(window)
    trigger(window, "clear_region")
    assert painted["painted"] and state(window) == painted | {"painted": False}


def test_an_export_asks_for_a_place_under_its_own_name_and_writes_what_it_is_called(
    window: MainWindow, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, offered = window.session, []

    def ask(dialog: SaveDialog) -> Path:
        offered.append(Path(dialog.selectedFiles()[0]).name)
        return target

    monkeypatch.setattr(SaveDialog, "ask", ask)
    target = tmp_path / "decoded.png"
    trigger(window, "save_picture")
    qtbot.waitUntil(target.exists, timeout=WAIT_MS)
    assert session.exact is not None and offered == ["waves-decoded.png"]
    np.testing.assert_array_equal(np.array(Image.open(target)), session.exact.picture.rgb)

    session.mark(("y", 3, 2))
    for key, export in (
        ("show_inspector", "save_inspector"),
        ("show_parts", "save_parts"),
        ("decoder_step", "export_decoder"),
        ("damage_flip", "export_damaged"),
    ):
        trigger(window, key)
        qtbot.waitUntil(window.actions_table[export].isEnabled, timeout=WAIT_MS)
    qtbot.waitUntil(window.actions_table["save_plot"].isEnabled, timeout=WAIT_MS)
    qtbot.waitUntil(lambda: session.sides["b"] is not None, timeout=WAIT_MS)
    for key, (name, suffix, mark) in EXPORTS.items():
        target = tmp_path / f"{key}{suffix}"
        trigger(window, key)
        qtbot.waitUntil(target.exists, timeout=WAIT_MS)
        marks = {other for _, of_type, other in EXPORTS.values() if of_type == suffix}
        assert offered[-1] == name and names_in(target) & marks == {mark}, key


def test_an_opened_folder_brings_its_images(
    make_explorer: Callable[..., Explorer],
    qtbot: QtBot,
    picture_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("a.png", "b.png"):
        Image.fromarray(make_picture(24, 24)).save(folder / name)
    explorer = make_explorer(picture_file)
    qtbot.waitUntil(lambda: explorer.session.current is not None, timeout=WAIT_MS)
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(folder))
    trigger(window_of(explorer), "open_folder")
    qtbot.waitUntil(lambda: len(explorer.session.items) == 3, timeout=WAIT_MS)
    assert {item.path for item in explorer.session.items} == {picture_file, folder / "a.png", folder / "b.png"}
