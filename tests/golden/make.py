"""Write the golden files again: run `python tests/golden/make.py` only when the format or the tiny models change.

One file per prior, one with coarse means, one with escapes at the extreme values, one of a single pixel; `digests.json`
holds what ŷ they must decode to, on every machine.
"""

import hashlib
import json
from pathlib import Path

import numpy as np

from jahp_gui.codec.codec import decode, encode, encode_y_hat
from jahp_gui.codec.model import Model
from jahp_gui.codec.priors import PRIORS

HERE = Path(__file__).parent
MODELS = HERE.parent / "models"


def picture(height: int, width: int) -> np.ndarray:
    """Edges, a gradient and some grain: something for every prior to predict."""
    generator = np.random.default_rng(7)
    y, x = np.mgrid[:height, :width]
    waves = 127 + 90 * np.sin(x / 9 + (y // 24) * 2) + 30 * ((x + 2 * y) % 50 > 25)
    rgb = np.stack([waves, np.roll(waves, 8, 1), 255 - y * 200 / height], 2)
    return (rgb + generator.normal(0, 6, rgb.shape)).clip(0, 255).astype(np.uint8)


def main() -> None:
    model, coarse = Model.load(MODELS / "tiny"), Model.load(MODELS / "tiny-coarse")
    files = {name: encode(model, picture(150, 203), prior=name, lmbda=0.1).data for name in PRIORS}
    files["one-pixel"] = encode(model, picture(1, 1), lmbda=0.2).data
    extreme = np.random.default_rng(3).choice(
        np.array([-32767, 32767, -2048, 2047, -33, 32, 0, 1], np.int16), (5, 6, model.config.latent_channels)
    )
    files["extreme-escapes"] = encode_y_hat(model, extreme, 80, 96, "joint", 112).data
    made = {name: (model, data) for name, data in files.items()}
    made["coarse-means"] = coarse, encode(coarse, picture(150, 203), prior="mean-scale-hyperprior", lmbda=0.1).data
    digests = {}
    for name, (reader, data) in made.items():
        (HERE / f"{name}.jahp").write_bytes(data)
        digests[name] = hashlib.sha256(decode(data, model=reader).y_hat.astype("<i4").tobytes()).hexdigest()
    (HERE / "digests.json").write_text(json.dumps(digests, indent=1) + "\n")


if __name__ == "__main__":
    main()
