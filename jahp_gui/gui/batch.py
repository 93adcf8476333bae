"""Compress a folder: the work and its dialog."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QCheckBox,
    QDialog,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from jahp_gui.codec import metrics
from jahp_gui.codec.errors import JahpError
from jahp_gui.codec.images import find_images, load_image
from jahp_gui.codec.output import write_atomically
from jahp_gui.commands.common import make_folder
from jahp_gui.gui import captions
from jahp_gui.gui.dialogs import add_row, table_of
from jahp_gui.gui.files import found
from jahp_gui.gui.i18n import tr
from jahp_gui.gui.jobs import Job, Jobs, sentence_of
from jahp_gui.gui.results import Choice
from jahp_gui.gui.session import Session
from jahp_gui.gui.work import ALL, use_cores

if TYPE_CHECKING:
    from jahp_gui.codec.model import Model


@dataclass(frozen=True)
class BatchRow:
    """How one file of a batch went: its size and rate, or why not."""

    name: str
    n_bytes: int = 0
    pixels: int = 0
    error: str = ""


def compress_folder(
    model: "Model", choice: Choice, source: Path, target: Path, job: Job, *, replace: bool = False
) -> list[BatchRow]:
    """Every image of a folder as a `.jahp` in another one; what fails is told and the rest goes on.

    target is made where it is missing. replace: write over files that were there before; never over that of an image of
    the same name, a.jpg and a.png.
    """
    from jahp_gui.codec.codec import encode

    use_cores(ALL)
    make_folder(str(target))
    paths, rows = find_images(source), []
    written: set[str] = set()
    for number, path in enumerate(paths):
        job.progress(number / len(paths))
        try:
            rgb = load_image(path).rgb
            height, width, _ = rgb.shape
            lmbda = model.lmbda(choice.gain_index)
            # What is refined for minutes is one image at a time; the region is of another image.
            encoded = encode(model, rgb, prior=choice.prior, lmbda=lmbda, effort=choice.unrefined.effort)
            name = path.stem.casefold()
            write_atomically(target / f"{path.stem}.jahp", encoded.data, force=replace and name not in written)
            written.add(name)
            row = BatchRow(path.name, len(encoded.data), width * height)
        except (JahpError, MemoryError, RuntimeError) as error:  # RuntimeError: torch has found no memory
            row = BatchRow(path.name, error=sentence_of(error))
        rows.append(row)
        job.progress(row)
    return rows


class BatchDialog(QDialog):
    """Compress a folder: where from, where to, with progress, summary and cancel."""

    def __init__(self, session: Session, jobs: Jobs, parent: QWidget | None = None):
        super().__init__(parent)
        self.session, self.jobs = session, jobs
        self.setWindowTitle(tr("Compress a folder"))
        self.resize(640, 460)
        self.source, self.target = QLineEdit(), QLineEdit()
        self.replace = QCheckBox(tr("Replace files that are there"))
        self.start_button, self.cancel_button = QPushButton(tr("Compress")), QPushButton(tr("Cancel"))
        self.setting, self.progress, self.summary = QLabel(), QProgressBar(), QLabel()
        self.summary.setTextFormat(Qt.TextFormat.PlainText)  # a file's name is never markup
        self.table = table_of([tr("Image"), tr("Result"), tr("Bytes"), "bpp"], self)
        self._rows: list[BatchRow] = []
        self._lay_out()
        self.source.textChanged.connect(self._refresh)
        self.start_button.clicked.connect(self.start)
        self.cancel_button.clicked.connect(self.cancel)
        for signal in (session.model_changed, session.choice_changed):
            signal.connect(self._refresh)
        self._refresh()

    def _lay_out(self) -> None:
        form = QFormLayout()
        form.addRow(tr("Images from"), self._folder_row(self.source, tr("Images from")))
        form.addRow(tr("Files to"), self._folder_row(self.target, tr("Files to")))
        self.target.setPlaceholderText(tr("the same folder"))
        form.addRow("", self.replace)
        form.addRow(tr("Setting"), self.setting)
        buttons = QHBoxLayout()
        buttons.addWidget(self.summary, 1)
        buttons.addWidget(self.cancel_button)
        buttons.addWidget(self.start_button)
        layout = QVBoxLayout(self)
        layout.addLayout(form)
        layout.addWidget(self.progress)
        layout.addWidget(self.table, 1)
        layout.addLayout(buttons)
        self.table.setAccessibleName(tr("Results"))
        self.progress.setAccessibleName(tr("Progress"))

    def _folder_row(self, entry: QLineEdit, name: str) -> QHBoxLayout:
        entry.setAccessibleName(name)
        browse = QPushButton(tr("Choose…"))
        browse.setAccessibleName(f"{name}: {tr('Choose…')}")
        browse.clicked.connect(lambda: self._browse(entry))
        row = QHBoxLayout()
        row.addWidget(entry, 1)
        row.addWidget(browse)
        return row

    def _browse(self, entry: QLineEdit) -> None:
        folder = QFileDialog.getExistingDirectory(self, tr("Choose a folder"), entry.text())
        if folder:
            entry.setText(folder)

    def _refresh(self) -> None:
        running = self.jobs.is_active("batch")
        ready = self.session.model is not None and found(Path(self.source.text() or "?").is_dir)
        self.start_button.setEnabled(ready and not running)
        self.cancel_button.setEnabled(running)
        if not running:  # else it is what the files are being made with
            self.setting.setText(self._setting_text())

    def _setting_text(self) -> str:
        choice = self.session.choice
        effort = f", {tr('effort')} 1" if choice.effort > 0 else ""
        lmbda = captions.lmbda_text(self.session.lmbda)
        return f"{captions.prior_name(choice.prior)}, λ {lmbda}, {choice.model_id}{effort}"

    def start(self) -> None:
        source = Path(self.source.text())
        target = Path(self.target.text()) if self.target.text() else source
        model, choice, replace = self.session.model, self.session.choice, self.replace.isChecked()
        assert model is not None
        self._rows = []
        self.table.setRowCount(0)
        self.summary.setText("")
        self.jobs.start(
            "batch",
            lambda job: compress_folder(model, choice, source, target, job, replace=replace),
            self._done,
            failed=self._failed,
            progress=self._on_progress,
            label=tr("Compressing a folder"),
        )
        self._refresh()

    def cancel(self) -> None:
        self.jobs.cancel("batch")
        self.summary.setText(tr("Cancelled after {count} images.").format(count=len(self._rows)))
        self._refresh()

    def _on_progress(self, value: float | BatchRow) -> None:
        if isinstance(value, float):
            self.progress.setValue(round(100 * value))
            return
        self._rows.append(value)
        rate = f"{metrics.bpp(value.n_bytes, value.pixels, 1):.3f}" if value.pixels else ""
        size = f"{value.n_bytes:,}" if value.n_bytes else ""
        add_row(self.table, [value.name, value.error or tr("written"), size, rate])
        self.table.scrollToBottom()

    def _done(self, rows: list[BatchRow]) -> None:
        self.progress.setValue(100)
        good = [row for row in rows if not row.error]
        total, pixels = sum(row.n_bytes for row in good), sum(row.pixels for row in good)
        text = tr("{good} of {all} images written, {total:,} bytes").format(good=len(good), all=len(rows), total=total)
        self.summary.setText(text + (f", {metrics.bpp(total, pixels, 1):.3f} bpp" if pixels else ""))
        self._refresh()

    def _failed(self, text: str) -> None:
        self.summary.setText(text)
        self._refresh()

    def reject(self) -> None:
        if self.jobs.is_active("batch"):
            self.cancel()
        super().reject()

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        """Return in a field must not close the dialog nor start the batch."""
        if event.key() not in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            super().keyPressEvent(event)
