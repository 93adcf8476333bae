"""What is searched for, what a solution costs, and the levels of effort."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from jahp_gui.codec.choices import EFFORTS
from jahp_gui.codec.distortion import distortion_of_picture
from jahp_gui.codec.errors import UsageError
from jahp_gui.codec.latent_coding import Progress, section_bits
from jahp_gui.codec.model import Model
from jahp_gui.codec.precision import undisturbed
from jahp_gui.codec.priors.hyper import ANALYSIS_MARGIN, HYPER_STRIDE
from jahp_gui.codec.tiling import Tile, synthesis_margin, tiles

STEPS = {2: 12, 3: 40}  # of `mean_field`
TILE_SIDE = 48  # latent positions: 768 pixels, half of the memory of the transforms' tiles
WEIGHT_FLOOR = 1e-3  # a weight of zero would let the search write anything there


def ignore(fraction: float) -> None:
    """Nobody asks how far a search is."""


@dataclass(frozen=True, eq=False)
class Problem:
    """Latents of one image to be chosen for the least λ·D + bpp.

    model: whose synthesis costs are of; a search takes the one for its effort (`Model.for_effort`). rgb: uint8
    (H, W, 3). y: float32 (h, w, M), its analysis. weights: float32 (H, W) in 0 … 1, how much the squared error of each
    pixel counts (for MS-SSIM: the error's share that is seen, squared); None where all count fully.
    """

    model: Model
    rgb: np.ndarray
    y: np.ndarray
    prior: str
    gain_index: int
    weights: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.weights is not None and self.weights.shape != self.rgb.shape[:2]:
            raise UsageError(
                f"The mask is {self.weights.shape[1]} × {self.weights.shape[0]} pixels and the image "
                f"{self.rgb.shape[1]} × {self.rgb.shape[0]}; make them the same size."
            )
        if self.weights is not None and not (np.min(self.weights) >= 0 and np.max(self.weights) <= 1):  # NaN is neither
            raise UsageError("The weights of a mask are from 0 to 1; divide those of a grey image by 255.")

    @property
    def lmbda(self) -> float:
        return self.model.lmbda(self.gain_index)

    @property
    def margin(self) -> int:
        """Latent positions around a tile that its pixels and its rate depend on, a multiple of the hyper-stride."""
        reach = max(synthesis_margin(self.model.config), ANALYSIS_MARGIN)
        return reach + -reach % HYPER_STRIDE

    def tiles(self) -> Iterator[Tile]:
        """The parts of the image that are searched one after the other."""
        height, width, _ = self.y.shape
        return tiles(height, width, self.margin, TILE_SIDE)

    def weights_of(self, rows: slice, columns: slice) -> np.ndarray | None:
        """The weights of a part of the image, none of them zero."""
        return None if self.weights is None else np.maximum(self.weights[rows, columns], WEIGHT_FLOOR)

    def cost(self, y_hat: np.ndarray, progress: Progress = ignore) -> float:
        """λ·D + bpp of the whole image, of the 8-bit picture and the coder's own tables, with the ẑ of h_a.

        `progress` is told now and then that this goes on: the fraction of the picture or of the latents.
        """
        height, width, _ = self.rgb.shape
        prior = self.model.prior(self.prior)
        z_hat = prior.side_information(y_hat, self.gain_index)
        picture = self.model.synthesis(y_hat, self.gain_index, height, width, progress)
        return self.lagrangian(picture, section_bits(prior, y_hat, self.gain_index, z_hat, progress))

    def lagrangian(self, picture: np.ndarray, bits: float) -> float:
        """λ·D + bpp, given the picture uint8 (H, W, 3) and the bits of its latents."""
        weights = self.weights_of(slice(None), slice(None))
        error = distortion_of_picture(self.model.card.objective, self.rgb, picture, weights)
        return self.lmbda * error + bits / (picture.shape[0] * picture.shape[1])


@dataclass(frozen=True, eq=False)
class Candidate:
    """Latents that can be written: ŷ int16 (h, w, M), how much of the search they took, and the model they are for.

    fraction: 0 … 1. Only what was found by steps of effort 2 and 3 is written for the synthesis for searched latents.
    """

    y_hat: np.ndarray
    fraction: float
    model: Model


def search(problem: Problem, effort: int, progress: Progress = ignore) -> Iterator[Candidate]:
    """Better and better latents; whoever iterates may stop at any time and keep the last.

    The first comes after the time of a rounding, and only where the model is made for MS-SSIM is it sure not to be
    worse. `progress` is told the fraction done before every step; whatever it raises ends the search. Raises
    `UsageError` for an effort there is not.
    """
    if effort not in EFFORTS:
        raise UsageError(f"The effort is one of {', '.join(map(str, EFFORTS))}, not {effort}.")
    plain = replace(problem, model=problem.model.plain)
    if effort == 0:
        if problem.weights is not None:
            raise UsageError("A mask needs an effort of 1 or more: plain rounding treats all pixels alike.")
        yield Candidate(plain.model.quantise(problem.y, problem.gain_index), 1.0, plain.model)
        return
    from jahp_gui.codec.effort.rounding import rounded

    steps = STEPS.get(effort, 0)
    # Beside the steps that may follow, rounding is nothing.
    y_hat, curvature = rounded(plain, (lambda _: progress(0.0)) if steps else progress)
    yield Candidate(y_hat, 0.0 if steps else 1.0, plain.model)
    if steps:
        from jahp_gui.codec.effort.mean_field import settled

        # The curvature is that of the plain synthesis: what is read off rounded latents by the other finds less.
        searched = replace(problem, model=problem.model.for_effort(effort))
        yield from settled(searched, Candidate(y_hat, 0.0, plain.model), curvature, steps, progress)


@undisturbed()
def best_found(problem: Problem, effort: int, progress: Progress = ignore) -> Candidate:
    """The last candidate of a `search`."""
    # Each is better than the one before, and of a large image there are hundreds of tens of megabytes.
    (found,) = deque(search(problem, effort, progress), maxlen=1)
    return found
