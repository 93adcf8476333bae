"""Images in and results out: opening, dropping, pasting, saving. Decisions here, bytes in jobs."""

import itertools
import os
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from PySide6.QtCore import QMimeData, QObject, QTemporaryDir, QUrl, Signal, Slot
from PySide6.QtGui import QImage

from jahp_gui.codec import metrics
from jahp_gui.codec.errors import ImageError, JahpError, UsageError
from jahp_gui.codec.images import IMAGE_SUFFIXES, find_files, load_weights
from jahp_gui.codec.importance import Mask
from jahp_gui.codec.output import save_image, write_atomically
from jahp_gui.gui import samples, work
from jahp_gui.gui.i18n import tr
from jahp_gui.gui.imaging import Pyramid, qimage, rgb_of
from jahp_gui.gui.jobs import Job, Jobs
from jahp_gui.gui.results import CURRENT, ORIGINAL, ImageItem, LatentResult
from jahp_gui.gui.sentences import translated
from jahp_gui.gui.session import Session
from jahp_gui.gui.settings import Settings

MAX_AT_ONCE = 500  # images of one drop: beyond, the batch dialog is the better tool
LIKENESS_DB = 15.0  # PSNR of an opened file's picture and its original; that of two photos is below, but for noise
KEPT_BYTES = 512 * 2**20  # of pictures and latents of images that are not shown
# Jobs that read what is chosen in the list: with one alone a share that has gone would stop them all, and with one for
# each image the arrow keys would have a dozen large ones decoded at once.
LISTED_JOBS = ("load listed 1", "load listed 2", "load listed 3")


class FileController(QObject):
    """Opens and saves for the session."""

    jahp_saved = Signal(bytes)  # what has been written

    def __init__(self, session: Session, jobs: Jobs, settings: Settings, parent: QObject | None = None):
        super().__init__(parent)
        self.session, self.jobs, self.settings = session, jobs, settings
        self._drag_folder: QTemporaryDir | None = None
        self._openings = itertools.count(1)
        self._shown_opening = 0  # the newest that has been shown: no older one that takes longer replaces it
        self._listed_job = LISTED_JOBS[0]  # the newest
        session.current_changed.connect(self._load_current)

    # ------------------------------------------------------------ in

    def open_paths(self, paths: Sequence[Path]) -> None:
        """Images, `.jahp` files and folders of either; the first is shown. Bad ones are told in a message."""
        items, refused = [], []
        for path in map(Path.absolute, paths):  # the list of recent ones is for runs from other folders, too
            if found(path.is_dir):
                items += [ImageItem(inside.name, inside) for inside in _in_folder(path)]
            elif found(path.is_file):
                items.append(ImageItem(path.name, path))
            else:
                refused.append(path.name)
        told = []
        if len(items) > MAX_AT_ONCE:
            told.append(tr("Only the first {count} images were opened.").format(count=MAX_AT_ONCE))
        if refused:
            told.append(tr("There is no file {name}.").format(name=", ".join(refused)))
        elif not items:
            told.append(tr("There are no images in that folder."))
        if told:  # in one message: a second would replace the first
            self.session.tell("\n".join(told), "error" if refused else "warning")
        if items:
            self._open(items[:MAX_AT_ONCE])

    def _open(self, items: list[ImageItem]) -> None:
        """List the items that are not listed yet and show the first; a single one is listed only once it was read."""
        listed = {_place(item): item for item in self.session.items}
        opened = [listed.setdefault(_place(item), item) for item in items]
        new = [item for item in dict.fromkeys(opened) if item not in self.session.items]
        number = next(self._openings)
        # Also a listed one may be the original that the file shown lacks. Each has a key of its own: it is not lost
        # because another is opened meanwhile.
        if len(set(opened)) == 1 and (new or self.session.is_fixed):
            self._load(items[0], f"load {number}", lambda: self._show_new(items[0], number))
            return
        self._shown_opening = number
        self.session.add_items(new)
        self._choose(opened[0])
        self.make_thumbnails()

    def _choose(self, item: ImageItem) -> None:
        """Show a listed item, read once more where its file has changed."""
        if item.picture is not None and item.path is not None and work.stamp_of(item.path) != item.stamp:
            item.release()
            if item is self.session.current:
                self.session.select(None)  # nothing that is shown is of it any more
        is_shown = item is self.session.current
        self.session.select(item)
        if is_shown and self.session.is_fixed and item.opened_latents is None:
            self._show_opened(item)  # what was stopped is measured after all

    def open_sample(self, name: str) -> None:
        self._open([ImageItem(name, samples.path_of(name))])

    def paste(self, mime: QMimeData) -> bool:
        """Open what the clipboard or a drop holds: files, else an image. False where it holds neither."""
        paths = [Path(url.toLocalFile()) for url in mime.urls() if url.isLocalFile()]
        if paths:
            self.open_paths(paths)
            return True
        image = mime.imageData() if mime.hasImage() else None
        if isinstance(image, QImage) and not image.isNull():
            name, number = tr("Pasted image"), next(self._openings)
            self.jobs.start(
                f"load {number}",
                lambda job: work.thumbnail(ImageItem(name, original=Pyramid(rgb_of(image)))),
                lambda item: self._show_new(item, number),
                label=name,
            )
            return True
        self.session.tell(tr("There is no image here that can be opened."), "warning")
        return False

    @Slot()
    def _load_current(self) -> None:
        """Give a listed item its pixels when it is chosen."""
        item = self.session.current
        self.jobs.cancel("opened latents")
        self._make_room()
        if item is not None and item.picture is None and item.path is not None and not item.failed:
            self._load_listed(item)
        elif item is not None and item.original is None and item.opened is not None:
            self._show_opened(item)

    def _make_room(self) -> None:
        """Take other images from memory where there are too many, first those that were shown longest ago."""
        current = self.session.current
        if current is not None:
            current.shown_at = time.monotonic()
        others = [item for item in self.session.items if item is not current]
        held = sum(item.held_bytes for item in others)
        for item in sorted(others, key=lambda item: item.shown_at):
            if held > KEPT_BYTES and item.can_be_read_again:
                held -= item.held_bytes
                item.release()

    def _load_listed(self, item: ImageItem) -> None:
        """In place of another listed one that is still being read: that is read when it is chosen again."""

        def failed(text: str) -> None:
            if item in self.session.items:
                self.session.tell(text, "error")
                self._leave_unread(item, text)

        def stopped() -> None:
            why = tr("{name} was not read: choose it in the list to try again.")
            self._leave_unread(item, why.format(name=item.name))

        self.jobs.cancel(self._listed_job)
        self._listed_job = next(filter(self.jobs.is_free, LISTED_JOBS), LISTED_JOBS[0])
        self._load(item, self._listed_job, lambda: self._show_listed(item), failed, stopped)

    def _load(
        self,
        item: ImageItem,
        key: str,
        done: Callable[[], None],
        failed: Callable[[str], None] | None = None,
        stopped: Callable[[], None] | None = None,
    ) -> None:
        path, model = item.path, self.session.model
        assert path is not None

        def read(job: Job) -> ImageItem:
            is_jahp = path.suffix.lower() == work.JAHP_SUFFIX
            return work.thumbnail(work.open_jahp(path, model, job) if is_jahp else work.load_item(path))

        def loaded(fresh: ImageItem) -> None:
            is_other = item.stamp not in (None, fresh.stamp)
            vars(item).update(vars(fresh))
            if is_other:
                self.session.renew_item(item)
            self.settings.add_recent(path)
            done()

        label = tr("Opening {name}").format(name=path.name)
        self.jobs.start(key, read, loaded, failed=failed, label=label, kind="reading", stopped=stopped)

    def _show_listed(self, item: ImageItem) -> None:
        """A listed item could be read; meanwhile another may have been chosen, or this one removed."""
        session = self.session
        if item is session.current:
            session.current_changed.emit()
            self._tell_notes(item)
        elif item in session.items:
            session.items_changed.emit()

    def _leave_unread(self, item: ImageItem, why: str) -> None:
        """A listed item stays without its pixels, until it is chosen again."""
        item.failed = why
        if item is self.session.current:
            self.session.current_changed.emit()
        else:
            self.session.items_changed.emit()

    def _show_new(self, item: ImageItem, number: int) -> None:
        """A new item could be read: it is shown, or taken as the original that an opened `.jahp` lacks."""
        session, lacking = self.session, self.session.current
        is_newest = number > self._shown_opening
        self._shown_opening = max(number, self._shown_opening)
        if is_newest and lacking is not None and item.original is not None and _is_original_of(item, lacking):
            self._attach(lacking, item.original)
            return
        listed = next((known for known in session.items if _place(known) == _place(item)), None)
        if listed is None:
            session.add_items([item])
        if is_newest:
            self._choose(listed or item)
        self._tell_notes(item)

    def _tell_notes(self, item: ImageItem) -> None:
        """What of the file was left out or converted."""
        # That metadata is dropped is true of nearly any photo.
        changes = [translated(note) for note in item.notes if not note.startswith("metadata dropped")]
        if changes:
            self.session.tell(f"{item.name}: {'; '.join(changes)}")

    def _show_opened(self, item: ImageItem) -> None:
        """The results of a `.jahp` without its original."""
        session = self.session
        session.file, session.latents, session.live = item.opened, item.opened_latents, None
        session.set_compare(a=ORIGINAL, b=CURRENT)
        session.results_changed.emit()
        session.maps_changed.emit()
        if item.opened_latents is None:
            self._measure_opened(item)

    def _measure_opened(self, item: ImageItem) -> None:
        """What each latent of an opened file cost, shown when it is there."""
        session, opened, decoded = self.session, item.opened, item.decoded
        assert opened is not None and decoded is not None

        def done(latents: LatentResult) -> None:
            if item.opened is opened:  # not released meanwhile
                item.opened_latents = latents
            if item is session.current and session.file is opened:
                session.latents = latents
                session.results_changed.emit()
                session.maps_changed.emit()

        def stopped() -> None:
            session.tell(tr("Stopped: open the file again to see where its bits went."))

        label = tr("Measuring the latents of {name}").format(name=item.name)
        self.jobs.start(
            "opened latents",
            lambda job: work.latents_of_opened(opened, decoded, job),
            done,
            label=label,
            stopped=stopped,
        )

    def _attach(self, item: ImageItem, original: Pyramid) -> None:
        """From now on the opened file is one setting of its original among others."""
        session, opened = self.session, item.opened
        assert opened is not None
        item.original = original
        session.clear_results()
        assert item.decoded is not None
        self.jobs.cancel("opened latents")
        card, header = item.decoded.model.card, opened.container.header
        chosen = session.card
        if (
            chosen is None
            or chosen.model_id != card.model_id
            or not chosen.has_weights(opened.choice.prior, header.model_digest)
        ):
            session.use_card(next((known for known in session.cards if known == card), card))
        session.set_choice(prior=opened.choice.prior, gain_index=opened.choice.gain_index)
        session.current_changed.emit()
        session.tell(tr("This is now compared with the original; prior and λ are those of the file."))

    def make_thumbnails(self) -> None:
        """Small pictures for the list, in the background, one at a time."""
        items = [item for item in self.session.items if item.thumbnail is None and not item.failed]

        def work_of(job: Job) -> None:
            for item in items:
                job.give_way()
                if item.path is None or item.path.suffix.lower() != work.JAHP_SUFFIX:
                    job.progress(work.thumbnail(item))

        self.jobs.start("thumbnails", work_of, progress=lambda _: self.session.items_changed.emit(), kind="background")

    # ------------------------------------------------------------ out

    def save_jahp(self, path: Path, *, force: bool) -> None:
        """Write the real file that is shown."""
        file = self.session.shown_file
        if file is not None:
            data = file.data
            self.write(path, lambda: write_atomically(path, data, force=force), lambda: self.jahp_saved.emit(data))
        else:
            self.tell_missing()

    def load_region(self, path: Path) -> None:
        """Take a grey image for the region of interest."""
        item = self.session.current

        def read(job: Job) -> Mask:
            weights = load_weights(path)
            height, width = weights.shape
            if item is None or item.size != (width, height):
                text = tr("{name} is not as large as the image: make them the same size.")
                raise UsageError(text.format(name=path.name))
            return Mask.of_weights(weights)

        def loaded(mask: Mask) -> None:
            if self.session.current is item:
                self.session.set_mask(mask)
                self.session.set_paint(on=True)

        label = tr("Opening {name}").format(name=path.name)
        self.jobs.start("load region", read, loaded, label=label, kind="reading")

    def save_region(self, path: Path) -> None:
        mask = self.session.mask
        if mask is not None:
            self.write(path, lambda: write_atomically(path, mask.png(), force=True))
        else:
            self.tell_missing()

    def save_refined(self, item: ImageItem, data: bytes) -> bool:
        """Write a refined file beside its image at once, under a name that is free. Whether that went well."""
        folder = folder_of(item)
        names = (f"{Path(item.name).stem}-refined{number or ''}{work.JAHP_SUFFIX}" for number in itertools.count())
        path = next(folder / name for name in names if not found((folder / name).exists))
        try:
            write_atomically(path, data)
        except JahpError as error:
            self.session.tell(translated(str(error)), "error")
            return False
        self.jahp_saved.emit(data)
        return True

    def save_beside(self) -> None:
        """Write the file beside its source, never over another."""
        item = self.session.current
        if item is not None and item.path is not None:
            self.save_jahp(item.path.with_suffix(work.JAHP_SUFFIX), force=False)

    def save_reconstruction(self, path: Path) -> None:
        file = self.session.shown_file
        if file is not None:
            rgb = file.picture.rgb
            self.write(path, lambda: save_image(rgb, path, force=True))
        else:
            self.tell_missing()

    def tell_missing(self) -> None:
        """What was to be saved has gone while a place was asked for, or is not there yet."""
        self.session.tell(tr("There is nothing to save at the moment: save again once it is there."), "warning")

    def write(self, path: Path, action: Callable[[], Any], then: Callable[[], None] | None = None) -> None:
        """Run something that writes `path`, in a job, and say how it went; `then` follows where it went well."""

        def done(size: int) -> None:
            if then is not None:
                then()
            self.session.tell(tr("Saved {path} ({size:,} bytes)").format(path=path, size=size))

        def guarded(job: Job) -> int:
            try:
                action()
                return path.stat().st_size if path.exists() else 0
            except OSError as error:
                reason = error.strerror or str(error)
                raise ImageError(tr("{path} cannot be written: {reason}.").format(path=path, reason=reason)) from error

        label = tr("Saving {name}").format(name=path.name)
        # Not to be cancelled: that could not stop it midway, and a window that waits for it would close without it.
        self.jobs.start(f"write {path}", guarded, done, label=label, holds_open=True, can_stop=False)

    def drag_out(self) -> QMimeData | None:
        """The result as it is dragged out of the window: the `.jahp` as a file, the picture as an image."""
        file, item = self.session.shown_file, self.session.current
        if file is None or item is None:
            return None
        if self._drag_folder is None:
            self._drag_folder = QTemporaryDir()
            self.jobs.ending.connect(self._drag_folder.remove)  # also where the process is ended without a word
        stem = Path(item.name).stem or "image"
        path = Path(self._drag_folder.path()) / f"{stem}{work.JAHP_SUFFIX}"
        try:
            write_atomically(path, file.data, force=True)
        except JahpError as error:
            self.session.tell(translated(str(error)), "error")
            return None
        mime = QMimeData()
        mime.setUrls([QUrl.fromLocalFile(str(path))])
        mime.setImageData(qimage(file.picture.rgb))
        return mime


def found(look: Callable[[], bool]) -> bool:
    """What `Path.is_file` or `is_dir` says; false where it raises, as for a share that has gone."""
    try:
        return look()
    except OSError:
        return False


def folder_of(item: ImageItem | None) -> Path:
    """Where results of an image go if nothing else is said."""
    path = item.path if item is not None else None
    return path.parent if path is not None and not samples.is_sample(path) else Path.home()


def _place(item: ImageItem) -> object:
    """Equal for items of one file, however its path was written."""
    return item if item.path is None else _real_path(item.path)


@lru_cache(maxsize=10_000)
def _real_path(path: Path) -> str:
    """Asked of the disk once: it may be a share that has gone, and the window waits."""
    return os.path.normcase(os.path.realpath(path))


def _is_original_of(item: ImageItem, lacking: ImageItem) -> bool:
    """Whether an item can be the original that an opened `.jahp` lacks: an image of its size that looks like it."""
    original, opened = item.original, lacking.opened
    if original is None or opened is None or lacking.original is not None or original.size != lacking.size:
        return False
    return metrics.psnr(original.levels[-1], opened.picture.levels[-1]) > LIKENESS_DB


def _in_folder(folder: Path) -> list[Path]:
    """Images and `.jahp` files of a folder by name; none of a folder that cannot be listed."""
    try:
        return find_files(folder, IMAGE_SUFFIXES | {work.JAHP_SUFFIX})
    except ImageError:
        return []
