"""Encoders that run at once do not notice each other."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import torch

from jahp_gui.codec.codec import decode, encode
from jahp_gui.codec.model import Model
from jahp_gui.evaluation.trust import together
from jahp_gui.evaluation.trust.subjects import picture

ROOT = Path(__file__).parents[1]
TINY = ROOT / "tests" / "models" / "tiny"


@pytest.fixture(autouse=True)
def threads_as_before() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_threads_and_processes_at_once_get_the_bytes_and_pixels_of_one_alone() -> None:
    comparison = together.compare(str(TINY), threads=3, processes=1, inner=1)
    assert comparison.different == 0
    assert (comparison.files, comparison.row().split("|")[-3:-1]) == (10, [" 4 ", " 0 "])


FORK = """
import os, torch
from jahp_gui.codec import Model, encode
from jahp_gui.evaluation.trust.subjects import picture

torch.set_num_threads(2)
model, rgb = Model.load("tests/models/tiny"), picture(300, 300)
data = encode(model, rgb).data
child = os.fork()
if child == 0:
    os._exit(0 if encode(model, rgb).data == data else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_process_forked_after_the_networks_ran_encodes_the_same_and_does_not_hang() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORK], capture_output=True, text=True, cwd=ROOT, timeout=300
    )
    assert done.stdout == "0\n", done.stderr


@pytest.fixture
def brighter(tmp_path: Path) -> Model:
    """The tiny model with other transforms."""
    folder = Path(shutil.copytree(TINY, tmp_path / "brighter"))
    weights = folder / "transforms.safetensors"
    tensors = safetensors.numpy.load(weights.read_bytes())
    tensors["analysis.shortcut.weight"] = tensors["analysis.shortcut.weight"] * np.float16(1.5)
    data = safetensors.numpy.save(tensors)
    weights.write_bytes(data)
    card = json.loads((folder / "card.json").read_text())
    card["files"]["transforms"] = hashlib.sha256(data).hexdigest()
    (folder / "card.json").write_text(json.dumps(card))
    return Model.load(folder)


def test_two_models_at_once_keep_their_own_weights_and_settings(brighter: Model) -> None:
    rgb = picture(60, 80)
    models = (Model.load(TINY), brighter)
    settings = [(model, prior, lmbda) for model in models for prior in ("factorized", "joint") for lmbda in (0.01, 0.1)]
    expected = [encode(model, rgb, prior=prior, lmbda=lmbda).data for model, prior, lmbda in settings]
    assert len(set(expected)) == len(settings)
    done: dict[tuple[int, int], bytes] = {}

    def take(first: int) -> None:
        for step in range(len(settings)):
            number = (first + step) % len(settings)
            model, prior, lmbda = settings[number]
            data = encode(model, rgb, prior=prior, lmbda=lmbda).data
            assert decode(data, model=model).intact
            done[first, number] = data

    threads = [threading.Thread(target=take, args=(first,)) for first in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert done == {(first, number): data for first in range(4) for number, data in enumerate(expected)}
