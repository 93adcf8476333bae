"""What the tests of the explorer share beside fixtures."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from jahp_gui.codec.models import Card, find_model
from jahp_gui.gui.app import Explorer
from jahp_gui.gui.main_window import MainWindow

WAIT_MS = 30_000
TINY_MODELS = Path(__file__).resolve().parents[1] / "models"


def make_picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Waves with a little noise: uint8 (height, width, 3), compressible but not flat."""
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x / 9 + k) + np.cos(y / (7 + k)) for k in range(3)]
    noise = np.random.default_rng(seed).normal(0, 4, (height, width, 3))
    return np.clip(127 + 50 * np.stack(waves, -1) + noise, 0, 255).astype(np.uint8)


def card_without_context() -> Card:
    """The tiny model as if it had neither the joint nor the context prior."""
    card = find_model("tiny")
    kept = {name: digest for name, digest in card.files.items() if name not in ("joint", "context")}
    return replace(card, files=kept)


def window_of(explorer: Explorer) -> MainWindow:
    assert explorer.window is not None
    return explorer.window
