"""Images to files and back through the Python API."""

import math
import re
import subprocess
import sys
import threading
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jahp_gui.codec import container, metrics, target, tiling
from jahp_gui.codec.codec import (
    Encoded,
    analyse,
    decode,
    encode,
    encode_measured,
    encode_y,
    encode_y_hat,
)
from jahp_gui.codec.container import Header
from jahp_gui.codec.effort import Candidate, Problem, best_found
from jahp_gui.codec.errors import (
    ContainerError,
    DigestError,
    ImageTooLargeError,
    JahpError,
    ModelError,
    ModelMismatchError,
    UnknownModelError,
    UsageError,
)
from jahp_gui.codec.latent_coding import Progress
from jahp_gui.codec.model import Model
from jahp_gui.codec.models import find_model, installed_models
from jahp_gui.codec.priors import PRIORS
from jahp_gui.codec.rate_scale import STEPS_PER_ANCHOR, gain_index_count, gain_index_of, lmbda_of
from jahp_gui.codec.target import Target, encode_to_target, nearest_to_target


def photo(height: int, width: int) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    waves = 127 + 100 * np.sin(x / 7) * np.cos(y / 11)
    return np.stack([waves, waves[::-1], 255 * x / width], 2).astype(np.uint8)


def with_crc(data: bytes) -> bytes:
    return data[:-4] + zlib.crc32(data[:-4]).to_bytes(4, "little")


@pytest.mark.parametrize("prior", PRIORS)
@pytest.mark.parametrize("size", [(1, 1), (1, 70), (17, 33), (64, 64), (100, 5)], ids=str)
def test_an_image_of_any_size_comes_back_with_its_size(tiny_model: Model, prior: str, size: tuple[int, int]) -> None:
    encoded = encode(tiny_model, photo(*size), prior=prior, lmbda=0.2)
    decoded = decode(encoded.data, model=tiny_model)
    assert decoded.rgb.shape == (*size, 3)
    assert decoded.rgb.dtype == np.uint8
    assert decoded.prior == prior
    assert decoded.intact
    np.testing.assert_array_equal(decoded.y_hat, encoded.y_hat)
    index = encoded.container.header.gain_index
    np.testing.assert_array_equal(decoded.rgb, tiny_model.synthesis(encoded.y_hat, index, *size))


def test_bytes_and_psnr_rise_from_anchor_to_anchor(tiny_model: Model) -> None:
    rgb = photo(96, 128)
    files = [encode(tiny_model, rgb, lmbda=lmbda) for lmbda in tiny_model.config.lmbda_anchors]
    sizes = [len(file.data) for file in files]
    quality = [metrics.psnr(rgb, decode(file.data, model=tiny_model).rgb) for file in files]
    assert sizes == sorted(sizes)
    assert quality == sorted(quality)


def test_priors_of_a_family_share_their_latents(tiny_model: Model) -> None:
    latents = [encode(tiny_model, photo(60, 90), prior=prior).y_hat.tolist() for prior in PRIORS]
    assert all(other == latents[0] for other in latents)


def test_gain_indices_and_lmbda_are_each_others_inverse() -> None:
    anchors = (0.0016, 0.0032, 0.0064, 0.0128, 0.025, 0.05, 0.1, 0.2)
    for index in range(gain_index_count(anchors)):
        assert gain_index_of(lmbda_of(index, anchors), anchors) == index
    assert lmbda_of(3 * STEPS_PER_ANCHOR, anchors) == 0.0128
    assert gain_index_of(1e-9, anchors) == 0
    assert gain_index_of(9.0, anchors) == 112


def test_the_analysis_is_run_once_for_every_lmbda(tiny_model: Model) -> None:
    rgb = photo(48, 80)
    y = tiny_model.analysis(rgb)
    for lmbda in (0.0016, 0.05):
        cached = encode_y(tiny_model, y, 48, 80, "joint", tiny_model.gain_index(lmbda))
        assert cached.data == encode(tiny_model, rgb, lmbda=lmbda).data


def test_analysis_of_an_image_adds_up_to_its_file(tiny_model: Model) -> None:
    rgb = photo(160, 240)
    result = analyse(tiny_model, rgb, prior="joint", lmbda=0.2)
    file = encode(tiny_model, rgb, prior="joint", lmbda=0.2).container
    assert result.maps.bits.sum(dtype=np.float64) == pytest.approx(8 * len(file.y), abs=64)
    assert result.maps.bits.shape == result.y_hat.shape == (10, 15, 8)


@pytest.mark.parametrize("prior", PRIORS)
def test_measuring_and_encoding_in_one_pass_writes_the_same_file(tiny_model: Model, prior: str) -> None:
    rgb = photo(70, 90)
    y_hat = tiny_model.quantise(tiny_model.analysis(rgb), 112)
    encoded, maps = encode_measured(tiny_model, y_hat, 70, 90, prior, 112)
    assert encoded.data == encode_y_hat(tiny_model, y_hat, 70, 90, prior, 112).data
    assert "maps" not in encoded.seconds and encoded.seconds["range coder"] > 0
    expected = analyse(tiny_model, rgb, prior=prior, lmbda=tiny_model.lmbda(112)).maps
    np.testing.assert_array_equal(maps.bits, expected.bits)
    np.testing.assert_array_equal(maps.sigma, expected.sigma)


@pytest.mark.parametrize(("kind", "low", "high"), [("bytes", 0.01, 0.1), ("psnr", 0.003, 0.1)])
def test_targets_are_met_within_two_percent_by_a_real_file(
    tiny_model: Model, kind: str, low: float, high: float
) -> None:
    rgb = photo(160, 160)
    for lmbda in (low, high):
        file = encode(tiny_model, rgb, lmbda=lmbda)
        value = len(file.data) if kind == "bytes" else metrics.psnr(rgb, decode(file.data, model=tiny_model).rgb)
        found = encode_to_target(tiny_model, rgb, Target(kind, value * 1.001))
        decoded = decode(found.data, model=tiny_model)
        reached = len(found.data) if kind == "bytes" else metrics.psnr(rgb, decoded.rgb)
        assert reached == pytest.approx(value * 1.001, rel=0.02)


def test_a_target_takes_no_file_twice_and_no_analysis_that_is_there(
    tiny_model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    rgb = photo(160, 160)
    y = tiny_model.analysis(rgb)
    files = written_by_targets(monkeypatch)
    monkeypatch.setattr(Model, "analysis", None)
    problem = Problem(tiny_model, rgb, y, "joint", 0)
    file = encode_y(tiny_model, y, 160, 160, "joint", 50)
    found = nearest_to_target(problem, Target("bytes", 1.001 * len(file.data))).file()
    indices = [file.container.header.gain_index for file in files]
    assert len(indices) == len(set(indices)) <= 10 and any(found is file for file in files)
    files.clear()
    wanted = metrics.psnr(rgb, tiny_model.synthesis(file.y_hat, 50, 160, 160))
    assert nearest_to_target(problem, Target("psnr", wanted)).problem.gain_index == 50 and files == []


def written_by_targets(monkeypatch: pytest.MonkeyPatch) -> list[Encoded]:
    """The files that searches for a target will have written."""
    files: list[Encoded] = []

    def write(*arguments: Any, **options: Any) -> Encoded:
        files.append(encode_y_hat(*arguments, **options))
        return files[-1]

    monkeypatch.setattr(target, "encode_y_hat", write)
    return files


@pytest.mark.parametrize("kind", ["bytes", "psnr"])
@pytest.mark.parametrize("effort", [0, 1])
def test_a_search_for_a_target_ends_within_a_probe(
    tiny_model: Model, kind: str, effort: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    files, told = written_by_targets(monkeypatch), []

    def stop(fraction: float) -> None:
        told.append(fraction)
        raise InterruptedError

    with pytest.raises(InterruptedError):
        encode_to_target(tiny_model, photo(64, 64), Target(kind, 30), effort=effort, progress=stop)
    assert files == [] and len(told) == 1 and told[0] <= 0.1, "one of at most ten probes"


@pytest.mark.parametrize("effort", [0, 1, 2])
def test_the_fraction_of_a_search_for_a_target_only_rises(tiny_model: Model, effort: int) -> None:
    rgb, told = photo(64, 64), list[float]()
    wanted = len(encode(tiny_model, rgb, lmbda=0.02, effort=effort).data)
    encode_to_target(tiny_model, rgb, Target("bytes", wanted), effort=effort, progress=told.append)
    assert told == sorted(told) and told[0] >= 0 and told[-1] == 1


def test_a_target_is_met_by_the_refined_file_and_not_by_the_one_it_comes_from(
    tiny_model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a search that makes files of six steps of λ more, which one of MS-SSIM can at low rates."""
    rgb = photo(160, 160)
    smallest, wanted, largest = (len(encode(tiny_model, rgb, lmbda=lmbda).data) for lmbda in (0.0016, 0.02, 0.2))
    refined: list[int] = []
    moved = 0

    def search(problem: Problem, effort: int, progress: Progress) -> Candidate:
        nonlocal moved
        moved = problem.gain_index
        if effort > 1:
            refined.append(problem.gain_index)
            moved = min(problem.gain_index + 6, 112)
        return best_found(replace(problem, gain_index=moved), 0)

    def found(n_bytes: float) -> int:
        return len(encode_to_target(tiny_model, rgb, Target("bytes", n_bytes), effort=2).data)

    monkeypatch.setattr(target, "best_found", search)
    probe = target.Probe
    monkeypatch.setattr(target, "Probe", lambda problem, y_hat: probe(replace(problem, gain_index=moved), y_hat))
    assert found(wanted) == pytest.approx(wanted, rel=0.02)
    assert found(largest) == largest
    with pytest.raises(UsageError, match="nearest is more"):
        found(0.98 * smallest)
    refined.clear()
    with pytest.raises(UsageError, match="nearest is less"):
        found(2 * largest)
    assert refined == [], "what no search can mend is told before it"


def test_a_psnr_that_no_search_reaches_is_refused_before_it(tiny_model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    rgb = photo(64, 64)
    largest = metrics.psnr(rgb, decode(encode(tiny_model, rgb, lmbda=0.2, effort=1).data, model=tiny_model).rgb)

    def search(problem: Problem, effort: int, progress: Progress) -> Candidate:
        assert effort == 1
        return best_found(problem, 0)

    monkeypatch.setattr(target, "best_found", search)
    with pytest.raises(UsageError, match="nearest is less"):
        encode_to_target(tiny_model, rgb, Target("psnr", 1.2 * largest), effort=3)


def test_a_refined_file_without_any_error_ends_the_search(tiny_model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    def search(problem: Problem, effort: int, progress: Progress) -> Candidate:
        return Candidate(np.full((4, 4, 1), effort), 1.0, problem.model)

    monkeypatch.setattr(target, "best_found", search)

    def reached(self: Target, probe: target.Probe, progress: Progress) -> float:
        return math.inf if probe.y_hat.max() > 1 else 30 + probe.problem.gain_index / 10

    monkeypatch.setattr(Target, "reached_by", reached)
    with pytest.raises(UsageError, match="nearest is more, inf dB"):
        encode_to_target(tiny_model, photo(64, 64), Target("psnr", 35), effort=2)


def test_targets_out_of_reach_say_which_side(tiny_model: Model) -> None:
    with pytest.raises(UsageError, match=r"cannot be reached.*nearest is more"):
        encode_to_target(tiny_model, photo(64, 64), Target("bytes", 10))
    with pytest.raises(UsageError, match=r"cannot be reached.*nearest is less"):
        encode_to_target(tiny_model, photo(64, 64), Target("psnr", 90))


def test_damage_to_the_payload_is_the_digest_error_or_harmless_however_the_crc(tiny_model: Model) -> None:
    """Every bit of a small file, with the checksum made right again: never a wrong picture, never another error."""
    encoded = encode(tiny_model, photo(33, 40), lmbda=0.1)
    for bit in range(8 * (len(encoded.data) - 4)):
        damaged = bytearray(encoded.data)
        damaged[bit // 8] ^= 1 << bit % 8
        try:
            decoded = decode(with_crc(bytes(damaged)), model=tiny_model)
        except JahpError as error:
            assert str(error)
        else:
            # The last word of a section may hold bits that no symbol needs; the digest then vouches for the picture.
            np.testing.assert_array_equal(decoded.y_hat, encoded.y_hat)
            assert decoded.container.header == encoded.container.header


def test_damage_can_be_looked_at_when_asked_for(tiny_model: Model) -> None:
    encoded = encode(tiny_model, photo(64, 64), lmbda=0.2)
    damaged = bytearray(encoded.data)
    damaged[-40] ^= 255
    data = with_crc(bytes(damaged))
    with pytest.raises(DigestError, match="damaged"):
        decode(data, model=tiny_model)
    shown = decode(data, model=tiny_model, check=False)
    assert not shown.intact
    assert shown.rgb.shape == (64, 64, 3)


def test_truncated_files_are_refused_at_every_length(tiny_model: Model) -> None:
    data = encode(tiny_model, photo(20, 20)).data
    for length in range(len(data)):
        with pytest.raises(ContainerError):
            decode(data[:length], model=tiny_model)


def repacked(data: bytes, **changes) -> bytes:
    parsed = container.parse(data)
    return container.pack(Header(**{**vars(parsed.header), **changes}), parsed.z, parsed.y)


def test_lies_in_the_header_are_named(tiny_model: Model) -> None:
    data = encode(tiny_model, photo(40, 40)).data
    with pytest.raises(UnknownModelError, match="'elsewhere', which is not installed"):
        decode(repacked(data, model_id="elsewhere"))
    with pytest.raises(ModelMismatchError, match="other weights of model 'tiny'"):
        decode(repacked(data, model_digest=b"123456"))
    with pytest.raises(ContainerError, match="code 60"):
        decode(repacked(data, prior_code=60))
    with pytest.raises(DigestError, match="gain index 239"):
        decode(repacked(data, gain_index=239))
    with pytest.raises(DigestError):
        decode(repacked(data, gain_index=3))
    with pytest.raises(DigestError):
        decode(repacked(data, width=56))
    with pytest.raises(ImageTooLargeError):
        decode(repacked(data, width=30_000, height=30_000))


def test_wrong_arguments_are_named(tiny_model: Model) -> None:
    with pytest.raises(UsageError, match="has no prior 'nonsense'"):
        encode(tiny_model, photo(8, 8), prior="nonsense")
    with pytest.raises(UsageError, match="positive"):
        encode(tiny_model, photo(8, 8), lmbda=0)
    with pytest.raises(UnknownModelError, match="no model named 'nothing'"):
        find_model("nothing")


def test_damaged_and_missing_weights_are_refused(tiny_model: Model, tmp_path: Path) -> None:
    for file in tiny_model.card.folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    weights = tmp_path / "joint.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(ModelError, match="damaged"):
        encode(Model.load(tmp_path), photo(8, 8))
    weights.unlink()
    with pytest.raises(ModelError, match="cannot be read"):
        encode(Model.load(tmp_path), photo(8, 8))
    (tmp_path / "card.json").write_text("{}")
    with pytest.raises(ModelError, match="card"):
        Model.load(tmp_path)


def test_models_are_found_in_the_folders_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "tiny" in [card.model_id for card in installed_models()]
    monkeypatch.setenv("JAHP_MODELS", str(tmp_path))
    assert "tiny" not in [card.model_id for card in installed_models()]


def test_encoding_in_several_threads_gives_the_same_bytes(tiny_model: Model) -> None:
    rgb = photo(70, 90)
    expected = encode(tiny_model, rgb).data
    results: list[bytes] = []
    threads = [threading.Thread(target=lambda: results.append(encode(tiny_model, rgb).data)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [expected] * 4


def test_decoding_can_be_watched_and_stopped(tiny_model: Model) -> None:
    data = encode(tiny_model, photo(64, 64)).data
    seen: list[float] = []
    decode(data, model=tiny_model, progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1

    def stop(fraction: float) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        decode(data, model=tiny_model, progress=stop)


def test_every_step_of_an_encode_tells_how_far_it_is_and_can_be_ended(
    tiny_model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiling.tiles, "__defaults__", (4,))
    rgb = photo(100, 200)
    y = tiny_model.analysis(rgb)
    y_hat = tiny_model.quantise(y, 50)
    setting = 100, 200, "joint", 50

    def stop(fraction: float) -> None:
        raise InterruptedError

    for step in (
        lambda progress: tiny_model.analysis(rgb, progress),
        lambda progress: encode_y(tiny_model, y, *setting, progress=progress),
        lambda progress: encode_measured(tiny_model, y_hat, *setting, progress=progress),
    ):
        seen: list[float] = []
        step(seen.append)
        assert seen == sorted(seen) and seen[-1] == 1
        with pytest.raises(InterruptedError):
            step(stop)


def test_the_codec_imports_neither_qt_nor_the_gui() -> None:
    code = (
        "import sys, pkgutil, importlib, jahp_gui.codec as c;"
        "[importlib.import_module(m.name) for m in pkgutil.walk_packages(c.__path__, 'jahp_gui.codec.')];"
        "print([m for m in sys.modules if m.startswith(('PySide6', 'jahp_gui.gui'))])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_the_readmes_python_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = Path(__file__).parent.parent
    example = re.search(r"```python\n(.*?)```", (root / "README.md").read_text(encoding="utf-8"), re.S)
    assert example is not None
    monkeypatch.chdir(tmp_path)
    exec(compile(example.group(1), "README.md", "exec"), {})
    assert list(tmp_path.glob("*.jahp"))
