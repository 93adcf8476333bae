"""Weights of the networks that run in ordinary floats, as a model file stores them.

Matrices of the residual paths are int8 with one float32 scale per output channel; everything else is float16. The
linear shortcuts and the layers next to the pixels stay float16, for they carry the picture; gains stay float32, for
they set the rate. A change of weights (`compact_change`) is stored coarser than they are.
"""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from jahp_gui.codec.errors import ModelError

SCALE = ".scale"  # suffix of the array that holds the scales of an int8 one
CHANGE_LEVELS = 10  # either side of zero, of a change of weights
FINE = ("shortcut.", "at4.", "pixels.", "out.")  # not int8: few weights, and the last word on every pixel


def compact(module: nn.Module, prefix: str) -> dict[str, np.ndarray]:
    """The arrays of a module's weights, names starting with `prefix`."""
    arrays: dict[str, np.ndarray] = {}
    for name, value in module.state_dict().items():
        key, weights = f"{prefix}.{name}", value.detach().float().cpu().numpy()
        if name.startswith("log_"):
            arrays[key] = weights
        elif weights.ndim < 4 or name.startswith(FINE):
            arrays[key] = weights.astype(np.float16)
        else:
            arrays |= in_levels(key, weights, 127)
    return arrays


def in_levels(key: str, weights: np.ndarray, levels: int) -> dict[str, np.ndarray]:
    """Matrices as int8 of at most `levels` either side of zero, and the scale of each output channel."""
    scale = np.maximum(np.abs(weights).max(axis=(1, 2, 3), keepdims=True), 1e-12) / levels
    return {key: np.rint(weights / scale).astype(np.int8), key + SCALE: scale.astype(np.float32)}


def expand(module: nn.Module, arrays: Mapping[str, np.ndarray], prefix: str) -> None:
    """Give a module built on the meta device its weights. Raises `ModelError` where they do not fit."""
    try:
        module.load_state_dict(weights_of(arrays, prefix), assign=True)
    except RuntimeError as error:
        raise ModelError("The weights do not fit the configuration on the model's card; install it again.") from error
    module.eval().requires_grad_(False)


def weights_of(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[str, Tensor]:
    """The stored weights of one module in float32, by their names in it."""
    start = prefix + "."
    state: dict[str, Tensor] = {}
    for name, value in arrays.items():
        if name.startswith(start) and not name.endswith(SCALE):
            weights = value.astype(np.float32)
            if name + SCALE in arrays:
                weights *= arrays[name + SCALE]
            state[name.removeprefix(start)] = torch.from_numpy(weights)
    return state


def compact_change(before: nn.Module, after: nn.Module, prefix: str) -> dict[str, np.ndarray]:
    """The arrays of what was added to a module's weights, for those that were changed, as `add_change` reads them.

    Matrices have few levels: what is lost is a hundredth of what the change does.
    """
    arrays: dict[str, np.ndarray] = {}
    old = before.state_dict()
    for name, value in after.state_dict().items():
        change, key = (value - old[name]).detach().float().cpu().numpy(), f"{prefix}.{name}"
        if change.ndim < 4 and change.any():
            arrays[key] = change.astype(np.float16)
        elif change.any():
            arrays |= in_levels(key, change, CHANGE_LEVELS)
    return arrays


def add_change(module: nn.Module, arrays: Mapping[str, np.ndarray], prefix: str) -> None:
    """Add the arrays of `compact_change` to the weights of a module. Raises `ModelError` where they do not fit."""
    state = module.state_dict()
    for name, change in weights_of(arrays, prefix).items():
        if name not in state or state[name].shape != change.shape:
            raise ModelError(f"The change of '{prefix}.{name}' fits no weights of the model; install it again.")
        state[name] += change
