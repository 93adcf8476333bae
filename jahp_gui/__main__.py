"""`python -m jahp_gui` is the command `jahp`."""

import sys

from jahp_gui.cli import main

if __name__ == "__main__":
    sys.exit(main())
