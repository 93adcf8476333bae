"""Two themes as typed tables of colours. Fusion with explicit palettes: `setColorScheme` does nothing on some systems.

matplotlib and every painted widget take their colours from here, too.
"""

from dataclasses import dataclass

from PySide6.QtCore import QObject, Qt, Signal, Slot
from PySide6.QtGui import QColor, QFont, QPalette
from PySide6.QtWidgets import QApplication

from jahp_gui.evaluation.colours import SERIES_COLOURS


@dataclass(frozen=True)
class Theme:
    """Named colours of a theme, "#rrggbb"."""

    name: str
    window: str
    raised: str  # the panels
    panel: str  # lists, entries, plots
    canvas: str  # behind the image
    text: str
    faint_text: str
    border: str
    button: str
    accent: str
    accent_text: str
    error: str
    warning: str
    grid: str


LIGHT = Theme(
    name="light",
    window="#f2f3f5",
    raised="#ffffff",
    panel="#ffffff",
    canvas="#dcdfe3",
    text="#1c2126",
    faint_text="#58626c",
    border="#c4cad0",
    button="#e9ebee",
    accent="#0b66c3",
    accent_text="#ffffff",
    error="#b3261e",
    warning="#8a5a00",
    grid="#dde1e5",
)
DARK = Theme(
    name="dark",
    window="#1d2023",
    raised="#2a2f34",
    panel="#191c1f",
    canvas="#121416",
    text="#e6e9ec",
    faint_text="#9aa4ad",
    border="#3c434a",
    button="#3a4148",
    accent="#4da3ff",
    accent_text="#08131f",
    error="#ff8a80",
    warning="#ffc457",
    grid="#33393f",
)
THEMES = {theme.name: theme for theme in (LIGHT, DARK)}


class ThemeSwitch(QObject):
    """The current theme; painted widgets repaint on `changed`."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.theme = LIGHT
        self._name: str | None = None  # that was asked for

    def use(self, name: str) -> None:
        """Give the application a theme of THEMES, or for any other name the one that the system prefers from now on."""
        hints = _application().styleHints()
        if self._name is None:
            hints.colorSchemeChanged.connect(self._follow)
        self._name = name
        self._apply(THEMES.get(name) or _preferred(hints.colorScheme()))

    @Slot(Qt.ColorScheme)
    def _follow(self, scheme: Qt.ColorScheme) -> None:
        """The system prefers another."""
        if self._name not in THEMES:
            self._apply(_preferred(scheme))

    def _apply(self, theme: Theme) -> None:
        application = _application()
        self.theme = theme
        application.setStyle("Fusion")
        application.setPalette(palette_of(self.theme))
        application.setStyleSheet(style_sheet(self.theme))
        self.changed.emit()


def _application() -> QApplication:
    application = QApplication.instance()
    assert isinstance(application, QApplication)
    return application


def _preferred(scheme: Qt.ColorScheme) -> Theme:
    return DARK if scheme == Qt.ColorScheme.Dark else LIGHT


switch = ThemeSwitch()


def current() -> Theme:
    return switch.theme


def colour(name: str) -> QColor:
    """A colour of the current theme by its field name."""
    return QColor(getattr(switch.theme, name))


def series_colour(name: str) -> str:
    return SERIES_COLOURS.get(name, switch.theme.faint_text)


def series_text_colour(name: str) -> QColor:
    """For letters: as they are, the lighter ones could not be read on white, the darker ones on dark."""
    colour = QColor(series_colour(name))
    return colour.lighter(150) if switch.theme is DARK else colour.darker(150)


def palette_of(theme: Theme) -> QPalette:
    palette = QPalette()
    roles = QPalette.ColorRole
    for role, value in (
        (roles.Window, theme.window),
        (roles.WindowText, theme.text),
        (roles.Base, theme.panel),
        (roles.AlternateBase, theme.window),
        (roles.Text, theme.text),
        (roles.PlaceholderText, theme.faint_text),
        (roles.Button, theme.button),
        (roles.ButtonText, theme.text),
        (roles.BrightText, theme.error),
        (roles.Highlight, theme.accent),
        (roles.HighlightedText, theme.accent_text),
        (roles.ToolTipBase, theme.panel),
        (roles.ToolTipText, theme.text),
        (roles.Link, theme.accent),
        (roles.Mid, theme.border),
    ):
        palette.setColor(role, QColor(value))
    for role in (roles.WindowText, roles.Text, roles.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, role, QColor(theme.faint_text))
    return palette


def style_sheet(theme: Theme) -> str:
    """What a palette cannot say."""
    return f"""
    QToolTip {{ color: {theme.text}; background: {theme.panel}; border: 1px solid {theme.border}; padding: 4px; }}
    QLabel[heading="true"] {{ font-weight: 600; }}
    QLabel[faint="true"] {{ color: {theme.faint_text}; }}
    QSplitter::handle {{ background: {theme.window}; }}
    QSplitter::handle:hover {{ background: {theme.border}; }}
    QToolButton[tab="true"] {{
        color: {theme.faint_text}; padding: 3px 1px;
        border: 1px solid transparent; border-bottom: 2px solid {theme.border};
    }}
    QToolButton[tab="true"]:hover {{ color: {theme.text}; background: {theme.button}; }}
    QToolButton[tab="true"]:checked {{ color: {theme.text}; border-bottom-color: {theme.accent}; font-weight: 600; }}
    QToolButton[tab="true"]:focus {{ border: 1px solid {theme.accent}; border-bottom: 2px solid {theme.accent}; }}
    QToolButton[toggle="true"] {{
        background: {theme.button}; padding: 2px 4px; border: 1px solid {theme.border}; border-radius: 3px;
    }}
    QToolButton[toggle="true"]:disabled {{ color: {theme.faint_text}; }}
    QToolButton[toggle="true"]:focus, QToolButton[toggle="true"]:hover {{ border-color: {theme.accent}; }}
    QToolButton[toggle="true"]:checked {{ color: {theme.accent_text}; background: {theme.accent}; }}
    QToolButton[toggle="true"]:checked:focus {{ border-color: {theme.text}; }}
    QCheckBox::indicator:unchecked, QListWidget::indicator:unchecked {{
        width: 12px; height: 12px; background: {theme.panel}; border: 1px solid {theme.faint_text}; border-radius: 2px;
    }}
    QFrame#panel {{ background: {theme.raised}; border: 1px solid {theme.border}; border-radius: 5px; }}
    """


def numbers_font(base: QFont) -> QFont:
    """The font with figures of equal width, so that live numbers do not dance."""
    font = QFont(base)
    font.setFeature(QFont.Tag("tnum"), 1)
    return font
