"""Between session and jobs: what must be computed when something changes, and what is done with what comes back.

While a setting moves, two short jobs answer: the picture synthesised from the encoder's ŷ, and the cost of every
latent with the bytes that they make, both of plain rounding. When it has rested for a moment, the real file is decoded
and checked; with an effort, and of a large image, it is written only then.
"""

import contextlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Slot

from jahp_gui.codec.errors import JahpError
from jahp_gui.codec.importance import Mask
from jahp_gui.codec.latent_views import Region
from jahp_gui.codec.models import Card, installed_models, read_card
from jahp_gui.evaluation.classical import available_codecs
from jahp_gui.gui import subtracting, work
from jahp_gui.gui.comparison import ComparisonController
from jahp_gui.gui.curves import CurvesController
from jahp_gui.gui.damage import DamageController
from jahp_gui.gui.decoder import DecoderController
from jahp_gui.gui.i18n import tr
from jahp_gui.gui.inspecting import InspectionController, LatentSource
from jahp_gui.gui.jobs import Job, Jobs
from jahp_gui.gui.refining import RefiningController
from jahp_gui.gui.results import (
    Choice,
    FileResult,
    LatentResult,
    LivePicture,
    SizeEstimate,
)
from jahp_gui.gui.sentences import translated
from jahp_gui.gui.session import Session
from jahp_gui.gui.subtracting import SubtractionController
from jahp_gui.gui.surgery import SurgeryController
from jahp_gui.gui.targets import codec_target

if TYPE_CHECKING:
    from pathlib import Path

    from jahp_gui.codec.model import Model

REST_MS = 120  # after the last change of a setting: now the real file is made
KEPT_RESULTS, KEPT_OF_LARGE = 12, 2  # files and maps that undo and switching back show at once


class Controller(QObject):
    """Runs the codec for the session."""

    def __init__(self, session: Session, jobs: Jobs, parent: QObject | None = None):
        super().__init__(parent)
        self.session, self.jobs = session, jobs
        self.refining = RefiningController(
            session, jobs, self._show_candidate, lambda choice: self._files.get(choice), self
        )
        self.comparison = ComparisonController(session, jobs, self.file_of, self.refining.best_of_any_effort, self)
        self.curves = CurvesController(session, jobs, self)
        self.decoder = DecoderController(session, jobs, self)
        self.surgery = SurgeryController(session, jobs, self)
        self.damage = DamageController(session, jobs, self)
        self.inspection = InspectionController(session, jobs, self.latent_source, self)
        self._analysed: work.Analysed | None = None
        self._file_awaited: Choice | None = None  # at rest, while its bytes are being written with its latents
        self._targeted: Choice | None = None  # whose λ was searched last, at the gain index 0
        self._files: OrderedDict[Choice, FileResult] = OrderedDict()
        self._latents: OrderedDict[Choice, LatentResult] = OrderedDict()
        self._rest = QTimer(self, singleShot=True)
        self.subtraction = SubtractionController(
            session, jobs, self._latents.get, self._keep_latents, self._rest.isActive, self
        )
        self._rest.timeout.connect(self._at_rest)
        session.model_changed.connect(self._on_model)
        session.current_changed.connect(self._on_image)
        session.choice_changed.connect(self._on_choice)
        session.target_changed.connect(self._on_target)

    def find_codecs(self) -> None:
        """Which classical codecs work here: each is tried once, which takes its time."""
        self.jobs.start("codecs", lambda job: available_codecs(), self.session.set_codecs, kind="display")

    # ------------------------------------------------------------ models

    def find_models(self, wanted: str, opened: Sequence["Path"] = ()) -> None:
        """Look for installed models, and those opened in earlier runs; use the wanted one, or the first."""
        unreadable: list[str] = []
        try:
            cards = installed_models(unreadable)
        except JahpError as error:
            cards, self.session.model_error = [], translated(str(error))
        for folder in opened:
            with contextlib.suppress(JahpError):  # it may have gone
                card = read_card(folder)
                if card.model_id not in [known.model_id for known in cards]:
                    cards.append(card)
        self.session.set_cards(cards, wanted)
        if not cards:
            self.session.model_error = self.session.model_error or tr(
                "No model is installed: put one into the folder named by JAHP_MODELS, or open one from the File menu."
            )
            self.session.tell(self.session.model_error, "error")
            self.session.model_changed.emit()
        elif unreadable:
            self.session.tell(translated(unreadable[0]), "error")

    def open_model(self, folder: "Path") -> None:
        """A model folder from anywhere, added to the list and used."""
        try:
            card = read_card(folder)
        except JahpError as error:
            self.session.tell(translated(str(error)), "error")
            return
        others = [known for known in self.session.cards if known.model_id != card.model_id]
        self.session.set_cards([*others, card], card.model_id)

    @Slot()
    def _on_model(self) -> None:
        card = self.session.card
        if card is None or self.session.model is not None or self.session.model_error:
            return
        self._forget()
        self.jobs.start(
            "model",
            lambda job: work.load_model(card),
            lambda model: self._model_loaded(card, model),
            failed=self._model_failed,
            label=tr("Loading model {name}").format(name=card.model_id),
            can_stop=False,
        )

    def _model_loaded(self, card: Card, model: "Model") -> None:
        if card is self.session.card:
            self.session.model = model
            self.session.model_changed.emit()
            self._analyse()

    def _model_failed(self, text: str) -> None:
        self.session.model_error = text
        self.session.tell(text, "error")
        self.session.model_changed.emit()

    # ------------------------------------------------------------ image → latents

    @Slot()
    def _on_image(self) -> None:
        self._forget()
        self._analyse()

    def _forget(self) -> None:
        """Nothing computed so far is of this image and model."""
        for key in ("analysis", "live", "latents", "estimate", "file", "similarity", "target"):
            self.jobs.cancel(key)
        self.comparison.forget()
        self.curves.forget()
        self.inspection.forget()
        self.refining.forget()
        self.subtraction.forget()
        self._rest.stop()
        self._analysed = self._file_awaited = self._targeted = None
        self._files.clear()
        self._latents.clear()

    def _analyse(self) -> None:
        session, item = self.session, self.session.current
        self.comparison.update()
        if item is None or item.original is None or session.model is None:
            return
        model, original = session.model, item.original

        def done(analysed: work.Analysed) -> None:
            self._analysed = self.refining.analysed = self.subtraction.analysed = analysed
            self._refresh()
            self._rest.start(0)
            self.curves.start(model, original)
            self.subtraction.update()

        self.jobs.start(
            "analysis",
            lambda job: work.analyse(model, original, job),
            done,
            label=tr("Analysing the image"),
            can_stop=False,
        )

    # ------------------------------------------------------------ a setting moves

    @Slot()
    def _on_choice(self) -> None:
        if self._analysed is None:
            return
        # Of a large image the latents of the old choice take seconds, and the new one's file would wait for them.
        for key in ("file", "similarity", *(["latents", subtracting.JOB] if self._analysed.is_large else [])):
            self.jobs.cancel(key)
        self._file_awaited = None
        self._rest.start(REST_MS)
        self._refresh()

    def _refresh(self) -> None:
        """Show what is known of the choice, and start what is not."""
        choice = self.session.choice
        file = self._known_file(choice)
        if file is not None:
            self._show_file(file)
        else:
            self._start_live(choice.rounded)
        known = self._latents.get(choice) or self._latents.get(choice.rounded)
        if known is not None and file is not None and file.found is None and known.choice != choice:
            known = replace(known, choice=choice)  # the search has found nothing better than rounding so far
            self._keep_latents(known)
        if known is not None:
            self._show_latents(known)
        if choice not in self._latents:
            if file is not None and (file.found is not None or known is None):
                self._start_latents(choice, file)
            elif known is None and self._analysed is not None and self._analysed.is_large:
                self._start_estimate(choice.rounded)
            elif known is None:
                self._start_latents(choice.rounded)
        if self.session.map_choice.reference:
            self.subtraction.update()

    def _known_file(self, choice: Choice) -> FileResult | None:
        return self._files.get(choice) or self.refining.best(choice)

    def _start_live(self, choice: Choice) -> None:
        analysed = self._analysed
        assert analysed is not None
        live = self.session.live or self.session.file
        same = live is not None and live.choice == replace(choice, prior=live.choice.prior)
        if live is not None and same and getattr(live, "region", None) is None:
            self._show_live(LivePicture(choice, live.picture, live.psnr))  # another prior: the same ŷ, the same picture
            return
        around = self._visible_region() if analysed.is_large else None
        self.jobs.start(
            "live", lambda job: work.live_picture(analysed, choice, around), self._show_live, keep_running=True
        )

    def _visible_region(self) -> Region:
        """The part of the image that the window shows, at most LIVE_PIXELS of it, around the centre."""
        view = self.session.view
        visible = view.visible()
        width, height = view.image.width(), view.image.height()
        part_width, part_height = min(visible.width(), width), min(visible.height(), height)
        shrink = min(1.0, (work.LIVE_PIXELS / max(part_width * part_height, 1)) ** 0.5)
        part_width, part_height = part_width * shrink, part_height * shrink
        left = min(max(view.centre.x() - part_width / 2, 0), width - part_width)
        top = min(max(view.centre.y() - part_height / 2, 0), height - part_height)
        return Region(int(left), int(top), max(1, int(part_width)), max(1, int(part_height)))

    def _show_live(self, live: LivePicture) -> None:
        if self.session.exact is None:  # else the real file was faster
            self.session.live = live
            self.session.results_changed.emit()
            self.comparison.update()

    def _start_latents(self, choice: Choice, file: FileResult | None = None) -> None:
        """Of plain rounding, or of what a search has put into a file."""
        analysed = self._analysed
        assert analysed is not None
        found = file.found if file is not None else None
        self.jobs.start(
            "latents", lambda job: work.latents(analysed, choice, found, job), self._on_latents, keep_running=True
        )

    def _start_estimate(self, choice: Choice) -> None:
        """Of a large image not every latent is measured while the setting moves."""
        analysed, file = self._analysed, self.session.file
        assert analysed is not None
        known = (file.choice, len(file.data)) if file is not None else None
        self.jobs.start(
            "estimate",
            lambda job: work.estimate_size(analysed, choice, known),
            self._show_estimate,
            keep_running=True,
        )

    def _show_estimate(self, estimate: SizeEstimate) -> None:
        self.session.estimate = estimate
        self.session.results_changed.emit()

    def _on_latents(self, result: LatentResult) -> None:
        self._keep_latents(result)
        shown, now = self.session.latents, self.session.choice
        if result.choice == now or shown is None or shown.choice != now:  # else what was searched is there already
            self._show_latents(result)
        if result.choice == now == self._file_awaited and self._analysed is not None:
            self._file_awaited = None
            self._start_file(self._analysed, now, None)

    def _show_latents(self, result: LatentResult) -> None:
        was_of_shown = self.subtraction.is_of_shown
        self.session.latents = result
        self.session.results_changed.emit()
        self.session.maps_changed.emit()
        if was_of_shown or self.subtraction.is_of_shown:
            self.subtraction.update()

    # ------------------------------------------------------------ it rests

    @Slot()
    def _at_rest(self) -> None:
        """The real file of what is chosen, decoded; the choice becomes a step of undo."""
        session, analysed = self.session, self._analysed
        if analysed is None:
            return
        if session.choice.effort > 1 and session.exact is None and not self.refining.is_running:
            session.set_choice(effort=1)  # undo has come back to what was refined too long ago to be kept
            session.amend_history()
            return  # it rests again
        session.remember_choice()
        choice, mask = session.choice, session.mask
        if analysed.is_large and session.map_choice.reference:
            self.subtraction.update()
        if session.exact is None and choice.effort < 2:
            self._start_file(analysed, choice, mask)
        is_refined = choice.effort > 1  # at the λ that the target gave it: another would end the refinement
        if session.target[0] != "lambda" and not is_refined and replace(choice, gain_index=0) != self._targeted:
            self._on_target()

    def _start_file(self, analysed: work.Analysed, choice: Choice, mask: Mask | None) -> None:
        self.session.stopped = None
        known = self._latents.get(choice)
        if known is not None and known.encoded is not None:
            encoded = known.encoded
            self.jobs.start("file", lambda job: work.read_back(analysed, choice, encoded, job), self._on_file)
        elif known is None and choice == choice.rounded and self.jobs.is_active("latents"):
            self._file_awaited = choice
        else:
            slow = analysed.is_large or choice.effort > 0
            self.jobs.start(
                "file",
                lambda job: work.make_file(analysed, choice, mask, job),
                self._on_file,
                label=tr("Writing and decoding the file") if slow else "",
                stopped=self._file_stopped,
            )

    def _file_stopped(self) -> None:
        self.session.stopped = self.session.choice
        self.session.results_changed.emit()
        self.session.tell(tr("Stopped: this setting has no file yet; move λ, or choose another setting and come back."))

    def _on_file(self, result: FileResult) -> None:
        self._keep(self._files, result.choice, result)
        if result.choice == self.session.choice:
            self._show_file(result)
            if result.choice not in self._latents and (result.found is not None or not self.jobs.is_active("latents")):
                self._start_latents(result.choice, result)  # of a large image, not beside the file

    def _show_candidate(self, file: FileResult, latents: LatentResult | None) -> None:
        """What a search has found so far is the file of what is chosen."""
        if latents is not None:
            self._keep_latents(latents)
        if file.choice == self.session.choice:
            self._show_file(file)
            if latents is not None:
                self._show_latents(latents)

    def _show_file(self, result: FileResult) -> None:
        self.session.file, self.session.live = result, None
        self.session.results_changed.emit()
        self.comparison.update()
        if not result.ms_ssim_known:
            self._start_similarity(result)

    def _start_similarity(self, result: FileResult) -> None:
        """Last of all, and of a large image behind everything else."""
        analysed = self._analysed
        if analysed is None:
            return

        def done(value: float | None) -> None:
            result.ms_ssim, result.ms_ssim_known = value, True
            self.session.results_changed.emit()

        self.jobs.start(
            "similarity",
            lambda job: work.similarity(analysed.original, result.picture),
            done,
            kind="background" if analysed.is_large else "user",
        )

    def file_of(self, choice: Choice, job_key: str, done: Callable[[FileResult], None]) -> None:
        """The real file of a choice of effort 0 or 1, kept or from a job; for the sides of the comparison."""
        analysed, mask = self._analysed, self.session.masks.get(choice.mask)
        if choice in self._files:
            self._files.move_to_end(choice)  # a side may keep its λ while others come and go
            self.jobs.cancel(job_key)  # of another choice, which would take its place
            done(self._files[choice])
        elif analysed is not None:

            def keep(result: FileResult) -> None:
                self._keep(self._files, choice, result)
                done(result)

            self.jobs.start(job_key, lambda job: work.make_file(analysed, choice, mask, job), keep)

    def latent_source(self) -> LatentSource | None:
        """The latents of what is shown, for whoever looks inside; None until they can be had."""
        session, item = self.session, self.session.current
        if session.is_fixed and item is not None and item.decoded is not None and item.size is not None:
            opened, gain_index = item.decoded, session.shown_choice.gain_index
            known = {} if opened.z_hat is None else {opened.prior: opened.z_hat}
            return LatentSource(opened.model, gain_index, *item.size, y_hat=opened.y_hat, z_hats=known)
        if self._analysed is None:
            return None
        analysed, gain_index = self._analysed, session.choice.gain_index
        if session.exact is not None and session.exact.found is not None:
            found = session.exact.found
            return LatentSource(analysed.model, gain_index, *analysed.original.size, y_hat=found)
        known = {
            choice.prior: result.maps.z_hat
            for choice, result in self._latents.items()
            if (choice.gain_index, choice.effort) == (gain_index, 0) and result.maps.z_hat is not None
        }
        return LatentSource(analysed.model, gain_index, *analysed.original.size, y=analysed.y, z_hats=known)

    # ------------------------------------------------------------ targets

    @Slot()
    def _on_target(self) -> None:
        kind, value = self.session.target
        analysed = self._analysed
        if kind == "lambda" or analysed is None:
            self.jobs.cancel("target")
            return
        choice, mask = self.session.choice.unrefined, self.session.mask
        self._targeted = replace(choice, gain_index=0)

        def work_of(job: Job) -> int:
            return work.find_target(analysed, choice, mask, codec_target(kind, value), job)

        def done(gain_index: int) -> None:
            self.session.set_choice(gain_index=gain_index, keep_target=True)
            self._rest.start(0)

        def stopped() -> None:
            self.session.set_target("lambda", 0.0)

        self.jobs.start("target", work_of, done, label=tr("Searching λ for the target"), stopped=stopped)

    # ------------------------------------------------------------ what is kept

    def _keep_latents(self, result: LatentResult) -> None:
        self._keep(self._latents, result.choice, result)

    def _keep(self, kept: OrderedDict, key: Choice, value: object) -> None:
        """Remember a result and forget the oldest; of a large image each takes half a gigabyte."""
        large = self._analysed is not None and self._analysed.is_large
        kept[key] = value
        kept.move_to_end(key)
        while len(kept) > (KEPT_OF_LARGE if large else KEPT_RESULTS):
            kept.popitem(last=False)
