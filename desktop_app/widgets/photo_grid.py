"""The grid and the strip of the open photos, both bound to the session: focus follows both ways."""

from PySide6.QtCore import QItemSelection, QItemSelectionModel, QModelIndex, QSize, Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QAbstractItemView, QWidget

from desktop_app.session import Session
from desktop_app.settings import Settings
from desktop_app.widgets.empty_state import EmptyState
from desktop_app.widgets.photo_model import AnyIndex, PhotoModel
from desktop_app.widgets.photo_tiles import CAPTION, PhotoDelegate
from desktop_app.widgets.thumbnails import Thumbnails
from desktop_app.widgets.tile_view import TileView

SIZES = (96, 128, 160, 208, 256, 320)
STRIP_HEIGHT = 92


class _PhotoTiles(TileView):
    """What grid and strip have in common."""

    opened = Signal(int)  # photo: double click
    chosen_changed = Signal(int)  # how many tiles are selected

    def __init__(self, session: Session, parent: QWidget | None, flow: str, captions: bool) -> None:
        super().__init__(parent, flow="strip" if flow == "strip" else "grid")
        self._session = session
        thumbnails = Thumbnails.of(session)
        self.setModel(PhotoModel(session, self))
        self.setItemDelegate(PhotoDelegate(thumbnails, captions=captions, parent=self))
        self.setDragEnabled(True)
        self.setDragDropMode(QAbstractItemView.DragDropMode.DragOnly)
        self.setMouseTracking(True)
        thumbnails.ready.connect(self._repaint)
        session.current_changed.connect(self._follow)
        self.model().modelReset.connect(self._follow)
        self.model().rowsInserted.connect(self._follow)
        self.doubleClicked.connect(lambda index: self.opened.emit(self.photos.photo_at(index.row())))
        self._follow()

    @property
    def photos(self) -> PhotoModel:
        """The model."""
        model = self.model()
        assert isinstance(model, PhotoModel)
        return model

    def selected_photos(self) -> list[int]:
        """Indices into session.photos of every selected tile, in the order shown."""
        # Range by range: an index for each of a hundred thousand tiles would take most of a second.
        chosen = self.selectionModel().selection()
        parts = [chosen.at(place) for place in range(chosen.count())]
        ranges = [(part.top(), part.bottom() + 1) for part in parts]
        return [self.photos.photo_at(row) for start, stop in sorted(ranges) for row in range(start, stop)]

    def selectionChanged(self, selected: QItemSelection, deselected: QItemSelection) -> None:
        super().selectionChanged(selected, deselected)
        self.chosen_changed.emit(self.chosen_count())

    def _repaint(self, path: str) -> None:
        """A thumbnail came: its tile alone, for they come in bursts."""
        photos = self._session.photos
        for row in self.visible_rows():
            photo = self.photos.photo_at(row)
            if 0 <= photo < len(photos) and photos[photo] == path:
                self.viewport().update(self.visualRect(self.photos.index(row)))

    def _follow(self, *_: object) -> None:
        """The session's focus moved (or the rows did): show it here."""
        row = self.photos.row_of(self._session.current)
        if row == self.currentIndex().row():
            return
        index = self.photos.index(row) if row >= 0 else QModelIndex()
        flag = QItemSelectionModel.SelectionFlag
        self.selectionModel().setCurrentIndex(index, flag.ClearAndSelect if row >= 0 else flag.Clear)
        self.scrollTo(index)

    def currentChanged(self, current: AnyIndex, previous: AnyIndex) -> None:
        super().currentChanged(current, previous)
        self.viewport().update()
        photo = self.photos.photo_at(current.row())
        if photo >= 0:
            self._session.select(photo)


class PhotoGrid(_PhotoTiles):
    """The folder as a grid, the centre of the labelling panel."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent, "grid", captions=True)
        self.setObjectName("photoGrid")
        self.setAccessibleName(self.tr("Photos"))
        self.zoom_asked.connect(self.zoom)
        self._apply_size()
        forget = session.settings.watch("thumbnail_size", lambda *_: self._apply_size())
        self.destroyed.connect(lambda: forget())
        self._nothing = EmptyState(
            "search",
            self.tr("No photo fits"),
            self.tr("The search or the filter leaves none of the open photos."),
            self.tr("Show All Photos"),
            self,
        )
        self._nothing.action_clicked.connect(session.clear_filters)
        session.view_changed.connect(self._say_nothing)
        self._say_nothing()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._nothing.setGeometry(self.viewport().geometry())

    def _say_nothing(self) -> None:
        session = self._session
        self._nothing.setVisible(
            bool(len(session.photos)) and not len(session.shown) and session.view.narrowed
        )

    def zoom(self, by: int) -> None:
        """Tiles one size larger or smaller; remembered."""
        step_size(self._session.settings, by)

    def _apply_size(self) -> None:
        size = int(self._session.settings.thumbnail_size)
        self.set_tile(QSize(size + 12, size * 3 // 4 + 12 + CAPTION), gap=6)


def step_size(settings: Settings, by: int) -> None:
    """Thumbnails one size larger or smaller, in every grid at once."""
    nearest = min(range(len(SIZES)), key=lambda i: abs(SIZES[i] - int(settings.thumbnail_size)))
    settings.thumbnail_size = SIZES[min(max(nearest + by, 0), len(SIZES) - 1)]


class PhotoStrip(_PhotoTiles):
    """The folder as one line under the panels that look at one photo."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent, "strip", captions=False)
        self.setObjectName("photoStrip")
        self.setAccessibleName(self.tr("Photos"))
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setFixedHeight(STRIP_HEIGHT)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.set_tile(QSize(92, STRIP_HEIGHT - 20), gap=3)
