"""Looks inside for the session: the marked latent under every prior, and what each prior pays for the image."""

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QObject, QTimer, Slot

from jahp_gui.codec.latent_views import STRIDES
from jahp_gui.gui import work
from jahp_gui.gui.i18n import tr
from jahp_gui.gui.jobs import Job, Jobs
from jahp_gui.gui.results import Choice, Inspection, Parts, Place
from jahp_gui.gui.session import Session

if TYPE_CHECKING:  # at run time they load torch
    from jahp_gui.codec.inspection import LatentInspector
    from jahp_gui.codec.latent_coding import LatentMaps
    from jahp_gui.codec.model import Model
    from jahp_gui.codec.prior_costs import PriorCost

REPORT_SECONDS = 0.1  # between two looks at an inspection that is not complete
PARTS_REST_MS = 300  # after the last change of λ
KEPT_PARTS = 24  # λ of one image whose costs are remembered


class LatentSource:
    """The latents of an image at one gain index, made when a job first asks for them.

    y: float32 (h, w, M) before the gain, or y_hat: int16, where a file says it; z_hats: ẑ of its prior.
    """

    def __init__(
        self,
        model: "Model",
        gain_index: int,
        width: int,
        height: int,
        *,
        y: np.ndarray | None = None,
        y_hat: np.ndarray | None = None,
        z_hats: Mapping[str, np.ndarray] | None = None,
    ):
        self.model, self.gain_index, self.width, self.height = model, gain_index, width, height
        self.z_hats = dict(z_hats or {})
        self._y, self._y_hat = y, y_hat

    def is_same(self, other: "LatentSource | None") -> bool:
        """Whether both give the same latents."""
        mine = self.model, self._y, self._y_hat
        return (
            other is not None
            and self.gain_index == other.gain_index
            and all(a is b for a, b in zip(mine, (other.model, other._y, other._y_hat), strict=True))
        )

    @cached_property
    def y_hat(self) -> np.ndarray:
        if self._y_hat is not None:
            return self._y_hat
        assert self._y is not None
        return self.model.quantise(self._y, self.gain_index)

    @cached_property
    def inspector(self) -> "LatentInspector":
        from jahp_gui.codec.inspection import LatentInspector

        priors = {name: self.model.prior(name) for name in self.model.card.priors}
        return LatentInspector(priors, self.y_hat, self.gain_index, self.z_hats)

    def holds(self, place: Place) -> bool:
        latents, column, row = place
        stride = STRIDES[latents]
        return 0 <= column < -(-self.width // stride) and 0 <= row < -(-self.height // stride)

    def inspect(self, place: Place, first: str, report: Callable[[Inspection], None]) -> Inspection:
        """A position under every prior; what is known meanwhile, `first` before all, is reported now and then."""
        from jahp_gui.codec.inspection import governed_regions

        regions = governed_regions(self.model.config, *place, self.width, self.height)
        names = sorted(self.model.card.priors, key=lambda name: name != first)
        predictions: dict[str, object] = {}
        reported = time.monotonic()
        for name in names:
            predictions[name] = self.inspector.predict(name, *place)
            if time.monotonic() - reported > REPORT_SECONDS:
                report(Inspection(place, self.gain_index, dict(predictions), *regions))  # type: ignore[arg-type]
                reported = time.monotonic()
        return Inspection(place, self.gain_index, predictions, *regions)  # type: ignore[arg-type]

    def has(self, choice: Choice, y_hat: np.ndarray) -> bool:
        """Whether the latents of a choice are these."""
        if self._y_hat is not None:
            return y_hat is self._y_hat
        return (choice.gain_index, choice.effort) == (self.gain_index, 0)

    @property
    def is_rounded(self) -> bool:
        """Whether the gain index alone says which latents of the image these are."""
        return self._y_hat is None

    def is_whole(self, found: Inspection) -> bool:
        """Whether an inspection, of the same image and model, is of this λ and has every prior."""
        return found.gain_index == self.gain_index and len(found.predictions) == len(self.model.card.priors)

    def cost(self, name: str, known: "LatentMaps | None", progress: Callable[[float], None]) -> "PriorCost":
        """What all latents cost under a prior; `known` where its maps are there already."""
        from jahp_gui.codec.latent_coding import measure_latents
        from jahp_gui.codec.prior_costs import prior_cost

        prior, z_hat = self.model.prior(name), self.z_hats.get(name)
        maps = known or measure_latents(prior, self.y_hat, self.gain_index, z_hat, progress=progress)
        return prior_cost(maps, self.y_hat)


class InspectionController(QObject):
    """Keeps `session.inspection`, `session.pinned_inspection` and `session.parts` those of what is shown."""

    def __init__(
        self,
        session: Session,
        jobs: Jobs,
        source_of: Callable[[], LatentSource | None],
        parent: QObject | None = None,
    ):
        super().__init__(parent)
        self.session, self.jobs, self._source_of = session, jobs, source_of
        self._source: LatentSource | None = None
        self._shown_from: LatentSource | None = None  # whose latents the inspections that are shown are
        self._asked: tuple[LatentSource | None, Place | None, Place | None] = (None, None, None)
        self._parts_asked: LatentSource | None = None
        self._parts: OrderedDict[int, Parts] = OrderedDict()
        self._rest = QTimer(self, singleShot=True, interval=PARTS_REST_MS)
        self._rest.timeout.connect(self._measure_parts)
        for signal in (
            session.marked_changed,
            session.inspector_changed,
            session.choice_changed,
            session.results_changed,
            session.parts_choice_changed,
        ):
            signal.connect(self.update)

    def forget(self) -> None:
        """Another image or model: nothing found so far is of it."""
        for key in ("inspect", "parts"):
            self.jobs.cancel(key)
        self._rest.stop()
        self._source = self._shown_from = self._parts_asked = None
        self._asked = (None, None, None)
        self._parts.clear()
        if self.session.parts is not None:
            self.session.parts = None
            self.session.parts_changed.emit()

    @Slot()
    def update(self) -> None:
        """Start what is missing of what is asked for."""
        source = self._source_of()
        if source is None or not source.is_same(self._source):
            self._source = source
        self._inspect()
        self._update_parts()

    # ------------------------------------------------------------ one position

    def _inspect(self) -> None:
        session, source = self.session, self._source
        marked, pinned = session.marked, session.inspector.pinned
        places = [
            place if source is None or place is None or source.holds(place) else None for place in (marked, pinned)
        ]
        if (source, *places) == self._asked:
            return
        self._asked = (source, places[0], places[1])
        shown = session.inspection, session.pinned_inspection
        self._show(*(old if place is not None else None for old, place in zip(shown, places, strict=True)))
        if source is None or places == [None, None]:
            self.jobs.cancel("inspect")
            return
        first = session.shown_choice.prior
        is_same = source is self._shown_from
        whole = [found for found in shown if is_same and found is not None and source.is_whole(found)]

        def inspect(job: Job) -> list[Inspection | None]:
            work.use_cores(work.ONE)  # its products are small: threads would wait for each other
            found: list[Inspection | None] = []
            for number, place in enumerate(places):
                job.check()
                report = job.progress if number == 0 else lambda _: None
                known = next((known for known in whole if known.place == place), None)
                found.append(known if known or place is None else source.inspect(place, first, report))
            return found

        def done(found: list[Inspection | None]) -> None:
            if self._asked[1:] == tuple(places):  # while λ moves, that of a moment ago is shown until its own is there
                self._shown_from = source
                self._show(*found)

        def partly(found: Inspection) -> None:
            if self._asked == (source, *places):
                self._show(found, session.pinned_inspection)

        self.jobs.start("inspect", inspect, done, progress=partly, keep_running=True)

    def _show(self, inspection: Inspection | None, pinned: Inspection | None) -> None:
        session = self.session
        if session.inspection is not inspection or session.pinned_inspection is not pinned:
            session.inspection, session.pinned_inspection = inspection, pinned
            session.inspection_changed.emit()

    # ------------------------------------------------------------ every prior

    def _update_parts(self) -> None:
        """Show what is known of this λ; what is not is measured once the slider rests."""
        session, source = self.session, self._source
        if not session.parts_choice.wanted:
            self._parts_asked = None
            self._rest.stop()
            self.jobs.cancel("parts")
            return
        if source is None or source is self._parts_asked:
            return
        self._parts_asked = source
        self.jobs.cancel("parts")
        known = self._parts.get(source.gain_index) if source.is_rounded else None
        if known is not None:
            self._rest.stop()
            self._show_parts(known)
        else:
            self._rest.start()

    @Slot()
    def _measure_parts(self) -> None:
        session, source = self.session, self._source
        if source is None:
            return
        names = source.model.card.priors
        latents = session.latents
        known = latents if latents is not None and source.has(latents.choice, latents.y_hat) else None

        def measure(job: Job) -> Parts:
            work.use_cores(work.ALL)
            costs: dict[str, PriorCost] = {}
            for number, name in enumerate(names):
                job.progress(number / len(names))
                maps = known.maps if known is not None and known.choice.prior == name else None
                costs[name] = source.cost(name, maps, job.tick)
                job.progress(Parts(source.gain_index, dict(costs)))
            return Parts(source.gain_index, costs)

        def partly(value: object) -> None:
            if isinstance(value, Parts):
                self._show_parts(value)

        def done(parts: Parts) -> None:
            if source.is_rounded:
                self._parts[parts.gain_index] = parts
            while len(self._parts) > KEPT_PARTS:
                self._parts.popitem(last=False)
            self._show_parts(parts)

        def stopped() -> None:
            self.session.tell(tr("Stopped: open the tab again, or choose another setting, to measure every prior."))

        self.jobs.start("parts", measure, done, progress=partly, label=tr("Measuring every prior"), stopped=stopped)

    def _show_parts(self, parts: Parts) -> None:
        if self._source is not None and parts.gain_index == self._source.gain_index:
            self.session.parts = parts
            self.session.parts_changed.emit()
