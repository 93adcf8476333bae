"""Where the files that travel with the program lie: beside the package in a checkout, inside it in a wheel."""

import os
from pathlib import Path

from jahp_gui.codec.errors import JahpError

_PACKAGE = Path(__file__).resolve().parent


def assets_dir() -> Path:
    """Folder of icons, reference curves and lessons; raises JahpError when the installation lacks it."""
    return _data_dir("assets", _PACKAGE)


def models_dir() -> Path:
    """Folder of the weights and model cards; raises JahpError when the installation lacks it."""
    return _data_dir("models", _PACKAGE)


def user_models_dir() -> Path:
    """Folder of the user's own models; it need not exist."""
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "jahp" / "models"


def _data_dir(name: str, package: Path) -> Path:
    # A wheel carries `assets/` as `jahp_gui/_assets/`. It is looked for first: above an installed package lies
    # site-packages, where a folder of that plain name would be somebody else's.
    for folder in (package / f"_{name}", package.parent / name):
        if folder.is_dir():
            return folder
    raise JahpError(f"The folder '{name}' is missing from this installation of JAHP Explorer: install it again.")
