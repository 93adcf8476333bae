"""The encoder's search: better latents for the same decoder.

The decoder fixes what a file means; which latents to write is the encoder's choice. Effort 0 rounds. Effort 1 chooses
among the neighbouring integers by rate and distortion (`rounding`). Effort 2 moves all latents of the image together,
pass after pass, by gradients through synthesis transform and prior (`descent`). Effort 3 goes on from there, with
latents that are not yet integers (`annealing`).
"""

from jahp_gui.codec.effort.search import ANNEALING_STEPS, Candidate, Problem, ignore, search

__all__ = ["ANNEALING_STEPS", "Candidate", "Problem", "ignore", "search"]
