"""The command line as its users meet it: `main` in process for speed, real processes where that is the point."""

import io
import json
import math
import os
import re
import shutil
import subprocess
import sys
import time
import zlib
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tqdm import tqdm

from jahp_gui import __version__, codec
from jahp_gui.cli import COMMANDS, main
from jahp_gui.codec import container, decode, metrics
from jahp_gui.codec.choices import PRIOR_NAMES
from jahp_gui.codec.model import Model
from jahp_gui.codec.models import Card
from jahp_gui.codec.priors import PRIORS

ROOT = Path(__file__).parents[1]
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def photo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """ "photo.png" of 130 × 97 pixels in the working directory, which is empty otherwise."""
    monkeypatch.chdir(tmp_path)
    write_photo("photo.png", 130, 97)
    return "photo.png"


@pytest.fixture
def packed(photo: str, tiny_model: Model) -> str:
    """ "packed.jahp", made of the photo."""
    Path("packed.jahp").write_bytes(codec.encode(tiny_model, pixels(photo)).data)
    return "packed.jahp"


def write_photo(path: str | Path, width: int, height: int, mode: str = "RGB") -> None:
    y, x = np.mgrid[:height, :width]
    grain = np.random.default_rng(1).integers(0, 40, (height, width))
    grey = (100 + 80 * np.sin(x / 7) * np.cos(y / 5) + grain).astype(np.uint8)
    Image.fromarray(np.stack([grey, grey.T.reshape(grey.shape), 255 - grey], 2)).convert(mode).save(path)


def encode(*arguments: str) -> None:
    assert main(["encode", "--model", "tiny", *arguments]) == 0


def told(capsys: Capture, *arguments: str) -> Any:
    """What a command that succeeds reports as JSON."""
    assert main([*arguments, "--json"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return json.loads(captured.out)


def refused(capsys: Capture, *arguments: str) -> str:
    """The one line on standard error of a command that fails by its user's mistake."""
    assert main(arguments) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("jahp: ")
    return lines[0]


def process(*arguments: str, **options: Any) -> "subprocess.CompletedProcess[bytes]":
    command = [sys.executable, "-m", "jahp_gui", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, capture_output="stdout" not in options, env=environment, **options)


def pixels(path: str | io.BytesIO) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


# ---------------------------------------------------------------- encode and decode


@pytest.mark.parametrize("prior", ["factorized", "joint"])
def test_a_photo_comes_back_as_the_codec_decodes_it(photo: str, prior: str) -> None:
    encode(photo, "x.jahp", "--prior", prior, "--lmbda", "0.05")
    assert main(["decode", "x.jahp", "x.png"]) == 0
    np.testing.assert_array_equal(pixels("x.png"), decode(Path("x.jahp").read_bytes()).rgb)


def test_files_may_follow_options(photo: str) -> None:
    assert main(["encode", photo, "--model", "tiny", "--lmbda", "0.05", "x.jahp"]) == 0
    Path("x.png").write_bytes(b"old")
    assert main(["decode", "x.jahp", "--force", "x.png"]) == 0
    assert pixels("x.png").shape == pixels(photo).shape
    shutil.copy(photo, "other.png")
    assert main(["encode", photo, "--out-dir", "packed", "other.png", "--model", "tiny"]) == 0
    assert sorted(os.listdir("packed")) == ["other.jahp", "photo.jahp"]


def test_results_lie_beside_their_inputs_by_default(photo: str) -> None:
    encode(photo)
    os.unlink(photo)
    assert main(["decode", "photo.jahp"]) == 0
    assert sorted(os.listdir()) == ["photo.jahp", "photo.png"]


def test_the_suffix_of_the_picture_names_its_format(packed: str) -> None:
    assert main(["decode", packed, "x.bmp"]) == 0
    with Image.open("x.bmp") as image:
        assert (image.format, image.size) == ("BMP", (130, 97))


def test_the_report_is_one_line_with_bytes_rate_lmbda_prior_and_notes(tmp_path: Path, capsys: Capture) -> None:
    source, target = str(tmp_path / "clear.png"), str(tmp_path / "clear.jahp")
    image = Image.new("RGBA", (40, 30), (200, 90, 10, 128))
    image.save(source)
    encode(source)
    size = os.path.getsize(target)
    assert capsys.readouterr().out == (
        f"{source} → {target}: {size} bytes, {8 * size / 1200:.3f} bpp, {3600 / size:.1f}:1, λ 0.0128, joint "
        "(transparency composited on white)\n"
    )


def test_the_psnr_is_that_of_the_file_that_was_written(photo: str, capsys: Capture) -> None:
    entry = told(capsys, "encode", photo, "--model", "tiny", "--psnr")["files"][0]
    assert entry["psnr"] == metrics.psnr(pixels(photo), decode(Path("photo.jahp").read_bytes()).rgb)
    assert entry["bytes"] == os.path.getsize("photo.jahp")


def test_the_psnr_of_equal_pictures_is_null(photo: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "psnr", lambda *_: math.inf)
    arguments = ("encode", photo, "--model", "tiny", "--psnr", "--force")
    assert told(capsys, *arguments)["files"][0]["psnr"] is None
    assert main(arguments) == 0
    assert "every pixel equal" in capsys.readouterr().out


def test_without_being_asked_for_no_psnr_is_measured(photo: str, capsys: Capture) -> None:
    assert "psnr" not in told(capsys, "encode", photo, "--model", "tiny")["files"][0]


def test_lmbda_is_reported_as_the_grid_of_the_model_rounds_it(photo: str, capsys: Capture, tiny_model: Model) -> None:
    entry = told(capsys, "encode", photo, "--model", "tiny", "--lmbda", "0.0131")["files"][0]
    assert entry["lmbda"] == tiny_model.lmbda(tiny_model.gain_index(0.0131)) != 0.0131
    assert entry["notes"] == []


def test_a_lmbda_outside_the_range_of_the_model_is_noted(photo: str, capsys: Capture) -> None:
    entry = told(capsys, "encode", photo, "--model", "tiny", "--lmbda", "7")["files"][0]
    assert entry["lmbda"] == 0.2
    assert entry["notes"] == ["λ 7 is outside the model's range 0.0016 to 0.2: 0.2 was used"]


def test_without_a_lmbda_it_is_one_in_the_middle_of_the_model_s_range(
    photo: str, capsys: Capture, ms_ssim_card: Card
) -> None:
    assert told(capsys, "encode", photo, "--model", "tiny")["files"][0]["lmbda"] == 0.0128
    entry = told(capsys, "encode", photo, "other.jahp", "--model", str(ms_ssim_card.folder))["files"][0]
    assert entry["lmbda"] == 17.0 and entry["notes"] == []


@pytest.mark.parametrize(
    ("option", "key"), [("--target-kb", "bytes"), ("--target-bpp", "bpp"), ("--target-psnr", "psnr")]
)
def test_targets_are_met_within_two_percent(tmp_path: Path, capsys: Capture, option: str, key: str) -> None:
    source = str(tmp_path / "large.png")
    write_photo(source, 256, 192)
    wanted = told(capsys, "encode", source, "--model", "tiny", "--lmbda", "0.03", "--psnr")["files"][0][key]
    value = wanted / 1000 if key == "bytes" else wanted
    found = told(capsys, "encode", source, str(tmp_path / "x.jahp"), "--model", "tiny", option, str(value))
    assert found["files"][0][key] == pytest.approx(wanted, rel=0.02)
    assert main(["encode", "--help"]) == 0
    assert capsys.readouterr().out.count("within 2%") == 3


def test_the_seconds_of_a_target_are_those_of_the_whole_search(
    photo: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(*arguments: Any, **options: Any) -> codec.Encoded:
        time.sleep(0.3)
        return codec.encode(*arguments[:2])

    monkeypatch.setattr(codec, "encode_to_target", slow)
    assert told(capsys, "encode", photo, "--model", "tiny", "--target-kb", "1")["files"][0]["seconds"] >= 0.3


def test_a_target_out_of_reach_is_refused_by_a_sentence_that_names_file_and_unit(photo: str, capsys: Capture) -> None:
    line = refused(capsys, "encode", photo, "--model", "tiny", "--target-bpp", "0.0001")
    assert "photo.png: The target of 0.0001 bpp cannot be reached" in line
    assert not os.path.exists("photo.jahp")


# ---------------------------------------------------------------- many files


def test_a_folder_is_encoded_and_decoded_into_another(photo: str) -> None:
    os.mkdir("photos")
    for name in ("a.png", "b.bmp"):
        write_photo(f"photos/{name}", 40, 30)
    Path("photos/notes.txt").write_text("not an image")
    encode("photos", photo, "--out-dir", "out/packed")
    assert sorted(os.listdir("out/packed")) == ["a.jahp", "b.jahp", "photo.jahp"]
    assert main(["decode", "out/packed", "--out-dir", "back"]) == 0
    assert sorted(os.listdir("back")) == ["a.png", "b.png", "photo.png"]


def test_a_folder_of_files_in_capitals_is_decoded_and_one_that_cannot_be_listed_is_not_called_empty(
    packed: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkdir("packed")
    os.rename(packed, "packed/PHOTO.JAHP")
    assert main(["decode", "packed", "--out-dir", "back"]) == 0
    assert os.listdir("back") == ["PHOTO.png"]
    capsys.readouterr()
    monkeypatch.setattr(Path, "iterdir", failing(PermissionError(13, "Permission denied")))
    assert "packed is no folder that can be listed (Permission denied)" in refused(
        capsys, "decode", "packed", "--out-dir", "more"
    )


def test_one_bad_file_does_not_stop_the_others(photo: str, capsys: Capture) -> None:
    Path("bad.png").write_text("not an image")
    line = refused(capsys, "encode", "bad.png", photo, "--model", "tiny", "--out-dir", "out")
    assert "bad.png" in line
    assert os.listdir("out") == ["photo.jahp"]


def test_json_holds_results_and_errors_of_a_batch(photo: str, capsys: Capture) -> None:
    assert main(["encode", "missing.png", photo, "--model", "tiny", "--out-dir", "out", "--json"]) == 2
    captured = capsys.readouterr()
    report = json.loads(captured.out)
    assert [entry["output"] for entry in report["files"]] == [os.path.join("out", "photo.jahp")]
    assert [entry["input"] for entry in report["errors"]] == ["missing.png"]
    assert captured.err.splitlines() == ["jahp: " + report["errors"][0]["error"]]


@pytest.mark.parametrize("other", ["photo.bmp", "Photo.bmp"])
def test_two_inputs_with_one_result_are_refused_before_anything_is_written(
    photo: str, capsys: Capture, other: str
) -> None:
    write_photo(other, 20, 20)
    line = refused(capsys, "encode", photo, other, "--model", "tiny", "--out-dir", "out")
    assert photo in line
    assert other in line
    assert not os.path.exists("out")


# ---------------------------------------------------------------- nothing is lost


def test_a_result_that_exists_is_replaced_only_by_force(photo: str, capsys: Capture) -> None:
    Path("photo.jahp").write_text("precious")
    assert "--force" in refused(capsys, "encode", photo, "--model", "tiny")
    assert Path("photo.jahp").read_text() == "precious"
    encode(photo, "--force")
    assert container.read_file("photo.jahp").header.width == 130


def test_a_decoded_picture_never_replaces_the_original_unasked(photo: str, capsys: Capture) -> None:
    original = Path(photo).read_bytes()
    encode(photo)
    capsys.readouterr()
    assert "photo.png exists already" in refused(capsys, "decode", "photo.jahp")
    assert Path(photo).read_bytes() == original


def test_a_second_input_is_not_taken_for_the_output(photo: str, packed: str, capsys: Capture) -> None:
    for name in ("second.JPG", "second.heic", "second.DNG", "second.psd"):
        assert "--out-dir" in refused(capsys, "encode", photo, name, "--force")
    assert "--out-dir" in refused(capsys, "decode", packed, "second.jahp", "--force")
    assert "second.JAHP is named like an input" in refused(capsys, "maps", packed, "second.JAHP", "--force")
    assert sorted(os.listdir()) == [packed, photo]


@pytest.mark.parametrize("command", ["encode photo photo", "encode photo.png link", "decode x.png x.png", "maps x x"])
def test_the_input_itself_is_never_replaced(packed: str, capsys: Capture, command: str) -> None:
    shutil.copy("photo.png", "photo")
    if "link" in command:
        try:
            os.symlink("photo.png", "link")
        except OSError:
            pytest.skip("this account may make no links")
    for name in ("x.png", "x"):
        shutil.copy(packed, name)
    before = {name: Path(name).read_bytes() for name in os.listdir()}
    model = ["--model", "tiny"] if command.startswith("encode") else []
    assert "is the input itself" in refused(capsys, *command.split(), "--force", *model)
    assert {name: Path(name).read_bytes() for name in os.listdir()} == before


def test_a_failed_command_leaves_nothing_behind(packed: str, capsys: Capture) -> None:
    Path("cut.jahp").write_bytes(Path(packed).read_bytes()[:-9])
    refused(capsys, "decode", "cut.jahp")
    refused(capsys, "maps", "cut.jahp", "cut.npz")
    assert sorted(os.listdir()) == ["cut.jahp", packed, "photo.png"]


@pytest.mark.parametrize("options", ["--model none", "--model tiny --prior best"])
def test_a_refused_command_makes_no_folder(photo: str, capsys: Capture, options: str) -> None:
    refused(capsys, "encode", photo, "--out-dir", "out", *options.split())
    assert os.listdir() == [photo]


def test_a_picture_that_its_format_has_no_room_for_is_refused_before_it_is_decoded(photo: str, capsys: Capture) -> None:
    header = container.Header(2, 48, "tiny", bytes(6), 66_000, 1, bytes(4))
    Path("wide.jahp").write_bytes(container.pack(header, b"", b""))
    for name, image_format in (("x.webp", "WEBP"), ("x.jpg", "JPEG")):
        assert f"{image_format} has no room for 66000 x 1 pixels" in refused(capsys, "decode", "wide.jahp", name)
    assert "other weights" in refused(capsys, "decode", "wide.jahp", "x.png")


# ---------------------------------------------------------------- mistakes


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("encode missing.png --model tiny", "missing.png does not exist"),
        ("encode . --model tiny", ". is a folder"),
        ("encode empty --out-dir out --model tiny", "empty holds no file to take"),
        ("encode photo.png --prior best --model tiny", "has no prior 'best'; choose one of factorized"),
        ("encode photo.png --model none", "no model named 'none'"),
        ("encode photo.png nowhere/x.jahp --model tiny", "its folder does not exist"),
        ("encode photo.png empty --model tiny", "empty is a folder"),
        ("encode photo.png --out-dir photo.png/out --model tiny", "cannot be made"),
        ("encode photo.png --max-pixels 100 --model tiny", "more than the limit of 100"),
        ("encode photo.png --lmbda 0", "'0' is not a number above zero"),
        ("encode photo.png --lmbda nan", "'nan' is not a number above zero"),
        ("encode photo.png --threads 1.5", "'1.5' is not a whole number above zero"),
        ("encode photo.png --threads 99999999999", "'99999999999' is more than 1024"),
        ("encode photo.png /dev/null --force --model tiny", "/dev/null is not an ordinary file"),
        ("encode photo.png --lmbda 1 --target-kb 3", "not allowed with"),
        ("encode a.png b.png c.png", "--out-dir DIR"),
        ("encode - --out-dir out", "Standard input has no name"),
        ("encode packed.jahp --model tiny", "suffix of the result"),
        ("encode packed.jahp x.jahp --model tiny", "packed.jahp is not an image"),
        ("decode missing.jahp", "missing.jahp does not exist"),
        ("decode nowhere/missing.jahp", "nowhere/missing.jahp does not exist"),
        ("maps nowhere/missing.jahp nowhere/x.npz", "nowhere/missing.jahp does not exist"),
        ("encode photo.png --nonsense", "--nonsense; see `jahp encode --help`"),
        ("decode photo.png x.png", "photo.png is not a .jahp file"),
        ("decode photo.png x.gif", "x.gif has a suffix that no image is written with"),
        ("decode packed.jahp --max-pixels 100", "more than the limit of 100"),
        ("info photo.png", "photo.png is not a .jahp file"),
        ("info", "required: FILE"),
        ("maps photo.png x.npz", "photo.png is not a .jahp file"),
        ("models --card none", "no model named 'none'"),
        ("train missing.toml", "missing.toml"),
        ("train photo.png", "photo.png is not a readable training configuration"),
        ("freeze missing.pt new --id x --title X", "missing.pt"),
        ("freeze missing.pt new --id X! --title X", "model id 'X!'"),
        ("freeze missing.pt photo.png --id x --title X --force", "not a model folder"),
        ("undo", "invalid choice: 'undo'"),
        ("--quiet", "--help"),
        ("", "COMMAND"),
    ],
)
def test_a_mistake_is_told_in_one_line(packed: str, capsys: Capture, command: str, words: str) -> None:
    os.mkdir("empty")
    assert words in refused(capsys, *command.split())


def test_a_folder_that_may_not_be_written_is_told_before_the_work(
    photo: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Staged: nothing is forbidden to root."""
    os.mkdir("locked")
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert "may not be changed" in refused(capsys, "encode", photo, "locked/x.jahp", "--model", "tiny")


def test_a_truncated_file_is_refused(packed: str, capsys: Capture) -> None:
    data = Path(packed).read_bytes()
    Path("cut.jahp").write_bytes(data[:-1])
    for command in (["decode", "cut.jahp"], ["info", "cut.jahp"]):
        assert f"cut.jahp is cut off after {len(data) - 1} of {len(data)} bytes" in refused(capsys, *command)


def test_a_file_of_other_weights_is_refused_and_explained_by_info(packed: str, capsys: Capture) -> None:
    data = bytearray(Path(packed).read_bytes()[:-4])
    data[12] ^= 1  # the first byte of the model's digest: magic 4, fields 4, id 4
    Path("other.jahp").write_bytes(data + zlib.crc32(data).to_bytes(4, "little"))
    assert "other weights of model 'tiny'" in refused(capsys, "decode", "other.jahp")
    entry = told(capsys, "info", "other.jahp")
    assert (entry["installed"], entry["status"], entry["lmbda"]) == (False, "installed with other weights", None)


def test_a_file_of_a_model_that_is_not_installed_is_refused_and_explained_by_info(
    packed: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("JAHP_MODELS")
    assert "model 'tiny', which is not installed" in refused(capsys, "decode", packed)
    assert told(capsys, "info", packed)["status"] == "not installed"


def test_a_name_with_control_characters_stays_on_one_line(photo: str, capsys: Capture) -> None:
    assert "a?b.png does not exist" in refused(capsys, "encode", "a\nb.png", "--model", "tiny")


# ---------------------------------------------------------------- ends that are nobody's mistake


def test_an_interrupt_ends_quietly_with_130(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=SimpleNamespace(read=failing(KeyboardInterrupt()))))
    assert main(["info", "-"]) == 130
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes.")]
)
def test_a_failed_allocation_is_told_in_one_line(
    photo: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(Model, "analysis", failing(error))
    assert "photo.png needs more memory than is free" in refused(capsys, "encode", photo, "--model", "tiny")


def test_other_runtime_errors_are_bugs_and_not_hidden(photo: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Model, "analysis", failing(RuntimeError("shapes differ")))
    with pytest.raises(RuntimeError, match="shapes differ"):
        main(["encode", photo, "--model", "tiny"])


def failing(error: BaseException) -> Any:
    def fail(*arguments: Any) -> Any:
        raise error

    return fail


def test_a_reader_that_goes_away_ends_the_command_quietly(packed: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = process("info", packed, stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
def test_a_full_disk_behind_standard_output_is_told_in_one_line(packed: str) -> None:
    with open("/dev/full", "wb") as full:
        done = process("info", packed, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 2
    assert done.stderr.decode().splitlines() == [
        "jahp: Standard output cannot be used: No space left on device; choose another place."
    ]


def test_after_two_dashes_a_file_may_begin_with_one(photo: str) -> None:
    os.rename(photo, "-holiday.png")
    encode("--lmbda", "0.05", "--", "-holiday.png")
    assert main(["decode", "--", "-holiday.jahp", "-back.png"]) == 0
    assert sorted(os.listdir()) == ["-back.png", "-holiday.jahp", "-holiday.png"]


def test_two_dashes_end_the_values_of_an_option(photo: str, capsys: Capture) -> None:
    os.mkdir("photos")
    assert "in the folder photos" in refused(capsys, "evaluate", "--out", "r.json", "--models", "tiny", "--", "photos")


# ---------------------------------------------------------------- pipes and terminals


def close(monkeypatch: pytest.MonkeyPatch, stream: str) -> None:
    """As Python has it where a program is started with `>&-`."""
    monkeypatch.setattr(sys, stream, None)
    monkeypatch.setattr(sys, f"__{stream}__", None)


def test_closed_streams_are_done_without(packed: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    close(monkeypatch, "stdin")
    assert "Standard input is closed" in refused(capsys, "info", "-")
    assert "Standard input is closed" in refused(capsys, "decode", "-", "x.png")
    close(monkeypatch, "stdout")
    assert main(["decode", packed, "x.png"]) == 0
    assert pixels("x.png").shape == (97, 130, 3)
    capsys.readouterr()
    assert "Standard output is closed" in refused(capsys, "decode", packed, "-")


def test_what_a_closed_standard_error_cannot_take_is_not_written_elsewhere(
    packed: str, capsysbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    close(monkeypatch, "stderr")
    assert main(["info", "missing.jahp"]) == 2
    assert main(["decode", packed, "-", "--json"]) == 0
    assert pixels(io.BytesIO(capsysbinary.readouterr().out)).shape == (97, 130, 3)


@pytest.mark.skipif(os.name == "nt", reason="a shell of POSIX")
def test_a_program_started_with_closed_streams_ends_well(packed: str) -> None:
    command = [sys.executable, "-m", "jahp_gui", "info", packed]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *command], env=environment, check=False)
    assert done.returncode == 0


def test_standard_input_and_output_carry_the_same_bytes_as_files(photo: str) -> None:
    encode(photo, "--lmbda", "0.05")
    with open(photo, "rb") as file:
        done = process("encode", "-", "-", "--model", "tiny", "--lmbda", "0.05", stdin=file)
    assert done.returncode == 0
    assert done.stdout == Path("photo.jahp").read_bytes()
    assert done.stderr.decode().startswith("standard input → standard output: ")


def test_a_picture_is_decoded_from_standard_input_to_standard_output(
    packed: str, capsysbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = Path(packed).read_bytes()
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(data)))
    assert main(["decode", "-"]) == 0
    np.testing.assert_array_equal(pixels(io.BytesIO(capsysbinary.readouterr().out)), decode(data).rgb)


def test_binary_data_is_not_written_to_a_terminal(
    packed: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert "Standard output is a terminal" in refused(capsys, "decode", packed, "-")


def test_a_terminal_sees_how_far_a_command_is(photo: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only there is the bar drawn, in a run of two files of which one is no picture."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setattr("tqdm.tqdm", lambda **options: tqdm(**options | {"delay": 0}))  # the files are small
    Path("no.png").write_bytes(b"no picture")
    assert main(["encode", photo, "no.png", "--out-dir", "out", "--model", "tiny", "--effort", "2"]) == 2
    drawn = capsys.readouterr().err
    percents = [int(found) for found in re.findall(r"\r *(\d+)%", drawn)]
    assert percents[0] == 0 < percents[-1] <= 100 and percents == sorted(percents)
    assert drawn.splitlines()[-1].startswith("jahp: no.png is not an image") and os.listdir("out") == ["photo.jahp"]


def test_a_terminal_without_greek_gets_a_question_mark(packed: str) -> None:
    command = [sys.executable, "-m", "jahp_gui", "info", packed]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, capture_output=True, env=environment, check=True)
    assert b"  ?       0.0128 (gain index 48)" in done.stdout


# ---------------------------------------------------------------- info, models, maps


def test_info_adds_up_to_the_file(packed: str, capsys: Capture) -> None:
    entry = told(capsys, "info", packed)
    assert entry["bytes"] == entry["header_bytes"] + entry["z_bytes"] + entry["y_bytes"] == os.path.getsize(packed)
    expected = {"width": 130, "height": 97, "prior": "joint", "lmbda": 0.0128, "gain_index": 48, "model": "tiny"}
    assert entry.items() >= {**expected, "installed": True}.items()
    assert main(["info", packed]) == 0
    text = capsys.readouterr().out
    for words in ("130 × 97 pixels", f"{entry['bpp']:.3f} bpp", "joint", "0.0128", entry["model_digest"], "installed"):
        assert words in text


def test_info_shows_a_file_of_a_prior_and_size_that_this_version_cannot_decode(packed: str, capsys: Capture) -> None:
    header = container.Header(63, 239, "tiny", bytes(6), 2**24 - 1, 2**24 - 1, bytes(4))
    Path("future.jahp").write_bytes(container.pack(header, b"", b""))
    entry = told(capsys, "info", "future.jahp")
    assert (entry["prior"], entry["prior_code"], entry["lmbda"]) == (None, 63, None)
    assert main(["info", "future.jahp"]) == 0
    assert "unknown to this version (code 63)" in capsys.readouterr().out


def test_info_and_help_answer_at_once_without_torch_numpy_or_qt(packed: str) -> None:
    program = (
        "import sys; from jahp_gui.cli import main\n"
        f"assert main(['info', {packed!r}]) == main(['--help']) == main(['models']) == main(['gui', '--help']) == 0\n"
        "heavy = {'torch', 'numpy', 'PIL', 'PySide6', 'jahp_gui.evaluation', 'jahp_gui.bench'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", program], check=True, env=environment, stdout=subprocess.DEVNULL)


def test_priors_are_named_alike_with_and_without_torch() -> None:
    assert {prior.code: prior.name for prior in PRIORS.values()} == PRIOR_NAMES


def test_models_are_listed_with_what_their_cards_say(capsys: Capture) -> None:
    entry = next(entry for entry in told(capsys, "models") if entry["id"] == "tiny")
    assert entry["priors"] == list(PRIORS)
    assert (entry["lmbda_range"], entry["objective"]) == ([0.0016, 0.2], "mse")
    assert Path(entry["folder"], "card.json").is_file()
    assert main(["models"]) == 0
    assert "λ           0.0016 to 0.2, trained for mse" in capsys.readouterr().out


def test_the_card_of_a_model_is_printed_whole(capsys: Capture) -> None:
    card = json.loads((ROOT / "tests/models/tiny/card.json").read_text(encoding="utf-8"))
    assert told(capsys, "models", "--card", "tiny") == card


def test_where_no_model_is_installed_it_is_told_where_they_are_looked_for(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JAHP_MODELS", str(tmp_path / "mine"))
    monkeypatch.setattr("jahp_gui.codec.models.models_dir", lambda: tmp_path / "shipped")
    assert told(capsys, "models") == []
    assert main(["models"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"No models are installed; they are looked for in {tmp_path / 'mine'}, ")
    assert out.endswith(f"{tmp_path / 'shipped'}.\n")


@pytest.mark.parametrize("prior", ["factorized", "joint"])
def test_maps_hold_what_every_latent_of_the_file_cost(photo: str, capsys: Capture, prior: str) -> None:
    encode(photo, "x.jahp", "--prior", prior)
    assert main(["maps", "x.jahp", "x.npz"]) == 0
    parts = container.read_file("x.jahp")
    with np.load("x.npz") as arrays:
        assert arrays["axes"].tolist() == ["row", "column", "channel"]
        assert arrays["y_hat"].shape == arrays["bits"].shape == arrays["mu"].shape == arrays["sigma"].shape
        assert arrays["y_hat"].shape[:2] == (7, 9)
        np.testing.assert_array_equal(arrays["y_hat"], decode(Path("x.jahp").read_bytes()).y_hat)
        assert (arrays["prior"], arrays["lmbda"], arrays["file_bytes"]) == (prior, 0.0128, parts.total_bytes)
        assert arrays["bits"].sum() / 8 == pytest.approx(len(parts.y), abs=16)
        assert ("z_bits" in arrays) == (prior == "joint")
        if prior == "joint":
            assert arrays["z_hat"].shape == arrays["z_bits"].shape
            assert arrays["z_bits"].sum() / 8 == pytest.approx(len(parts.z), abs=16)


def test_maps_take_the_side_information_of_the_file_not_of_an_encoder(
    packed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from jahp_gui.codec.priors.frozen_gaussian import FrozenGaussian

    monkeypatch.setattr(FrozenGaussian, "side_information", failing(AssertionError("an encoder was asked")))
    assert main(["maps", packed, "x.npz"]) == 0


# ---------------------------------------------------------------- train and freeze

TRAINING = """
[train]
images = ["photos"]
validation = "photos"
output = "run"
minutes = 0.001
priors = ["factorized"]
crop = 64
batch = 1
smallest_scale = 1.0
scales_per_image = 1
[model]
latent_channels = 4
transform_widths = [8, 8, 8]
"""


def test_a_model_can_be_trained_frozen_and_used(photo: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkdir("photos")
    write_photo("photos/a.png", 64, 64)
    Path("my.toml").write_text(TRAINING)
    assert main(["train", "my.toml", "--minutes", "0.01"]) == 0
    assert [json.loads(line)["kind"] for line in capsys.readouterr().out.splitlines()][-1] == "validation"

    freeze = ["freeze", "run/checkpoint.pt", "models/mine", "--id", "mine", "--title", "My own"]
    assert main(freeze) == 0
    card = json.loads(capsys.readouterr().out)
    assert (card["id"], card["title"]) == ("mine", "My own")
    assert card["training"]["parameters"] > 0
    assert os.listdir("models") == ["mine"]
    assert "--force" in refused(capsys, *freeze)
    assert main([*freeze, "--force"]) == 0
    assert os.listdir("models") == ["mine"]

    monkeypatch.setenv("JAHP_MODELS", "models")
    assert main(["encode", photo, "x.jahp", "--model", "mine", "--prior", "factorized"]) == 0
    assert main(["decode", "x.jahp"]) == 0


def test_freezing_never_deletes_a_folder_that_is_no_model(photo: str, capsys: Capture) -> None:
    os.mkdir("thesis")
    Path("thesis/chapter1.tex").write_text("precious")
    assert "not a model folder" in refused(capsys, "freeze", "x.pt", "thesis", "--id", "x", "--title", "X", "--force")
    assert os.listdir("thesis") == ["chapter1.tex"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--replace-priors --id x", "leave --id and --title out"),
        ("--id x", "needs an --id and a --title"),
        ("--id x --title X\aY", "must be one line of text"),
    ],
)
def test_a_refused_freeze_leaves_no_folder(photo: str, capsys: Capture, options: str, words: str) -> None:
    assert words in refused(capsys, "freeze", "x.pt", "new", *options.split())
    assert os.listdir() == [photo]


# ---------------------------------------------------------------- the program itself


def test_the_version_is_that_of_the_package(capsys: Capture) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"jahp {__version__}\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str, capsys: Capture) -> None:
    assert main([name, "--help"]) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"usage: jahp {name}")
    module = import_module(COMMANDS[name].module)
    assert callable(module.run)
