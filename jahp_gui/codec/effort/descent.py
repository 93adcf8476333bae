"""Effort 2, and the start of effort 3: whole numbers that move together, downhill.

A pass takes the gradient of λ·D + bpp at integer latents: through the synthesis transform, and through the context
model, which tells a latent to those after it. What a latent costs itself is known exactly for every value. With the
curvature that `rounding` found each knows which of its two neighbours and zero would be best if it moved alone, and
most of those that would gain move at once. Where that was not better they go back, and the next pass is more careful.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from jahp_gui.codec.effort.rounding import Curvature
from jahp_gui.codec.effort.search import Candidate, Problem
from jahp_gui.codec.effort.soft_codec import Latents
from jahp_gui.codec.effort.window import Part, Window, integers, tile_by_tile
from jahp_gui.codec.entropy_coder import LATENT_LIMIT
from jahp_gui.codec.latent_coding import Progress
from jahp_gui.codec.precision import fast_products

# All as found in RECIPES.md. Moves meet in the same pixels, so each must reckon with more than its own curvature.
CARE = 1.5  # times the curvature at first
MOST_CARE = 4 / 3  # and up to this times what was first of use
LEAST_CARE = 2 / 3
BOLDER, MORE_CAREFUL = 0.9, 1.3  # after a pass that was better, and after one that was not
MUCH_MORE_CAREFUL = 2.0  # while none was: the curvature of MS-SSIM is underrated
SHARE = 0.7  # of those that would gain, drawn anew in every pass
PULL = 1.3  # what a move costs and saves the latents after it counts a little more than it does at first


def descended(
    problem: Problem, y_hat: np.ndarray, curvature: Curvature, passes: int, progress: Progress
) -> Iterator[Candidate]:
    """Better and better ŷ, from ŷ int16 (h, w, M), which is not changed; h_a chooses their ẑ."""

    def search(window: Window, y_hat: np.ndarray, _: np.ndarray | None, seed: int, tell: Progress) -> Iterator[Part]:
        start = y_hat[window.latents]
        bowl = np.broadcast_to(curvature.of(*window.latents), start.shape)
        return _descend(window, window.tensor(start), window.tensor(bowl), passes, seed, tell)

    yield from tile_by_tile(problem, y_hat, None, search, progress)


def _descend(window: Window, y: Tensor, bowl: Tensor, passes: int, seed: int, tell: Progress) -> Iterator[Part]:
    """From integers y (1, M, h, w), by the curvature of each."""
    draw = torch.Generator().manual_seed(seed)
    care = Care()
    best = evaluated(window, y)
    for number in range(passes):
        tell(number / passes)
        step = best.steps(care.factor * bowl)
        step *= (torch.rand(step.shape, generator=draw) < SHARE).to(step.device) * window.moves
        tried = evaluated(window, (best.y + step).clamp(-LATENT_LIMIT, LATENT_LIMIT))
        care.learn(tried.cost < best.cost)
        if tried.cost < best.cost:
            best = tried
            yield Part(integers(best.y)[window.tile.inner], None, (number + 1) / passes)


class Care:
    """How many times its own curvature a latent reckons with."""

    def __init__(self) -> None:
        self.factor = CARE
        self._first: float | None = None

    def learn(self, was_better: bool) -> None:
        if self._first is None and not was_better:
            self.factor *= MUCH_MORE_CAREFUL
            return
        self._first = self._first or self.factor
        self.factor *= BOLDER if was_better else MORE_CAREFUL
        self.factor = min(max(self.factor, LEAST_CARE * self._first), MOST_CARE * self._first)


@dataclass(eq=False)
class Point:
    """Integer latents y (1, M, h, w), their cost in bits, and what is needed to leave them.

    moved: the same latents, of which `loss` is a function. bits_at: the bits of any values of each, the others as here.
    """

    y: Tensor
    cost: float
    moved: Tensor
    loss: Tensor
    bits_at: Callable[[Tensor], Tensor]

    @cached_property
    def slope(self) -> Tensor:
        """Of the loss, in bits for a step of each latent."""
        return torch.autograd.grad(self.loss, self.moved)[0]

    def steps(self, curvature: Tensor) -> Tensor:
        """The best step of each latent by itself: −1, 0, 1, or to zero."""
        slope = self.slope
        with torch.no_grad():
            now = self.bits_at(self.y)
            best, least = torch.zeros_like(self.y), torch.zeros_like(self.y)
            for step in (-torch.ones_like(self.y), torch.ones_like(self.y), -self.y):
                cost = slope * step + curvature * step**2 + self.bits_at(self.y + step) - now
                best, least = torch.where(cost < least, step, best), torch.minimum(cost, least)
        return best


def evaluated(window: Window, y: Tensor) -> Point:
    """Cost of integer latents y, with the ẑ that h_a chooses for them."""
    problem, soft = window.problem, window.soft
    z_hat = problem.model.prior(problem.prior).side_information(integers(y), problem.gain_index)
    moved = y.clone().requires_grad_(True)
    with torch.enable_grad(), fast_products(problem.model.device):
        rate = soft.rate(Latents(moved, None if z_hat is None else window.tensor(z_hat)))
        bits = rate.bits_at(y).sum()
        distortion = window.distortion(moved) * (window.size[0] * window.size[1])
        loss = distortion + PULL * bits
    return Point(y, (distortion + bits + rate.side_bits).item(), moved, loss, rate.bits_at)
