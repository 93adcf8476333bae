"""The Markdown report of an evaluation, with its plots."""

import json
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path
from statistics import fmean
from typing import Any

from jahp_gui.codec.config import ModelConfig
from jahp_gui.codec.errors import printable
from jahp_gui.codec.models import Card
from jahp_gui.codec.output import write_atomically
from jahp_gui.evaluation import cost
from jahp_gui.evaluation.claims import Verdict, judge, ladder_steps, line_ups
from jahp_gui.evaluation.plots import PLOTS, SUFFIXES, draw, save_bytes
from jahp_gui.evaluation.results import (
    BD_INTERVAL,
    COMMON,
    INTERVALS,
    METRIC_NAMES,
    Average,
    Comparison,
    Curve,
    Metric,
    Results,
    with_effort,
)

NOTHING = "–"


def write_report(results: Results, path: Path, force: bool) -> list[Path]:
    """Write the Markdown file `path` and its plots beside it as PNG and SVG; returns all paths.

    Raises `OutputError` as `write_atomically` does.
    """
    files: dict[str, bytes] = {}
    drawn = []
    for plot in PLOTS if results.plan.is_kodak else [plot for plot in PLOTS if plot.published is not None]:
        figure = draw(plot, results.curves, _set_name(results))
        if figure is not None:
            drawn.append(plot.name)
            files |= {f"{plot.name}{suffix}": save_bytes(figure, suffix) for suffix in SUFFIXES}
    files[path.name] = report_text(results, drawn).encode(errors="replace")  # a file's name may be no text
    for name, data in files.items():
        write_atomically(path.with_name(name), data, force=force)
    return [path.with_name(name) for name in files]


def report_text(results: Results, drawn: Sequence[str]) -> str:
    """The whole report as Markdown; `drawn` are the names of the plots that lie beside it."""
    sections = [
        _introduction(results),
        _plots(drawn),
        *([_claims(results)] if results.plan.is_kodak else []),
        "## Averages\n\nAll priors of a model code the same latents, so they share the picture.\n\n"
        + averages_text(results),
        _bd_rates(results),
        _costs(results),
        _recipes(results.plan.cards),
        _sources(results),
        _settings(results),
    ]
    return "\n\n".join(filter(None, sections)) + "\n"


# ---------------------------------------------------------------- the sections, in their order


def _introduction(results: Results) -> str:
    count = len(results.plan.images)
    text = (
        f"# Evaluation on {_set_name(results)}\n\n"
        "Every number comes from a real file: rate is all of its bytes, quality is that of the 8-bit RGB picture "
        "decoded from those bytes, with the digest of the latents checked. Averages are over the images at constant "
        f"λ or quality ({count} of equal weight). MS-SSIM in dB is −10·log₁₀(1 − mean).\n\n"
        f"Regenerate with `{results.settings['command']} --force`."
    )
    if results.plan.is_kodak:
        text += " The images: https://r0k.us/graphics/kodak/."
    if not results.plan.is_kodak:
        text += "\n\nPublished curves and the paper's claims are left out: they are of the 24 Kodak images."
    if any(row.ms_ssim is None for row in results.rows):
        small = sorted({row.image for row in results.rows if row.ms_ssim is None})
        text += f"\n\nMS-SSIM is left out: it is not defined for sides of 160 pixels or less ({', '.join(small)})."
    if any(row.psnr is None for row in results.rows):
        exact = sorted({row.image for row in results.rows if row.psnr is None})
        text += (
            "\n\nA picture that is reproduced exactly has no PSNR, and its setting is missing from tables, plots and "
            f"BD-rates ({', '.join(exact)})."
        )
    return text


def _plots(drawn: Sequence[str]) -> str:
    lines = [f"![{name}]({name}.png) ([SVG]({name}.svg))" for name in drawn]
    return "## Rate–distortion\n\n" + "\n\n".join(lines) if lines else ""


def _claims(results: Results) -> str:
    parts = [
        "## The paper's claims beside ours\n\n"
        "BD-rate: mean difference in bits at equal quality, negative where fewer are needed. PSNR over 28 to 37 dB, "
        "MS-SSIM over all qualities that both of our curves cover; other qualities, in dB, stand in brackets. “Quoted” "
        "is the number in the abstract of Minnen et al. 2018, “their curves” that of their published points over "
        "the same qualities as ours, “ours” ours against the same anchor, “measured here” ours against that format's "
        "live codec. Where nothing is quoted the claim is that fewer bits are needed, not how many."
    ]
    for line_up in line_ups(results):
        parts.append(f"### {line_up.title}")
        for metric in line_up.metrics:
            verdicts = judge(results, line_up, metric)
            if any(verdict.ours is not None and verdict.ours.percent is not None for verdict in verdicts):
                parts.append(_verdict_table(results, verdicts, metric))
        if line_up.note:
            parts.append(line_up.note)
        if line_up.same_latents:
            parts += [
                f"{more} takes more bits than {fewer} for the same latents at {holds} of {count} λ."
                for more, fewer, holds, count in ladder_steps(results, line_up)
            ]
    return "\n\n".join(parts)


def _verdict_table(results: Results, verdicts: Sequence[Verdict], metric: Metric) -> str:
    labels = {curve.key: curve.label for curve in results.curves}
    rows = []
    for verdict in verdicts:
        live = NOTHING
        if verdict.live is not None:
            live = f"{_interval(verdict.live)} ({labels[verdict.live.anchor]})"
        rows.append(
            [
                verdict.claim.text,
                NOTHING if verdict.quoted is None else f"{_signed(verdict.quoted)}%",
                _percent(verdict.paper),
                _interval(verdict.ours),
                _met(verdict),
                live,
            ]
        )
    names = ["quoted", "their curves", "ours", "claim", "ours, measured here"]
    return _table([f"BD-rate, {METRIC_NAMES[metric]}", *names], rows)


def _met(verdict: Verdict) -> str:
    if verdict.margin is None:
        return NOTHING
    if verdict.quoted is None:
        return "fewer bits" if verdict.margin < 0 else "more bits"
    if abs(verdict.margin) < 0.05:
        return "level, to 0.1 points"
    return f"missed by {verdict.margin:.1f} points" if verdict.margin > 0 else f"met, by {-verdict.margin:.1f} points"


def averages_text(results: Results) -> str:
    """Tables of the averages: one for each model and effort, its priors side by side, one for the classical codecs."""
    parts = []
    for (model, effort), group in groupby(
        (curve for curve in results.curves if curve.group == "prior"), key=lambda curve: (curve.model, curve.effort)
    ):
        curves = list(group)
        rows = [
            [f"{same[0].setting:.4g}", *_quality(same[0]), *(f"{average.bpp:.4f}" for average in same)]
            for same in zip(*(results.averages_of(curve.key) for curve in curves), strict=True)
        ]
        header = ["λ", "PSNR (dB)", "MS-SSIM", "MS-SSIM (dB)", *(f"{curve.prior} (bpp)" for curve in curves)]
        parts += [
            f"### Model {model}, encoder at effort {effort}" if effort else f"### Model {model}",
            _table(header, rows),
        ]
    classical = [curve for curve in results.curves if curve.group == "classical"]
    if classical:
        rows = [
            [curve.label, f"{average.setting:g}", *_quality(average), f"{average.bpp:.4f}"]
            for curve in classical
            for average in results.averages_of(curve.key)
        ]
        header = ["codec", "setting", "PSNR (dB)", "MS-SSIM", "MS-SSIM (dB)", "bpp"]
        parts += ["### Classical codecs, measured here", _table(header, rows)]
    return "\n\n".join(parts)


def _quality(average: Average) -> list[str]:
    return [
        NOTHING if average.psnr is None else f"{average.psnr:.3f}",
        NOTHING if average.ms_ssim is None else f"{average.ms_ssim:.5f}",
        NOTHING if average.ms_ssim_db is None else f"{average.ms_ssim_db:.3f}",
    ]


def _bd_rates(results: Results) -> str:
    priors = [curve for curve in results.curves if curve.group == "prior"]
    parts = [
        "## BD-rate\n\n"
        "Bits of the column's curve against the row's at equal quality (`bjontegaard`, PCHIP), and the qualities in "
        "dB that it is the mean over; none where less than 4 dB are common. The JSON file holds every pair of curves."
    ]
    for metric, interval in INTERVALS:
        over = "28 to 37 dB" if interval == COMMON else "all common qualities"
        rows = [
            [anchor.label, *(_interval(results.comparison(test.key, anchor.key, metric, interval)) for test in priors)]
            for anchor in results.curves
            if anchor.points(metric)
        ]
        if rows:
            header = [f"{METRIC_NAMES[metric]}, {over}", *(curve.label for curve in priors)]
            parts.append(_table(header, rows))
    return "\n\n".join(parts)


def _costs(results: Results) -> str:
    parts = [
        "## What each prior costs\n\n"
        "Seconds are the mean over images and λ of this run, transforms included, as a ratio to the joint prior's; "
        "kMAC per pixel are those of the prior's networks, encoder and decoder; what an effort computes more is in its "
        "seconds alone."
    ]
    for card in results.plan.cards:
        config = ModelConfig.from_dict(card.config)
        curves = [curve for curve in results.curves if curve.model == card.model_id]
        seconds = {with_effort(curve.prior, curve.effort): _mean_seconds(results, curve) for curve in curves}
        joint = seconds.get("joint")
        rows = []
        for curve, (name, (encode, decode)) in zip(curves, seconds.items(), strict=True):
            macs = cost.prior_macs(config, curve.prior)
            rows.append(
                [
                    name,
                    *(f"{value:.3f}" for value in (encode, decode)),
                    *([f"{encode / joint[0]:.2f}", f"{decode / joint[1]:.2f}"] if joint else [NOTHING, NOTHING]),
                    f"{cost.prior_parameters(config, curve.prior) / 1e6:.2f}",
                    f"{macs.encoder / 1e3:.2f}",
                    f"{macs.decoder / 1e3:.2f}",
                ]
            )
        times = ["encode (s)", "decode (s)", "encode ÷ joint", "decode ÷ joint"]
        header = [card.model_id, *times, "parameters (M)", "encoder kMAC/px", "decoder kMAC/px"]
        transforms = cost.transform_macs(config)
        parts += [
            _table(header, rows),
            f"Transforms of {card.model_id} ({config.transform}): {cost.transform_parameters(config) / 1e6:.2f} M "
            f"parameters; analysis {transforms.encoder / 1e3:.2f}, synthesis {transforms.decoder / 1e3:.2f} kMAC/px.",
        ]
    return "\n\n".join(parts)


def _mean_seconds(results: Results, curve: Curve) -> tuple[float, float]:
    averages = results.averages_of(curve.key)
    return fmean(entry.encode_seconds for entry in averages), fmean(entry.decode_seconds for entry in averages)


def _recipes(cards: Iterable[Card]) -> str:
    parts = ["## Recipes, from the model cards"]
    for card in cards:
        parts.append(f"### {card.model_id}: {card.title}")
        told = {name: value for name, value in card.training.items() if name != "runs"}
        parts.append("\n".join(_bullets(told)) or "Its card says nothing of the training.")
        if runs := card.training.get("runs"):
            settings = "\n".join(_bullets({"runs": runs}))
            parts.append(f"<details><summary>every setting of its last runs</summary>\n\n{settings}\n\n</details>")
    return "\n\n".join(parts)


def _bullets(content: Any, depth: int = 0) -> list[str]:
    """Nested lists of what a card says, in its order; lists of plain values stay on a line."""
    lines = []
    entries = content.items() if isinstance(content, dict) else enumerate(content, 1)
    for name, value in entries:
        nested = isinstance(value, dict) or (
            isinstance(value, list) and any(isinstance(v, (dict, list)) for v in value)
        )
        plain = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        lines.append("  " * depth + f"- {name}:" + ("" if nested else f" {plain}"))
        if nested:
            lines += _bullets(value, depth + 1)
    return lines


def _sources(results: Results) -> str:
    published = [curve for curve in results.curves if curve.group == "published"]
    lines = [f"- {curve.label}: {curve.source}" for curve in published]
    return "## Sources of the published curves\n\n" + "\n".join(lines) if lines else ""


def _settings(results: Results) -> str:
    settings = results.settings
    lines = [
        f"- model `{name}`, trained for {model['objective']}: digests of the weights "
        + ", ".join(f"{digest} ({prior})" for prior, digest in model["digests"].items())
        + (f"; synthesis for searched latents {model['searched'][:12]}" if "searched" in model else "")
        for name, model in settings["models"].items()
    ]
    lines += [f"- `{key}`: {text}" for key, text in settings["classical"].items()]
    lines.append("- " + ", ".join(f"{name} {version}" for name, version in settings["versions"].items()))
    machine = settings["machine"]
    elsewhere = "" if machine["device"] == "cpu" else f", transforms on {machine['device']}"
    lines.append(
        f"- timed on {machine['processor']}, {machine['cores']} cores{elsewhere}, {machine['processes']} process(es) "
        "at a time; rows kept from an earlier run, maybe of an earlier release with the same weights, are as it "
        "measured them"
    )
    return "## Settings\n\n" + "\n".join(lines)


# ---------------------------------------------------------------- cells and tables


def _set_name(results: Results) -> str:
    count = len(results.plan.images)
    if results.plan.is_kodak:
        return "Kodak, 24 images"
    return f"{printable(results.plan.folder.resolve().name)}, {count} image{'s' * (count > 1)}"


def _signed(value: float) -> str:
    return f"{value:+.1f}".replace("-", "−")


def _percent(comparison: Comparison | None) -> str:
    return NOTHING if comparison is None or comparison.percent is None else f"{_signed(comparison.percent)}%"


def _interval(comparison: Comparison | None) -> str:
    """A BD-rate with its interval, unless that is the one in the table's head; a dash where there is none."""
    if comparison is None or comparison.percent is None:
        return NOTHING
    if comparison.interval == COMMON and (comparison.low_db, comparison.high_db) == BD_INTERVAL:
        return _percent(comparison)
    return f"{_percent(comparison)} [{comparison.low_db:.1f}, {comparison.high_db:.1f}]"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table, numbers to the right."""
    rule = ["---"] + ["---:"] * (len(header) - 1)
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (header, rule, *rows))
