"""Guided lessons: Markdown files that set the real application up, ask, and show what it then measures."""
