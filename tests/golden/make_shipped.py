"""Write a golden file for each prior of the shipped models: run `python tests/golden/make_shipped.py` for new ones.

Those of the model which went stay as long as another has their priors unchanged.
"""

import hashlib
import json
import sys
from pathlib import Path

from jahp_gui.codec import metrics
from jahp_gui.codec.codec import decode, encode
from jahp_gui.codec.model import Model
from jahp_gui.codec.models import installed_models
from jahp_gui.paths import models_dir

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
from golden_photo import golden_photo  # noqa: E402


def main() -> None:
    rgb, file = golden_photo(), HERE / "shipped" / "recorded.json"
    recorded = json.loads(file.read_text()) if file.exists() else {}
    for card in installed_models():
        if card.folder.parent != models_dir():
            continue
        searched = [("joint", 2)] if card.has_searched else []
        for number, (prior, effort) in enumerate([*((prior, 0) for prior in card.priors), *searched]):
            name = f"{card.model_id}-{prior}" + (f"-effort-{effort}" if effort else "")
            lmbda = card.lmbda_anchors[(3 + number) % len(card.lmbda_anchors)]
            data = encode(Model(card), rgb, prior=prior, lmbda=lmbda, effort=effort).data
            (HERE / "shipped" / f"{name}.jahp").write_bytes(data)
            decoded = decode(data)
            recorded[name] = {
                "y_hat": hashlib.sha256(decoded.y_hat.astype("<i4").tobytes()).hexdigest(),
                "psnr": round(metrics.psnr(rgb, decoded.rgb), 3),
            }
    file.write_text(json.dumps(recorded, indent=1) + "\n")


if __name__ == "__main__":
    main()
