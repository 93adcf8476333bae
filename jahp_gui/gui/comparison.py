"""Fills the two sides of the comparison: originals, real files of any prior and λ, classical codecs at equal size."""

from collections.abc import Callable
from dataclasses import replace

from PySide6.QtCore import QObject, Slot

from jahp_gui.evaluation.classical import get_codec
from jahp_gui.evaluation.classical_process import CodecProcess
from jahp_gui.gui import work
from jahp_gui.gui.imaging import Pyramid, absolute_difference
from jahp_gui.gui.jobs import Jobs
from jahp_gui.gui.results import (
    CURRENT,
    EXHIBITS,
    ORIGINAL,
    REFINED,
    ROUNDED,
    Choice,
    ClassicalResult,
    FileResult,
    LivePicture,
    Side,
    Source,
)
from jahp_gui.gui.session import Session

FileOf = Callable[[Choice, str, Callable[[FileResult], None]], None]
RefinedOf = Callable[[Choice], FileResult | None]
KEPT_CLASSICAL = 8


class ComparisonController(QObject):
    """Makes `session.sides` what `session.compare` asks for."""

    def __init__(
        self, session: Session, jobs: Jobs, file_of: FileOf, refined_of: RefinedOf, parent: QObject | None = None
    ):
        super().__init__(parent)
        self.session, self.jobs, self._file_of, self._refined_of = session, jobs, file_of, refined_of
        self._classical: dict[tuple[str, int], ClassicalResult] = {}
        self._failed: dict[tuple[str, int], str] = {}  # what a codec cannot do, and why
        self._difference_of: tuple[Pyramid, Pyramid] | None = None
        self._awaited: dict[str, object] = {}  # what the job of a side is making
        self._processes = {"a": CodecProcess(), "b": CodecProcess()}
        for process in self._processes.values():
            jobs.ending.connect(process.close)
        session.compare_changed.connect(self.update)
        session.exhibits_changed.connect(self._update_exhibits)

    def forget(self) -> None:
        """Another image: nothing made so far is of it."""
        for key in ("side a", "side b", "difference"):
            self.jobs.cancel(key)
        self._classical.clear()
        self._failed.clear()
        self.session.side_errors.clear()
        self._difference_of = None

    @Slot()
    def update(self) -> None:
        for name, source in (("a", self.session.compare.a), ("b", self.session.compare.b)):
            self._update_side(name, source)
        self._announce()

    def _update_side(self, name: str, source: Source) -> None:
        """Put the side's picture in place, or start a job; meanwhile the old one stays under its own label."""
        session, item = self.session, self.session.current
        if item is None or item.picture is None:
            session.sides[name] = None
        elif source == ORIGINAL:
            session.sides[name] = Side(source, item.original) if item.original else None
        elif source in EXHIBITS:
            exhibit = session.exhibits.get(source.kind)
            picture = exhibit.picture if exhibit is not None else None
            session.sides[name] = Side(source, picture, exhibit) if picture is not None else None
        elif source == CURRENT and item.original is None:
            session.sides[name] = Side(source, item.opened.picture, item.opened) if item.opened else None
        elif source == CURRENT:
            self._show_current(name)
        elif item.original is None:
            session.sides[name] = None  # nothing else can be made of an opened file
        elif source == REFINED:
            refined = self._refined_of(session.choice)
            session.sides[name] = Side(source, refined.picture, refined) if refined is not None else None
        elif source == ROUNDED or source.kind == "prior":
            self._update_prior(name, source)
        else:
            self._update_classical(name, source)

    @Slot()
    def _update_exhibits(self) -> None:
        if self.session.compare.a in EXHIBITS or self.session.compare.b in EXHIBITS:
            self.update()

    def _show_current(self, name: str) -> None:
        session = self.session
        shown: LivePicture | FileResult | None = session.live or session.file
        if shown is None:
            session.sides[name] = None
        elif isinstance(shown, LivePicture) and shown.region is not None:
            if session.file is not None:
                session.sides[name] = Side(CURRENT, session.file.picture, session.file, patch=shown)
        else:
            session.sides[name] = Side(CURRENT, shown.picture, shown)

    def _update_prior(self, name: str, source: Source) -> None:
        """A prior with the effort of the setting, but for its refinement; or the setting without any."""
        session = self.session
        if session.card is None or (source != ROUNDED and source.name not in session.card.priors):
            session.sides[name] = None
            return
        choice = session.choice.rounded
        if source != ROUNDED:
            index = session.choice.gain_index if source.gain_index is None else source.gain_index
            index = min(index, session.gain_index_count - 1)
            choice = replace(session.choice.unrefined, prior=source.name, gain_index=index)
        if choice == session.choice:
            self._show_current(name)
        elif self._is_awaited(name, choice):
            pass  # it is being made
        elif source.gain_index is None and session.exact is None:
            self.jobs.cancel(f"side {name}")  # the slider is moving: of a λ that nobody wants any more
        else:
            self._file_of(choice, f"side {name}", lambda result: self._fill(name, source, result))

    def _update_classical(self, name: str, source: Source) -> None:
        session = self.session
        item, exact = session.current, session.exact
        if item is None or item.original is None:
            return
        if exact is None:
            self.jobs.cancel(f"side {name}")  # to a size that is past
            return
        original, n_bytes = item.original, len(exact.data)
        wanted = source.name, n_bytes
        known = self._classical.get(wanted)
        if known is not None:
            self.jobs.cancel(f"side {name}")  # of another size, which would take its place
            self._fill(name, source, known)
            return
        session.side_errors[source] = self._failed.get(wanted, "")
        if wanted in self._failed:
            session.sides[name] = None
            return
        if self._is_awaited(name, wanted):
            return
        codec, process = get_codec(source.name), self._processes[name]

        def done(result: ClassicalResult) -> None:
            if len(self._classical) >= KEPT_CLASSICAL:
                self._classical.clear()
            self._classical[wanted] = result
            self._fill(name, source, result)

        def failed(text: str) -> None:
            if text not in self._failed.values():  # of another size; said once
                session.tell(text, "error")
            self._failed[wanted] = text
            self.update()

        self.jobs.start(
            f"side {name}",
            lambda job: work.make_classical(process, codec, original, n_bytes, job),
            done,
            failed=failed,
            label=codec.label,
            stopped=lambda: session.set_compare(**{name: CURRENT}),
        )

    def _is_awaited(self, name: str, what: object) -> bool:
        """Whether the side's job is already making this; else it is noted as what it will make."""
        awaited = self._awaited.get(name) == what and self.jobs.is_active(f"side {name}")
        self._awaited[name] = what
        return awaited

    def _fill(self, name: str, source: Source, result: FileResult | ClassicalResult) -> None:
        """Shown only while the side still asks for it."""
        if getattr(self.session.compare, name) == source:
            self.session.sides[name] = Side(source, result.picture, result)
            self._announce()

    def _announce(self) -> None:
        self._update_difference()
        self.session.sides_changed.emit()

    def _update_difference(self) -> None:
        session = self.session
        sides = [side.picture for side in session.sides.values() if side is not None]
        if session.compare.mode != "difference" or len(sides) < 2 or sides[0].size != sides[1].size:
            if session.compare.mode == "difference":
                session.difference, self._difference_of = None, None
            return
        a, b = sides
        if self._difference_of is not None and self._difference_of[0] is a and self._difference_of[1] is b:
            return
        self._difference_of = (a, b)

        def done(difference: Pyramid) -> None:
            session.difference = difference
            session.sides_changed.emit()

        self.jobs.start("difference", lambda job: Pyramid(absolute_difference(a.rgb, b.rgb)), done, keep_running=True)
