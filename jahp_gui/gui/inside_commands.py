"""Commands of the tabs that take the codec apart: the decoder at work, latent surgery, the damaged file."""

import textwrap
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PySide6.QtCore import QObject, QRectF
from PySide6.QtGui import QPainter

from jahp_gui.codec.container import Y_STRIDE
from jahp_gui.gui import captions, exporting, painting
from jahp_gui.gui.controller import Controller
from jahp_gui.gui.exact_settings import Settings, caption_of, exact_settings
from jahp_gui.gui.files import FileController
from jahp_gui.gui.i18n import tr
from jahp_gui.gui.imaging import Pyramid, qimage, rgb_of
from jahp_gui.gui.panels.damage_panel import DamagePanel
from jahp_gui.gui.panels.decoder_panel import DecoderPanel
from jahp_gui.gui.panels.surgery_panel import SurgeryPanel, edit_text
from jahp_gui.gui.results import (
    DAMAGED,
    DECODER,
    EDITED,
    DamagedResult,
    DecoderFrame,
    EditedResult,
    Exhibit,
    Side,
    Source,
)
from jahp_gui.gui.session import Session

Handler = Callable[..., None]
Ask = Callable[[str, str, str, str], Path | None]  # title, suffix, filters, ending of the name
TITLE_WIDTH = 58  # letters on a line of the figure
NamedArrays = dict[str, tuple[np.ndarray, tuple[str, ...]]]  # with the names of their axes
LATENT_AXES, PIXEL_AXES = ("row", "column", "channel"), ("row", "column", "rgb")
FILTERS = "PNG (*.png);;PDF (*.pdf);;SVG (*.svg);;NumPy (*.npz)"


class InsideCommands(QObject):
    """show: brings a tab to the front. ask: for a place to save to."""

    def __init__(
        self,
        session: Session,
        controller: Controller,
        files: FileController,
        show: Callable[[DecoderPanel | SurgeryPanel | DamagePanel], None],
        ask: Ask,
        parent: QObject | None = None,
    ):
        super().__init__(parent)
        self.session, self.files, self._show, self._ask = session, files, show, ask
        self.decoder = DecoderPanel(session, controller.decoder)
        self.surgery = SurgeryPanel(session, controller.surgery)
        self.damage = DamagePanel(session, controller.damage)
        for panel, source in ((self.decoder, DECODER), (self.surgery, EDITED), (self.damage, DAMAGED)):
            panel.export_asked.connect(self._exporter(source))

    def handlers(self) -> dict[str, Handler]:
        decoder, surgery = self.decoder.decoder, self.surgery.surgery
        return {
            "decoder_play": self._in_tab(self.decoder, decoder.toggle),
            "decoder_step": self._in_tab(self.decoder, lambda: decoder.step(1)),
            "decoder_back": self._in_tab(self.decoder, lambda: decoder.step(-1)),
            "surgery_zero": self._in_tab(self.surgery, self.surgery.zero_channel),
            "surgery_erase": self._in_tab(self.surgery, self.surgery.erase_region),
            "surgery_perturb": self._in_tab(self.surgery, self.surgery.perturb_region),
            "surgery_undo": self._in_tab(self.surgery, surgery.undo),
            "surgery_redo": self._in_tab(self.surgery, surgery.redo),
            "surgery_reset": self._in_tab(self.surgery, surgery.reset),
            "damage_flip": self._in_tab(self.damage, self.damage.flip_chosen),
            "damage_restore": self._in_tab(self.damage, self.damage.damage.restore),
            "export_decoder": self._exporter(DECODER),
            "export_edited": self._exporter(EDITED),
            "export_damaged": self._exporter(DAMAGED),
        }

    def _in_tab(self, panel: DecoderPanel | SurgeryPanel | DamagePanel, action: Handler) -> Handler:
        def run() -> None:
            self._show(panel)
            action()

        return run

    def _exporter(self, source: Source) -> Handler:
        def ask() -> None:
            title, ending = tr("Export {view}").format(view=captions.source_name(source)), f"-{source.kind}"
            if source.kind in self.session.exhibits and (path := self._ask(title, ".png", FILTERS, ending)):
                self.export(source, path)

        return ask

    # ------------------------------------------------------------ out

    def export(self, source: Source, path: Path) -> None:
        """The picture of an exhibit under its caption, or with the suffix .npz the arrays behind it."""
        exhibit, item = self.session.exhibits.get(source.kind), self.session.current
        if exhibit is None or exhibit.picture is None or item is None or item.size is None:
            self.files.tell_missing()
            return
        settings = exact_settings(self.session, exhibit.choice)
        if path.suffix.lower() == ".npz":
            arrays, numbers = self._arrays(exhibit)
            if not arrays:
                self.files.tell_missing()
                return
            named = exporting.named_arrays(arrays, settings | {"y_stride": Y_STRIDE} | numbers)
            self.files.write(path, lambda: exporting.save_arrays(path, named))
        else:
            side = Side(source, exhibit.picture, exhibit)
            title = captions.side_caption(side, self.session.lmbda_at, item.size[0] * item.size[1])
            texts = [title, *_details(exhibit)]
            lines = [line for text in texts for line in textwrap.wrap(text, TITLE_WIDTH)]
            pictures = [("\n".join(lines), marked(exhibit))]
            caption = caption_of(settings)
            if source != DECODER:
                caption = tr("Of the file {settings}").format(settings=caption)
            self.files.write(path, lambda: exporting.save_comparison(path, pictures, None, caption))

    def _arrays(self, exhibit: Exhibit) -> tuple[NamedArrays, Settings]:
        """What a tab calls its own, with the names of the axes; see `Recording`, `EditedResult`, `DamagedResult`."""
        if isinstance(exhibit, DecoderFrame):
            return self._decoder_arrays()
        return _edited_arrays(exhibit) if isinstance(exhibit, EditedResult) else _damaged_arrays(exhibit)

    def _decoder_arrays(self) -> tuple[NamedArrays, Settings]:
        """Nothing while another file is being recorded."""
        decoder, frame = self.decoder.decoder, self.decoder.decoder.frame
        recording, replay = decoder.recording, decoder.replay
        if recording is None or replay is None or frame is None:
            return {}, {}
        arrays: NamedArrays = {
            "y_hat": (recording.y_hat, LATENT_AXES),
            "mu_when_decoded": (recording.expected, LATENT_AXES),
            "mu_unaided": (recording.unaided, LATENT_AXES),
            "latents_shown": (replay.latents(frame.moment), LATENT_AXES),
            "bits_of_position": (recording.bits, LATENT_AXES[:2]),
            "step_of_position": (replay.step_number, LATENT_AXES[:2]),
            "rgb": (frame.picture.rgb, PIXEL_AXES),
        }
        return arrays, {"order": replay.order, "steps": frame.steps, "steps_done": frame.steps_done}


def _details(exhibit: Exhibit) -> list[str]:
    """What the label on the picture has no room for."""
    if isinstance(exhibit, EditedResult):
        return [edit_text(edit) for edit in exhibit.edits]
    if isinstance(exhibit, DamagedResult):
        places = [f"{flip // 8}.{flip % 8}" for flip in exhibit.flips]
        return [tr("Flipped bits (byte.bit): {places}").format(places=", ".join(places))]
    return []


def _edited_arrays(result: EditedResult) -> tuple[NamedArrays, Settings]:
    arrays: NamedArrays = {
        "y_hat": (result.base.y_hat, LATENT_AXES),
        "y_hat_edited": (result.y_hat, LATENT_AXES),
        "edits": (np.array([edit_text(edit) for edit in result.edits]), ("edit",)),
        "rgb": (result.picture.rgb, PIXEL_AXES),
    }
    numbers: Settings = {"edited_file_bytes": len(result.data)}
    return arrays, numbers if result.psnr is None else numbers | {"edited_psnr_db": result.psnr}


def _damaged_arrays(damaged: DamagedResult) -> tuple[NamedArrays, Settings]:
    assert damaged.picture is not None and damaged.y_hat is not None
    arrays: NamedArrays = {
        "y_hat_damaged": (damaged.y_hat, LATENT_AXES),
        "flipped_bits": (np.array(damaged.flips), ("flip",)),
        "rgb": (damaged.picture.rgb, PIXEL_AXES),
        "bytes": (np.frombuffer(damaged.data, np.uint8), ("byte",)),
    }
    if damaged.wrong is not None:
        arrays["wrong_channels"] = damaged.wrong, LATENT_AXES[:2]
    return arrays, {"steps": damaged.steps, "steps_done": damaged.steps_done}


def marked(exhibit: Exhibit) -> Pyramid:
    """The picture of an exhibit as the comparison shows it: with the decoder's front, hatched where it is damaged."""
    assert exhibit.picture is not None
    image = qimage(exhibit.picture.rgb).copy()
    area = QRectF(image.rect())
    painter = QPainter(image)
    if isinstance(exhibit, DecoderFrame):
        painting.draw_front(painter, painting.Pane(area, area.center(), 1.0, 1.0), exhibit.front, Y_STRIDE)
    elif isinstance(exhibit, DamagedResult) and exhibit.objection:
        painting.draw_hazard(painter, area)
    painter.end()
    return Pyramid(rgb_of(image))
