"""How exactly the networks that run in ordinary floats compute. Entropy networks have arithmetic of their own.

A device is what torch calls one: "cpu", "cuda", "cuda:1".
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
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
    kind = torch.device(device).type
    if kind == "cuda" or multiplies_bfloat16():
        return torch.autocast(kind, dtype=torch.bfloat16)
    return nullcontext()


def full_precision(device: str) -> AbstractContextManager[None]:
    """GPUs round the inputs of convolutions to ten bits unless they are told not to."""
    if torch.device(device).type != "cuda":
        return nullcontext()
    cudnn = torch.backends.cudnn
    return cudnn.flags(enabled=True, benchmark=cudnn.benchmark, deterministic=cudnn.deterministic, allow_tf32=False)


@contextmanager
def undisturbed() -> Iterator[None]:
    """torch as a new process has it, whatever the caller's loop has set for its own networks.

    Autocast would round ours, another default device would make tensors that ours do not fit, and without gradients no
    search could descend.
    """
    with ExitStack() as stack:
        for device in ("cpu", "cuda"):
            if torch.is_autocast_enabled(device):
                stack.enter_context(torch.autocast(device, enabled=False))
        if torch.is_inference_mode_enabled():
            stack.enter_context(torch.inference_mode(False))
        if not torch.is_grad_enabled():
            stack.enter_context(torch.enable_grad())
        if torch.get_default_device().type != "cpu":
            stack.enter_context(torch.device("cpu"))
        yield


def picture_precision(device: str, synthesis: nn.Module) -> AbstractContextManager[None]:
    """bfloat16 on processors that multiply it, where a linear shortcut, which stays float32, carries the picture.

    In half the time; a few percent of the pixels differ, nearly all by one grey level (RECIPES.md: 0.001 dB).
    """
    is_carried = torch.device(device).type == "cpu" and isinstance(synthesis, EfficientSynthesis)
    return fast_products(device) if is_carried else full_precision(device)
