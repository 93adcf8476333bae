"""A search by gradients sees one tile of the image at a time, with its surroundings."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from jahp_gui.codec.distortion import distortion, seen
from jahp_gui.codec.effort.search import Candidate, Problem
from jahp_gui.codec.effort.soft_codec import Latents, Rate, SoftCodec
from jahp_gui.codec.latent_coding import Progress
from jahp_gui.codec.precision import fast_products
from jahp_gui.codec.tiling import Tile, pixels
from jahp_gui.codec.transforms import STRIDE, planes


class Window:
    """One tile and the margin around it: the latents of the tile move, those of the margin stay.

    latents: its rows and columns. size: pixels (height, width). moves: bool (h, w).
    """

    def __init__(self, problem: Problem, soft: SoftCodec, tile: Tile):
        self.problem, self.soft, self.tile = problem, soft, tile
        self.latents = tile.rows_with_margin, tile.columns_with_margin
        height, width, _ = problem.rgb.shape
        area = pixels(self.latents[0], STRIDE, height), pixels(self.latents[1], STRIDE, width)
        rgb = problem.rgb[area]
        self.size = rgb.shape[:2]
        self.x = planes(rgb).to(soft.device)
        weights = problem.weights_of(*area)
        self.weights = None if weights is None else torch.from_numpy(weights).to(soft.device)
        self.moves = torch.zeros([side.stop - side.start for side in self.latents], dtype=torch.bool).to(soft.device)
        self.moves[tile.inner] = True

    def tensor(self, values: np.ndarray) -> Tensor:
        """(h, w, C) as float32 (1, C, h, w)."""
        tensor = torch.from_numpy(values.astype(np.float32)).permute(2, 0, 1)[None].to(self.soft.device)
        return tensor.contiguous(memory_format=torch.channels_last)

    def distortion(self, y: Tensor) -> Tensor:
        """λ·D of the picture of latents y (1, M, h, w), in bits."""
        x_hat = self.soft.picture(y)[:, :, : self.size[0], : self.size[1]]
        if self.weights is not None:
            x_hat = seen(self.x, x_hat, self.weights)
        error = distortion(self.problem.model.card.objective, self.x, x_hat).sum()
        return self.problem.lmbda * error * (self.size[0] * self.size[1])

    def rate(self, y: Tensor) -> Rate:
        """Of latents y (1, M, h, w), with the ẑ that h_a chooses for the nearest integers."""
        return self.soft.rate(self._latents(y))

    def cost(self, y: Tensor) -> float:
        """λ·D + R in bits, of integers y (1, M, h, w), as nearly as `fast_products` tells."""
        with torch.no_grad(), fast_products(self.problem.model.device):
            return (self.distortion(y) + self.soft.bits(self._latents(y))).item()

    def _latents(self, y: Tensor) -> Latents:
        problem = self.problem
        z_hat = problem.model.prior(problem.prior).side_information(integers(y.round()), problem.gain_index)
        return Latents(y, None if z_hat is None else self.tensor(z_hat))


def integers(values: Tensor) -> np.ndarray:
    """Whole numbers (1, C, h, w) as int16 (h, w, C)."""
    return np.ascontiguousarray(values.detach()[0].permute(1, 2, 0).to(torch.int16).cpu().numpy())


@dataclass(frozen=True, eq=False)
class Part:
    """The latents of a tile that are the best so far, int16 (h, w, M), and how much of its search they took."""

    y_hat: np.ndarray
    fraction: float


# What searches a window, given ŷ of the whole image and what to tell before each step.
Search = Callable[[Window, np.ndarray, Progress], Iterator[Part]]


def tile_by_tile(problem: Problem, start: Candidate, search: Search, progress: Progress) -> Iterator[Candidate]:
    """Candidates that are each better than the one before, by `Window.cost`; the latents of `start` are not changed.

    The last is by the exact cost no worse than the start, each with the synthesis of its own model. `progress` is told
    the fraction done before every step.
    """
    soft = SoftCodec(problem.model, problem.prior, problem.gain_index, reach=int(np.abs(start.y_hat).max()) + 8)
    found = list(problem.tiles())
    best = start.y_hat.copy()
    for number, tile in enumerate(found):
        before, share = number / len(found), 1 / len(found)

        def tell(fraction: float, before: float = before, share: float = share) -> None:
            progress(before + share * fraction)

        for part in search(Window(problem, soft, tile), best, tell):
            best[tile.rows, tile.columns] = part.y_hat
            yield Candidate(best.copy(), min(before + share * part.fraction, 0.999), problem.model)
    # Tiles were judged with their surroundings cut off, and by one synthesis: the whole image decides.
    ends = [Candidate(best, 1.0, problem.model), Candidate(start.y_hat, 1.0, start.model)]
    yield min(ends, key=lambda end: replace(problem, model=end.model).cost(end.y_hat, lambda _: progress(1.0)))
