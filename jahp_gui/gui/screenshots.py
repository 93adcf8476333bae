"""Pictures of the main states for README and eyes: `python -m jahp_gui.gui.screenshots [--folder F] [--all]`.

Without `--all` those of the README and two more at 1280 × 800; with it every state in every size and theme.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

if __name__ == "__main__":
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6.QtCore import QPoint, QRect, QSize
from PySide6.QtWidgets import QApplication

from jahp_gui.codec.container import Y_STRIDE
from jahp_gui.codec.surgery import KeepTop
from jahp_gui.gui import theme
from jahp_gui.gui.app import Explorer
from jahp_gui.gui.main_window import MainWindow
from jahp_gui.gui.results import ORIGINAL, Source
from jahp_gui.gui.settings import Settings
from jahp_gui.paths import assets_dir

SIZES = (QSize(1280, 800), QSize(1920, 1080))
WAIT_SECONDS = 240.0


@dataclass(frozen=True)
class State:
    """A state by name: how it is reached from the one before, and the theme it is shown in."""

    name: str
    reach: Callable[[MainWindow], None]
    theme: str = "light"


def size_of(window: MainWindow) -> tuple[int, int]:
    """(width, height) of the image that is shown."""
    item = window.session.current
    return (item.size if item is not None else None) or (1, 1)


def first_run(window: MainWindow) -> None:
    window.session.set_compare(mode="side", a=ORIGINAL, overlay=False)


def swipe(window: MainWindow) -> None:
    window.session.set_compare(mode="swipe", a=Source("classical", "jpeg420"))
    window.session.set_choice(gain_index=32)


def difference(window: MainWindow) -> None:
    window.session.set_compare(mode="difference", a=ORIGINAL)


def overlay(window: MainWindow) -> None:
    window.session.set_compare(mode="side", a=ORIGINAL, overlay=True)
    width, height = size_of(window)
    window.session.set_selection(QRect(width // 3, height // 8, width // 4, height // 4))
    window.compare.show_values(QPoint(width * 2 // 5, height // 5))


def channel_grid(window: MainWindow) -> None:
    window.session.set_compare(overlay=False)
    window.session.set_selection(None)
    window.compare.show_values(None)
    window.session.set_plot(log_rate=True, references=True)
    window.maps.show_page(1)


def dark(window: MainWindow) -> None:
    window.session.set_plot(log_rate=False, references=False)
    window.maps.show_page(0)
    width, height = size_of(window)
    window.session.mark(("y", width // 40, height // 36))
    window.session.set_compare(mode="side", a=Source("prior", "factorized"))
    window.session.set_map(reference="factorized")


def inspector(window: MainWindow) -> None:
    window.session.set_map(reference="")
    window.session.set_compare(a=ORIGINAL)
    window.session.set_choice(gain_index=48)
    width, height = size_of(window)
    window.session.mark(("y", width // 73, height // 34))
    window.session.set_inspector(channel=3)  # of the sample, one that every part foretells better
    window.show_right_tab(window.inspector)


def parts(window: MainWindow) -> None:
    window.session.set_inspector(channel=None)
    window.session.mark(None)
    window.show_right_tab(window.parts)


def decoder(window: MainWindow) -> None:
    window.show_right_tab(window.inside.decoder)
    width, height = size_of(window)
    window.inside.decoder.decoder.go_to((width + 3 * height) // (2 * Y_STRIDE))  # half of the wavefront


def surgery(window: MainWindow) -> None:
    width, height = size_of(window)
    window.session.set_selection(QRect(width * 5 // 8, height // 16, width // 4, height // 2))
    window.show_right_tab(window.inside.surgery)
    window.inside.surgery.surgery.add(KeepTop(40))
    window.inside.surgery.erase_region()


def damage(window: MainWindow) -> None:
    window.inside.surgery.surgery.reset()
    window.session.set_selection(None)
    window.show_right_tab(window.inside.damage)
    window.inside.damage.flip_chosen()


def lesson(window: MainWindow) -> None:
    window.inside.damage.damage.restore()
    window.open_lesson(window.course.lessons[4])
    window.course.forward()
    window.course.predict(0)


STATES = (
    State("first-run", first_run),
    State("swipe", swipe),
    State("difference", difference),
    State("heatmap-overlay", overlay),
    State("channel-grid", channel_grid),
    State("dark", dark, "dark"),
    State("inspector", inspector),
    State("parts", parts),
    State("decoder", decoder),
    State("surgery", surgery),
    State("damage", damage),
    State("lesson", lesson),
)


def wait_until_done(explorer: Explorer, seconds: float = WAIT_SECONDS) -> None:
    """Turn the event loop until no job is left."""
    deadline, quiet = time.monotonic() + seconds, 0
    while time.monotonic() < deadline and quiet < 40:
        QApplication.processEvents()
        quiet = quiet + 1 if explorer.jobs.idle else 0
        time.sleep(0.01)


def shoot(explorer: Explorer, folder: Path, everything: bool) -> list[Path]:
    """Take the pictures; the paths that were written."""
    window = explorer.window
    assert window is not None
    written = []
    for state in STATES:
        state.reach(window)
        for size in SIZES if everything else SIZES[:1]:
            for name in ("light", "dark") if everything else (state.theme,):
                theme.switch.use(name)
                window.resize(size)
                wait_until_done(explorer)
                suffix = f"-{size.width()}-{name}" if everything else ""
                path = folder / f"{state.name}{suffix}.png"
                window.grab().save(str(path))
                written.append(path)
    return written


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Make the screenshots.")
    parser.add_argument("--folder", type=Path, default=assets_dir() / "screenshots")
    parser.add_argument("--all", action="store_true", help="every state in every size and theme")
    parser.add_argument("--language", default="en")
    parser.add_argument("files", nargs="*", type=Path, help="images instead of the sample")
    arguments = parser.parse_args(argv)
    application = QApplication.instance() or QApplication(["screenshots"])
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(str(Path(folder) / "settings.ini"))
        settings.set("language", arguments.language)
        settings.set("theme", "light")
        theme.switch.use("light")
        explorer = Explorer(settings)
        explorer.start(arguments.files)
        wait_until_done(explorer)
        arguments.folder.mkdir(parents=True, exist_ok=True)
        for path in shoot(explorer, arguments.folder, arguments.all):
            print(path)
        assert explorer.window is not None
        explorer.window.close()
        explorer.jobs.shutdown(30)
    application.quit()
    return 0


if __name__ == "__main__":
    sys.exit(main())
