"""Walk through a network on the photo in focus: what fires where, what it looks like, and why this label."""

from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QWidget

from desktop_app.panels.base import QT_TRANSLATE_NOOP, Panel
from desktop_app.panels.features_engine import FeaturesEngine
from desktop_app.panels.features_files import FeaturesFiles, Shown
from desktop_app.panels.features_inspector import FeaturesInspector
from desktop_app.panels.features_pointer import FeaturesPointer
from desktop_app.panels.features_scan import FeaturesScan
from desktop_app.panels.features_show import FeaturesShow
from desktop_app.panels.features_why import FeaturesWhy
from desktop_app.panels.features_work import CHANNELS, WHY, FeaturesWork
from desktop_app.panels.model_choice import ModelChoice, Wanted
from desktop_app.session import Session
from models.errors import UserError
from models.spec import Capability
from models.tasks.feature_maps import Order

if TYPE_CHECKING:
    from desktop_app.panels.features_studio import Closeup, Sheet, Walked
    from models.families.convnext_trunk import Layer


class FeaturesPanel(Panel):
    """Holds which layer and channel are looked at; wires the engine, the centre and the inspector."""

    id = "features"
    title = QT_TRANSLATE_NOOP("Panel", "Features")
    icon = "features"
    capability = Capability.FEATURES
    keys = (
        (QT_TRANSLATE_NOOP("Panel", "Ways to look"), "1 … 5"),
        (QT_TRANSLATE_NOOP("Panel", "From channel to channel"), QT_TRANSLATE_NOOP("Panel", "Arrows")),
        (
            QT_TRANSLATE_NOOP("Panel", "A stage up or down"),
            QT_TRANSLATE_NOOP("Panel", "Page Up, Page Down, Shift and arrows"),
        ),
    )

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        self.layer, self.channel = "", -1
        self.sheet: Sheet | None = None
        self.engine = FeaturesEngine(session, self)
        self.files = FeaturesFiles(session, self)
        self.work = FeaturesWork(session)
        self.body.addWidget(self.work)
        self.side = FeaturesInspector(session)
        self.inspector = self.side
        self.models = ModelChoice(session, self.side.models, self._wanted_model())
        self.why = FeaturesWhy(session, self.engine, self.side)
        self.scan = FeaturesScan(session, self.engine, self.side)
        self.pointer = FeaturesPointer(session, self.engine, self.work.stage, self.side)
        self.maps = FeaturesShow(self.engine, self.work, self.side, self.pointer, self.why)
        self.work.stage.set_opacity(self.side.opacity.value())
        self.home = self.work.grid
        self._wire_answers()
        self._wire_hands()
        self.work.order_tabs()

    def _wanted_model(self) -> Wanted:
        return Wanted(
            self.capability,
            question=self.tr("Choose the folder of a ConvNeXt"),
            refusal=self.tr("{title} has no feature maps to walk through"),
            cure=self.tr("Choose the folder of a ConvNeXt (convnext or convnextv2)"),
        )

    # --- wiring

    def _wire_answers(self) -> None:
        session, engine = self.session, self.engine
        session.photo_ready.connect(self.mark_stale)
        session.current_changed.connect(self._photo_chosen)
        session.model_changed.connect(self._model_changed)
        session.photos_changed.connect(self._list_changed)
        engine.walked.connect(self._walked)
        engine.sheet_ready.connect(self._sheet_came)
        engine.closeup_ready.connect(self._closeup_came)
        engine.failed.connect(self._failed)
        self.why.followed.connect(self._follow)
        for source in (self.models, self.why, self.scan, self.files, self.work.road):
            source.failed.connect(self.show_error)

    def _wire_hands(self) -> None:
        work, side = self.work, self.side
        work.tab_changed.connect(self._show_tab)
        work.empty.action_clicked.connect(partial(self.window_does, "open_folder"))
        work.network.chosen.connect(self.set_layer)
        work.grid.chosen.connect(self.set_channel)
        work.grid.stage_asked.connect(work.network.step_stage)
        work.order.currentIndexChanged.connect(self._ask_sheet)
        work.shared.toggled.connect(self._colours_changed)
        work.stage.view.menu_asked.connect(self._menu_at)
        side.colours_chosen.connect(self._colours_changed)
        side.opacity_chosen.connect(work.stage.set_opacity)
        side.channel_asked.connect(self.show_channel)

    # --- photo and model

    def refresh(self) -> None:
        """Look at the photo in focus with the chosen model."""
        photo, model = self.session.photo, self.session.model(self.capability)
        self.work.show_work(self.session.current >= 0)
        self.models.show()
        problem = self.session.shelf.error(self.capability)
        if isinstance(photo, UserError):
            self._nothing(str(photo))
        elif problem is not None:
            self._nothing(self.tr("No network can be walked through yet. Choose one at the right."))
            self.show_error(problem)
        elif photo is None:
            return  # what is on screen stays until the next photo is decoded
        elif model is None:
            self._nothing("")
            self.work.stage.show_photo(photo.rgb, self.tr("The model is being opened…"))
        else:
            self.clear_error()
            self.engine.look(model, photo)

    def set_active(self, active: bool) -> None:
        self.pointer.active = active
        super().set_active(active)
        if active:
            self.pointer.show()

    def _nothing(self, words: str) -> None:
        self.engine.forget()
        self.sheet = None
        self.maps.forget()
        self.work.grid.set_grid(None, -1)
        self.work.stage.clear(words)
        self.side.show_channel(None, self.colours)
        self.why.show_walked(None)
        self.scan.forget()
        self.pointer.show()

    def _photo_chosen(self, index: int) -> None:
        if index < 0:
            self._nothing("")
            self.mark_stale()

    def _model_changed(self, capability: str) -> None:
        if capability == self.capability:
            self.mark_stale()

    def _list_changed(self) -> None:
        if self.active and self.engine.now is not None:
            self.scan.show_for(self.layer, self.channel)

    def _failed(self, error: UserError) -> None:
        if self.engine.now is None:
            self._nothing(self.tr("There is nothing to show of this photo."))
        self.show_error(error)

    def _walked(self, walked: "Walked") -> None:
        layers = walked.maps.layers
        if self.layer not in walked.maps.outputs:
            self.layer, self.channel = _usual_layer(layers), -1
        elif self.channel >= walked.maps.layer(self.layer).channels:
            self.channel = -1  # layers of one name are of different widths
        self.work.network.set_network(layers, walked.maps.view.picture.shape[1])
        self.work.network.set_layer(self.layer)
        self.work.stage.show_walked(walked)
        self.why.show_walked(walked)
        self.maps.forget()
        self._layer_changed()

    def _follow(self) -> None:
        if self.work.tab != WHY:
            return  # it is asked when the tab is opened
        if self.active:
            self.maps.ask(self.layer)
        else:
            self.mark_stale()

    # --- layer and channel

    @property
    def colours(self) -> str:
        """The colour map in use."""
        return self.side.colours.currentText()

    def set_layer(self, name: str) -> None:
        """Look at another layer; within a stage a channel stays what it was, the blocks only add to it."""
        now = self.engine.now
        if now is None or name == self.layer:
            return
        if now.maps.layer(name).stage != now.maps.layer(self.layer).stage:
            self.channel = -1
        self.layer = name
        self.work.network.set_layer(name)
        self._layer_changed()

    def set_channel(self, index: int) -> None:
        """Look at another channel of the layer."""
        self.channel = self.pointer.channel = index
        self._ask_closeup()
        self.scan.show_for(self.layer, index)
        self.pointer.show()

    def show_channel(self, index: int) -> None:
        """Bring a channel on screen, from wherever it was named."""
        self.work.tabs.setCurrentIndex(CHANNELS)
        self.work.grid.choose(index)

    def _layer_changed(self) -> None:
        self.pointer.layer, self.pointer.channel = self.layer, self.channel
        self._ask_sheet()
        if self.channel >= 0:
            if self.work.tab != CHANNELS:
                self._ask_closeup()  # for the figures at the right
            self.scan.show_for(self.layer, self.channel)
        self._show_tab()
        self.pointer.show()

    def _ask_sheet(self, *_: object) -> None:
        order = Order(str(self.work.order.currentData()))
        self.engine.ask_sheet(self.layer, order, self.colours, self.work.shared.isChecked())

    def _ask_closeup(self) -> None:
        self.engine.ask_closeup(self.layer, self.channel, self.colours, self.work.shared.isChecked())

    def _sheet_came(self, sheet: "Sheet") -> None:
        if sheet.layer != self.layer:
            return
        self.sheet = sheet
        self.work.grid.set_grid(sheet.grid, self.channel)
        if self.work.grid.channel != self.channel:
            self.set_channel(self.work.grid.channel)

    def _closeup_came(self, close: "Closeup") -> None:
        if (close.layer, close.channel.index) != (self.layer, self.channel) or self.engine.now is None:
            return
        self.side.show_channel(close.channel, self.colours)
        if self.work.tab == CHANNELS:
            self.work.stage.show_closeup(close, self.engine.now, self.colours)
            self.pointer.show()

    def _colours_changed(self, *_: object) -> None:
        self._ask_sheet()
        if self.channel >= 0:
            self._ask_closeup()
        self.maps.recolour()

    def _show_tab(self, *_: object) -> None:
        """Ask for the map of the tab on screen at this layer."""
        if self.work.tab == CHANNELS and self.channel >= 0:
            self._ask_closeup()
        self.maps.ask(self.layer)

    # --- commands

    def shown(self) -> Shown:
        """What is on screen, for saving."""
        now, stage = self.engine.now, self.work.stage
        name = now.photo.path.stem if now is not None else "features"
        grid = self.sheet.grid if self.sheet is not None else None
        maps = now.maps if now is not None else None
        words = stage.name.words
        return Shown(name, self.layer, maps, grid, stage.picture, stage.map, stage.opacity, words)

    def do_export(self) -> None:
        """Offer everything that can be saved."""
        corner = self.work.mapToGlobal(self.work.rect().topRight())
        menu = self.files.menu(self.shown())
        menu.popup(corner - QPoint(menu.sizeHint().width(), 0))

    def _menu_at(self, point: QPoint) -> None:
        self.files.menu(self.shown()).popup(point)

    def do_zoom(self) -> None:
        """The photo closer and back."""
        self.work.stage.view.toggle_zoom()

    def do_larger(self) -> None:
        """Larger channels in the grid."""
        self.work.grid.set_tile_size(1)

    def do_smaller(self) -> None:
        """Smaller channels in the grid."""
        self.work.grid.set_tile_size(-1)

    def do_assign(self, digit: int) -> None:
        """1 to 5 are the ways to look."""
        if 1 <= digit <= self.work.tabs.count():
            self.work.tabs.setCurrentIndex(digit - 1)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Page Up and Down, or Shift with an arrow, go a stage up and down from wherever the focus is."""
        shift = event.modifiers() == Qt.KeyboardModifier.ShiftModifier
        pages = {Qt.Key.Key_PageUp: -1, Qt.Key.Key_PageDown: 1}
        arrows = {Qt.Key.Key_Up: -1, Qt.Key.Key_Down: 1} if shift else {}
        by = (pages | arrows).get(Qt.Key(event.key()))
        if by is None:
            super().keyPressEvent(event)
        else:
            self.work.network.step_stage(by)


def _usual_layer(layers: "tuple[Layer, ...]") -> str:
    """Where to begin: the end of the second stage, where channels are neither edges nor whole things."""
    there = [layer.name for layer in layers if layer.stage <= 2]
    return there[-1]
