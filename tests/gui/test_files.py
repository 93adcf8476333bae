"""Opening and saving where disks and networks fail, without a window."""

import errno
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from gui_helpers import WAIT_MS, make_picture, window_of
from PIL import Image
from pytestqt.qtbot import QtBot

from jahp_gui.codec.importance import Mask
from jahp_gui.gui import files as files_module
from jahp_gui.gui import work
from jahp_gui.gui.app import Explorer
from jahp_gui.gui.files import LISTED_JOBS, FileController
from jahp_gui.gui.jobs import Jobs
from jahp_gui.gui.results import ImageItem
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


@pytest.fixture
def three(files: FileController, qtbot: QtBot, tmp_path: Path) -> list[ImageItem]:
    """Of one size, listed; the first is shown."""
    paths = [tmp_path / name for name in ("a.png", "b.png", "c.png")]
    for seed, path in enumerate(paths):
        Image.fromarray(make_picture(48, 64, seed)).save(path)
    files.open_paths(paths)
    wait_for(qtbot, files, "a.png")
    return list(files.session.items)


def wait_for(qtbot: QtBot, files: FileController, name: str) -> ImageItem:
    """Until this image is shown."""

    def shown() -> bool:
        item = files.session.current
        return item is not None and item.name == name and item.picture is not None and files.jobs.idle

    qtbot.waitUntil(shown, timeout=WAIT_MS)
    assert files.session.current is not None
    return files.session.current


def pixels(item: ImageItem) -> np.ndarray:
    assert item.original is not None
    return item.original.rgb


def replace_picture(path: Path, seed: int) -> np.ndarray:
    """By another of its size, written later; a file system's clock may be coarse."""
    rgb, before = make_picture(48, 64, seed), path.stat().st_mtime_ns
    Image.fromarray(rgb).save(path)
    os.utime(path, ns=(before + 1_000_000_000,) * 2)
    return rgb


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


# ---------------------------------------------------------------- shares that have gone


def test_a_path_that_cannot_be_reached_is_missing(
    files: FileController, told: list, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, share = tmp_path / "here.png", tmp_path / "share"
    Image.fromarray(make_picture(48, 64)).save(here)
    lose_shares(monkeypatch, share)
    files.open_paths([share / "gone.png", here])
    wait_for(qtbot, files, "here.png")
    assert told == [("There is no file gone.png.", "error")]


def test_the_explorer_starts_without_the_last_images_that_cannot_be_reached(
    make_explorer: Callable[..., Explorer],
    settings_file: Path,
    picture_file: Path,
    tmp_path: Path,
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = Settings(str(settings_file))
    settings.set("last images", [tmp_path / "share" / "gone.png", picture_file])
    settings.sync()
    lose_shares(monkeypatch, tmp_path / "share")
    explorer = make_explorer()
    qtbot.waitUntil(lambda: explorer.session.current is not None, timeout=WAIT_MS)
    window_of(explorer).close()
    assert explorer.settings.paths("last images") == [picture_file]


def test_a_refined_file_whose_folder_cannot_be_reached_is_not_taken_for_saved(
    files: FileController, told: list, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "share" / "waves.png"
    lose_shares(monkeypatch, path.parent)
    assert not files.save_refined(ImageItem(path.name, path), b"minutes of work")
    assert [level for _, level in told] == ["error"]


def test_an_image_that_hangs_keeps_no_other_from_being_read(
    files: FileController, three: list[ImageItem], qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    hangs, release, load = threading.Event(), threading.Event(), work.load_item

    def hang(path: Path) -> ImageItem:
        if path.name == "b.png":
            hangs.set()
            release.wait(60)
        return load(path)

    monkeypatch.setattr(work, "load_item", hang)
    files.session.select(three[1])
    assert hangs.wait(10)
    files.session.select(three[2])
    qtbot.waitUntil(lambda: three[2].picture is not None, timeout=WAIT_MS)
    release.set()
    qtbot.waitUntil(lambda: files.jobs.idle, timeout=WAIT_MS)
    assert three[1].picture is None and files.session.current is three[2]


def test_of_many_images_passed_over_in_the_list_few_are_read_at_once(
    files: FileController, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    release, load, reading = threading.Event(), work.load_item, []

    def slow(path: Path) -> ImageItem:
        reading.append(path.name)
        release.wait(10)
        return load(path)

    monkeypatch.setattr(work, "load_item", slow)
    items = [ImageItem(f"{number}.png", tmp_path / f"{number}.png") for number in range(9)]
    for item in items:
        assert item.path is not None
        Image.fromarray(make_picture(48, 64)).save(item.path)
    files.session.add_items(items)
    for number, item in enumerate(items, 1):
        files.session.select(item)
        qtbot.waitUntil(lambda number=number: len(reading) == min(number, len(LISTED_JOBS)), timeout=WAIT_MS)
    release.set()
    qtbot.waitUntil(lambda: items[-1].picture is not None, timeout=WAIT_MS)
    assert len(reading) == len(LISTED_JOBS) + 1, "and the last one"


def test_what_one_opening_has_to_say_is_one_message(
    files: FileController, told: list, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files_module, "MAX_AT_ONCE", 1)
    for name in ("a.png", "b.png"):
        Image.fromarray(make_picture(48, 64)).save(tmp_path / name)
    files.open_paths([tmp_path / name for name in ("a.png", "b.png", "gone.png")])
    assert told == [("Only the first 1 images were opened.\nThere is no file gone.png.", "error")]
    wait_for(qtbot, files, "a.png")


def test_hidden_companions_and_folders_with_the_suffix_are_no_files(tmp_path: Path) -> None:
    for name in ("b.jahp", "._b.jahp", "a.png", "._a.png"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "folder.jahp").mkdir()
    assert files_module._in_folder(tmp_path) == [tmp_path / "a.png", tmp_path / "b.jahp"]


# ---------------------------------------------------------------- memory


def test_images_that_are_not_shown_take_no_more_memory_than_there_is_for_them(
    files: FileController, three: list[ImageItem], qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third = three
    monkeypatch.setattr(files_module, "KEPT_BYTES", 1.5 * first.held_bytes)
    files.session.select(second)
    wait_for(qtbot, files, "b.png")
    assert first.picture is not None
    files.session.select(third)
    wait_for(qtbot, files, "c.png")
    assert first.picture is None and second.picture is not None, "the one shown longest ago goes"
    files.session.select(first)
    assert pixels(wait_for(qtbot, files, "a.png")).shape == (48, 64, 3)
    assert second.picture is None and third.picture is not None


def test_what_is_in_no_file_stays_in_memory(
    files: FileController, three: list[ImageItem], monkeypatch: pytest.MonkeyPatch
) -> None:
    pasted, attached = three[:2]
    monkeypatch.setattr(files_module, "KEPT_BYTES", 0)
    pasted.path = None
    attached.original, attached.opened = pasted.original, object()  # type: ignore[assignment]
    files.session.select(three[2])
    assert pasted.original is attached.original is not None


# ---------------------------------------------------------------- files that change, files that are listed


def test_an_image_that_changed_on_the_disk_keeps_nothing_of_the_old_one(
    files: FileController, three: list[ImageItem], qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, item, forgotten = files.session, three[0], []
    session.set_mask(Mask.of_plane(64, 48, np.full((48, 64), 255, np.uint8)))
    session.item_forgotten.connect(forgotten.append)
    monkeypatch.setattr(files_module, "KEPT_BYTES", 0)
    for is_changed in (False, True):
        session.select(three[1])
        wait_for(qtbot, files, "b.png")
        assert item.path is not None and item.picture is None and forgotten == []
        if is_changed:
            rgb = replace_picture(item.path, 7)
        session.select(item)
        wait_for(qtbot, files, "a.png")
        assert (session.mask is None) == is_changed
    assert forgotten == [item] and np.array_equal(pixels(item), rgb)


def test_a_listed_image_is_not_listed_twice_but_read_again_where_it_changed(
    files: FileController, three: list[ImageItem], qtbot: QtBot, tmp_path: Path
) -> None:
    session, item = files.session, three[0]
    before = item.original
    files.open_paths([three[2].path])
    wait_for(qtbot, files, "c.png")
    (tmp_path / "folder").mkdir()
    files.open_paths([tmp_path / "folder" / ".." / "a.png"])
    assert session.current is item and item.original is before
    rgb = replace_picture(tmp_path / "a.png", 7)
    files.open_paths([tmp_path / "a.png"])
    assert np.array_equal(pixels(wait_for(qtbot, files, "a.png")), rgb)
    shutil.copy(tmp_path / "a.png", tmp_path / "d.png")
    files.open_paths([tmp_path / name for name in ("b.png", "d.png", "b.png")])
    wait_for(qtbot, files, "b.png")
    assert [item.name for item in session.items] == ["a.png", "b.png", "c.png", "d.png"]


def test_a_new_image_that_is_opened_twice_is_listed_once(
    files: FileController, told: list, qtbot: QtBot, tmp_path: Path
) -> None:
    Image.fromarray(make_picture(48, 64)).save(tmp_path / "a.png")
    for _ in range(2):
        files.open_paths([tmp_path / "a.png"])
    wait_for(qtbot, files, "a.png")
    assert len(files.session.items) == 1 and told == []
