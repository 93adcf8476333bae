"""Every command of the window as a QAction: name, shortcut, an explanation, and what it does.

One table, from which menus, tool tips and the shortcut sheet are made.
"""

from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QMenuBar, QWidget

from jahp_gui.gui.i18n import tr

SEPARATOR = "-"


@dataclass(frozen=True)
class Command:
    """key: how code finds the action. menu: the English title of its menu."""

    key: str
    menu: str
    name: str
    shortcut: str = ""
    tip: str = ""
    checkable: bool = False


COMMANDS = (
    Command("open", "File", "Open images…", "Ctrl+O", "Images, or .jahp files."),
    Command("open_folder", "File", "Open folder…", "Ctrl+Shift+O", "All images of a folder."),
    Command("paste", "File", "Paste image", "Ctrl+V", "An image or files from the clipboard."),
    Command("open_model", "File", "Open model…", "Ctrl+M", "A folder with weights and a model card."),
    Command(SEPARATOR, "File", ""),
    Command("save", "File", "Save .jahp…", "Ctrl+S", "The compressed file of the current setting."),
    Command("save_beside", "File", "Save .jahp beside the image", "Ctrl+Shift+S", "Under the image's name."),
    Command("save_picture", "File", "Save reconstruction…", "Ctrl+E", "The decoded picture as an ordinary image."),
    Command("save_comparison", "File", "Export comparison…", "Ctrl+Alt+E", "A, B and the map as one figure."),
    Command("save_map", "File", "Export map…", "Ctrl+Alt+M", "The map as PNG or SVG, all latents as NPZ."),
    Command("save_plot", "File", "Export plot…", "Ctrl+Alt+P", "The rate-distortion plot as PNG, SVG or PDF."),
    Command("save_table", "File", "Export table…", "Ctrl+Alt+T", "The points of the plot as CSV."),
    Command("batch", "File", "Compress a folder…", "Ctrl+B", "Every image of a folder with the current setting."),
    Command(SEPARATOR, "File", ""),
    Command("close_image", "File", "Close image", "Ctrl+W", "Take it from the list; the file stays."),
    Command("quit", "File", "Quit", "Ctrl+Q", "Close the window."),
    Command("undo", "Edit", "Undo setting", "Ctrl+Z", "The codec setting before this one."),
    Command("redo", "Edit", "Redo setting", "Ctrl+Shift+Z", "Take the undo back."),
    Command(SEPARATOR, "Edit", ""),
    Command("copy", "Edit", "Copy picture B", "Ctrl+C", "To the clipboard, as an image."),
    Command("settings", "Edit", "Settings…", "Ctrl+,", "Language and colours."),
    Command("mode_side", "Compare", "Side by side", "1", "A left, B right, moved together.", True),
    Command("mode_swipe", "Compare", "Swipe", "2", "A divider that mouse and arrow keys move.", True),
    Command("mode_blink", "Compare", "Blink", "3", "B, and A while the space bar is held.", True),
    Command("mode_difference", "Compare", "Difference", "4", "The difference of A and B, made brighter.", True),
    Command(SEPARATOR, "Compare", ""),
    Command("overlay", "Compare", "Map on picture", "H", "Lay the latent map over the picture.", True),
    Command("same_jpeg", "Compare", "A: JPEG of the same size", "J", "What JPEG makes of as many bytes."),
    Command("a_original", "Compare", "A: original", "O", "The untouched image on side A."),
    Command("swap", "Compare", "Swap A and B", "X", "Left becomes right."),
    Command("clear_selection", "Compare", "Clear selection", "Ctrl+D", "Forget the selected rectangle."),
    Command("fit", "View", "Fit", "0", "The whole image."),
    Command("zoom_100", "View", "100%", "Ctrl+1", "One image pixel on one pixel of the screen."),
    Command("zoom_200", "View", "200%", "Ctrl+2", "One image pixel on 2 × 2 pixels of the screen."),
    Command("zoom_400", "View", "400%", "Ctrl+4", "One image pixel on 4 × 4 pixels of the screen."),
    Command("zoom_in", "View", "Zoom in", "+", "Around the middle of the view."),
    Command("zoom_out", "View", "Zoom out", "-", "Around the middle of the view."),
    Command(SEPARATOR, "View", ""),
    Command("show_images", "View", "Images and codec", "F6", "The panel on the left.", True),
    Command("show_maps", "View", "Latent maps", "F7", "The panel on the right.", True),
    Command("show_plot", "View", "Plot", "F8", "The rate-distortion plot below.", True),
    Command("channel_grid", "View", "Channel grid", "G", "Every channel as a small map."),
    Command("dark", "View", "Dark theme", "Ctrl+Shift+D", "Dark or light colours.", True),
    Command("full_screen", "View", "Full screen", "F11", "Without frame, for the wall."),
    Command("prior_next", "Codec", "Next prior", "P", "The next belief about the latents."),
    Command("prior_previous", "Codec", "Previous prior", "Shift+P", "The one before."),
    Command("lmbda_up", "Codec", "λ one step up", "]", "A little larger file, a little better picture."),
    Command("lmbda_down", "Codec", "λ one step down", "[", "A little smaller file."),
    Command("anchor_up", "Codec", "λ to the next tick", "}", "Sixteen steps up."),
    Command("anchor_down", "Codec", "λ to the previous tick", "{", "Sixteen steps down."),
    Command("cancel", "Codec", "Cancel running work", "Esc", "Stop what the status bar shows."),
    Command("shortcuts", "Help", "Shortcuts", "F1", "All keys on one sheet."),
    Command("model_card", "Help", "Model card", "Ctrl+I", "What the model is and how it was trained."),
)
MENUS = ("File", "Edit", "Compare", "View", "Codec", "Help")


class Actions:
    """The actions of a window, by key; `handlers` maps every key to what it does."""

    def __init__(self, window: QWidget, handlers: dict[str, Callable[..., None]]):
        self._actions: dict[str, QAction] = {}
        for command in COMMANDS:
            if command.key != SEPARATOR:
                self._actions[command.key] = _action(window, command, handlers[command.key])
                window.addAction(self._actions[command.key])

    def __getitem__(self, key: str) -> QAction:
        return self._actions[key]

    def fill(self, bar: QMenuBar) -> dict[str, object]:
        """Put the menus into a menu bar; the menus by their English titles."""
        menus = {}
        for title in MENUS:
            menu = menus[title] = bar.addMenu(tr(title))
            menu.setToolTipsVisible(True)
            for command in COMMANDS:
                if command.menu == title:
                    if command.key == SEPARATOR:
                        menu.addSeparator()
                    else:
                        menu.addAction(self._actions[command.key])
        return dict(menus)


def _action(window: QWidget, command: Command, handler: Callable[..., None]) -> QAction:
    action = QAction(tr(command.name), window)
    action.setCheckable(command.checkable)
    if command.shortcut:
        action.setShortcut(QKeySequence(command.shortcut))
    tip = tr(command.tip)
    action.setToolTip(tip)
    action.setStatusTip(tip)
    if command.checkable:
        action.triggered.connect(handler)  # with the new state
    else:
        action.triggered.connect(lambda _=False: handler())
    return action


def shortcut_rows() -> list[tuple[str, str, str]]:
    """(menu, command, keys) for the sheet, and what the mouse does."""
    rows = [
        (tr(command.menu), tr(command.name), QKeySequence(command.shortcut).toString())
        for command in COMMANDS
        if command.shortcut
    ]
    mouse = (
        (tr("Wheel"), tr("Zoom to the cursor")),
        (tr("Drag"), tr("Move the view, or the divider of the swipe")),
        (tr("Shift+drag"), tr("Select a rectangle")),
        (tr("Double click"), tr("Fit, or 100% at the cursor")),
        (tr("Space, held"), tr("Show A in place of B")),
        (tr("Arrow keys"), tr("Move the view, or the divider (with Shift: far)")),
    )
    return rows + [(tr("Picture"), what, how) for how, what in mouse]
