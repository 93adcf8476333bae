"""The codec in somebody else's program: whatever that has set, the files are the same, and nothing of it is changed."""

import copy
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch

from jahp_gui.codec import Model, Target, analyse, decode, encode, encode_to_target
from jahp_gui.codec.errors import UsageError
from jahp_gui.evaluation.trust.subjects import picture

RGB = picture(72, 100)
ROOT = Path(__file__).parents[1]


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    usual = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(usual)


SURROUNDINGS: dict[str, Callable[[], AbstractContextManager]] = {
    "autocast": lambda: torch.autocast("cpu"),
    "inference mode": torch.inference_mode,
    "no gradients": torch.no_grad,
    "another device": lambda: torch.device("meta"),
    "float64": lambda: default_dtype(torch.float64),
    "bfloat16": lambda: default_dtype(torch.bfloat16),
}


@pytest.mark.parametrize("effort", [0, 1, 2])
@pytest.mark.parametrize("name", SURROUNDINGS)
def test_files_and_pictures_are_those_of_a_program_of_its_own(name: str, effort: int) -> None:
    expected = encode(Model.load("tiny"), RGB, effort=effort)
    with SURROUNDINGS[name]():
        model = Model.load("tiny")
        encoded = encode(model, RGB, effort=effort)
        rgb = decode(encoded.data, model=Model.load("tiny")).rgb
        maps = analyse(model, RGB).maps
    if effort < 2 or "float" not in name:  # a search follows sums of the default type, wherever it leads
        assert encoded.data == expected.data
    assert np.array_equal(rgb, decode(encoded.data, model=Model.load("tiny")).rgb)
    assert np.array_equal(maps.bits, analyse(Model.load("tiny"), RGB).maps.bits)


@pytest.mark.parametrize("name", ["plain", *SURROUNDINGS])
def test_a_model_used_there_is_as_good_outside(name: str) -> None:
    """Nothing that is loaded or kept on first use is of the surroundings of that use."""
    model = Model.load("tiny")
    with SURROUNDINGS.get(name, nullcontext)():
        encode(model, RGB)
    assert encode(model, RGB, effort=1).data == encode(Model.load("tiny"), RGB, effort=1).data


@pytest.mark.parametrize("effort", [0, 1, 2, 3])
def test_the_callers_random_numbers_and_settings_are_left_alone(effort: int) -> None:
    def state() -> list[object]:
        switches = [torch.get_num_threads(), torch.get_default_dtype(), torch.is_grad_enabled()]
        return [torch.get_rng_state().tolist(), str(np.random.get_state()), *switches]  # noqa: NPY002

    model = Model.load("tiny")
    before = state()
    decode(encode(model, picture(40, 40), effort=effort).data, model=model)
    assert state() == before


@pytest.mark.parametrize(
    ("image", "named"),
    [
        (RGB / 255, "float64"),
        (RGB.astype(np.uint16), "uint16"),
        (RGB[..., 0], r"\(72, 100\)"),
        (RGB[None], r"\(1, 72, 100, 3\)"),
        (RGB.transpose(2, 0, 1), r"\(3, 72, 100\)"),
        (np.dstack([RGB, RGB[..., :1]]), r"\(72, 100, 4\)"),
        (RGB[:0], r"\(0, 100, 3\)"),
        (torch.from_numpy(RGB), "Tensor"),
        (RGB.tolist(), "list"),
    ],
    ids=["float", "uint16", "grey", "batch", "channels first", "alpha", "empty", "tensor", "list"],
)
def test_what_is_no_image_is_refused(tiny_model: Model, image: np.ndarray, named: str) -> None:
    for use in (
        lambda: encode(tiny_model, image),
        lambda: analyse(tiny_model, image),
        lambda: encode_to_target(tiny_model, image, Target("psnr", 30)),
    ):
        with pytest.raises(UsageError, match=named):
            use()


def test_an_image_may_be_a_view_turned_round(tiny_model: Model) -> None:
    turned = RGB[::-1, :, ::-1]
    for effort in (0, 2):
        assert encode(tiny_model, turned, effort=effort).data == encode(tiny_model, turned.copy(), effort=effort).data


@pytest.mark.parametrize("value", [255.0, -0.5, np.nan])
def test_weights_that_are_none_are_refused(tiny_model: Model, value: float) -> None:
    weights = np.ones(RGB.shape[:2], np.float32)
    weights[3, 4] = value
    with pytest.raises(UsageError, match="from 0 to 1"):
        encode(tiny_model, RGB, effort=1, weights=weights)


@pytest.mark.parametrize("target", [Target("kb", 40), Target("psnr", np.nan), Target("bpp", 0), Target("psnr", -1)])
def test_targets_that_are_none_are_refused(tiny_model: Model, target: Target) -> None:
    with pytest.raises(UsageError, match="A target is a positive number of bytes, bpp, psnr"):
        encode_to_target(tiny_model, RGB, target)


@pytest.mark.parametrize("lmbda", [0, -1, np.nan])
def test_a_lambda_that_is_none_is_refused(tiny_model: Model, lmbda: float) -> None:
    for use in (encode, analyse):
        with pytest.raises(UsageError, match="λ must be positive"):
            use(tiny_model, RGB, lmbda=lmbda)


def test_a_file_is_any_bytes_and_nothing_else(tiny_model: Model, tmp_path: Path) -> None:
    encoded = encode(tiny_model, RGB)
    for data in (bytearray(encoded.data), memoryview(encoded.data)):
        assert np.array_equal(decode(data, model=tiny_model).y_hat, encoded.y_hat)
    for source in (encoded, tmp_path / "a.jahp", "a.jahp"):
        with pytest.raises(UsageError, match=r"Path.read_bytes"):
            decode(source, model=tiny_model)


def test_models_and_results_are_copied_and_pickled(tiny_model: Model) -> None:
    """As a pool of processes does with its arguments and results."""
    decoded = decode(encode(tiny_model, RGB).data, model=tiny_model)
    for again in (pickle.loads(pickle.dumps(decoded)), copy.deepcopy(decoded)):
        assert np.array_equal(again.rgb, decoded.rgb)
        assert encode(again.model, RGB).data == encode(tiny_model, RGB).data
    assert decoded != again and decoded == decoded  # noqa: PLR0124 (arrays have no one truth)


def test_the_synthesis_to_differentiate_is_a_copy() -> None:
    model = Model.load("tiny")
    data = encode(model, RGB).data
    expected = decode(data, model=model).rgb
    for parameter in model.copy_of_synthesis().parameters():
        parameter.data.zero_()
    assert np.array_equal(decode(data, model=model).rgb, expected)


def test_a_model_is_found_from_any_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "tests" / "models" / "tiny", tmp_path / "mine")
    monkeypatch.chdir(tmp_path)
    model = Model.load("./mine")
    monkeypatch.chdir(ROOT)
    assert encode(model, RGB).data == encode(Model.load("tiny"), RGB).data


def test_a_device_is_what_torch_calls_one_and_one_that_is_not_there_is_named() -> None:
    assert encode(Model.load("tiny", torch.device("cpu")), RGB).data == encode(Model.load("tiny"), RGB).data
    with pytest.raises(UsageError, match="not tpu"):
        Model.load("tiny", "tpu")
    if not torch.cuda.is_available():
        with pytest.raises(UsageError, match="no GPU"):
            Model.load("tiny", "cuda:0")
        assert Model.load("tiny", "auto").device == "cpu"


FORK = """
import os, torch
from jahp_gui.codec import Model, encode
from jahp_gui.evaluation.trust.subjects import picture

torch.set_num_threads(2)
model = Model.load("tests/models/tiny")
child = os.fork()
if child == 0:
    before = torch.get_num_threads()
    encode(model, picture(40, 40))
    os._exit(10 * before + torch.get_num_threads())
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_process_that_never_encodes_keeps_its_threads() -> None:
    """The program that imports the codec may fork for something of its own."""
    command = [sys.executable, "-W", "ignore", "-c", FORK]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=300, check=False)
    assert done.stdout == "21\n", done.stderr
