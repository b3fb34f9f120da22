"""Small pictures of photos: asked for while painting, decoded on the thumbs lane, kept in memory and on disk."""

import hashlib
import os
from collections import OrderedDict
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, QSize, Qt, Signal
from PySide6.QtGui import QImage, QPixmap

from desktop_app import paths
from desktop_app.session import Session, as_user_error
from desktop_app.work import Outcome

SIDE = 320  # decoded once for all tile sizes and for screens at 200 %
_MEMORY = 96 << 20
_MEMORY_FITTED = 64 << 20
_DISK = 512 << 20
_STALE_AFTER = 400  # a request is forgotten when that many newer ones came: it has been scrolled past


class Thumbnails(QObject):
    """One for a session, shared by every grid and strip."""

    ready = Signal(str)  # path

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._session = session
        self._pixmaps = _Kept(_MEMORY)
        self._fitted = _Kept(_MEMORY_FITTED)
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
        if pixmap is None and path not in self._session.failures:
            self._ask(path)
        return pixmap

    def fitted(self, path: str, box: QSize, scale: float) -> QPixmap | None:
        """The thumbnail as large as fits into `box` (device pixels), to be drawn as it is on a screen of `scale`.

        While that is made, which this starts, the whole one or None. Scaling a screen of them in each paint event
        makes the window wait for Qt's own threads, which a decoder beside them keeps busy.
        """
        pixmap = self._fitted.get(_place(path, box, scale))
        if pixmap is None:
            pixmap = self._pixmaps.get(path)
            if path not in self._session.failures:
                self._ask(path, pixmap, box, scale)
        return pixmap

    def aspect(self, path: str) -> float:
        """Width over height as far as known, so that the grey tile has the right shape."""
        return self._aspects.get(path, 4 / 3)

    def forget(self, path: str = "") -> None:
        """Decode this photo (all, where empty) again when it is next shown."""
        self._pixmaps.drop(path)
        self._fitted.drop(path)
        if not path:
            self._pending.clear()

    def prune_disk(self) -> None:
        """Bring the folder of thumbnails below its limit, oldest first, on the io lane."""
        self._session.work.once(partial(_prune, self._folder, _DISK), lambda outcome: None, lane="io")

    def _ask(
        self, path: str, whole: QPixmap | None = None, box: QSize | None = None, scale: float = 1.0
    ) -> None:
        self._count += 1
        known = path in self._pending
        self._pending[path] = self._count
        if not known:
            call = partial(self._decode, path, whole.toImage() if whole else None, box, scale)
            done = partial(self._done, path, box, scale)
            self._session.work.latest(f"thumb {path}", call, done, lane="thumbs")

    def _decode(
        self, path: str, whole: QImage | None, box: QSize | None, scale: float
    ) -> "tuple[QImage | None, QImage | None] | None":
        """On the worker: (whole, fitted) as far as they are new; None where the tile was scrolled away long ago."""
        if self._count - self._pending.get(path, -_STALE_AFTER) > _STALE_AFTER:
            return None
        # The format of the screen, so that neither keeping nor painting converts anything.
        image = whole or load(path, self._folder).convertToFormat(QImage.Format.Format_RGB32)
        return None if whole else image, fit(image, box, scale) if box is not None else None

    def _done(self, path: str, box: QSize | None, scale: float, outcome: Outcome) -> None:
        self._pending.pop(path, None)
        if outcome.error is not None:
            error = as_user_error(outcome.error, self.tr("The photo could not be read"))
            self._session.report_failure(path, error)
        elif outcome.value is not None:
            whole, fitted = outcome.value
            if whole is not None:
                self._pixmaps.put(path, QPixmap.fromImage(whole))
                self._aspects[path] = whole.width() / max(1, whole.height())
            if fitted is not None and box is not None:
                self._fitted.put(_place(path, box, scale), QPixmap.fromImage(fitted))
        self.ready.emit(path)


def _place(path: str, box: QSize, scale: float) -> str:
    return f"{path}\0{box.width()} {box.height()} {scale}"


class _Kept:
    """Pixmaps up to so many bytes; what was not looked at for longest goes first."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._pixmaps: OrderedDict[str, QPixmap] = OrderedDict()
        self._bytes = 0

    def get(self, key: str) -> QPixmap | None:
        pixmap = self._pixmaps.get(key)
        if pixmap is not None:
            self._pixmaps.move_to_end(key)
        return pixmap

    def put(self, key: str, pixmap: QPixmap) -> None:
        self._remove(key)
        self._pixmaps[key] = pixmap
        self._bytes += _size(pixmap)
        while self._bytes > self._limit and len(self._pixmaps) > 1:
            self._remove(next(iter(self._pixmaps)))

    def drop(self, path: str) -> None:
        """All pixmaps of a path, or simply all where it is empty."""
        start = f"{path}\0"
        for key in [key for key in self._pixmaps if not path or key == path or key.startswith(start)]:
            self._remove(key)

    def _remove(self, key: str) -> None:
        pixmap = self._pixmaps.pop(key, None)
        if pixmap is not None:
            self._bytes -= _size(pixmap)


def _size(pixmap: QPixmap) -> int:
    return pixmap.width() * pixmap.height() * 4


def fit(image: QImage, box: QSize, scale: float) -> QImage:
    """The image as large as fits into `box` (device pixels, at least 1 each way), for a screen of `scale`."""
    wanted = image.size().scaled(box, Qt.AspectRatioMode.KeepAspectRatio).expandedTo(QSize(1, 1))
    fitted = image.scaled(
        wanted, Qt.AspectRatioMode.IgnoreAspectRatio, Qt.TransformationMode.SmoothTransformation
    )
    fitted.setDevicePixelRatio(scale)
    return fitted


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
