"""What `jahp bench` says, as rows of a table: seconds and megapixels a second, and ratios where CompressAI is there."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from jahp_gui.bench_goals import GOALS, NAMES, TASKS
from jahp_gui.codec.errors import JahpError

HEADER = """| image | encode | decode | of it entropy coding | peak memory |
|---|---:|---:|---:|---:|"""
RATIOS = """| against CompressAI's mbt2018 | encode | decode |
|---|---:|---:|"""


def measure(repeat: int) -> dict[str, Any]:
    """The JSON of `jahp bench --large`; as "beside", of the first size beside a program that keeps one core busy."""
    results = bench("--large", "--repeat", str(repeat))
    with busy_program():
        # As `jahp bench` has each size measured: neither start-up nor CompressAI once more.
        beside = bench("--one", results["sizes"][0]["size"], "--repeat", str(repeat))
    return results | {"beside": beside}


def bench(*options: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "jahp_gui", "bench", "--json", *options]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise JahpError("jahp bench ended early; the message above says why.")
    return json.loads(done.stdout)


@contextmanager
def busy_program() -> Iterator[None]:
    program = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        program.kill()
        program.wait()


def text(results: dict[str, Any]) -> str:
    lines = [HEADER, *(row(entry) for entry in results["sizes"])]
    start, beside = results["start-up"], results["beside"]
    lines += [
        "",
        f"{beside['size'].replace('x', ' × ')} beside another program that keeps one core busy: encode "
        f"{beside['encode']['total']:.2f} s, decode {beside['decode']['total']:.2f} s.",
        "",
        f"Start: `jahp --version` {start['jahp --version']:.2f} s, torch and codec {start['import codec']:.2f} s.",
    ]
    if "mbt2018" not in results:
        return "\n".join([*lines, "", "CompressAI is not installed here: no ratios."])
    found = results["mbt2018"]
    theirs = found["seconds"]["mbt2018"]
    lines += [
        "",
        f"One image of {found['size'].replace('x', ' × ')}, N = {found['N']}, M = {found['M']}, median of "
        f"{found['repetitions']}, {found['threads']} threads, by turns in one process; theirs took "
        f"{theirs['encode']:.1f} s and {theirs['decode']:.1f} s. In brackets the ratio of processor times, which "
        "other programs disturb less.",
        "",
        RATIOS,
    ]
    for name in GOALS:
        cells = []
        for task, goal in zip(TASKS, GOALS[name], strict=True):
            ratio = found["ratios"][name][task]
            missed = f", goal of {goal} missed" if ratio < goal else ""
            cells.append(f"{ratio:.1f} × ({found['processor ratios'][name][task]:.1f}){missed}")
        lines.append(f"| {NAMES[name]} | {' | '.join(cells)} |")
    return "\n".join(lines)


def row(entry: dict[str, Any]) -> str:
    width, height = map(int, entry["size"].split("x"))
    cells = [f"{entry[t]['total']:.2f} s, {width * height / 1e6 / entry[t]['total']:.1f} MP/s" for t in TASKS]
    entropy = sum(entry["decode"][stage] for stage in ("entropy networks", "range coder")) / entry["decode"]["total"]
    return f"| {width} × {height} | {cells[0]} | {cells[1]} | {entropy:.0%} | {entry['peak memory MB']:,.0f} MB |"
