"""Efforts 2 and 3: all latents settle together, by mean-field annealing.

Bilbro et al. 1988, "Optimization by mean field annealing", here of λ·D + R over integers.

No latent is decided yet: each is a distribution over three integers, and the others see its mean u. A step takes the
gradient of λ·D + R at the means, through the synthesis transform and through the context model, which tells a latent to
those after it. With the curvature that `rounding` found, and the latent's own bits, which are known exactly, each
integer then has a cost; the distribution is the one of those costs at a temperature, and u goes a part of the way to
its mean. As the temperature falls each latent settles on one integer. Nothing is drawn: twelve steps find more than the
hundreds of stochastic Gumbel annealing (Yang, Bamler and Mandt 2020) that effort 3 was once (RECIPES.md).
"""

from collections.abc import Iterator

import numpy as np
import torch

from jahp_gui.codec.effort.rounding import Curvature
from jahp_gui.codec.effort.search import Candidate, Problem
from jahp_gui.codec.effort.window import Part, Window, integers, tile_by_tile
from jahp_gui.codec.entropy_coder import LATENT_LIMIT
from jahp_gui.codec.latent_coding import Progress
from jahp_gui.codec.precision import fast_products

# All as found in RECIPES.md, and the same for MSE and MS-SSIM.
FIRST_TEMPERATURE, LAST_TEMPERATURE = 3.0, 0.1  # in bits
FIRST_STRIDE, LAST_STRIDE = 0.4, 0.2  # of the way: moves meet in the same pixels, and the whole of it overshoots
MOMENTUM = 0.5  # of the last move goes on: the same way in fewer steps
LOOK_EVERY = 4  # steps from one look at the rounded means, a candidate where they are better, to the next


def settled(
    problem: Problem, start: Candidate, curvature: Curvature, steps: int, progress: Progress
) -> Iterator[Candidate]:
    """Better and better candidates than `start`, whose latents are not changed."""

    def search(window: Window, y_hat: np.ndarray, tell: Progress) -> Iterator[Part]:
        return Field(window, y_hat[window.latents], curvature).settle(steps, tell)

    yield from tile_by_tile(problem, start, search, progress)


class Field:
    """The means u (1, M, h, w) of the latents of one window, in quantiser steps; y_hat: int16 (h, w, M), the start."""

    def __init__(self, window: Window, y_hat: np.ndarray, curvature: Curvature):
        problem = window.problem
        unrounded = problem.y[window.latents] * problem.model.gain_of(problem.gain_index)
        unrounded = unrounded.clip(-LATENT_LIMIT, LATENT_LIMIT)
        self.window, self.start = window, window.tensor(y_hat)
        self.means = torch.where(window.moves, window.tensor(unrounded), self.start)
        self.curvature = window.tensor(np.broadcast_to(curvature.of(*window.latents), y_hat.shape))
        self.speed = torch.zeros_like(self.means)  # of the means, a step

    def settle(self, steps: int, tell: Progress) -> Iterator[Part]:
        """Every improvement on the start, at most one in `LOOK_EVERY` steps."""
        least = self.window.cost(self.start)
        for step in range(steps):
            tell(step / steps)
            cooled = step / max(steps - 1, 1)
            self._move(
                FIRST_TEMPERATURE * (LAST_TEMPERATURE / FIRST_TEMPERATURE) ** cooled,
                FIRST_STRIDE * (LAST_STRIDE / FIRST_STRIDE) ** cooled,
            )
            if (step + 1) % LOOK_EVERY == 0 or step + 1 == steps:
                rounded = self.means.round()
                cost = self.window.cost(rounded)
                if cost < least:
                    least = cost
                    yield Part(integers(rounded)[self.window.tile.inner], (step + 1) / steps)

    def _move(self, temperature: float, stride: float) -> None:
        moved = self.means.clone().requires_grad_(True)
        with torch.enable_grad(), fast_products(self.window.problem.model.device):
            rate = self.window.rate(moved)
            loss = self.window.distortion(moved) + rate.bits_at(self.means).sum()
        (slope,) = torch.autograd.grad(loss, moved)
        with torch.no_grad():
            nearest = self.means.round()
            options = torch.stack([nearest - 1, nearest, nearest + 1])
            away = options - self.means
            costs = slope * away + self.curvature * away**2 + torch.stack([rate.bits_at(value) for value in options])
            # A caller's default dtype may have come in by the costs.
            expected = (torch.softmax(-costs / temperature, 0) * options).sum(0).to(self.means.dtype)
            self.speed = MOMENTUM * self.speed + torch.where(self.window.moves, stride * (expected - self.means), 0.0)
            self.means = (self.means + self.speed).clamp(-LATENT_LIMIT, LATENT_LIMIT)
