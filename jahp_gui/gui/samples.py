"""Sample photos: those that ship inside scikit-image's wheel, read as files, since importing it takes its time."""

from importlib.util import find_spec
from pathlib import Path

FIRST = "astronaut"
_FILES = {
    FIRST: "astronaut.png",
    "chelsea": "chelsea.png",
    "coffee": "coffee.png",
    "rocket": "rocket.jpg",
    "hubble": "hubble_deep_field.jpg",
}


def path_of(name: str) -> Path:
    """The file of a sample; raises KeyError for a name that is none."""
    spec = find_spec("skimage")
    folders = list(spec.submodule_search_locations or []) if spec else []
    return Path(folders[0] if folders else ".") / "data" / _FILES[name]


def names() -> list[str]:
    """The samples that this installation has."""
    return [name for name in _FILES if path_of(name).is_file()]
