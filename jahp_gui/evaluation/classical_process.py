"""Classical codecs in a process of their own, for programs with a window.

Several of the libraries behind Pillow hold the interpreter's lock while they encode, for up to a tenth of a second;
in another process they hold up nobody. The process is started with the first picture, imports no torch, and ends with
the pipe that it reads from.

A request is a line of JSON (codec, value, to_size, shape) and the raw pixels, unless they are those of the request
before (shape is null); a reply a line of JSON (quality, size of the file, shape), the file and the raw pixels, or a
line with the kind of an error and its sentence.
"""

import contextlib
import json
import math
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import IO, Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from jahp_gui.codec.errors import ImageError, JahpError, NoRoomError, UsageError
from jahp_gui.evaluation.classical import ClassicalCodec, Rgb, encode_to_size, get_codec

POLL_SECONDS = 0.05  # how often a waiting caller is asked whether it still waits
ERRORS: dict[str, Callable[[str], BaseException]] = {
    error.__name__: error for error in (UsageError, NoRoomError, ImageError, JahpError, MemoryError)
}
Check = Callable[[], None]


@dataclass(frozen=True)
class Coded:
    """A file, the quality it was made with, and the picture in it: uint8 (H, W, 3)."""

    quality: float
    data: bytes
    rgb: Rgb


class CodecProcess:
    """Runs one codec at a time for any thread; where no process can be started, in the caller's own thread."""

    def __init__(self, niceness: int = 0):
        self.niceness = niceness
        self._lock = threading.Lock()  # one caller at a time
        self._process: subprocess.Popen[bytes] | None = None
        self._replies: queue.SimpleQueue[Coded | BaseException | None] = queue.SimpleQueue()
        self._sent: Rgb | None = None
        self._closed = False

    def at_quality(self, codec: ClassicalCodec, rgb: Rgb, quality: float, check: Check = lambda: None) -> Coded:
        """The file of a quality. Whatever `check` raises while this waits ends the process, and is raised.

        Raises what `ClassicalCodec.encode` raises, and `ImageError` where the process dies over it.
        """
        return self._ask(codec, rgb, quality, False, check)

    def to_size(self, codec: ClassicalCodec, rgb: Rgb, n_bytes: int, check: Check = lambda: None) -> Coded:
        """The largest file of at most `n_bytes`, as `encode_to_size` finds it; else as `at_quality`."""
        return self._ask(codec, rgb, n_bytes, True, check)

    def close(self) -> None:
        """End the process and start no other; a caller that waits is let go with an `ImageError`."""
        self._closed = True
        process = self._process
        if process is not None:
            process.kill()
            process.wait()

    def _ask(self, codec: ClassicalCodec, rgb: Rgb, value: float, to_size: bool, check: Check) -> Coded:
        with self._lock:
            check()
            if not self._is_running() and not self._start():
                return _code(codec, rgb, value, to_size)
            try:
                self._send(codec, rgb, value, to_size)
                reply = self._await(check)
            except BaseException:
                self._kill()  # what it is doing is of no use any more
                raise
            if isinstance(reply, BaseException):
                raise reply
            if reply is None:
                self._kill()
                raise ImageError(f"{codec.label} ended unexpectedly over this image; there may be too little memory.")
            return reply

    def _is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def _start(self) -> bool:
        """Whether there is a process now."""
        if self._closed:
            return False
        # -P: else files of the current folder with the names of modules would be imported in their place.
        command = [sys.executable, "-P", "-c", f"from {__name__} import main; main({self.niceness})"]
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),  # Windows would open a console
            )
        except OSError:
            return False
        # Of its own to each process, so that what a killed one left behind is not taken for an answer.
        self._replies, self._sent = queue.SimpleQueue(), None
        assert self._process.stdout is not None
        threading.Thread(target=_read, args=(self._process.stdout, self._replies), daemon=True).start()
        if self._closed:  # meanwhile
            self._kill()
        return self._is_running()

    def _send(self, codec: ClassicalCodec, rgb: Rgb, value: float, to_size: bool) -> None:
        assert self._process is not None and self._process.stdin is not None
        pipe = self._process.stdin
        known = rgb is self._sent
        with contextlib.suppress(OSError):  # it has died, which the reading end notices as well
            shape = None if known else rgb.shape
            _write_header(pipe, {"codec": codec.key, "value": value, "to_size": to_size, "shape": shape})
            if not known:
                pipe.write(np.ascontiguousarray(rgb).data)
            pipe.flush()
            self._sent = rgb

    def _await(self, check: Check) -> Coded | BaseException | None:
        while True:
            try:
                return self._replies.get(timeout=POLL_SECONDS)
            except queue.Empty:
                check()

    def _kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            with contextlib.suppress(OSError):
                cast(BinaryIO, self._process.stdin).close()
        self._process = self._sent = None


def _code(codec: ClassicalCodec, rgb: Rgb, value: float, to_size: bool) -> Coded:
    if to_size:
        quality, data = encode_to_size(codec, rgb, int(value))
    else:
        quality, data = value, codec.encode(rgb, value)
    return Coded(quality, data, codec.decode(data))


def _read(pipe: BinaryIO, replies: "queue.SimpleQueue[Coded | BaseException | None]") -> None:
    """A thread of the caller's: replies as they come, and None at the end of the process."""
    with pipe:
        try:
            while True:
                reply = _read_header(pipe)
                if "error" in reply:
                    replies.put(ERRORS[reply["error"]](reply["sentence"]))
                else:
                    data = _read_exactly(pipe, reply["size"]).tobytes()
                    rgb = _read_pixels(pipe, reply["shape"])
                    replies.put(Coded(reply["quality"], data, rgb))
        except (EOFError, OSError, ValueError, KeyError):  # it ended, perhaps in the middle of a reply
            replies.put(None)


def _write_header(pipe: IO[bytes], header: dict[str, Any]) -> None:
    pipe.write(json.dumps(header).encode() + b"\n")


def _read_header(pipe: BinaryIO) -> dict[str, Any]:
    line = pipe.readline()
    if not line:
        raise EOFError
    return cast("dict[str, Any]", json.loads(line))


def _read_exactly(pipe: BinaryIO, count: int) -> NDArray[np.uint8]:
    values = np.empty(count, np.uint8)
    rest = values.data
    while rest:
        read = pipe.readinto(rest)  # type: ignore[attr-defined]
        if not read:
            raise EOFError
        rest = rest[read:]
    return values


def _read_pixels(pipe: BinaryIO, shape: Sequence[int]) -> Rgb:
    return _read_exactly(pipe, math.prod(shape)).reshape(shape)


def serve(requests: BinaryIO, replies: BinaryIO) -> None:
    """Answer until the requests end."""
    rgb = np.zeros((1, 1, 3), np.uint8)
    while True:
        try:
            request = _read_header(requests)
            if request["shape"] is not None:
                rgb = _read_pixels(requests, request["shape"])
        except EOFError:
            return
        try:
            coded = _code(get_codec(request["codec"]), rgb, request["value"], request["to_size"])
        except (JahpError, MemoryError) as error:
            _write_header(replies, {"error": _kind_of(error), "sentence": str(error)})
        else:
            header = {"quality": coded.quality, "size": len(coded.data), "shape": coded.rgb.shape}
            _write_header(replies, header)
            replies.write(coded.data)
            replies.write(np.ascontiguousarray(coded.rgb).data)
        replies.flush()


def _kind_of(error: BaseException) -> str:
    """Its name in ERRORS, or there that of the class it is derived from."""
    return next(kind.__name__ for kind in type(error).__mro__ if kind.__name__ in ERRORS)


def main(niceness: int) -> None:
    """What runs in the process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C in the terminal is for the window
    if hasattr(os, "nice"):
        os.nice(max(0, niceness - os.nice(0)))  # it may have been started by a thread that is nice already
    with contextlib.suppress(BrokenPipeError):  # the window has gone
        serve(sys.stdin.buffer, sys.stdout.buffer)
