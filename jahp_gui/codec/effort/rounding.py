"""Effort 1: one pass of rate–distortion-optimised rounding.

The plainly rounded latents are synthesised once, and the gradient of the distortion tells for each which neighbouring
integer would make the picture better: it knows what the errors of all latents add up to, which rounding them one by
one cannot. ΔD(δ) = g·δ + w·δ² with the gradient g and a curvature w from the synthesis' linear part. The rate is that
of the image's own statistics per channel, which costs no pass of the entropy networks.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from jahp_gui.codec.distortion import distortion, seen
from jahp_gui.codec.effort.search import Problem, ignore
from jahp_gui.codec.entropy_coder import LATENT_LIMIT
from jahp_gui.codec.latent_coding import Progress
from jahp_gui.codec.model import position
from jahp_gui.codec.precision import fast_products
from jahp_gui.codec.tiling import Tile, pixels
from jahp_gui.codec.transforms import STRIDE, EfficientSynthesis, planes

# Both fitted on validation images, for BD-rate over all λ. Many latents move at once and their changes meet in the same
# pixels: the curvature that each must reckon with is twice its own. The statistics of a channel overrate a latent's
# cost, since the prior knows more.
CURVATURE = 2.0
RATE_SHARE = 0.7
MAGNITUDES = 64  # |ŷ| whose frequency is counted; larger ones cost what the last does
COUNTED = 2048  # latent positions counted at a time
RARE = 3  # occurrences below which a count says little, and a geometric distribution takes its place
PROBE_SIDE = 16  # latent positions of the probe for transforms without a linear part


def rounded(problem: Problem, progress: Progress = ignore) -> tuple[np.ndarray, "Curvature"]:
    """ŷ int16 (h, w, M), and what was found to choose it by.

    `progress` is told the fraction done before every tile, and 1 while a result is made sure of.
    """
    y_hat = problem.model.quantise(problem.y, problem.gain_index)
    gradient = distortion_gradient(problem, y_hat, progress)
    curvature = Curvature(problem, y_hat, gradient)
    bits = magnitude_bits(y_hat)
    chosen = np.empty_like(y_hat)
    for tile in problem.tiles():
        part = tile.rows, tile.columns
        chosen[part] = choose(y_hat[part], gradient[part], CURVATURE * curvature.of(*part), bits)
    if problem.model.card.objective == "mse":
        return chosen, curvature
    # MS-SSIM is no quadratic: what looked better is made sure of, which takes the time of another rounding.
    return min((y_hat, chosen), key=lambda latents: problem.cost(latents, lambda _: progress(1.0))), curvature


def choose(plain: np.ndarray, gradient: np.ndarray, curvature: np.ndarray, bits: np.ndarray) -> np.ndarray:
    """The best of: the latent itself, its two neighbours, and zero. All (h, w, M); `bits` (M, MAGNITUDES)."""
    channels = np.arange(plain.shape[2])
    start = plain.astype(np.int64)
    now = bits[channels, np.abs(start).clip(max=MAGNITUDES - 1)]
    best, least = start, np.zeros(plain.shape)
    for option in (start - 1, start + 1, np.zeros_like(start)):
        step = option - start
        rate = bits[channels, np.abs(option).clip(max=MAGNITUDES - 1)] - now
        cost = gradient * step + curvature * step**2 + RATE_SHARE * rate
        better = cost < least
        best, least = np.where(better, option, best), np.where(better, cost, least)
    return best.clip(-LATENT_LIMIT, LATENT_LIMIT).astype(np.int16)


def magnitude_bits(y_hat: np.ndarray) -> np.ndarray:
    """What |ŷ| costs in each channel by how often it occurs in this image: float64 (M, MAGNITUDES)."""
    channels = y_hat.shape[2]
    flat = y_hat.reshape(-1, channels)
    counts, total = np.zeros(channels * MAGNITUDES, np.int64), np.zeros(channels, np.int64)
    for start in range(0, len(flat), COUNTED):  # magnitudes of the whole would take many times its memory
        magnitude = np.abs(flat[start : start + COUNTED].astype(np.int64))
        index = np.arange(channels) * MAGNITUDES + magnitude.clip(max=MAGNITUDES - 1)
        counts += np.bincount(index.ravel(), minlength=len(counts))
        total += magnitude.sum(0)
    counts = counts.reshape(channels, MAGNITUDES)
    counted = -np.log2((counts + 0.05) / len(flat))
    counted[:, 1:] += 1  # the sign
    geometric = np.log2(1 + 1 / (total / len(flat) + 1e-3))[:, None] * np.arange(MAGNITUDES)
    return np.where(counts < RARE, counted[:, :1] + geometric, counted)


def distortion_gradient(problem: Problem, y_hat: np.ndarray, progress: Progress = ignore) -> np.ndarray:
    """∂(bits worth of distortion)/∂ŷ, float32 (h, w, M), where the distortion is λ·D·pixels."""
    gradient = np.empty(y_hat.shape, np.float32)
    synthesis = problem.model.copy_of_synthesis().to(problem.model.device)
    tiles = list(problem.tiles())
    for number, tile in enumerate(tiles):
        progress(number / len(tiles))
        gradient[tile.rows, tile.columns] = tile_gradient(problem, synthesis, y_hat, tile)[tile.inner]
    return gradient


def tile_gradient(problem: Problem, synthesis: nn.Module, y_hat: np.ndarray, tile: Tile) -> np.ndarray:
    model = problem.model
    window = tile.rows_with_margin, tile.columns_with_margin
    area = tuple(pixels(side, STRIDE, size) for side, size in zip(window, problem.rgb.shape[:2], strict=True))
    q = torch.from_numpy(y_hat[window].astype(np.float32)).to(model.device).requires_grad_(True)
    inverse = torch.from_numpy(model.inverse_gain_of(problem.gain_index)).to(model.device)
    ungained = (q * inverse).permute(2, 0, 1)[None].contiguous(memory_format=torch.channels_last)
    x = planes(problem.rgb[area]).to(model.device)
    with torch.enable_grad(), fast_products(model.device):
        x_hat = synthesis(ungained, position(problem.gain_index).to(model.device)).float()
        x_hat = x_hat[:, :, : x.shape[2], : x.shape[3]].clamp(0, 1)
        weights = problem.weights_of(*area)
        x_hat = x_hat if weights is None else seen(x, x_hat, torch.from_numpy(weights).to(model.device))
        total = problem.lmbda * distortion(model.card.objective, x, x_hat).sum() * x.shape[2] * x.shape[3]
    (gradient,) = torch.autograd.grad(total, q)
    return gradient.cpu().numpy()


class Curvature:
    """What a squared step of each latent adds to the distortion, in bits.

    The linear part says how channels compare, the gradient at the errors of rounding what they amount to: of a
    quadratic of curvature w it is 2·w·error.
    """

    def __init__(self, problem: Problem, y_hat: np.ndarray, gradient: np.ndarray):
        column = squared_columns(problem) * problem.model.inverse_gain_of(problem.gain_index) ** 2
        gain = problem.model.gain_of(problem.gain_index)
        self.column, self.share = column, shares(problem, *y_hat.shape[:2])
        agreement = energy = 0.0
        for row in range(len(y_hat)):
            error = y_hat[row] - problem.y[row] * gain
            agreement += float((gradient[row] * error).sum())
            energy += float((2 * self._relative(row) * error**2).sum())
        self.scale = max(agreement, 0.0) / max(energy, 1e-12)

    def _relative(self, rows: int | slice, columns: slice = slice(None)) -> np.ndarray:
        return self.column if self.share is None else self.column * self.share[rows, columns, None]

    def of(self, rows: slice, columns: slice) -> np.ndarray:
        """Of a part of the image: float32 (M,), or where pixels have weights (h, w, M)."""
        return self.scale * self._relative(rows, columns)


def squared_columns(problem: Problem) -> np.ndarray:
    """‖V_c‖² of the synthesis as a linear map, per channel of the ungained latents: float32 (M,)."""
    synthesis = problem.model.copy_of_synthesis()
    if isinstance(synthesis, EfficientSynthesis):
        return (synthesis.shortcut.weight.detach()[:, :, 0, 0] ** 2).sum(0).cpu().numpy()
    # Without a shortcut: what random signs in the pixels give in the latents, by the transposed map at zero.
    y = torch.zeros(1, problem.y.shape[2], PROBE_SIDE, PROBE_SIDE, requires_grad=True)
    with torch.enable_grad():
        picture = synthesis(y, position(problem.gain_index))
    signs = torch.randint(0, 2, picture.shape, generator=torch.Generator().manual_seed(0)) * 2.0 - 1
    (answer,) = torch.autograd.grad((picture * signs).sum(), y)
    return (answer**2).mean((0, 2, 3)).numpy()


def shares(problem: Problem, height: int, width: int) -> np.ndarray | None:
    """The mean weight of each latent's 16×16 pixels: float32 (h, w); None without weights."""
    weights = problem.weights_of(slice(None), slice(None))
    if weights is None:
        return None
    plane = torch.from_numpy(weights)[None, None]
    padding = (0, width * STRIDE - plane.shape[3], 0, height * STRIDE - plane.shape[2])
    return F.avg_pool2d(F.pad(plane, padding, mode="replicate"), STRIDE)[0, 0].numpy()
