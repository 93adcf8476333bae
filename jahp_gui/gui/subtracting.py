"""The map that is subtracted from the one shown: of another prior, or of this one without a search or a region."""

from collections.abc import Callable
from dataclasses import replace

from PySide6.QtCore import QObject, Slot

from jahp_gui.gui import work
from jahp_gui.gui.jobs import Job, Jobs
from jahp_gui.gui.results import Choice, LatentResult
from jahp_gui.gui.session import Session
from jahp_gui.gui.view_choices import WITHOUT_REGION, WITHOUT_SEARCH

JOB = "reference"


class SubtractionController(QObject):
    """Keeps `session.reference_latents` those that the maps panel asks for.

    known, keep: the latents that have been measured of the image; is_moving: whether a setting changes just now.
    """

    def __init__(
        self,
        session: Session,
        jobs: Jobs,
        known: Callable[[Choice], LatentResult | None],
        keep: Callable[[LatentResult], None],
        is_moving: Callable[[], bool],
        parent: QObject | None = None,
    ):
        super().__init__(parent)
        self.session, self.jobs, self._known, self._keep, self._is_moving = session, jobs, known, keep, is_moving
        self.analysed: work.Analysed | None = None
        session.map_choice_changed.connect(self.update)

    def forget(self) -> None:
        """Another image or model."""
        self.jobs.cancel(JOB)
        self.analysed = None

    @Slot()
    def update(self) -> None:
        """Show what is wanted, or start what it needs."""
        session, analysed = self.session, self.analysed
        if not session.map_choice.reference or analysed is None:
            if session.reference_latents is not None:
                self._show(None)
            return
        choice = self._wanted
        if session.reference_latents is not None and session.reference_latents.choice != choice:
            self._show(None)
        is_waiting = analysed.is_large and self._is_moving()  # not at every step of a slider
        if self.is_of_shown:
            self._update_of_shown(analysed, choice, is_waiting)
            return
        known, mask = self._known(choice), session.masks.get(choice.mask)
        if known is not None:
            self._show(known)
        elif not is_waiting:
            self._start(lambda job: work.quick_latents(analysed, choice, mask, job), self._on_latents)

    @property
    def is_of_shown(self) -> bool:
        """Whether another prior's map is subtracted from that of latents that were searched for this one."""
        shown, reference = self.session.latents, self.session.map_choice.reference
        is_prior = reference not in ("", WITHOUT_SEARCH, WITHOUT_REGION)
        return is_prior and shown is not None and shown.choice.effort > 0

    @property
    def _wanted(self) -> Choice:
        """Whose map is subtracted from the one that is shown."""
        shown, choice, reference = self.session.latents, self.session.choice, self.session.map_choice.reference
        if reference == WITHOUT_SEARCH:
            return choice.rounded
        if reference == WITHOUT_REGION:
            return replace(choice.unrefined, mask=0)
        if shown is not None and self.is_of_shown:
            return replace(shown.choice, prior=reference)
        return replace(choice.rounded, prior=reference)

    def _update_of_shown(self, analysed: work.Analysed, choice: Choice, is_waiting: bool) -> None:
        """What the latents that are shown would cost under another prior; kept nowhere: no file has them."""
        shown, known = self.session.latents, self.session.reference_latents
        assert shown is not None
        if known is not None and known.y_hat is shown.y_hat:
            return
        if known is not None:
            self._show(None)  # of what a search had found before

        def done(result: LatentResult) -> None:
            if self.session.latents is not None and self.session.latents.y_hat is result.y_hat:
                self._show_if_wanted(result)

        if not is_waiting:
            self._start(lambda job: work.latents(analysed, choice, shown.y_hat, job), done)

    def _start(self, measure: Callable[[Job], LatentResult], done: Callable[[LatentResult], None]) -> None:
        self.jobs.start(JOB, measure, done, keep_running=True)

    def _on_latents(self, result: LatentResult) -> None:
        self._keep(result)
        self._show_if_wanted(result)

    def _show_if_wanted(self, result: LatentResult) -> None:
        """Another may have been chosen while it was made."""
        if self.session.map_choice.reference and result.choice == self._wanted:
            self._show(result)

    def _show(self, result: LatentResult | None) -> None:
        self.session.reference_latents = result
        self.session.maps_changed.emit()
