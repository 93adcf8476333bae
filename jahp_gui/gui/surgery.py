"""Latent surgery: a list of edits to the latents that are shown, and the real file that comes of it."""

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot

from jahp_gui.codec import metrics
from jahp_gui.codec.surgery import Edit, KeepTop, ZeroChannel, edited
from jahp_gui.gui.imaging import Pyramid
from jahp_gui.gui.jobs import Job, Jobs
from jahp_gui.gui.results import EDITED, EditedResult, LatentResult
from jahp_gui.gui.session import Session
from jahp_gui.gui.work import ALL, use_cores

if TYPE_CHECKING:  # at run time it would load torch
    from jahp_gui.codec.model import Model


class SurgeryController(QObject):
    """Keeps the edits, with undo; what comes of them is the session's exhibit `EDITED`."""

    changed = Signal()

    def __init__(self, session: Session, jobs: Jobs, parent: QObject | None = None):
        super().__init__(parent)
        self.session, self.jobs = session, jobs
        self.edits: tuple[Edit, ...] = ()
        self._before: list[tuple[Edit, ...]] = []
        self._undone: list[tuple[Edit, ...]] = []
        session.current_changed.connect(self._on_image)
        session.maps_changed.connect(self._on_base)
        session.results_changed.connect(self._on_base)

    @property
    def base(self) -> LatentResult | None:
        """The latents that are edited: those of the file that is shown."""
        file, latents = self.session.shown_file, self.session.latents
        return latents if file is not None and latents is not None and latents.choice == file.choice else None

    @property
    def result(self) -> EditedResult | None:
        """What came of the edits; None while it is being made."""
        result, base = self.session.exhibits.get(EDITED.kind), self.base
        current = isinstance(result, EditedResult) and result.base is base  # a search changes them at one setting
        return result if current and result.edits == self.edits else None  # type: ignore[union-attr, return-value]

    @property
    def can_undo(self) -> bool:
        return bool(self._before)

    @property
    def can_redo(self) -> bool:
        return bool(self._undone)

    # ------------------------------------------------------------ what the user does

    def add(self, edit: Edit) -> None:
        """One more edit. A slider that moves is one edit, whatever it passes on its way."""
        if isinstance(edit, KeepTop) and self.edits and isinstance(self.edits[-1], KeepTop):
            self.edits = (*self.edits[:-1], edit)
            self._undone.clear()
            self._update()
        else:
            self._set((*self.edits, edit))

    def reset(self) -> None:
        """Back to the latents of the encoder; undo takes it back."""
        if self.edits:
            self._set(())

    def undo(self) -> None:
        if self._before:
            self._undone.append(self.edits)
            self.edits = self._before.pop()
            self._update()

    def redo(self) -> None:
        if self._undone:
            self._before.append(self.edits)
            self.edits = self._undone.pop()
            self._update()

    def _set(self, edits: tuple[Edit, ...]) -> None:
        self._before.append(self.edits)
        self._undone.clear()
        self.edits = edits
        self._update()

    # ------------------------------------------------------------ what comes of it

    @Slot()
    def _on_image(self) -> None:
        """Regions and channels were chosen for another image."""
        self.jobs.cancel("surgery")
        self.edits = ()
        self._before.clear()
        self._undone.clear()
        self.session.hide_exhibit(EDITED)
        self.changed.emit()

    @Slot()
    def _on_base(self) -> None:
        """The same edits for another prior or λ, once both its file and its latents are there."""
        if self.edits and self.result is None and not self.jobs.is_active("surgery"):
            self._start()
        self.changed.emit()

    def _update(self) -> None:
        if self.edits:
            self.session.show_exhibit(EDITED)
            self._start()
        else:
            self.jobs.cancel("surgery")
            self.session.hide_exhibit(EDITED)
        self.changed.emit()

    def _start(self) -> None:
        base, item, file = self.base, self.session.current, self.session.shown_file
        if base is None or file is None or item is None or item.size is None:
            return
        channels = base.y_hat.shape[2]  # another model may have fewer
        edits = self.edits = tuple(
            edit for edit in self.edits if not isinstance(edit, ZeroChannel) or edit.channel < channels
        )
        model, original, size = self.session.shown_model, item.original, item.size
        if model is None:
            return
        digest = file.container.header.model_digest

        def work(job: Job) -> EditedResult:
            return operate(model.of_file(base.choice.prior, digest), base, edits, size, original, job)

        def done(result: EditedResult) -> None:
            if self.edits and result.choice.model_id == self.session.shown_choice.model_id:
                self.session.set_exhibit(EDITED, result)
                self._on_base()

        self.jobs.start("surgery", work, done, keep_running=True)


def operate(
    model: "Model",
    base: LatentResult,
    edits: tuple[Edit, ...],
    size: tuple[int, int],
    original: Pyramid | None,
    job: Job,
) -> EditedResult:
    """In a job: a real file of the edited latents, decoded. size: (width, height)."""
    from jahp_gui.codec.codec import decode, encode_y_hat

    use_cores(ALL)
    width, height = size
    choice = base.choice
    y_hat = edited(base.y_hat, edits, base.channel_bits)
    encoded = encode_y_hat(model, y_hat, height, width, choice.prior, choice.gain_index)
    job.check()
    decoded = decode(encoded.container, model=model, progress=job.tick)
    quality = metrics.psnr(original.rgb, decoded.rgb) if original is not None else None
    picture = Pyramid(decoded.rgb)
    return EditedResult(base, edits, encoded.data, encoded.container, picture, decoded.y_hat, quality)
