"""The numbers that a lesson's text names in braces, read from the application: {bpp:joint}, {saving:context→joint}.

Numbers of files are those of real files: of the setting that is shown, or of another prior or λ, which a job writes.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from weakref import WeakKeyDictionary

import numpy as np
from PySide6.QtCore import QObject, Signal

from jahp_gui.codec import latent_views
from jahp_gui.codec.wavefront import wavefronts
from jahp_gui.gui import captions
from jahp_gui.gui.comparison import FileOf
from jahp_gui.gui.i18n import tr
from jahp_gui.gui.jobs import Jobs
from jahp_gui.gui.lessons.commands import PRIORS, gain_index_at
from jahp_gui.gui.results import Choice, FileResult, LatentResult, SeriesKey
from jahp_gui.gui.session import Session

JOB = "lesson file"
KEPT = 64  # files of which the numbers are remembered
PENDING, UNDEFINED = "…", "–"
ARROWS = ("→", "->")
UNKNOWN = math.nan  # where a value is not defined: there is nothing to wait for


@dataclass(frozen=True)
class ValueName:
    """What stands in braces: a name of VALUES, the priors it is about, and a tick of the λ slider.

    Without priors or tick it is about what is chosen now.
    """

    name: str
    priors: tuple[str, ...] = ()
    tick: int | None = None


@dataclass(frozen=True)
class FileNumbers:
    """Of one real file: sizes in bytes, PSNR in dB, seconds to decode."""

    n_bytes: int
    z_bytes: int
    y_bytes: int
    bpp: float
    psnr: float | None
    decode_seconds: float


@dataclass(frozen=True)
class ValueKind:
    """pattern: how it is written. priors: how many it takes, 1 may be left out. read: None while it is being made."""

    pattern: str
    priors: int
    read: Callable[["LiveValues", ValueName], float | None]


def read_value_name(text: str) -> ValueName:
    """The name of a text such as "bpp:joint@8". Raises ValueError with a sentence."""
    head, at, tick = text.strip().partition("@")
    name, _, names = head.partition(":")
    for arrow in ARROWS:
        names = names.replace(arrow, " ")
    priors = tuple(names.split())
    kind = VALUES.get(name)
    if kind is None:
        raise ValueError(tr("there is no value “{name}”").format(name=name))
    right_count = len(priors) == 2 if kind.priors == 2 else len(priors) <= kind.priors
    right_tick = not at or (kind.priors > 0 and tick.isdecimal() and int(tick) > 0)
    if not right_count or not right_tick or not set(priors) <= set(PRIORS):
        raise ValueError(tr("“{text}” does not say which priors and λ it means").format(text=text))
    return ValueName(name, priors, int(tick) if at else None)


class LiveValues(QObject):
    """Reads values for the lesson that is shown; asks for the files it lacks, one after the other."""

    changed = Signal()

    def __init__(
        self,
        session: Session,
        jobs: Jobs,
        file_of: FileOf,
        bd_rate: Callable[[SeriesKey], float | None],
        parent: QObject | None = None,
    ):
        super().__init__(parent)
        self.session, self.jobs, self._file_of, self._bd_rate = session, jobs, file_of, bd_rate
        self._known: dict[Choice, FileNumbers] = {}
        self._wanted: list[Choice] = []
        session.current_changed.connect(self.forget)
        session.model_changed.connect(self.forget)

    def forget(self) -> None:
        """Another image or model: nothing known is of it."""
        self.stop()
        self._known.clear()
        self.changed.emit()

    def stop(self) -> None:
        """No lesson is shown: ask for no more files."""
        self._wanted.clear()
        self.jobs.cancel(JOB)

    def value(self, name: ValueName) -> float | None:
        """The number; None while it is being made, NaN where there is none."""
        return VALUES[name.name].read(self, name)

    def text(self, name: ValueName) -> str:
        if name.name == "prior":
            return captions.prior_name(self.session.choice.prior)
        value = self.value(name)
        if value is None:
            return PENDING
        if not math.isfinite(value):
            return UNDEFINED
        return VALUES[name.name].pattern.format(value).replace("-", "−")

    # ------------------------------------------------------------ what values are read from

    def choice_of(self, name: ValueName, number: int = 0) -> Choice:
        session = self.session
        prior = name.priors[number] if name.priors else session.choice.prior
        gain_index = session.choice.gain_index if name.tick is None else gain_index_at(session, name.tick)
        choice = replace(session.choice, prior=prior, gain_index=gain_index)
        return choice if choice == session.choice else choice.unrefined

    def file(self, name: ValueName, number: int = 0) -> FileNumbers | None:
        """Of the real file of a prior and λ; None while it is being written."""
        session, choice = self.session, self.choice_of(name, number)
        if choice not in self._known:
            if session.exact is not None and choice == session.choice:
                self._remember(session.exact)
            elif choice != session.choice:
                self._ask_for(choice)
        return self._known.get(choice)

    def lacks(self, name: ValueName) -> bool:
        """Whether there will be no such number: the model lacks a prior, or the image cannot be compressed."""
        session = self.session
        if session.card is None or session.is_fixed:
            return True
        return any(prior not in session.card.priors for prior in name.priors)

    def _remember(self, result: FileResult) -> None:
        container = result.container
        if len(self._known) >= KEPT:
            self._known.clear()
        self._known[result.choice] = FileNumbers(
            len(result.data),
            len(container.z),
            len(container.y),
            container.bpp,
            result.psnr,
            result.decode_seconds,
        )

    def _ask_for(self, choice: Choice) -> None:
        if choice not in self._wanted:
            self._wanted.append(choice)
        if not self.jobs.is_active(JOB):
            self._next()

    def _next(self) -> None:
        if self._wanted:
            self._file_of(self._wanted.pop(0), JOB, self._on_file)

    def _on_file(self, result: FileResult) -> None:
        self._remember(result)
        self._next()
        self.changed.emit()

    def latents(self, name: ValueName) -> LatentResult | None:
        """The latents under a prior at the λ that is chosen: those shown, or those subtracted in the map."""
        session, choice = self.session, self.choice_of(name)
        for result in (session.latents, session.reference_latents):
            if result is not None and result.choice == choice:
                return result
        return None

    def bd_rate(self, name: ValueName) -> float | None:
        """Percent, against the curve that the plot compares with."""
        prior = name.priors[0] if name.priors else self.session.choice.prior
        return self._bd_rate(SeriesKey("prior", prior))


def of_file(number: Callable[[FileNumbers], float | None]) -> Callable[[LiveValues, ValueName], float | None]:
    def read(values: LiveValues, name: ValueName) -> float | None:
        if values.lacks(name):
            return UNKNOWN
        file = values.file(name)
        if file is None:
            return None
        found = number(file)
        return UNKNOWN if found is None else found

    return read


def z_share(file: FileNumbers) -> float:
    """Percent of the bytes of ẑ and ŷ that ẑ takes."""
    return 100 * file.z_bytes / max(file.z_bytes + file.y_bytes, 1)


def saving(values: LiveValues, name: ValueName) -> float | None:
    """Percent of the bytes of ẑ and ŷ that the second prior saves of the first one's."""
    if values.lacks(name):
        return UNKNOWN
    before, after = values.file(name, 0), values.file(name, 1)
    if before is None or after is None:
        return None
    return 100 * (1 - (after.y_bytes + after.z_bytes) / max(before.y_bytes + before.z_bytes, 1))


def growth(values: LiveValues, name: ValueName) -> float | None:
    """Percent that the file is larger than the one at the tick before."""
    if values.lacks(name) or name.tick is None:
        return UNKNOWN
    after, before = values.file(name), values.file(replace(name, tick=max(name.tick - 1, 1)))
    return None if before is None or after is None else 100 * (after.n_bytes / before.n_bytes - 1)


def of_latents(number: Callable[[LatentResult], float]) -> Callable[[LiveValues, ValueName], float | None]:
    """Each result is asked once: of a large image it takes a second, and lessons read it at every move of the mouse."""
    known: WeakKeyDictionary[LatentResult, float] = WeakKeyDictionary()

    def read(values: LiveValues, name: ValueName) -> float | None:
        if values.lacks(name):
            return UNKNOWN
        result = values.latents(name)
        if result is None:
            return None
        if result not in known:
            known[result] = number(result)
        return known[result]

    return read


def of_session(number: Callable[[Session], float | None]) -> Callable[[LiveValues, ValueName], float | None]:
    return lambda values, name: number(values.session)


def samples(session: Session) -> float | None:
    """Numbers in the image: three for each pixel."""
    size = session.current.size if session.current is not None else None
    return None if size is None else float(3 * size[0] * size[1])


def zeros(result: LatentResult) -> float:
    """Percent of the latents ŷ that are zero."""
    return 100 * float(np.mean(result.y_hat == 0))


def explained(result: LatentResult) -> float:
    """Percent of the energy Σŷ² that the means take away."""
    share = latent_views.explained_energy(result.maps, result.y_hat)
    return UNKNOWN if share is None else 100 * share


def dearest_tenth(result: LatentResult) -> float:
    """Percent of the bits of ŷ that the dearest tenth of the positions takes."""
    return 100 * latent_views.dearest_share(result.maps, result.y_hat, 0.1)


def front_count(result: LatentResult) -> float:
    return float(len(wavefronts(*result.y_hat.shape[:2])))


def position_count(result: LatentResult) -> float:
    height, width = result.y_hat.shape[:2]
    return float(height * width)


VALUES: dict[str, ValueKind] = {
    "prior": ValueKind("", 0, lambda values, name: UNKNOWN),
    "lambda": ValueKind("{:.4g}", 1, lambda values, name: values.session.lmbda_at(values.choice_of(name).gain_index)),
    "bytes": ValueKind("{:,.0f}", 1, of_file(lambda file: file.n_bytes)),
    "bpp": ValueKind("{:.3f}", 1, of_file(lambda file: file.bpp)),
    "psnr": ValueKind("{:.2f}", 1, of_file(lambda file: file.psnr)),
    "y-bytes": ValueKind("{:,.0f}", 1, of_file(lambda file: file.y_bytes)),
    "z-bytes": ValueKind("{:,.0f}", 1, of_file(lambda file: file.z_bytes)),
    "z-share": ValueKind("{:.1f}\u00a0%", 1, of_file(z_share)),
    "decode-seconds": ValueKind("{:.2f}", 1, of_file(lambda file: file.decode_seconds)),
    "saving": ValueKind("{:.1f}\u00a0%", 2, saving),
    "growth": ValueKind("{:.0f}\u00a0%", 1, growth),
    "samples": ValueKind("{:,.0f}", 0, of_session(samples)),
    "latents": ValueKind("{:,.0f}", 0, of_latents(lambda result: float(result.y_hat.size))),
    "zeros": ValueKind("{:.0f}\u00a0%", 0, of_latents(zeros)),
    "explained": ValueKind("{:.0f}\u00a0%", 1, of_latents(explained)),
    "dearest-share": ValueKind("{:.0f}\u00a0%", 1, of_latents(dearest_tenth)),
    "positions": ValueKind("{:,.0f}", 0, of_latents(position_count)),
    "fronts": ValueKind("{:,.0f}", 0, of_latents(front_count)),
    "speed-up": ValueKind("{:.1f}", 0, of_latents(lambda result: position_count(result) / front_count(result))),
    "bd": ValueKind("{:+.1f}\u00a0%", 1, LiveValues.bd_rate),
}
