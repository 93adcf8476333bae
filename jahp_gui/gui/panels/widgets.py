"""Small things that several panels are made of."""

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QLocale, Qt
from PySide6.QtGui import QKeyEvent, QValidator
from PySide6.QtWidgets import QDoubleSpinBox, QGridLayout, QLabel, QSizePolicy, QSpinBox, QToolButton

from jahp_gui.gui import theme
from jahp_gui.gui.i18n import tr


class NumberBox(QSpinBox):
    """For whole numbers: keys that are no part of one stay the window's shortcuts while it has the focus."""

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent):
            text = event.text()
            if text.isprintable() and text and not text.isdigit() and text not in "+-":
                return False
        return super().event(event)


class DecimalBox(QDoubleSpinBox):
    """Numbers with a decimal point in every country, as all others of the window; a typed comma is one, too.

    Where the comma is the decimal sign, Qt's own box takes the point for a separator of thousands: 12.5 for 125.
    """

    def __init__(self) -> None:
        super().__init__()
        self.setLocale(QLocale.c())

    def validate(self, text: str, position: int) -> tuple[QValidator.State, str, int]:
        return super().validate(text.replace(",", "."), position)

    def valueFromText(self, text: str) -> float:  # noqa: N802
        return super().valueFromText(text.replace(",", "."))


class ValueLabel(QLabel):
    """A label for a value with a name: a screen reader is told both, where it would take the name for the text."""

    def __init__(self, name: str):
        super().__init__()
        self._name = name
        self.setTextFormat(Qt.TextFormat.PlainText)  # a file's name is never markup
        self.setAccessibleName(name)

    def setText(self, text: str) -> None:  # noqa: N802 (Qt's name)
        super().setText(text)
        told = tr("{name}: {value}").format(name=self._name, value=text) if text else self._name
        self.setAccessibleName(told)


def button(text: str, tip: str) -> QToolButton:
    """A button with its explanation, which is its accessible name, too."""
    result = QToolButton()
    result.setText(text)
    result.setToolTip(tip)
    result.setAccessibleName(tip)
    return result


def faint(text: str) -> QLabel:
    label = QLabel(text)
    label.setProperty("faint", True)
    return label


def value_rows(rows: Sequence[tuple[str, str, str]]) -> tuple[QGridLayout, dict[str, ValueLabel]]:
    """A table of (key, English name, English explanation) with a label for the value of each key."""
    layout, values = QGridLayout(), {}
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setVerticalSpacing(3)
    layout.setColumnStretch(1, 1)
    for number, (key, name, term) in enumerate(rows):
        title, value = faint(tr(name)), ValueLabel(tr(name))
        value.setFont(theme.numbers_font(value.font()))
        value.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        value.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        value.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        for label in (title, value):
            label.setToolTip(tr(term))
        layout.addWidget(title, number, 0, Qt.AlignmentFlag.AlignTop)
        layout.addWidget(value, number, 1)
        values[key] = value
    return layout, values


def title_of(layout: QGridLayout, value: QLabel) -> QLabel:
    """The title beside a value of `value_rows`."""
    for row in range(layout.rowCount()):
        cells = [layout.itemAtPosition(row, column) for column in (0, 1)]
        title, beside = (None if cell is None else cell.widget() for cell in cells)
        if beside is value and isinstance(title, QLabel):
            return title
    raise ValueError("the label is none of the rows' values")
