"""What all tests share. Qt must be told to stay offscreen before anything imports it."""

import os
from pathlib import Path

import pytest

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
# Tests run in parallel, a process for every core: networks with threads of their own would wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["JAHP_MODELS"] = str(Path(__file__).parent / "models")

from jahp_gui.codec.model import Model  # noqa: E402  (after the environment is set)


@pytest.fixture(scope="session")
def tiny_model() -> Model:
    """The small model of the golden files, five priors."""
    return Model.load("tiny")
