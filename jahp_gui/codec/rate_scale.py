"""λ and the integer that stands for it in a file. Imports neither torch nor numpy: `jahp info` needs it at once.

A gain position t runs from 0 to A − 1 over the A anchor λ. A file stores it in sixteenths, the gain index.
"""

import bisect
import math
from collections.abc import Sequence

STEPS_PER_ANCHOR = 16


def default_lmbda(anchors: Sequence[float]) -> float:
    """The λ of a model where none is chosen: the last anchor before the middle, 0.0128 of 0.0016 … 0.2."""
    return anchors[(len(anchors) - 1) // 2]


def gain_index_count(anchors: Sequence[float]) -> int:
    """Number of gain indices of a model: 16 per anchor step and one more for the last anchor."""
    return STEPS_PER_ANCHOR * (len(anchors) - 1) + 1


def gain_index_of(lmbda: float, anchors: Sequence[float]) -> int:
    """The gain index whose λ is nearest on a log scale; λ outside the anchors goes to the nearest end."""
    lmbda = min(max(lmbda, anchors[0]), anchors[-1])
    low = min(bisect.bisect_right(anchors, lmbda) - 1, len(anchors) - 2)
    fraction = math.log(lmbda / anchors[low]) / math.log(anchors[low + 1] / anchors[low])
    return round(STEPS_PER_ANCHOR * (low + fraction))


def lmbda_of(gain_index: int, anchors: Sequence[float]) -> float:
    """The λ that a gain index stands for: log-linear between the anchors."""
    low, step = divmod(gain_index, STEPS_PER_ANCHOR)
    if step == 0:
        return anchors[low]
    return anchors[low] * (anchors[low + 1] / anchors[low]) ** (step / STEPS_PER_ANCHOR)
