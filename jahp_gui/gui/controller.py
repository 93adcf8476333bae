"""Between session and jobs: what must be computed when something changes, and what is done with what comes back.

While a setting moves, two short jobs answer: the picture synthesised from the encoder's ŷ, and the cost of every
latent. When it has rested for a moment, the real file is written, decoded and checked.
"""

import contextlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Slot

from jahp_gui.codec.errors import JahpError
from jahp_gui.codec.latent_views import Region
from jahp_gui.codec.models import Card, installed_models, read_card
from jahp_gui.evaluation.classical import available_codecs
from jahp_gui.gui import work
from jahp_gui.gui.comparison import ComparisonController
from jahp_gui.gui.curves import CurvesController
from jahp_gui.gui.i18n import tr
from jahp_gui.gui.jobs import Job, Jobs
from jahp_gui.gui.results import (
    Choice,
    FileResult,
    LatentResult,
    LivePicture,
)
from jahp_gui.gui.session import Session
from jahp_gui.gui.targets import codec_target

if TYPE_CHECKING:
    from pathlib import Path

    from jahp_gui.codec.model import Model

REST_MS = 180  # after the last change of a setting: now the real file is made
KEPT_RESULTS, KEPT_OF_LARGE = 12, 2  # files and maps that undo and switching back show at once


class Controller(QObject):
    """Runs the codec for the session."""

    def __init__(self, session: Session, jobs: Jobs, parent: QObject | None = None):
        super().__init__(parent)
        self.session, self.jobs = session, jobs
        self.comparison = ComparisonController(session, jobs, self.file_of, self)
        self.curves = CurvesController(session, jobs, self)
        self._analysed: work.Analysed | None = None
        self._targeted_prior = ""  # whose λ was searched last
        self._files: OrderedDict[Choice, FileResult] = OrderedDict()
        self._latents: OrderedDict[Choice, LatentResult] = OrderedDict()
        self._rest = QTimer(self, singleShot=True, interval=REST_MS)
        self._rest.timeout.connect(self._at_rest)
        session.model_changed.connect(self._on_model)
        session.current_changed.connect(self._on_image)
        session.choice_changed.connect(self._on_choice)
        session.target_changed.connect(self._on_target)
        session.map_choice_changed.connect(self._on_map_choice)

    def find_codecs(self) -> None:
        """Which classical codecs work here: each is tried once, which takes its time."""
        self.jobs.start("codecs", lambda job: available_codecs(), self.session.set_codecs, kind="display")

    # ------------------------------------------------------------ models

    def find_models(self, wanted: str, opened: Sequence["Path"] = ()) -> None:
        """Look for installed models, and those opened in earlier runs; use the wanted one, or the first."""
        try:
            cards = installed_models()
        except JahpError as error:
            cards, self.session.model_error = [], str(error)
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

    def open_model(self, folder: "Path") -> None:
        """A model folder from anywhere, added to the list and used."""
        try:
            card = read_card(folder)
        except JahpError as error:
            self.session.tell(str(error), "error")
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
        for key in ("analysis", "live", "latents", "reference", "file", "target"):
            self.jobs.cancel(key)
        self.comparison.forget()
        self.curves.forget()
        self._rest.stop()
        self._analysed = None
        self._files.clear()
        self._latents.clear()

    def _analyse(self) -> None:
        session, item = self.session, self.session.current
        self.comparison.update()
        if item is None or item.original is None or session.model is None:
            return
        model, original = session.model, item.original

        def done(analysed: work.Analysed) -> None:
            self._analysed = analysed
            self._refresh()
            self._rest.start(0)
            self.curves.start(model, original)
            self._on_map_choice()

        self.jobs.start("analysis", lambda job: work.analyse(model, original), done, label=tr("Analysing the image"))

    # ------------------------------------------------------------ a setting moves

    @Slot()
    def _on_choice(self) -> None:
        if self._analysed is None:
            return
        self.jobs.cancel("file")
        self._refresh()
        self._rest.start()

    def _refresh(self) -> None:
        """Show what is known of the choice, and start what is not."""
        choice = self.session.choice
        if choice in self._files:
            self._show_file(self._files[choice])
        else:
            self._start_live(choice)
        if choice in self._latents:
            self._show_latents(self._latents[choice])
        elif self._analysed is not None and not self._analysed.is_large:
            self._start_latents(choice)
        if self.session.map_choice.reference:
            self._on_map_choice()

    def _start_live(self, choice: Choice) -> None:
        analysed = self._analysed
        assert analysed is not None
        live = self.session.live or self.session.file
        if live is not None and live.choice.gain_index == choice.gain_index and getattr(live, "region", None) is None:
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

    def _start_latents(self, choice: Choice) -> None:
        analysed = self._analysed
        assert analysed is not None
        self.jobs.start("latents", lambda job: work.latents(analysed, choice), self._on_latents, keep_running=True)

    def _on_latents(self, result: LatentResult) -> None:
        self._keep(self._latents, result.choice, result)
        self._show_latents(result)

    def _show_latents(self, result: LatentResult) -> None:
        self.session.latents = result
        self.session.results_changed.emit()
        self.session.maps_changed.emit()

    # ------------------------------------------------------------ it rests

    @Slot()
    def _at_rest(self) -> None:
        """The real file of what is chosen, decoded; the choice becomes a step of undo."""
        session, analysed = self.session, self._analysed
        if analysed is None:
            return
        session.remember_choice()
        choice = session.choice
        if session.exact is None:
            self.jobs.start(
                "file",
                lambda job: work.make_file(analysed, choice, job),
                self._on_file,
                label=tr("Writing and decoding the file") if analysed.is_large else "",
            )
        if session.target[0] != "lambda" and choice.prior != self._targeted_prior:
            self._on_target()

    def _on_file(self, result: FileResult) -> None:
        self._keep(self._files, result.choice, result)
        if result.choice == self.session.choice:
            self._show_file(result)
            if result.choice not in self._latents and not self.jobs.is_active("latents"):
                self._start_latents(result.choice)  # of a large image, not beside the file

    def _show_file(self, result: FileResult) -> None:
        self.session.file, self.session.live = result, None
        self.session.results_changed.emit()
        self.comparison.update()

    def file_of(self, choice: Choice, job_key: str, done: Callable[[FileResult], None]) -> None:
        """The real file of any choice, from the ones kept or from a job; for the sides of the comparison."""
        analysed = self._analysed
        if choice in self._files:
            done(self._files[choice])
        elif analysed is not None:

            def keep(result: FileResult) -> None:
                self._keep(self._files, choice, result)
                done(result)

            self.jobs.start(job_key, lambda job: work.make_file(analysed, choice, job), keep)

    # ------------------------------------------------------------ targets

    @Slot()
    def _on_target(self) -> None:
        kind, value = self.session.target
        analysed = self._analysed
        if kind == "lambda" or analysed is None:
            self.jobs.cancel("target")
            return
        prior = self._targeted_prior = self.session.choice.prior

        def work_of(job: Job) -> int:
            return work.find_target(analysed, prior, codec_target(kind, value), job)

        def done(gain_index: int) -> None:
            self.session.set_choice(gain_index=gain_index, keep_target=True)
            self._rest.start(0)

        self.jobs.start("target", work_of, done, label=tr("Searching λ for the target"))

    # ------------------------------------------------------------ map of another prior

    @Slot()
    def _on_map_choice(self) -> None:
        reference, session, analysed = self.session.map_choice.reference, self.session, self._analysed
        if not reference or analysed is None:
            if session.reference_latents is not None:
                session.reference_latents = None
                session.maps_changed.emit()
            return
        choice = replace(session.choice, prior=reference)
        known = self._latents.get(choice)
        if known is not None:
            self._show_reference(known)
        else:
            self.jobs.start(
                "reference", lambda job: work.latents(analysed, choice), self._on_reference, keep_running=True
            )

    def _on_reference(self, result: LatentResult) -> None:
        self._keep(self._latents, result.choice, result)
        self._show_reference(result)

    def _show_reference(self, result: LatentResult) -> None:
        self.session.reference_latents = result
        self.session.maps_changed.emit()

    # ------------------------------------------------------------ what is kept

    def _keep(self, kept: OrderedDict, key: Choice, value: object) -> None:
        """Remember a result and forget the oldest; of a large image each takes half a gigabyte."""
        large = self._analysed is not None and self._analysed.is_large
        kept[key] = value
        kept.move_to_end(key)
        while len(kept) > (KEPT_OF_LARGE if large else KEPT_RESULTS):
            kept.popitem(last=False)
