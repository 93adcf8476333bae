"""How things are shown: what the session holds of each view, and the values that its fields may have."""

from dataclasses import dataclass

from jahp_gui.codec.importance import OUTSIDE
from jahp_gui.codec.latent_views import BITS
from jahp_gui.gui.results import CURRENT, ORIGINAL, Place, Source

MODES = ("side", "swipe", "blink", "difference")
TARGETS = ("lambda", "bpp", "bytes", "psnr")
WITHOUT_SEARCH, WITHOUT_REGION = "(rounded)", "(no region)"  # `MapChoice.reference` that is no prior
PAINT_TOOLS = ("brush", "eraser", "rectangle")


@dataclass(frozen=True)
class MapChoice:
    """What the latent maps show. fixed: (low, high) of the colours.

    reference: a prior whose map is subtracted, or WITHOUT_SEARCH or WITHOUT_REGION, or "".
    """

    latents: str = "y"
    quantity: str = BITS
    channel: int | None = None
    reference: str = ""
    fixed: tuple[float, float] | None = None


@dataclass(frozen=True)
class InspectorChoice:
    """What of the marked latents is looked at.

    channel: None for the one that costs most at the position. pinned: a second position, to compare with.
    by_index: whether channels are in their order instead of sorted by bits.
    """

    channel: int | None = None
    pinned: Place | None = None
    by_index: bool = False


@dataclass(frozen=True)
class PartsChoice:
    """What each part pays: wanted while its panel is seen; the map shows what `prior` saves against `reference`."""

    wanted: bool = False
    prior: str = "joint"
    reference: str = "mean-scale-hyperprior"


@dataclass(frozen=True)
class PaintChoice:
    """How the region of interest is painted. size: the brush's diameter in pixels of the image, 0 until it is used.

    outside: the weight that the next region gives to errors outside.
    """

    on: bool = False
    tool: str = "brush"
    size: int = 0
    outside: float = OUTSIDE


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
