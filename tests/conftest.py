"""What all tests share. Qt must be told to stay offscreen before anything imports it."""

import json
import os
import shutil
from pathlib import Path

import pytest

for name in [name for name in os.environ if name.startswith("QT_")]:
    del os.environ[name]  # scales and styles are the tests' own
os.environ["QT_QPA_PLATFORM"] = "offscreen"
os.environ["XDG_DATA_HOME"] = "/nonexistent"  # models of whoever runs them
# Tests run in parallel, a process for every core: networks with threads of their own would wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["JAHP_MODELS"] = str(Path(__file__).parent / "models")

from jahp_gui.codec.model import Model  # noqa: E402  (after the environment is set)
from jahp_gui.codec.models import CARD, Card, read_card  # noqa: E402


@pytest.fixture(scope="session")
def tiny_model() -> Model:
    """The small model of the golden files, five priors."""
    return Model.load("tiny")


@pytest.fixture(scope="session")
def ms_ssim_card(tiny_model: Model, tmp_path_factory: pytest.TempPathFactory) -> Card:
    """The small model as if it were optimised for MS-SSIM, in a folder of its own: λ belongs to 1 − MS-SSIM."""
    folder = Path(shutil.copytree(tiny_model.card.folder, tmp_path_factory.mktemp("models") / "tiny-ms-ssim"))
    content = json.loads((folder / CARD).read_text())
    anchors = [2.4, 4.6, 8.8, 17.0, 32.0, 62.0, 120.0, 230.0]
    config = content["config"] | {"objective": "ms-ssim", "lmbda_anchors": anchors}
    (folder / CARD).write_text(json.dumps(content | {"id": "tiny-ms-ssim", "config": config}))
    return read_card(folder)
