"""`jahp bench`: what it measures adds up. No time is asserted."""

import argparse
import json

import pytest

from jahp_gui import bench
from jahp_gui.cli import main
from jahp_gui.codec import Model, encode
from jahp_gui.codec.codec import encode_y_hat
from jahp_gui.codec.errors import UsageError


def arguments(*given: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    bench.add_arguments(parser)
    return parser.parse_args([*given, "--model", "tiny", "--repeat", "1"])


def test_stages_are_parts_of_the_total(capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.run(arguments("--one", "96x64")) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["bpp"] == 8 * result["bytes"] / (96 * 64)
    for task in ("encode", "decode"):
        stages = [result[task][stage] for stage in bench.STAGES]
        assert min(stages) > 0
        assert sum(stages) <= 1.01 * result[task]["total"]


def test_the_lambda_is_the_one_that_was_used(capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.run(arguments("--one", "64x48", "--lmbda", "99")) == 0
    assert json.loads(capsys.readouterr().out)["lmbda"] == 0.2, "tiny's range ends there"


def test_the_decoder_at_work_shows_every_step_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.run(arguments("--sizes", "96x64", "--replay", "--json")) == 0
    replay = json.loads(capsys.readouterr().out)["sizes"][0]["replay"]
    assert replay["pictures"] == 1 + (6 + 3 * 3), "ẑ, and every front of 6 × 4 latents"
    assert 0 < replay["median"] <= replay["longest"] and replay["record"] > 0


def test_every_size_is_measured_in_a_process_of_its_own_and_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.run(arguments("--sizes", "64x48", "--threads", "1")) == 0
    text = capsys.readouterr().out
    assert "64x48, joint, λ 0.0128, 1 threads" in text
    assert "range coder" in text


def test_a_file_made_on_another_device_is_compared_with_the_processors() -> None:
    model, rgb = Model.load("tiny"), bench.sample(None, 96, 64)
    args = arguments("--device", "cpu")
    here = encode(model, rgb, lmbda=args.lmbda)
    assert bench.against_cpu(args, rgb, here) == {"latents": here.y_hat.size, "different": 0, "bytes": 0}
    moved = here.y_hat.copy()
    moved[1, 2, :3] += 5
    there = encode_y_hat(model, moved, 64, 96, "joint", model.gain_index(args.lmbda))
    assert bench.against_cpu(args, rgb, there) == {
        "latents": here.y_hat.size,
        "different": 3,
        "bytes": len(there.data) - len(here.data),
    }


def test_sizes_that_are_none_are_refused() -> None:
    with pytest.raises(UsageError, match="'768' is not an image size"):
        bench.run(arguments("--sizes", "768"))


def test_a_prior_that_a_model_lacks_is_told(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "start_up", dict)  # which takes its seconds
    assert main(["bench", "--sizes", "64x48", "--prior", "best", "--model", "tiny"]) == 2
    why, ended = capfd.readouterr().err.splitlines()
    assert "no prior" in why and "'best'" in why
    assert ended == "jahp: The benchmark of 64x48 ended early; the message above says why."
