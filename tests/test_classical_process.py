"""Classical codecs in a process of their own: the same files, errors, and a clean end."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from skimage.data import astronaut

from jahp_gui.codec.errors import ImageError, NoRoomError, UsageError
from jahp_gui.evaluation.classical import encode_to_size, get_codec
from jahp_gui.evaluation.classical_process import CodecProcess

PHOTO = np.ascontiguousarray(astronaut()[:96, 180:308])  # 128 by 96
OTHER = np.ascontiguousarray(astronaut()[100:180, 100:180])
JPEG, JPEG2000 = get_codec("jpeg420"), get_codec("jpeg2000")


@pytest.fixture(scope="module")
def process():
    process = CodecProcess(niceness=5)
    yield process
    process.close()


class Abandoned(Exception):
    """What a caller's check raises."""


def test_a_quality_gives_the_file_and_picture_of_the_codec_itself(process: CodecProcess) -> None:
    for rgb in (PHOTO, PHOTO, OTHER):  # the second time, the picture is there already
        coded = process.at_quality(JPEG2000, rgb, 20)
        assert coded.data == JPEG2000.encode(rgb, 20) and coded.quality == 20
        assert (coded.rgb == JPEG2000.decode(coded.data)).all()
    assert process._process is not None


def test_a_size_gives_the_file_of_the_search(process: CodecProcess) -> None:
    coded = process.to_size(JPEG, PHOTO, 2500)
    assert (coded.quality, coded.data) == encode_to_size(JPEG, PHOTO, 2500)


def test_errors_of_a_codec_arrive_and_the_process_goes_on(process: CodecProcess) -> None:
    with pytest.raises(UsageError, match="JPEG 4:2:0 takes a quality"):
        process.at_quality(JPEG, PHOTO, 101)
    assert process.at_quality(JPEG, PHOTO, 50).data == JPEG.encode(PHOTO, 50)


def test_a_caller_that_waits_no_more_ends_the_process_and_the_next_gets_another() -> None:
    process = CodecProcess()
    noise = np.random.default_rng(0).integers(0, 256, (1500, 1500, 3), dtype=np.uint8)
    calls = iter((True, False, False))

    def check() -> None:
        if not next(calls, False):
            raise Abandoned

    with pytest.raises(Abandoned):
        process.to_size(JPEG2000, noise, 1000, check)
    assert process._process is None
    assert process.at_quality(JPEG, PHOTO, 50).data == JPEG.encode(PHOTO, 50)
    process.close()


def test_a_process_that_dies_over_an_image_is_told_in_a_sentence(process: CodecProcess) -> None:
    process.at_quality(JPEG, PHOTO, 50)
    assert process._process is not None
    killed = process._process

    calls = iter((False, True))  # before the request, and while it is waited for

    def kill() -> None:
        if next(calls, False):
            killed.kill()

    with pytest.raises(ImageError, match="JPEG 2000 ended unexpectedly"):
        process.to_size(JPEG2000, np.tile(PHOTO, (10, 10, 1)), 10_000, kill)
    assert process.at_quality(JPEG, PHOTO, 50).data == JPEG.encode(PHOTO, 50)


def test_an_image_that_a_format_has_no_room_for_is_told_as_that(process: CodecProcess) -> None:
    """Callers leave the format's curve out and go on."""
    with pytest.raises(NoRoomError, match="WebP cannot store an image of 17000 by 1 pixels"):
        process.at_quality(get_codec("webp"), np.zeros((1, 17_000, 3), np.uint8), 50)


def test_without_a_process_the_work_is_done_in_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    process = CodecProcess()
    assert process.at_quality(JPEG, PHOTO, 50).data == JPEG.encode(PHOTO, 50)
    assert process._process is None


def test_a_closed_one_has_no_process_left() -> None:
    process = CodecProcess()
    process.at_quality(JPEG, PHOTO, 50)
    child = process._process
    assert child is not None
    process.close()
    assert child.poll() is not None


def test_it_ends_with_the_program_that_started_it() -> None:
    code = (
        "import numpy as np, os\n"
        "from jahp_gui.evaluation.classical import get_codec\n"
        "from jahp_gui.evaluation.classical_process import CodecProcess\n"
        "process = CodecProcess()\n"
        "process.at_quality(get_codec('jpeg420'), np.zeros((16, 16, 3), np.uint8), 50)\n"
        "print(process._process.pid, flush=True)\n"
        "os._exit(0)\n"
    )
    pid = int(subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True).stdout)
    for _ in range(200):
        if not _is_alive(pid):
            return
        time.sleep(0.05)
    pytest.fail("the process outlived its parent")


def test_files_of_the_current_folder_are_no_modules(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("queue", "numpy", "jahp_gui"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit(1)")
    monkeypatch.chdir(tmp_path)
    process = CodecProcess()
    assert process.at_quality(JPEG, PHOTO, 50).data == JPEG.encode(PHOTO, 50)
    process.close()


def test_it_loads_neither_torch_nor_qt() -> None:
    code = "import sys, jahp_gui.evaluation.classical_process; print({'torch', 'PySide6'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True)
    assert result.stdout == "set()\n"


def _is_alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
