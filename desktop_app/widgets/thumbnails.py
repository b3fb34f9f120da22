"""Small pictures of photos: asked for while painting, decoded on the thumbs lane, kept in memory and on disk."""

import hashlib
import os
from collections import OrderedDict
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QImage, QPixmap

from desktop_app import paths
from desktop_app.session import Session, as_user_error
from desktop_app.work import Outcome

SIDE = 320  # decoded once for all tile sizes and for screens at 200 %
_MEMORY = 128 << 20
_DISK = 512 << 20
_STALE_AFTER = 400  # a request is forgotten when that many newer ones came: it has been scrolled past


class Thumbnails(QObject):
    """One for a session, shared by every grid and strip."""

    ready = Signal(str)  # path

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._session = session
        self._pixmaps: OrderedDict[str, QPixmap] = OrderedDict()
        self._bytes = 0
        self._aspects: dict[str, float] = {}
        self._pending: dict[str, int] = {}
        self._count = 0
        self._folder = paths.cache_dir() / "thumbnails"
        session.file_read.connect(self.forget)

    @classmethod
    def of(cls, session: Session) -> "Thumbnails":
        """The thumbnails of this session, made on first use."""
        return session.findChild(cls) or cls(session)

    def get(self, path: str) -> QPixmap | None:
        """The thumbnail; None while it is decoded, which this starts. Cheap enough for a paint event."""
        pixmap = self._pixmaps.get(path)
        if pixmap is not None:
            self._pixmaps.move_to_end(path)
        elif path not in self._session.failures:
            self._ask(path)
        return pixmap

    def aspect(self, path: str) -> float:
        """Width over height as far as known, so that the grey tile has the right shape."""
        return self._aspects.get(path, 4 / 3)

    def forget(self, path: str = "") -> None:
        """Decode this photo (all, where empty) again when it is next shown."""
        if path:
            self._drop(path)
            return
        for asked in self._pending:
            self._session.work.drop(f"thumb {asked}")  # of the file as it was
        self._pixmaps.clear()
        self._pending.clear()
        self._bytes = 0

    def prune_disk(self) -> None:
        """Bring the folder of thumbnails below its limit, oldest first, on the io lane."""
        self._session.work.once(partial(_prune, self._folder, _DISK), lambda outcome: None, lane="io")

    def _ask(self, path: str) -> None:
        self._count += 1
        known = path in self._pending
        self._pending[path] = self._count
        if not known:
            call = partial(self._decode, path)
            self._session.work.latest(f"thumb {path}", call, partial(self._done, path), lane="thumbs")

    def _decode(self, path: str) -> QImage | None:
        """On the worker. None where the tile has been scrolled away long ago."""
        if self._count - self._pending.get(path, -_STALE_AFTER) > _STALE_AFTER:
            return None
        return load(path, self._folder)

    def _done(self, path: str, outcome: Outcome) -> None:
        self._pending.pop(path, None)
        if outcome.error is not None:
            error = as_user_error(outcome.error, self.tr("The photo could not be read"))
            self._session.report_failure(path, error)
        elif outcome.value is not None:
            self._remember(path, outcome.value)
        self.ready.emit(path)

    def _remember(self, path: str, image: QImage) -> None:
        self._drop(path)
        pixmap = QPixmap.fromImage(image)
        self._pixmaps[path] = pixmap
        self._aspects[path] = image.width() / max(1, image.height())
        self._bytes += _size(pixmap)
        while self._bytes > _MEMORY and len(self._pixmaps) > 1:
            self._drop(next(iter(self._pixmaps)))

    def _drop(self, path: str) -> None:
        pixmap = self._pixmaps.pop(path, None)
        if pixmap is not None:
            self._bytes -= _size(pixmap)


def _size(pixmap: QPixmap) -> int:
    return pixmap.width() * pixmap.height() * 4


def load(path: str, folder: Path) -> QImage:
    """The thumbnail from the folder of thumbnails, or decoded and left there. Raises ImageError."""
    from models.images import thumbnail

    stored = _stored_at(path, folder)
    if stored is not None:
        image = QImage(str(stored))
        if not image.isNull():
            return image
    rgb = thumbnail(path, SIDE)
    height, width = rgb.shape[:2]
    image = QImage(rgb.data, width, height, int(rgb.strides[0]), QImage.Format.Format_RGB888).copy()
    if stored is not None:
        _store(image, stored)
    return image


def _stored_at(path: str, folder: Path) -> Path | None:
    """Where the thumbnail of this very version of the file lies; None where the file cannot be looked at."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    version = f"{path}\0{status.st_mtime_ns}\0{status.st_size}\0{SIDE}"
    name = hashlib.sha256(version.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return folder / name[:2] / f"{name}.jpg"


def _store(image: QImage, place: Path) -> None:
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        part = place.with_name(f"{os.getpid()}.part.{place.name}")
        if image.save(str(part), quality=88):
            os.replace(part, place)
    except OSError:
        pass  # a full disk only means that the thumbnail is decoded again next time


def _prune(folder: Path, limit: int) -> None:
    found: list[tuple[float, int, str]] = []
    for below, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(below, name)
            try:
                status = os.stat(path)
            except OSError:
                continue
            found.append((status.st_mtime, status.st_size, path))
    total = sum(size for _, size, _ in found)
    for _, size, path in sorted(found):
        if total <= limit:
            return
        try:
            os.remove(path)
        except OSError:
            continue
        total -= size
