"""Sample photos: those that ship inside scikit-image's wheel, read as files, since importing it takes its time."""

from functools import cache
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
    return _folder() / _FILES[name]


@cache
def _folder() -> Path:
    spec = find_spec("skimage")
    folders = list(spec.submodule_search_locations or []) if spec else []
    return Path(folders[0] if folders else ".") / "data"


def is_sample(path: Path) -> bool:
    """Whether a file is one of the samples: nothing is to be written beside it."""
    return path.parent == _folder()


def names() -> list[str]:
    """The samples that this installation has."""
    return [name for name in _FILES if path_of(name).is_file()]
