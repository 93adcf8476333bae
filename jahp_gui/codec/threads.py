"""How many processor threads the networks use."""

import os
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TOPOLOGY = Path("/sys/devices/system/cpu")
TRIAL = 4  # steps of a `Team` that are compared
FIRST_TRIAL = 8  # after so many; a trial that is lost doubles the number
HOPELESS = 3.0  # times as long as usual: one such step ends a trial, or starts one
SPINS = "5000"  # some tenths of a millisecond


def available_cpus() -> list[int]:
    """Logical processors that this process may use, which in a container are fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def physical_cores(topology: Path = TOPOLOGY) -> int:
    """Physical cores among the available processors; all of them where the system does not say (not Linux).

    Two threads of one core share its arithmetic units: matrix products gain nothing from the second.
    """
    cpus = available_cpus()
    try:
        cores = {(topology / f"cpu{cpu}" / "topology" / "thread_siblings_list").read_text().strip() for cpu in cpus}
    except OSError:
        return len(cpus)
    return len(cores)


def use_threads(threads: int | None = None) -> None:
    """Let torch use so many threads; by default those OMP_NUM_THREADS names, or one per physical core."""
    if threads is None and os.environ.get("OMP_NUM_THREADS"):
        return  # torch has read it
    import torch

    torch.set_num_threads(threads or physical_cores())


def spin_shortly() -> None:
    """Let threads that wait for each other fall asleep soon, by GNU's OpenMP; to be called before torch is imported.

    Otherwise they spin for milliseconds, on the core that the thread they wait for may need: one other busy program on
    two cores made a decode take 17 times as long. What the environment says already stays.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", SPINS)


class Team:
    """One thread or all of them for many small steps in a row, whichever has been faster lately.

    A small product gains little from more threads, and loses much where another program has the core of one: the others
    wait for it at the end of each product, up to a time slice of the system. Results do not depend on the number.
    """

    def __init__(self) -> None:
        import torch

        self._set, self._all = torch.set_num_threads, torch.get_num_threads()
        self._usual = self._now = 1
        self._lately: deque[float] = deque(maxlen=TRIAL)  # seconds of the usual number's steps
        self._tried: list[float] = []  # and those of the other's
        self._interval = self._left = FIRST_TRIAL

    @contextmanager
    def step(self) -> Iterator[None]:
        """One step; the caller's number of threads is as before it afterwards."""
        self._set(self._now)
        started = time.perf_counter()
        try:
            yield
        finally:
            self._set(self._all)
        self._learn(time.perf_counter() - started)

    def _learn(self, seconds: float) -> None:
        if self._now == self._usual:
            is_slow = len(self._lately) == TRIAL and seconds > HOPELESS * sum(self._lately) / TRIAL
            self._lately.append(seconds)
            self._left -= 1
            if self._left == 0 or is_slow:
                self._now = self._all + 1 - self._usual
            return
        self._tried.append(seconds)
        usual = sum(self._lately) / len(self._lately)
        if len(self._tried) < TRIAL and seconds < HOPELESS * usual:
            return
        if sum(self._tried) / len(self._tried) < usual:
            self._usual, self._interval = self._now, FIRST_TRIAL
            self._lately.clear()
        else:
            self._now, self._interval = self._usual, 2 * self._interval
        self._tried.clear()
        self._left = self._interval
