"""The inspector, and what each part pays, as figures and arrays for slides and papers. All functions run in jobs."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from jahp_gui.codec.latent_views import STRIDES
from jahp_gui.codec.prior_costs import RESIDUAL_EDGES, normal_density
from jahp_gui.gui import captions, exporting, theme
from jahp_gui.gui.exact_settings import Settings
from jahp_gui.gui.i18n import tr
from jahp_gui.gui.panels.maps_panel import ShownMap
from jahp_gui.gui.panels.parts_views import SHOWN_REACH, CostRow, row_name
from jahp_gui.gui.panels.prediction_view import Guess, PriorRow, axis_of, fixed
from jahp_gui.gui.results import Inspection, Parts

if TYPE_CHECKING:  # at run time it would load torch
    from matplotlib.axes import Axes

    from jahp_gui.codec.inspection import Prediction

NamedArrays = dict[str, tuple[NDArray, Sequence[str]]]  # with the names of their axes
BARS = 64  # channels in the figure, the most expensive
PINNED_COLOUR = "#0b66c3"


@dataclass(frozen=True, eq=False)
class InspectorContent:
    """The inspector as it is shown: a row a prior, and the prediction of the chosen one."""

    title: str
    channel: int
    rows: Sequence[PriorRow]
    prediction: "Prediction | None"
    pinned: "Prediction | None"
    prior: str


@dataclass(frozen=True, eq=False)
class PartsContent:
    """What each part pays as it is shown; `step` names the two priors of histogram and map, before and after."""

    title: str
    rows: Sequence[CostRow]
    step: tuple[str, str]
    shown: ShownMap | None
    map_caption: str


# ---------------------------------------------------------------- the inspector


def save_inspector(path: Path, content: InspectorContent, caption: str) -> None:
    """Tables of every prior, neighbourhood and channels: PNG, SVG or PDF by the suffix."""
    from matplotlib.figure import Figure

    count = len(content.rows)
    figure = Figure(figsize=(9, 1.0 * count + 1.4), layout="constrained")
    figure.suptitle(content.title, fontsize=9, x=0.01, ha="left")
    left, right = figure.subfigures(1, 2, squeeze=False, width_ratios=(3, 2))[0]
    tables = left.subplots(count, 1, sharex=True, squeeze=False)[:, 0]
    for axes, row in zip(tables, content.rows, strict=True):
        _draw_table(axes, row)
    tables[-1].set_xlim(*axis_of(content.rows))
    tables[-1].set_xlabel(tr("value of the latent"), fontsize=8)
    above, below = right.subplots(2, 1, height_ratios=(3, 2))
    if content.prediction is not None:
        _draw_neighbours(above, content.prediction, content.channel)
        _draw_channels(below, content)
    else:
        above.set_axis_off()
        below.set_axis_off()
    exporting.write_figure(path, figure, caption)


def _draw_table(axes: "Axes", row: PriorRow) -> None:
    colour = theme.series_colour(row.prior)
    axes.set_yticks([])
    axes.tick_params(labelsize=8)
    name = captions.prior_name(row.prior)
    if row.guess is None:
        axes.set_title(f"{name}: {row.missing}", fontsize=8, loc="left", pad=2)
        return
    _draw_steps(axes, row.guess, colour, filled=True)
    axes.axvline(row.guess.value, color="black", linewidth=1)
    text = f"{name}: {row.guess.bits:.2f} {tr('bit')}, μ {fixed(row.guess.mu)}, σ {fixed(row.guess.sigma)}"
    if row.pinned is not None:
        _draw_steps(axes, row.pinned, PINNED_COLOUR, filled=False)
        axes.axvline(row.pinned.value, color=PINNED_COLOUR, linewidth=1, linestyle=":")
        text += " · " + tr("pinned {bits:.2f} bit").format(bits=row.pinned.bits)
    axes.set_title(text, fontsize=8, loc="left", pad=2, fontweight="bold" if row.chosen else "normal")
    axes.set_ylim(bottom=0)


def _draw_steps(axes: "Axes", guess: Guess, colour: str, filled: bool) -> None:
    """Probability of each value: that of a column shared out among the values it stands for."""
    table = guess.distribution
    edges = np.append(table.first, table.first[-1] + table.width) - 0.5
    height = table.probability / table.probability.max()
    axes.stairs(height, edges, color=colour, fill=filled, alpha=0.5 if filled else 1)
    column = table.column_of(guess.value)
    if filled and column is not None:
        axes.stairs(height[column : column + 1], edges[column : column + 2], color=colour, fill=True)


def _draw_neighbours(axes: "Axes", prediction: "Prediction", channel: int) -> None:
    values = prediction.around[..., channel]
    axes.set_title(tr("Neighbours of the latent"), fontsize=8, loc="left")
    axes.set_xlim(0, 5)
    axes.set_ylim(5, 0)
    axes.set_aspect("equal")
    axes.set_axis_off()
    from matplotlib.patches import Rectangle

    for row, column in np.ndindex(5, 5):
        is_middle, seen = (row, column) == (2, 2), bool(prediction.seen[row, column])
        hatch = None if seen or is_middle else "////"
        axes.add_patch(Rectangle((column, row), 1, 1, fill=False, hatch=hatch, edgecolor="0.75", linewidth=0.8))
        if prediction.inside[row, column]:
            colour = "black" if seen or is_middle else "0.45"
            axes.text(
                column + 0.5, row + 0.5, f"{values[row, column]}", ha="center", va="center", fontsize=8, color=colour
            )
    axes.add_patch(Rectangle((2, 2), 1, 1, fill=False, edgecolor="black", linewidth=1.8))


def _draw_channels(axes: "Axes", content: InspectorContent) -> None:
    assert content.prediction is not None
    bits = content.prediction.bits
    order = np.argsort(-bits, kind="stable")[:BARS]
    colour = theme.series_colour(content.prior)
    bars = axes.bar(np.arange(len(order)), bits[order], width=1.0, color=colour, alpha=0.5)
    for place in np.flatnonzero(order == content.channel):
        bars[int(place)].set_alpha(1)
    if content.pinned is not None:
        axes.step(np.arange(len(order)), content.pinned.bits[order], where="mid", color=PINNED_COLOUR, linewidth=1)
    name = captions.prior_name(content.prior)
    text = tr("{prior}: the {count} costliest of {all} channels, {bits:.1f} bit in all")
    text = text.format(prior=name, count=len(order), all=len(bits), bits=bits.sum())
    axes.set_title(text, fontsize=8, loc="left")
    axes.set_ylabel(tr("bit"), fontsize=8)
    axes.set_xticks([])
    axes.tick_params(labelsize=8)


def inspector_arrays(
    inspection: Inspection, pinned: Inspection | None, channel: int, settings: Settings
) -> dict[str, NDArray]:
    """All that is known of the position, and of the pinned one; tables are those of the channel."""
    arrays = _position_arrays(inspection, channel, "")
    found = settings | _place_settings(inspection, "") | {"channel": channel}
    if pinned is not None:
        arrays |= _position_arrays(pinned, channel, "pinned_")
        found |= _place_settings(pinned, "pinned_")
    return exporting.named_arrays(arrays, found)


def _place_settings(inspection: Inspection, prefix: str) -> Settings:
    latents, column, row = inspection.place
    return {f"{prefix}latents": latents, f"{prefix}column": column, f"{prefix}row": row}


def _position_arrays(inspection: Inspection, channel: int, prefix: str) -> NamedArrays:
    """A row of "table_first" and "table_probability" ends in NaN where the tables of other priors are longer."""
    known = {name: found for name, found in inspection.predictions.items() if found is not None}
    names = captions.ordered_priors(known)
    found = [known[name] for name in names]
    tables = [each.distribution(min(channel, len(each.bits) - 1)) for each in found]
    longest = max((len(table.first) for table in tables), default=0)

    def padded(values: NDArray) -> NDArray:
        return np.pad(values.astype(np.float64), (0, longest - len(values)), constant_values=np.nan)

    of_prior, of_channel = ("prior",), ("prior", "channel")
    around, table = ("prior", "row", "column"), ("prior", "table_column")
    block, reach = inspection.block, inspection.reach
    arrays: dict[str, tuple[object, tuple[str, ...]]] = {
        "priors": (names, of_prior),
        "values": ([each.values for each in found], of_channel),
        "bits": ([each.bits for each in found], of_channel),
        "mu": ([each.mu for each in found], of_channel),
        "sigma": ([each.sigma for each in found], of_channel),
        "around": ([each.around for each in found], (*around, "channel")),
        "seen": ([each.seen for each in found], around),
        "inside": ([each.inside for each in found], around),
        "table_first": ([padded(each.first) for each in tables], table),
        "table_probability": ([padded(each.probability) for each in tables], table),
        "table_width": ([each.width for each in tables], of_prior),
        "table_escape": ([each.escape for each in tables], of_prior),
        "block": ([block.left, block.top, block.width, block.height], ("left_top_width_height",)),
        "reach": ([reach.left, reach.top, reach.width, reach.height], ("left_top_width_height",)),
    }
    return {prefix + name: (np.array(values), axes) for name, (values, axes) in arrays.items()}


# ---------------------------------------------------------------- what each part pays


def save_parts(path: Path, content: PartsContent, caption: str) -> None:
    """Bits of the priors, residuals of the step, and the map of its saving: PNG, SVG or PDF by the suffix."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 4.2), layout="constrained")
    figure.suptitle(content.title, fontsize=9, x=0.01, ha="left")
    bars, residuals, place = figure.subplots(1, 3, width_ratios=(5, 4, 4))
    _draw_costs(bars, content.rows)
    _draw_residuals(residuals, content)
    place.set_axis_off()
    if content.shown is not None:
        shown = content.shown
        image = place.imshow(shown.values, cmap=shown.colours, vmin=shown.low, vmax=shown.high, interpolation="nearest")
        place.set_title(textwrap.fill(content.map_caption, 44), fontsize=8, loc="left")
        figure.colorbar(image, ax=place, label=tr("bit saved"), shrink=0.8)
    exporting.write_figure(path, figure, caption)


def _draw_costs(axes: "Axes", rows: Sequence[CostRow]) -> None:
    known = [row for row in rows if row.cost is not None]
    for number, row in enumerate(known):
        assert row.cost is not None
        axes.barh(number, row.cost.y_bits, color=theme.series_colour(row.prior))
        axes.barh(number, row.cost.z_bits, left=row.cost.y_bits, color="black")
        saving = row.saving()
        text = f"{row.cost.bits:,.0f}" + ("" if saving is None else f"  ({-100 * saving:+.1f}%)")
        axes.text(row.cost.bits, number, f" {text}", va="center", fontsize=8)
    axes.set_yticks(range(len(known)), [row_name(known, number) for number in range(len(known))], fontsize=8)
    axes.invert_yaxis()
    axes.set_xlim(right=1.45 * max((row.cost.bits for row in known if row.cost is not None), default=1))
    axes.tick_params(axis="x", labelsize=8)
    axes.set_xlabel(
        tr("bit (black: side information ẑ; in brackets: against the row above, or the prior named)"), fontsize=8
    )


def _draw_residuals(axes: "Axes", content: PartsContent) -> None:
    before, after = content.step
    costs = {row.prior: row.cost for row in content.rows if row.cost is not None}
    for name, filled in ((after, True), (before, False)):
        if name in costs:
            label = f"{captions.prior_name(name)}: " + tr("spread {spread:.2f} σ").format(spread=costs[name].spread)
            colour, alpha = theme.series_colour(name), 0.45 if filled else 1.0
            axes.stairs(costs[name].density, RESIDUAL_EDGES, color=colour, fill=filled, alpha=alpha, label=label)
    residuals = np.linspace(-SHOWN_REACH, SHOWN_REACH, 161)
    axes.plot(residuals, normal_density(residuals), color="black", linestyle="--", linewidth=1, label="N(0, 1)")
    axes.set_xlim(-SHOWN_REACH, SHOWN_REACH)
    axes.set_ylim(top=1.45 * axes.get_ylim()[1])
    axes.set_xlabel(tr("residual (ŷ−μ)/σ where σ is at least half a step"), fontsize=8)
    axes.tick_params(labelsize=8)
    axes.legend(fontsize=7.5)


def parts_arrays(parts: Parts, settings: Settings) -> dict[str, NDArray]:
    """What every prior pays. Side information is shared out among the positions that it is about."""
    names = captions.ordered_priors(parts.costs)
    costs = [parts.costs[name] for name in names]
    of_prior = ("prior",)
    arrays: NamedArrays = {
        "priors": (np.array(names), of_prior),
        "total_y_bits": (np.array([cost.y_bits for cost in costs]), of_prior),
        "total_z_bits": (np.array([cost.z_bits for cost in costs]), of_prior),
        "unsure": (np.array([cost.unsure for cost in costs]), of_prior),
        "spread": (np.array([cost.spread for cost in costs]), of_prior),
        "bits_of_position": (np.array([cost.plane for cost in costs]), ("prior", "row", "column")),
        "residual_counts": (np.array([cost.histogram for cost in costs]), ("prior", "interval")),
        "residual_edges": (RESIDUAL_EDGES, ("interval_end",)),
    }
    counts: Settings = {"latent_count": costs[0].count if costs else 0, "y_stride": STRIDES["y"]}
    return exporting.named_arrays(arrays, settings | counts)
