"""The order in which latents are coded.

With a 5×5 type-A mask every neighbour of (y, x) has a smaller t = x + 3·y, so that all positions of one t, a front,
can be decoded together: w + 3·(h − 1) steps instead of h·w, with no change to the model.
"""

import numpy as np

RASTER_RUN = 128  # positions a step where no context orders them


def wavefronts(height: int, width: int) -> list[np.ndarray]:
    """Raster indices of each front in turn, top to bottom within a front; fronts without a position are left out."""
    y, x = np.divmod(np.arange(height * width), width)
    front = x + 3 * y
    order = np.lexsort((y, front))
    return np.split(order, np.flatnonzero(np.diff(front[order])) + 1)


def raster_runs(height: int, width: int) -> list[np.ndarray]:
    """Raster indices in runs of at most `RASTER_RUN`."""
    positions = np.arange(height * width)
    return np.split(positions, np.arange(RASTER_RUN, height * width, RASTER_RUN))


def raster_steps(height: int, width: int) -> list[np.ndarray]:
    """Raster indices one by one: the order of a decoder that does not know about fronts."""
    return list(np.arange(height * width)[:, None])
