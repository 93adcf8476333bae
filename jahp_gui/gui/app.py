"""The explorer's entry point: `jahp-gui [FILES…]`."""

import argparse
import contextlib
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QObject, QTimer
from PySide6.QtWidgets import QApplication

from jahp_gui import __version__
from jahp_gui.codec.choices import EFFORTS
from jahp_gui.codec.errors import JahpError
from jahp_gui.codec.models import DEFAULT_MODEL, model_folders
from jahp_gui.codec.threads import spin_shortly
from jahp_gui.commands.common import USER_ERROR, print_error
from jahp_gui.gui import samples, theme
from jahp_gui.gui.controller import Controller
from jahp_gui.gui.files import FileController, found
from jahp_gui.gui.i18n import LANGUAGES, set_language, system_language, tr
from jahp_gui.gui.jobs import Jobs
from jahp_gui.gui.main_window import MainWindow, app_icon
from jahp_gui.gui.panels.compare_panel import LARGEST_GAIN
from jahp_gui.gui.session import Session
from jahp_gui.gui.settings import Settings
from jahp_gui.gui.view_choices import MODES

SHUTDOWN_SECONDS = 0.7
SWITCH_INTERVAL = 0.002  # a job that holds the interpreter gives way to the window after 2 ms instead of 5


class Explorer(QObject):
    """The application's parts, and how they are started and ended."""

    def __init__(self, settings: Settings):
        super().__init__()
        self.settings = settings
        self._settings_told = False
        self.session = Session(self)
        self.jobs = Jobs(self)
        self.controller = Controller(self.session, self.jobs, self)
        self.files = FileController(self.session, self.jobs, settings, self)
        self.window: MainWindow | None = None
        self._open_window(settings.text("language", system_language()))

    def start(self, paths: Sequence[Path]) -> None:
        """Show the window at once; models and images follow behind it."""
        assert self.window is not None
        self.window.show()
        QTimer.singleShot(0, lambda: self._load(paths))

    def _load(self, paths: Sequence[Path]) -> None:
        self._restore()
        self.controller.find_codecs()
        opened = self.settings.paths("opened models")
        self.controller.find_models(self.settings.text("model", DEFAULT_MODEL), opened)
        prior, lmbda = self.settings.text("prior"), self.settings.number("lmbda", 0.0)
        if self.session.card is not None:
            if prior in self.session.card.priors:
                self.session.set_choice(prior=prior)
            if lmbda > 0:
                self.session.set_lmbda(lmbda)
            self.session.set_effort(int(self.settings.number("effort", 0, EFFORTS[0], EFFORTS[-1])))
            self.session.begin_history()
        last = [path for path in self.settings.paths("last images") if found(path.is_file)]
        if paths:
            self.files.open_paths(paths)
        elif last:
            self.files.open_paths(last)
        else:
            self.files.open_sample(samples.FIRST)
        self._write_settings()

    def _restore(self) -> None:
        session, settings = self.session, self.settings
        session.set_compare(
            mode=settings.one_of("compare/mode", MODES, session.compare.mode),
            overlay=settings.flag("compare/overlay", False),
            opacity=settings.number("compare/opacity", session.compare.opacity, 0.05, 1),
            difference_gain=settings.number("compare/gain", session.compare.difference_gain, 1, LARGEST_GAIN),
        )
        session.set_plot(
            metric=settings.text("plot/metric", session.plot.metric),
            log_rate=settings.flag("plot/log", False),
            references=settings.flag("plot/references", False),
            anchor=settings.text("plot/anchor", session.plot.anchor),
        )

    def _keep(self) -> None:
        session, settings = self.session, self.settings
        if session.card is not None:
            settings.set("model", session.choice.model_id)
            settings.set("prior", session.choice.prior)
            settings.set("lmbda", session.lmbda)
            settings.set("effort", session.effort)
        with contextlib.suppress(JahpError):  # the installation lacks its folder of models
            installed = model_folders()
            opened = [card.folder for card in session.cards if card.folder.parent not in installed]
            settings.set("opened models", opened)
        settings.set("compare/mode", session.compare.mode)
        settings.set("compare/overlay", session.compare.overlay)
        settings.set("compare/opacity", session.compare.opacity)
        settings.set("compare/gain", session.compare.difference_gain)
        settings.set("plot/metric", session.plot.metric)
        settings.set("plot/log", session.plot.log_rate)
        settings.set("plot/references", session.plot.references)
        settings.set("plot/anchor", session.plot.anchor)
        ordered = sorted(session.items, key=lambda item: item is not session.current)  # the shown one first
        settings.set("last images", [item.path for item in ordered if item.path is not None and not item.failed])
        self._write_settings()

    def _write_settings(self) -> None:
        """To the disk; where that fails it is said, once."""
        if not self.settings.sync() and not self._settings_told:
            self._settings_told = True
            sentence = tr("The settings cannot be written to {file}: this window's are lost when it is closed.")
            self.session.tell(sentence.format(file=self.settings.file), "error")

    # ------------------------------------------------------------ the window

    def _open_window(self, language: str) -> None:
        language = language if language in LANGUAGES else "en"
        set_language(language)
        self.window = MainWindow(self.session, self.jobs, self.controller, self.files, self.settings, language)
        self.window.language_chosen.connect(self._change_language)
        self.window.closing.connect(self._keep)

    def _change_language(self, language: str) -> None:
        """Texts are set when widgets are built: another language is another window on the same session."""
        old = self.window
        self.settings.set("language", language)
        self._write_settings()
        assert old is not None
        old.closing.disconnect(self._keep)
        old.keep_geometry()
        old.plot.stop()
        old.is_replaced = True
        self._open_window(language)
        assert self.window is not None
        self.window.show()
        old.close()
        old.deleteLater()


def parse_arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="jahp-gui", description="Learned image compression, explored.")
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="images, .jahp files or folders to open")
    parser.add_argument("--settings", metavar="FILE", help="keep settings in this file, not in the user's")
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    return parser.parse_args(argv)


def has_display() -> bool:
    """Without one Qt would end the process with its own advice, to install it again."""
    return sys.platform != "linux" or any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the explorer until its window is closed."""
    arguments = parse_arguments(sys.argv[1:] if argv is None else argv)
    if not has_display():
        print_error("There is no display here; use the command line (`jahp --help`), or connect with `ssh -X`.")
        return USER_ERROR
    logging.basicConfig(level=logging.WARNING)
    sys.setswitchinterval(SWITCH_INTERVAL)
    spin_shortly()  # several jobs share the cores
    existing = QApplication.instance()
    application = existing if isinstance(existing, QApplication) else QApplication(["jahp-gui"])
    application.setApplicationName("JAHP Explorer")
    application.setDesktopFileName("jahp-explorer")  # by which a desktop finds the window's entry and icon
    application.setWindowIcon(app_icon())
    settings = Settings(arguments.settings)
    theme.switch.use(settings.text("theme", "system"))
    explorer = Explorer(settings)
    explorer.start(arguments.files)
    code = application.exec()
    if not explorer.jobs.shutdown(SHUTDOWN_SECONDS):
        # A network in the middle of a layer cannot be asked to stop, and nobody waits for what it computes.
        if sys.stdout is not None:  # as it is in a program of Windows without a console
            sys.stdout.flush()
        os._exit(code)
    return code


if __name__ == "__main__":
    sys.exit(main())
