"""What Windows leaves to programs, or does otherwise than the systems this one was made on."""

import glob
import os
import sys
import time
from collections.abc import Sequence

IS_WINDOWS = sys.platform == "win32"
MOST_WORKERS = 61  # processes that one can wait for there
RETRIES, RETRY_SECONDS = 20, 0.1


def replace(source: str | os.PathLike[str], target: str | os.PathLike[str]) -> None:
    """`os.replace`, tried for two seconds on Windows: virus scanners and indexers hold a fresh file for a moment.

    Raises `OSError` as `os.replace` does.
    """
    for _ in range(RETRIES if IS_WINDOWS else 0):
        try:
            os.replace(source, target)
            return
        except PermissionError:
            time.sleep(RETRY_SECONDS)
    os.replace(source, target)


def expand_wildcards(paths: Sequence[str]) -> list[str]:
    """The files that `*.png` means, by name: shells other than those of Windows have seen to it before."""
    expanded: list[str] = []
    for path in paths:
        found = sorted(glob.glob(path)) if IS_WINDOWS and not os.path.lexists(path) else []
        expanded += found or [path]  # what stands for nothing is told by its own name
    return expanded
