"""The state of the explorer, with signals. Panels read it and ask it to change; the controller fills it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QRect, Signal

from jahp_gui.codec.latent_views import BITS
from jahp_gui.codec.models import DEFAULT_MODEL, Card
from jahp_gui.codec.rate_scale import gain_index_count, gain_index_of, lmbda_of
from jahp_gui.evaluation.classical import ClassicalCodec
from jahp_gui.gui.imaging import Pyramid
from jahp_gui.gui.results import (
    CURRENT,
    ORIGINAL,
    Choice,
    Curves,
    FileResult,
    ImageItem,
    LatentResult,
    LivePicture,
    Side,
    Source,
)
from jahp_gui.gui.viewstate import ViewState

if TYPE_CHECKING:
    from jahp_gui.codec.model import Model

DEFAULT_PRIOR = "joint"
START_LMBDA = 0.0128
MODES = ("side", "swipe", "blink", "difference")
TARGETS = ("lambda", "bpp", "bytes", "psnr")


@dataclass(frozen=True)
class MapChoice:
    """What the latent maps show. reference: a prior whose map is subtracted; fixed: (low, high) of the colours."""

    latents: str = "y"
    quantity: str = BITS
    channel: int | None = None
    reference: str = ""
    fixed: tuple[float, float] | None = None


@dataclass(frozen=True)
class CompareChoice:
    """How the comparison looks."""

    mode: str = "side"
    a: Source = ORIGINAL
    b: Source = CURRENT
    difference_gain: float = 8.0
    overlay: bool = False
    opacity: float = 0.6


@dataclass(frozen=True)
class PlotChoice:
    """How the rate-distortion plot looks. anchor: "kind/name" of the curve that BD-rates are against, or ""."""

    metric: str = "psnr"
    log_rate: bool = False
    references: bool = False
    anchor: str = "classical/jpeg420"
    hidden: frozenset[str] = frozenset()


class Session(QObject):
    """Everything that is true of the explorer at a moment."""

    items_changed = Signal()
    current_changed = Signal()  # another image, or its pixels have arrived
    model_changed = Signal()  # which model, or whether its weights are loaded
    choice_changed = Signal()  # prior or λ
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
    codecs_changed = Signal()
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
        self.target: tuple[str, float] = ("lambda", 0.0)
        self.live: LivePicture | None = None
        self.file: FileResult | None = None
        self.latents: LatentResult | None = None
        self.reference_latents: LatentResult | None = None
        self.map_choice = MapChoice()
        self.compare = CompareChoice()
        self.plot = PlotChoice()
        self.sides: dict[str, Side | None] = {"a": None, "b": None}
        self.difference: Pyramid | None = None
        self.curves = Curves()
        self.selection: QRect | None = None
        self.marked: tuple[str, int, int] | None = None  # (latents, column, row) that map and image both outline
        self._history: list[Choice] = []
        self._undone: list[Choice] = []

    # ------------------------------------------------------------ images

    def add_items(self, items: Sequence[ImageItem]) -> None:
        self.items.extend(items)
        self.items_changed.emit()

    def remove_item(self, item: ImageItem) -> None:
        index = self.items.index(item)
        self.items.remove(item)
        self.items_changed.emit()
        if item is self.current:
            self.select(self.items[min(index, len(self.items) - 1)] if self.items else None)

    def select(self, item: ImageItem | None) -> None:
        """Show another image; everything that was of the old one is dropped."""
        if item is not self.current:
            self.current = item
            self.clear_results()
            self.selection = self.marked = None
            self.current_changed.emit()
            self.selection_changed.emit()

    def clear_results(self) -> None:
        self.live = self.file = self.latents = self.reference_latents = self.difference = None
        self.sides = {"a": None, "b": None}
        self.curves = Curves()
        for signal in (self.results_changed, self.maps_changed, self.sides_changed, self.curves_changed):
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
        """Another model: its weights are still to be loaded; prior and λ are kept where it has them."""
        lmbda = self.lmbda if self.card else START_LMBDA
        self.card, self.model, self.model_error = card, None, ""
        prior = self.choice.prior if self.choice.prior in card.priors else default_prior(card)
        self.choice = Choice(card.model_id, prior, gain_index_of(lmbda, card.lmbda_anchors))
        self._history, self._undone = [self.choice], []
        self.clear_results()
        self.model_changed.emit()
        self.choice_changed.emit()
        self.history_changed.emit()

    @property
    def gain_index_count(self) -> int:
        return gain_index_count(self.card.lmbda_anchors) if self.card else 1

    def lmbda_at(self, gain_index: int) -> float:
        return lmbda_of(gain_index, self.card.lmbda_anchors) if self.card else 0.0

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
        return self.lmbda_at(self.choice.gain_index)

    def set_choice(self, *, prior: str | None = None, gain_index: int | None = None, keep_target: bool = False) -> None:
        """Another prior or λ. A λ set by hand ends a target; the controller makes it undoable once it rests."""
        new = replace(self.choice, prior=prior or self.choice.prior)
        if gain_index is not None:
            new = replace(new, gain_index=min(max(gain_index, 0), self.gain_index_count - 1))
            if not keep_target and self.target[0] != "lambda":
                self.set_target("lambda", 0.0)
        if new != self.choice:
            self.choice = new
            self.choice_changed.emit()

    def set_lmbda(self, lmbda: float) -> None:
        if self.card:
            self.set_choice(gain_index=gain_index_of(lmbda, self.card.lmbda_anchors))

    def set_target(self, kind: str, value: float) -> None:
        if (kind, value) != self.target:
            self.target = (kind, value)
            self.target_changed.emit()

    # ------------------------------------------------------------ undo

    def remember_choice(self) -> None:
        """Make what is chosen now a step of undo."""
        if self._history and self._history[-1] != self.choice:
            self._history.append(self.choice)
            self._undone.clear()
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
        self.set_choice(prior=choice.prior, gain_index=choice.gain_index)
        self.history_changed.emit()

    # ------------------------------------------------------------ how things are shown

    def set_codecs(self, codecs: Sequence[ClassicalCodec]) -> None:
        self.codecs = list(codecs)
        self.codecs_changed.emit()

    def set_compare(self, **changes: object) -> None:
        new = replace(self.compare, **changes)  # type: ignore[arg-type]
        if new != self.compare:
            self.compare = new
            self.compare_changed.emit()

    def set_map(self, **changes: object) -> None:
        new = replace(self.map_choice, **changes)  # type: ignore[arg-type]
        if new != self.map_choice:
            self.map_choice = new
            self.map_choice_changed.emit()

    def set_plot(self, **changes: object) -> None:
        new = replace(self.plot, **changes)  # type: ignore[arg-type]
        if new != self.plot:
            self.plot = new
            self.plot_changed.emit()

    def set_selection(self, selection: QRect | None) -> None:
        """A rectangle of the image in pixels; what lies outside is cut off."""
        size = self.current.size if self.current is not None else None
        if selection is not None:
            inside = selection.intersected(QRect(0, 0, *size)) if size is not None else QRect()
            selection = None if inside.isEmpty() else inside
        if selection != self.selection:
            self.selection = selection
            self.selection_changed.emit()

    def mark(self, latent: tuple[str, int, int] | None) -> None:
        if latent != self.marked:
            self.marked = latent
            self.marked_changed.emit()

    # ------------------------------------------------------------ results

    @property
    def exact(self) -> FileResult | None:
        """The real file of what is chosen now; None while it is being made."""
        return self.file if self.file is not None and self.file.choice == self.choice else None

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
