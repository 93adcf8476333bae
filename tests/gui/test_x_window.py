"""The explorer in a real X window, its mouse moved by xdotool: what synthetic events cannot prove."""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from gui_helpers import make_picture
from PIL import Image

TOOLS = ("Xvfb", "xdotool")
MISSING = [tool for tool in TOOLS if shutil.which(tool) is None]
WAIT_SECONDS = 60.0


class Driven:
    """The running driver: its newest state, and the mouse on its display."""

    def __init__(self, process: subprocess.Popen[str], display: str):
        self.process, self.display = process, display
        self.state: dict = {}
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("{"):
                self.state = json.loads(line)

    def wait(self, condition: Callable[[dict], bool]) -> dict:
        deadline = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            if self.state and condition(self.state):
                return self.state
            time.sleep(0.05)
        raise AssertionError(f"waited in vain; the last state was {self.state}")

    def mouse(self, *words: object) -> None:
        environment = {**os.environ, "DISPLAY": self.display}
        subprocess.run(["xdotool", *map(str, words)], env=environment, check=True, timeout=20)

    def drag(self, start: tuple[int, int], end: tuple[int, int]) -> None:
        """Button down, eight small moves, button up."""
        self.mouse("mousemove", *start)
        self.mouse("mousedown", 1)
        for step in range(1, 9):
            position = (round(start[axis] + (end[axis] - start[axis]) * step / 8) for axis in (0, 1))
            self.mouse("mousemove", *position)
            time.sleep(0.06)
        self.mouse("mouseup", 1)


@pytest.fixture
def driven(tmp_path: Path, settings_file: Path, picture_file: Path) -> Iterator[Driven]:
    if MISSING:
        message = f"needs {' and '.join(MISSING)}"
        if os.environ.get("JAHP_REQUIRE_X") == "1":
            pytest.fail(message)
        pytest.skip(message)
    dropped = [tmp_path / "dropped.png", tmp_path / "another.png"]
    for seed, path in enumerate(dropped):
        Image.fromarray(make_picture(48, 64, seed=seed)).save(path)
    reading, writing = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writing), "-screen", "0", "1400x900x24", "-nolisten", "tcp"],
        pass_fds=[writing],
        stderr=subprocess.DEVNULL,
    )
    os.close(writing)
    display = f":{os.read(reading, 16).decode().strip()}"
    root = Path(__file__).resolve().parents[2]
    environment = {
        **os.environ,
        "DISPLAY": display,
        "QT_QPA_PLATFORM": "xcb",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")]),
    }
    process = subprocess.Popen(
        [
            sys.executable,
            str(Path(__file__).with_name("x_driver.py")),
            str(settings_file),
            str(picture_file),
            *map(str, dropped),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
    )
    try:
        yield Driven(process, display)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            process.wait(20)
        finally:
            process.kill()
            server.terminate()
            server.wait(20)
            os.close(reading)


def test_a_real_mouse_drags_the_divider_and_drops_a_file(driven: Driven) -> None:
    before = driven.wait(lambda state: state["exact"] is not None and state["divider"] == 0.5)
    x, y = before["handle"]
    driven.drag((x, y), (x + 160, y))
    left, top, width, height = before["canvas"]
    driven.wait(lambda state: state["divider"] == pytest.approx((x + 160 - left) / width, abs=0.003))

    driven.drag((40, 40), (left + width // 2, top + height // 2))
    after = driven.wait(lambda state: state["current"] == "dropped.png" and state["exact"] is not None)
    assert after["items"] == ["waves.png", "dropped.png"] and not after["overlay"]

    driven.drag((40, 40), tuple(after["entry"]))  # a field for text is a part of the window, too
    again = driven.wait(lambda state: state["current"] == "another.png" and state["exact"] is not None)
    assert again["items"][2] == again["current"] == "another.png" and again["lmbda"] == before["lmbda"] == "0.0128"
    driven.process.stdin.close()  # type: ignore[union-attr]
    assert driven.process.wait(20) == 0
