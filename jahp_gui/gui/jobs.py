"""Work off the main thread: jobs with a key, a generation, progress and cancel.

One long-lived `Jobs` object owns the signals; jobs are plain callables in a `QThreadPool` (signals on objects that a
pool deletes are a known crash). Per key at most one job runs and one waits, so a slider can ask as often as it likes.
"""

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from PySide6.QtCore import QDeadlineTimer, QObject, QThreadPool, Signal

from jahp_gui.codec.errors import JahpError
from jahp_gui.gui.i18n import tr
from jahp_gui.gui.sentences import translated

log = logging.getLogger(__name__)

Kind = Literal["user", "reading", "display", "background"]
INTERACTIVE_THREADS = 3
READING_THREADS = 16  # they wait for disks, and for shares that have gone and let go of nobody
BACKGROUND_THREADS = 5  # curves, those of classical codecs, thumbnails, MS-SSIM, refining: none waits for another
BACKGROUND_NICENESS = 10


class Cancelled(Exception):
    """Raised inside a job that nobody waits for any more."""


class Job:
    """What a running job is given: ask `check` now and then, tell `progress`."""

    def __init__(self, report: Callable[["Job", Any], None], yield_to: Callable[[], bool]):
        self._report = report
        self._yield_to = yield_to
        self._cancelled = threading.Event()

    def cancel(self) -> None:
        self._cancelled.set()

    @property
    def cancelled(self) -> bool:
        return self._cancelled.is_set()

    def check(self) -> None:
        """Raises `Cancelled` when the job has been cancelled."""
        if self._cancelled.is_set():
            raise Cancelled

    def tick(self, fraction: float) -> None:
        """`check`, for who tells how far it is where that is not shown."""
        self.check()

    def progress(self, value: Any) -> None:
        """Hand a fraction done, or an intermediate result, to the job's `progress` callback. Checks for cancel."""
        self.check()
        self._report(self, value)

    def give_way(self) -> None:
        """Wait while interactive jobs run: for background jobs, between two pieces of work. Checks for cancel."""
        while self._yield_to() and not self._cancelled.wait(0.02):
            pass
        self.check()


class Activity(NamedTuple):
    """The job that the status bar shows. fraction: of it that is done, negative where that is unknown."""

    label: str
    fraction: float
    can_stop: bool


@dataclass(eq=False)
class _Request:
    key: str
    work: Callable[[Job], Any]
    done: Callable[[Any], None] | None
    failed: Callable[[str], None] | None
    progress: Callable[[Any], None] | None
    label: str
    kind: Kind
    holds_open: bool
    stopped: Callable[[], None] | None
    can_stop: bool
    job: Job


class Jobs(QObject):
    """Starts jobs and delivers what they return, on the main thread and only while it is still wanted."""

    activity_changed = Signal()
    failed = Signal(str)
    ending = Signal()  # everything has been cancelled: whoever helps jobs from outside is to stop
    _posted = Signal(object)

    def __init__(self, parent: QObject | None = None):
        super().__init__(parent)
        self._interactive, self._reading, self._background = QThreadPool(), QThreadPool(), QThreadPool()
        self._interactive.setMaxThreadCount(INTERACTIVE_THREADS)
        self._reading.setMaxThreadCount(READING_THREADS)
        self._background.setMaxThreadCount(BACKGROUND_THREADS)
        self._running: dict[str, _Request] = {}
        self._waiting: dict[str, _Request] = {}
        self._progress: dict[str, float] = {}
        self._closed = False
        self._posted.connect(lambda deliver: deliver())

    def start(
        self,
        key: str,
        work: Callable[[Job], Any],
        done: Callable[[Any], None] | None = None,
        *,
        failed: Callable[[str], None] | None = None,
        progress: Callable[[Any], None] | None = None,
        label: str = "",
        kind: Kind = "user",
        keep_running: bool = False,
        holds_open: bool = False,
        stopped: Callable[[], None] | None = None,
        can_stop: bool = True,
    ) -> None:
        """Run `work(job)` and call `done` with its result, or `failed` with a sentence (default: the signal).

        A job of the same key that waits is replaced; one that runs is cancelled and its result dropped, except with
        `keep_running`, where it may still finish and be shown before the new one starts. A `label` makes the job
        visible in the status bar, from where the user can cancel it, which calls `stopped`; not with `can_stop` False,
        for jobs without which nothing goes on. "background" jobs run at low priority and give way to those of kind
        "user" and "reading", which may wait for a network; they need not to those of kind "display", which only draw
        what is known. The window is not closed before one that `holds_open` has ended.
        """
        if self._closed:
            return
        # The job knows nothing of its request: one that knew would keep all that the callables hold until a collection.
        job = Job(lambda job, value: self._post(lambda: self._on_progress(key, job, value)), self.interactive_busy)
        request = _Request(key, work, done, failed, progress, label, kind, holds_open, stopped, can_stop, job)
        if key in self._running:
            self._waiting[key] = request
            if not keep_running:
                self._running[key].job.cancel()
            if label:
                self.activity_changed.emit()
        else:
            self._launch(request)

    def cancel(self, key: str) -> None:
        """Drop the job of a key, running or waiting."""
        self._waiting.pop(key, None)
        if key in self._running:
            self._running[key].job.cancel()

    def cancel_shown(self) -> None:
        """Cancel the job that the status bar shows, where that can be done."""
        request = self._shown()
        if request is None or not request.can_stop:
            return
        self.cancel(request.key)
        if request.stopped is not None:
            request.stopped()
        self.activity_changed.emit()

    def is_active(self, key: str) -> bool:
        return key in self._waiting or (key in self._running and not self._running[key].job.cancelled)

    def is_free(self, key: str) -> bool:
        """Whether a job of this key would run at once: also one that was cancelled may go on for a while."""
        return key not in self._running and key not in self._waiting

    def interactive_busy(self) -> bool:
        """Whether anything runs that the user waits for. Called from background threads."""
        running = list(self._running.values())
        return any(request.kind in ("user", "reading") and not request.job.cancelled for request in running)

    def background_busy(self, besides: str) -> bool:
        """Whether a background job of another key runs. Called from background threads."""
        running = list(self._running.values())
        return any(request.kind == "background" and request.key != besides for request in running)

    @property
    def idle(self) -> bool:
        return not self._running and not self._waiting

    @property
    def holds_open(self) -> bool:
        """Whether the window is to stay for a job that runs or waits; one that was cancelled does not count."""
        requests = (*self._running.values(), *self._waiting.values())
        return any(request.holds_open and not request.job.cancelled for request in requests)

    def activity(self) -> Activity | None:
        """What the status bar shows."""
        request = self._shown()
        if request is None:
            return None
        fraction = self._progress.get(request.key, -1.0) if self._running.get(request.key) is request else -1.0
        return Activity(request.label, fraction, request.can_stop)

    def _shown(self) -> _Request | None:
        """The newest labelled job, of those that wait only where none runs."""
        newest_first = reversed((*self._waiting.values(), *self._running.values()))
        return next((request for request in newest_first if request.label and not request.job.cancelled), None)

    def shutdown(self, timeout: float) -> bool:
        """Cancel everything, deliver nothing more; whether all threads have ended within `timeout` seconds."""
        self._closed = True
        self._waiting.clear()
        for request in self._running.values():
            request.job.cancel()
        self.ending.emit()
        deadline = time.monotonic() + timeout
        pools = (self._interactive, self._reading, self._background)
        ended = [pool.waitForDone(QDeadlineTimer(_left(deadline))) for pool in pools]
        return all(ended)

    def _launch(self, request: _Request) -> None:
        self._running[request.key] = request
        pools = {"reading": self._reading, "background": self._background}
        pools.get(request.kind, self._interactive).start(lambda: self._run(request))
        if request.label:
            self.activity_changed.emit()

    def _run(self, request: _Request) -> None:
        """In a thread of the pool."""
        if request.kind == "background":
            _lower_priority()
        deliver: Callable[[], None] | None = None
        try:
            request.job.check()
            result = request.work(request.job)
            if request.done is not None:
                done = request.done
                deliver = lambda: done(result)  # noqa: E731
        except Cancelled:
            pass
        except Exception as error:
            if not isinstance(error, (JahpError, MemoryError)):
                log.exception("job %s failed", request.key)
            deliver = self._failure(request, sentence_of(error))
        self._post(lambda: self._on_end(request, deliver))

    def _failure(self, request: _Request, text: str) -> Callable[[], None]:
        failed = request.failed or self.failed.emit
        return lambda: failed(text)

    def _post(self, deliver: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # the application has gone
            self._posted.emit(deliver)

    def _on_progress(self, key: str, job: Job, value: Any) -> None:
        request = self._running.get(key)
        if self._closed or job.cancelled or request is None or request.job is not job:
            return
        if isinstance(value, float):
            self._progress[key] = value
            self.activity_changed.emit()
        if request.progress is not None:
            request.progress(value)

    def _on_end(self, request: _Request, deliver: Callable[[], None] | None) -> None:
        if self._running.get(request.key) is request:
            del self._running[request.key]
            self._progress.pop(request.key, None)
        if self._closed:
            return
        try:
            if deliver is not None and not request.job.cancelled:
                deliver()
        except Exception as error:
            self.failed.emit(sentence_of(error))
            raise  # to where exceptions in slots are printed
        finally:  # after the delivery, which may have replaced the one that waits or started another under this key
            if request.key in self._waiting and request.key not in self._running:
                self._launch(self._waiting.pop(request.key))
            self.activity_changed.emit()


def sentence_of(error: Exception) -> str:
    """What the user is told of it."""
    text = str(error)
    if isinstance(error, JahpError):
        return translated(text)
    as_torch_says = "not enough memory" in text or "can't allocate memory" in text
    if isinstance(error, MemoryError) or as_torch_says:
        return tr("There is not enough memory for this; close other images or programs.")
    return tr("Something unexpected went wrong: {error}").format(error=text or type(error).__name__)


def _left(deadline: float) -> int:
    return max(0, int(1000 * (deadline - time.monotonic())))


_lowered = threading.local()


def _lower_priority() -> None:
    """Linux knows a niceness per thread, which the threads that torch starts from it inherit."""
    if hasattr(os, "setpriority") and not getattr(_lowered, "done", False):
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), BACKGROUND_NICENESS)
        _lowered.done = True
