"""The size of a file from a part of its latents, in a fraction of the time. Importing it loads no torch."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from jahp_gui.codec.model import Model

SAMPLE_BLOCKS, SAMPLE_BLOCK = (3, 5), 8  # rows and columns of blocks, latent positions along a block's side
CURVE_BLOCKS = (2, 3)  # for a first look
USUAL_HEADER = 38  # bytes of header and checksum, to estimate a file from its sections


def sample_of(y: np.ndarray, blocks: tuple[int, int] = SAMPLE_BLOCKS) -> tuple[np.ndarray, float]:
    """Blocks of SAMPLE_BLOCK² positions of y (h, w, M), evenly spread and put together to a small picture's latents.

    Also which share of all positions they are. Latents of few positions are returned as they are.
    """
    height, width, _ = y.shape
    rows, columns = blocks
    side = SAMPLE_BLOCK
    if height <= rows * side or width <= columns * side:
        return y, 1.0
    tops, lefts = (_spread(count, length - side) for count, length in ((rows, height), (columns, width)))
    strips = [np.concatenate([y[top : top + side, left : left + side] for left in lefts], 1) for top in tops]
    return np.concatenate(strips), rows * columns * side**2 / (height * width)


def _spread(count: int, last: int) -> np.ndarray:
    """Starts of blocks from 0 to `last`, each in the middle of its share: margins are like no other part of images."""
    return ((np.arange(count) + 0.5) * last / count).astype(int)


def sampled_bytes(model: "Model", sample: np.ndarray, prior: str, gain_index: int) -> float:
    """What the latents of a sample cost, a little too much: the blocks' edges know less of their surroundings."""
    from jahp_gui.codec.latent_coding import section_bits

    frozen, y_hat = model.prior(prior), model.quantise(sample, gain_index)
    return section_bits(frozen, y_hat, gain_index, frozen.side_information(y_hat, gain_index)) / 8
