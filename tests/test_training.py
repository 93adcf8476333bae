"""The trainer: resumes exactly, runs in several processes, starts from the KLT, needs neither Qt nor constriction."""

import contextlib
import dataclasses
import errno
import gzip
import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from jahp_gui.cli import main
from jahp_gui.codec.codec import decode, encode
from jahp_gui.codec.config import ModelConfig
from jahp_gui.codec.distortion import distortion
from jahp_gui.codec.errors import ImageError, JahpError, ModelError, OutputError, UsageError
from jahp_gui.codec.images import load_image
from jahp_gui.codec.model import Model
from jahp_gui.codec.models import read_card
from jahp_gui.codec.priors.base import Bits
from jahp_gui.commands.freeze import published
from jahp_gui.training import loop
from jahp_gui.training.config import TrainConfig
from jahp_gui.training.data import CropSource, klt_basis, scaled_versions
from jahp_gui.training.freeze import freeze, load_trained
from jahp_gui.training.objective import Phase, TrainingModel
from jahp_gui.training.optimizer import Optimizer

ROOT = Path(__file__).parent.parent
SMALL = ModelConfig(
    latent_channels=6,
    transform_widths=(4, 4, 4),
    synthesis_blocks=(1, 1, 1),
    hyper_channels=3,
    coarse_channels=2,
    hyper_width=4,
    hyper_features=4,
    context_reduction=3,
    context_features=4,
    parameter_widths=(8, 8),
)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    generator = np.random.default_rng(0)
    for number in range(3):
        coarse = generator.integers(0, 255, (12, 14, 3), np.uint8)
        Image.fromarray(coarse).resize((140, 120), Image.Resampling.BICUBIC).save(folder / f"{number}.png")
    return folder


def configuration(images: Path, output: Path, **changes) -> TrainConfig:
    base = TrainConfig(
        (str(images),), str(images), str(output), minutes=60.0, crop=64, batch=2, model=SMALL, validate_minutes=999.0
    )
    return dataclasses.replace(base, **changes)


def run_steps(config: TrainConfig, steps: int) -> loop.Run:
    """A run advanced by `steps`, whatever the clock says, and saved."""
    source = CropSource.from_folders(config.images, config.crop, 1, 1.0, config.seed, torch.device("cpu"))
    run = loop.Run(config, source, torch.device("cpu"), rank=0, world=1, say=lambda message: None)
    for _ in range(steps):
        run.one_step()
        run.trained_seconds += 1.0
    Path(config.output).mkdir(exist_ok=True)
    run.save(Path(config.output))
    return run


@pytest.mark.parametrize("muon", [0.0, 1e-3])
def test_a_run_that_stopped_goes_on_as_if_it_had_not(images: Path, tmp_path: Path, muon: float) -> None:
    whole = run_steps(configuration(images, tmp_path / "whole", muon_learning_rate=muon), 4)
    run_steps(configuration(images, tmp_path / "parts", muon_learning_rate=muon), 2)
    resumed = run_steps(configuration(images, tmp_path / "parts", muon_learning_rate=muon), 2)
    assert resumed.step == whole.step == 4
    for name, value in whole.model.state_dict().items():
        torch.testing.assert_close(resumed.model.state_dict()[name], value, msg=name)
        torch.testing.assert_close(resumed.ema[name], whole.ema[name], msg=name)


def test_a_run_goes_on_at_the_rates_of_its_configuration(images: Path, tmp_path: Path) -> None:
    run_steps(configuration(images, tmp_path, muon_learning_rate=1e-3), 1)
    rates = {"learning_rate": 1e-5, "fast_learning_rate": 2e-5, "muon_learning_rate": 3e-5}
    resumed = run_steps(configuration(images, tmp_path, beta2=0.9, **rates), 0)
    groups = [group for optimizer in resumed.optimizer.optimizers for group in optimizer.param_groups]
    assert [group["peak"] for group in groups] == list(rates.values())
    assert [group["betas"] for group in groups if "betas" in group] == [(0.9, 0.9)] * 2


@pytest.mark.parametrize(
    "change",
    [
        {"priors": ("context",)},
        {"muon_learning_rate": 1e-3},
        {"train_transforms": False},
        {"model": dataclasses.replace(SMALL, objective="ms-ssim")},
        {"model": dataclasses.replace(SMALL, lmbda_anchors=tuple(2 * lmbda for lmbda in SMALL.lmbda_anchors))},
    ],
    ids=["priors", "muon", "transforms", "objective", "anchors"],
)
def test_a_run_of_other_parts_does_not_go_on(images: Path, tmp_path: Path, change: dict[str, Any]) -> None:
    run_steps(configuration(images, tmp_path), 1)
    with pytest.raises(UsageError, match=r"checkpoint\.pt was saved with another configuration"):
        run_steps(configuration(images, tmp_path, **change), 0)


@pytest.mark.parametrize("muon", [0.0, 3e-3])
def test_the_loss_falls(images: Path, tmp_path: Path, muon: float) -> None:
    config = configuration(images, tmp_path, learning_rate=3e-3, muon_learning_rate=muon, warmup=0.0)
    run = run_steps(config, 0)
    losses = [run.one_step()[0].item() for _ in range(30)]
    assert np.mean(losses[-8:]) < np.mean(losses[:8])


def test_muon_moves_weak_directions_of_a_matrix_as_far_as_strong_ones(images: Path, tmp_path: Path) -> None:
    config = configuration(images, tmp_path, muon_learning_rate=1e-2)
    model = TrainingModel(SMALL, ("joint",)).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    strong_and_weak = torch.diag(torch.logspace(0, -1, 8))[:, :, None, None]
    for name, value in model.named_parameters():
        value.grad = strong_and_weak if name.endswith("parameters_net.second.weight") else torch.ones_like(value)
    Optimizer(model, config).step()
    moved = {name: value.detach() - before[name] for name, value in model.named_parameters()}
    assert all(change.abs().max() > 0 for change in moved.values()), "each parameter is somebody's"
    values = torch.linalg.svdvals(moved["priors.joint.parameters_net.second.weight"].flatten(1))
    assert values[-1] > 0.5 * values[0]


def test_training_can_start_from_a_wider_model(images: Path, tmp_path: Path) -> None:
    wide = run_steps(configuration(images, tmp_path / "wide"), 1)
    narrow = dataclasses.replace(SMALL, hyper_width=2)
    start = (str(tmp_path / "wide" / loop.CHECKPOINT),)
    run = run_steps(configuration(images, tmp_path / "narrow", model=narrow, start_from=start), 0)
    name = "hyperprior.synthesis.out.weight"
    kept, whole = (state.ema[f"priors.joint.{name}"] for state in (run, wide))
    assert kept.shape[1] == 2 < whole.shape[1]
    torch.testing.assert_close(kept, whole[:, :2])
    torch.testing.assert_close(run.ema["analysis.out.weight"], wide.ema["analysis.out.weight"])
    run.one_step()


def test_training_can_start_from_a_model_without_coarse_means(images: Path, tmp_path: Path) -> None:
    priors = ("mean-scale-hyperprior",)
    without = dataclasses.replace(SMALL, coarse_channels=0)
    old = run_steps(configuration(images, tmp_path / "old", priors=priors, model=without), 1)
    start = (str(tmp_path / "old" / loop.CHECKPOINT),)
    run = run_steps(configuration(images, tmp_path / "new", priors=priors, start_from=start), 0)
    name = "priors.mean_scale_hyperprior.hyperprior.density.biases.0"
    assert (len(old.ema[name]), len(run.ema[name])) == (3, 5)
    torch.testing.assert_close(run.ema[name][:3], old.ema[name])
    fresh = "priors.mean_scale_hyperprior.hyperprior.synthesis.coarse.expand.weight"
    torch.testing.assert_close(run.ema[fresh][:, :, 0, 0], torch.eye(6, 2))
    run.one_step()


def test_the_bits_of_an_image_are_without_those_of_its_padding() -> None:
    """An image of 140 × 120 pixels has 9 × 8 latents; padded to multiples of 64 it has 12 × 8."""
    bits = Bits(torch.ones(1, 6, 8, 12), torch.ones(1, 3, 2, 3))
    assert bits.of_image(120, 140) == 6 * 8 * 9 + 3 * 2 * 3


def test_a_run_can_be_of_one_lambda_only(images: Path, tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    everywhere = loop.positions(configuration(images, tmp_path, batch=500), generator)
    assert everywhere.min() == 0 and everywhere.max() == 7 and len(everywhere.unique()) > 400
    alone = loop.positions(configuration(images, tmp_path, batch=500, only_anchor=3), generator)
    assert alone.unique().tolist() == [3.0]


def test_ms_ssim_is_not_computed_in_bfloat16() -> None:
    x = torch.rand(1, 3, 192, 192, generator=torch.Generator().manual_seed(0)) * 0.2 + 0.4
    near = (x + 0.01 * torch.randn(x.shape, generator=torch.Generator().manual_seed(1))).clamp(0, 1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = distortion("ms-ssim", x, near)
    torch.testing.assert_close(rounded, distortion("ms-ssim", x, near), rtol=1e-5, atol=1e-7)


def test_the_schedule_ends_with_its_minutes_and_logs_a_validation(images: Path, tmp_path: Path) -> None:
    config = configuration(images, tmp_path / "run", minutes=0.02)
    checkpoint = loop.train(config, say=lambda message: None)
    saved = loop.load_checkpoint(checkpoint)
    assert saved["trained_seconds"] >= 1.2
    entries = [json.loads(line) for line in (tmp_path / "run" / loop.LOG).read_text().splitlines()]
    assert entries[-1]["kind"] == "validation"
    assert len(entries[-1]["psnr"]) == len(SMALL.lmbda_anchors)
    assert entries[-1]["bpp"]["joint"][-1] > 0


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP"])
def test_a_signal_stops_a_run_with_its_checkpoint_saved_and_a_second_one_acts_at_once(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    if not hasattr(signal, name):
        pytest.skip("Windows hangs nobody up")
    number = getattr(signal, name)
    one_step, signals = loop.Run.one_step, 1

    def disturbed(run: loop.Run) -> torch.Tensor:
        for _ in range(signals):
            signal.raise_signal(number)
        return one_step(run)

    def at_once(number: int, frame: FrameType | None) -> None:
        raise InterruptedError

    monkeypatch.setattr(loop.Run, "one_step", disturbed)
    before = signal.signal(number, at_once)
    try:
        saved = loop.load_checkpoint(loop.train(configuration(images, tmp_path), say=lambda message: None))
        assert saved["step"] == 1
        assert signal.getsignal(number) is at_once
        signals = 2
        with contextlib.nullcontext() if name == "SIGHUP" else pytest.raises(InterruptedError):  # terminals send two
            loop.train(configuration(images, tmp_path), say=lambda message: None)
        assert signal.getsignal(number) is at_once
    finally:
        signal.signal(number, before)


def test_a_run_needs_no_main_thread(images: Path, tmp_path: Path) -> None:
    with ThreadPoolExecutor() as pool:
        config = configuration(images, tmp_path, minutes=0.001)
        assert pool.submit(loop.train, config, say=lambda message: None).result().exists()


@pytest.mark.parametrize("folder", ["empty", "missing"])
def test_a_wrong_folder_of_validation_is_told_before_the_training(images: Path, tmp_path: Path, folder: str) -> None:
    (tmp_path / "empty").mkdir()
    config = configuration(images, tmp_path / "run", validation=str(tmp_path / folder), minutes=0.001)
    with pytest.raises(JahpError, match=folder) as caught:
        loop.train(config, say=lambda message: None)
    assert "training" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_damaged_image_of_validation_is_told_before_the_training(images: Path, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "bad.png").write_bytes(b"no image")
    config = configuration(images, tmp_path / "run", validation=str(tmp_path / "photos"), minutes=0.001)
    with pytest.raises(ImageError, match=r"bad\.png"):
        loop.train(config, say=lambda message: None)
    assert not (tmp_path / "run").exists()


def test_a_run_that_diverges_ends_and_its_checkpoint_is_of_before(images: Path, tmp_path: Path) -> None:
    config = configuration(images, tmp_path)
    run = run_steps(config, 2)
    with torch.no_grad():
        run.model.gain.log_gain.fill_(torch.inf)
    run.one_step()
    with pytest.raises(UsageError, match="diverged at step 3"):
        run.save(tmp_path)
    with pytest.raises(UsageError, match="diverged at step 3"):
        run.until(0.0)
    resumed = run_steps(config, 1)
    assert resumed.step == 3
    assert all(value.isfinite().all() for value in resumed.model.state_dict().values())


def test_a_run_whose_log_cannot_be_written_is_saved(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "LOG_SECONDS", -1.0)
    (tmp_path / loop.LOG).mkdir()
    with pytest.raises(OutputError, match=r"log\.jsonl cannot be written \(.+\)\.$"):
        loop.train(configuration(images, tmp_path), say=lambda message: None)
    assert loop.load_checkpoint(tmp_path / loop.CHECKPOINT)["step"] == 1


def test_a_run_whose_reader_has_gone_is_saved(images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(message: str) -> None:
        raise BrokenPipeError

    monkeypatch.setattr(loop, "LOG_SECONDS", -1.0)
    with pytest.raises(BrokenPipeError):
        loop.train(configuration(images, tmp_path), say=gone)
    assert loop.load_checkpoint(tmp_path / loop.CHECKPOINT)["step"] == 1


def test_a_run_is_saved_now_and_then(images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one_step = loop.Run.one_step

    def interrupted(run: loop.Run) -> torch.Tensor:
        if run.step == 2:
            raise KeyboardInterrupt
        return one_step(run)

    monkeypatch.setattr(loop, "SAVE_SECONDS", -1.0)
    monkeypatch.setattr(loop.Run, "one_step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        loop.train(configuration(images, tmp_path), say=lambda message: None)
    assert loop.load_checkpoint(tmp_path / loop.CHECKPOINT)["step"] == 2


def test_a_checkpoint_that_cannot_be_written_is_told(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(content: Any, path: Path) -> None:
        raise RuntimeError("PytorchStreamWriter failed writing file data/0: file write failed")

    run = run_steps(configuration(images, tmp_path), 1)
    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OutputError, match=r"checkpoint\.pt cannot be written; make room"):
        run.save(tmp_path)
    assert loop.load_checkpoint(tmp_path / loop.CHECKPOINT)["step"] == 1


def test_a_start_with_other_transforms_is_refused(images: Path, tmp_path: Path) -> None:
    run_steps(configuration(images, tmp_path / "first"), 1)
    start = {"start_from": (str(tmp_path / "first" / loop.CHECKPOINT),)}
    paper = dataclasses.replace(SMALL, transform="paper", transform_widths=(4,))
    with pytest.raises(UsageError, match="transforms of another kind"):
        run_steps(configuration(images, tmp_path / "paper", model=paper, **start), 0)
    deeper = dataclasses.replace(SMALL, transform_blocks=(1, 2, 1))
    run_steps(configuration(images, tmp_path / "deeper", model=deeper, **start), 0)
    with pytest.raises(UsageError, match="transforms of other sizes"):
        run_steps(configuration(images, tmp_path / "still", model=deeper, train_transforms=False, **start), 0)
    torch.save({"ema": {"weight": torch.zeros(3)}}, tmp_path / "other.pt")
    with pytest.raises(UsageError, match=r"other\.pt is not a checkpoint of `jahp train`"):
        run_steps(configuration(images, tmp_path / "other", start_from=(str(tmp_path / "other.pt"),)), 0)


def test_training_sees_images_as_the_codec_does(images: Path, tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9.jpg" if sys.platform == "linux" else b"cafe.jpg")
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    Image.open(images / "0.png").save(path, exif=exif)
    (version,) = scaled_versions(path, 1, 1.0, 64, seed=0)
    assert version.shape == (140, 120, 3)
    np.testing.assert_array_equal(version, load_image(path).rgb)


def test_images_that_give_no_crop_are_told(images: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No image in .* is as large as a crop"):
        CropSource.from_folders((str(images),), 192, 1, 1.0, 0, torch.device("cpu"))
    (tmp_path / "bad.png").write_bytes(b"no image")
    with pytest.raises(ImageError, match=r"bad\.png"):
        CropSource.from_folders((str(images), str(tmp_path)), 64, 1, 1.0, 0, torch.device("cpu"))


def test_shortcuts_start_as_the_klt_of_the_training_blocks(images: Path) -> None:
    source = CropSource.from_folders((str(images),), 64, 1, 1.0, 0, torch.device("cpu"))
    basis = klt_basis(source, 40, batches=4)
    torch.testing.assert_close(basis @ basis.T, torch.eye(40), atol=1e-4, rtol=0)
    config = dataclasses.replace(SMALL, latent_channels=40)
    model = TrainingModel(config, ("factorized",))
    model.start_from_klt(basis)
    x = source.batch(4, torch.Generator().manual_seed(1))
    with torch.no_grad():
        y = model.analysis(x)
        # Components come in the order of their variance, and forty of 768 hold nearly all of smooth pictures.
        spread = y.transpose(0, 1).flatten(1).std(1)
        assert spread[0] == spread.max()
        restored = model.synthesis(y, torch.tensor([7.0] * 4))
    assert torch.mean((restored - x) ** 2) < 0.1 * x.var()


@pytest.mark.parametrize("transform", ["efficient", "paper"])
def test_gradients_reach_every_parameter(images: Path, transform: str) -> None:
    widths = (4, 4, 4) if transform == "efficient" else (4,)
    config = dataclasses.replace(SMALL, transform=transform, transform_widths=widths)
    torch.manual_seed(0)
    model = TrainingModel(config, ("factorized", "scale-hyperprior", "mean-scale-hyperprior", "context", "joint"))
    for parameter in model.parameters():
        if not parameter.abs().max() > 0:
            torch.nn.init.normal_(parameter, std=0.05)  # zero-initialised layers hide what is before them
    source = CropSource.from_folders((str(images),), 64, 1, 1.0, 0, torch.device("cpu"))
    positions = torch.tensor([0.0, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.0])
    losses = model(source.batch(8, torch.Generator().manual_seed(1)), positions, Phase(True, False, 0.0))
    losses.total.backward()
    without = [name for name, value in model.named_parameters() if value.grad is None or not value.grad.abs().max() > 0]
    assert without == []


def test_two_processes_train_one_model(images: Path, tmp_path: Path) -> None:
    """torchrun with two gloo processes: both have the same weights at the end, and one checkpoint comes out."""
    script = tmp_path / "run.py"
    config = configuration(images, tmp_path / "run", minutes=0.02)
    script.write_text(f"""
import json, sys
from pathlib import Path
import torch
from jahp_gui.training import loop
from jahp_gui.training.config import TrainConfig

class Noted(loop.Run):
    def save(self, folder):
        super().save(folder)
        torch.save(self.model.state_dict(), Path({str(tmp_path)!r}) / f"{{self.rank}}.pt")

loop.Run = Noted
loop.train(TrainConfig.from_dict(json.loads({json.dumps(config.to_dict())!r})))
assert 'constriction' not in sys.modules and 'PySide6' not in sys.modules
# A thread of gloo that outlives `train` may abort the process while Python is being torn down.
threads = [path.read_text() for path in Path('/proc/self/task').glob('*/comm')]
assert not [name for name in threads if 'gloo' in name], threads
""")
    result = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", str(script)],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr
    saved = loop.load_checkpoint(tmp_path / "run" / loop.CHECKPOINT)
    assert saved["step"] > 0
    assert result.stdout.count('"validation"') == 1
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    for name, value in first.items():
        assert torch.equal(second[name], value), name


def test_priors_can_be_trained_on_transforms_that_stay(images: Path, tmp_path: Path) -> None:
    first = run_steps(configuration(images, tmp_path / "first"), 2)
    config = configuration(
        images,
        tmp_path / "second",
        start_from=(str(tmp_path / "first" / loop.CHECKPOINT),),
        train_transforms=False,
        priors=("factorized", "joint"),
    )
    second = run_steps(config, 2)
    moved = {name for name, value in first.ema.items() if not torch.equal(second.model.state_dict()[name], value)}
    assert moved
    assert all(name.startswith("priors.") for name in moved)
    load_trained([tmp_path / name / loop.CHECKPOINT for name in ("first", "second")])


def test_the_synthesis_can_learn_while_the_latents_stay(images: Path, tmp_path: Path) -> None:
    first = run_steps(configuration(images, tmp_path / "first"), 2)
    start = (str(tmp_path / "first" / loop.CHECKPOINT),)
    config = configuration(
        images, tmp_path / "second", start_from=start, only_synthesis=True, straight_through_from=0.0, hide_context=0.0
    )
    second = run_steps(config, 1)
    total, distortion_of_loss, rate = second.one_step()
    second.save(tmp_path / "second")
    assert total == distortion_of_loss > 0 and rate == 0
    state = second.model.state_dict()
    moved = {name for name, value in first.ema.items() if not torch.equal(state[name], value)}
    assert moved
    assert all(name.startswith("synthesis.") for name in moved)
    model, _ = load_trained([tmp_path / "second" / loop.CHECKPOINT, tmp_path / "first" / loop.CHECKPOINT])
    assert all(torch.equal(model.state_dict()[name], value) for name, value in second.ema.items())


def test_a_frozen_checkpoint_is_a_model_that_encodes_and_decodes(images: Path, tmp_path: Path) -> None:
    priors = ("factorized", "scale-hyperprior", "mean-scale-hyperprior", "context", "joint")
    run_steps(configuration(images, tmp_path / "run", priors=priors), 2)
    trained, runs = load_trained([tmp_path / "run" / loop.CHECKPOINT])
    assert runs[0]["steps"] == 2
    freeze(trained, tmp_path / "model", {"id": "mine", "title": "Mine", "training": {"runs": runs}, "results": {}})
    model = Model.load(tmp_path / "model")
    rgb = np.asarray(Image.open(next(images.glob("*.png"))))
    for prior in priors:
        assert decode(encode(model, rgb, prior=prior).data, model=model).rgb.shape == rgb.shape


def test_runs_over_different_transforms_make_no_model(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, seed, prior in (("run", 1, "joint"), ("other", 2, "factorized")):
        run_steps(configuration(images, tmp_path / name, priors=(prior,), seed=seed), 2)
    checkpoints = [str(tmp_path / name / loop.CHECKPOINT) for name in ("run", "other")]
    assert main(["freeze", *checkpoints, str(tmp_path / "mine"), "--id", "x", "--title", "X"]) == 2
    assert f"{checkpoints[1]} has other transforms than {checkpoints[0]};" in capsys.readouterr().err
    assert not (tmp_path / "mine").exists()


def test_priors_of_other_sizes_make_no_model(images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wider = dataclasses.replace(SMALL, hyper_width=6)
    for name, model, prior in (("run", SMALL, "factorized"), ("other", wider, "joint")):
        run_steps(configuration(images, tmp_path / name, model=model, priors=(prior,)), 0)
    checkpoints = [str(tmp_path / name / loop.CHECKPOINT) for name in ("run", "other")]
    assert main(["freeze", *checkpoints, str(tmp_path / "mine"), "--id", "x", "--title", "X"]) == 2
    names = ", ".join(checkpoints)
    sentence = f"{names} cannot make one model; name checkpoints of runs over the same transforms."
    assert capsys.readouterr().err == f"jahp: {sentence}\n"
    assert {path.name for path in tmp_path.iterdir()} == {"run", "other"}


def test_a_model_that_finds_no_room_leaves_no_folder(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(model: TrainingModel, folder: Path, card: dict[str, Any]) -> None:
        (folder / "joint.safetensors.gz").write_bytes(b"half of it")
        raise OSError(errno.ENOSPC, "No space left on device")

    run_steps(configuration(images, tmp_path / "run"), 0)
    monkeypatch.setattr("jahp_gui.training.freeze.freeze", full)
    command = ["freeze", str(tmp_path / "run" / loop.CHECKPOINT), str(tmp_path / "mine"), "--id", "x", "--title", "X"]
    assert main(command) == 2
    sentence = f"{tmp_path / 'mine'} cannot be written (No space left on device); choose another folder."
    assert capsys.readouterr().err == f"jahp: {sentence}\n"
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_model_gets_other_priors_and_its_other_files_stay(images: Path, tmp_path: Path) -> None:
    """By the command line, as it is used: train on from the model's folder, then put the priors into it."""
    folder = tmp_path / "mine"
    run_steps(configuration(images, tmp_path / "run", priors=("factorized", "joint")), 2)
    command = ["freeze", str(tmp_path / "run" / loop.CHECKPOINT), str(folder)]
    assert main([*command, "--id", "mine", "--title", "Mine"]) == 0
    before, old = read_card(folder), {path.name: path.read_bytes() for path in folder.glob("*.safetensors*")}
    start = configuration(images, tmp_path / "more", start_from=(str(folder),), priors=("factorized", "context"))
    run_steps(dataclasses.replace(start, train_transforms=False), 3)
    packed = folder / "factorized.safetensors.gz"  # as releases before 0.7 and others have it: not packed
    (folder / packed.stem).write_bytes(gzip.decompress(packed.read_bytes()))
    packed.unlink()
    assert main(["freeze", str(tmp_path / "more" / loop.CHECKPOINT), str(folder), "--replace-priors"]) == 0

    after = read_card(folder)
    assert set(after.priors) == {"factorized", "joint", "context"}
    assert (after.digest("joint"), after.model_id) == (before.digest("joint"), "mine")
    assert after.digest("factorized") != before.digest("factorized")
    assert {path.name.split(".")[0] for path in folder.glob("*.safetensors.gz")} == set(after.files)
    assert not list(folder.glob("*.safetensors"))
    assert [run["steps"] for run in after.training["runs"]] == [2, 3]
    unchanged = {name for name, data in old.items() if (folder / name).read_bytes() == data}
    assert unchanged == {f"{name}.safetensors.gz" for name in ("transforms", "tables", "joint")}
    rgb = np.asarray(Image.open(next(images.glob("*.png"))))
    model = Model.load(folder)
    for prior in after.priors:
        assert decode(encode(model, rgb, prior=prior).data, model=model).rgb.shape == rgb.shape


def test_an_interrupted_replacement_leaves_the_old_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, rename = tmp_path / "mine", Path.rename
    folder.mkdir()
    (folder / "card.json").write_text("old")

    def interrupted(path: Path, target: Path) -> Path:
        if path.name == "new":
            raise KeyboardInterrupt
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt), published(folder) as unfinished:
        (unfinished / "card.json").write_text("new")
    assert (folder / "card.json").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_configuration_that_a_prior_would_not_fit_is_refused_and_one_that_fits_replaces(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, priors = tmp_path / "mine", ("scale-hyperprior", "mean-scale-hyperprior")
    old = configuration(images, tmp_path / "run", priors=priors, model=dataclasses.replace(SMALL, coarse_channels=0))
    run_steps(old, 1)
    assert main(["freeze", str(tmp_path / "run" / loop.CHECKPOINT), str(folder), "--id", "x", "--title", "X"]) == 0
    for name, some in (("scale", priors[:1]), ("mean", priors[1:])):
        more = configuration(images, tmp_path / name, start_from=(str(folder),), priors=some, train_transforms=False)
        run_steps(more, 1)
    assert main(["freeze", str(tmp_path / "scale" / loop.CHECKPOINT), str(folder), "--replace-priors"]) == 2
    assert "does not fit the prior 'mean-scale-hyperprior'" in capsys.readouterr().err
    assert read_card(folder).config["coarse_channels"] == 0
    assert main(["freeze", str(tmp_path / "mean" / loop.CHECKPOINT), str(folder), "--replace-priors"]) == 0
    model, rgb = Model.load(folder), np.asarray(Image.open(next(images.glob("*.png"))))
    assert model.config.coarse_channels == 2
    for prior in model.card.priors:
        assert decode(encode(model, rgb, prior=prior).data, model=model).rgb.shape == rgb.shape


def test_priors_of_other_transforms_are_refused_and_the_model_stays(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "mine"
    for name, seed in (("run", 1), ("other", 2)):
        run_steps(configuration(images, tmp_path / name, priors=("factorized",), seed=seed), 2)
    assert main(["freeze", str(tmp_path / "run" / loop.CHECKPOINT), str(folder), "--id", "x", "--title", "X"]) == 0
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert main(["freeze", str(tmp_path / "other" / loop.CHECKPOINT), str(folder), "--replace-priors"]) == 2
    assert "not trained on the transforms" in capsys.readouterr().err
    louder = dataclasses.replace(SMALL, lmbda_anchors=tuple(2 * lmbda for lmbda in SMALL.lmbda_anchors))
    start = configuration(images, tmp_path / "louder", model=louder, start_from=(str(folder),), priors=("factorized",))
    run_steps(dataclasses.replace(start, train_transforms=False), 1)
    assert main(["freeze", str(tmp_path / "louder" / loop.CHECKPOINT), str(folder), "--replace-priors"]) == 2
    assert "not trained on the transforms" in capsys.readouterr().err
    again = ["freeze", str(tmp_path / "run" / loop.CHECKPOINT), str(folder), "--replace-priors"]
    assert main([*again, "--title", "Y"]) == 2
    assert "leave --id and --title out" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("[train", "not a readable"),
        ("[trian]\nminutes = 1.0", "and nothing beside them"),
        ("train = 1", "tables"),
        ("[train]\nminutes = 1.0", "images"),
        ("[train]\nnonsense = 1", "nonsense"),
    ],
)
def test_wrong_configurations_are_named(tmp_path: Path, content: str, complaint: str) -> None:
    (tmp_path / "c.toml").write_text(content)
    with pytest.raises(UsageError, match=complaint):
        TrainConfig.load(tmp_path / "c.toml")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"images": "photos"}, "wrong kind: images"),
        ({"images": []}, "images must be one folder or more"),
        ({"start_from": "models/psnr-11", "seed": True}, "wrong kind: start_from, seed"),
        ({"priors": ["joint", "joined"]}, "priors must be one or more of factorized, "),
        ({"priors": []}, "priors must be one or more of"),
        ({"minutes": "5"}, "wrong kind: minutes"),
        ({"minutes": 0}, "minutes must be a number above zero"),
        ({"minutes": float("inf")}, "minutes must be a number above zero"),
        ({"crop": 100}, "crop must be a multiple of 64"),
        ({"crop": 0}, "crop must be a multiple of 64"),
        ({"batch": 0}, "batch must be 1 or more"),
        ({"scales_per_image": 0}, "scales_per_image must be 1 or more"),
        ({"smallest_scale": 0.0}, "smallest_scale must be above 0"),
        ({"learning_rate": -1e-3}, "learning_rate, .* must be numbers that are not below zero"),
        ({"beta2": 1.0}, "beta2 must be at least 0 and below 1"),
        ({"ema": 1.5}, "ema must be at least 0 and below 1"),
        ({"clip": 0.0}, "clip must be a number above zero"),
        ({"clip": float("inf")}, "clip must be a number above zero"),
        ({"validate_minutes": float("inf")}, "validate_minutes must be a number above zero"),
        ({"straight_through_from": float("inf")}, "straight_through_from, .* must be numbers"),
        ({"seed": -1}, "seed must be 0 or more"),
        ({"only_anchor": 8}, "only_anchor must be a number from 0 to 7"),
        ({"only_synthesis": True, "train_transforms": False}, "only_synthesis must be false"),
        ({"model": {"transform": "paper"}}, r"transform_widths must be 1 number above zero \(paper\)"),
        ({"model": {"transform_blocks": [1, 1]}}, "transform_blocks must be 3 numbers"),
        ({"model": {"parameter_widths": [8]}}, "parameter_widths must be 2 numbers"),
        ({"model": {"hyper_channels": 0}}, "hyper_channels must be above zero"),
        ({"model": {"lmbda_anchors": [0.0128]}}, "lmbda_anchors must be 2 to 15 numbers that rise"),
        ({"model": {"lmbda_anchors": [0.2, 0.1]}}, "lmbda_anchors must be 2 to 15 numbers that rise"),
        ({"model": {"objective": "psnr"}}, "objective must be mse or ms-ssim"),
        ({"model": {"transform": "papr"}}, "transform must be efficient or paper"),
        ({"model": {"transform_widths": [4, "4"], "hyper_width": 4.5}}, "wrong kind: transform_widths, hyper_width"),
    ],
    ids=json.dumps,
)
def test_values_that_no_run_can_have_are_named(change: dict[str, Any], complaint: str) -> None:
    values = {"images": ["photos"], "validation": "photos", "output": "run", "minutes": 5, "model": {}}
    assert TrainConfig.from_dict(values).minutes == 5
    with pytest.raises(JahpError, match=complaint):
        TrainConfig.from_dict(values | change)


def test_unknown_keys_of_the_model_are_named() -> None:
    with pytest.raises(ModelError, match="nonsense"):
        ModelConfig.from_dict({"nonsense": 1})


@pytest.mark.parametrize(
    "path", sorted((ROOT / "jahp_gui" / "training" / "configs").glob("*.toml")), ids=lambda p: p.stem
)
def test_shipped_configurations_load_and_start_from_models_that_fit(path: Path) -> None:
    config = TrainConfig.load(path)
    assert TrainConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    for start in config.start_from:
        if start.startswith(("models/", "data/")):  # data/: a copy for a GPU, RECIPES.md
            shipped = ModelConfig.from_dict(read_card(ROOT / "models" / Path(start).name).config)
            assert shipped.transform_blocks == config.model.transform_blocks
            assert shipped.synthesis_blocks == config.model.synthesis_blocks
            assert shipped.hyper_width >= config.model.hyper_width, "a model can start from a wider one alone"


def test_unreadable_checkpoints_are_refused(tmp_path: Path) -> None:
    (tmp_path / "x.pt").write_bytes(b"not a checkpoint")
    with pytest.raises(UsageError, match=r"x\.pt is not a readable training checkpoint"):
        loop.load_checkpoint(tmp_path / "x.pt")
