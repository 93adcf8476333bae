"""The few dialogs: shortcuts, settings, model card, a place to save to; `batch` has its own module."""

import json
import re
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QFormLayout,
    QHeaderView,
    QMessageBox,
    QPlainTextEdit,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from jahp_gui.codec.models import Card
from jahp_gui.gui.actions import shortcut_rows
from jahp_gui.gui.files import found
from jahp_gui.gui.i18n import LANGUAGES, tr
from jahp_gui.gui.settings import Settings

SUFFIX = re.compile(r"\*(\.\w+)")  # in the filters of a file dialog


def show_dialog(dialog: QDialog) -> None:
    """Open it over its window; once it is closed it is gone."""
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    dialog.open()


def ask_user(
    parent: QWidget, title: str, text: str, buttons: QMessageBox.StandardButton, default: QMessageBox.StandardButton
) -> QMessageBox.StandardButton:
    """Which of the buttons is pressed; Return presses the default."""
    box = QMessageBox(QMessageBox.Icon.Question, title, text, buttons, parent)
    box.setDefaultButton(default)
    box.setTextFormat(Qt.TextFormat.PlainText)  # a file's name is never markup
    answer = QMessageBox.StandardButton(box.exec())
    box.deleteLater()
    return answer


def table_of(headings: list[str], parent: QWidget) -> QTableWidget:
    table = QTableWidget(0, len(headings), parent)
    table.setHorizontalHeaderLabels(headings)
    table.verticalHeader().hide()
    table.verticalHeader().setDefaultSectionSize(table.fontMetrics().height() + 8)
    table.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
    table.setSelectionBehavior(QTableWidget.SelectionBehavior.SelectRows)
    table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
    table.horizontalHeader().setSectionResizeMode(1, QHeaderView.ResizeMode.Stretch)
    return table


def add_row(table: QTableWidget, texts: list[str]) -> None:
    row = table.rowCount()
    table.insertRow(row)
    for column, text in enumerate(texts):
        entry = QTableWidgetItem(text)
        entry.setToolTip(text)  # a long one is cut
        table.setItem(row, column, entry)


def _close_button(dialog: QDialog) -> QDialogButtonBox:
    buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
    buttons.button(QDialogButtonBox.StandardButton.Close).setText(tr("Close"))
    buttons.rejected.connect(dialog.reject)
    return buttons


class ShortcutSheet(QDialog):
    """All keys and what the mouse does."""

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self.setWindowTitle(tr("Shortcuts"))
        self.resize(560, 620)
        table = table_of([tr("Menu"), tr("Command"), tr("Keys")], self)
        table.setAccessibleName(tr("Shortcuts"))
        for row in shortcut_rows():
            add_row(table, list(row))
        layout = QVBoxLayout(self)
        layout.addWidget(table)
        layout.addWidget(_close_button(self))


class ModelCardDialog(QDialog):
    """What a model's card says, as it is."""

    def __init__(self, card: Card, parent: QWidget | None = None):
        super().__init__(parent)
        self.setWindowTitle(tr("Model card") + f" – {card.model_id}")
        self.resize(560, 620)
        text = QPlainTextEdit()
        text.setReadOnly(True)
        text.setAccessibleName(tr("Model card"))
        content = {
            "id": card.model_id,
            "title": card.title,
            "folder": str(card.folder),
            "priors": card.priors,
            "config": card.config,
            "results": card.results,
            "training": card.training,
        }
        written = json.dumps(content, indent=2, ensure_ascii=False)
        # Lists of numbers or names on one line each.
        text.setPlainText(re.sub(r"\[[^\[\]{}]*\]", lambda found: " ".join(found[0].split()), written))
        layout = QVBoxLayout(self)
        layout.addWidget(text)
        layout.addWidget(_close_button(self))


class SettingsDialog(QDialog):
    """Language and colours; both act at once."""

    language_chosen = Signal(str)
    theme_chosen = Signal(str)

    def __init__(self, settings: Settings, language: str, theme_name: str, parent: QWidget | None = None):
        super().__init__(parent)
        self.setWindowTitle(tr("Settings"))
        self.language, self.theme = QComboBox(), QComboBox()
        for code, name in LANGUAGES.items():
            self.language.addItem(name, code)
        for code, name in (("system", tr("As the system")), ("light", tr("Light")), ("dark", tr("Dark"))):
            self.theme.addItem(name, code)
        self.language.setCurrentIndex(self.language.findData(language))
        self.theme.setCurrentIndex(max(0, self.theme.findData(theme_name)))
        self.language.setAccessibleName(tr("Language"))
        self.theme.setAccessibleName(tr("Colours"))
        self.language.activated.connect(lambda: self.language_chosen.emit(self.language.currentData()))
        self.theme.activated.connect(lambda: self.theme_chosen.emit(self.theme.currentData()))
        form = QFormLayout()
        form.addRow(tr("Language"), self.language)
        form.addRow(tr("Colours"), self.theme)
        layout = QVBoxLayout(self)
        layout.addLayout(form)
        layout.addWidget(_close_button(self))


class SaveDialog(QFileDialog):
    """A place to save to, with a name that ends as one of the file types on offer, and nothing replaced unasked."""

    def __init__(self, title: str, start: Path, filters: str, parent: QWidget | None = None):
        super().__init__(parent, title, str(start.parent), filters)
        self.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        self.setOption(QFileDialog.Option.DontConfirmOverwrite)  # of the whole name, which a system's dialog lacks
        self.selectFile(start.name)
        self._suffixes = SUFFIX.findall(filters)

    def ask(self) -> Path | None:
        """The chosen file, None where the dialog was left."""
        while self.exec():
            path = self._path()
            if not found(path.exists) or self._may_replace(path):
                return path
        return None

    def _path(self) -> Path:
        """What was entered; the suffix of the chosen type is added to what ends in none of them, such as `fig.v2`."""
        path = Path(self.selectedFiles()[0])
        if path.suffix.lower() in self._suffixes:
            return path
        of_type = SUFFIX.findall(self.selectedNameFilter()) or self._suffixes  # some systems' dialogs tell no type
        return path.with_name(path.name + of_type[0])

    def _may_replace(self, path: Path) -> bool:
        buttons = QMessageBox.StandardButton
        text = tr("{name} is there already. Replace it?").format(name=path.name)
        return ask_user(self, self.windowTitle(), text, buttons.Yes | buttons.No, buttons.No) == buttons.Yes
