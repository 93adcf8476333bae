"""Write one golden file per shipped model: run `python tests/golden/make_shipped.py` when a model is replaced.

That of the model which went stays as long as another has its joint prior unchanged.
"""

import hashlib
import json
from pathlib import Path

from jahp_gui.codec.codec import decode, encode
from jahp_gui.codec.images import load_image
from jahp_gui.codec.model import Model
from jahp_gui.codec.models import installed_models
from jahp_gui.paths import assets_dir, models_dir

HERE = Path(__file__).parent / "shipped"


def main() -> None:
    rgb = load_image(assets_dir() / "samples" / "astronaut.png").rgb[:200, 150:400]
    digests = json.loads((HERE / "digests.json").read_text())
    for card in installed_models():
        if card.folder.parent == models_dir():
            data = encode(Model(card), rgb, lmbda=card.lmbda_anchors[4]).data
            (HERE / f"{card.model_id}.jahp").write_bytes(data)
            digests[card.model_id] = hashlib.sha256(decode(data).y_hat.astype("<i4").tobytes()).hexdigest()
    (HERE / "digests.json").write_text(json.dumps(digests, indent=1) + "\n")


if __name__ == "__main__":
    main()
