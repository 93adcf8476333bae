"""Figures, tables and arrays as files. All functions run in jobs and raise what writing raises.

A figure carries a caption of the exact settings below it and in the file's own description. An NPZ file holds the
arrays of a view, for each ARRAY the names of its axes as `ARRAY_axes`, and the settings as scalars.
"""

import csv
import io
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from jahp_gui.codec.latent_views import STRIDES
from jahp_gui.codec.output import write_atomically
from jahp_gui.gui import plotting
from jahp_gui.gui.exact_settings import Settings
from jahp_gui.gui.imaging import Pyramid, coloured
from jahp_gui.gui.plotting import PlotContent
from jahp_gui.gui.results import LatentResult

DPI = 150
CAPTION_SIZE, LETTERS_PER_INCH = 7, 15
CAPTION_COLOUR = "#5c6670"
DESCRIPTIONS = {"png": "Description", "svg": "Description", "pdf": "Subject"}
SLIMMEST = 8  # a figure's long side by its short one
NUMBERS = ("lmbda", "gain_index", "quality", "bytes", "bpp", "psnr_db", "ms_ssim")


def save_plot(path: Path, content: PlotContent, caption: str = "") -> None:
    """The rate-distortion plot with its legend: PNG, SVG or PDF by the suffix."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    plotting.draw(axes, content)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=8, facecolor=content.colours.panel, labelcolor=content.colours.text)
    write_figure(path, figure, caption, content.colours.faint_text)


def save_table(path: Path, rows: Sequence[Sequence[object]]) -> None:
    """Rows as CSV, the first one being the heading."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    write_atomically(path, text.getvalue().encode(), force=True)


def save_arrays(path: Path, arrays: Mapping[str, NDArray]) -> None:
    """Named arrays as NPZ."""
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    write_atomically(path, file.getvalue(), force=True)


def save_map_figure(
    path: Path,
    values: NDArray[np.float32],
    low: float,
    high: float,
    colours: str,
    title: str,
    unit: str,
    caption: str = "",
) -> None:
    """The map as it is shown, with colour bar and title: PNG or SVG."""
    from matplotlib.figure import Figure

    rows, columns = values.shape
    figure = Figure(figsize=(7, 1.2 + 6 * _shape(rows, columns)), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(values, cmap=colours, vmin=low, vmax=high, interpolation="nearest")
    axes.set_title(title, fontsize=9)
    axes.set_axis_off()
    figure.colorbar(image, ax=axes, label=unit, shrink=0.8)
    write_figure(path, figure, caption)


def _shape(height: int, width: int) -> float:
    """Height of a figure by its width: of a line of pixels it would have no end."""
    return min(max(height / width, 1 / SLIMMEST), SLIMMEST)


def save_grid_figure(
    path: Path,
    values: NDArray,
    bits: NDArray[np.float64],
    low: float,
    high: float,
    colours: str,
    title: str,
    unit: str,
    caption: str = "",
) -> None:
    """Every channel of values (h, w, C) as a small map with its number and bits (C,), the most expensive first."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

    rows, columns, count = values.shape
    across = max(1, min(count, round((count * 1.4 * rows / columns) ** 0.5)))
    down = -(-count // across)
    cell_width, cell_height = columns + max(2, columns // 8), rows + max(4, rows // 3)  # room for the numbers below
    mosaic = np.full((down * cell_height, across * cell_width, 3), 255, np.uint8)
    size = 12, 1.2 + 11 * _shape(down * cell_height, across * cell_width)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots()
    for number, channel in enumerate(np.argsort(-bits, kind="stable")):
        top, left = number // across * cell_height, number % across * cell_width
        plane = np.ascontiguousarray(values[..., channel], dtype=np.float32)
        mosaic[top : top + rows, left : left + columns] = coloured(plane, low, high, colours)
        text = f"{channel}: {bits[channel]:,.0f}"
        axes.text(left + columns / 2 - 0.5, top + rows, text, fontsize=min(100 / across, 12), ha="center", va="top")
    axes.imshow(mosaic, interpolation="nearest")
    axes.set_title(title, fontsize=10)
    axes.set_axis_off()
    figure.colorbar(ScalarMappable(Normalize(low, high), colours), ax=axes, label=unit, shrink=0.6)
    write_figure(path, figure, caption)


def save_numbers(path: Path, rows: Sequence[tuple[str, str]], settings: Settings, caption: str) -> None:
    """The table of numbers: as it is shown for PNG, SVG and PDF, in full for CSV and NPZ."""
    suffix = path.suffix.lower()
    if suffix == ".npz":
        save_arrays(path, named_arrays({}, settings))
    elif suffix == ".csv":
        save_table(path, [("quantity", "value"), *settings.items()])
    else:
        _save_table_figure(path, rows, caption)


def _save_table_figure(path: Path, rows: Sequence[tuple[str, str]], caption: str) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 0.6 + 0.3 * len(rows)), layout="constrained")
    axes = figure.subplots()
    axes.set_axis_off()
    axes.set_ylim(len(rows), 0)
    for row, (name, value) in enumerate(rows):
        axes.text(0.02, row + 0.5, name, fontsize=11, va="center", color="#5c6670")
        axes.text(0.98, row + 0.5, value, fontsize=11, va="center", ha="right")
        axes.axhline(row + 1, color="#dde1e5", lw=0.7)
    write_figure(path, figure, caption)


def save_comparison(
    path: Path,
    pictures: Sequence[tuple[str, Pyramid]],
    heatmap: tuple[str, NDArray[np.float32], float, float, str] | None,
    caption: str = "",
) -> None:
    """The compared pictures and the map in one row, each under its title."""
    from matplotlib.figure import Figure

    panels: list[tuple[str, NDArray]] = [(title, picture.rgb) for title, picture in pictures]
    if heatmap is not None:
        title, values, low, high, colours = heatmap
        panels.append((title, coloured(values, low, high, colours)))
    height, width = panels[0][1].shape[:2]
    figure = Figure(figsize=(5 * len(panels), 5 * _shape(height, width) + 0.4), layout="constrained")
    for axes, (title, rgb) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        axes.imshow(rgb, interpolation="nearest" if rgb.shape[0] < 200 else "antialiased", aspect="auto")
        axes.set_title(title, fontsize=10)
        axes.set_axis_off()
    write_figure(path, figure, caption)


# ------------------------------------------------------------ arrays


def named_arrays(arrays: Mapping[str, tuple[NDArray, Sequence[str]]], settings: Settings) -> dict[str, NDArray]:
    """Arrays by name with the names of their axes, and the settings, as an NPZ file holds them."""
    named = {name: np.asarray(array) for name, (array, _) in arrays.items()}
    axes = {f"{name}_axes": np.array(names) for name, (_, names) in arrays.items()}
    return named | axes | {name: np.array(value) for name, value in settings.items()}


def maps_arrays(latents: LatentResult, settings: Settings) -> dict[str, NDArray]:
    """Every map in full, named as `jahp maps` names them."""
    axes, arrays = ("row", "column", "channel"), latents.maps.arrays(latents.y_hat)
    strides: Settings = {"y_stride": STRIDES["y"], "z_stride": STRIDES["z"]}
    named = named_arrays({name: (array, axes) for name, array in arrays.items()}, settings | strides)
    return named | {"axes": np.array(axes)}


def comparison_arrays(
    pictures: Mapping[str, tuple[str, Pyramid]],
    heatmap: tuple[str, NDArray[np.float32], float, float, str] | None,
    settings: Settings,
) -> dict[str, NDArray]:
    """Pixels uint8 (H, W, 3) of the sides "a" and "b" with their titles, and the map that is shown."""
    arrays: dict[str, tuple[NDArray, Sequence[str]]] = {
        side: (picture.rgb, ("row", "column", "rgb")) for side, (_, picture) in pictures.items()
    }
    titles: Settings = {f"{side}_title": title for side, (title, _) in pictures.items()}
    if heatmap is not None:
        arrays["map"] = (heatmap[1], ("row", "column"))
        titles["map_title"] = heatmap[0]
    return named_arrays(arrays, settings | titles)


def curves_arrays(table: Sequence[Sequence[str]], settings: Settings) -> dict[str, NDArray]:
    """One entry per point of every curve: the columns of `plotting.table_rows`, missing numbers as NaN.

    Settings are prefixed with "current_": they are those of one point.
    """
    heading, *rows = table
    arrays: dict[str, tuple[NDArray, Sequence[str]]] = {}
    for index, name in enumerate(heading):
        column = [row[index] for row in rows]
        numbers = [float(text) if text else np.nan for text in column] if name in NUMBERS else column
        arrays[name] = (np.array(numbers), ("point",))
    return named_arrays(arrays, {f"current_{name}": value for name, value in settings.items()})


def write_figure(path: Path, figure: object, caption: str = "", colour: str = CAPTION_COLOUR) -> None:
    """With the caption in small letters below, and in the description that the format has a place for."""
    from matplotlib.figure import Figure

    assert isinstance(figure, Figure)
    kind = path.suffix.lower().lstrip(".") or "png"
    if caption:
        width = figure.get_figwidth()
        size = CAPTION_SIZE * max(1.0, width / 11)  # of a wide figure the letters shrink on the slide
        letters = round(LETTERS_PER_INCH * width * CAPTION_SIZE / size)
        figure.supxlabel(textwrap.fill(caption, letters), fontsize=size, color=colour)
    file = io.BytesIO()
    metadata = {DESCRIPTIONS[kind]: caption} if caption and kind in DESCRIPTIONS else None
    figure.savefig(file, format=kind, dpi=DPI, facecolor=figure.get_facecolor(), metadata=metadata)
    write_atomically(path, file.getvalue(), force=True)
