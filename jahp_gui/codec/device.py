"""Where the transforms run. Entropy networks always run on the processor: a file's ŷ is the same everywhere."""

from jahp_gui.codec.errors import UsageError

DEVICES = ("auto", "cpu", "cuda")


def choose_device(wanted: str = "auto") -> str:
    """ "cpu" or "cuda" of one of `DEVICES`; auto takes a GPU where torch can use one. Raises `UsageError`."""
    if wanted == "cpu":
        return wanted  # without importing torch
    import torch

    usable = torch.cuda.is_available()
    if wanted == "cuda" and not usable:
        raise UsageError("There is no GPU here that torch can use; choose --device cpu or auto.")
    return "cuda" if usable else "cpu"
