"""A search by gradients sees one tile of the image at a time, with its surroundings."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from jahp_gui.codec.distortion import distortion, seen
from jahp_gui.codec.effort.search import Candidate, Problem
from jahp_gui.codec.effort.soft_codec import SoftCodec
from jahp_gui.codec.latent_coding import Progress, section_bits
from jahp_gui.codec.priors.hyper import shrunk
from jahp_gui.codec.tiling import Tile, pixels
from jahp_gui.codec.transforms import STRIDE, planes


class Window:
    """One tile and the margin around it: the latents of the tile move, those of the margin stay.

    latents: its rows and columns. area: those of its pixels. size: pixels (height, width). moves: bool (h, w).
    """

    def __init__(self, problem: Problem, soft: SoftCodec, tile: Tile):
        self.problem, self.soft, self.tile = problem, soft, tile
        self.latents = tile.rows_with_margin, tile.columns_with_margin
        height, width, _ = problem.rgb.shape
        self.area = pixels(self.latents[0], STRIDE, height), pixels(self.latents[1], STRIDE, width)
        rgb = problem.rgb[self.area]
        self.size = rgb.shape[:2]
        self.x = planes(rgb).to(soft.device)
        weights = problem.weights_of(*self.area)
        self.weights = None if weights is None else torch.from_numpy(weights).to(soft.device)
        self.moves = self.mask([side.stop - side.start for side in self.latents], tile.inner)

    def mask(self, shape: list[int], inner: tuple[slice, slice]) -> Tensor:
        """Bool of `shape`, true in `inner`."""
        mask = torch.zeros(shape, dtype=torch.bool, device=self.soft.device)
        mask[inner] = True
        return mask

    def tensor(self, values: np.ndarray) -> Tensor:
        """(h, w, C) as float32 (1, C, h, w)."""
        tensor = torch.from_numpy(values.astype(np.float32)).permute(2, 0, 1)[None].to(self.soft.device)
        return tensor.contiguous(memory_format=torch.channels_last)

    def distortion(self, y: Tensor) -> Tensor:
        """λ·D, a scalar, of the picture of latents y (1, M, h, w)."""
        x_hat = self.soft.picture(y)[:, :, : self.size[0], : self.size[1]]
        if self.weights is not None:
            x_hat = seen(self.x, x_hat, self.weights)
        return self.problem.lmbda * distortion(self.problem.model.card.objective, self.x, x_hat).sum()

    def cost(self, y_hat: np.ndarray, z_hat: np.ndarray | None) -> float:
        """λ·D + bpp, with the coder's tables and the 8-bit picture."""
        problem = self.problem
        picture = problem.model.synthesis(y_hat, problem.gain_index, *self.size)
        bits = section_bits(problem.model.prior(problem.prior), y_hat, problem.gain_index, z_hat)
        return problem.lagrangian(picture, bits, *self.area)


def integers(values: Tensor) -> np.ndarray:
    """Whole numbers (1, C, h, w) as int16 (h, w, C)."""
    return np.ascontiguousarray(values.detach()[0].permute(1, 2, 0).to(torch.int16).cpu().numpy())


@dataclass(frozen=True, eq=False)
class Part:
    """The latents of a tile that are the best so far, ẑ None where h_a chooses it; how much of the search they took."""

    y_hat: np.ndarray
    z_hat: np.ndarray | None
    fraction: float


# What searches a window, given ŷ and ẑ of the whole image, the number of the tile and what to tell before each step.
Search = Callable[[Window, np.ndarray, np.ndarray | None, int, Progress], Iterator[Part]]


def tile_by_tile(
    problem: Problem, y_hat: np.ndarray, z_hat: np.ndarray | None, search: Search, progress: Progress
) -> Iterator[Candidate]:
    """Candidates that are each better than the one before, from ŷ int16 (h, w, M) and ẑ, which are not changed.

    `progress` is told the fraction done before every step.
    """
    soft = SoftCodec(problem.model, problem.prior, problem.gain_index, reach=int(np.abs(y_hat).max()) + 8)
    found = list(problem.tiles())
    best_y, best_z = y_hat.copy(), None if z_hat is None else z_hat.copy()
    for number, tile in enumerate(found):
        before, share = number / len(found), 1 / len(found)

        def tell(fraction: float, before: float = before, share: float = share) -> None:
            progress(before + share * fraction)

        for part in search(Window(problem, soft, tile), best_y, best_z, number, tell):
            best_y[tile.rows, tile.columns] = part.y_hat
            if best_z is not None and part.z_hat is not None:
                best_z[shrunk(tile.rows), shrunk(tile.columns)] = part.z_hat
            fraction = min(before + share * part.fraction, 0.999)
            yield Candidate(best_y.copy(), None if best_z is None else best_z.copy(), fraction)
    # Tiles were judged with their surroundings cut off: the whole image decides.
    better = problem.cost(best_y, best_z) < problem.cost(y_hat, z_hat)
    yield Candidate(best_y, best_z, 1.0) if better else Candidate(y_hat, z_hat, 1.0)
