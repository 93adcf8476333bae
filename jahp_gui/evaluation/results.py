"""Rows to averages, curves and BD-rates, and all of it as JSON."""

import dataclasses
import itertools
import json
import platform
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

import jahp_gui
from jahp_gui.codec.choices import SEARCHED_FROM
from jahp_gui.codec.metrics import ms_ssim_db
from jahp_gui.codec.models import SEARCHED, Card
from jahp_gui.codec.threads import available_cpus
from jahp_gui.evaluation.curves import Point, bd_rate
from jahp_gui.evaluation.plan import LearnedSeries, Plan
from jahp_gui.evaluation.references import ReferenceCurve, load_references
from jahp_gui.evaluation.rows import Row

Metric = Literal["psnr", "ms-ssim"]
METRIC_NAMES: dict[Metric, str] = {"psnr": "PSNR", "ms-ssim": "MS-SSIM"}
BD_INTERVAL = (28.0, 37.0)  # dB of PSNR over which rates are compared: every codec of the field covers them


@dataclass(frozen=True)
class Average:
    """Mean over the images of the set at one setting: each image counts the same, whatever its size.

    psnr or ms_ssim is None as soon as one image has none: rate and quality must be of the same images. ms_ssim_db is
    −10·log10(1 − ms_ssim) of the mean.
    """

    codec: str
    setting: float
    bpp: float
    psnr: float | None
    ms_ssim: float | None
    ms_ssim_db: float | None
    encode_seconds: float
    decode_seconds: float


@dataclass(frozen=True)
class Curve:
    """A rate–distortion curve as plots and BD-rates need it: points (bpp, dB), by setting.

    group: "prior" and "classical" were measured here, "published" was not. objective: what it was optimised for.
    model and prior are empty but for a prior. effort: of the encoder's search for its latents, 0 for rounding.
    """

    key: str
    label: str
    group: Literal["prior", "classical", "published"]
    source: str
    objective: Literal["mse", "ms-ssim"]
    psnr: tuple[Point, ...]
    ms_ssim: tuple[Point, ...]
    model: str = ""
    prior: str = ""
    effort: int = 0

    def points(self, metric: Metric) -> tuple[Point, ...]:
        return self.psnr if metric == "psnr" else self.ms_ssim


@dataclass(frozen=True)
class Comparison:
    """BD-rate of `test` against `anchor` in percent, and the qualities in dB that it is the mean over.

    interval: "overlap" (all qualities that both curves cover) or "28-37 dB" of it. percent is None where less than
    4 dB are left.
    """

    anchor: str
    test: str
    metric: Metric
    interval: str
    percent: float | None
    low_db: float | None
    high_db: float | None

    @property
    def qualities(self) -> tuple[float, float] | None:
        """(low, high) in dB; None where nothing was compared."""
        return None if self.low_db is None or self.high_db is None else (self.low_db, self.high_db)


OVERLAP, COMMON = "overlap", "28-37 dB"
INTERVALS: tuple[tuple[Metric, str], ...] = (("psnr", COMMON), ("psnr", OVERLAP), ("ms-ssim", OVERLAP))
USUAL_INTERVAL: dict[Metric, str] = {"psnr": COMMON, "ms-ssim": OVERLAP}  # what claims and cards are judged over


@dataclass(frozen=True)
class Results:
    """Everything an evaluation found. `settings` is ready for JSON."""

    plan: Plan
    settings: dict[str, Any]
    rows: list[Row]
    averages: list[Average]
    curves: list[Curve]
    comparisons: list[Comparison]

    def averages_of(self, codec: str) -> list[Average]:
        return [average for average in self.averages if average.codec == codec]

    def comparison(
        self, test: str, anchor: str, metric: Metric, interval: str, within: tuple[float, float] | None = None
    ) -> Comparison | None:
        """The BD-rate of one pair of curve keys, `within` (low, high) dB if given; None where there is no such pair."""
        found = self._comparison_of.get((test, anchor, metric, interval))
        if found is None or within is None:
            return found
        curves = {curve.key: curve for curve in self.curves}
        return compare_pair(curves[anchor], curves[test], metric, interval, within)

    @cached_property
    def _comparison_of(self) -> dict[tuple[str, str, Metric, str], Comparison]:
        return {(entry.test, entry.anchor, entry.metric, entry.interval): entry for entry in self.comparisons}

    def to_json(self) -> str:
        """Settings, rows, averages and BD-rates; every entry of a list on a line of its own."""
        content: dict[str, Sequence[Any]] = {
            "per_image": self.rows,
            "averages": self.averages,
            "bd_rates": self.comparisons,
        }
        settings = json.dumps(self.settings, indent=1, ensure_ascii=False, allow_nan=False).replace("\n", "\n ")
        parts = [f' "settings": {settings}']
        for name, entries in content.items():
            lines = (json.dumps(dataclasses.asdict(entry), ensure_ascii=False, allow_nan=False) for entry in entries)
            parts.append(f' "{name}": [\n  ' + ",\n  ".join(lines) + "\n ]")
        return "{\n" + ",\n".join(parts) + "\n}\n"


def evaluate(plan: Plan, rows: list[Row], command: str, jobs: int) -> Results:
    """Results of a plan's measured rows."""
    averages = average(rows)
    curves = measured_curves(plan, averages)
    if plan.is_kodak:
        curves += [published_curve(reference) for reference in load_references()]
    return Results(plan, describe(plan, command, jobs), rows, averages, curves, compare(curves))


def average(rows: Iterable[Row]) -> list[Average]:
    """Means over the images at each (codec, setting), in the order in which these first appear."""
    groups: dict[tuple[str, float], list[Row]] = defaultdict(list)
    for row in rows:
        groups[row.codec, row.setting].append(row)
    return [_average_of(codec, setting, group) for (codec, setting), group in groups.items()]


def _average_of(codec: str, setting: float, rows: list[Row]) -> Average:
    ms_ssim = _mean([row.ms_ssim for row in rows])
    return Average(
        codec=codec,
        setting=setting,
        bpp=fmean(row.bpp for row in rows),
        psnr=_mean([row.psnr for row in rows]),
        ms_ssim=ms_ssim,
        ms_ssim_db=None if ms_ssim is None or ms_ssim >= 1 else ms_ssim_db(ms_ssim),
        encode_seconds=fmean(row.encode_seconds for row in rows),
        decode_seconds=fmean(row.decode_seconds for row in rows),
    )


def _mean(values: Sequence[float | None]) -> float | None:
    present = [value for value in values if value is not None]
    return fmean(present) if len(present) == len(values) else None


def measured_curves(plan: Plan, averages: Sequence[Average]) -> list[Curve]:
    """The curves of the plan's series, in its order."""
    several = len(plan.cards) > 1
    curves = []
    for series in plan.series:
        own = [entry for entry in averages if entry.codec == series.key]
        psnr = tuple((entry.bpp, entry.psnr) for entry in own if entry.psnr is not None)
        ms_ssim = tuple((entry.bpp, entry.ms_ssim_db) for entry in own if entry.ms_ssim_db is not None)
        if isinstance(series, LearnedSeries):
            model, prior = series.card.model_id, series.prior
            objective: Literal["mse", "ms-ssim"] = "ms-ssim" if series.card.objective == "ms-ssim" else "mse"
            source = f"model {model}"
            label = with_effort(prior, series.effort) + (f" ({model})" if several else "")
            curve = Curve(series.key, label, "prior", source, objective, psnr, ms_ssim, model, prior, series.effort)
        else:
            curve = Curve(series.key, series.codec.label, "classical", series.version, "mse", psnr, ms_ssim)
        curves.append(curve)
    return curves


def with_effort(prior: str, effort: int) -> str:
    """How tables and legends call a prior whose latents were searched: "joint, effort 1"."""
    return prior + (f", effort {effort}" if effort else "")


def published_curve(reference: ReferenceCurve) -> Curve:
    """A published curve; its key is prefixed, for classical codecs have the same keys when measured here."""
    ms_ssim = tuple((bpp, ms_ssim_db(value)) for bpp, value in reference.bpp_ms_ssim)
    label = reference.label + (", published" if reference.kind == "classical" else "")
    return Curve(
        f"published/{reference.key}",
        label,
        "published",
        reference.source,
        reference.optimised_for,
        reference.bpp_psnr,
        ms_ssim,
    )


def compare(curves: Sequence[Curve]) -> list[Comparison]:
    """Every curve against every other, on both metrics, over all common qualities and (PSNR) over 28 to 37 dB."""
    return [
        compare_pair(anchor, test, metric, interval, BD_INTERVAL if interval == COMMON else None)
        for anchor, test in itertools.permutations(curves, 2)
        for metric, interval in INTERVALS
    ]


def compare_pair(
    anchor: Curve, test: Curve, metric: Metric, interval: str, limits: tuple[float, float] | None
) -> Comparison:
    """One curve against another over the qualities that both cover, cut to `limits` (low, high) in dB."""
    result = bd_rate(anchor.points(metric), test.points(metric), interval=limits)
    numbers = (None, None, None) if result is None else (result.percent, result.low_db, result.high_db)
    return Comparison(anchor.key, test.key, metric, interval, *numbers)


def _describe_model(card: Card, plan: Plan) -> dict[str, Any]:
    measured = [series for series in plan.learned if series.card is card]
    digests = {series.prior: card.digest(series.prior).hex() for series in measured}
    described = {"title": card.title, "objective": card.objective, "digests": digests}
    if card.has_searched and any(series.effort >= SEARCHED_FROM for series in measured):
        described["searched"] = card.files[SEARCHED]
    return described


def describe(plan: Plan, command: str, jobs: int) -> dict[str, Any]:
    """What was run on what, with what: ready for JSON."""
    return {
        "command": command,
        "images": len(plan.images),
        "kodak": plan.is_kodak,
        "models": {card.model_id: _describe_model(card, plan) for card in plan.cards},
        "classical": {series.key: f"{series.codec.label}, {series.version}" for series in plan.classical},
        "versions": {"jahp-explorer": jahp_gui.__version__, "python": platform.python_version()}
        | {name: _version(name) for name in ("torch", "numpy", "pillow", "constriction", "bjontegaard")},
        "machine": {
            "processor": _processor(),
            "cores": len(available_cpus()),
            "device": plan.learned[0].device if plan.learned else "cpu",  # of the transforms
            "processes": jobs,
        },
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
