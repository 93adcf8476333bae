"""How fast the explorer answers: `python -m jahp_gui.gui.speed [IMAGE]` prints it, without a display if there is none.

Start-up, a slider dragged for some seconds, the real file after it, the whole plot, and every stall of the event loop.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from jahp_gui.codec.threads import spin_shortly

if __name__ == "__main__":
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    spin_shortly()

from PySide6.QtCore import QEventLoop, QObject, QTimer
from PySide6.QtWidgets import QApplication

from jahp_gui.codec.models import DEFAULT_MODEL
from jahp_gui.gui import samples, theme
from jahp_gui.gui.app import SWITCH_INTERVAL, Explorer
from jahp_gui.gui.settings import Settings

# The package's own imports are above; Qt and they have taken this long already.
STARTED = time.perf_counter() - time.process_time()
TICK_MS = 5
STALL_MS = 50
DRAG_SECONDS, DRAG_STEP_MS = 6.0, 60
LIMIT_SECONDS = 300.0


class StallProbe(QObject):
    """A timer that notices when the event loop did not come back to it."""

    def __init__(self, parent: QObject | None = None):
        super().__init__(parent)
        self.stalls_ms: list[float] = []
        self._last = time.perf_counter()
        self._timer = QTimer(self, interval=TICK_MS)
        self._timer.timeout.connect(self._tick)
        self._timer.start()

    def _tick(self) -> None:
        now = time.perf_counter()
        waited = 1000 * (now - self._last)
        if waited > STALL_MS:
            self.stalls_ms.append(waited)
        self._last = now

    def take(self) -> list[float]:
        """The stalls since the last call."""
        self._tick()
        taken, self.stalls_ms = self.stalls_ms, []
        return taken


@dataclass
class Figures:
    """Milliseconds and seconds; a stall is a pause of the event loop above 50 ms."""

    window_s: float = 0.0
    first_file_s: float = 0.0
    plot_s: float = 0.0
    picture_ms: list[float] = field(default_factory=list)
    bits_ms: list[float] = field(default_factory=list)
    file_after_rest_s: float = 0.0
    decoder_pictures: int = 0
    decoder_pictures_per_s: float = 0.0
    stalls_ms: dict[str, list[float]] = field(default_factory=dict)

    def lines(self) -> list[str]:
        stalls = [
            f"stalls {part:<9} {len(times)} above {STALL_MS} ms, longest {max(times, default=0):.0f} ms"
            for part, times in self.stalls_ms.items()
        ]
        return [
            f"window shown      {self.window_s:.2f} s",
            f"first real file   {self.first_file_s:.2f} s",
            f"whole plot        {self.plot_s:.1f} s",
            f"slider → picture  {_median(self.picture_ms):.0f} ms median of {len(self.picture_ms)}",
            f"slider → bits     {_median(self.bits_ms):.0f} ms median of {len(self.bits_ms)}",
            f"rest → real file  {self.file_after_rest_s:.2f} s",
            f"decoder at work   {self.decoder_pictures_per_s:.1f} pictures/s of {self.decoder_pictures}, a step each",
            *stalls,
        ]


def _median(times: Sequence[float]) -> float:
    return statistics.median(times) if times else float("nan")


class Measurement:
    """One explorer, measured from its start to its end."""

    def __init__(self, image: Path, settings: Settings):
        self.image = image
        self.explorer = Explorer(settings)
        self.session = self.explorer.session
        self.probe = StallProbe()
        self.figures = Figures()
        self._asked: dict[int, float] = {}
        self._seen: dict[int, object] = {}  # results by identity, kept so that no identity is used twice

    def run(self, with_plot: bool) -> Figures:
        figures = self.figures
        self.explorer.start([self.image])
        QApplication.processEvents()
        figures.window_s = time.perf_counter() - STARTED
        self._wait(lambda: self.session.exact is not None)
        figures.first_file_s = time.perf_counter() - STARTED
        figures.stalls_ms["start"] = self.probe.take()
        if with_plot:
            begun = time.perf_counter()
            self._wait(lambda: self.session.curves.complete)
            figures.plot_s = time.perf_counter() - begun
            figures.stalls_ms["plot"] = self.probe.take()
        self._drag()
        figures.stalls_ms["slider"] = self.probe.take()
        self._play()
        figures.stalls_ms["decoder"] = self.probe.take()
        assert self.explorer.window is not None
        self.explorer.window.close()
        self.explorer.jobs.shutdown(60)
        return figures

    def _drag(self) -> None:
        """Move the slider as a hand does, and see when each position's picture and bits are there."""
        assert self.explorer.window is not None
        slider = self.explorer.window.codec.slider
        self.session.results_changed.connect(self._note)
        begun, step = time.perf_counter(), 0
        while time.perf_counter() - begun < DRAG_SECONDS:
            step += 1
            index = 10 + 7 * step % (slider.maximum() - 10)
            self._asked[index] = time.perf_counter()
            slider.setValue(index)
            pause = time.perf_counter() + DRAG_STEP_MS / 1000
            self._wait_until(pause)
        rested = time.perf_counter()
        self._wait(lambda: self.session.exact is not None)
        self.figures.file_after_rest_s = time.perf_counter() - rested

    def _play(self) -> None:
        """The decoder at work from its first step to its last, one step a picture."""
        assert self.explorer.window is not None
        decoder = self.explorer.controller.decoder
        decoder.play()
        self._wait(lambda: decoder.playing and decoder.frame is not None)
        begun = time.perf_counter()
        self._wait(lambda: not decoder.playing)
        self.figures.decoder_pictures = decoder.last
        self.figures.decoder_pictures_per_s = decoder.last / (time.perf_counter() - begun)

    def _note(self) -> None:
        now, session = time.perf_counter(), self.session
        figures = self.figures
        shown = (
            (session.live, figures.picture_ms),
            (session.latents, figures.bits_ms),
            (session.estimate, figures.bits_ms),  # of a large image
        )
        for result, times in shown:
            if result is not None and id(result) not in self._seen and result.choice.gain_index in self._asked:
                self._seen[id(result)] = result
                times.append(1000 * (now - self._asked[result.choice.gain_index]))

    def _wait_until(self, moment: float) -> None:
        self._wait(lambda: time.perf_counter() > moment)

    def _wait(self, condition: Callable[[], bool]) -> None:
        deadline = time.perf_counter() + LIMIT_SECONDS
        while not condition() and time.perf_counter() < deadline:
            QApplication.processEvents(QEventLoop.ProcessEventsFlag.AllEvents, TICK_MS)
            time.sleep(0.001)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Measure how fast the explorer answers.")
    parser.add_argument("image", nargs="?", type=Path, help="default: the sample")
    parser.add_argument("--model", default=DEFAULT_MODEL, help=f"model id (default: {DEFAULT_MODEL})")
    parser.add_argument("--json", action="store_true", help="print every figure as JSON")
    parser.add_argument("--no-plot", action="store_true", help="do not wait for the plot to be complete")
    arguments = parser.parse_args(argv)
    sys.setswitchinterval(SWITCH_INTERVAL)
    application = QApplication.instance() or QApplication(["speed"])
    theme.switch.use("light")
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(str(Path(folder) / "settings.ini"))
        settings.set("model", arguments.model)
        image = arguments.image or samples.path_of(samples.FIRST)
        figures = Measurement(image, settings).run(not arguments.no_plot)
    print(json.dumps(asdict(figures), indent=1) if arguments.json else "\n".join(figures.lines()))
    application.quit()
    return 0


if __name__ == "__main__":
    sys.exit(main())
