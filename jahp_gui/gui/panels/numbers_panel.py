"""Every number of the current setting: sizes, rate, quality, times. Estimates are marked as such."""

import weakref

from PySide6.QtCore import QRect, QTimer
from PySide6.QtWidgets import QLabel, QWidget

from jahp_gui.codec import metrics
from jahp_gui.codec.container import Y_STRIDE
from jahp_gui.codec.importance import share_of_bits
from jahp_gui.codec.latent_views import Region, region_bits
from jahp_gui.gui.i18n import tr
from jahp_gui.gui.imaging import Rgb
from jahp_gui.gui.panels.widgets import title_of, value_rows
from jahp_gui.gui.results import FileResult
from jahp_gui.gui.session import Session

ROWS = (
    ("file", "File", "Size of the whole .jahp file."),
    ("parts", "of which", "Bytes of the header with its checksum, of side information ẑ, of latents ŷ."),
    ("rate", "Rate", "Bits per pixel of the whole file, and how many times smaller it is than 24-bit pixels."),
    ("psnr", "PSNR", "Peak signal-to-noise ratio over 8-bit RGB: higher is nearer to the original."),
    (
        "ms_ssim",
        "MS-SSIM",
        "Multi-scale structural similarity, 1 is equal; in dB as −10·log10(1−m). Of sides above 160 pixels.",
    ),
    (
        "times",
        "Times",
        "Seconds to write the file, without the analysis transform, which runs once for an image; and to decode it.",
    ),
    ("painted", "Region", "PSNR inside and outside the painted region, and which part of the bits of ŷ is inside."),
    ("region", "Selection", "Bits, rate and PSNR of the selected rectangle."),
)
NONE = "–"
QUICK_PIXELS = 500_000  # whose PSNR takes some milliseconds; that of more is computed when the mouse rests
REST_MS = 150


class NumbersPanel(QWidget):
    """A table of labels, filled from the session."""

    def __init__(self, session: Session, parent: QWidget | None = None):
        super().__init__(parent)
        self.session = session
        self.state = QLabel()
        self.state.setProperty("faint", True)
        self.state.setWordWrap(True)
        layout, self.values = value_rows(ROWS)
        self.setLayout(layout)
        self.values["parts"].setWordWrap(True)  # of a large file the last digits would be cut
        painted = self.values["painted"]
        self._painted_labels = (title_of(layout, painted), painted)
        layout.addWidget(self.state, len(ROWS), 0, 1, 2)
        self._selection_known: tuple[weakref.ref[FileResult], QRect, float] | None = None
        self._rest = QTimer(self, singleShot=True, interval=REST_MS)
        self._rest.timeout.connect(self.refresh)
        session.selection_changed.connect(self._rest.start)
        for signal in (session.results_changed, session.selection_changed, session.current_changed):
            signal.connect(self.refresh)
        session.model_changed.connect(self.refresh)
        session.choice_changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        file = self.session.shown_file
        if file is not None:
            self._show_file(file)
        else:
            self._show_estimate()
        self.values["region"].setText(self._region_text())
        painted = self._painted_text()
        self.values["painted"].setText(painted)
        for label in self._painted_labels:
            label.setVisible(painted != NONE)

    def _painted_text(self) -> str:
        """Of the region that a file was searched with: nothing while there is none."""
        session, mask, file = self.session, self.session.mask, self.session.exact
        if mask is None or session.is_fixed:
            return NONE
        if file is None or file.psnr_parts is None:
            return "…"
        inside, outside = (NONE if value is None else f"{value:.2f} dB" for value in file.psnr_parts)
        texts = [tr("in {inside} · out {outside}").format(inside=inside, outside=outside)]
        latents = session.latents
        if latents is not None and latents.choice == file.choice:
            bits = latents.summed.bits
            share = share_of_bits(bits, mask.shares(Y_STRIDE)) / max(float(bits.sum()), 1e-9)
            texts.append(
                tr("{bits:.0f} % of bits on {area:.0f} % of area").format(bits=100 * share, area=100 * mask.share)
            )
        return "\n".join(texts)

    def shown_rows(self) -> list[tuple[str, str]]:
        """(name, value) of every row that has a value."""
        texts = [(tr(name), self.values[key].text()) for key, name, _ in ROWS]
        return [(name, text.replace("\n", " · ")) for name, text in texts if text != NONE]

    def _set(self, **texts: str) -> None:
        for key, text in texts.items():
            self.values[key].setText(text)

    def _show_file(self, file: FileResult) -> None:
        container = file.container
        decoding = f"{file.decode_seconds:.2f} s"
        encoding = f"{file.encode_seconds:.2f} s" if file.encode_seconds is not None else NONE
        self._set(
            file=tr("{size:,} bytes").format(size=len(file.data)),
            parts=tr("header {header} · ẑ {z:,} · ŷ {y:,}").format(
                header=container.header_bytes, z=len(container.z), y=len(container.y)
            ),
            rate=self._rate_text(len(file.data)),
            psnr=f"{file.psnr:.2f} dB" if file.psnr is not None else NONE,
            ms_ssim=self._similarity_text(file),
            times=tr("write {encoding} · read {decoding}").format(encoding=encoding, decoding=decoding),
        )
        texts = [tr("decoded file, digest checked")]
        card = self.session.card
        if card is not None and card.is_searched(file.choice.prior, container.header.model_digest):
            texts.append(tr("synthesis for searched latents"))
        self.state.setText("✓ " + " · ".join(texts))

    def _show_estimate(self) -> None:
        """What the live jobs know; nothing of an older setting."""
        session = self.session
        live, estimate = session.live, session.estimated_bytes
        texts = dict.fromkeys(("file", "parts", "rate", "psnr", "ms_ssim", "times"), NONE)
        if estimate is not None:
            size = round(estimate)
            texts["file"] = "≈ " + tr("{size:,} bytes").format(size=size)
            texts["rate"] = "≈ " + self._rate_text(size)
        if live is not None and live.choice == session.choice.rounded and live.psnr is not None:
            texts["psnr"] = f"{live.psnr:.2f} dB"
        self._set(**texts)
        self.state.setText(self._waiting_text())

    def _waiting_text(self) -> str:
        session = self.session
        if session.model_error or session.current is None or session.current.picture is None:
            return ""
        if session.model is None:
            return tr("loading the model…")
        if session.stopped == session.choice and not session.is_fixed:
            return "≈ " + tr("estimate; stopped, there is no file")
        estimate = session.estimate
        if estimate is not None and estimate.choice == session.choice.rounded and estimate.share < 1:
            share = f"{100 * estimate.share:.2g}"
            return "≈ " + tr("from {share}% of the latents; the real file follows").format(share=share)
        return "≈ " + tr("estimate; the real file follows")

    def _rate_text(self, n_bytes: int) -> str:
        size = self.session.current.size if self.session.current else None
        if size is None or n_bytes == 0:
            return NONE
        ratio = 3 * size[0] * size[1] / n_bytes
        return f"{metrics.bpp(n_bytes, *size):.3f} bpp · 1 : {ratio:.1f}"

    def _region_text(self) -> str:
        session, selection = self.session, self.session.selection
        if selection is None:
            return NONE
        left, top, width, height = selection.x(), selection.y(), selection.width(), selection.height()
        texts = [f"{width}×{height}"]
        latents, item = session.latents, session.current
        size = item.size if item is not None else None
        if latents is not None and size is not None and latents.choice == session.shown_choice:
            bits = region_bits(latents.summed, Region(left, top, width, height), *size)
            texts.append(f"{bits:,.0f} {tr('bit')} · {bits / (width * height):.3f} bpp")
        file = session.shown_file
        if file is not None and item is not None and item.original is not None:
            psnr = self._psnr_of_selection(file, item.original.rgb, selection)
            texts.append("…" if psnr is None else f"{psnr:.2f} dB")
        return "\n".join(texts)

    def _psnr_of_selection(self, file: FileResult, original: Rgb, selection: QRect) -> float | None:
        """None while a large selection still changes."""
        known = self._selection_known
        if known is not None and known[0]() is file and known[1] == selection:
            return known[2]
        if self._rest.isActive() and selection.width() * selection.height() > QUICK_PIXELS:
            return None
        rows = slice(selection.y(), selection.y() + selection.height())
        cut = rows, slice(selection.x(), selection.x() + selection.width())
        psnr = metrics.psnr(original[cut], file.picture.rgb[cut])
        self._selection_known = weakref.ref(file), QRect(selection), psnr
        return psnr

    def _similarity_text(self, file: FileResult) -> str:
        value, item = file.ms_ssim, self.session.current
        if value is not None:
            return f"{value:.4f} · {metrics.ms_ssim_db(value):.2f} dB"
        comes = not file.ms_ssim_known and item is not None and item.original is not None
        return tr("being measured…") if comes else NONE
