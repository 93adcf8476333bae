"""Every number of the current setting: sizes, rate, quality, times. Estimates are marked as such."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout, QLabel, QSizePolicy, QWidget

from jahp_gui.codec import metrics
from jahp_gui.codec.latent_views import Region, region_bits
from jahp_gui.gui import theme
from jahp_gui.gui.i18n import tr
from jahp_gui.gui.results import FileResult
from jahp_gui.gui.session import Session

ROWS = (
    ("file", "File", "Size of the whole .jahp file."),
    ("parts", "of which", "Header with checksum, side information ẑ, latents ŷ."),
    ("rate", "Rate", "Bits per pixel of the whole file, and how many times smaller it is than 24-bit pixels."),
    ("psnr", "PSNR", "Peak signal-to-noise ratio over 8-bit RGB: higher is nearer to the original."),
    (
        "ms_ssim",
        "MS-SSIM",
        "Multi-scale structural similarity, 1 is equal; in dB as −10·log10(1−m). Up to 4 MP.",
    ),
    ("times", "Times", "Seconds to write the file and to decode it."),
    ("region", "Selection", "Bits, rate and PSNR of the rectangle selected with Shift and the mouse."),
)
NONE = "–"


class NumbersPanel(QWidget):
    """A table of labels, filled from the session."""

    def __init__(self, session: Session, parent: QWidget | None = None):
        super().__init__(parent)
        self.session = session
        self.values: dict[str, QLabel] = {}
        self.state = QLabel()
        self.state.setProperty("faint", True)
        self.state.setWordWrap(True)
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setVerticalSpacing(3)
        layout.setColumnStretch(1, 1)
        for row, (key, name, term) in enumerate(ROWS):
            title, value = QLabel(tr(name)), QLabel(NONE)
            title.setProperty("faint", True)
            value.setFont(theme.numbers_font(self.font()))
            value.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            value.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            value.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
            value.setAccessibleName(tr(name))
            for label in (title, value):
                label.setToolTip(tr(term))
            layout.addWidget(title, row, 0, Qt.AlignmentFlag.AlignTop)
            layout.addWidget(value, row, 1)
            self.values[key] = value
        layout.addWidget(self.state, len(ROWS), 0, 1, 2)
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

    def _set(self, **texts: str) -> None:
        for key, text in texts.items():
            self.values[key].setText(text)

    def _show_file(self, file: FileResult) -> None:
        container = file.container
        decoding = f"{file.decode_seconds:.2f} s"
        encoding = f"{file.encode_seconds:.2f} s" if file.encode_seconds is not None else NONE
        self._set(
            file=tr("{size:,} bytes").format(size=len(file.data)),
            parts=f"{container.header_bytes} + {len(container.z):,} + {len(container.y):,}",
            rate=self._rate_text(len(file.data)),
            psnr=f"{file.psnr:.2f} dB" if file.psnr is not None else NONE,
            ms_ssim=_similarity_text(file.ms_ssim),
            times=tr("write {encoding} · read {decoding}").format(encoding=encoding, decoding=decoding),
        )
        self.state.setText("✓ " + tr("decoded from the file, digest checked"))

    def _show_estimate(self) -> None:
        """What the live jobs know; nothing of an older setting."""
        session = self.session
        latents, live = session.latents, session.live
        texts = dict.fromkeys(("file", "parts", "rate", "psnr", "ms_ssim", "times"), NONE)
        if latents is not None and latents.choice == session.choice:
            size = round(latents.estimated_bytes)
            texts["file"] = "≈ " + tr("{size:,} bytes").format(size=size)
            texts["rate"] = "≈ " + self._rate_text(size)
        if live is not None and live.choice == session.choice and live.psnr is not None:
            texts["psnr"] = f"{live.psnr:.2f} dB"
        self._set(**texts)
        self.state.setText(self._waiting_text())

    def _waiting_text(self) -> str:
        session = self.session
        if session.model_error or session.current is None:
            return ""
        if session.model is None:
            return tr("loading the model…")
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
        if latents is not None and latents.choice == session.choice and item is not None and item.size is not None:
            bits = region_bits(latents.maps, Region(left, top, width, height), *item.size)
            texts.append(f"{bits:,.0f} bit · {bits / (width * height):.3f} bpp")
        file = session.shown_file
        if file is not None and item is not None and item.original is not None:
            cut = slice(top, top + height), slice(left, left + width)
            texts.append(f"{metrics.psnr(item.original.rgb[cut], file.picture.rgb[cut]):.2f} dB")
        return "\n".join(texts)


def _similarity_text(value: float | None) -> str:
    return f"{value:.4f} · {metrics.ms_ssim_db(value):.2f} dB" if value is not None else NONE
