"""Opening and saving where disks and networks fail, without a window."""

import errno
from collections.abc import Iterator
from pathlib import Path

import pytest
from gui_helpers import WAIT_MS
from pytestqt.qtbot import QtBot

from jahp_gui.gui.files import FileController
from jahp_gui.gui.jobs import Jobs
from jahp_gui.gui.session import Session
from jahp_gui.gui.settings import Settings


@pytest.fixture
def files(qapp: object, tmp_path: Path) -> Iterator[FileController]:
    jobs = Jobs()
    yield FileController(Session(), jobs, Settings(str(tmp_path / "settings.ini")))
    assert jobs.shutdown(10)


@pytest.fixture
def told(files: FileController) -> list[tuple[str, str]]:
    messages: list[tuple[str, str]] = []
    files.session.message.connect(lambda text, level: messages.append((text, level)))
    files.jobs.failed.connect(lambda text: messages.append((text, "error")))
    return messages


def lose_shares(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """What lies in a folder answers as on a network that has gone: `Path` raises most such errors."""
    stat = Path.stat

    def broken(path: Path, **how: bool) -> object:
        if path.is_relative_to(folder):
            raise OSError(errno.ENOTCONN, "Transport endpoint is not connected")
        return stat(path, **how)

    monkeypatch.setattr(Path, "stat", broken)


def test_a_file_that_cannot_be_seen_once_it_is_written_is_told(
    files: FileController, told: list, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "share" / "map.npz"
    with monkeypatch.context() as patch:
        lose_shares(patch, path.parent)
        files.write(path, lambda: None)
        qtbot.waitUntil(lambda: files.jobs.idle, timeout=WAIT_MS)
    assert told == [(f"{path} cannot be written: Transport endpoint is not connected.", "error")]
