"""Commands of the inspector and of what each part pays."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import QObject

from jahp_gui.gui import captions, exporting, inspection_figures
from jahp_gui.gui.exact_settings import Settings, caption_of, exact_settings
from jahp_gui.gui.files import FileController
from jahp_gui.gui.i18n import tr
from jahp_gui.gui.inspection_figures import InspectorContent, PartsContent
from jahp_gui.gui.panels.inspector_panel import InspectorPanel, place_text
from jahp_gui.gui.panels.parts_panel import PartsPanel
from jahp_gui.gui.session import Session

Handler = Callable[..., None]
Ask = Callable[[str, str, str, str], Path | None]  # title, suffix, filters, ending of the name
FILTERS = "PNG (*.png);;SVG (*.svg);;PDF (*.pdf);;NumPy (*.npz)"


class InspectionCommands(QObject):
    """show: brings a tab to the front. ask: for a place to save to."""

    def __init__(
        self,
        session: Session,
        inspector: InspectorPanel,
        parts: PartsPanel,
        files: FileController,
        show: Callable[[InspectorPanel | PartsPanel], None],
        ask: Ask,
        parent: QObject | None = None,
    ):
        super().__init__(parent)
        self.session, self.inspector, self.parts = session, inspector, parts
        self.files, self._show, self._ask = files, show, ask

    def handlers(self) -> dict[str, Handler]:
        return {
            "show_inspector": self.show_inspector,
            "show_parts": self.show_parts,
            "channel_next": lambda: self.inspector.step_channel(1),
            "channel_previous": lambda: self.inspector.step_channel(-1),
            "channel_costliest": self.inspector.choose_costliest,
            "pin": self.inspector.toggle_pin,
            "save_inspector": self.save_inspector,
            "save_parts": self.save_parts,
        }

    def show_inspector(self) -> None:
        self._show(self.inspector)
        self.inspector.look()

    def show_parts(self) -> None:
        self._show(self.parts)
        self.parts.bars.setFocus()

    # ------------------------------------------------------------ out

    def save_inspector(self) -> None:
        if path := self._ask(tr("Export inspector"), ".png", FILTERS, "-latent"):
            self.export_inspector(path)

    def save_parts(self) -> None:
        if path := self._ask(tr("Export parts"), ".png", FILTERS, "-parts"):
            self.export_parts(path)

    def export_inspector(self, path: Path) -> None:
        """The inspector as a figure, or with the suffix .npz all that it knows of the position."""
        session, panel = self.session, self.inspector
        inspection, pinned = session.inspection, session.pinned_inspection
        if inspection is None:
            self.files.tell_missing()
            return
        channel, settings = panel.current_channel(), self._settings(inspection.gain_index)
        if path.suffix.lower() == ".npz":
            arrays = inspection_figures.inspector_arrays(inspection, pinned, channel, settings)
            self.files.write(path, lambda: exporting.save_arrays(path, arrays))
            return
        place = f"{place_text(inspection.place)} · {tr('channel {channel}').format(channel=channel)}"
        if panel.pinned_prediction is not None and pinned is not None:
            place += " · " + tr("Pinned: {place}").format(place=place_text(pinned.place))
        content = InspectorContent(
            place, channel, panel.prior_rows(channel), panel.prediction, panel.pinned_prediction, panel.prior
        )
        self.files.write(path, lambda: inspection_figures.save_inspector(path, content, caption_of(settings)))

    def export_parts(self, path: Path) -> None:
        """What each part pays as a figure, or with the suffix .npz its numbers and maps."""
        parts, panel = self.session.parts, self.parts
        if parts is None:
            self.files.tell_missing()
            return
        settings = self._settings(parts.gain_index)
        if path.suffix.lower() == ".npz":
            arrays = inspection_figures.parts_arrays(parts, settings)
            self.files.write(path, lambda: exporting.save_arrays(path, arrays))
            return
        choice = self.session.parts_choice
        names = [captions.prior_name(name) for name in (choice.prior, choice.reference)]
        title = tr("{prior} against {reference}").format(prior=names[0], reference=names[1])
        content = PartsContent(
            panel.caption.text(),
            panel.bars.rows,
            (choice.reference, choice.prior),
            panel.shown,
            f"{title}: {panel.text_at(None)}",
        )
        self.files.write(path, lambda: inspection_figures.save_parts(path, content, caption_of(settings)))

    def _settings(self, gain_index: int) -> Settings:
        return exact_settings(self.session, replace(self.session.shown_choice, gain_index=gain_index))
