"""The image's rate-distortion curves, measured in the background from real files."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer

from jahp_gui.evaluation.classical import available_codecs
from jahp_gui.evaluation.classical_process import CodecProcess
from jahp_gui.gui import work
from jahp_gui.gui.imaging import Pyramid
from jahp_gui.gui.jobs import Job, Jobs
from jahp_gui.gui.results import CurvePoint, SeriesKey
from jahp_gui.gui.session import Session

if TYPE_CHECKING:
    from jahp_gui.codec.model import Model

UPDATE_MS = 100
LEFT_OUT = ("jpeg444",)  # a choice of the comparison; in the plot one JPEG is enough
NICENESS = 10  # of the process of the classical codecs: nobody waits for it
JOBS = ("curves", "classical curves")


class CurvesController(QObject):
    """Fills `session.curves`, the current prior first, at low priority and giving way to everything else.

    Priors and classical codecs are measured side by side, these in a process of their own.
    """

    def __init__(self, session: Session, jobs: Jobs, parent: QObject | None = None):
        super().__init__(parent)
        self.session, self.jobs = session, jobs
        self._process = CodecProcess(NICENESS)
        self._unfinished: set[str] = set()
        jobs.ending.connect(self._process.close)
        self._update = QTimer(self, singleShot=True, interval=UPDATE_MS)
        self._update.timeout.connect(session.curves_changed)

    def forget(self) -> None:
        """Another image or model."""
        for key in JOBS:
            self.jobs.cancel(key)

    def start(self, model: "Model", original: Pyramid) -> None:
        session = self.session
        rgb, session.curves.cropped = work.centre_crop(original)
        current = session.choice.prior
        priors = sorted(model.card.priors, key=lambda name: name != current)

        def measure_priors(job: Job) -> None:
            for point in work.prior_points(model, rgb, priors, job):
                job.progress(point)

        def measure_codecs(job: Job) -> None:
            codecs = [codec for codec in available_codecs() if codec.key not in LEFT_OUT]
            for point in work.classical_points(self._process, rgb, codecs, job):
                job.progress(point)

        self._unfinished = set(JOBS)
        for key, measure in zip(JOBS, (measure_priors, measure_codecs), strict=True):
            self._start_job(key, measure)

    def _start_job(self, key: str, measure: Callable[[Job], None]) -> None:
        def failed(text: str) -> None:
            self.session.tell(text, "warning")  # nobody has asked for just this
            self._finish(key)

        self.jobs.start(
            key,
            measure,
            lambda _: self._finish(key),
            failed=failed,
            progress=self._on_point,
            kind="background",
        )

    def _on_point(self, found: tuple[SeriesKey, CurvePoint]) -> None:
        key, point = found
        self.session.curves.add(key, point)
        if not self._update.isActive():
            self._update.start()

    def _finish(self, key: str) -> None:
        self._unfinished.discard(key)
        self.session.curves.complete = not self._unfinished
        self.session.curves_changed.emit()
