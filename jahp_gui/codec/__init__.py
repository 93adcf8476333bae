"""The codec core. `Model`, `encode`, `decode`, `analyse` and `encode_to_target` are the Python API.

They are imported when first used: a container can be read, and `jahp info` can answer, without torch.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jahp_gui.codec.codec import Analysis, Decoded, Encoded, analyse, decode, encode
    from jahp_gui.codec.model import Model
    from jahp_gui.codec.target import Target, encode_to_target

__all__ = ["Analysis", "Decoded", "Encoded", "Model", "Target", "analyse", "decode", "encode", "encode_to_target"]
_MODULES = {"Model": "model", "Target": "target", "encode_to_target": "target"}  # the others are in `codec.codec`


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'jahp_gui.codec' has no attribute '{name}'")
    from importlib import import_module

    return getattr(import_module(f"jahp_gui.codec.{_MODULES.get(name, 'codec')}"), name)
