"""The image's rate-distortion curves, measured in the background from real files."""

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer

from jahp_gui.evaluation.classical import available_codecs
from jahp_gui.gui import work
from jahp_gui.gui.imaging import Pyramid
from jahp_gui.gui.jobs import Job, Jobs
from jahp_gui.gui.results import CurvePoint, SeriesKey
from jahp_gui.gui.session import Session

if TYPE_CHECKING:
    from jahp_gui.codec.model import Model

UPDATE_MS = 100
LEFT_OUT = ("jpeg444",)  # a choice of the comparison; in the plot one JPEG is enough


class CurvesController(QObject):
    """Fills `session.curves`, the current prior first, at low priority and giving way to everything else."""

    def __init__(self, session: Session, jobs: Jobs, parent: QObject | None = None):
        super().__init__(parent)
        self.session, self.jobs = session, jobs
        self._update = QTimer(self, singleShot=True, interval=UPDATE_MS)
        self._update.timeout.connect(session.curves_changed)

    def forget(self) -> None:
        """Another image or model."""
        self.jobs.cancel("curves")

    def start(self, model: "Model", original: Pyramid) -> None:
        session = self.session
        rgb, session.curves.cropped = work.centre_crop(original)
        current = session.choice.prior
        priors = sorted(model.card.priors, key=lambda name: name != current)

        def measure(job: Job) -> None:
            codecs = [codec for codec in available_codecs() if codec.key not in LEFT_OUT]
            for point in work.curve_points(model, rgb, priors, codecs, job):
                job.progress(point)

        self.jobs.start("curves", measure, self._done, progress=self._on_point, kind="background")

    def _on_point(self, found: tuple[SeriesKey, CurvePoint]) -> None:
        key, point = found
        self.session.curves.points.setdefault(key, []).append(point)
        if not self._update.isActive():
            self._update.start()

    def _done(self, _: None) -> None:
        self.session.curves.complete = True
        self.session.curves_changed.emit()
