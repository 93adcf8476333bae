"""Efforts 2 and 3: the latents of the image that is shown are searched in the background, and what is found is shown.

A search may be stopped at any time; the best file so far is then the file of the setting. It is kept beside those of
other settings and images until the program ends, so that undo and redo, and a second look, cost nothing.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace

from PySide6.QtCore import QObject, Slot

from jahp_gui.codec import metrics
from jahp_gui.codec.importance import Mask
from jahp_gui.gui import work
from jahp_gui.gui.i18n import tr
from jahp_gui.gui.jobs import Job, Jobs
from jahp_gui.gui.results import Choice, CurvePoint, FileResult, ImageItem, LatentResult, Refining
from jahp_gui.gui.session import Session

JOB = "refine"
KEPT, KEPT_OF_LARGE = 8, 2
REPORT_SECONDS = 0.2  # between two reports of progress
WRITING_SHARE = 4  # a candidate is made a file only when the search has gone on for this many times what that takes

Show = Callable[[FileResult, LatentResult | None], None]


@dataclass(eq=False)
class Kept:
    """The best file of a choice so far; whether the search came to its end; by how many percent λ·D + R has fallen."""

    file: FileResult
    complete: bool = False
    gain: float = 0.0
    saved: bool = False
    is_large: bool = False  # the image

    @property
    def is_owed(self) -> bool:
        """Whether it is worth something and on no disk."""
        return self.gain > 0 and not self.saved


@dataclass(frozen=True, eq=False)
class Found:
    """A better file, on its way from the job."""

    file: FileResult
    latents: LatentResult
    gain: float


class RefiningController(QObject):
    """Runs the search for the session.

    show: puts a file and its latents in place. known: the file of a choice, where there is one. analysed: the image's
    latents.
    """

    def __init__(
        self,
        session: Session,
        jobs: Jobs,
        show: Show,
        known: Callable[[Choice], FileResult | None],
        parent: QObject | None = None,
    ):
        super().__init__(parent)
        self.session, self.jobs, self._show, self._known = session, jobs, show, known
        self.analysed: work.Analysed | None = None
        self._kept: OrderedDict[tuple[ImageItem, Choice], Kept] = OrderedDict()
        self._owed: list[tuple[ImageItem, bytes]] = []  # unsaved files whose pictures were forgotten
        self._weights: dict[str, dict[str, str]] = {}  # digests of the models that files were made with
        self._trail_of: Choice | None = None
        self._target_sought = False
        session.choice_changed.connect(self._on_choice)
        session.model_changed.connect(self._on_model)
        session.item_forgotten.connect(self._on_forgotten)
        jobs.activity_changed.connect(self._on_activity)

    def forget(self) -> None:
        """Another image or model."""
        self._end()
        self.analysed = None

    # ------------------------------------------------------------ what there is

    @property
    def is_running(self) -> bool:
        return self.session.refining is not None

    @property
    def can_start(self) -> bool:
        """Whether there is a file to begin with and anything left to be found."""
        session = self.session
        if self.analysed is None or session.exact is None or session.is_fixed or self.is_running:
            return False
        if self.jobs.is_active("target"):  # the λ that it finds would end the refinement
            return False
        kept = self._kept_of(self._wanted)
        return kept is None or not kept.complete or session.choice != self._wanted

    def _share(self) -> float:
        """Of the cores, asked for in the job: where others compute, too, more threads would wait for each other."""
        return work.HALF if self.jobs.background_busy(besides=JOB) else work.ALL

    @property
    def _wanted(self) -> Choice:
        return replace(self.session.choice, effort=max(self.session.effort, 2))

    def best(self, choice: Choice) -> FileResult | None:
        """The refined file of the image for exactly this choice."""
        kept = self._kept_of(choice)
        return kept.file if kept is not None else None

    def best_of_any_effort(self, choice: Choice) -> FileResult | None:
        """That of the most thorough search there was of this prior, λ and region."""
        return self.best(replace(choice, effort=3)) or self.best(replace(choice, effort=2))

    def _kept_of(self, choice: Choice) -> Kept | None:
        item = self.session.current
        return self._kept.get((item, choice)) if item is not None else None

    def unsaved(self, of: ImageItem | None = None) -> list[tuple[ImageItem, bytes]]:
        """The files that would be lost with the program, or with one image."""
        kept = [(item, kept.file.data) for (item, _), kept in self._kept.items() if kept.is_owed]
        found = dict.fromkeys((*self._owed, *kept))  # one that was refined again is both
        return [(item, data) for item, data in found if of in (None, item)]

    def note_saved(self, data: bytes) -> None:
        """A file with these bytes is on the disk."""
        self._owed = [(item, owed) for item, owed in self._owed if owed != data]
        for kept in self._kept.values():
            if kept.file.data == data:
                kept.saved = True

    # ------------------------------------------------------------ what the user does

    @Slot()
    def start(self) -> None:
        """Refine what is chosen with the effort that is asked for, at least 2; known results are shown at once."""
        session, item, file, analysed = self.session, self.session.current, self.session.exact, self.analysed
        if not self.can_start or item is None or file is None or analysed is None:
            return
        choice = self._wanted
        if session.effort != choice.effort:
            session.effort = choice.effort
            session.effort_changed.emit()
        session.remember_choice()
        kept = self._kept_of(choice)
        if kept is None:
            kept = self._keep(item, choice, Kept(replace(file, choice=choice), is_large=analysed.is_large))
        self._start_trail(kept.file if session.choice == choice else file)
        session.set_choice(effort=choice.effort)
        session.remember_choice()
        if kept.complete:
            self._add_to_trail(kept.file)
        else:  # not before the choice is made: other jobs start with it, and would find this one missing
            session.refining = Refining(choice, 0.0, kept.gain)
            self._start_job(item, analysed, kept)
        session.refining_changed.emit()

    def _start_job(self, item: ImageItem, analysed: work.Analysed, kept: Kept) -> None:
        choice, mask, start = kept.file.choice, self.session.mask, kept.file
        earlier = kept.gain

        def search(job: Job) -> None:
            refine(analysed, choice, mask, start, job, self._share)

        def progress(value: object) -> None:
            if self.session.choice != choice or self.session.refining is None:
                return
            if isinstance(value, Found):
                kept.file, kept.saved = value.file, False
                kept.gain = 100 - (100 - earlier) * (100 - value.gain) / 100
                self._add_to_trail(value.file)
                self._show(value.file, value.latents)
            fraction = value if isinstance(value, float) else self.session.refining.fraction
            self.session.refining = Refining(choice, fraction, kept.gain)
            self.session.refining_changed.emit()

        def done(_: object) -> None:
            kept.complete = True
            self._end()
            self._tell(tr("Refined: {bytes:,} bytes, {psnr:.2f} dB, λ·D + R {gain:.1f} % lower."), kept)

        def failed(text: str) -> None:
            self._end()
            self.session.tell(text, "error")

        self.jobs.start(
            JOB,
            search,
            done,
            failed=failed,
            progress=progress,
            label=tr("Refining {name}").format(name=item.name),
            kind="background",
        )

    @Slot()
    def stop(self) -> None:
        """End the search; the best so far stays."""
        refining = self.session.refining
        kept = self._kept_of(refining.choice) if refining is not None else None
        if kept is not None:
            self._end()
            text = tr("Stopped, the best is kept: {bytes:,} bytes, {psnr:.2f} dB, λ·D + R {gain:.1f} % lower.")
            self._tell(text, kept)

    def _tell(self, text: str, kept: Kept) -> None:
        file = kept.file
        self.session.tell(text.format(bytes=len(file.data), psnr=file.psnr or 0.0, gain=kept.gain))

    def _end(self) -> None:
        self.jobs.cancel(JOB)
        if self.session.refining is not None:
            self.session.refining = None
            self.session.refining_changed.emit()

    # ------------------------------------------------------------ what happens meanwhile

    @Slot()
    def _on_choice(self) -> None:
        """Another setting: a search for the one before is of no use, and its path neither."""
        session = self.session
        if session.refining is not None and session.refining.choice != session.choice:
            self._end()
        if session.trail and replace(session.choice, effort=0) != self._trail_of:
            session.trail = []
            session.refining_changed.emit()

    @Slot()
    def _on_model(self) -> None:
        """One that was frozen again under its name: what its older weights made is not shown as theirs."""
        card = self.session.card
        if card is None:
            return
        if self._weights.get(card.model_id, card.files) != card.files:
            for key in [key for key in self._kept if key[1].model_id == card.model_id]:
                self._drop(key)
        self._weights[card.model_id] = card.files

    @Slot(object)
    def _on_forgotten(self, item: ImageItem) -> None:
        """Of an image that was closed nothing stays; while it is listed, its unsaved files can still be saved."""
        for key in [key for key in self._kept if key[0] is item]:
            self._drop(key)
        if item not in self.session.items:
            self._owed = [entry for entry in self._owed if entry[0] is not item]

    @Slot()
    def _on_activity(self) -> None:
        """The status bar's button may have cancelled the job; a target's search keeps another from starting."""
        if self.is_running and not self.jobs.is_active(JOB):
            self.stop()
        if self._target_sought != self.jobs.is_active("target"):
            self._target_sought = not self._target_sought
            self.session.refining_changed.emit()

    def _start_trail(self, file: FileResult) -> None:
        self._trail_of = replace(file.choice, effort=0)
        self.session.trail = []
        rounded = self._known(file.choice.rounded)
        if rounded is not None and rounded.data != file.data:
            self._add_to_trail(rounded)
        self._add_to_trail(file)

    def _add_to_trail(self, file: FileResult) -> None:
        if file.psnr is not None:
            point = CurvePoint(file.container.bpp, file.psnr, file.ms_ssim, len(file.data))
            self.session.trail.append(point)

    def _keep(self, item: ImageItem, choice: Choice, kept: Kept) -> Kept:
        """Remember it; of as large images the oldest is forgotten, but for an unsaved file: that is kept to the end."""
        others = [key for key, other in self._kept.items() if other.is_large == kept.is_large]
        self._kept[(item, choice)] = kept
        while len(others) >= (KEPT_OF_LARGE if kept.is_large else KEPT):
            oldest = next((key for key in others if not self._kept[key].is_owed), others[0])
            others.remove(oldest)
            self._drop(oldest)
        return kept

    def _drop(self, key: tuple[ImageItem, Choice]) -> None:
        """Keep no more than its bytes, where they are on no disk."""
        kept = self._kept.pop(key)
        if kept.is_owed:
            self._owed.append((key[0], kept.file.data))


def refine(
    analysed: work.Analysed,
    choice: Choice,
    mask: Mask | None,
    start: FileResult,
    job: Job,
    share: Callable[[], float],
) -> None:
    """In a job: search, and report each better file as `Found`, and the fraction done now and then.

    share: of the cores, asked for at every step.
    """
    from jahp_gui.codec.effort import search

    problem = work.problem_of(analysed, choice, mask)

    def cost(file: FileResult) -> float:
        return problem.lagrangian(file.picture.rgb, 8 * len(file.data))

    first = best = cost(start)
    began = written_at = time.perf_counter()
    took = 0.0
    for found in search(problem, choice.effort, search_clock(job, share)):
        if found.fraction < 1 and time.perf_counter() - written_at < WRITING_SHARE * took:
            continue
        writing_from = time.perf_counter()
        file = work.write_file(analysed, choice, mask, found, began, job)
        new = cost(file)
        if new < best:
            best = new
            if not analysed.is_large:
                file.ms_ssim, file.ms_ssim_known = metrics.ms_ssim(analysed.original.rgb, file.picture.rgb), True
            job.progress(Found(file, work.latents(analysed, choice, found.y_hat, job), 100 * (1 - best / first)))
        written_at = time.perf_counter()
        took = written_at - writing_from


def search_clock(job: Job, share: Callable[[], float]) -> Callable[[float], None]:
    """What a search calls at every step: gives way to the user's work, ends when cancelled, tells how much is done.

    And it takes its `share` of the cores.
    """
    reported = 0.0

    def tick(fraction: float) -> None:
        nonlocal reported
        job.give_way()
        work.use_cores(share())
        now = time.monotonic()
        if now - reported > REPORT_SECONDS:
            reported = now
            job.progress(fraction)

    return tick
