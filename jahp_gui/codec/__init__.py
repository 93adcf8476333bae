"""The codec core. `Model`, `encode`, `decode` and `analyse` are the Python API.

They are imported when first used: a container can be read, and `jahp info` can answer, without torch.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jahp_gui.codec.codec import Analysis, Decoded, Encoded, analyse, decode, encode, encode_to_target
    from jahp_gui.codec.model import Model

__all__ = ["Analysis", "Decoded", "Encoded", "Model", "analyse", "decode", "encode", "encode_to_target"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'jahp_gui.codec' has no attribute '{name}'")
    from importlib import import_module

    return getattr(import_module("jahp_gui.codec.model" if name == "Model" else "jahp_gui.codec.codec"), name)
