"""A damaged copy of the file that is shown: bits flipped by hand, decoded without checks, marked as such."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QObject, Signal, Slot

from jahp_gui.codec import metrics
from jahp_gui.codec.errors import JahpError
from jahp_gui.gui.imaging import Pyramid
from jahp_gui.gui.jobs import Job, Jobs
from jahp_gui.gui.results import DAMAGED, DamagedResult, FileResult
from jahp_gui.gui.session import Session
from jahp_gui.gui.work import ALL, use_cores

if TYPE_CHECKING:  # at run time it would load torch
    from jahp_gui.codec.model import Model

LARGER = 4  # a damaged header may ask for this many times the pixels, and no more


class DamageController(QObject):
    """Keeps the flipped bits; what a decoder makes of them is the session's exhibit `DAMAGED`."""

    changed = Signal()

    def __init__(self, session: Session, jobs: Jobs, parent: QObject | None = None):
        super().__init__(parent)
        self.session, self.jobs = session, jobs
        self.flips: tuple[int, ...] = ()  # bit offsets, the one that was set last at the end
        self._file: FileResult | None = None  # whose bits they are
        self._is_compared = False  # the last damaged file's latents with those of the intact one
        session.results_changed.connect(self._on_results)

    @property
    def file(self) -> FileResult | None:
        return self._file

    @property
    def result(self) -> DamagedResult | None:
        """What a decoder made of these flips; None while it is at it."""
        result = self.session.exhibits.get(DAMAGED.kind)
        return result if isinstance(result, DamagedResult) and result.flips == self.flips else None

    # ------------------------------------------------------------ what the user does

    def move(self, bit: int) -> None:
        """Flip this bit in place of the one that was flipped last."""
        self._set((*(flip for flip in self.flips[:-1] if flip != bit), bit))

    def toggle(self, bit: int) -> None:
        """Flip this bit, or leave it as it was."""
        others = tuple(flip for flip in self.flips if flip != bit)
        self._set(others if bit in self.flips else (*others, bit))

    def restore(self) -> None:
        """The file as it was."""
        self._set(())

    def _set(self, flips: tuple[int, ...]) -> None:
        if self._file is None or flips == self.flips:
            return
        self.flips = tuple(flip for flip in flips if 0 <= flip < 8 * len(self._file.data))
        if self.flips:
            self.session.show_exhibit(DAMAGED)
            self._start()
        else:
            self.jobs.cancel("damage")
            self.session.hide_exhibit(DAMAGED)
        self.changed.emit()

    # ------------------------------------------------------------ what comes of it

    @Slot()
    def _on_results(self) -> None:
        """Another file: its bits are others. While one is being made, the last one stays."""
        file = self.session.shown_file
        if file is None and self.session.file is not None:
            return
        if file is self._file:
            if self.flips and not self._is_compared and self._intact_latents() is not None:
                self._start()  # they have come since
            return
        self.jobs.cancel("damage")
        self._file, self.flips = file, ()
        self.session.hide_exhibit(DAMAGED)
        self.changed.emit()

    def _start(self) -> None:
        session, file, flips = self.session, self._file, self.flips
        assert file is not None
        item, model, y_hat = session.current, session.shown_model, self._intact_latents()
        self._is_compared = y_hat is not None
        name = f"{Path(item.name).stem if item is not None else 'image'}.jahp"

        def done(result: DamagedResult) -> None:
            if self.flips and file is self._file:
                session.set_exhibit(DAMAGED, result)
                self.changed.emit()

        self.jobs.start("damage", lambda job: wreck(file, name, flips, model, y_hat, job), done, keep_running=True)

    def _intact_latents(self) -> np.ndarray | None:
        """ŷ (h, w, M) of the file; None while that of a large one is not at hand."""
        file, item, latents = self._file, self.session.current, self.session.latents
        assert file is not None
        if self.session.is_fixed and item is not None and item.decoded is not None:
            return item.decoded.y_hat
        return latents.y_hat if latents is not None and latents.choice == file.choice else file.found


def wreck(
    file: FileResult, name: str, flips: tuple[int, ...], model: "Model | None", y_hat: np.ndarray | None, job: Job
) -> DamagedResult:
    """In a job. name: of the file in sentences. y_hat: the latents of the intact file (h, w, M)."""
    from jahp_gui.codec import damage

    use_cores(ALL)
    data = damage.flipped(file.data, flips)
    refusal = damage.refusal(data, name=name)
    width, height = file.picture.size
    try:
        result = damage.decode_unchecked(
            data,
            model=model,
            max_pixels=LARGER * width * height,
            name=name,
            progress=job.tick,
        )
    except JahpError as error:
        return DamagedResult(file.choice, data, flips, refusal, str(error))
    wrong, first = None, None
    if y_hat is not None and y_hat.shape == result.y_hat.shape:
        wrong = (result.y_hat != y_hat).sum(2).astype(np.int32)
        first = damage.first_difference(result, y_hat)
    same_size = result.rgb.shape == file.picture.rgb.shape
    differs = same_size and not np.array_equal(result.rgb, file.picture.rgb)
    return DamagedResult(
        file.choice,
        data,
        flips,
        refusal,
        result.objection,
        Pyramid(result.rgb),
        result.y_hat,
        wrong,
        first,
        result.steps_done,
        result.steps,
        metrics.psnr(file.picture.rgb, result.rgb) if differs else None,
    )
