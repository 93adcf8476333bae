"""`jahp evaluate`: real files, averages, BD-rates, the report, and going on after a stop."""

import argparse
import csv
import dataclasses
import json
import math
import multiprocessing
import os
import shutil
import signal
import sys
import threading
import time
import xml.etree.ElementTree
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.flop_counter import FlopCounterMode

from jahp_gui.codec.codec import Encoded, decode, encode, encode_y
from jahp_gui.codec.config import ModelConfig
from jahp_gui.codec.effort import Problem
from jahp_gui.codec.errors import DigestError, ImageError, JahpError, OutputError, UsageError
from jahp_gui.codec.metrics import psnr
from jahp_gui.codec.model import Model
from jahp_gui.codec.models import CARD, Card, find_model
from jahp_gui.codec.priors import PRIORS
from jahp_gui.codec.priors.context_model import CAUSAL_OFFSETS
from jahp_gui.codec.priors.gaussian import GaussianPrior
from jahp_gui.codec.transforms import build_transforms
from jahp_gui.evaluation import command, cost, measure, plan, plots, report, results
from jahp_gui.evaluation.claims import judge, ladder_steps, line_ups
from jahp_gui.evaluation.classical import get_codec
from jahp_gui.evaluation.plan import ImageFile, LearnedSeries, Plan
from jahp_gui.evaluation.references import load_references
from jahp_gui.evaluation.rows import Row, RowCache, rows_to_csv

LMBDAS = ("0.0064", "0.05")
SIZES = {"dark.png": (208, 184), "light.png": (184, 192)}  # (width, height): MS-SSIM needs more than 160


def jahp(*arguments: object) -> int:
    """Run `jahp` with errors as exceptions."""
    from jahp_gui import cli

    return cli.run([str(argument) for argument in arguments])


def synthetic(seed: int, width: int, height: int) -> np.ndarray:
    """Waves with some noise: neither flat nor incompressible."""
    y, x = np.mgrid[:height, :width]
    noise = np.random.default_rng(seed).normal(0, 4, (height, width, 3))
    waves = np.sin(x / (7 + seed)) + np.cos((x + 2 * y) / 31)
    return np.clip(100 + 20 * seed + 40 * waves[..., None] + noise, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photos")
    for seed, (name, (width, height)) in enumerate(SIZES.items(), 1):
        Image.fromarray(synthetic(seed, width, height)).save(path / name)
    return path


@pytest.fixture(scope="module")
def outputs(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with everything that one run over all priors writes."""
    path = tmp_path_factory.mktemp("evaluation")
    arguments = ("--models", "tiny", "--lmbdas", *LMBDAS, "--classical", "jpeg420", "webp", "--jobs", "1")
    code = jahp(
        "evaluate", folder, "--out", path / "results.json", "--csv", path / "rows.csv", "--report", path, *arguments
    )
    assert code == 0
    return path


@pytest.fixture
def content(outputs: Path) -> dict[str, Any]:
    return json.loads((outputs / "results.json").read_text(encoding="utf-8"))


def test_there_is_a_row_for_every_image_codec_and_setting(content: dict[str, Any]) -> None:
    wanted = {(f"tiny/{prior}", float(lmbda)) for prior in PRIORS for lmbda in LMBDAS}
    wanted |= {(key, float(q)) for key in ("jpeg420", "webp") for q in get_codec(key).default_qualities}
    found = [(row["image"], row["codec"], row["setting"]) for row in content["per_image"]]
    assert set(found) == {(image, codec, setting) for image in SIZES for codec, setting in wanted}
    assert len(found) == len(set(found))


def test_a_row_tells_of_the_file_that_the_codec_writes(
    content: dict[str, Any], folder: Path, tiny_model: Model
) -> None:
    for row in content["per_image"]:
        rgb = np.array(Image.open(folder / row["image"]))
        width, height = SIZES[row["image"]]
        assert row["bpp"] == 8 * row["bytes"] / (width * height)
        if row["codec"].startswith("tiny/") and row["setting"] == 0.05:
            data = encode(tiny_model, rgb, prior=row["codec"].removeprefix("tiny/"), lmbda=0.05).data
            assert row["bytes"] == len(data)
            assert row["psnr"] == pytest.approx(psnr(rgb, decode(data, model=tiny_model).rgb), abs=1e-3)
    jpeg = [row for row in content["per_image"] if row["codec"] == "jpeg420"]
    assert all(
        row["bytes"] == len(get_codec("jpeg420").encode(np.array(Image.open(folder / row["image"])), row["setting"]))
        for row in jpeg
    )


def test_all_priors_share_the_picture_at_one_lambda(content: dict[str, Any]) -> None:
    for image in SIZES:
        for lmbda in map(float, LMBDAS):
            rows = [
                row
                for row in content["per_image"]
                if row["image"] == image and row["setting"] == lmbda and row["codec"].startswith("tiny/")
            ]
            assert len({(row["psnr"], row["ms_ssim"]) for row in rows}) == 1
            assert len({row["bytes"] for row in rows}) > 1


def test_csv_and_json_hold_the_same_rows(content: dict[str, Any], outputs: Path) -> None:
    with open(outputs / "rows.csv", encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    assert [list(row.values()) for row in table] == [list(map(str, row.values())) for row in content["per_image"]]
    assert list(table[0]) == [field.name for field in dataclasses.fields(Row)]


def test_averages_are_means_over_the_images(content: dict[str, Any]) -> None:
    for average in content["averages"]:
        first, second = (
            row
            for row in content["per_image"]
            if (row["codec"], row["setting"]) == (average["codec"], average["setting"])
        )
        for name in ("bpp", "psnr", "ms_ssim", "encode_seconds", "decode_seconds"):
            assert average[name] == pytest.approx((first[name] + second[name]) / 2)
        mean = (first["ms_ssim"] + second["ms_ssim"]) / 2
        assert average["ms_ssim_db"] == pytest.approx(-10 * math.log10(1 - mean))


def test_every_pair_of_curves_is_compared_in_both_directions(content: dict[str, Any]) -> None:
    keys = [f"tiny/{prior}" for prior in PRIORS] + ["jpeg420", "webp"]
    pairs = {(entry["anchor"], entry["test"]) for entry in content["bd_rates"]}
    assert pairs == {(anchor, test) for anchor in keys for test in keys if anchor != test}
    jpeg, webp = "jpeg420", "webp"
    there, back = (
        next(
            entry["percent"]
            for entry in content["bd_rates"]
            if (entry["anchor"], entry["test"], entry["metric"], entry["interval"]) == (*pair, "psnr", "overlap")
        )
        for pair in ((jpeg, webp), (webp, jpeg))
    )
    assert (1 + there / 100) * (1 + back / 100) == pytest.approx(1)


def test_the_report_has_its_tables_and_plots(outputs: Path) -> None:
    text = (outputs / "report.md").read_text(encoding="utf-8")
    for words in ("| λ | PSNR (dB) |", "| JPEG 4:2:0 | 4 |", "| PSNR, 28 to 37 dB |", "encoder kMAC/px", "libwebp"):
        assert words in text
    assert "jahp evaluate" in text and "--lmbdas 0.0064 0.05" in text
    for name in ("psnr", "ms-ssim"):
        assert f"]({name}.png)" in text
        assert Image.open(outputs / f"{name}.png").width > 1000
        assert xml.etree.ElementTree.parse(outputs / f"{name}.svg").getroot().tag.endswith("svg")


def test_published_curves_are_for_kodak_alone(content: dict[str, Any], outputs: Path) -> None:
    assert not content["settings"]["kodak"]
    assert not any("published" in entry["anchor"] for entry in content["bd_rates"])
    text = (outputs / "report.md").read_text(encoding="utf-8")
    assert "BPG" not in text and "paper's claims beside ours" not in text


def test_an_effort_is_one_more_curve_of_the_joint_prior(folder: Path, tmp_path: Path, tiny_model: Model) -> None:
    out = tmp_path / "results.json"
    arguments = ("--models", "tiny", "--priors", "joint", "--lmbdas", "0.05", "--classical", "none", "--jobs", "1")
    jahp("evaluate", folder, "--out", out, *arguments, "--efforts", "1")
    content = json.loads(out.read_text(encoding="utf-8"))
    assert "--efforts 1" in content["settings"]["command"]
    found = {(row["image"], row["codec"]): row for row in content["per_image"]}
    for image in SIZES:
        rgb = np.array(Image.open(folder / image))
        for effort, codec in enumerate(("tiny/joint", "tiny/joint effort 1")):
            data = encode(tiny_model, rgb, lmbda=0.05, effort=effort).data
            assert found[image, codec]["bytes"] == len(data)
            assert found[image, codec]["psnr"] == pytest.approx(psnr(rgb, decode(data, model=tiny_model).rgb), abs=1e-3)
    with pytest.raises(UsageError, match="--efforts"):
        plan.make_plan(folder, ["tiny"], ["factorized"], classical=["none"], efforts=[1])


def test_a_name_that_is_no_text_is_evaluated_like_any_other(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9.png")
    Image.fromarray(synthetic(1, 64, 48)).save(path)
    arguments = ("--models", "tiny", "--priors", "joint", "--lmbdas", "0.05", "--classical", "none", "--jobs", "1")
    outputs = ("--out", tmp_path / "r.json", "--csv", tmp_path / "r.csv", "--report", tmp_path / "report")
    for _ in range(2):  # the second time from the rows that were kept
        jahp("evaluate", tmp_path, *outputs, *arguments, "--force")
    assert json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))["per_image"][0]["image"] == "caf?.png"
    assert len((tmp_path / "r.rows.jsonl").read_text(encoding="utf-8").splitlines()) == 1


def test_a_search_takes_the_time_for_every_picture_that_it_makes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also for one that the row before has made."""
    made: list[int] = []
    synthesis = Model.synthesis

    def counted(*arguments: Any) -> np.ndarray:
        made.append(1)
        return synthesis(*arguments)

    image = ImageFile(folder / "dark.png", "")
    card = find_model("tiny")
    monkeypatch.setattr(Model, "synthesis", counted)
    monkeypatch.setattr(measure, "_encode", lambda problem, effort: rounded(problem))
    unit = measure.LearnedUnit(image, str(card.folder), "cpu", ((0.05, 0, "joint"), (0.05, 1, "joint")))
    measure._warm_model(str(card.folder), "cpu")
    made.clear()
    assert len(list(unit.rows())) == 2
    assert len(made) == 2, "the same latents, and their picture is made twice"


def rounded(problem: Problem) -> Encoded:
    height, width, _ = problem.rgb.shape
    return encode_y(problem.model, problem.y, height, width, problem.prior, problem.gain_index)


def test_rows_of_another_device_are_others_and_the_command_names_it(folder: Path, tiny_model: Model) -> None:
    there = plan.make_plan(folder, ["tiny"], ["joint"], [0.05], ["none"], device="cuda")
    here = plan.make_plan(folder, ["tiny"], ["joint"], [0.05], ["none"])
    assert there.learned[0].version == here.learned[0].version + "-cuda"
    assert results.describe(there, "", 1)["machine"]["device"] == "cuda"
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    arguments = parser.parse_args([str(folder), "--out", "r.json"])
    assert command.command_line(arguments, "cuda").endswith(" --device cuda")
    assert "--device" not in command.command_line(arguments, "cpu")


def test_what_another_search_wrote_is_not_taken_for_this_ones(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "results.json"
    arguments = ("--models", "tiny", "--priors", "joint", "--lmbdas", "0.05", "--classical", "none", "--jobs", "1")
    counts = []
    for version in (1, 1, 2):
        monkeypatch.setattr(plan, "SEARCH_VERSION", version)
        jahp("evaluate", folder, "--out", out, *arguments, "--efforts", "1", "--force")
        counts.append(len((tmp_path / "results.rows.jsonl").read_text(encoding="utf-8").splitlines()))
    assert counts == [2 * len(SIZES), 2 * len(SIZES), 3 * len(SIZES)], "of the last only the curve of the effort is new"


# ---------------------------------------------------------------- going on where a run was stopped


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The priors of the files that are really encoded, and "analysis" where that is run."""
    calls: list[str] = []
    measure._warm_model(str(find_model("tiny").folder), "cpu")  # runs once a process, of no image
    encode_y, analysis = measure.encode_y, Model.analysis

    def counted(*arguments: Any) -> Any:
        calls.append(arguments[4])
        return encode_y(*arguments)

    def counted_analysis(model: Model, rgb: np.ndarray) -> np.ndarray:
        calls.append("analysis")
        return analysis(model, rgb)

    monkeypatch.setattr(measure, "encode_y", counted)
    monkeypatch.setattr(Model, "analysis", counted_analysis)
    return calls


def evaluate_joint(folder: Path, out: Path) -> dict[str, Any]:
    arguments = ("--models", "tiny", "--lmbdas", *LMBDAS, "--classical", "none", "--jobs", "1", "--force")
    jahp("evaluate", folder, "--out", out, "--priors", "joint", "factorized", *arguments)
    return json.loads(out.read_text(encoding="utf-8"))


def test_a_second_run_measures_nothing_again(folder: Path, tmp_path: Path, encoded: list[str]) -> None:
    out = tmp_path / "results.json"
    first = evaluate_joint(folder, out)
    assert encoded.count("analysis") == 2  # once for each image, whatever the number of priors and λ
    assert encoded.count("joint") == encoded.count("factorized") == 4
    encoded.clear()
    assert evaluate_joint(folder, out) == first
    assert encoded == []


def test_a_terminal_sees_how_many_files_are_measured(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    for _ in range(2):  # the second time all rows are known
        evaluate_joint(folder, tmp_path / "results.json")
        assert "file/s" in capsys.readouterr().err


def test_a_stopped_run_measures_only_what_is_missing(folder: Path, tmp_path: Path, encoded: list[str]) -> None:
    out, cache = tmp_path / "results.json", tmp_path / "results.rows.jsonl"
    first = evaluate_joint(folder, out)
    lines = cache.read_text(encoding="utf-8").splitlines(keepends=True)
    cache.write_text("".join(lines[:-2]) + lines[-2][:40], encoding="utf-8")  # killed while it wrote the last but one
    encoded.clear()
    assert [row["bytes"] for row in evaluate_joint(folder, out)["per_image"]] == [
        row["bytes"] for row in first["per_image"]
    ]
    assert encoded == ["analysis", "factorized", "joint"]
    assert len(RowCache(cache).rows) == len(lines)


def test_a_changed_image_is_measured_again(folder: Path, tmp_path: Path, encoded: list[str]) -> None:
    images = tmp_path / "images"
    images.mkdir()
    for name in SIZES:
        (images / name).write_bytes((folder / name).read_bytes())
    evaluate_joint(images, tmp_path / "results.json")
    encoded.clear()
    Image.fromarray(synthetic(5, 176, 200)).save(images / "light.png")
    evaluate_joint(images, tmp_path / "results.json")
    assert encoded.count("joint") == 2


def test_several_processes_find_the_same(folder: Path, tmp_path: Path, content: dict[str, Any]) -> None:
    out = tmp_path / "results.json"
    jahp("evaluate", folder, "--out", out, "--models", "tiny", "--lmbdas", LMBDAS[0], "--priors", "scale-hyperprior",
         "--classical", "none", "--jobs", "2")  # fmt: skip
    found = {row["image"]: row["bytes"] for row in json.loads(out.read_text(encoding="utf-8"))["per_image"]}
    assert found == {
        row["image"]: row["bytes"]
        for row in content["per_image"]
        if row["codec"] == "tiny/scale-hyperprior" and row["setting"] == float(LMBDAS[0])
    }


# ---------------------------------------------------------------- mistakes


def test_mistakes_are_told_before_anything_is_measured(folder: Path, tmp_path: Path) -> None:
    out = ("--out", tmp_path / "results.json")
    tiny = ("--models", "tiny")
    (tmp_path / "there.json").write_text("{}")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ImageError, match="nowhere"):
        jahp("evaluate", tmp_path / "nowhere", *out, *tiny)
    with pytest.raises(ImageError, match="no image"):
        jahp("evaluate", tmp_path / "empty", *out, *tiny)
    with pytest.raises(OutputError, match="--force"):
        jahp("evaluate", folder, "--out", tmp_path / "there.json", *tiny)
    with pytest.raises(UsageError, match="no prior named 'jont'"):
        jahp("evaluate", folder, *out, *tiny, "--priors", "jont")
    with pytest.raises(UsageError, match="λ = 3 is outside"):
        jahp("evaluate", folder, *out, *tiny, "--lmbdas", "0.01", "3")
    with pytest.raises(UsageError, match="'gif'"):
        jahp("evaluate", folder, *out, *tiny, "--classical", "gif")
    with pytest.raises(JahpError, match="no model named"):
        jahp("evaluate", folder, *out, "--models", "huge")
    with pytest.raises(UsageError, match="--out and --csv must name files"):
        jahp("evaluate", folder, *out, *tiny, "--csv", "-")
    for csv_file in ("results.json", "results.rows.jsonl"):
        with pytest.raises(UsageError, match="would be one file"):
            jahp("evaluate", folder, *out, *tiny, "--csv", tmp_path / csv_file, "--force")
    with pytest.raises(UsageError, match="its plots would be measured"):
        jahp("evaluate", folder, *out, *tiny, "--report", folder / ".." / folder.name)
    (tmp_path / "empty" / "psnr.svg").write_text("a plot")
    with pytest.raises(OutputError, match=r"psnr\.svg exists"):
        jahp("evaluate", folder, *out, *tiny, "--report", tmp_path / "empty")


@pytest.fixture
def twin(tmp_path: Path) -> Path:
    """The small model once more, in a folder of its own and without its context prior."""
    card = find_model("tiny")
    folder = Path(shutil.copytree(card.folder, tmp_path / "twin"))
    content = json.loads((folder / CARD).read_text(encoding="utf-8"))
    del content["files"]["context"]
    (folder / CARD).write_text(json.dumps(content), encoding="utf-8")
    return folder


def test_models_that_cannot_be_told_apart_or_lack_what_is_asked_for_are_refused(
    folder: Path, twin: Path, ms_ssim_card: Card, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match="Two of the models are called 'tiny'"):
        plan.make_plan(folder, ["tiny", str(twin)])
    with pytest.raises(UsageError, match=r"None of the chosen models \(tiny\) has the prior 'context'"):
        plan.make_plan(folder, [str(twin)], ["joint", "context"])
    with pytest.raises(UsageError, match="Nothing is left to measure of model 'tiny-ms-ssim'"):
        plan.make_plan(folder, ["tiny", str(ms_ssim_card.folder)], lmbdas=[0.05])
    monkeypatch.setattr(type(get_codec("webp")), "available", lambda codec: False)
    with pytest.raises(UsageError, match="WebP does not work in this installation; leave 'webp' out"):
        plan.make_plan(folder, ["tiny"], classical=["webp"])


def test_rows_that_cannot_be_read_are_told(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "r.rows.jsonl").mkdir()
    with pytest.raises(OutputError, match=r"rows measured so far cannot be read from .*r\.rows\.jsonl"):
        jahp("evaluate", folder, "--out", tmp_path / "r.json", "--models", "tiny", "--classical", "none")


def test_a_file_that_does_not_decode_to_what_was_encoded_gives_no_row(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(*arguments: Any, **options: Any) -> Any:
        decoded = decode(*arguments, **options)
        y_hat = decoded.y_hat.copy()
        y_hat[0, 0, 0] += 1
        return dataclasses.replace(decoded, y_hat=y_hat)

    monkeypatch.setattr(measure, "decode", wrong)
    kept = RowCache(tmp_path / "r.rows.jsonl")
    with pytest.raises(DigestError, match=r"dark\.png: joint at λ = 0\.05 does not decode to what was encoded"):
        measure.measure(plan.make_plan(folder, ["tiny"], ["joint"], [0.05], ["none"]), kept, 1, lambda *_: None)
    assert kept.rows == {} and not (tmp_path / "r.rows.jsonl").exists()


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="kills a process")
def test_a_worker_that_is_killed_is_told_with_what_to_do(folder: Path, tmp_path: Path) -> None:
    def kill_a_worker() -> None:
        while len(workers := multiprocessing.active_children()) < 2:  # before, the pool may refuse the second unit
            time.sleep(0.01)
        workers[0].kill()

    killer = threading.Thread(target=kill_a_worker, daemon=True)
    killer.start()
    with pytest.raises(JahpError, match="A worker process was killed.* with fewer --jobs"):
        measure.measure(
            plan.make_plan(folder, ["tiny"], ["joint"], [0.05], ["none"]),
            RowCache(tmp_path / "r.rows.jsonl"),
            2,
            lambda *_: None,
        )
    killer.join()


def test_an_image_that_a_codec_cannot_hold_is_told_with_what_to_do(tmp_path: Path) -> None:
    Image.new("RGB", (17_000, 2)).save(tmp_path / "panorama.png")
    arguments = ("--models", "tiny", "--priors", "factorized", "--lmbdas", "0.05", "--classical", "webp")
    with pytest.raises(ImageError, match=r"panorama\.png: .*Leave 'webp' out with --classical, or take the image out"):
        jahp("evaluate", tmp_path, "--out", tmp_path / "r.json", *arguments, "--jobs", 1)


def test_what_other_processes_have_measured_is_kept_where_one_fails(folder: Path, tmp_path: Path) -> None:
    for name in SIZES:
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    (tmp_path / "a.png").write_bytes(b"no image")
    arguments = ("--models", "tiny", "--priors", "factorized", "--lmbdas", "0.05", "--classical", "none")
    with pytest.raises(ImageError, match=r"a\.png"):
        jahp("evaluate", tmp_path, "--out", tmp_path / "r.json", *arguments, "--jobs", 2)
    assert "dark.png" in (tmp_path / "r.rows.jsonl").read_text(encoding="utf-8")


def test_a_folder_is_called_by_its_name_wherever_the_program_runs(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = tmp_path / "a$5_$"  # no mathematics
    images.mkdir()
    (images / "dark.png").write_bytes((folder / "dark.png").read_bytes())
    monkeypatch.chdir(images)
    arguments = ("--models", "tiny", "--priors", "factorized", "--lmbdas", "0.05", "--classical", "none", "--jobs", 1)
    jahp("evaluate", ".", "--out", tmp_path / "r.json", "--report", tmp_path / "report", *arguments)
    assert (
        (tmp_path / "report" / "report.md").read_text(encoding="utf-8").startswith("# Evaluation on a$5_$, 1 image\n")
    )
    assert (tmp_path / "report" / "psnr.png").exists(), "a curve of one point is drawn"


def test_an_unreadable_image_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(ImageError, match="broken.png"):
        jahp("evaluate", tmp_path, "--out", tmp_path / "r.json", "--models", "tiny", "--classical", "none", "--jobs", 1)


# ---------------------------------------------------------------- averages, curves and claims by hand


def row(image: str, setting: float, bpp: float, psnr: float | None, ms_ssim: float | None, codec: str = "webp") -> Row:
    return Row(image, "", 200, 200, codec, "", setting, round(bpp * 5000), bpp, psnr, ms_ssim, 1.0, 3.0)


def test_an_image_without_a_quality_leaves_the_average_without_one() -> None:
    (average,) = results.average([row("a", 1, 0.5, 30, 0.9), row("b", 1, 1.5, None, None)])
    assert (average.bpp, average.psnr, average.ms_ssim, average.ms_ssim_db) == (1.0, None, None, None)
    assert rows_to_csv([row("b", 1, 1.5, None, None)]).splitlines()[1] == "b,,200,200,webp,,1,7500,1.5,,,1.0,3.0"


@pytest.fixture(scope="module")
def kodak_results() -> results.Results:
    """Rows as if the joint prior were the paper's with 10% more bits, mean-scale with 20%, scale with 30%.

    With effort 1 the joint prior is the paper's.
    """
    card = find_model("tiny")
    images = tuple(ImageFile(Path(f"kodim{number:02}.png"), "") for number in range(1, 25))
    priors = {"joint": 1.1, "mean-scale-hyperprior": 1.2, "scale-hyperprior": 1.3}
    paper = next(curve for curve in load_references() if curve.key == "paper-joint")
    settings = tuple(map(float, range(len(paper.bpp_psnr))))
    series = (*(LearnedSeries(card, prior, settings) for prior in priors), LearnedSeries(card, "joint", settings, 1))
    rows = [
        row(
            image.path.name,
            setting,
            bpp * (priors[one.prior] - one.effort / 10),
            quality,
            1 - 10 ** (-quality / 20),
            one.key,
        )
        for image in images
        for one in series
        for setting, (bpp, quality) in zip(settings, paper.bpp_psnr, strict=True)
    ]
    return results.evaluate(Plan(Path("kodak"), images, series, (), True), rows, "jahp evaluate kodak", 1)


def test_claims_are_judged_by_the_same_bd_rate(kodak_results: results.Results) -> None:
    line_up, _ = line_ups(kodak_results)
    verdicts = {verdict.claim.text: verdict for verdict in judge(kodak_results, line_up, "psnr")}
    hyperprior = verdicts["joint against scale hyperprior"]
    assert hyperprior.ours is not None and hyperprior.ours.percent == pytest.approx(100 * (1.1 / 1.3 - 1))
    assert hyperprior.margin == pytest.approx(100 * (1.1 / 1.3 - 1) + 15.8)
    bpg = verdicts["joint against BPG 4:4:4"]
    assert bpg.paper is not None and bpg.paper.percent is not None
    assert bpg.ours is not None and bpg.ours.percent is not None
    assert 100 + bpg.ours.percent == pytest.approx(1.1 * (100 + bpg.paper.percent))
    assert verdicts["joint against context only"].margin is None
    jpeg = {verdict.claim.text: verdict for verdict in judge(kodak_results, line_up, "ms-ssim")}[
        "joint against JPEG 4:2:0"
    ]
    assert jpeg.ours is not None and jpeg.paper is not None
    assert jpeg.paper.qualities == jpeg.ours.qualities, "the paper's curve goes further than the one measured here"
    further = kodak_results.comparison("published/paper-joint", "published/jpeg420", "ms-ssim", results.OVERLAP)
    assert further is not None and further.qualities != jpeg.paper.qualities
    assert ladder_steps(kodak_results, line_up) == [
        ("scale-hyperprior", "mean-scale-hyperprior", 9, 9),
        ("mean-scale-hyperprior", "joint", 9, 9),
    ]


def test_a_searched_curve_is_judged_by_itself(kodak_results: results.Results) -> None:
    _, line_up = line_ups(kodak_results)
    verdicts = judge(kodak_results, line_up, "psnr")
    assert [verdict.claim.text.split()[2] for verdict in verdicts] == ["BPG", "JPEG", "WebP", "JPEG"]
    for verdict in verdicts:
        assert verdict.ours is not None and verdict.paper is not None
        assert verdict.ours.percent == pytest.approx(verdict.paper.percent)
    text = report.report_text(kodak_results, [])
    assert "### Model tiny, encoder at effort 1" in text and "| joint, effort 1 | " in text


def test_the_report_on_kodak_has_claims_and_published_curves(kodak_results: results.Results) -> None:
    text = report.report_text(kodak_results, [])
    assert "| joint against scale hyperprior | −15.8% | −17.2% | −15.4% | missed by 0.4 points | – |" in text
    assert "| BPG 4:4:4, published |" in text and "## Sources of the published curves" in text
    assert "mean-scale-hyperprior takes more bits than joint for the same latents at 9 of 9 λ." in text


def test_claims_say_over_which_qualities_they_were_judged(kodak_results: results.Results) -> None:
    short = [dataclasses.replace(one, settings=one.settings[1:6]) for one in kodak_results.plan.learned]
    kept = [row for row in kodak_results.rows if 1 <= row.setting <= 5]
    plan = dataclasses.replace(kodak_results.plan, learned=tuple(short))
    text = report.report_text(results.evaluate(plan, kept, "jahp evaluate kodak", 1), [])
    assert "| joint against scale hyperprior | −15.8% | −16.5% | −15.4% [28.9, 37.0] |" in text


def test_a_picture_that_is_exact_is_told(kodak_results: results.Results) -> None:
    exact = dataclasses.replace(kodak_results.rows[0], psnr=None)
    text = report.report_text(dataclasses.replace(kodak_results, rows=[exact, *kodak_results.rows[1:]]), [])
    assert "A picture that is reproduced exactly has no PSNR" in text and "(kodim01.png)" in text


def test_the_overview_has_the_first_models_rounded_latents_alone(kodak_results: results.Results) -> None:
    other = [
        dataclasses.replace(curve, model="other", label="other's", key="other/" + curve.prior)
        for curve in kodak_results.curves
        if curve.group == "prior"
    ]
    overview, everything = plots.PLOTS[:2]
    assert overview.few
    for plot, expected in ((overview, False), (everything, True)):
        figure = plots.draw(plot, [*kodak_results.curves, *other], "Kodak")
        assert figure is not None
        names = {text.get_text() for text in figure.axes[0].texts}
        assert "joint" in names and ("other's" in names) is expected and ("joint, effort 1" in names) is expected


def test_a_plot_names_every_curve_in_it(kodak_results: results.Results) -> None:
    figure, again = (plots.draw(plots.PLOTS[1], kodak_results.curves, "Kodak") for _ in range(2))
    assert figure is not None and again is not None
    names = {text.get_text() for text in figure.axes[0].texts}
    assert {"joint", "scale-hyperprior", "VVC (VTM), published", "Minnen 2018 joint (paper)"} <= names
    assert plots.save_bytes(figure, ".svg") == plots.save_bytes(again, ".svg")


@pytest.mark.parametrize("heights", [[0.5, 0.51, 0.9], [0.99, 1.0, 1.0], [-0.2, 0.0, 0.03, 0.5], [0.3] * 7])
def test_names_keep_their_distance_and_order(heights: list[float]) -> None:
    placed = plots.spread(heights, 0.1)
    assert all(upper - lower >= 0.1 - 1e-9 for lower, upper in zip(placed, placed[1:], strict=False))
    assert min(placed) >= -1e-9 and max(placed) <= 1 + 1e-9


# ---------------------------------------------------------------- the plan


def test_kodak_is_known_by_its_names_and_sizes(tmp_path: Path) -> None:
    def is_kodak() -> bool:
        return plan.make_plan(tmp_path, ["tiny"], classical=["none"]).is_kodak

    landscape, portrait, last = Image.new("RGB", (768, 512)), Image.new("RGB", (512, 768)), tmp_path / "kodim24.png"
    for number in range(1, 25):
        (portrait if number == 9 else landscape).save(tmp_path / f"kodim{number:02}.png")
    assert is_kodak()
    landscape.crop((0, 0, 384, 256)).save(last)
    assert not is_kodak(), "a crop"
    last.unlink()
    landscape.save(last.with_suffix(".jpg"))
    assert not is_kodak(), "a JPEG of it"
    last.with_suffix(".jpg").unlink()
    last.write_bytes(b"x")
    assert not is_kodak(), "no image"
    landscape.save(last)
    (tmp_path / "kodim07.png").rename(tmp_path / "other.png")
    assert not is_kodak(), "another image"


def test_lambdas_are_those_that_a_file_can_hold(folder: Path) -> None:
    series = plan.make_plan(folder, ["tiny"], ["joint"], [0.05, 0.0128001, 0.0128], ["none"]).series
    assert [one.settings for one in series] == [(0.0128, 0.05)]


# ---------------------------------------------------------------- cost


CONFIGS = (
    ModelConfig(),
    ModelConfig(coarse_channels=16),
    ModelConfig(transform="paper", transform_widths=(48,), latent_channels=64, hyper_channels=24),
    ModelConfig(transform_widths=(8, 12, 20), transform_blocks=(1, 2, 3), synthesis_blocks=(3, 2, 1)),
)


def counted(module: torch.nn.Module, *inputs: torch.Tensor) -> float:
    """MAC of a forward pass, counted where torch dispatches its operations."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module(*inputs)
    return counter.get_total_flops() / 2


@pytest.mark.parametrize("config", CONFIGS)
def test_macs_of_the_transforms_are_those_torch_counts(config: ModelConfig) -> None:
    analysis, synthesis = build_transforms(config)
    side = 64
    latents = torch.zeros(1, config.latent_channels, side // 16, side // 16)
    macs = cost.transform_macs(config)
    assert macs.encoder * side**2 == counted(analysis, torch.zeros(1, 3, side, side))
    assert macs.decoder * side**2 == counted(synthesis, latents, torch.zeros(1))


@pytest.mark.parametrize("name", PRIORS)
@pytest.mark.parametrize("config", CONFIGS)
def test_macs_of_the_priors_are_those_torch_counts(config: ModelConfig, name: str) -> None:
    prior = PRIORS[name](config)
    macs = cost.prior_macs(config, name)
    if not isinstance(prior, GaussianPrior):
        assert (macs.encoder, macs.decoder) == (0, 0)
        return
    side = 8  # latents
    y, position = torch.zeros(1, config.latent_channels, side, side), torch.zeros(1)
    both, h_a, features = 0.0, 0.0, 0
    if prior.hyperprior is not None:
        gain = torch.ones(1, config.latent_channels)
        h_a = counted(prior.hyperprior.analysis, y, gain)
        z = torch.zeros(1, prior.hyperprior.channels, side // 4, side // 4)
        both += counted(prior.hyperprior.synthesis, z, gain, position)
        features += config.hyper_features
    if prior.context is not None:
        masked = 25 - len(CAUSAL_OFFSETS)  # the training module multiplies by the zeros of the mask, the codec does not
        per_latent = masked * (config.context_reduction * config.context_features + config.latent_channels)
        both += counted(prior.context, y) - per_latent * side**2
        features += config.context_features
    both += counted(prior.parameters_net, torch.zeros(1, features, side, side), position)
    pixels = 256 * side**2
    assert macs.decoder * pixels == pytest.approx(both, rel=1e-12)
    assert macs.encoder * pixels == pytest.approx(both + h_a, rel=1e-12)


def test_parameters_are_those_of_the_modules(tiny_model: Model) -> None:
    analysis, synthesis = build_transforms(tiny_model.config)
    gains = 2 * len(tiny_model.config.lmbda_anchors) * tiny_model.config.latent_channels
    weights = sum(weight.numel() for module in (analysis, synthesis) for weight in module.parameters())
    assert cost.transform_parameters(tiny_model.config) == weights + gains
    assert cost.prior_parameters(tiny_model.config, "joint") > cost.prior_parameters(tiny_model.config, "context")
