"""What is kept between two runs (QSettings): looks, geometry, the last images and codec settings."""

import math
from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QByteArray, QSettings

ORGANISATION, APPLICATION = "jahp", "explorer"
MAX_RECENT = 12


class Settings:
    """Typed access to the settings file."""

    def __init__(self, file: str | None = None):
        self._store = QSettings(file, QSettings.Format.IniFormat) if file else QSettings(ORGANISATION, APPLICATION)

    def text(self, key: str, default: str = "") -> str:
        return str(self._store.value(key, default))

    def one_of(self, key: str, known: Sequence[str], default: str) -> str:
        text = self.text(key, default)
        return text if text in known else default

    def number(self, key: str, default: float, low: float = -math.inf, high: float = math.inf) -> float:
        """Within low … high; the default where somebody has edited the file and it is no number."""
        try:
            value = float(self.text(key, str(default)))
        except ValueError:
            return default
        return min(max(value, low), high) if math.isfinite(value) else default

    def flag(self, key: str, default: bool) -> bool:
        return self.text(key, "true" if default else "false") == "true"

    def blob(self, key: str) -> QByteArray:
        value = self._store.value(key)
        return value if isinstance(value, QByteArray) else QByteArray()

    def paths(self, key: str) -> list[Path]:
        value = self._store.value(key, [])
        if isinstance(value, str):  # a list of one is read as its entry
            value = [value]
        entries = value if isinstance(value, list) else []
        return [Path(str(entry)) for entry in entries]

    def set(self, key: str, value: str | float | bool | QByteArray | list[Path]) -> None:
        if isinstance(value, bool):
            value = "true" if value else "false"
        self._store.setValue(key, [str(entry) for entry in value] if isinstance(value, list) else value)

    def add_recent(self, path: Path) -> None:
        others = [entry for entry in self.paths("recent") if entry != path]
        self.set("recent", [path, *others][:MAX_RECENT])

    @property
    def file(self) -> str:
        return self._store.fileName()

    def sync(self) -> bool:
        """Write what is not written yet; false where the file cannot be written."""
        self._store.sync()
        return self._store.isWritable() and self._store.status() == QSettings.Status.NoError
