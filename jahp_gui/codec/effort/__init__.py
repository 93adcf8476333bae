"""The encoder's search: better latents for the same λ.

The decoder fixes what a file means; which latents to write is the encoder's choice. Effort 0 rounds. Effort 1 chooses
among the neighbouring integers by rate and distortion (`rounding`). Efforts 2 and 3 move all latents of the image
together, step after step, by gradients through synthesis transform and prior (`mean_field`), and write for a synthesis
that was trained on such latents, where the model has one (`Model.for_searched`).
"""

from jahp_gui.codec.effort.search import STEPS, Candidate, Problem, best_found, ignore, search

__all__ = ["STEPS", "Candidate", "Problem", "best_found", "ignore", "search"]
