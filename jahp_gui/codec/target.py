"""The λ that makes a file of a wanted size or quality."""

import math
from dataclasses import dataclass, replace

import numpy as np

from jahp_gui.codec import metrics
from jahp_gui.codec.choices import DEFAULT_PRIOR
from jahp_gui.codec.codec import Encoded, encode_y_hat
from jahp_gui.codec.effort import Problem, best_latents, ignore
from jahp_gui.codec.errors import UsageError
from jahp_gui.codec.latent_coding import Progress
from jahp_gui.codec.model import Model

TOLERANCE = 0.02
PROBES = 10  # at most, before what is refined: seven halvings of 113 gain indices, three neighbours
QUICK_SHARE = 0.2  # of the time, where latents are refined
REFINED = 5  # searches of effort 2 or 3 at most on the way to a target
# Shares, of bytes or of dB. A target that is further off than a search moves a file is refused before it.
REFINING_MOVES = {"bytes": 0.3, "bpp": 0.3, "psnr": 0.06}
UNITS = {"bytes": ("kB", 1000.0), "bpp": ("bpp", 1.0), "psnr": ("dB", 1.0)}


@dataclass(eq=False)
class Probe:
    """Latents ŷ int16 (h, w, M) that were found at one λ; the file of them is written once, and only where needed."""

    problem: Problem
    y_hat: np.ndarray
    written: Encoded | None = None

    def file(self, progress: Progress = ignore) -> Encoded:
        if self.written is None:
            problem = self.problem
            height, width, _ = problem.rgb.shape
            self.written = encode_y_hat(
                problem.model, self.y_hat, height, width, problem.prior, problem.gain_index, progress=progress
            )
        return self.written

    def psnr(self, progress: Progress = ignore) -> float:
        """Of the picture that the file would be decoded to."""
        problem = self.problem
        height, width, _ = problem.rgb.shape
        picture = problem.model.synthesis(self.y_hat, problem.gain_index, height, width, progress)
        return metrics.psnr(problem.rgb, picture, problem.weights)


@dataclass(frozen=True)
class Target:
    """What a search for λ aims at: "bytes" or "bpp" (of the whole file), or "psnr" (dB over 8-bit RGB).

    Where pixels have weights, the errors that "psnr" is of have them, too.
    """

    kind: str
    value: float

    def reached_by(self, probe: Probe, progress: Progress = ignore) -> float:
        """What a probe's file has of what is aimed at."""
        if self.kind == "psnr":
            return probe.psnr(progress)
        encoded = probe.file(progress)
        return float(len(encoded.data)) if self.kind == "bytes" else encoded.container.bpp

    def preference(self, reached: float) -> tuple[bool, float]:
        """Least for the best: within the tolerance what is not larger or worse than wanted wins over what is nearer."""
        error = reached / self.value - 1
        unsafe = error < 0 if self.kind == "psnr" else error > 0
        return unsafe or abs(error) > TOLERANCE, abs(error)

    def refuse_far(self, reached: float, lmbda: float) -> None:
        """Raise `UsageError` where the best that was found is outside the tolerance."""
        if abs(reached / self.value - 1) > TOLERANCE:
            side = "more" if reached > self.value else "less"
            unit, scale = UNITS[self.kind]
            raise UsageError(
                f"The target of {self.value / scale:.4g} {unit} cannot be reached with this image, model and prior: "
                f"the nearest is {side}, {reached / scale:.4g} {unit}, at λ = {lmbda:.4g}."
            )


def encode_to_target(
    model: Model,
    rgb: np.ndarray,
    target: Target,
    *,
    prior: str = DEFAULT_PRIOR,
    effort: int = 0,
    weights: np.ndarray | None = None,
    progress: Progress = ignore,
) -> Encoded:
    """The file of what `nearest_to_target` finds; other arguments, and what else is raised, are those of `encode`."""
    problem = Problem(model, rgb, model.analysis(rgb), prior, 0, weights)
    found = nearest_to_target(problem, target, effort, progress)
    progress(1.0)
    return found.file(lambda _: progress(1.0))


def nearest_to_target(problem: Problem, target: Target, effort: int = 0, progress: Progress = ignore) -> Probe:
    """The latents whose file is nearest to a target among those of all λ, whatever that of the problem is.

    By bisection over the gain index, of real sizes and pictures. A file on the safe side (not larger, not worse) wins
    over a nearer one on the other when it is within 2%. λ is searched with an effort of 1 at most; what that finds is
    refined with the effort asked for, and where this leads away from the target, λ is searched again for one that is as
    far off on the other side.
    `progress` is told roughly the fraction done, also within a probe; whatever it raises ends the search.
    Raises `UsageError` for a target of another kind or of no positive value, and one that names the nearest reachable
    value when the best is more than 2% away.
    """
    if target.kind not in UNITS or not 0 < target.value < math.inf:
        raise UsageError(f"A target is a positive number of {', '.join(UNITS)}, not {target.value} of {target.kind}.")
    model = problem.model
    tried: dict[int, float] = {}
    best: tuple[int, Probe] | None = None  # of those tried
    done, quick_share = 0.0, QUICK_SHARE if effort > 1 else 1.0

    def probed(gain_index: int, effort: int, share: float) -> tuple[float, Probe]:
        nonlocal done
        at = replace(problem, gain_index=gain_index, model=model.for_effort(effort))
        probe = Probe(at, best_latents(at, effort, lambda fraction: progress(min(done + share * fraction, 1.0))))
        done += share
        return target.reached_by(probe, lambda _: progress(min(done, 1.0))), probe

    def reached(gain_index: int) -> float:
        nonlocal best
        if gain_index not in tried:
            tried[gain_index], probe = probed(gain_index, min(effort, 1), quick_share / PROBES)
            if best is None or target.preference(tried[gain_index]) < target.preference(tried[best[0]]):
                best = gain_index, probe
        return tried[gain_index]

    def nearest(aim: Target) -> int:
        low, high = 0, len(model.gain_indices) - 1
        while low < high:  # the first index that reaches the target; both measures rise with it, small dips aside
            middle = (low + high) // 2
            if reached(middle) < aim.value:
                low = middle + 1
            else:
                high = middle
        around = [gain_index for gain_index in (low - 1, low, low + 1) if gain_index in model.gain_indices]
        return min({*tried, *around}, key=lambda gain_index: aim.preference(reached(gain_index)))

    start = nearest(target)
    if effort <= 1 and best is not None:
        target.refuse_far(tried[best[0]], model.lmbda(best[0]))
        return best[1]
    if abs(reached(start) / target.value - 1) > REFINING_MOVES[target.kind]:
        target.refuse_far(reached(start), model.lmbda(start))
    aim = target
    refined: dict[int, tuple[float, Probe]] = {}
    while len(refined) < REFINED and (gain_index := nearest(aim)) not in refined:
        refined[gain_index] = value, _ = probed(gain_index, effort, (1 - QUICK_SHARE) / REFINED)
        if math.inf in (value, reached(gain_index)):  # of a PSNR: no other aim follows from it
            break
        aim = replace(target, value=target.value * reached(gain_index) / value)
    found = min(refined, key=lambda gain_index: target.preference(refined[gain_index][0]))
    value, probe = refined[found]
    target.refuse_far(value, model.lmbda(found))
    return probe
