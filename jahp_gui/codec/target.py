"""The λ that makes a file of a wanted size or quality."""

import math
from dataclasses import dataclass, replace

import numpy as np

from jahp_gui.codec import metrics
from jahp_gui.codec.choices import DEFAULT_PRIOR
from jahp_gui.codec.codec import Encoded, encode_y_hat
from jahp_gui.codec.effort import Problem, best_found, ignore
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
    search = _Bisection(problem, target, effort, progress)
    start = search.nearest(target)
    if effort > 1:
        return search.refined(start)
    gain_index, probe = search.best
    target.refuse_far(search.reached(gain_index), problem.model.lmbda(gain_index))
    return probe


class _Bisection:
    """What gain indices reach, each tried once with an effort of 1 at most, and then some with the effort asked for."""

    best: tuple[int, Probe]  # of those tried, from the first on

    def __init__(self, problem: Problem, target: Target, effort: int, progress: Progress):
        self.problem, self.target, self.effort, self.progress = problem, target, effort, progress
        self._tried: dict[int, float] = {}
        self._done, self._quick_share = 0.0, QUICK_SHARE if effort > 1 else 1.0

    def nearest(self, aim: Target) -> int:
        """The gain index, tried or not yet, that comes nearest to an aim."""
        indices = self.problem.model.gain_indices
        low, high = 0, len(indices) - 1
        while low < high:  # the first index that reaches it; both measures rise with it, small dips aside
            middle = (low + high) // 2
            if self.reached(middle) < aim.value:
                low = middle + 1
            else:
                high = middle
        around = [gain_index for gain_index in (low - 1, low, low + 1) if gain_index in indices]
        return min({*self._tried, *around}, key=lambda gain_index: aim.preference(self.reached(gain_index)))

    def reached(self, gain_index: int) -> float:
        """What there is at a gain index of what is aimed at."""
        if gain_index not in self._tried:
            value, probe = self._probed(gain_index, min(self.effort, 1), self._quick_share / PROBES)
            is_first, self._tried[gain_index] = not self._tried, value
            if is_first or self.target.preference(value) < self.target.preference(self._tried[self.best[0]]):
                self.best = gain_index, probe
        return self._tried[gain_index]

    def refined(self, start: int) -> Probe:
        """Of the whole effort, from the gain index that is the nearest without."""
        target, lmbda = self.target, self.problem.model.lmbda
        if abs(self.reached(start) / target.value - 1) > REFINING_MOVES[target.kind]:
            target.refuse_far(self.reached(start), lmbda(start))
        aim = target
        found: dict[int, tuple[float, Probe]] = {}
        while len(found) < REFINED and (gain_index := self.nearest(aim)) not in found:
            found[gain_index] = value, _ = self._probed(gain_index, self.effort, (1 - QUICK_SHARE) / REFINED)
            if math.inf in (value, self.reached(gain_index)):  # of a PSNR: no other aim follows from it
                break
            aim = replace(target, value=target.value * self.reached(gain_index) / value)
        gain_index = min(found, key=lambda gain_index: target.preference(found[gain_index][0]))
        value, probe = found[gain_index]
        target.refuse_far(value, lmbda(gain_index))
        return probe

    def _probed(self, gain_index: int, effort: int, share: float) -> tuple[float, Probe]:
        """share: of the whole search's time that this takes."""
        at = replace(self.problem, gain_index=gain_index)
        found = best_found(at, effort, lambda fraction: self.progress(min(self._done + share * fraction, 1.0)))
        self._done += share
        probe = Probe(replace(at, model=found.model), found.y_hat)
        return self.target.reached_by(probe, lambda _: self.progress(min(self._done, 1.0))), probe
