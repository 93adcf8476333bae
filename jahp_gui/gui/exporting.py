"""Figures and tables as files. All functions run in jobs and raise what writing raises."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from jahp_gui.codec.images import write_atomically
from jahp_gui.gui import plotting
from jahp_gui.gui.imaging import Pyramid, coloured
from jahp_gui.gui.plotting import PlotContent
from jahp_gui.gui.results import Curves, LatentResult

DPI = 150


def save_plot(path: Path, content: PlotContent) -> None:
    """The rate-distortion plot with its legend: PNG, SVG or PDF by the suffix."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    plotting.draw(axes, content)
    names = [
        plotting.series_caption(key)
        for key, points in content.curves.points.items()
        if plotting.name_of_series(key) not in content.choice.hidden
        and plotting.drawable(points, content.choice.metric)
    ]
    lines = [line for line in axes.get_lines() if line.get_zorder() in (3, 5)]
    if names:
        axes.legend(lines, names, fontsize=8, facecolor=content.colours.panel, labelcolor=content.colours.text)
    _write_figure(path, figure)


def save_table(path: Path, curves: Curves) -> None:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(plotting.table_rows(curves))
    write_atomically(path, text.getvalue().encode(), force=True)


def save_maps_npz(path: Path, latents: LatentResult) -> None:
    """Every map in full: bits, μ, σ and ŷ of y, bits and ẑ of z where there is side information."""
    maps = latents.maps
    arrays = {"y_hat": latents.y_hat, "y_bits": maps.bits, "mu": maps.mu, "sigma": maps.sigma}
    if maps.z_bits is not None and maps.z_hat is not None:
        arrays |= {"z_hat": maps.z_hat, "z_bits": maps.z_bits}
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    write_atomically(path, file.getvalue(), force=True)


def save_map_figure(
    path: Path, values: NDArray[np.float32], low: float, high: float, colours: str, title: str, unit: str
) -> None:
    """The map as it is shown, with colour bar and title: PNG or SVG."""
    from matplotlib.figure import Figure

    rows, columns = values.shape
    figure = Figure(figsize=(7, 1.2 + 6 * rows / columns), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(values, cmap=colours, vmin=low, vmax=high, interpolation="nearest")
    axes.set_title(title, fontsize=9)
    axes.set_axis_off()
    figure.colorbar(image, ax=axes, label=unit, shrink=0.8)
    _write_figure(path, figure)


def save_comparison(
    path: Path,
    pictures: Sequence[tuple[str, Pyramid]],
    heatmap: tuple[str, NDArray[np.float32], float, float, str] | None,
) -> None:
    """The compared pictures and the map in one row, each under its caption."""
    from matplotlib.figure import Figure

    panels: list[tuple[str, NDArray]] = [(caption, picture.rgb) for caption, picture in pictures]
    if heatmap is not None:
        caption, values, low, high, colours = heatmap
        panels.append((caption, coloured(values, low, high, colours)))
    height, width = panels[0][1].shape[:2]
    figure = Figure(figsize=(5 * len(panels), 5 * height / width + 0.4), layout="constrained")
    for axes, (caption, rgb) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        axes.imshow(rgb, interpolation="nearest" if rgb.shape[0] < 200 else "antialiased", aspect="auto")
        axes.set_title(caption, fontsize=8)
        axes.set_axis_off()
    _write_figure(path, figure)


def _write_figure(path: Path, figure: object) -> None:
    from matplotlib.figure import Figure

    assert isinstance(figure, Figure)
    file = io.BytesIO()
    figure.savefig(file, format=path.suffix.lower().lstrip(".") or "png", dpi=DPI, facecolor=figure.get_facecolor())
    write_atomically(path, file.getvalue(), force=True)
