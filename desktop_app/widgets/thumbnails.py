"""Small pictures of photos: asked for while painting, decoded on the thumbs lane, kept in memory and on disk."""

from collections import OrderedDict
from functools import partial

import numpy as np
from PySide6.QtCore import QObject, QSize, Signal
from PySide6.QtGui import QImage, QPixmap

from desktop_app import paths, thumbnail_files
from desktop_app.session import Session, as_user_error
from desktop_app.thumbnail_files import SIDE, Pixels
from desktop_app.work import Outcome

__all__ = ["SIDE", "Thumbnails"]

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
        for asked in [path] if path else list(self._pending):
            # Of the file as it was, whether it waits or is being decoded: neither may arrive.
            self._session.work.drop(f"thumb {asked}")
            self._pending.pop(asked, None)

    def prune_disk(self) -> None:
        """Bring the folder of thumbnails below its limit, oldest first, on the io lane."""
        self._session.work.once(
            partial(thumbnail_files.prune, self._folder, _DISK), lambda outcome: None, lane="io"
        )

    def _ask(
        self, path: str, whole: QPixmap | None = None, box: QSize | None = None, scale: float = 1.0
    ) -> None:
        self._count += 1
        known = path in self._pending
        self._pending[path] = self._count
        if not known:
            size = (box.width(), box.height()) if box is not None else None
            call = partial(self._decode, path, _pixels(whole) if whole else None, size)
            done = partial(self._done, path, box, scale)
            self._session.work.latest(f"thumb {path}", call, done, lane="thumbs")

    def _decode(
        self, path: str, whole: Pixels | None, box: tuple[int, int] | None
    ) -> "tuple[Pixels | None, Pixels | None] | None":
        """On the worker: (whole, fitted) as far as they are new; None where the tile was scrolled away long ago."""
        if self._count - self._pending.get(path, -_STALE_AFTER) > _STALE_AFTER:
            return None
        pixels = whole if whole is not None else thumbnail_files.load(path, self._folder)
        fitted = thumbnail_files.fit(pixels, *box) if box is not None else None
        return None if whole is not None else pixels, fitted

    def _done(self, path: str, box: QSize | None, scale: float, outcome: Outcome) -> None:
        self._pending.pop(path, None)
        if outcome.error is not None:
            error = as_user_error(outcome.error, self.tr("The photo could not be read"))
            self._session.report_failure(path, error)
        elif outcome.value is not None:
            whole, fitted = outcome.value
            if whole is not None:
                self._pixmaps.put(path, _pixmap(whole))
                self._aspects[path] = whole.shape[1] / max(1, whole.shape[0])
            if fitted is not None and box is not None:
                self._fitted.put(_place(path, box, scale), _pixmap(fitted, scale))
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


def _pixmap(pixels: Pixels, scale: float = 1.0) -> QPixmap:
    """(h, w, 4) as a screen stores it, for a screen of `scale`."""
    height, width = pixels.shape[:2]
    image = QImage(pixels.data, width, height, int(pixels.strides[0]), QImage.Format.Format_RGB32)
    pixmap = QPixmap.fromImage(image.copy())  # the array goes, the pixmap may share what it was made of
    pixmap.setDevicePixelRatio(scale)
    return pixmap


def _pixels(pixmap: QPixmap) -> Pixels:
    image = pixmap.toImage().convertToFormat(QImage.Format.Format_RGB32)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    return rows[:, : 4 * image.width()].reshape(image.height(), image.width(), 4).copy()
