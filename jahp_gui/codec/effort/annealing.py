"""Effort 3: all latents refined together, by stochastic Gumbel annealing.

Yang, Bamler and Mandt 2020, "Improving inference for neural image compression", section 3.2.

Each latent is a real number u between the integers ⌊u⌋ and ⌊u⌋ + 1. A step draws one of the two, softly, the nearer one
more probably, and moves all u down the gradient of λ·D + bpp through synthesis and prior: context and hyperprior
included. As the temperature falls the draws become roundings. Large images are refined tile by tile.
"""

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from jahp_gui.codec.effort.search import Candidate, Problem
from jahp_gui.codec.effort.soft_codec import Latents
from jahp_gui.codec.effort.window import Part, Window, integers, tile_by_tile
from jahp_gui.codec.entropy_coder import LATENT_LIMIT
from jahp_gui.codec.latent_coding import Progress
from jahp_gui.codec.precision import fast_products
from jahp_gui.codec.priors.hyper import Z_LIMIT, shrunk

RATE = 0.03  # of Adam, in quantiser steps; this and the temperatures as found in RECIPES.md
FIRST_TEMPERATURE, LAST_TEMPERATURE = 0.4, 0.12
EVALUATE_EVERY = 25  # steps from one exact evaluation, and candidate, to the next
EDGE = 1e-4  # keeps the odds of the two integers finite


def annealed(problem: Problem, y_hat: np.ndarray, steps: int, progress: Progress) -> Iterator[Candidate]:
    """Better and better ŷ and ẑ, from ŷ int16 (h, w, M), which is not changed."""
    z_hat = problem.model.prior(problem.prior).side_information(y_hat, problem.gain_index)

    def search(
        window: Window, y_hat: np.ndarray, z_hat: np.ndarray | None, seed: int, tell: Progress
    ) -> Iterator[Part]:
        return Refinement(window, y_hat, z_hat, seed).run(steps, tell)

    yield from tile_by_tile(problem, y_hat, z_hat, search, progress)


class Refinement:
    """One window: its latents as real numbers."""

    def __init__(self, window: Window, y_hat: np.ndarray, z_hat: np.ndarray | None, seed: int):
        self.window, self.problem, self.soft = window, window.problem, window.soft
        self.noise = torch.Generator(self.soft.device).manual_seed(seed)
        self.y_window = y_hat[window.latents].copy()
        self.z_window = None if z_hat is None else z_hat[tuple(map(shrunk, window.latents))].copy()
        self.y = window.tensor(self._start_of(window.latents)).requires_grad_(True)
        self.z = None
        if self.z_window is not None:
            inner = shrunk(window.tile.inner[0]), shrunk(window.tile.inner[1])
            self.z_moves = window.mask(list(self.z_window.shape[:2]), inner)
            self.z = window.tensor(self.z_window).requires_grad_(True)

    def _start_of(self, window: tuple[slice, slice]) -> np.ndarray:
        """The unrounded latents where they round to ŷ, and ŷ where an earlier search moved it."""
        value = self.problem.y[window] * self.problem.model.gain_of(self.problem.gain_index)
        return np.where(np.rint(value) == self.y_window, value, self.y_window).astype(np.float32)

    def run(self, steps: int, tell: Progress) -> Iterator[Part]:
        """Every improvement, at most one in `EVALUATE_EVERY` steps."""
        moving = [self.y] if self.z is None else [self.y, self.z]
        optimizer = torch.optim.Adam(moving, betas=(0.9, 0.99))
        best = self.window.cost(self.y_window, self.z_window)
        for step in range(steps):
            progress = step / steps
            tell(progress)
            temperature = FIRST_TEMPERATURE * (LAST_TEMPERATURE / FIRST_TEMPERATURE) ** progress
            for group in optimizer.param_groups:
                group["lr"] = RATE * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * progress)))
            # Where a caller stops iterating, nothing of autograd is left behind: the generator is closed here.
            with torch.enable_grad():
                loss = self._loss(temperature)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            if (step + 1) % EVALUATE_EVERY == 0 or step == steps - 1:
                y_hat, z_hat = self._rounded()
                cost = self.window.cost(y_hat, z_hat)
                if cost < best:
                    best = cost
                    z_part = None if z_hat is None else z_hat[tuple(map(shrunk, self.window.tile.inner))]
                    yield Part(y_hat[self.window.tile.inner], z_part, (step + 1) / steps)

    def _loss(self, temperature: float) -> Tensor:
        """λ·D + bpp of a draw."""
        y = torch.where(self.window.moves, self._draw(self.y, temperature), self.y.detach().round())
        z = None
        if self.z is not None:
            z = torch.where(self.z_moves, self._draw(self.z, temperature), self.z.detach()).clamp(-Z_LIMIT, Z_LIMIT - 1)
        with fast_products(self.problem.model.device):
            height, width = self.window.size
            return self.window.distortion(y) + self.soft.bits(Latents(y, z)) / (height * width)

    def _draw(self, u: Tensor, temperature: float) -> Tensor:
        """⌊u⌋ + the share of the upper integer, near 0 or 1, of odds that fall with the distance from each."""
        low = u.detach().floor()
        part = (u - low).clamp(EDGE, 1 - EDGE)
        odds = (torch.atanh(part) - torch.atanh(1 - part)) / temperature
        uniform = torch.rand(u.shape, generator=self.noise, device=u.device).clamp(1e-7, 1 - 1e-7)
        return low + torch.sigmoid((odds + torch.logit(uniform)) / temperature)

    def _rounded(self) -> tuple[np.ndarray, np.ndarray | None]:
        y = self.y.detach().round().clamp(-LATENT_LIMIT, LATENT_LIMIT)
        y_hat = integers(y)
        if self.z is None:
            return y_hat, None
        return y_hat, integers(self.z.detach().round().clamp(-Z_LIMIT, Z_LIMIT - 1))
