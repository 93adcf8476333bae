"""What a lesson can do with the window: one named command a line, each of which can also say whether it still holds.

A step names only what differs from GROUND, so that it can be reached from anywhere. A command for a new panel is one
more entry of COMMANDS; a new tab is one more entry of TABS.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QPointF, QRect

from jahp_gui.codec.choices import PRIOR_NAMES
from jahp_gui.codec.latent_views import BITS, QUANTITIES, STRIDES
from jahp_gui.codec.rate_scale import STEPS_PER_ANCHOR, gain_index_of
from jahp_gui.evaluation.classical import CODECS
from jahp_gui.gui import captions
from jahp_gui.gui.decoder import ORDERS
from jahp_gui.gui.i18n import tr
from jahp_gui.gui.results import CURRENT, DECODER, ORIGINAL, Source
from jahp_gui.gui.session import Session
from jahp_gui.gui.view_choices import MODES

if TYPE_CHECKING:
    from jahp_gui.gui.main_window import MainWindow

PRIORS = tuple(PRIOR_NAMES.values())
METRICS = {"psnr": "psnr", "ms-ssim": "ms_ssim"}
SWITCH = {"on": True, "off": False}
PLAIN_SOURCES = {"original": ORIGINAL, "current": CURRENT, "decoder": DECODER}
PAGES = {"map": 0, "channels": 1}
NOTHING = "nothing"


class Unavailable(Exception):
    """What a command asks for is not there now: `str(error)` says so in one sentence."""


@dataclass(frozen=True)
class Action:
    """One command with its words. line: as the lesson has it; holds: whether the window is in the state it sets."""

    line: str
    do: Callable[["MainWindow"], None]
    holds: Callable[["MainWindow"], bool]

    @property
    def name(self) -> str:
        return self.line.split()[0]


@dataclass(frozen=True)
class Command:
    """usage: the words after the name. read: the effect of the words; raises ValueError where they make no sense."""

    usage: str
    read: Callable[[Sequence[str]], tuple[Callable[["MainWindow"], None], Callable[["MainWindow"], bool]]]


def read_action(line: str) -> Action:
    """The action of a line such as "lambda tick 4". Raises ValueError with a sentence."""
    name, *words = line.split()
    if name not in COMMANDS:
        raise ValueError(tr("there is no command “{name}”").format(name=name))
    try:
        do, holds = COMMANDS[name].read(words)
    except (ValueError, IndexError, KeyError):
        usage = f"{name} {COMMANDS[name].usage}"
        raise ValueError(tr("“{line}” should read “{usage}”").format(line=line, usage=usage)) from None
    return Action(" ".join([name, *words]), do, holds)


# ------------------------------------------------------------ the effects that most commands are made of


def _setting(setter: str, of: str, **changes: object) -> tuple:
    """A change of one of the session's tables: `session.<setter>(**changes)`, kept in `session.<of>`."""

    def do(window: "MainWindow") -> None:
        getattr(window.session, setter)(**changes)

    def holds(window: "MainWindow") -> bool:
        table = getattr(window.session, of)
        return all(getattr(table, name) == value for name, value in changes.items())

    return do, holds


def _no_more(words: Sequence[str]) -> None:
    if words:
        raise ValueError


def _one_of(words: Sequence[str], names: Sequence[str] | dict[str, Any]) -> str:
    (word,) = words
    if word not in names:
        raise ValueError
    return word


def _percentages(words: Sequence[str], count: int) -> list[float]:
    values = [float(word) for word in words]
    if len(values) != count or not all(0 <= value <= 100 for value in values):
        raise ValueError
    return values


def _image_size(window: "MainWindow") -> tuple[int, int]:
    item = window.session.current
    if item is None or item.size is None:
        raise Unavailable(tr("This step needs an image: open one, or a sample from the File menu."))
    return item.size


def _need_priors(session: Session, *names: str) -> None:
    """Raises `Unavailable` where the model lacks one, or nothing can be compressed."""
    if session.card is None:
        raise Unavailable(tr("This step needs a model."))
    if session.is_fixed:
        raise Unavailable(tr("This step compresses the image: drop the original of this .jahp file, or another image."))
    for name in names:
        if name not in session.card.priors:
            text = tr("This model has no prior “{name}”; the step shows what it can.")
            raise Unavailable(text.format(name=captions.prior_name(name)))


# ------------------------------------------------------------ codec


def _prior(words: Sequence[str]) -> tuple:
    name = _one_of(words, PRIORS)

    def do(window: "MainWindow") -> None:
        _need_priors(window.session, name)
        window.session.set_choice(prior=name)

    return do, lambda window: window.session.choice.prior == name


def gain_index_at(session: Session, tick: int) -> int:
    """The gain index of a tick of the λ slider, counted from 1; the last one where the model has fewer."""
    return min((tick - 1) * STEPS_PER_ANCHOR, session.gain_index_count - 1)


def _lmbda(words: Sequence[str]) -> tuple:
    if words[0] == "tick":
        tick = int(words[1])
        _no_more(words[2:])
        if tick < 1:
            raise ValueError
    else:
        value, tick = float(words[0]), 0
        _no_more(words[1:])
        if not value > 0:
            raise ValueError

    def index(session: Session) -> int:
        if tick:
            return gain_index_at(session, tick)
        return gain_index_of(value, session.card.lmbda_anchors) if session.card else 0

    def do(window: "MainWindow") -> None:
        _need_priors(window.session)
        window.session.set_choice(gain_index=index(window.session))

    return do, lambda window: window.session.choice.gain_index == index(window.session)


def _effort(words: Sequence[str]) -> tuple:
    """How long the encoder searches, and no painted region: searches that take minutes are no part of a lesson."""
    effort = int(_one_of(words, ("0", "1")))

    def do(window: "MainWindow") -> None:
        window.session.set_choice(effort=effort, mask=0)
        window.session.set_effort(effort)

    def holds(window: "MainWindow") -> bool:
        choice = window.session.choice
        return (choice.effort, choice.mask, window.session.effort) == (effort, 0, effort)

    return do, holds


# ------------------------------------------------------------ comparison


def _source(words: Sequence[str]) -> Source:
    """ "original", "current", "decoder", "prior NAME [TICK]" with a λ of its own, "codec KEY"."""
    kind, *rest = words
    if kind in PLAIN_SOURCES:
        _no_more(rest)
        return PLAIN_SOURCES[kind]
    if kind == "prior":
        name = _one_of(rest[:1], PRIORS)
        _no_more(rest[2:])
        return Source("prior", name, (int(rest[1]) - 1) * STEPS_PER_ANCHOR if rest[1:] else None)
    if kind == "codec":
        return Source("classical", _one_of(rest, [codec.key for codec in CODECS]))
    raise ValueError


def _side(name: str) -> Callable[[Sequence[str]], tuple]:
    return lambda words: _setting("set_compare", "compare", **{name: _source(words)})


def _mode(words: Sequence[str]) -> tuple:
    return _setting("set_compare", "compare", mode=_one_of(words, MODES))


def _overlay(words: Sequence[str]) -> tuple:
    return _setting("set_compare", "compare", overlay=SWITCH[_one_of(words, SWITCH)])


def _gain(words: Sequence[str]) -> tuple:
    (word,) = words
    if not 1 <= int(word) <= 64:
        raise ValueError
    return _setting("set_compare", "compare", difference_gain=float(word))


# ------------------------------------------------------------ image


def _select(words: Sequence[str]) -> tuple:
    """A rectangle in percent of the image: left, top, width, height."""
    if list(words) == [NOTHING]:
        return lambda window: window.session.set_selection(None), lambda window: window.session.selection is None
    left, top, width, height = _percentages(words, 4)

    def rectangle(window: "MainWindow") -> QRect:
        across, down = _image_size(window)
        x, y = round(left * across / 100), round(top * down / 100)
        size = max(1, round(width * across / 100)), max(1, round(height * down / 100))
        return QRect(x, y, *size).intersected(QRect(0, 0, across, down))

    def holds(window: "MainWindow") -> bool:
        return window.session.current is not None and window.session.selection == rectangle(window)

    return lambda window: window.session.set_selection(rectangle(window)), holds


def _mark(words: Sequence[str]) -> tuple:
    """The latent y at a place in percent of the image."""
    if list(words) == [NOTHING]:
        return lambda window: window.session.mark(None), lambda window: window.session.marked is None
    x, y = _percentages(words, 2)

    def latent(window: "MainWindow") -> tuple[str, int, int]:
        stride = STRIDES["y"]
        cells = [-(-side // stride) for side in _image_size(window)]
        column, row = (min(int(at * count / 100), count - 1) for at, count in zip((x, y), cells, strict=True))
        return "y", column, row

    def holds(window: "MainWindow") -> bool:
        return window.session.current is not None and window.session.marked == latent(window)

    return lambda window: window.session.mark(latent(window)), holds


def _zoom(words: Sequence[str]) -> tuple:
    """ "fit", or percent and the point in percent of the image that comes to the middle."""
    if list(words) == ["fit"]:
        return lambda window: window.session.view.fit(), lambda window: window.session.view.fitted
    scale = float(words[0]) / 100
    x, y = _percentages(words[1:], 2)
    if not 0 < scale <= 64:
        raise ValueError

    def do(window: "MainWindow") -> None:
        width, height = _image_size(window)
        window.session.view.look_at(QPointF(x * width / 100, y * height / 100), scale)

    def holds(window: "MainWindow") -> bool:
        view = window.session.view
        return not view.fitted and abs(view.scale - scale) < 1e-6

    return do, holds


# ------------------------------------------------------------ the views of the latents


def _map(words: Sequence[str]) -> tuple:
    """Quantity, "of z" for the side information, "channel N" for one channel."""
    quantity, *rest = words
    latents, channel = "y", None
    if rest[:1] == ["of"]:
        latents, rest = _one_of(rest[1:2], QUANTITIES), rest[2:]
    if rest[:1] == ["channel"]:
        channel, rest = int(rest[1]), rest[2:]
    _no_more(rest)
    if quantity not in QUANTITIES[latents] or (channel is not None and channel < 0):
        raise ValueError
    return _setting("set_map", "map_choice", quantity=quantity, latents=latents, channel=channel, fixed=None)


def _minus(words: Sequence[str]) -> tuple:
    name = _one_of(words, [NOTHING, *PRIORS])
    if name == NOTHING:
        return _setting("set_map", "map_choice", reference="")
    do, holds = _setting("set_map", "map_choice", reference=name)

    def subtract(window: "MainWindow") -> None:
        _need_priors(window.session, name)
        do(window)

    return subtract, holds


def _page(words: Sequence[str]) -> tuple:
    number: int = PAGES[_one_of(words, PAGES)]

    def do(window: "MainWindow") -> None:
        if window.maps.pages.currentIndex() != number:
            window.maps.show_page(number)

    return do, lambda window: window.maps.pages.currentIndex() == number


TABS = {
    "maps": "maps",
    "inspector": "inspector",
    "parts": "parts",
    "decoder": "inside.decoder",
    "surgery": "inside.surgery",
    "damage": "inside.damage",
}
"""What a lesson calls a tab on the right, and the attribute of the window that is shown in it."""


def _tab(words: Sequence[str]) -> tuple:
    widget = attrgetter(TABS[_one_of(words, TABS)])

    def do(window: "MainWindow") -> None:
        window.show_right_tab(widget(window))

    return do, lambda window: window.right_tabs.currentWidget() is widget(window)


def _play(words: Sequence[str]) -> tuple:
    """The decoder at work, from its first step, in an order of `ORDERS`; "b decoder" shows it."""
    order = _one_of(words, (NOTHING, *ORDERS))

    def do(window: "MainWindow") -> None:
        decoder = window.inside.decoder.decoder
        if order == NOTHING:
            decoder.pause()
            window.session.hide_exhibit(DECODER)
        else:
            decoder.set_order(order)
            if not decoder.playing:
                decoder.play()

    def holds(window: "MainWindow") -> bool:
        decoder = window.inside.decoder.decoder
        begun = decoder.under_way or DECODER.kind in window.session.exhibits
        return not begun if order == NOTHING else begun and decoder.order == order

    return do, holds


# ------------------------------------------------------------ plot


def _plot(words: Sequence[str]) -> tuple:
    return _setting("set_plot", "plot", metric=METRICS[_one_of(words, METRICS)])


def _log_rate(words: Sequence[str]) -> tuple:
    return _setting("set_plot", "plot", log_rate=SWITCH[_one_of(words, SWITCH)])


def _references(words: Sequence[str]) -> tuple:
    return _setting("set_plot", "plot", references=SWITCH[_one_of(words, SWITCH)])


def _series() -> dict[str, str]:
    """How settings call the curve of each prior and codec."""
    return {name: f"prior/{name}" for name in PRIORS} | {codec.key: f"classical/{codec.key}" for codec in CODECS}


def _bd_against(words: Sequence[str]) -> tuple:
    series = {NOTHING: "", **_series()}
    return _setting("set_plot", "plot", anchor=series[_one_of(words, series)])


def _curves(words: Sequence[str]) -> tuple:
    """The curves that are shown; the others are hidden."""
    series = _series()
    if list(words) == ["all"]:
        return _setting("set_plot", "plot", hidden=frozenset())
    if not words or not set(words) <= set(series):
        raise ValueError
    return _setting("set_plot", "plot", hidden=frozenset(series[name] for name in series if name not in words))


COMMANDS: dict[str, Command] = {
    "prior": Command("NAME", _prior),
    "lambda": Command("VALUE, or: lambda tick N", _lmbda),
    "effort": Command("0 | 1", _effort),
    "mode": Command(" | ".join(MODES), _mode),
    "a": Command("original | current | decoder | prior NAME [TICK] | codec KEY", _side("a")),
    "b": Command("original | current | decoder | prior NAME [TICK] | codec KEY", _side("b")),
    "overlay": Command("on | off", _overlay),
    "gain": Command("1…64", _gain),
    "zoom": Command("fit, or: zoom PERCENT X Y", _zoom),
    "select": Command("LEFT TOP WIDTH HEIGHT in percent, or: select nothing", _select),
    "mark": Command("X Y in percent, or: mark nothing", _mark),
    "map": Command("QUANTITY [of z] [channel N]", _map),
    "minus": Command("PRIOR, or: minus nothing", _minus),
    "page": Command("map | channels", _page),
    "tab": Command("NAME", _tab),
    "play": Command("wavefront | raster | nothing", _play),
    "plot": Command("psnr | ms-ssim", _plot),
    "log-rate": Command("on | off", _log_rate),
    "kodak": Command("on | off", _references),
    "bd-against": Command("NAME of a prior or codec, or: bd-against nothing", _bd_against),
    "curves": Command("NAME… of priors and codecs, or: curves all", _curves),
}

GROUND = (
    *("effort 0", "prior joint", "lambda tick 4"),
    *("mode side", "a original", "b current", "overlay off", "gain 8", "zoom fit", "select nothing", "mark nothing"),
    *(f"map {BITS}", "minus nothing", "page map", "tab maps", "play nothing"),
    *("plot psnr", "log-rate off", "kodak off", "bd-against jpeg420", "curves all"),
)


def wanted_actions(*steps: Sequence[Action]) -> list[Action]:
    """The whole state that a step stands for: the common ground, and what each list of actions changes in it."""
    wanted = {action.name: action for action in map(read_action, GROUND)}
    for actions in steps:
        wanted |= {action.name: action for action in actions}
    return list(wanted.values())
