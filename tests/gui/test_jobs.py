"""Jobs: the newest request wins, nothing stale is delivered, errors become sentences."""

import gc
import threading
import weakref
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from gui_helpers import WAIT_MS
from pytestqt.qtbot import QtBot

from jahp_gui.codec import Model
from jahp_gui.codec.errors import ImageError
from jahp_gui.gui import work
from jahp_gui.gui.imaging import Pyramid
from jahp_gui.gui.jobs import INTERACTIVE_THREADS, Cancelled, Job, Jobs
from jahp_gui.gui.results import Choice


@pytest.fixture
def jobs(qapp: object) -> object:
    jobs = Jobs()
    yield jobs
    assert jobs.shutdown(10)


def wait_idle(qtbot: QtBot, jobs: Jobs) -> None:
    qtbot.waitUntil(lambda: jobs.idle, timeout=10_000)


def test_results_arrive_on_the_main_thread(qtbot: QtBot, jobs: Jobs) -> None:
    seen: list[tuple[int, threading.Thread]] = []
    jobs.start("a", lambda job: 7, lambda value: seen.append((value, threading.current_thread())))
    wait_idle(qtbot, jobs)
    assert seen == [(7, threading.main_thread())]


def test_of_many_requests_only_the_newest_is_delivered(qtbot: QtBot, jobs: Jobs) -> None:
    release, seen = threading.Event(), []
    started: list[int] = []

    def work(number: int, job: Job) -> int:
        started.append(number)
        release.wait(10)
        return number

    for number in range(20):
        jobs.start("slider", lambda job, number=number: work(number, job), seen.append)
    release.set()
    wait_idle(qtbot, jobs)
    assert seen == [19]
    assert set(started) <= {0, 19}  # those between were never begun


def test_a_running_job_that_may_finish_is_shown_before_the_newest(qtbot: QtBot, jobs: Jobs) -> None:
    release, seen = threading.Event(), []
    for number in range(5):
        jobs.start("live", lambda job, number=number: release.wait(10) and number, seen.append, keep_running=True)
    release.set()
    wait_idle(qtbot, jobs)
    assert seen == [0, 4]


def test_a_cancelled_job_delivers_nothing_even_when_it_had_finished(qtbot: QtBot, jobs: Jobs) -> None:
    done, seen = threading.Event(), []

    def work(job: Job) -> int:
        done.set()
        return 1

    jobs.start("a", work, seen.append)
    done.wait(10)  # its result is on the way, the event loop has not turned yet
    jobs.cancel("a")
    wait_idle(qtbot, jobs)
    assert seen == []


def test_the_user_cancels_the_job_that_is_shown_and_no_other(qtbot: QtBot, jobs: Jobs) -> None:
    release, seen = threading.Event(), []
    for name in ("older", "newer"):
        stopped = partial(seen.append, f"{name} stopped")
        jobs.start(
            name, lambda job: release.wait(10), lambda _, name=name: seen.append(name), label=name, stopped=stopped
        )
    jobs.cancel_shown()
    shown = jobs.activity()
    assert shown is not None and shown.label == "older"
    release.set()
    wait_idle(qtbot, jobs)
    assert seen == ["newer stopped", "older"]


def test_the_user_cannot_cancel_a_job_without_which_nothing_goes_on(qtbot: QtBot, jobs: Jobs) -> None:
    release, seen = threading.Event(), []
    jobs.start("a", lambda job: release.wait(10), seen.append, label="needed", can_stop=False)
    jobs.cancel_shown()
    assert jobs.activity() == ("needed", -1.0, False)
    release.set()
    wait_idle(qtbot, jobs)
    assert seen == [True]


def test_progress_reaches_its_callback_in_order(qtbot: QtBot, jobs: Jobs) -> None:
    seen: list[float] = []
    jobs.start("a", lambda job: [job.progress(part / 4) for part in range(4)], progress=seen.append, label="counting")
    wait_idle(qtbot, jobs)
    assert seen == [0.0, 0.25, 0.5, 0.75]


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ImageError("The image is damaged."), "The image is damaged."),
        (MemoryError(), "not enough memory"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), "not enough memory"),
        (KeyError("bug"), "Something unexpected went wrong"),
    ],
)
def test_errors_become_one_sentence_and_the_next_job_runs(
    qtbot: QtBot, jobs: Jobs, error: Exception, text: str
) -> None:
    told: list[str] = []

    def fail(job: Job) -> None:
        raise error

    jobs.start("a", fail, failed=told.append)
    wait_idle(qtbot, jobs)
    assert len(told) == 1 and text in told[0]
    seen: list[int] = []
    jobs.start("a", lambda job: 1, seen.append)
    wait_idle(qtbot, jobs)
    assert seen == [1]


def test_background_work_gives_way_to_what_the_user_waits_for(qtbot: QtBot, jobs: Jobs) -> None:
    release, order = threading.Event(), []

    def background(job: Job) -> None:
        job.give_way()
        order.append("background")

    def waited_for(job: Job) -> None:
        release.wait(10)
        order.append("user")

    jobs.start("user", waited_for)
    jobs.start("background", background, kind="background")
    threading.Timer(0.1, release.set).start()
    wait_idle(qtbot, jobs)
    assert order == ["user", "background"]


def test_background_work_waits_neither_for_its_kind_nor_for_what_was_cancelled(qtbot: QtBot, jobs: Jobs) -> None:
    release, hangs, order = threading.Event(), threading.Event(), []
    jobs.start("hangs", lambda job: hangs.set() or release.wait(60))  # as a read from a share that has gone
    assert hangs.wait(10)
    jobs.cancel("hangs")
    for name in ("priors' curves", "classical curves", "thumbnails", "MS-SSIM"):
        jobs.start(name, lambda job: release.wait(60), kind="background")
    jobs.start("refine", lambda job: job.give_way(), order.append, kind="background")
    qtbot.waitUntil(lambda: order == [None], timeout=WAIT_MS)
    release.set()
    wait_idle(qtbot, jobs)


def test_reads_that_hang_keep_nothing_else_from_running(qtbot: QtBot, jobs: Jobs) -> None:
    release, seen = threading.Event(), []
    for number in range(INTERACTIVE_THREADS):
        jobs.start(f"load {number}", lambda job: release.wait(60), kind="reading")
    jobs.start("live", lambda job: 1, seen.append)
    qtbot.waitUntil(lambda: seen == [1], timeout=WAIT_MS)
    release.set()
    wait_idle(qtbot, jobs)


def test_what_waits_behind_a_cancelled_job_is_shown_and_can_be_cancelled(qtbot: QtBot, jobs: Jobs) -> None:
    release, seen, shown = threading.Event(), [], []
    jobs.activity_changed.connect(lambda: shown.append(jobs.activity()))
    jobs.start("a", lambda job: job.progress(0.5) or release.wait(10), label="first")
    qtbot.waitUntil(lambda: jobs.activity() == ("first", 0.5, True), timeout=10_000)
    jobs.start("a", lambda job: 1, seen.append, label="second", stopped=lambda: seen.append("stopped"))
    assert shown[-1] == ("second", -1.0, True)
    jobs.cancel_shown()
    assert shown[-1] is None and seen == ["stopped"]
    release.set()
    wait_idle(qtbot, jobs)
    assert seen == ["stopped"]


def test_a_result_that_cannot_be_shown_is_told_and_the_next_job_runs(qtbot: QtBot, jobs: Jobs) -> None:
    seen: list[int] = []

    def broken(value: int) -> None:
        raise KeyError

    jobs.start("a", lambda job: 1, broken, keep_running=True)
    jobs.start("a", lambda job: 2, seen.append, keep_running=True)
    with qtbot.captureExceptions() as raised, qtbot.waitSignal(jobs.failed) as told:
        wait_idle(qtbot, jobs)
    assert told.args == ["Something unexpected went wrong: KeyError"] and [kind for kind, *_ in raised] == [KeyError]
    assert seen == [2]


def test_a_job_that_has_ended_holds_nothing(qtbot: QtBot, jobs: Jobs) -> None:
    """Also without a collection: pictures that wait for one fill the memory."""

    class Picture:
        pass

    def start(picture: Picture) -> None:
        for _ in range(3):  # one that runs, one that waits for it and is replaced, one that replaces it
            jobs.start("a", lambda job: job.progress(picture), lambda _: picture, progress=lambda _: picture)

    picture = Picture()
    gone = weakref.ref(picture)
    gc.disable()
    try:
        start(picture)
        del picture
        wait_idle(qtbot, jobs)
        qtbot.waitUntil(lambda: gone() is None, timeout=10_000)  # the thread lets go of it a moment later
    finally:
        gc.enable()


def test_after_shutdown_nothing_is_delivered_or_started(qtbot: QtBot, qapp: object) -> None:
    jobs, seen = Jobs(), []
    release = threading.Event()
    jobs.start("a", lambda job: release.wait(10), seen.append)
    threading.Timer(0.05, release.set).start()
    assert jobs.shutdown(10)
    jobs.start("b", lambda job: 1, seen.append)
    qtbot.wait(30)
    assert seen == []


def test_work_on_a_picture_ends_at_its_next_step_when_it_is_cancelled(picture: np.ndarray) -> None:
    """Of a large one each of these takes seconds, for which the picture that is wanted instead would wait."""
    going, cancelled = (Job(lambda *_: None, lambda: False) for _ in range(2))
    cancelled.cancel()
    model, choice = Model.load("tiny"), Choice("tiny", "joint", 48)
    analysed = work.analyse(model, Pyramid(picture), going)
    found = work.quick_search(analysed, replace(choice, effort=1), None, going)
    assert found is not None
    for step in (
        lambda: work.analyse(model, Pyramid(picture), cancelled),
        lambda: work.latents(analysed, choice, None, cancelled),
        lambda: work.latents(analysed, choice, found.y_hat, cancelled),
        lambda: work.write_file(analysed, choice, None, found, 0.0, cancelled),
    ):
        with pytest.raises(Cancelled):
            step()
