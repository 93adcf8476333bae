"""How exactly a search computes."""

import contextlib

import torch


def fast_products(device: str) -> contextlib.AbstractContextManager:
    """bfloat16 where the device multiplies it: a search needs directions, and its end is judged by exact costs."""
    if device == "cuda" or torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return torch.autocast(device, dtype=torch.bfloat16)
    return contextlib.nullcontext()
