"""Whatever is wrong with a file, a disk or a model is told in one sentence, and nothing is lost or wrong by it."""

import gc
import gzip
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jahp_gui.cli import main
from jahp_gui.codec import container, models
from jahp_gui.codec.codec import decode, encode
from jahp_gui.codec.container import MAX_SIDE, Header, pack, read_stream, sealed
from jahp_gui.codec.errors import (
    DigestError,
    JahpError,
    ModelError,
    NotAJahpFileError,
    OutputError,
    TrailingBytesError,
    TruncatedFileError,
    UnknownModelError,
)
from jahp_gui.codec.model import Model
from jahp_gui.codec.models import CARD, REPLACED, find_model, installed_models, model_of_file, read_card
from jahp_gui.codec.output import write_atomically
from jahp_gui.evaluation.trust import fuzz
from jahp_gui.evaluation.trust.mutations import EDITS, Edit, Parts, apply
from jahp_gui.evaluation.trust.subjects import Files, Images, Subject, is_sentence, picture

ROOT = Path(__file__).parents[1]
TINY = ROOT / "tests" / "models" / "tiny"
GOLDEN = ROOT / "tests" / "golden"

edits = st.lists(
    st.builds(Edit, st.sampled_from(list(EDITS)), st.integers(0, 2000), st.integers(0, 2**32 - 1)),
    min_size=1,
    max_size=6,
)
sections = st.binary(max_size=120).map(lambda data: data[len(data) % 4 :])
# Repeatable, and no failure because another process was using the processor.
repeatable = settings(derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@cache
def files() -> Files:
    return Files(TINY)


@cache
def images() -> Images:
    return Images()


def survives(subject: Subject, data: bytes) -> None:
    assert subject.attempt(data).fault is None


# ---------------------------------------------------------------- damaged files


@settings(repeatable, max_examples=200)
@given(st.integers(0, 29), edits, st.booleans())
def test_a_damaged_file_is_refused_or_gives_the_latents_of_the_original(which: int, changes: list, mend: bool) -> None:
    data = apply(files().originals[which], changes)
    survives(files(), sealed(data[:-4]) if mend else data)


@settings(repeatable, max_examples=100)
@given(st.integers(0, 29), st.integers(1, MAX_SIDE), st.integers(1, MAX_SIDE), sections, sections)
def test_a_file_of_invented_sections_and_size_is_refused_without_delay(
    which: int, width: int, height: int, z: bytes, y: bytes
) -> None:
    parts = Parts.of(files().originals[which])
    survives(files(), replace(parts, width=width, height=height, z=z, y=y).file())


@pytest.mark.parametrize("start", [0, 10_000])
def test_numbered_damage_finds_no_fault(start: int) -> None:
    tally = fuzz.Tally()
    for number in range(start, start + 200):
        tally.add(number, files().attempt(files().file(number)))
    assert tally.faults == {}
    assert tally.kinds["refused"] > 100


@pytest.mark.parametrize("prior", ["factorized", "context", "joint"])
@pytest.mark.parametrize("sides", [(4_000, 4_000), (MAX_SIDE // 16, 1), (3, MAX_SIDE // 16)], ids=str)
@pytest.mark.parametrize("section", [b"", bytes(4), b"\xff" * 8, None], ids=repr)
def test_a_small_file_that_declares_a_large_picture_is_refused_at_the_end_of_its_words(
    prior: str, sides: tuple[int, int], section: bytes | None
) -> None:
    parts = Parts.of((GOLDEN / f"{prior}.jahp").read_bytes())
    width, height = sides
    y = parts.y if section is None else section
    data = replace(parts, width=width, height=height, z=parts.z if section is None else section, y=y).file()
    outcome = files().attempt(data)
    assert (outcome.kind, outcome.fault) == ("refused", None)


def test_a_stream_that_ends_early_is_called_that(tiny_model: Model) -> None:
    parts = Parts.of((GOLDEN / "joint.jahp").read_bytes())
    with pytest.raises(DigestError, match="ends before its latents do"):
        decode(replace(parts, z=b"").file(), model=tiny_model)


@settings(repeatable, max_examples=300)
@given(st.integers(0, 25), edits)
@pytest.mark.filterwarnings("ignore")
def test_a_damaged_image_is_refused_or_is_an_image(which: int, changes: list) -> None:
    survives(images(), apply(images().originals[which], changes))


@pytest.mark.filterwarnings("ignore")
def test_numbered_damage_to_images_finds_no_fault() -> None:
    faults = {n: fault for n in range(400) if (fault := images().attempt(images().file(n)).fault)}
    assert faults == {}


class Hostile(Subject):
    """Does what a file must not do to us, by number."""

    def file(self, number: int) -> bytes:
        return bytes([number])

    def open(self, data: bytes) -> tuple[str, int, str | None]:
        if data == b"\0":
            raise KeyError("bug")
        if data == b"\1":
            started = time.process_time()
            while time.process_time() - started < 0.05:
                pass
        if data == b"\2":
            np.ones(60_000_000, np.uint8).sum()  # over 32 MB malloc never serves from what it kept resident
        return "refused", 8_000_000, None


def test_the_fuzzer_notices_what_it_looks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    gc.collect()  # what earlier tests left in cycles must not be given back while growth is measured
    faults = [Hostile().attempt(bytes([number])).fault for number in range(4)]
    assert faults[0] == "KeyError: 'bug'"
    assert faults[2] is None if sys.platform != "linux" else "MB are allowed" in str(faults[2])
    assert faults[1] is faults[3] is None
    monkeypatch.setattr("jahp_gui.evaluation.trust.subjects.SECONDS", 0.04)
    assert str(Hostile().attempt(b"\1").fault).startswith("took 0.")


def test_a_file_that_crashes_or_hangs_its_process_is_one_fault_and_the_next_is_tried(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    program = """
import json, os, signal, sys, time
for number in range(int(sys.argv[1]), 4):
    if number == 1:
        os.kill(os.getpid(), signal.SIGSEGV)
    if number == 2:
        time.sleep(60)
    print(json.dumps([number, {"kind": "refused", "seconds": 0, "growth": None, "fault": None}]), flush=True)
"""

    def start(kind: str, model: str, numbers: range) -> "subprocess.Popen[str]":
        command = [sys.executable, "-c", program, str(numbers.start)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    monkeypatch.setattr(fuzz, "start_child", start)
    monkeypatch.setattr(fuzz, "HANG_SECONDS", 6.0)  # which a slow start must not take
    found = {number: outcome.fault for number, outcome in fuzz.outcomes("files", "", range(4))}
    assert found == {0: None, 1: "crashed the process (SIGSEGV)", 2: "hung", 3: None}


def test_a_fuzzed_range_is_shared_by_processes_and_summed_up(capsys: pytest.CaptureFixture[str]) -> None:
    assert fuzz.main(["--kind", "images", "--files", "60", "--jobs", "2"]) == 0
    row = capsys.readouterr().out.splitlines()[-1].split("|")
    assert row[1:3] == [" damaged images ", " 60 "]
    assert row[-2] == " 0 "


# ---------------------------------------------------------------- pipes


class Endless(io.RawIOBase):
    """A pipe that never ends; `taken` counts what was read of it."""

    def __init__(self, start: bytes):
        self.start, self.taken = start, 0

    def read(self, size: int = -1) -> bytes:
        assert size >= 0, "read to the end of what has none"
        part = self.start[self.taken : self.taken + size]
        self.taken += size
        return part + bytes(size - len(part))


def test_no_more_of_a_pipe_is_read_than_its_header_declares() -> None:
    data = (GOLDEN / "joint.jahp").read_bytes()
    assert read_stream(io.BytesIO(data)) == container.parse(data)
    for start, error in ((b"", NotAJahpFileError), (data, TrailingBytesError)):
        pipe: Any = Endless(start)
        with pytest.raises(error):
            read_stream(pipe)
        assert pipe.taken <= max(len(start) + 1, container.MAX_HEADER_BYTES)


class Sized(io.BytesIO):
    """Notes how much is asked for at once, which a pipe takes memory for before it comes."""

    largest = 0

    def read(self, size: int | None = -1) -> bytes:
        self.largest = max(self.largest, size if size is not None and size >= 0 else sys.maxsize)
        return super().read(size)


def test_what_a_pipe_declares_takes_no_memory_before_it_comes() -> None:
    header = Header(0, 0, "tiny", bytes(6), container.MAX_SIDE, container.MAX_SIDE, bytes(4))
    whole = pack(header, bytes(4 << 20), b"")
    pipe = Sized(whole[:-1000])
    with pytest.raises(TruncatedFileError, match=f"cut off after {len(whole) - 1000} of {len(whole)} bytes"):
        read_stream(pipe, max_pixels=container.MAX_SIDE**2)
    assert pipe.largest <= 1 << 20
    assert read_stream(Sized(whole), max_pixels=container.MAX_SIDE**2).z == bytes(4 << 20)


# ---------------------------------------------------------------- writing


def complaint(action: Callable[[], object], error: type[JahpError]) -> str:
    with pytest.raises(error) as caught:
        action()
    assert is_sentence(str(caught.value))
    return str(caught.value)


def in_child(program: str, *arguments: str) -> str:
    """What a process prints that starts with the name `write_atomically` in it."""
    start = "import os, sys; from jahp_gui.codec.output import write_atomically\n"
    done = subprocess.run(
        [sys.executable, "-c", start + program, *arguments], capture_output=True, text=True, cwd=ROOT, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills forked processes")
def test_a_writer_killed_at_any_moment_leaves_a_whole_file() -> None:
    command = [sys.executable, "-m", "jahp_gui.evaluation.trust.writes", "--kills", "60"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.endswith("| 60 | 0 |\n"), done.stderr
    in_the_middle = re.search(r"(\d+) in the middle", done.stdout)
    assert in_the_middle is not None and int(in_the_middle[1]) > 0


SETTINGS = """
import os, random, re, signal, sys, time
from pathlib import Path
from jahp_gui.gui.settings import Settings

file = Path(sys.argv[1])
whole = 0
for number in range(0, 30_000, 1_000):
    child = os.fork()
    while child == 0:
        number += 1
        settings = Settings(str(file))
        settings.set("last images", [Path(f"/photos/{number:06d}-{index}.png") for index in range(500)])
        settings.sync()
    while not file.exists():  # only for the first
        time.sleep(0.001)
    time.sleep(random.uniform(0.005, 0.03))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    found = re.findall(r"/photos/(\\d+)-", file.read_text())
    whole += (len(found), len(set(found))) == (500, 1)
print(whole)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills forked processes")
def test_an_explorer_killed_at_any_moment_leaves_its_settings_whole(tmp_path: Path) -> None:
    assert in_child(SETTINGS, str(tmp_path / "settings.ini")) == "30\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills the process")
@pytest.mark.parametrize("call", ["link", "replace", "chmod", "fsync"])
def test_a_new_file_has_no_name_before_it_is_whole(tmp_path: Path, call: str) -> None:
    program = f"""
def die(*_): os._exit(0)
os.{call} = die
write_atomically(sys.argv[1], b"whole")
"""
    in_child(program, str(tmp_path / "new"))
    assert not (tmp_path / "new").exists() or (tmp_path / "new").read_bytes() == b"whole"


def test_without_hard_links_files_are_written_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    write_atomically(tmp_path / "a", b"first")
    assert "exists already" in complaint(lambda: write_atomically(tmp_path / "a", b"second"), OutputError)
    assert (tmp_path / "a").read_bytes() == b"first"
    monkeypatch.setattr(os, "replace", refuse)
    complaint(lambda: write_atomically(tmp_path / "b", b"x"), OutputError)
    assert os.listdir(tmp_path) == ["a"]


LIMITED = """
import resource
from jahp_gui.codec.errors import OutputError
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write_atomically(sys.argv[1], bytes(100_000), force=True)
except OutputError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")
def test_a_file_that_does_not_fit_is_told_and_leaves_the_old_one_whole(tmp_path: Path) -> None:
    path = tmp_path / "old"
    path.write_bytes(b"old")
    assert in_child(LIMITED, str(path)) == (
        f"{path} cannot be written: files of this size are not allowed here; choose another disk.\n"
    )
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["old"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Path:
    """A file system of 64 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if sys.platform != "linux" or os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("needs the right to mount a file system")
    return folder


def test_a_full_disk_is_told_and_leaves_the_old_file_whole(small_disk: Path) -> None:
    try:
        write_atomically(small_disk / "old", b"old")
        told = complaint(lambda: write_atomically(small_disk / "old", bytes(200_000), force=True), OutputError)
        assert told.endswith("cannot be written: the disk is full; free some space.")
        assert (small_disk / "old").read_bytes() == b"old"
        assert os.listdir(small_disk) == ["old"]
        subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
        told = complaint(lambda: write_atomically(small_disk / "new", b"new"), OutputError)
        assert told.endswith("cannot be written: the disk is read-only; choose another.")
    finally:
        subprocess.run(["umount", str(small_disk)], check=True)


LOCKED = """
from jahp_gui.codec.errors import OutputError
if os.geteuid() == 0:
    os.setuid(65534)  # nothing is forbidden to root
for name in ("old", "new"):
    try:
        write_atomically(os.path.join(sys.argv[1], name), b"data", force=True)
    except OutputError as error:
        print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="permissions of POSIX")
def test_a_folder_that_may_not_be_written_is_told_and_leaves_the_old_file_whole() -> None:
    folder = Path(tempfile.mkdtemp(prefix="jahp-test-"))  # not in `tmp_path`, which only its owner may enter
    try:
        (folder / "old").write_bytes(b"old")
        folder.chmod(0o555)
        told = in_child(LOCKED, str(folder)).splitlines()
        assert told == [
            f"{folder / name} cannot be written: permission denied; choose another folder." for name in ("old", "new")
        ]
        assert (folder / "old").read_bytes() == b"old"
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)


# ---------------------------------------------------------------- models


@pytest.fixture
def own_model(tmp_path: Path) -> Path:
    """A copy of the tiny model that may be damaged."""
    return Path(shutil.copytree(TINY, tmp_path / "tiny"))


def use(folder: Path) -> None:
    encode(Model.load(folder), picture(20, 20))


@pytest.mark.parametrize("part", ["transforms", "tables", "joint"])
def test_missing_and_damaged_weights_are_told_by_the_name_of_their_file(own_model: Path, part: str) -> None:
    weights = own_model / f"{part}.safetensors"
    content = weights.read_bytes()
    for damaged in (content[:-1], content + b"\0", bytes([content[0] ^ 1]) + content[1:], b""):
        weights.write_bytes(damaged)
        told = complaint(lambda: use(own_model), ModelError)
        assert told == f"The weights {weights} are damaged (their digest differs); install the model again."
    weights.unlink()
    assert f"{weights} cannot be read (No such file" in complaint(lambda: use(own_model), ModelError)


@pytest.mark.parametrize("prior", ["factorized", "scale-hyperprior", "joint"])
def test_a_card_that_does_not_fit_its_weights_is_told(own_model: Path, prior: str) -> None:
    """Digests are of the weights: what the card says about them is not among them."""
    data = encode(Model.load(own_model), picture(20, 20), prior=prior).data
    card = json.loads((own_model / "card.json").read_text())
    card["config"]["latent_channels"] += 1
    (own_model / "card.json").write_text(json.dumps(card))
    told = complaint(lambda: decode(data, model=Model.load(own_model)), ModelError)
    assert "card" in told and told.endswith("install it again.")


def test_packed_weights_are_the_same_model_and_damaged_ones_are_told(own_model: Path) -> None:
    plain, packed = own_model / "joint.safetensors", own_model / "joint.safetensors.gz"
    expected = encode(Model.load(own_model), picture(20, 20)).data
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    plain.unlink()
    assert encode(Model.load(own_model), picture(20, 20)).data == expected
    content = packed.read_bytes()
    for damaged in (content[:-1], content + b"x", bytes([content[0] ^ 1]) + content[1:], content[:20] * 2, b""):
        packed.write_bytes(damaged)
        told = complaint(lambda: use(own_model), ModelError)
        assert told.startswith(f"The weights {packed} are damaged (")
    packed.write_bytes(gzip.compress(b"others"))
    assert f"{packed} are damaged (their digest differs)" in complaint(lambda: use(own_model), ModelError)


def test_weights_that_their_card_vouches_for_but_that_are_none_are_told(own_model: Path) -> None:
    card = json.loads((own_model / "card.json").read_text())
    strange = {
        "nothing": b"",
        "no safetensors": b"hello" * 10,
        "other tensors": safetensors.numpy.save({"x": np.zeros(3, np.float32)}),
        "tables that do not add up": safetensors.numpy.save(
            {
                name: np.zeros_like(value)
                for name, value in safetensors.numpy.load((own_model / "joint.safetensors").read_bytes()).items()
            }
        ),
    }
    for data in strange.values():
        for part in ("joint", "transforms", "tables"):
            shutil.copytree(TINY, own_model, dirs_exist_ok=True)
            (own_model / f"{part}.safetensors").write_bytes(data)
            files = {**card["files"], part: hashlib.sha256(data).hexdigest()}
            (own_model / "card.json").write_text(json.dumps({**card, "files": files}))
            complaint(lambda: use(own_model), ModelError)


@pytest.mark.parametrize(
    "change",
    [
        {"id": 3},
        {"id": None},
        {"title": ["x"]},
        {"files": {}},
        {"files": []},
        {"files": None},
        {"files": {"transforms": "00", "tables": "00"}},
        {"config": None},
        {"config": []},
        {"config": {"objective": "mse"}},
        {"config": {"lmbda_anchors": [0.1, 0.2]}},
        {"training": None},
        {"training": {"parameters": "many"}},
        {"training": {"loss": float("nan")}},
        {"results": 3},
    ],
    ids=json.dumps,
)
def test_a_card_that_lacks_something_is_damaged_and_not_listed(
    own_model: Path, change: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = own_model / "card.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    assert f"{path} is damaged (" in complaint(lambda: read_card(own_model), ModelError)
    monkeypatch.setenv("JAHP_MODELS", str(own_model.parent))
    assert "tiny" not in [card.model_id for card in installed_models()]


@pytest.mark.parametrize(
    "config",
    [
        {"lmbda_anchors": []},
        {"lmbda_anchors": [0.1]},
        {"lmbda_anchors": [0.2, 0.1]},
        {"lmbda_anchors": [0.0, 0.1]},
        {"lmbda_anchors": "low to high"},
        {"latent_channels": "8"},
        {"latent_channels": -8},
        {"latent_channels": 10**15},
        {"transform_widths": [4]},
        {"transform_widths": None},
        {"transform": "other"},
        {"depth": 3},
    ],
    ids=json.dumps,
)
def test_a_card_whose_configuration_is_not_that_of_the_weights_is_told(own_model: Path, config: dict) -> None:
    path = own_model / "card.json"
    card = json.loads(path.read_text())
    path.write_text(json.dumps({**card, "config": {**card["config"], **config}}))
    complaint(lambda: use(own_model), ModelError)


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "null", "[" * 100_000, "\0", '{"id": "\ud800"}'], ids=range(8))
def test_a_card_that_is_no_card_is_damaged(own_model: Path, text: str) -> None:
    (own_model / "card.json").write_text(text, errors="surrogatepass")
    assert "is damaged (" in complaint(lambda: read_card(own_model), ModelError)


@settings(repeatable, max_examples=100)
@given(edits)
def test_a_damaged_card_is_told_or_changes_nothing(changes: list) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "tiny"
        shutil.copytree(TINY, folder)
        path = folder / "card.json"
        path.write_bytes(apply(path.read_bytes(), changes))
        try:
            model = Model.load(folder)
            data = encode(model, picture(20, 20), lmbda=0.1).data
        except JahpError as error:
            assert is_sentence(re.sub(r"[\x00-\x1f]", "", str(error)))
        else:
            assert decode(data, model=model).y_hat.shape == (2, 2, 8)


def test_a_file_whose_model_is_missing_is_told_in_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("JAHP_MODELS", str(tmp_path))
    data = pack(Header(4, 64, "lost-7", bytes(6), 20, 20, bytes(4)), b"", b"")
    told = complaint(lambda: decode(data, name="photo.jahp"), ModelError)
    assert told.startswith("photo.jahp was made with model 'lost-7', which is not installed;")


def test_a_model_that_was_replaced_is_named_with_its_release() -> None:
    told = complaint(lambda: model_of_file("psnr-1", bytes(6), "joint", "photo.jahp"), UnknownModelError)
    assert told.startswith("photo.jahp was made with model 'psnr-1', which was replaced after release 0.1;")


def test_of_models_with_one_name_the_one_with_the_files_weights_decodes_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tiny_model: Model
) -> None:
    copy = tmp_path / "copies" / "tiny"
    shutil.copytree(tiny_model.card.folder, copy)
    content = json.loads((copy / CARD).read_text())
    content["files"]["joint"] = "ab" * 32  # as after `freeze --replace-priors`
    (copy / CARD).write_text(json.dumps(content))
    monkeypatch.setenv("JAHP_MODELS", os.pathsep.join((str(copy.parent), str(tiny_model.card.folder.parent))))
    assert find_model("tiny").folder == copy, "a new file is made with the first"
    encoded = encode(tiny_model, picture(40, 50))
    assert decode(encoded.data).model.card.folder == tiny_model.card.folder


def test_a_folder_that_is_named_like_an_installed_model_takes_not_its_place(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tiny_model: Model
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / CARD).write_text("{")
    assert decode(encode(tiny_model, picture(20, 30)).data).model.card == tiny_model.card
    assert find_model("tiny") == tiny_model.card
    for name in ("./tiny", Path("tiny")):
        complaint(lambda name=name: find_model(name), ModelError)


def test_a_model_is_read_from_its_folder_where_none_is_installed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tiny_model: Model
) -> None:
    def missing() -> Path:
        raise JahpError("The folder 'models' is missing from this installation.")

    monkeypatch.setattr(models, "models_dir", missing)
    assert Model.load(tiny_model.card.folder).card == tiny_model.card


def test_a_folder_that_stands_first_is_read_and_not_another_of_its_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tiny_model: Model
) -> None:
    """By a relative path, whose last part is the name of both."""
    other, here = tmp_path / "first" / "tiny", tmp_path / "tiny"
    for folder in (other, here):
        shutil.copytree(tiny_model.card.folder, folder)
    content = json.loads((other / CARD).read_text())
    content["files"]["joint"] = "ab" * 32
    (other / CARD).write_text(json.dumps(content))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JAHP_MODELS", os.pathsep.join((str(other.parent), ".")))
    encoded = encode(tiny_model, picture(20, 30))
    assert decode(encoded.data).model.card.folder == Path("tiny").absolute()


def test_a_models_own_folder_may_be_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tiny_model: Model) -> None:
    content = json.loads((tiny_model.card.folder / CARD).read_text()) | {"id": "mine"}
    shutil.copytree(tiny_model.card.folder, tmp_path / "mine")
    (tmp_path / "mine" / CARD).write_text(json.dumps(content))
    encoded = encode(Model.load(tmp_path / "mine"), picture(20, 30))
    monkeypatch.setenv("JAHP_MODELS", str(tmp_path / "mine"))
    assert decode(encoded.data).model.card.model_id == "mine"


def test_folders_that_may_not_be_entered_hide_no_model(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tiny_model: Model
) -> None:
    """Staged: nothing is forbidden to root."""
    locked, home = tmp_path / "mine" / "a-locked", tmp_path / "home"
    for folder in (locked, home):
        folder.mkdir(parents=True)
    shutil.copytree(tiny_model.card.folder, tmp_path / "mine" / "tiny")
    stat, listdir, scandir, open_file = os.stat, os.listdir, os.scandir, io.open

    def unless_locked(call: Callable) -> Callable:
        def guarded(path: Any = ".", *arguments: Any, **options: Any) -> Any:
            if str(path).startswith((f"{locked}{os.sep}", f"{home}{os.sep}")) or str(path) == str(home):
                raise PermissionError(13, "Permission denied", str(path))
            return call(path, *arguments, **options)

        return guarded

    for module, name, call in ((os, "stat", stat), (os, "listdir", listdir), (os, "scandir", scandir)):
        monkeypatch.setattr(module, name, unless_locked(call))
    monkeypatch.setattr(io, "open", unless_locked(open_file))  # what Path.open calls
    monkeypatch.setenv("JAHP_MODELS", os.pathsep.join((str(home), str(tmp_path / "mine"))))
    sentences: list[str] = []
    assert "tiny" in [card.model_id for card in installed_models(sentences)]
    assert sentences == [
        f"The models in {home} cannot be listed (Permission denied); change its permissions, or JAHP_MODELS.",
        f"The model card {locked / CARD} cannot be read (Permission denied).",
    ]
    assert find_model("tiny").folder == tmp_path / "mine" / "tiny"
    assert complaint(lambda: find_model("none"), UnknownModelError).startswith("There is no model named 'none' here")
    assert "cannot be read" in complaint(lambda: find_model(locked), ModelError)


def test_a_user_without_a_home_has_the_shipped_models(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    assert "tiny" in [card.model_id for card in installed_models()]


def test_a_file_of_a_replaced_model_is_decoded_by_one_that_has_its_weights_unchanged(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tiny_model: Model, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "photo.jahp"
    encoded = {prior: encode(tiny_model, picture(40, 50), prior=prior) for prior in ("joint", "context")}
    file.write_bytes(encoded["joint"].data)
    content = json.loads((tiny_model.card.folder / CARD).read_text()) | {"id": "tiny-next"}
    shutil.copytree(tiny_model.card.folder, tmp_path / "tiny-next")
    content["files"]["context"] = "ab" * 32  # the one that is new
    (tmp_path / "tiny-next" / CARD).write_text(json.dumps(content))
    monkeypatch.setenv("JAHP_MODELS", str(tmp_path))
    with pytest.raises(UnknownModelError):
        decode(file.read_bytes())
    monkeypatch.setitem(REPLACED, "tiny", "0.9")
    decoded = decode(file.read_bytes(), name="photo.jahp")
    assert decoded.model.card.model_id == "tiny-next"
    np.testing.assert_array_equal(decoded.y_hat, encoded["joint"].y_hat)
    assert main(["info", str(file)]) == 0
    assert "installed as part of tiny-next" in capsys.readouterr().out
    told = complaint(lambda: decode(encoded["context"].data, name="photo.jahp"), UnknownModelError)
    assert told.startswith("photo.jahp was made with model 'tiny', which was replaced after release 0.9;")
