"""Training: imports neither Qt nor constriction, so that it runs on a bare machine with torch, numpy and Pillow."""
