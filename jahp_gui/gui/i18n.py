"""Texts in the language of the user: a `QTranslator` over `assets/translations/<language>.json`.

A catalogue is a flat object from the English text to the translation. English needs none. Qt brings the texts of its
own dialogs.
"""

import json

from PySide6.QtCore import QCoreApplication, QLibraryInfo, QLocale, QTranslator

from jahp_gui.paths import assets_dir

CONTEXT = "jahp"
LANGUAGES = {"en": "English", "zh_CN": "简体中文"}


def tr(text: str) -> str:
    """`text` in the current language, itself where no translation is known."""
    return QCoreApplication.translate(CONTEXT, text)


def system_language() -> str:
    return "zh_CN" if QLocale.system().language() == QLocale.Language.Chinese else "en"


def load_catalogue(language: str) -> dict[str, str]:
    """The translations of a language, empty for English."""
    if language == "en":
        return {}
    path = assets_dir() / "translations" / f"{language}.json"
    return json.loads(path.read_text(encoding="utf-8"))


class CatalogueTranslator(QTranslator):
    """Looks texts up in a dictionary, whatever their context."""

    def __init__(self, catalogue: dict[str, str]):
        super().__init__()
        self._catalogue = catalogue

    def isEmpty(self) -> bool:  # noqa: N802 (Qt's name): Qt asks no translator that says it is empty
        return not self._catalogue

    def translate(self, context: str, text: str, disambiguation: str | None = None, n: int = -1) -> str:
        return self._catalogue.get(text, text)  # an empty answer would count as a translation


_installed: list[QTranslator] = []


def set_language(language: str) -> None:
    """Make `tr` speak a language of LANGUAGES; windows built before keep theirs."""
    while _installed:
        QCoreApplication.removeTranslator(_installed.pop())
    if language in LANGUAGES and language != "en":
        _install(CatalogueTranslator(load_catalogue(language)))
        of_qt = QTranslator()
        if of_qt.load(f"qtbase_{language}", QLibraryInfo.path(QLibraryInfo.LibraryPath.TranslationsPath)):
            _install(of_qt)  # the last is asked first, and the catalogue has an answer to everything


def _install(translator: QTranslator) -> None:
    QCoreApplication.installTranslator(translator)
    _installed.append(translator)
