"""The picture in the golden files of the shipped models."""

import numpy as np

from jahp_gui.codec.images import load_image
from jahp_gui.paths import assets_dir


def golden_photo() -> np.ndarray:
    """uint8 (200, 250, 3)."""
    return load_image(assets_dir() / "samples" / "astronaut.png").rgb[:200, 150:400]
