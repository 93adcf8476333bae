"""Where the transforms run. Entropy networks always run on the processor: a file's ŷ is the same everywhere."""

from jahp_gui.codec.errors import UsageError

DEVICES = ("auto", "cpu", "cuda")


def choose_device(wanted: str = "auto") -> str:
    """One of `DEVICES`, or what else torch calls one; auto is a GPU where torch can use one. Raises `UsageError`."""
    if wanted == "cpu":
        return wanted  # without importing torch
    import torch

    usable = torch.cuda.is_available()
    if wanted == "auto":
        return "cuda" if usable else "cpu"
    try:
        kind = torch.device(wanted).type
    except RuntimeError as error:
        raise UsageError(f"The device is one of {', '.join(DEVICES)}, not {wanted}.") from error
    if kind == "cuda" and not usable:
        raise UsageError("There is no GPU here that torch can use; choose --device cpu or auto.")
    return wanted
