"""What was measured: one row per image, codec and setting, and the file that keeps rows while a run lasts."""

import csv
import dataclasses
import io
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from jahp_gui.codec.errors import OutputError

Key = tuple[str, str, str, str, float]


@dataclass(frozen=True)
class Row:
    """One real file of one image.

    codec: "<model>/<prior>", with " effort N" where latents were searched, or the key of a classical codec. version:
    digest of the model's weights, with that of the search and the device, or the library and settings of a classical
    codec. setting: λ, or the classical codec's quality. sha256: the first 16 digits of the
    image file's. bpp counts every byte of the file. psnr is in dB over 8-bit RGB, None where the picture is identical;
    ms_ssim is linear, None where a side of the image is too short for it. Seconds exclude reading files and weights.
    """

    image: str
    sha256: str
    width: int
    height: int
    codec: str
    version: str
    setting: float
    bytes: int
    bpp: float
    psnr: float | None
    ms_ssim: float | None
    encode_seconds: float
    decode_seconds: float

    @property
    def key(self) -> Key:
        """What the numbers depend on: equal keys, equal rows (seconds aside)."""
        return self.image, self.sha256, self.codec, self.version, self.setting


def rows_to_csv(rows: Iterable[Row]) -> str:
    """A header and one line per row; empty where a row has None."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = [field.name for field in dataclasses.fields(Row)]
    writer.writerow(names)
    writer.writerows([getattr(row, name) for name in names] for row in rows)
    return text.getvalue()


class RowCache:
    """Rows measured so far, one JSON object a line: a run that was stopped goes on from here.

    Raises `OutputError` when the file cannot be read or written.
    """

    def __init__(self, path: Path):
        self._path = path
        self.rows: dict[Key, Row] = {}
        self._ends_with_line = True
        if path.exists():
            self._read()

    def _read(self) -> None:
        try:
            text = self._path.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            raise OutputError(
                f"The rows measured so far cannot be read from {self._path} ({error.strerror})."
            ) from error
        self._ends_with_line = text.endswith("\n") or not text
        for line in text.splitlines():
            try:
                row = Row(**json.loads(line))
            except (ValueError, TypeError):  # cut short when the run was killed, or of another version: measured again
                continue
            self.rows[row.key] = row

    def add(self, row: Row) -> None:
        """Keep a row, in the file before anything else happens."""
        try:
            with open(self._path, "a", encoding="utf-8") as file:
                file.write("" if self._ends_with_line else "\n")
                file.write(json.dumps(dataclasses.asdict(row), allow_nan=False) + "\n")
        except OSError as error:
            raise OutputError(f"The measured rows cannot be kept in {self._path} ({error.strerror}).") from error
        self._ends_with_line = True
        self.rows[row.key] = row
