"""Target sizes and qualities as the user writes them, and as the codec takes them."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jahp_gui.codec.target import Target

UNITS = {"bpp": "bpp", "bytes": "kB", "psnr": "dB"}
RANGES = {"bpp": (0.01, 24.0, 0.5, 3), "bytes": (0.1, 100_000.0, 40.0, 1), "psnr": (10.0, 60.0, 35.0, 2)}
"""(least, most, where it starts, decimals) of each kind, in its unit."""


def codec_target(kind: str, value: float) -> "Target":
    """`value` in the unit of UNITS. Called in a job: it loads torch."""
    from jahp_gui.codec.target import Target

    return Target(kind, value * 1000 if kind == "bytes" else value)
