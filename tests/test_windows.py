"""What is done otherwise on Windows, tried here as if this were one."""

import os
from pathlib import Path

import pytest

from jahp_gui import bench, windows
from jahp_gui.codec.output import write_atomically
from jahp_gui.commands.common import Job, plan_jobs


@pytest.fixture(autouse=True)
def on_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "IS_WINDOWS", True)
    monkeypatch.setattr(windows, "RETRY_SECONDS", 0.0)


@pytest.mark.parametrize("held", [0, 1, 5, windows.RETRIES])
def test_a_file_that_another_program_holds_for_a_moment_is_replaced_after_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, held: int
) -> None:
    refusals = iter([PermissionError] * held)
    really = os.replace

    def replace(source: Path, target: Path) -> None:
        for refusal in refusals:
            raise refusal
        really(source, target)

    monkeypatch.setattr(os, "replace", replace)
    (tmp_path / "new").write_text("new")
    windows.replace(tmp_path / "new", tmp_path / "old")
    assert (tmp_path / "old").read_text() == "new" and not (tmp_path / "new").exists()


def test_one_that_stays_held_is_refused_in_the_end(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def replace(source: Path, target: Path) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(PermissionError):
        windows.replace(tmp_path / "new", tmp_path / "old")


def test_what_replaces_a_read_only_file_could_be_removed_there(tmp_path: Path) -> None:
    """A temporary file that may not be written can be neither renamed over another nor deleted on Windows."""
    target = tmp_path / "a.jahp"
    target.write_bytes(b"old")
    target.chmod(0o444)
    write_atomically(target, b"new", force=True)
    assert target.read_bytes() == b"new" and target.stat().st_mode & 0o200


def test_wildcards_are_files_and_a_name_with_their_signs_is_itself(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("b.png", "a.png", "c.txt", "a[1].png"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    assert windows.expand_wildcards(["?.png", "a[1].png", "*.gif"]) == ["a.png", "b.png", "a[1].png", "*.gif"]
    jobs = plan_jobs(["?.png"], "out", ".jahp", {".png"}, lambda _: [])
    assert jobs == [Job("a.png", os.path.join("out", "a.jahp")), Job("b.png", os.path.join("out", "b.jahp"))]


def test_elsewhere_the_shell_has_expanded_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(windows, "IS_WINDOWS", False)
    (tmp_path / "a.png").touch()
    monkeypatch.chdir(tmp_path)
    assert windows.expand_wildcards(["*.png"]) == ["*.png"]


def test_the_benchmark_goes_without_the_memory_that_cannot_be_told() -> None:
    assert bench.peak_memory() is None
    stages = dict.fromkeys(("total", *bench.STAGES), 0.1)
    entry = {"size": "64x48", "prior": "joint", "lmbda": 0.01, "threads": 1, "bytes": 100, "bpp": 0.3}
    entry |= {"peak memory MB": None, "load model": 0.1, "encode": stages, "decode": stages}
    assert "0.300 bpp, model loaded" in bench.as_text({"start-up": {}, "sizes": [entry], "machine": {}})
