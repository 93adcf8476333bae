"""Files out: whole or not at all, never over another by accident; pictures in the format that a suffix names."""

import contextlib
import errno
import io
import os
import stat
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from jahp_gui import windows
from jahp_gui.codec.container import MAX_SIDE
from jahp_gui.codec.errors import OutputError, cause, printable

AnyPath = str | os.PathLike[str]


class _Encoder(NamedTuple):
    """Pillow's name of a format and its options; the longest side that its files, or its library, have room for."""

    format: str
    options: dict[str, Any]
    longest: int = MAX_SIDE


_PNG = _Encoder("PNG", {})
_TIFF = _Encoder("TIFF", {"compression": "tiff_adobe_deflate"})
_JPEG = _Encoder("JPEG", {"quality": 95, "subsampling": 0}, 65500)
_ENCODERS = {
    "": _PNG,
    ".png": _PNG,
    ".ppm": _Encoder("PPM", {}),
    ".bmp": _Encoder("BMP", {}),
    ".tif": _TIFF,
    ".tiff": _TIFF,
    ".webp": _Encoder("WEBP", {"lossless": True, "exact": True}, 16383),
    ".jpg": _JPEG,
    ".jpeg": _JPEG,
}


def save_image(rgb: npt.NDArray[np.uint8], path: AnyPath, *, force: bool = False) -> None:
    """Write `rgb`, uint8 of shape (H, W, 3), in the format that the suffix of `path` names.

    Lossless: .png (also without a suffix), .ppm, .bmp, .tif, .tiff, .webp. Lossy: .jpg, .jpeg at quality 95.

    Raises `OutputError` for an unknown suffix, a picture the format has no room for, and as `write_atomically`
    does; `ValueError` if `rgb` is not such an array.
    """
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3:
        raise ValueError(f"expected uint8 of shape (H, W, 3), got {rgb.dtype} of shape {rgb.shape}")
    height, width = rgb.shape[:2]
    encoder = check_suffix(path)
    check_room(path, width, height)
    _refuse_unwritable(path, force)  # before the time of encoding is spent
    file = io.BytesIO()
    try:
        Image.fromarray(np.ascontiguousarray(rgb)).save(file, encoder.format, **encoder.options)
    except MemoryError:
        raise
    except Exception as error:  # the bytes of a format have limits too, and each encoder its own way to say so
        raise _no_room(path, width, height) from error
    write_atomically(path, file.getvalue(), force=force)


def check_room(path: AnyPath, width: int, height: int) -> None:
    """Raise `OutputError` if the format that a suffix stands for has no sides of so many pixels, or there is none."""
    if max(width, height) > check_suffix(path).longest:
        raise _no_room(path, width, height)


def _no_room(path: AnyPath, width: int, height: int) -> OutputError:
    name = check_suffix(path).format
    return OutputError(
        f"{printable(path)} cannot be written: {name} has no room for {width} x {height} pixels; use PNG."
    )


def check_suffix(path: AnyPath) -> _Encoder:
    """What writes the format that a suffix stands for. Raises `OutputError` if there is none."""
    suffix = Path(path).suffix.lower()
    if suffix not in _ENCODERS:
        known = ", ".join(sorted(filter(None, _ENCODERS)))
        raise OutputError(f"{printable(path)} has a suffix that no image is written with: use one of {known}.")
    return _ENCODERS[suffix]


def write_atomically(path: AnyPath, data: bytes, *, force: bool = False) -> None:
    """Write `data` to `path` so that the file is there whole or not at all.

    The data goes to a private temporary file beside it, to the disk, and then takes the name. A file that exists is
    replaced only with `force`, also when another process makes it meanwhile; it keeps its permissions, a new one
    gets those of the umask. A symbolic link is followed. (Where a file system has no hard links an empty file holds
    the name for a moment, and stays if the program is killed in it.)

    Raises `OutputError` if the file exists, or is no ordinary file, or its folder is missing or read-only, or the
    disk is full. No temporary file is left behind.
    """
    _refuse_unwritable(path, force)
    try:
        target = os.path.realpath(path)
        handle, temporary = tempfile.mkstemp(prefix=".jahp-", suffix=".tmp", dir=os.path.dirname(target))
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            _publish(temporary, target, force)
        finally:
            with contextlib.suppress(OSError):  # published, it has gone already
                os.unlink(temporary)
    except FileExistsError as error:
        raise OutputError(_exists(path)) from error
    except (OSError, ValueError) as error:
        raise OutputError(f"{printable(path)} cannot be written: {cause(error, _WRITING)}.") from error


def _publish(temporary: str, target: str, force: bool) -> None:
    """Give the finished file its name. FileExistsError if that is taken and `force` is not set."""
    if force and os.path.exists(target):
        writable = stat.S_IWRITE if windows.IS_WINDOWS else 0  # else nobody could remove it there if this fails
        os.chmod(temporary, os.stat(target).st_mode & 0o777 | writable)
        windows.replace(temporary, target)
        return
    os.chmod(temporary, _mode_of_new_file(temporary + "0"))
    try:
        os.link(temporary, target)  # all of the file or nothing, whenever the process is killed
    except FileExistsError:
        if not force:
            raise
        windows.replace(temporary, target)
    except OSError:  # a file system without hard links: an empty file holds the name against other processes
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
        try:
            windows.replace(temporary, target)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(target)
            raise


def _mode_of_new_file(probe: str) -> int:
    """What the umask makes of permissions, told by a file of the name `probe`: to ask for it is to change it."""
    try:
        handle = os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        try:
            return os.fstat(handle).st_mode & 0o777
        finally:
            os.close(handle)
    finally:
        with contextlib.suppress(OSError):
            os.unlink(probe)


def _refuse_unwritable(path: AnyPath, force: bool) -> None:
    """Raise `OutputError` if `path` is there and must not be replaced."""
    if not os.path.lexists(path):
        return
    if os.path.isdir(path):
        raise OutputError(f"{printable(path)} is a folder: name a file in it.")
    if os.path.exists(path) and not os.path.isfile(path):  # /dev/null must stay what it is
        raise OutputError(f"{printable(path)} is not an ordinary file: choose another name.")
    if not force:
        raise OutputError(_exists(path))


def _exists(path: AnyPath) -> str:
    return f"{printable(path)} exists already: choose another name, or ask for it to be replaced."


_WRITING = {
    errno.ENOENT: "its folder does not exist; create it first",
    errno.ENOTDIR: "its folder is a file; choose another folder",
    errno.EACCES: "permission denied; choose another folder",
    errno.EPERM: "permission denied; choose another folder",
    errno.EROFS: "the disk is read-only; choose another",
    errno.ENOSPC: "the disk is full; free some space",
    errno.EDQUOT: "your disk quota is used up; free some space",
    errno.EFBIG: "files of this size are not allowed here; choose another disk",
    errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
}
