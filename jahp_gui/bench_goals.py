"""What the comparison with CompressAI's mbt2018 compares, and how many times faster we mean to be. Without torch."""

TASKS = ("encode", "decode")
GOALS = {"paper": (8, 12), "default": (15, 30)}  # encode, decode
NAMES = {"paper": "the same architecture, random weights", "default": "the shipped default"}
