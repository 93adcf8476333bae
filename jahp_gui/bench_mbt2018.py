"""The same image through CompressAI's `mbt2018` and through this codec, in one process, as ratios of seconds.

Nothing is downloaded: both sides of the comparison "identical architecture" have random weights. So that their entropy
coders have the work of trained ones, each analysis transform's last layer is scaled until the latents have the
standard deviation that the shipped model's ŷ has on this image, and each entropy model's output layer predicts that
same standard deviation around zero. (Without this CompressAI's latents would all be zero, or every one of them an
escape.) What either writes is then about as long, and a few symbols in 10^5 are escapes.
"""

import statistics
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from jahp_gui.bench_goals import GOALS, NAMES, TASKS
from jahp_gui.codec.config import ModelConfig
from jahp_gui.codec.models import Card, read_card
from jahp_gui.codec.priors.gaussian import OUTPUT_SCALE, GaussianPrior, index_of
from jahp_gui.codec.rate_scale import gain_index_of
from jahp_gui.codec.transforms import PaperAnalysis, planes

if TYPE_CHECKING:
    from jahp_gui.codec import Model

SIZE = (768, 512)  # width and height; mbt2018 wants multiples of 64
N = 192  # channels of mbt2018's transforms; M is the model's
LARGEST_REPEAT = 3  # mbt2018 takes half a minute each time
PRIOR = "joint"
Job = Callable[[], None]
Times = dict[str, dict[str, list[float]]]  # of each side and task, in the order of the repetitions


@torch.inference_mode()
def measure(model: "Model", rgb: np.ndarray, lmbda: float, repeat: int) -> dict[str, Any]:
    """Median seconds of mbt2018, of its architecture in this codec ("paper") and of `model` ("default").

    rgb: uint8 (H, W, 3), sides multiples of 64. The three take turns, so that a busy machine is busy for all; processor
    seconds say what it would take alone, as far as the threads do not wait for each other.
    """
    from jahp_gui.codec import Model

    y_hat = model.quantise(model.analysis(rgb), model.gain_index(lmbda))
    spread = float(y_hat.astype(np.float64).std())
    channels = model.config.latent_channels
    with tempfile.TemporaryDirectory(prefix="jahp-") as folder:
        paper = Model(random_model(Path(folder), paper_config(N, channels), rgb, spread, lmbda))
        paper.prior(PRIOR), paper.analysis(rgb[:64, :64])  # everything is read before the folder goes
    sides = {"mbt2018": mbt2018_jobs(N, channels, rgb, spread)}
    sides |= {name: jobs(which, rgb, lmbda) for name, which in (("paper", paper), ("default", model))}
    wall, processor = no_times(sides), no_times(sides)
    for turn in range(min(repeat, LARGEST_REPEAT) + 1):
        for name, tasks in sides.items():
            if turn == 0 and name == "mbt2018":
                continue  # hundreds of calls of the same layers: it warms up within its first
            for task, job in zip(TASKS, tasks, strict=True):
                started, used = time.perf_counter(), time.process_time()
                job()
                if turn > 0:
                    wall[name][task].append(time.perf_counter() - started)
                    processor[name][task].append(time.process_time() - used)
    seconds, processor_seconds = medians(wall), medians(processor)
    return {
        "N": N,
        "M": channels,
        "size": f"{rgb.shape[1]}x{rgb.shape[0]}",
        "repetitions": min(repeat, LARGEST_REPEAT),
        "spread": spread,
        "threads": torch.get_num_threads(),
        "seconds": seconds,
        "processor seconds": processor_seconds,
        "ratios": ratios(seconds),
        "processor ratios": ratios(processor_seconds),
    }


def no_times(sides: Iterable[str]) -> Times:
    return {name: {task: [] for task in TASKS} for name in sides}


def medians(seconds: Times) -> dict[str, dict[str, float]]:
    return {
        name: {task: statistics.median(values) for task, values in tasks.items()} for name, tasks in seconds.items()
    }


def ratios(seconds: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    """How many times faster than mbt2018 each of ours is."""
    theirs = seconds["mbt2018"]
    return {name: {task: theirs[task] / seconds[name][task] for task in TASKS} for name in GOALS}


def as_text(result: dict[str, Any]) -> str:
    theirs = result["seconds"]["mbt2018"]
    lines = [
        f"\n{result['size']} through CompressAI's mbt2018 (N = {result['N']}, M = {result['M']}, random weights), "
        f"median of {result['repetitions']}, {result['threads']} threads: "
        f"encode {theirs['encode']:.2f} s, decode {theirs['decode']:.2f} s"
    ]
    for name, goals in GOALS.items():
        parts = [
            f"{task} {result['seconds'][name][task]:.3f} s, {result['ratios'][name][task]:.1f} times faster, "
            f"{result['processor ratios'][name][task]:.1f} in processor time (goal {goal})"
            for task, goal in zip(TASKS, goals, strict=True)
        ]
        lines.append(f"  {NAMES[name]}: " + "; ".join(parts))
    return "\n".join(lines)


def jobs(model: "Model", rgb: np.ndarray, lmbda: float) -> tuple[Job, Job]:
    """Encode and decode by this codec."""
    from jahp_gui.codec import decode, encode

    data = encode(model, rgb, prior=PRIOR, lmbda=lmbda).data
    return lambda: void(encode(model, rgb, prior=PRIOR, lmbda=lmbda)), lambda: void(decode(data, model=model))


def void(_: object) -> None:
    """A job's result is let go."""


# ---------------------------------------------------------------- random weights


def paper_config(n: int, m: int) -> ModelConfig:
    """The transforms of mbt2018, and hyper-networks and context model of about its sizes, built as this codec's are.

    Theirs has transposed 5×5 convolutions where h_s has 3×3 and shuffles, and no reduction before the context model.
    """
    return ModelConfig(
        transform="paper",
        latent_channels=m,
        transform_widths=(n,),
        hyper_channels=n,
        hyper_width=m,
        hyper_features=2 * m,
        context_reduction=m,
        context_features=2 * m,
        parameter_widths=(m * 10 // 3, m * 8 // 3),
    )


@torch.no_grad()
def random_model(folder: Path, config: ModelConfig, rgb: np.ndarray, spread: float, lmbda: float) -> Card:
    """Write a model of random weights whose ŷ at λ have the given standard deviation on the image, and predict it."""
    from jahp_gui.training.freeze import freeze
    from jahp_gui.training.objective import TrainingModel

    torch.manual_seed(0)
    model = TrainingModel(config, (PRIOR,)).eval()
    position = torch.tensor([gain_index_of(lmbda, config.lmbda_anchors) / 16])
    assert isinstance(model.analysis, PaperAnalysis)
    gain = float(model.gain.gain(position)[0, 0])  # at first that of all channels
    give_spread(model.analysis.layers[-1], model.analysis(planes(rgb)), spread / gain)
    (prior,) = model.each_prior().values()
    assert isinstance(prior, GaussianPrior)
    nn.init.constant_(prior.parameters_net.scale.bias, index_of(spread) / OUTPUT_SCALE)  # type: ignore[arg-type]
    freeze(model, folder, {"id": "random", "title": "Random weights", "training": {}, "results": {}})
    return read_card(folder)


def mbt2018_jobs(n: int, m: int, rgb: np.ndarray, spread: float) -> tuple[Job, Job]:
    """Compress and decompress by CompressAI."""
    from compressai.models import JointAutoregressiveHierarchicalPriors

    torch.manual_seed(0)
    net = JointAutoregressiveHierarchicalPriors(N=n, M=m).eval()
    x = planes(rgb)
    give_spread(net.g_a[-1], net.g_a(x), spread)
    output = net.entropy_parameters[-1]
    output.weight.mul_(0.01)
    output.bias[:m], output.bias[m:] = spread, 0.0  # scales, then means
    net.update(force=True)
    compressed = net.compress(x)
    return lambda: void(net.compress(x)), lambda: void(net.decompress(compressed["strings"], compressed["shape"]))


def give_spread(last: nn.Module, y: Tensor, spread: float) -> None:
    """Scale a transform's last layer so that each channel of its output, now y (1, M, h, w), has mean 0 and all
    together have this standard deviation."""
    means = y.mean((0, 2, 3))
    factor = spread / float((y - means[:, None, None]).std())
    last.weight.mul_(factor)  # type: ignore[operator]
    last.bias.sub_(means).mul_(factor)  # type: ignore[operator]
