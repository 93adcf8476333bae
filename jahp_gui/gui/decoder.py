"""The decoder at work: the file that is shown is decoded once with everything noted, and then played."""

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QElapsedTimer, QObject, QTimer, Signal, Slot

from jahp_gui.gui.i18n import tr
from jahp_gui.gui.imaging import Pyramid
from jahp_gui.gui.jobs import Job, Jobs
from jahp_gui.gui.results import DECODER, Choice, DecoderFrame, FileResult
from jahp_gui.gui.session import Session
from jahp_gui.gui.work import ALL, use_cores

if TYPE_CHECKING:  # at run time they would load torch
    from jahp_gui.codec.replay import Recording, Replay

WAVEFRONT, RASTER = "wavefront", "raster"
ORDERS = (WAVEFRONT, RASTER)
SPEEDS = (1, 2, 4, 8, 16, 32, 64)  # steps a frame
FRAME_MS = 40  # from one frame to the next where they are made faster
PLAY, END = "play", 1 << 40  # what may follow a recording; END is later than any last moment


class DecoderController(QObject):
    """Plays, steps and scrubs; what it shows is the session's exhibit `DECODER`."""

    changed = Signal()

    def __init__(self, session: Session, jobs: Jobs, parent: QObject | None = None):
        super().__init__(parent)
        self.session, self.jobs = session, jobs
        self.order, self.speed, self.playing = WAVEFRONT, 1, False
        self.recording: Recording | None = None
        self.replay: Replay | None = None
        self._shown_of: Replay | None = None  # what the frame that is shown was made of
        self.raster_seconds: tuple[float, int] | None = None  # estimated from this many positions
        self._file: FileResult | None = None  # what was recorded
        self._intent: str | int | None = None  # what is done once the recording is there: "play", or a moment
        self._moment = 0  # asked for last
        self._asked = QElapsedTimer()  # since the last frame was asked for
        self._next = QTimer(self, singleShot=True)
        self._next.timeout.connect(self._advance)
        session.results_changed.connect(self._on_results)

    # ------------------------------------------------------------ what is shown

    @property
    def frame(self) -> DecoderFrame | None:
        """The last frame of the recording that is played."""
        frame = self.session.exhibits.get(DECODER.kind)
        of_this = self.replay is not None and self._shown_of is self.replay
        return frame if isinstance(frame, DecoderFrame) and of_this else None

    @property
    def last(self) -> int:
        return self.replay.last if self.replay is not None else 0

    @property
    def recording_now(self) -> bool:
        return self.jobs.is_active("decoder recording")

    @property
    def under_way(self) -> bool:
        """Playing, or about to as soon as the file has been recorded."""
        return self.playing or (self._intent == PLAY and self.recording_now)

    # ------------------------------------------------------------ what the user does

    def toggle(self) -> None:
        if self.under_way:
            self.pause()
        else:
            self.play()

    def play(self) -> None:
        """From where it stands, from the start where it stands at the end."""
        self.session.show_exhibit(DECODER)
        if not self._ready(PLAY):
            return
        self.playing = True
        if self.frame is None or self._moment >= self.last:
            self._ask(0)
        else:
            self._advance()
        self.changed.emit()

    def pause(self) -> None:
        self.playing = False
        self._next.stop()
        self._intent = None
        self.changed.emit()

    def step(self, steps: int) -> None:
        """By single steps, backwards too; playing stops."""
        self.pause()
        self.go_to(self._moment + steps if self.frame is not None else 0)

    def go_to(self, moment: int) -> None:
        """Show a moment, from 0 to `last`; beyond them the ends."""
        self.session.show_exhibit(DECODER)
        if self._ready(moment):
            self._ask(moment)

    def set_order(self, order: str) -> None:
        """Wavefront or one by one; the picture stays as far decoded as it is."""
        if order == self.order:
            return
        fraction = self._moment / max(self.last, 1)
        self.order = order
        if self.recording is not None:
            self._use_order()
            self._measure_raster()
            if DECODER.kind in self.session.exhibits:
                self._ask(round(fraction * self.last))
        self.changed.emit()

    def set_speed(self, steps: int) -> None:
        self.speed = steps
        self.changed.emit()

    # ------------------------------------------------------------ recording

    def _ready(self, intent: str | int) -> bool:
        """Whether the file that is shown has been recorded; else that is begun, and the intent follows it."""
        file = self.session.shown_file
        if file is not None and file is self._file and self.recording is not None:
            return True
        self._intent = intent
        if file is not None and not (file is self._file and self.recording_now):
            self._record(file)
        self.changed.emit()
        return False

    def _record(self, file: FileResult) -> None:
        self._forget()
        self._file = file
        model = self.session.shown_model

        def work(job: Job) -> "Recording":
            from jahp_gui.codec.replay import record

            use_cores(ALL)
            return record(file.container, model=model, progress=job.progress)

        self.jobs.start("decoder recording", work, self._recorded, label=tr("Decoding the file step by step"))

    def _forget(self) -> None:
        for key in ("decoder recording", "decoder frame", "decoder raster"):
            self.jobs.cancel(key)
        self.recording = self.replay = self._shown_of = self._file = self.raster_seconds = None
        self.playing = False
        self._next.stop()

    def _recorded(self, recording: "Recording") -> None:
        self.recording = recording
        self._use_order()
        self._measure_raster()
        intent, self._intent = self._intent, None
        if intent == PLAY:
            self._moment = self.last
            self.play()
        elif isinstance(intent, int):
            self._ask(intent)
        self.changed.emit()

    def _use_order(self) -> None:
        from jahp_gui.codec.replay import Replay

        assert self.recording is not None
        self.replay = Replay(self.recording, self.order)

    def _measure_raster(self) -> None:
        """How long it takes one by one, once the user has asked for that order."""
        recording = self.recording
        if self.order != RASTER or recording is None or not recording.has_context or self.raster_seconds is not None:
            return

        def work(job: Job) -> tuple[float, int]:
            from jahp_gui.codec.replay import raster_seconds

            use_cores(ALL)
            return raster_seconds(recording, job.progress)

        def done(measured: tuple[float, int]) -> None:
            self.raster_seconds = measured
            self.changed.emit()

        self.jobs.start("decoder raster", work, done, label=tr("Decoding latents one by one"))

    @Slot()
    def _on_results(self) -> None:
        """Another file: what was recorded is not of it. Where the decoder is on show, it stays so."""
        file = self.session.shown_file
        if file is self._file or (file is None and self.session.file is not None):
            return  # while a file is being made, the last one stays
        on_show = DECODER in (self.session.compare.a, self.session.compare.b)
        if self._intent is None and self.replay is not None:
            at_end = self._moment >= self.last
            self._intent = PLAY if self.playing else (END if at_end else self._moment)
        intent = self._intent if on_show else None
        self._forget()
        self._intent = intent
        if on_show and file is not None:
            self._intent = END if intent is None else intent
            self._record(file)
        self.changed.emit()

    # ------------------------------------------------------------ frames

    def _ask(self, moment: int) -> None:
        """Frames are made one after the other; of those asked for meanwhile the last one is."""
        replay, file = self.replay, self._file
        assert replay is not None and file is not None
        moment = self._moment = min(max(moment, 0), replay.last)
        self._asked.start()

        def show(frame: DecoderFrame) -> None:
            if replay is self.replay:
                self._shown_of = replay
                self._show(frame)

        self.jobs.start("decoder frame", lambda job: frame_at(replay, moment, file.choice), show, keep_running=True)

    def _show(self, frame: DecoderFrame) -> None:
        self.session.set_exhibit(DECODER, frame)
        if self.playing:
            if self._moment >= self.last and frame.moment >= self.last:
                self.pause()
            else:
                self._next.start(max(0, FRAME_MS - self._asked.elapsed()))
        self.changed.emit()

    @Slot()
    def _advance(self) -> None:
        if self.playing:
            self._ask(self._moment + self.speed)


def frame_at(replay: "Replay", moment: int, choice: Choice) -> DecoderFrame:
    """In a job."""
    use_cores(ALL)
    picture = Pyramid(replay.picture(moment))
    rows, columns = np.divmod(replay.front(moment), replay.recording.bits.shape[1])
    # Where everything is decoded at once, or is done, there is no front to see.
    front = np.stack([columns, rows], 1) if 0 < replay.steps_done(moment) < len(replay.steps) else np.empty((0, 2), int)
    bits = replay.bits(moment)
    return DecoderFrame(choice, picture, moment, replay.steps_done(moment), len(replay.steps), bits, front)
