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
    Command("save_map", "File", "Export map…", "Ctrl+Alt+M", "The map or channels as a figure, all latents as NPZ."),
    Command("save_inspector", "File", "Export inspector…", "Ctrl+Alt+I", "One latent as PNG, SVG, PDF or NPZ."),
    Command("save_parts", "File", "Export parts…", "Ctrl+Alt+W", "What each part pays as PNG, SVG, PDF or NPZ."),
    Command("save_plot", "File", "Export plot…", "Ctrl+Alt+P", "The plot as a figure, its points as NPZ."),
    Command("save_table", "File", "Export table…", "Ctrl+Alt+T", "The points of the plot as CSV."),
    Command("save_numbers", "File", "Export numbers…", "Ctrl+Alt+N", "All numbers as a figure, CSV or NPZ."),
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
    Command("a_rounded", "Compare", "A: rounded", "U", "The current prior and λ without any search, on side A."),
    Command("swap", "Compare", "Swap A and B", "X", "Left becomes right."),
    Command("select_seen", "Compare", "Select what is seen", "Ctrl+A", "The part of the image that the view shows."),
    Command("clear_selection", "Compare", "Clear selection", "Ctrl+D", "Forget the selected rectangle."),
    Command("fit", "View", "Fit", "0", "The whole image."),
    Command("zoom_100", "View", "100%", "Ctrl+1", "One image pixel on one pixel of the screen."),
    Command("zoom_200", "View", "200%", "Ctrl+2", "One image pixel on 2 × 2 pixels of the screen."),
    Command("zoom_400", "View", "400%", "Ctrl+4", "One image pixel on 4 × 4 pixels of the screen."),
    Command("zoom_in", "View", "Zoom in", "+", "Around the middle of the view."),
    Command("zoom_out", "View", "Zoom out", "-", "Around the middle of the view."),
    Command(SEPARATOR, "View", ""),
    Command("show_images", "View", "Images and codec", "F6", "The panel on the left.", True),
    Command("show_maps", "View", "Views of the latents", "F7", "The panel on the right.", True),
    Command("show_plot", "View", "Plot", "F8", "The rate-distortion plot below.", True),
    Command("channel_grid", "View", "Channel grid", "G", "Every channel as a small map."),
    Command("view_next", "View", "Next view of the latents", "Ctrl+PgDown", "The next tab on the right."),
    Command("view_previous", "View", "Previous view of the latents", "Ctrl+PgUp", "The tab before, on the right."),
    Command("dark", "View", "Dark theme", "Ctrl+Shift+D", "Dark or light colours.", True),
    Command("full_screen", "View", "Full screen", "F11", "Without frame, for the wall."),
    Command("prior_next", "Codec", "Next prior", "P", "The next belief about the latents."),
    Command("prior_previous", "Codec", "Previous prior", "Shift+P", "The one before."),
    Command("lmbda_up", "Codec", "λ one step up", "]", "A little larger file, a little better picture."),
    Command("lmbda_down", "Codec", "λ one step down", "[", "A little smaller file."),
    Command("anchor_up", "Codec", "λ to the next tick", "}", "Sixteen steps up."),
    Command("anchor_down", "Codec", "λ to the previous tick", "{", "Sixteen steps down."),
    Command("effort_next", "Codec", "Next effort", "E", "How long the encoder searches; after the last the first."),
    Command("refine", "Codec", "Refine, or stop it", "Ctrl+R", "Search better latents in the background."),
    Command(SEPARATOR, "Codec", ""),
    Command("paint", "Codec", "Paint region", "B", "Region of interest: bits go where you paint.", True),
    Command("clear_region", "Codec", "Clear region", "Ctrl+Shift+B", "All pixels count alike again."),
    Command("load_region", "Codec", "Load region…", "Ctrl+Alt+O", "A grey image of the same size: white matters."),
    Command("save_region", "Codec", "Save region…", "Ctrl+Alt+B", "As a grey PNG."),
    Command("show_inspector", "Latents", "Inspect a latent", "I", "What every prior expected of it, and what came."),
    Command("show_parts", "Latents", "What each part pays", "W", "The same latents under every prior, step by step."),
    Command("channel_next", "Latents", "Next channel", ".", "The next bar of the inspector."),
    Command("channel_previous", "Latents", "Previous channel", ",", "The bar before."),
    Command("channel_costliest", "Latents", "Costliest channel", "/", "At each position the one with the most bits."),
    Command("pin", "Latents", "Pin the position", "N", "Keep it, to compare others with it; again to let it go."),
    Command("cancel", "Codec", "Cancel running work", "Esc", "Stop what the status bar shows."),
    Command("decoder_play", "Experiments", "Play the decoder", "K", "The real file, step by step; again: pause."),
    Command("decoder_step", "Experiments", "One decoding step on", "L", "The next front of latents."),
    Command("decoder_back", "Experiments", "One decoding step back", "Shift+L", "The picture without the last front."),
    Command("export_decoder", "Experiments", "Export decoder's picture…", "Ctrl+Alt+K", "A captioned figure, or NPZ."),
    Command(SEPARATOR, "Experiments", ""),
    Command("surgery_zero", "Experiments", "Zero the channel", "Z", "The channel chosen in the tab, everywhere."),
    Command("surgery_erase", "Experiments", "Erase the region", "Del", "Its latents become zero."),
    Command("surgery_perturb", "Experiments", "Perturb the region", "Shift+Del", "Its latents move at random."),
    Command("surgery_undo", "Experiments", "Undo edit", "Alt+Z", "The latents before the last edit."),
    Command("surgery_redo", "Experiments", "Redo edit", "Alt+Shift+Z", "Take the undo of the edit back."),
    Command("surgery_reset", "Experiments", "Reset the latents", "R", "Without any edit."),
    Command("export_edited", "Experiments", "Export edited picture…", "Ctrl+Alt+Z", "A captioned figure, or NPZ."),
    Command(SEPARATOR, "Experiments", ""),
    Command("damage_flip", "Experiments", "Flip the bit", "F", "The one chosen in the tab; again: back."),
    Command("damage_restore", "Experiments", "Restore the file", "Shift+R", "All flipped bits back."),
    Command("export_damaged", "Experiments", "Export damaged picture…", "Ctrl+Alt+F", "A captioned figure, or NPZ."),
    Command("lessons", "Lessons", "Show lessons", "F2", "Short guided tours on your own image.", True),
    Command("lesson_next", "Lessons", "Next step", "Alt+Right", "On with the lesson."),
    Command("lesson_back", "Lessons", "Previous step", "Alt+Left", "Back in the lesson."),
    Command("lesson_again", "Lessons", "Set the step up again", "Alt+Up", "Bring back what the step shows."),
    Command(SEPARATOR, "Lessons", ""),
    Command("shortcuts", "Help", "Shortcuts", "F1", "All keys on one sheet."),
    Command("explain", "Help", "Explain this control", "Shift+F1", "The explanation of what has the keyboard."),
    Command("model_card", "Help", "Model card", "Ctrl+I", "What the model is and how it was trained."),
)
MENUS = ("File", "Edit", "Compare", "View", "Codec", "Latents", "Experiments", "Lessons", "Help")


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
        # With the new state, which a method of Qt's own, connected as it is, would not get.
        action.triggered.connect(lambda on: handler(on))
    else:
        action.triggered.connect(lambda _=False: handler())
    return action


def key_name(shortcut: str) -> str:
    """Keys as the keyboards of this system name them: "Ctrl+O", and "⌘O" on a Mac."""
    return QKeySequence(shortcut).toString(QKeySequence.SequenceFormat.NativeText)


def shortcut_rows() -> list[tuple[str, str, str]]:
    """(menu, command, keys) for the sheet, and what the mouse does."""
    rows = [
        (tr(command.menu), tr(command.name), key_name(command.shortcut)) for command in COMMANDS if command.shortcut
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
