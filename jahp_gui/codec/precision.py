"""How exactly the networks that run in ordinary floats compute. Entropy networks have arithmetic of their own."""

from contextlib import AbstractContextManager, nullcontext
from functools import cache

import torch
from torch import nn

from jahp_gui.codec.transforms import EfficientSynthesis


@cache
def multiplies_bfloat16() -> bool:
    """Whether this processor has instructions for it; imitated, it takes twice the time of float32."""
    # Private names: without them, in another release of torch, there is no more to it than speed.
    names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, name, bool)() for name in names)


def fast_products(device: str) -> AbstractContextManager[None]:
    """bfloat16 where the device multiplies it: a search needs directions, and its end is judged by exact costs."""
    if device == "cuda" or multiplies_bfloat16():
        return torch.autocast(device, dtype=torch.bfloat16)
    return nullcontext()


def full_precision(device: str) -> AbstractContextManager[None]:
    """GPUs round the inputs of convolutions to ten bits unless they are told not to."""
    return torch.backends.cudnn.flags(enabled=True, allow_tf32=False) if device == "cuda" else nullcontext()


def picture_precision(device: str, synthesis: nn.Module) -> AbstractContextManager[None]:
    """bfloat16 on processors that multiply it, where a linear shortcut, which stays float32, carries the picture.

    In half the time; a few percent of the pixels differ, nearly all by one grey level (RECIPES.md: 0.001 dB).
    """
    is_carried = device == "cpu" and isinstance(synthesis, EfficientSynthesis)
    return fast_products(device) if is_carried else full_precision(device)
