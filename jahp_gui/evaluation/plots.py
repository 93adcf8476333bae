"""Rate–distortion plots in the field's usual form: bits per pixel across, quality in dB up, every curve named.

Names stand beside the curves, in their colours: where a curve leaves the plot, or where it ends.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jahp_gui.evaluation.colours import SERIES_COLOURS
from jahp_gui.evaluation.curves import Point
from jahp_gui.evaluation.results import Curve, Metric

PUBLISHED = "#b4b9c1"  # lines; their names are darker, to be legible
PUBLISHED_NAME = "#7a818c"
PAPER = "#2b3038"  # the curves that all of this is to be compared with
PAPERS = ("published/paper-joint", "published/paper-joint-msssim")
MODEL_STYLES = (("-", "o"), ("--", "s"), ("-.", "^"), (":", "D"))  # line and marker of the first, second … model
PUBLISHED_DASHES = ((), (4, 1.5), (1, 1.2), (6, 1.5, 1, 1.5), (3, 1, 1, 1, 1, 1))  # by turns
QUALITY_NAMES: dict[Metric, str] = {"psnr": "PSNR over RGB (dB)", "ms-ssim": "−10·log₁₀(1 − MS-SSIM) (dB)"}
# What everybody knows; of more curves in one grey none can be followed.
LANDMARKS = ("paper-joint", "paper-joint-msssim", "paper-mean-scale", "paper-scale", "bpg444", "vtm")
FEW_FORMATS = ("jpeg420", "jpeg2000", "webp", "avif")
SUFFIXES = (".png", ".svg")
NAME_SIZE = 8.5
NAME_GAP = 0.0255  # of the plot's height between two names
NAME_ROOM = 0.27  # of the plot's width: room for a name beside a curve's end


@dataclass(frozen=True)
class Plot:
    """One figure: `name` is the stem of its files, `largest_bpp` the end of its axis.

    published: keys of the published curves in it, None for all. few: only the first model's rounded latents and the
    formats that everybody knows. lowest: the axis starts here at the lowest, in dB.
    """

    name: str
    metric: Metric
    largest_bpp: float
    published: tuple[str, ...] | None = LANDMARKS
    few: bool = False
    lowest: float = 0.0

    def shows(self, curve: Curve) -> bool:
        if len(self.inside(curve)) < (2 if curve.group == "published" else 1):
            return False
        if curve.group != "published":
            return not self.few or (curve.key in FEW_FORMATS if curve.group == "classical" else not curve.effort)
        # Those of others that aim at MS-SSIM lie among the JPEGs in PSNR, which says nothing of anyone.
        fits = self.metric == "ms-ssim" or curve.objective == "mse"
        return fits and (self.published is None or curve.key.removeprefix("published/") in self.published)

    def inside(self, curve: Curve) -> list[Point]:
        """The points of the curve that are in the plot, by rate."""
        return sorted(
            point for point in curve.points(self.metric) if point[0] <= self.largest_bpp and point[1] >= self.lowest
        )


PLOTS = (
    Plot("overview", "psnr", 1.0, ("paper-joint", "bpg444", "vtm"), few=True, lowest=25.5),
    Plot("psnr", "psnr", 1.6),
    Plot("psnr-low-rate", "psnr", 0.6),
    Plot("ms-ssim", "ms-ssim", 1.6),
    Plot("ms-ssim-low-rate", "ms-ssim", 0.6),
    Plot("psnr-all-published", "psnr", 1.6, None),
    Plot("ms-ssim-all-published", "ms-ssim", 1.6, None),
)


def file_names() -> list[str]:
    """Of all plots that a report may have."""
    return [plot.name + suffix for plot in PLOTS for suffix in SUFFIXES]


def draw(plot: Plot, curves: Sequence[Curve], title: str) -> Figure | None:
    """The figure, or None where no measured curve has a point in it."""
    visible = [curve for curve in curves if plot.shows(curve)]
    models = list(dict.fromkeys(curve.model for curve in visible if curve.model))
    if plot.few:
        visible = [curve for curve in visible if curve.model in ("", *models[:1])]
    measured = [curve for curve in visible if curve.group != "published"]
    if not measured:
        return None
    figure = Figure(figsize=(9.5, 6.5) if plot.few else (12, 8), layout="constrained")
    axes = figure.add_subplot()
    others = [curve.key for curve in visible if curve.group == "published" and curve.key not in PAPERS]
    for curve in visible:
        points = sorted(curve.points(plot.metric))
        axes.plot(*np.transpose(points), **_style(curve, models, others))
    axes.set_xlim(0, plot.largest_bpp)
    axes.set_ylim(_limits(measured, visible, plot))
    axes.set_xlabel("bits per pixel (whole files)", fontsize=12)
    axes.set_ylabel(QUALITY_NAMES[plot.metric], fontsize=12)
    axes.set_title(title, fontsize=13, loc="left", parse_math=False)  # a folder may be called a$5_$
    axes.tick_params(labelsize=11)
    axes.grid(color="#e3e6ea", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    _name_curves(axes, visible, plot)
    return figure


def save_bytes(figure: Figure, suffix: str) -> bytes:
    """The figure as a file, ".png" or ".svg"; the same bytes for the same figure."""
    file = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "jahp"}):
        if suffix == ".svg":
            figure.savefig(file, format="svg", metadata={"Date": None})
        else:
            figure.savefig(file, format="png", dpi=120, pil_kwargs={"optimize": True})
    return file.getvalue()


def _style(curve: Curve, models: Sequence[str], others: Sequence[str]) -> dict[str, Any]:
    """How a curve is drawn; `others` are the keys of the published curves but the paper's."""
    if curve.key in PAPERS:
        return {"color": PAPER, "linewidth": 1.3, "linestyle": "--", "marker": ".", "markersize": 4, "zorder": 2}
    if curve.group == "published":
        dashes = PUBLISHED_DASHES[others.index(curve.key) % len(PUBLISHED_DASHES)] or (None, None)
        return {"color": PUBLISHED, "linewidth": 1.0, "dashes": dashes, "marker": ".", "markersize": 3, "zorder": 1}
    if curve.group == "classical":
        return {"color": SERIES_COLOURS[curve.key], "linewidth": 1.2, "marker": ".", "markersize": 5, "zorder": 2}
    line, marker = MODEL_STYLES[models.index(curve.model) % len(MODEL_STYLES)]
    return {
        "color": SERIES_COLOURS[curve.prior],
        "linewidth": 1.0 if curve.effort else 2.0,
        "linestyle": line,
        "marker": marker,
        "markerfacecolor": "white" if curve.effort else SERIES_COLOURS[curve.prior],
        "markersize": 5.5,
        "zorder": 3,
    }


def _limits(measured: Sequence[Curve], visible: Sequence[Curve], plot: Plot) -> tuple[float, float]:
    """From the lowest measured point to the highest of any curve, with room."""
    lowest = min(quality for curve in measured for _, quality in plot.inside(curve))
    highest = max(quality for curve in visible for _, quality in plot.inside(curve))
    room = 0.06 * (highest - lowest) or 1.0
    return lowest - room / 2, highest + room


def _name_curves(axes: Axes, curves: Sequence[Curve], plot: Plot) -> None:
    """Names at the right where a curve reaches the edge; beside its end, on the emptier side, where it stops before."""
    bottom, top = axes.get_ylim()
    edge, inside = [], []
    for curve in curves:
        rates, qualities = np.transpose(sorted(curve.points(plot.metric)))
        reaches = rates[-1] >= 0.97 * plot.largest_bpp
        end = min(rates[-1], plot.largest_bpp)
        height = (np.interp(end, rates, qualities) - bottom) / (top - bottom)
        if reaches:
            edge.append((curve, end / plot.largest_bpp, float(height)))
        else:
            inside.append((curve, end / plot.largest_bpp, float(height)))
    for (curve, x, y), name_y in zip(edge, spread([y for _, _, y in edge], NAME_GAP), strict=True):
        _name(axes, curve, (x, y), (1.05, name_y), "left")
    sides = [_emptier_side(curve, curves, plot) for curve, _, _ in inside]
    beside = [y + 0.05 * side for side, (_, _, y) in zip(sides, inside, strict=True)]
    for (curve, x, y), side, name_y in zip(inside, sides, spread(beside, NAME_GAP), strict=True):
        # Above and to the left, or below and to the right: curves rise. But there must be room for the name.
        if (x > NAME_ROOM and side > 0) or x > 1 - NAME_ROOM:
            _name(axes, curve, (x, y), (x - 0.03, name_y), "right")
        else:
            _name(axes, curve, (x, y), (x + 0.03, name_y), "left")


def _emptier_side(curve: Curve, curves: Sequence[Curve], plot: Plot) -> int:
    """1 where no more curves pass above the end of this one than below it, else −1."""
    rate, quality = max(curve.points(plot.metric))
    others = [np.transpose(sorted(other.points(plot.metric))) for other in curves if other is not curve]
    passing = [np.interp(rate, *points) > quality for points in others if points[0][-1] > rate]
    return 1 if 2 * sum(passing) <= len(passing) else -1


def _name(axes: Axes, curve: Curve, end: Point, place: Point, alignment: str) -> None:
    """A curve's name at `place` with a thin line to its `end`; both in fractions of the axes."""
    published = curve.group == "published"
    ours = SERIES_COLOURS.get(curve.prior or curve.key, PUBLISHED_NAME)
    colour = PAPER if curve.key in PAPERS else ours
    axes.annotate(
        curve.label,
        end,
        place,
        xycoords="axes fraction",
        textcoords="axes fraction",
        ha=alignment,
        va="center",
        fontsize=NAME_SIZE if published else NAME_SIZE + 1,
        fontweight="bold" if curve.group == "prior" else "normal",
        color=colour,
        bbox={"boxstyle": "square,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.8},
        arrowprops={
            "arrowstyle": "-",
            "color": colour,
            "linewidth": 0.6,
            "shrinkA": 0,
            "shrinkB": 0,
            "relpos": (0.0 if alignment == "left" else 1.0, 0.5),  # the line starts at the near end of the name
        },
        annotation_clip=False,
    )


def spread(heights: Sequence[float], gap: float) -> list[float]:
    """Heights moved as little as needed to lie `gap` apart, in the same order and, where they fit, within 0 to 1.

    Neighbours that are too close form a block about their common mean; blocks that touch are merged.

    >>> spread([0.5, 0.5, 0.9], 0.1)
    [0.45, 0.55, 0.9]
    """
    order = sorted(range(len(heights)), key=lambda index: heights[index])
    blocks: list[tuple[float, list[int]]] = []  # (lowest height, members)
    for index in order:
        members = [index]
        start = min(max(heights[index], 0.0), 1.0)
        while blocks and blocks[-1][0] + gap * len(blocks[-1][1]) > start:
            members = blocks.pop()[1] + members
            middle = sum(heights[member] for member in members) / len(members)
            half = gap * (len(members) - 1) / 2
            start = min(max(middle, half), max(1 - half, half)) - half
        blocks.append((start, members))
    placed = [0.0] * len(heights)
    for start, members in blocks:
        for number, member in enumerate(members):
            placed[member] = start + gap * number
    return placed
