"""`jahp evaluate`: its arguments, and the way from them to the files it writes."""

import argparse
import shlex
import sys
from dataclasses import asdict
from pathlib import Path

from jahp_gui.codec.choices import EFFORTS
from jahp_gui.codec.device import choose_device
from jahp_gui.codec.errors import UsageError
from jahp_gui.codec.models import DEFAULT_MODEL
from jahp_gui.commands.common import (
    STREAM,
    add_device_argument,
    add_json_argument,
    check_output,
    count,
    describe_command,
    make_folder,
    positive,
    print_json,
    printable,
)

REPORT = "report.md"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `jahp evaluate`. Nothing here imports torch: `--help` answers at once."""
    describe_command(
        parser,
        """\
Measure models and classical codecs on every image of a folder, from real files: bits per
pixel, PSNR and MS-SSIM of the decoded 8-bit picture, seconds; then averages over the images
and BD-rates of every curve against every other.

Rows are kept beside FILE.json, in FILE.rows.jsonl, as they are measured: the same command goes
on where it was stopped, and measures again only what has changed: images, weights, settings,
the device. Rows of an earlier release with the same weights stay as it measured them.""",
        """
jahp evaluate photos --out results.json --csv results.csv --report report
jahp evaluate kodak --out kodak.json --priors joint --classical jpeg420 webp
jahp evaluate photos --out results.json --lmbdas 0.005 0.02 --classical none
""",
    )
    parser.add_argument("folder", metavar="DIR", type=Path, help="folder of images")
    parser.add_argument(
        "--out", metavar="FILE.json", type=Path, required=True, help="rows, averages, BD-rates, settings"
    )
    parser.add_argument("--csv", metavar="FILE", type=Path, help="also write the rows as CSV")
    parser.add_argument("--report", metavar="FOLDER", type=Path, help="also write report.md with plots (PNG, SVG)")
    parser.add_argument("--models", metavar="ID", nargs="+", default=[DEFAULT_MODEL], help=f"default: {DEFAULT_MODEL}")
    parser.add_argument("--priors", metavar="PRIOR", nargs="+", help="default: all that a model has")
    parser.add_argument(
        "--efforts",
        type=int,
        nargs="+",
        choices=EFFORTS[1:],
        default=[],
        help="also the joint prior with its latents searched by the encoder, as by `jahp encode --effort`",
    )
    parser.add_argument("--lmbdas", metavar="λ", nargs="+", type=positive, help="default: the anchors of each model")
    parser.add_argument(
        "--classical", metavar="CODEC", nargs="+", help="jpeg420, webp, … or none; default: all that work here"
    )
    parser.add_argument(
        "--jobs", metavar="N", type=count, help="processes that share the cores; default: one for every two cores"
    )
    parser.add_argument("--force", action="store_true", help="replace results that exist")
    add_device_argument(parser)
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Measure, write, print the averages. Raises `JahpError` for what the user can mend."""
    _refuse_outputs(args)
    # Here and not above: torch and matplotlib take seconds that --help and mistakes should not.
    from tqdm import tqdm

    from jahp_gui.codec.output import write_atomically
    from jahp_gui.evaluation.measure import default_jobs, measure
    from jahp_gui.evaluation.plan import make_plan
    from jahp_gui.evaluation.report import averages_text, write_report
    from jahp_gui.evaluation.results import evaluate
    from jahp_gui.evaluation.rows import RowCache, rows_to_csv

    jobs = args.jobs or default_jobs()
    device = choose_device(args.device)
    plan = make_plan(args.folder, args.models, args.priors, args.lmbdas, args.classical, args.efforts, device)
    with tqdm(unit="file", leave=False, disable=not sys.stderr.isatty()) as bar:

        def show(done: int, total: int) -> None:
            if bar.total is None:  # rows of an earlier run count as done, but not towards the speed
                bar.total, bar.initial, bar.n = total, done, done
            bar.update(done - bar.n)

        rows = measure(plan, RowCache(cache_path(args.out)), jobs, show)
    results = evaluate(plan, rows, command_line(args, device), jobs)
    written = [args.out]
    # A file's name may be no text: it is then a name with question marks.
    write_atomically(args.out, results.to_json().encode(errors="replace"), force=args.force)
    if args.csv:
        write_atomically(args.csv, rows_to_csv(rows).encode(errors="replace"), force=args.force)
        written.append(args.csv)
    if args.report:
        written += write_report(results, args.report / REPORT, args.force)
    if args.json:
        print_json({"written": list(map(str, written)), "averages": list(map(asdict, results.averages))})
    else:
        print(averages_text(results))
        print("\n" + printable("Wrote " + ", ".join(map(str, written)) + "."))
    return 0


def cache_path(out: Path) -> Path:
    """Where the rows of a run are kept: results.json → results.rows.jsonl."""
    return out.with_suffix(".rows.jsonl")


def command_line(args: argparse.Namespace, device: str) -> str:
    """The command that these arguments came from, without what changes no number. device: where the transforms ran."""
    words = ["jahp", "evaluate", str(args.folder), "--out", str(args.out)]
    for name in ("csv", "report"):
        if getattr(args, name):
            words += [f"--{name}", str(getattr(args, name))]
    for name in ("models", "priors", "lmbdas", "classical", "efforts"):
        if getattr(args, name):
            words += [f"--{name}", *map(str, getattr(args, name))]
    if device != "cpu":
        words += ["--device", device]
    return shlex.join(words)


def _refuse_outputs(args: argparse.Namespace) -> None:
    """What cannot be written at the end is said at the start: a run may take hours."""
    if STREAM in (str(args.out), str(args.csv)):
        raise UsageError("--out and --csv must name files; for averages on standard output see --json.")
    files = [args.out, *filter(None, [args.csv])]
    if args.report:
        from jahp_gui.evaluation.plots import file_names  # here: matplotlib takes a while

        if args.report.resolve() == args.folder.resolve():
            raise UsageError("--report must be another folder than the images': its plots would be measured, too.")
        make_folder(str(args.report))
        files += [args.report / name for name in (REPORT, *file_names())]
    for path in files:
        check_output(str(path), args.force)
    everything = [path.resolve() for path in (*files, cache_path(args.out))]
    if len({*everything}) < len(everything):
        raise UsageError("Two of the results would be one file; give --out, --csv and --report other names.")
