"""Where the time of an encode or decode went."""

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Stopwatch:
    """Seconds per named stage; a stage within another counts for itself alone.

    >>> watch = Stopwatch()
    >>> with watch("outer"), watch("inner"):
    ...     pass
    >>> sorted(watch.seconds)
    ['inner', 'outer']
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._inner = 0.0  # seconds spent in finished stages within the current one

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        outer, self._inner = self._inner, 0.0
        started = time.perf_counter()
        try:
            yield
        finally:
            elapsed = time.perf_counter() - started
            self.seconds[stage] = self.seconds.get(stage, 0.0) + elapsed - self._inner
            self._inner = outer + elapsed
