"""The rate-distortion plot as matplotlib draws it, on the screen and into files."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from jahp_gui.codec import metrics
from jahp_gui.evaluation.references import ReferenceCurve
from jahp_gui.gui import captions, theme
from jahp_gui.gui.i18n import tr
from jahp_gui.gui.results import CurvePoint, Curves, SeriesKey
from jahp_gui.gui.view_choices import PlotChoice

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CHINESE_FONT_FILES = ("notosanscjk", "wqy-microhei", "wqy-zenhei", "msyh", "pingfang", "simhei")
MARKERS = {  # of the curves by name: who cannot tell their colours knows them by shape
    "joint": "o",
    "context": "D",
    "mean-scale-hyperprior": "^",
    "scale-hyperprior": "v",
    "factorized": "P",
    "jpeg420": "s",
    "jpeg444": "d",
    "jpeg2000": "*",
    "webp": "<",
    "avif": ">",
    "heic": "h",
}
REFERENCE_STYLES = {"paper-joint": "-.", "bpg444": "--", "jpeg420": ":"}
REFERENCE_RATES = (0.08, 2.5)  # bpp; they go on far beyond what one image needs


@dataclass(frozen=True, eq=False)
class PlotContent:
    """Everything that the plot shows at a moment. current: (bpp, dB, whether from a real file).

    trail: (bpp, dB) where the current point was while it was refined.
    """

    curves: Curves
    choice: PlotChoice
    colours: theme.Theme
    current: tuple[float, float, bool] | None = None
    current_series: SeriesKey | None = None
    references: Sequence[ReferenceCurve] = field(default_factory=tuple)
    trail: Sequence[tuple[float, float]] = ()

    @property
    def is_empty(self) -> bool:
        return not self.curves.points and self.current is None and not self.choice.references


def quality(point: CurvePoint, metric: str) -> float | None:
    """A point's height: PSNR, or MS-SSIM in dB."""
    if metric == "psnr":
        return point.psnr
    return None if point.ms_ssim is None else metrics.ms_ssim_db(point.ms_ssim)


def in_order(points: Sequence[CurvePoint], metric: str) -> list[tuple[float, float]]:
    """(bpp, dB) as they come, without points that have no finite height."""
    heights = [(point.bpp, quality(point, metric)) for point in points]
    return [(rate, height) for rate, height in heights if height is not None and height < 200]


def drawable(points: Sequence[CurvePoint], metric: str) -> list[tuple[float, float]]:
    """(bpp, dB) by rate, without points that have no finite height."""
    return sorted(in_order(points, metric))


def on_curve(points: Sequence[CurvePoint], gain_index: int, metric: str) -> tuple[float, float, bool] | None:
    """(bpp, dB, whether from a real file) of a setting on a prior's curve: one of its points, or between two."""
    known = {
        point.gain_index: (point.bpp, height, not point.is_estimate)
        for point in points
        if point.gain_index is not None and (height := quality(point, metric)) is not None
    }
    if gain_index in known:
        return known[gain_index]
    below = max((index for index in known if index < gain_index), default=None)
    above = min((index for index in known if index > gain_index), default=None)
    if below is None or above is None:
        return None
    share = (gain_index - below) / (above - below)
    (rate, height, _), (next_rate, next_height, _) = known[below], known[above]
    return rate ** (1 - share) * next_rate**share, (1 - share) * height + share * next_height, False


def name_of_series(key: SeriesKey) -> str:
    """How settings and `PlotChoice.hidden` name a curve."""
    return f"{key.kind}/{key.name}"


def marker_of(name: str) -> str:
    """The shape of a curve's points, as matplotlib calls it."""
    return MARKERS.get(name, "s")


def draw(axes: "Axes", content: PlotContent, *, with_current: bool = True) -> None:
    """Clear the axes and draw everything anew; without the current point, room is left for it."""
    choice, colours = content.choice, content.colours
    axes.clear()
    _draw_references(axes, content)
    for key, points in content.curves.points.items():
        if name_of_series(key) not in choice.hidden:
            _draw_series(axes, content, key, points)
    if with_current and len(content.trail) > 1:
        rates, heights = zip(*content.trail, strict=True)
        axes.plot(rates, heights, "o-", ms=3, lw=1.2, color=colours.faint_text, alpha=0.8, zorder=5.5)
    if content.current is not None:
        rate, height, is_exact = content.current
        colour = theme.series_colour(content.current_series.name) if content.current_series else colours.accent
        face = colour if is_exact else "none"
        size = 11 if with_current else 0
        axes.plot([rate], [height], "o", ms=size, mfc=face, mec=colours.text, mew=1.6 if size else 0, zorder=6)
    _style(axes, content)


def _draw_series(axes: "Axes", content: PlotContent, key: SeriesKey, points: Sequence[CurvePoint]) -> None:
    pairs = drawable(points, content.choice.metric)
    if not pairs:
        return
    is_current = key == content.current_series
    colour, zorder = theme.series_colour(key.name), 5 if is_current else 3
    marker, size = marker_of(key.name), 5.5 if is_current else 4.5
    axes.plot(
        *zip(*pairs, strict=True),
        lw=2.2 if is_current else 1.3,
        ls="-" if key.kind == "prior" else "--",
        color=colour,
        marker=marker,
        ms=size,
        zorder=zorder,
        label=captions.series_name(key),
    )
    estimates = drawable([point for point in points if point.is_estimate], content.choice.metric)
    if estimates:  # hollow until its file is there
        face = content.colours.panel
        axes.plot(*zip(*estimates, strict=True), ls="", marker=marker, ms=size, mec=colour, mfc=face, zorder=zorder)


def shown_references(content: PlotContent) -> list[tuple[ReferenceCurve, str]]:
    """The published curves that the plot shows, each with its line style."""
    if not content.choice.references:
        return []
    shown = [curve for curve in content.references if curve.key in REFERENCE_STYLES]
    if content.choice.metric != "psnr":
        shown = [curve for curve in shown if curve.bpp_ms_ssim]
    return [(curve, REFERENCE_STYLES[curve.key]) for curve in shown]


def _draw_references(axes: "Axes", content: PlotContent) -> None:
    is_psnr = content.choice.metric == "psnr"
    for curve, style in shown_references(content):
        points = curve.bpp_psnr if is_psnr else curve.bpp_ms_ssim
        pairs = [
            (rate, value if is_psnr else metrics.ms_ssim_db(value))
            for rate, value in points
            if REFERENCE_RATES[0] < rate < REFERENCE_RATES[1]
        ]
        if pairs:
            label = tr("Kodak: {name}").format(name=curve.label)
            colour = content.colours.faint_text
            axes.plot(*zip(*pairs, strict=True), color=colour, lw=1.2, ls=style, alpha=0.6, zorder=1, label=label)


def _style(axes: "Axes", content: PlotContent) -> None:
    choice, colours = content.choice, content.colours
    axes.set_facecolor(colours.panel)
    axes.figure.set_facecolor(colours.panel)
    axes.set_xscale("log" if choice.log_rate else "linear")
    axes.set_xlabel(tr("bits per pixel"), color=colours.text, fontsize=8.5)
    axes.set_ylabel("PSNR (dB)" if choice.metric == "psnr" else "MS-SSIM (dB)", color=colours.text, fontsize=8.5)
    axes.grid(True, color=colours.grid, lw=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(colors=colours.faint_text, labelsize=8)
    if choice.log_rate:
        _label_log_axis(axes)
    else:
        axes.set_xlim(left=0, right=_right_end(content))
    for spine in axes.spines.values():
        spine.set_color(colours.border)
    if content.curves.cropped:
        axes.set_title(tr("of a centre crop of 1024 × 1024 pixels"), color=colours.warning, fontsize=8, loc="right")


def _right_end(content: PlotContent) -> float | None:
    """Where the drawn points end; a reference that goes on must not squeeze them."""
    rates = [point.bpp for points in content.curves.points.values() for point in points]
    if content.current is not None:
        rates.append(content.current[0])
    return 1.05 * max(rates) if rates else None


def _label_log_axis(axes: "Axes") -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.xaxis.set_major_locator(LogLocator(base=10, subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def use_fonts(chinese: bool) -> None:
    """matplotlib finds no substitute for missing glyphs by itself."""
    import matplotlib
    from matplotlib import font_manager

    families = ["DejaVu Sans"]
    if chinese:
        # From the system and not from matplotlib's list of fonts, which it keeps from its first run.
        for path in font_manager.findSystemFonts():
            if any(name in Path(path).name.lower() for name in CHINESE_FONT_FILES):
                font_manager.fontManager.addfont(path)
                families.append(font_manager.fontManager.ttflist[-1].name)
                break
    matplotlib.rcParams["font.family"] = families


def table_rows(curves: Curves, lmbda_at: Callable[[int], float]) -> list[list[str]]:
    """The points of real files as a table with a heading, for CSV: of a prior with λ, of a codec with its quality."""
    rows = [["kind", "name", "lmbda", "gain_index", "quality", "bytes", "bpp", "psnr_db", "ms_ssim"]]
    for key, points in curves.points.items():
        for point in sorted((point for point in points if not point.is_estimate), key=lambda point: point.bpp):
            gain = point.gain_index
            setting = ["", "", f"{point.quality:g}"] if gain is None else [f"{lmbda_at(gain):.6g}", str(gain), ""]
            similarity = "" if point.ms_ssim is None else f"{point.ms_ssim:.6f}"
            numbers = [str(point.n_bytes), f"{point.bpp:.6f}", f"{point.psnr:.4f}", similarity]
            rows.append([key.kind, key.name, *setting, *numbers])
    return rows
