"""The state of the explorer, with signals. Panels read it and ask it to change; the controller fills it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, QRect, Signal, SignalInstance

from jahp_gui.codec.choices import DEFAULT_PRIOR
from jahp_gui.codec.importance import Mask
from jahp_gui.codec.models import DEFAULT_MODEL, Card
from jahp_gui.codec.rate_scale import default_lmbda, gain_index_count, gain_index_of, lmbda_of
from jahp_gui.evaluation.classical import ClassicalCodec
from jahp_gui.gui.i18n import tr
from jahp_gui.gui.imaging import Pyramid
from jahp_gui.gui.results import (
    CURRENT,
    ORIGINAL,
    Choice,
    CurvePoint,
    Curves,
    Exhibit,
    FileResult,
    ImageItem,
    Inspection,
    LatentResult,
    LivePicture,
    Parts,
    Place,
    Refining,
    Side,
    SizeEstimate,
    Source,
)
from jahp_gui.gui.view_choices import (
    WITHOUT_REGION,
    WITHOUT_SEARCH,
    CompareChoice,
    InspectorChoice,
    MapChoice,
    PaintChoice,
    PartsChoice,
    PlotChoice,
)
from jahp_gui.gui.viewstate import ViewState

if TYPE_CHECKING:
    from jahp_gui.codec.model import Model


class Session(QObject):
    """Everything that is true of the explorer at a moment."""

    items_changed = Signal()
    item_forgotten = Signal(object)  # closed, or its file is another picture now: what was made of it is of no use
    current_changed = Signal()  # another image, or its pixels have arrived, or they will not
    model_changed = Signal()  # which model, or whether its weights are loaded
    choice_changed = Signal()  # prior, λ, effort or painted region
    effort_changed = Signal()  # the effort that is asked for
    paint_changed = Signal()  # tool, size, or whether anything is painted
    refining_changed = Signal()
    history_changed = Signal()
    target_changed = Signal()
    results_changed = Signal()  # numbers: file, live picture, latents
    maps_changed = Signal()
    map_choice_changed = Signal()
    compare_changed = Signal()
    sides_changed = Signal()
    curves_changed = Signal()
    plot_changed = Signal()
    selection_changed = Signal()
    marked_changed = Signal()
    inspector_changed = Signal()  # channel, pinned position, order
    inspection_changed = Signal()
    parts_choice_changed = Signal()
    parts_changed = Signal()
    codecs_changed = Signal()
    exhibits_changed = Signal()
    message = Signal(str, str)  # text; "info", "warning" or "error"

    def __init__(self, parent: QObject | None = None):
        super().__init__(parent)
        self.view = ViewState(self)
        self.items: list[ImageItem] = []
        self.current: ImageItem | None = None
        self.cards: list[Card] = []
        self.card: Card | None = None
        self.model: Model | None = None
        self.model_error = ""
        self.codecs: list[ClassicalCodec] = []  # those that work in this installation
        self.choice = Choice(DEFAULT_MODEL, DEFAULT_PRIOR, 0)
        self.effort = 0  # asked for; the choice has it only once it has been refined, where it is 2 or 3
        self.refining: Refining | None = None
        self.stopped: Choice | None = None  # whose file the user did not wait for
        self.trail: list[CurvePoint] = []  # where the current point came from while it was refined
        self.masks: dict[int, Mask] = {}
        self.paint = PaintChoice()
        self._masks_of: dict[ImageItem, int] = {}
        self._mask_count = 0
        self.target: tuple[str, float] = ("lambda", 0.0)
        self.live: LivePicture | None = None
        self.file: FileResult | None = None
        self.latents: LatentResult | None = None
        self.estimate: SizeEstimate | None = None
        self.reference_latents: LatentResult | None = None
        self.map_choice = MapChoice()
        self.compare = CompareChoice()
        self.plot = PlotChoice()
        self.sides: dict[str, Side | None] = {"a": None, "b": None}
        self.side_errors: dict[Source, str] = {}  # why a source has no picture
        self.difference: Pyramid | None = None
        self.exhibits: dict[str, Exhibit] = {}  # by the kind of the source that shows it
        self.curves = Curves()
        self.selection: QRect | None = None
        self.marked: Place | None = None  # that map and image both outline
        self.inspector = InspectorChoice()
        self.inspection: Inspection | None = None
        self.pinned_inspection: Inspection | None = None
        self.parts_choice = PartsChoice()
        self.parts: Parts | None = None
        self._history: list[Choice] = []
        self._undone: list[Choice] = []

    # ------------------------------------------------------------ images

    def add_items(self, items: Sequence[ImageItem]) -> None:
        self.items.extend(items)
        self.items_changed.emit()

    def remove_item(self, item: ImageItem) -> None:
        index = self.items.index(item)
        self.items.remove(item)
        self._masks_of.pop(item, None)
        self.item_forgotten.emit(item)
        self.items_changed.emit()
        if item is self.current:
            self.select(self.items[min(index, len(self.items) - 1)] if self.items else None)

    def renew_item(self, item: ImageItem) -> None:
        """Its file is another picture than it was: nothing painted on that or made of it is shown with this one."""
        self._masks_of.pop(item, None)
        self.item_forgotten.emit(item)
        if item is self.current:
            self._leave_searches()
            self.choice_changed.emit()
            self.history_changed.emit()

    def select(self, item: ImageItem | None) -> None:
        """Show another image; everything that was of the old one is dropped. One that was not read is tried anew."""
        if item is not None and item.failed:
            item.failed = ""
        elif item is self.current:
            return
        self.current = item
        before = self.choice
        self._leave_searches()
        self.clear_results()
        self.selection = self.marked = None
        self.inspector = replace(self.inspector, pinned=None)
        self.current_changed.emit()
        self.selection_changed.emit()
        self.marked_changed.emit()
        if self.choice != before:
            self.choice_changed.emit()
            self.history_changed.emit()

    def _leave_searches(self) -> None:
        """What was refined and painted was of another image; this one's region is taken up again."""
        mask = self._masks_of.get(self.current, 0) if self.current is not None else 0

        def here(choice: Choice) -> Choice:
            return replace(choice, effort=max(min(self.effort, 1), int(mask > 0)), mask=mask)

        self.choice = here(self.choice)
        history: list[Choice] = []
        for choice in map(here, self._history):
            if not history or history[-1] != choice:
                history.append(choice)
        self._history, self._undone = history, []

    def clear_results(self) -> None:
        self.live = self.file = self.latents = self.estimate = self.reference_latents = self.difference = None
        self.stopped = None
        self.inspection = self.pinned_inspection = self.parts = None
        self.exhibits = {}
        self.trail = []
        self.sides = {"a": None, "b": None}
        self.curves = Curves()
        for signal in (
            self.results_changed,
            self.maps_changed,
            self.sides_changed,
            self.curves_changed,
            self.inspection_changed,
            self.parts_changed,
        ):
            signal.emit()

    # ------------------------------------------------------------ model and codec settings

    def set_cards(self, cards: Sequence[Card], wanted: str = DEFAULT_MODEL) -> None:
        """The installed models, and the one to use where it is among them."""
        self.cards = list(cards)
        card = next((card for card in cards if card.model_id == wanted), cards[0] if cards else None)
        if card is None:
            self.card = self.model = None
            self.model_changed.emit()
        else:
            self.use_card(card)

    def use_card(self, card: Card) -> None:
        """Another model: its weights are still to be loaded; prior and λ are kept where it has them.

        λ of MSE and of MS-SSIM are different things: from one to the other the place on the slider is kept. The plot
        shows what the model is optimised for.
        """
        if self.card is None:
            gain_index = gain_index_of(default_lmbda(card.lmbda_anchors), card.lmbda_anchors)
        elif self.card.objective == card.objective:
            gain_index = gain_index_of(self.lmbda, card.lmbda_anchors)
        else:
            gain_index = min(self.choice.gain_index, gain_index_count(card.lmbda_anchors) - 1)
            self.set_plot(metric="ms_ssim" if card.objective == "ms-ssim" else "psnr")
        self.card, self.model, self.model_error = card, None, ""
        prior = self.choice.prior if self.choice.prior in card.priors else default_prior(card)
        self.choice = replace(self.choice, model_id=card.model_id, prior=prior, gain_index=gain_index).unrefined
        self._leave_missing_priors(card)
        self.begin_history()
        if not self.is_fixed:  # what an opened file shows is its own model's
            self.clear_results()
        self.model_changed.emit()
        self.choice_changed.emit()

    def _leave_missing_priors(self, card: Card) -> None:
        """Nothing is compared with a prior that the model lacks."""
        for side, instead in (("a", ORIGINAL), ("b", CURRENT)):
            source = getattr(self.compare, side)
            if source.kind == "prior" and source.name not in card.priors:
                self.set_compare(**{side: instead})
        if self.map_choice.reference not in ("", WITHOUT_SEARCH, WITHOUT_REGION, *card.priors):
            self.set_map(reference="", fixed=None)

    @property
    def shown_model(self) -> "Model | None":
        """The model that what is shown was made with: of an opened file its own, else the chosen one, once loaded."""
        item = self.current
        return item.decoded.model if self.is_fixed and item is not None and item.decoded is not None else self.model

    @property
    def shown_card(self) -> Card | None:
        """The card of that model, also before it is loaded."""
        model = self.shown_model
        return model.card if self.is_fixed and model is not None else self.card

    @property
    def gain_index_count(self) -> int:
        """Of the chosen model."""
        return gain_index_count(self.card.lmbda_anchors) if self.card else 1

    def lmbda_at(self, gain_index: int) -> float:
        """λ of a step of the model that is shown."""
        return lmbda_of(gain_index, self.shown_card.lmbda_anchors) if self.shown_card else 0.0

    @property
    def is_fixed(self) -> bool:
        """Whether an opened file is shown without its original: it cannot be compressed another way."""
        item = self.current
        return item is not None and item.original is None and item.opened is not None

    @property
    def shown_choice(self) -> Choice:
        """What the panel says: the chosen setting, or that of an opened file."""
        item = self.current
        return item.opened.choice if self.is_fixed and item is not None and item.opened is not None else self.choice

    @property
    def lmbda(self) -> float:
        """That of the chosen setting."""
        return lmbda_of(self.choice.gain_index, self.card.lmbda_anchors) if self.card else 0.0

    def set_choice(
        self,
        *,
        prior: str | None = None,
        gain_index: int | None = None,
        effort: int | None = None,
        mask: int | None = None,
        keep_target: bool = False,
    ) -> None:
        """Another setting; what was refined was the one before, unless `effort` says otherwise.

        A λ set by hand ends a target; the controller makes it undoable once it rests.
        """
        new = replace(self.choice, prior=prior or self.choice.prior)
        if gain_index is not None:
            new = replace(new, gain_index=min(max(gain_index, 0), self.gain_index_count - 1))
            if not keep_target and self.target[0] != "lambda":
                self.set_target("lambda", 0.0)
        if mask is not None:
            new = replace(new, mask=mask)
        if effort is not None:
            new = replace(new, effort=effort)
        elif new != self.choice:
            new = new.unrefined
        if new != self.choice:
            self.choice = new
            if self.current is not None:
                self._masks_of[self.current] = new.mask
            self.choice_changed.emit()

    def set_lmbda(self, lmbda: float) -> None:
        if self.card:
            self.set_choice(gain_index=gain_index_of(lmbda, self.card.lmbda_anchors))

    def set_effort(self, effort: int) -> None:
        """Ask for another effort. One that takes its time starts when refining is asked for."""
        if effort == 0 and self.mask is not None:
            self.tell(tr("A painted region needs effort 1 or more: clear it first."), "warning")
            effort = 1
        self.effort = effort
        if effort < 2:
            self.set_choice(effort=effort)
        elif self.choice.effort == 0:
            self.set_choice(effort=1)
        self.effort_changed.emit()

    @property
    def mask(self) -> Mask | None:
        """The painted region of the current choice."""
        return self.masks.get(self.choice.mask)

    def set_mask(self, mask: Mask | None) -> None:
        """Paint another region, None for none. It needs an effort, which is raised where there is none."""
        if mask is None and self.mask is None:
            return  # else a stroke that painted nothing would end a refinement
        self.remember_choice()  # strokes that follow each other quickly are undone one by one
        number, effort = 0, self.choice.unrefined.effort
        if mask is not None:
            number = self._mask_count = self._mask_count + 1
            self.masks[number] = mask
            if effort == 0:
                effort = self.effort = 1
                self.tell(tr("The region needs a search: the effort is now 1, quick."))
                self.effort_changed.emit()
        self.set_choice(mask=number, effort=effort)
        known = {choice.mask for choice in (*self._history, *self._undone, self.choice)} | {*self._masks_of.values()}
        self.masks = {number: mask for number, mask in self.masks.items() if number in known}

    def set_outside(self, outside: float) -> None:
        """What errors outside the region count for: of this region, where there is one, and of the next."""
        self.set_paint(outside=outside)
        if self.mask is not None and self.mask.outside != outside:
            self.set_mask(replace(self.mask, outside=outside))

    def set_paint(self, **changes: object) -> None:
        needs_size = changes.get("on", self.paint.on) and changes.get("size", self.paint.size) == 0
        if needs_size and self.current is not None and self.current.size is not None:
            changes = changes | {"size": max(8, min(self.current.size) // 6)}
        self._change("paint", self.paint_changed, changes)

    def set_target(self, kind: str, value: float) -> None:
        if (kind, value) != self.target:
            self.target = (kind, value)
            self.target_changed.emit()

    # ------------------------------------------------------------ undo

    def begin_history(self) -> None:
        """Undo goes back to what is chosen now, and no further."""
        self._history, self._undone = [self.choice], []
        self.history_changed.emit()

    def remember_choice(self) -> None:
        """Make what is chosen now a step of undo."""
        if self._history and self._history[-1] != self.choice:
            self._history.append(self.choice)
            self._undone.clear()
            self.history_changed.emit()

    def amend_history(self) -> None:
        """What is chosen now stands for the last step of undo, which cannot be shown any more; redo goes on from it."""
        is_step_before = self._history[-2:-1] == [self.choice]
        self._history[-1:] = [] if is_step_before else [self.choice]
        self.history_changed.emit()

    @property
    def can_undo(self) -> bool:
        return len(self._history) > 1

    @property
    def can_redo(self) -> bool:
        return bool(self._undone)

    def undo(self) -> None:
        self.remember_choice()
        if self.can_undo:
            self._undone.append(self._history.pop())
            self._return_to(self._history[-1])

    def redo(self) -> None:
        if self.can_redo:
            self._history.append(self._undone.pop())
            self._return_to(self._history[-1])

    def _return_to(self, choice: Choice) -> None:
        self.set_choice(prior=choice.prior, gain_index=choice.gain_index, effort=choice.effort, mask=choice.mask)
        self.effort = max(self.effort, 1) if choice.effort == 1 else choice.effort
        self.effort_changed.emit()
        self.history_changed.emit()

    # ------------------------------------------------------------ how things are shown

    def set_codecs(self, codecs: Sequence[ClassicalCodec]) -> None:
        self.codecs = list(codecs)
        self.codecs_changed.emit()

    def _change(self, what: str, signal: SignalInstance, changes: dict[str, Any]) -> None:
        """Change fields of one of the choices, and say so where anything is another."""
        old = getattr(self, what)
        new = replace(old, **changes)
        if new != old:
            setattr(self, what, new)
            signal.emit()

    def set_compare(self, **changes: object) -> None:
        self._change("compare", self.compare_changed, changes)

    def set_map(self, **changes: object) -> None:
        self._change("map_choice", self.map_choice_changed, changes)

    def set_plot(self, **changes: object) -> None:
        self._change("plot", self.plot_changed, changes)

    def set_selection(self, selection: QRect | None) -> None:
        """A rectangle of the image in pixels; what lies outside is cut off."""
        size = self.current.size if self.current is not None else None
        if selection is not None:
            inside = selection.intersected(QRect(0, 0, *size)) if size is not None else QRect()
            selection = None if inside.isEmpty() else inside
        if selection != self.selection:
            self.selection = selection
            self.selection_changed.emit()

    def mark(self, latent: Place | None) -> None:
        if latent != self.marked:
            self.marked = latent
            self.marked_changed.emit()

    def set_inspector(self, **changes: object) -> None:
        self._change("inspector", self.inspector_changed, changes)

    def set_parts(self, **changes: object) -> None:
        self._change("parts_choice", self.parts_choice_changed, changes)

    # ------------------------------------------------------------ results

    def set_exhibit(self, source: Source, exhibit: Exhibit | None) -> None:
        """What a source of EXHIBITS shows, None for nothing."""
        if exhibit is not None:
            self.exhibits[source.kind] = exhibit
        elif self.exhibits.pop(source.kind, None) is None:
            return
        self.exhibits_changed.emit()

    def show_exhibit(self, source: Source) -> None:
        """Put it on side B, unless a side shows it already."""
        if source not in (self.compare.a, self.compare.b):
            self.set_compare(b=source)

    def hide_exhibit(self, source: Source) -> None:
        """Drop it; a side that showed it shows the current setting."""
        self.set_exhibit(source, None)
        for side in ("a", "b"):
            if getattr(self.compare, side) == source:
                self.set_compare(**{side: CURRENT})

    @property
    def exact(self) -> FileResult | None:
        """The real file of what is chosen now; None while it is being made."""
        return self.file if self.file is not None and self.file.choice == self.choice else None

    @property
    def estimated_bytes(self) -> float | None:
        """What the file of the current choice will about have: from all its latents, or from a sample of them."""
        now = self.choice, self.choice.rounded
        if self.latents is not None and self.latents.choice in now:
            return self.latents.estimated_bytes
        if self.estimate is not None and self.estimate.choice in now:
            return self.estimate.n_bytes
        return None

    @property
    def shown_file(self) -> FileResult | None:
        """The file that is shown and can be saved: the exact one, or an opened `.jahp` without its original."""
        if self.current is not None and self.current.original is None:
            return self.file
        return self.exact

    def tell(self, text: str, level: str = "info") -> None:
        self.message.emit(text, level)


def default_prior(card: Card) -> str:
    """Joint where the model has it, else the last one, the strongest."""
    return DEFAULT_PRIOR if DEFAULT_PRIOR in card.priors else card.priors[-1]
