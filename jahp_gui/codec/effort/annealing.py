"""Efforts 2 and 3: all latents refined together, by stochastic Gumbel annealing.

Yang, Bamler and Mandt 2020, "Improving inference for neural image compression", section 3.2.

Each latent is a real number u between the integers ⌊u⌋ and ⌊u⌋ + 1. A step draws one of the two, softly, the nearer one
more probably, and moves all u down the gradient of λ·D + bpp through synthesis and prior: context and hyperprior
included. As the temperature falls the draws become roundings. Large images are refined tile by tile.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from jahp_gui.codec.distortion import distortion
from jahp_gui.codec.effort.search import Candidate, Problem, seen
from jahp_gui.codec.effort.soft_codec import Latents, SoftCodec
from jahp_gui.codec.entropy_coder import LATENT_LIMIT
from jahp_gui.codec.latent_coding import Progress, section_bits
from jahp_gui.codec.precision import fast_products
from jahp_gui.codec.priors.hyper import Z_LIMIT, shrunk
from jahp_gui.codec.tiling import Tile, pixels
from jahp_gui.codec.transforms import STRIDE

RATE = 0.05  # of Adam, in quantiser steps; this and the temperatures as found in RECIPES.md
FIRST_TEMPERATURE, LAST_TEMPERATURE = 0.5, 0.15
EVALUATE_EVERY = 25  # steps from one exact evaluation, and candidate, to the next
EDGE = 1e-4  # keeps the odds of the two integers finite


def annealed(problem: Problem, y_hat: np.ndarray, steps: int, progress: Progress) -> Iterator[Candidate]:
    """Candidates that are each better than the one before, from ŷ int16 (h, w, M), which is not changed.

    `progress` is told the fraction done before every step.
    """
    prior = problem.model.prior(problem.prior)
    z_hat = prior.side_information(y_hat, problem.gain_index)
    start = problem.cost(y_hat, z_hat)
    reach = int(np.abs(y_hat).max()) + 8
    soft = SoftCodec(problem.model, problem.prior, problem.gain_index, reach)
    found = list(problem.tiles())
    best_y, best_z = y_hat.copy(), None if z_hat is None else z_hat.copy()
    for number, tile in enumerate(found):
        before, share = number / len(found), 1 / len(found)

        def tell(fraction: float, before: float = before, share: float = share) -> None:
            progress(before + share * fraction)

        for part in Refinement(problem, soft, tile, best_y, best_z, seed=number).run(steps, tell):
            best_y[tile.rows, tile.columns] = part.y_hat
            if best_z is not None:
                best_z[shrunk(tile.rows), shrunk(tile.columns)] = part.z_hat
            fraction = min(before + share * part.fraction, 0.999)
            yield Candidate(best_y.copy(), None if best_z is None else best_z.copy(), fraction)
    # Tiles were judged with their surroundings cut off: the whole image decides.
    better = problem.cost(best_y, best_z) < start
    yield Candidate(best_y, best_z, 1.0) if better else Candidate(y_hat, z_hat, 1.0)


@dataclass(frozen=True)
class Part:
    """The latents of a tile that are the best so far."""

    y_hat: np.ndarray
    z_hat: np.ndarray | None
    fraction: float


class Refinement:
    """One tile: its latents move, those of the margin around it stay."""

    def __init__(
        self, problem: Problem, soft: SoftCodec, tile: Tile, y_hat: np.ndarray, z_hat: np.ndarray | None, seed: int
    ):
        self.problem, self.soft, self.tile = problem, soft, tile
        self.noise = torch.Generator(soft.device).manual_seed(seed)
        window = tile.rows_with_margin, tile.columns_with_margin
        self.y_window = y_hat[window].copy()
        self.z_window = None if z_hat is None else z_hat[tuple(map(shrunk, window))].copy()
        height, width, _ = problem.rgb.shape
        self.area = pixels(window[0], STRIDE, height), pixels(window[1], STRIDE, width)
        rgb = problem.rgb[self.area]
        self.size = rgb.shape[:2]
        self.x = torch.tensor(rgb).permute(2, 0, 1)[None].to(soft.device).float() / 255
        weights = problem.weights_of(*self.area)
        self.weights = None if weights is None else torch.from_numpy(weights).to(soft.device)
        self.y_moves = self._moves(self.y_window.shape[:2], tile.inner)
        self.y = self._parameter(self._start_of(window))
        self.z = None
        if self.z_window is not None:
            inner = shrunk(tile.inner[0]), shrunk(tile.inner[1])
            self.z_moves = self._moves(self.z_window.shape[:2], inner)
            self.z = self._parameter(self.z_window.astype(np.float32))

    def _start_of(self, window: tuple[slice, slice]) -> np.ndarray:
        """The unrounded latents where they round to ŷ, and ŷ where an earlier search moved it."""
        value = self.problem.y[window] * self.problem.model.gain_of(self.problem.gain_index)
        return np.where(np.rint(value) == self.y_window, value, self.y_window).astype(np.float32)

    def _moves(self, shape: tuple[int, int], inner: tuple[slice, slice]) -> Tensor:
        moves = torch.zeros(shape, dtype=torch.bool, device=self.soft.device)
        moves[inner] = True
        return moves

    def _parameter(self, values: np.ndarray) -> Tensor:
        """(h, w, C) to (1, C, h, w), to be moved."""
        tensor = torch.from_numpy(values).permute(2, 0, 1)[None].to(self.soft.device)
        return tensor.contiguous(memory_format=torch.channels_last).requires_grad_(True)

    def run(self, steps: int, tell: Progress) -> Iterator[Part]:
        """Every improvement, at most one in `EVALUATE_EVERY` steps."""
        moving = [self.y] if self.z is None else [self.y, self.z]
        optimizer = torch.optim.Adam(moving, betas=(0.9, 0.99))
        best = self._cost(self.y_window, self.z_window)
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
                cost = self._cost(y_hat, z_hat)
                if cost < best:
                    best = cost
                    z_part = None if z_hat is None else z_hat[tuple(map(shrunk, self.tile.inner))]
                    yield Part(y_hat[self.tile.inner], z_part, (step + 1) / steps)

    def _loss(self, temperature: float) -> Tensor:
        """λ·D + bpp of a draw."""
        y = torch.where(self.y_moves, self._draw(self.y, temperature), self.y.detach().round())
        z = None
        if self.z is not None:
            z = torch.where(self.z_moves, self._draw(self.z, temperature), self.z.detach()).clamp(-Z_LIMIT, Z_LIMIT - 1)
        with fast_products(self.problem.model.device):
            bits = self.soft.bits(Latents(y, z))
            x_hat = self.soft.picture(y)[:, :, : self.size[0], : self.size[1]]
        if self.weights is not None:
            x_hat = seen(self.x, x_hat, self.weights)
        error = distortion(self.problem.model.card.objective, self.x, x_hat).sum()
        return self.problem.lmbda * error + bits / (self.size[0] * self.size[1])

    def _draw(self, u: Tensor, temperature: float) -> Tensor:
        """⌊u⌋ + the share of the upper integer, near 0 or 1, of odds that fall with the distance from each."""
        low = u.detach().floor()
        part = (u - low).clamp(EDGE, 1 - EDGE)
        odds = (torch.atanh(part) - torch.atanh(1 - part)) / temperature
        uniform = torch.rand(u.shape, generator=self.noise, device=u.device).clamp(1e-7, 1 - 1e-7)
        return low + torch.sigmoid((odds + torch.logit(uniform)) / temperature)

    def _rounded(self) -> tuple[np.ndarray, np.ndarray | None]:
        y = self.y.detach().round().clamp(-LATENT_LIMIT, LATENT_LIMIT)
        y_hat = np.ascontiguousarray(y[0].permute(1, 2, 0).to(torch.int16).cpu().numpy())
        if self.z is None:
            return y_hat, None
        z = self.z.detach().round().clamp(-Z_LIMIT, Z_LIMIT - 1)
        return y_hat, np.ascontiguousarray(z[0].permute(1, 2, 0).to(torch.int16).cpu().numpy())

    def _cost(self, y_hat: np.ndarray, z_hat: np.ndarray | None) -> float:
        """λ·D + bpp of the window, with the coder's tables and the 8-bit picture."""
        problem = self.problem
        picture = problem.model.synthesis(y_hat, problem.gain_index, *self.size)
        bits = section_bits(problem.model.prior(problem.prior), y_hat, problem.gain_index, z_hat)
        return problem.lmbda * problem.distortion_of(picture, *self.area) + bits / (self.size[0] * self.size[1])
