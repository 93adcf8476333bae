"""The training loop: resumable at any step, one process or several (torchrun), CPU bfloat16 or GPU."""

import importlib
import json
import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from jahp_gui import windows
from jahp_gui.codec.errors import OutputError, UsageError
from jahp_gui.codec.images import load_image
from jahp_gui.training.config import TrainConfig
from jahp_gui.training.data import CropSource, image_files, klt_basis
from jahp_gui.training.objective import Phase, TrainingModel
from jahp_gui.training.optimizer import Optimizer
from jahp_gui.training.thaw import thaw
from jahp_gui.training.validation import validate

CHECKPOINT = "checkpoint.pt"
LOG = "log.jsonl"
LOG_SECONDS = 30.0
SAVE_SECONDS = 300.0
CONTENT = {"model", "ema", "optimizer", "step", "trained_seconds", "config"}  # of a checkpoint


def train(config: TrainConfig, minutes: float = math.inf, say: Callable[[str], None] = print) -> Path:
    """Run `config`, continuing from its folder's checkpoint where there is one; returns the checkpoint's path.

    Stops, with the checkpoint saved, at the end of the schedule, after `minutes` of this call, at SIGTERM or Ctrl+C, or
    when its terminal is closed. Raises `UsageError` where the run cannot start from, or go on with, what is there and
    where it diverges, `ImageError` for images that cannot be read, `OutputError` where it cannot write.
    """
    for file in image_files((config.validation,)):
        load_image(file)  # a damaged one is told now, not after the minutes until the first validation
    rank, world, device = start_processes()
    source = CropSource.from_folders(
        config.images, config.crop, config.scales_per_image, config.smallest_scale, config.seed, device
    )
    run = Run(config, source, device, rank, world, say if rank == 0 else lambda message: None)
    try:
        with calling_at_signals(run.stop):
            run.until(time.monotonic() + 60 * minutes)
    finally:
        if world > 1:
            dist.destroy_process_group()
    return Path(config.output) / CHECKPOINT


@contextmanager
def calling_at_signals(stop: Callable[[], None]) -> Iterator[None]:
    """The first SIGTERM, Ctrl+C or hang-up calls `stop`, a second one does what it did before.

    But a second hang-up, which follows at once where a terminal is closed, does nothing. What is ignored stays ignored,
    as hang-ups are under nohup.
    """
    if threading.current_thread() is not threading.main_thread():  # which alone gets signals
        yield
        return
    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGHUP") if hasattr(signal, name)]
    handlers: dict[int, Any] = {number: signal.getsignal(number) for number in numbers}
    previous = {number: handler for number, handler in handlers.items() if handler != signal.SIG_IGN}

    def handle(number: int, frame: FrameType | None) -> None:
        is_hang_up = number == getattr(signal, "SIGHUP", None)
        signal.signal(number, signal.SIG_IGN if is_hang_up else previous[number])
        stop()

    try:
        for number in previous:
            signal.signal(number, handle)
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def start_processes() -> tuple[int, int, torch.device]:
    """(rank, world size, device); joins the process group when torchrun started this process."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    rank = int(os.environ.get("RANK", "0"))
    device = torch.device("cpu")
    if torch.cuda.is_available():
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(device)
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
        torch.backends.cudnn.benchmark = True
    if world > 1:
        # The first optimiser imports this. Imported while a group exists it keeps that group for good (as default
        # arguments), and gloo's threads, alive after `destroy_process_group`, end some processes with SIGABRT.
        importlib.import_module("torch._dynamo")
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    return rank, world, device


class Run:
    """One training run: model, optimiser, averaged weights, and the step they are at."""

    def __init__(
        self,
        config: TrainConfig,
        source: CropSource,
        device: torch.device,
        rank: int,
        world: int,
        say: Callable[[str], None],
    ):
        self.config, self.source, self.device, self.rank, self.say = config, source, device, rank, say
        self.world, self.stopping = world, False
        self.norms = torch.zeros((), device=device)  # the sum of all gradients' norms: no number once one was none
        torch.manual_seed(config.seed)
        self.model = TrainingModel(config.model, config.priors)
        self.step, self.trained_seconds = 0, 0.0
        folder = Path(config.output)
        saved = load_checkpoint(folder / CHECKPOINT) if (folder / CHECKPOINT).exists() else None
        if saved is None:
            self.start()
        else:
            refuse_other_parts(TrainConfig.from_dict(json.loads(saved["config"]), check=False), config)
        self.model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        if world > 1:
            for value in self.model.state_dict().values():
                dist.broadcast(value, 0)
        for part in still_parts(config):
            getattr(self.model, part).requires_grad_(False)
        self.ema = {name: value.detach().clone() for name, value in self.model.state_dict().items()}
        self.optimizer = Optimizer(self.model, config)
        if saved is not None:
            self.resume(saved)

    def start(self) -> None:
        """Give the model the weights that training starts from. Raises `UsageError` for those of other transforms."""
        fixed = tuple(f"{part}." for part in still_parts(self.config) if part != "priors")
        for start in map(Path, self.config.start_from):
            state = thaw(start) if start.is_dir() else load_checkpoint(start)["ema"]
            try:
                start_state = fitted(state, self.model)
            except ValueError as error:
                raise UsageError(f"{start} is not of such a model; choose another start_from.") from error
            if not any(name.startswith("analysis.") for name in start_state):
                raise UsageError(f"{start} has transforms of another kind than the configuration's [model].")
            is_last = start == Path(self.config.start_from[-1])  # whose transforms stay
            if is_last and shapes_of(state, fixed) != shapes_of(self.model.state_dict(), fixed):
                raise UsageError(
                    f"{start} has transforms of other sizes than the configuration's [model], and they are not to "
                    "learn: copy the sizes from its configuration or card."
                )
            self.model.load_state_dict(start_state, strict=False)
        if not self.config.start_from:
            self.model.start_from_klt(klt_basis(self.source, self.config.model.latent_channels))

    def resume(self, saved: dict[str, Any]) -> None:
        """Go on from a checkpoint. Raises `UsageError` for that of a model or an optimiser of other parts."""
        try:
            self.model.load_state_dict(saved["model"])
            self.optimizer.load_state_dict(saved["optimizer"])
        except (RuntimeError, ValueError) as error:  # torch's words for them
            raise UsageError(another_configuration(self.config)) from error
        self.ema = {name: value.to(self.device) for name, value in saved["ema"].items()}
        self.step, self.trained_seconds = saved["step"], saved["trained_seconds"]

    def until(self, deadline: float) -> None:
        """Train until the schedule ends or the clock reaches `deadline`, then save."""
        folder = Path(self.config.output)
        folder.mkdir(parents=True, exist_ok=True)
        try:
            self.steps_until(deadline, folder)
        except (OSError, OutputError):  # of the log, or of who read it: what was learned is not lost with it
            self.save(folder)
            raise
        self.save(folder)
        if not self.stopping:  # whoever terminates a process waits for it
            self.validate()

    def steps_until(self, deadline: float, folder: Path) -> None:
        """The steps, with what is logged, saved and validated between them."""
        next_save = time.monotonic() + SAVE_SECONDS
        next_log = time.monotonic() + LOG_SECONDS
        next_validation = self.trained_seconds + 60 * self.config.validate_minutes
        window_step, window_start = self.step, time.monotonic()
        while self.progress() < 1 and not self.agree(self.stopping or time.monotonic() > deadline):
            started = time.monotonic()
            losses = self.one_step()
            if time.monotonic() > next_log:  # where one process waits for the device; else only when it saves
                self.refuse_divergence()
                rate = (self.step - window_step) / (time.monotonic() - window_start)
                self.log("step", loss=losses[0].item(), parts=losses[1:].tolist(), steps_per_second=rate)
                next_log, window_step, window_start = time.monotonic() + LOG_SECONDS, self.step, time.monotonic()
            self.trained_seconds = self.shared(self.trained_seconds + time.monotonic() - started)
            if self.trained_seconds > next_validation:
                self.save(folder)
                self.validate()
                next_validation = self.trained_seconds + 60 * self.config.validate_minutes
                next_log, window_step, window_start = time.monotonic() + LOG_SECONDS, self.step, time.monotonic()
            if time.monotonic() > next_save:
                self.save(folder)
                next_save = time.monotonic() + SAVE_SECONDS

    def stop(self) -> None:
        """Make `until` save and return after the current step."""
        self.stopping = True

    def progress(self) -> float:
        return self.trained_seconds / (60 * self.config.minutes)

    def shared(self, value: float) -> float:
        """Rank 0's value on every rank: all must see the same schedule and stop at the same step."""
        if self.world == 1:
            return value
        tensor = torch.tensor([value], dtype=torch.float64, device=self.device)
        dist.broadcast(tensor, 0)
        return tensor.item()

    def agree(self, stop: bool) -> bool:
        return self.shared(float(stop)) > 0

    def one_step(self) -> Tensor:
        """One step of the optimiser; (loss, λ·D, rate of each prior) stay on the device."""
        config, progress = self.config, self.progress()
        # Seeded by the step: a resumed run draws the same crops and noise as one that never stopped.
        seed = (config.seed * 1_000_003 + self.step) * 64 + self.rank
        torch.manual_seed(seed)
        generator = torch.Generator().manual_seed(seed)
        x = self.source.batch(config.batch, generator).contiguous(memory_format=torch.channels_last)
        position = positions(config, generator).to(self.device)
        self.optimizer.set_progress(progress, config.warmup)
        with torch.autocast(self.device.type, dtype=torch.bfloat16):
            losses = self.model(x, position, phase_at(config, progress))
        self.optimizer.zero_grad()
        losses.total.backward()
        self.average_gradients()
        self.norms += nn.utils.clip_grad_norm_(self.model.parameters(), config.clip, foreach=True)
        self.optimizer.step()
        self.step += 1
        # Early weights are far from the average's end: the average forgets faster while the run is young.
        decay = min(config.ema, (1 + self.step) / (10 + self.step))
        state = self.model.state_dict()
        torch._foreach_lerp_(list(self.ema.values()), [state[name] for name in self.ema], 1 - decay)
        return torch.cat([losses.total.detach()[None], losses.distortion.detach()[None], losses.rate.detach()])

    def average_gradients(self) -> None:
        """The mean of all ranks' gradients, on every rank.

        Not DistributedDataParallel: where its reducer is the last to hold the process group, the group is destroyed
        with the interpreter locked, and waits for good for a gloo thread that waits for the interpreter.
        """
        if self.world == 1:
            return
        gradients = [parameter.grad for parameter in self.model.parameters() if parameter.grad is not None]
        mean = torch.cat([gradient.flatten() for gradient in gradients]) / self.world
        dist.all_reduce(mean)
        parts = mean.split([gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))

    def validate(self) -> None:
        if self.rank != 0:
            return
        current = {name: value.clone() for name, value in self.model.state_dict().items()}
        self.model.load_state_dict(self.ema)
        try:
            with torch.autocast(self.device.type, dtype=torch.bfloat16):
                score = validate(self.model, self.config.validation, self.device, self.config.train_transforms)
        finally:
            self.model.load_state_dict(current)
        self.log("validation", loss=score.loss, bpp=score.bpp, distortion=score.distortion, psnr=score.psnr)

    def log(self, kind: str, **values: Any) -> None:
        entry = {"kind": kind, "step": self.step, "minutes": round(self.trained_seconds / 60, 2), **values}
        line = json.dumps(entry)
        self.say(line)
        if self.rank == 0:
            try:
                with open(Path(self.config.output) / LOG, "a") as file:
                    file.write(line + "\n")
            except OSError as error:
                raise OutputError(f"{self.config.output}/{LOG} cannot be written ({error.strerror}).") from error

    def refuse_divergence(self) -> None:
        """Raise `UsageError` where a gradient was no number: nothing learned since is of use."""
        if not math.isfinite(self.norms.item()):
            raise UsageError(
                f"The training diverged at step {self.step} or shortly before; lower its learning rates. "
                f"What {self.config.output} has saved is of before."
            )

    def save(self, folder: Path) -> None:
        """Write the checkpoint, whole or not at all. Raises `OutputError`, and `UsageError` where the run diverged."""
        self.refuse_divergence()
        if self.rank != 0:
            return
        content = {
            "model": self.model.state_dict(),
            "ema": self.ema,
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "trained_seconds": self.trained_seconds,
            "config": json.dumps(self.config.to_dict()),
        }
        try:
            torch.save(content, folder / (CHECKPOINT + ".tmp"))
            windows.replace(folder / (CHECKPOINT + ".tmp"), folder / CHECKPOINT)
        except (OSError, RuntimeError) as error:  # RuntimeError: torch's word for a full disk
            raise OutputError(
                f"{folder / CHECKPOINT} cannot be written; make room, or choose another output."
            ) from error


def still_parts(config: TrainConfig) -> tuple[str, ...]:
    """The parts of a `TrainingModel` that do not learn."""
    if config.only_synthesis:
        return "analysis", "gain", "priors"
    return () if config.train_transforms else ("analysis", "synthesis", "gain")


def shapes_of(state: Mapping[str, Tensor], prefixes: tuple[str, ...]) -> dict[str, torch.Size]:
    return {name: value.shape for name, value in state.items() if name.startswith(prefixes)}


def another_configuration(config: TrainConfig) -> str:
    return f"{Path(config.output) / CHECKPOINT} was saved with another configuration; choose another output."


def refuse_other_parts(saved: TrainConfig, config: TrainConfig) -> None:
    """Raise `UsageError` where a checkpoint's model, or what of it learns, is not the configuration's."""
    for name in ("model", "priors", "train_transforms", "only_synthesis"):
        if getattr(saved, name) != getattr(config, name):
            raise UsageError(another_configuration(config))


def positions(config: TrainConfig, generator: torch.Generator) -> Tensor:
    """Gain positions (batch,) of one step: over the whole range, its ends a little more often."""
    last = len(config.model.lmbda_anchors) - 1
    drawn = (torch.rand(config.batch, generator=generator) * (last + 0.5) - 0.25).clamp(0, last)
    return drawn if config.only_anchor is None else torch.full_like(drawn, config.only_anchor)


def fitted(state: dict[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
    """`state` for layers that are narrower or wider in `model`: a start, not the same function.

    The leading channels that both have are taken; those that only the model has stay as they start.
    """
    result = {name: value.clone() for name, value in model.state_dict().items() if name in state}
    for name, value in result.items():
        common = tuple(slice(min(sizes)) for sizes in zip(value.shape, state[name].shape, strict=True))
        value[common] = state[name][common]
    return result


def phase_at(config: TrainConfig, progress: float) -> Phase:
    hide = config.hide_context * max(0.0, 1 - progress / config.hide_context_until) if config.hide_context_until else 0
    return Phase(config.train_transforms, progress >= config.straight_through_from, hide, config.only_synthesis)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """A checkpoint on the CPU; never unpickles code. Raises `UsageError` where it cannot be read, or is another's."""
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for a damaged file
        raise UsageError(f"{path} is not a readable training checkpoint ({type(error).__name__}).") from error
    if not isinstance(saved, dict) or CONTENT - saved.keys():
        raise UsageError(f"{path} is not a checkpoint of `jahp train`.")
    return saved
