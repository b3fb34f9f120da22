"""Hide parts of the photo in focus and watch a model paint them back: the mask at once, the picture right after."""

import random
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QPoint
from PySide6.QtWidgets import QWidget

from desktop_app.figures import percent
from desktop_app.panels.base import QT_TRANSLATE_NOOP, Panel
from desktop_app.panels.mask_book import MaskBook
from desktop_app.panels.mask_engine import MaskEngine, Seen
from desktop_app.panels.mask_files import MaskFiles, Shown
from desktop_app.panels.mask_inspector import MOST_SEED, MaskInspector
from desktop_app.panels.mask_pointer import MaskPointer
from desktop_app.panels.mask_work import COMPARE, MaskWork
from desktop_app.panels.model_choice import ModelChoice, Wanted
from desktop_app.session import Session
from models.errors import UserError
from models.spec import Capability
from models.tasks.mask_export import Pane as What
from models.tasks.masks import Hidden, Strategy

if TYPE_CHECKING:
    from models.tasks.masking import MaskResult


class MaskPanel(Panel):
    """Wires the parts: book (the mask), engine (the model lane), the centre, the inspector."""

    id = "mask"
    title = QT_TRANSLATE_NOOP("Panel", "Mask")
    icon = "mask"
    capability = Capability.MASKING
    keys = (
        (QT_TRANSLATE_NOOP("Panel", "One picture alone, or all again"), "1 … 5"),
        (QT_TRANSLATE_NOOP("Panel", "All pictures"), "0"),
        (QT_TRANSLATE_NOOP("Panel", "Go from patch to patch"), QT_TRANSLATE_NOOP("Panel", "Arrows")),
        (
            QT_TRANSLATE_NOOP("Panel", "Choose several patches"),
            QT_TRANSLATE_NOOP("Panel", "Shift and arrows"),
        ),
        (QT_TRANSLATE_NOOP("Panel", "Hide or show them"), QT_TRANSLATE_NOOP("Panel", "Space")),
    )

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        self.book = MaskBook(self)
        self.engine = MaskEngine(session, self)
        self.files = MaskFiles(session, self)
        self.result: MaskResult | None = None
        self._result_of: Seen | None = None
        self._explained: Seen | None = None
        self.work = MaskWork(session, self.engine, self.book)
        self.body.addWidget(self.work)
        self.side = MaskInspector()
        self.inspector = self.side
        self.models = ModelChoice(session, self.side.models, self._wanted_model())
        self.pointer = MaskPointer(session, self.engine, self.work, self.side)
        self._wire_session()
        self._wire_work()
        self._wire_side()
        self._show_recipe()
        self._show_undo()

    def _wanted_model(self) -> Wanted:
        return Wanted(
            self.capability,
            question=self.tr("Choose the folder of a model that paints"),
            refusal=self.tr("{title} cannot paint hidden patches"),
            cure=self.tr("Choose the folder of a masked autoencoder (vit_mae) or of a SimMIM"),
        )

    # --- wiring

    def _wire_session(self) -> None:
        session, engine, book = self.session, self.engine, self.book
        session.photo_ready.connect(self.mark_stale)
        session.current_changed.connect(self._photo_chosen)
        session.model_changed.connect(self._model_changed)
        engine.seen.connect(self._seen)
        engine.painted.connect(self._painted)
        engine.compared.connect(self.work.compare.show_b)
        engine.explained.connect(self.side.show_why)
        engine.failed.connect(self._failed)
        book.mask_changed.connect(self._mask_changed)
        book.recipe_changed.connect(self._show_recipe)
        # Not with the mask: a step changes that before it stands on the stack.
        for stepped in (book.stack.indexChanged, book.stack.undoTextChanged, book.stack.redoTextChanged):
            stepped.connect(self._show_undo)
        self.files.loaded.connect(book.load)
        self.models.listed.connect(self.work.compare.show_models)
        for source in (self.models, self.work.sweep, self.work.compare, self.files):
            source.failed.connect(self.show_error)

    def _wire_work(self) -> None:
        work, book = self.work, self.book
        work.tab_changed.connect(self._tab_changed)
        work.empty.action_clicked.connect(partial(self.window_does, "open_folder"))
        work.ratio.started.connect(book.begin_gesture)
        work.ratio.changed.connect(self.set_ratio)
        work.strategies.chosen.connect(self.set_strategy)
        work.stage.canvas.touched.connect(book.draw)
        work.stage.canvas.let_go.connect(book.end_stroke)
        work.stage.menu_asked.connect(self._menu_at)
        work.sweep.ratio_chosen.connect(self._take_ratio)
        work.sweep.export_asked.connect(lambda what: self.files.save(what, self.shown()))

    def _wire_side(self) -> None:
        side, sweep = self.side, self.work.sweep
        side.unit_chosen.connect(self.set_unit)
        side.seed_chosen.connect(self.set_seed)
        side.reroll_asked.connect(self.reroll)
        side.brush_chosen.connect(self.work.stage.canvas.set_brush)
        side.tool_asked.connect(self._use_tool)
        side.sweep_asked.connect(sweep.toggle)
        sweep.curve_changed.connect(side.show_curve)
        sweep.running_changed.connect(side.show_sweeping)

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
            self._nothing(self.tr("No model can paint yet. Choose one at the right."))
            self.show_error(problem)
        elif photo is None:
            return  # what is on screen stays until the next photo is decoded
        elif model is None:
            self._nothing("")
            self.work.stage.show_view(photo.rgb)
            self.work.stage.wait(self.tr("The model is being opened…"))
        else:
            self.clear_error()
            self.engine.look(model, photo)

    def _nothing(self, words: str) -> None:
        self.engine.forget()
        self._show_result(None)
        self.work.compare.show_b(None)
        self.side.show_why(None)
        self.work.stage.clear(words)
        self.work.sweep.show_for(None)

    def _photo_chosen(self, index: int) -> None:
        if index < 0:
            self._nothing("")
            self.mark_stale()
        elif not self.side.lock.isChecked():
            self.reroll()

    def _model_changed(self, capability: str) -> None:
        if capability == self.capability:
            self.mark_stale()

    def _seen(self, seen: Seen) -> None:
        self.work.stage.show_view(seen.view.picture)
        self.book.set_frame(seen.frame)
        self.side.show_frame(seen.frame, self.book.unit)
        self.work.sweep.show_for(seen)
        self._mask_changed()

    def _failed(self, kind: str, error: UserError) -> None:
        words = self.tr("Nothing could be painted.")
        if kind == "look":
            self._nothing(words)
        elif kind == "paint":
            self._show_result(None)
            self.work.stage.wait(words)
        elif kind == "compare":
            self.work.compare.show_b(None)
        self.show_error(error)

    # --- the mask

    def set_ratio(self, ratio: float) -> None:
        """Hide this share (0..1)."""
        self.book.change(self.tr("hide {share}").format(share=percent(ratio)), ratio=ratio)

    def set_strategy(self, strategy: Strategy) -> None:
        """Choose cells in another way."""
        self.book.begin_gesture()
        words = self.tr("strategy {name}").format(name=self.work.strategies.name(strategy))
        self.book.change(words, strategy=strategy)

    def set_unit(self, unit: int) -> None:
        """Hide in cells of `unit` px."""
        self.book.begin_gesture()
        self.book.change(self.tr("cells of {unit} px").format(unit=unit), unit=unit)

    def set_seed(self, seed: int) -> None:
        """Choose other cells by chance, the same ones for the same seed."""
        self.book.begin_gesture()
        self.book.change(self.tr("seed {seed}").format(seed=seed), seed=seed)

    def reroll(self) -> None:
        """Another seed."""
        self.set_seed(random.randrange(MOST_SEED + 1))

    def _take_ratio(self, ratio: float) -> None:
        self.book.begin_gesture()
        self.set_ratio(ratio)

    def _show_undo(self, *_: object) -> None:
        self.side.show_undo(self.book.undo_words())

    def _mask_changed(self) -> None:
        mask, seen = self.book.mask, self.engine.now
        if mask is None or seen is None:
            return
        patches: Hidden = mask.of_patches(*seen.frame.grid)
        share = float(patches.mean())
        self.work.stage.show_mask(mask, patches)
        note = self.tr("loaded") if self.book.recipe.loaded is not None else ""
        note = self.tr("painted") if self.book.painted else note
        self.work.ratio.set_share(share, int(patches.sum()), patches.size, note)
        self.work.sweep.set_ratio(share)
        self.side.curve.set_ratio(share)
        if self.active:
            self.engine.paint(mask)
            self.work.compare.ask()
        else:
            self.mark_stale()

    def _painted(self, result: "MaskResult") -> None:
        self.work.stage.show_result(result)
        self._show_result(result)
        if self.engine.now is not self._explained and self.engine.now is not None:
            self._explained = self.engine.now
            self.engine.explain(self.book.recipe.seed)

    def _show_result(self, result: "MaskResult | None") -> None:
        self.result, self._result_of = result, self.engine.now
        self.side.show_result(result)
        self.work.compare.show_a(result)
        self.pointer.set_result(result)

    def _show_recipe(self) -> None:
        recipe = self.book.recipe
        self.work.ratio.set_value(recipe.ratio)
        self.work.strategies.set_chosen(None if recipe.loaded is not None else recipe.strategy)
        self.side.show_seed(recipe.seed)
        self.side.show_unit(self.book.unit)

    def _tab_changed(self, tab: int) -> None:
        if tab == COMPARE:
            self.work.compare.show_a(self._present())
            self.work.compare.ask()

    # --- files and commands

    def _use_tool(self, name: str) -> None:
        book = self.book
        tools = {
            "undo": self.do_undo,
            "redo": self.do_redo,
            "clear": book.clear_strokes,
            "invert": book.invert,
        }
        if name in tools:
            tools[name]()
        elif name == "save":
            self.files.save("mask", self.shown())
        elif book.frame is not None:
            self.files.load(book.frame.side, book.unit)

    def shown(self) -> Shown:
        """What is on screen, for saving."""
        recipe, steps = self.book.recipe, tuple(self.work.sweep.steps)
        name = self.engine.now.photo.path.stem if self.engine.now is not None else "mask"
        high = float(max(self.work.stage.high, 1))
        seed = None if recipe.loaded is not None or self.book.painted else recipe.seed
        return Shown(name, self.book.mask, self._present(), steps, seed, high)

    def _present(self) -> "MaskResult | None":
        """The result, if it is of the photo and the model that are looked at now: an answer takes its time."""
        return self.result if self._result_of is self.engine.now else None

    def _menu_at(self, what: What, point: QPoint) -> None:
        self.files.menu(self.shown(), what).popup(point)

    def do_export(self) -> None:
        """Offer everything that can be saved."""
        corner = self.work.mapToGlobal(self.work.rect().topRight())
        menu = self.files.menu(self.shown())
        menu.popup(corner - QPoint(menu.sizeHint().width(), 0))

    def do_undo(self) -> None:
        """One step of the mask back."""
        self.book.stack.undo()

    def do_redo(self) -> None:
        """One step of the mask forth."""
        self.book.stack.redo()

    def undo_words(self) -> tuple[str, str]:
        return self.book.undo_words()

    def do_zoom(self) -> None:
        """All pictures together, closer and back."""
        if self.work.panes is not None:
            self.work.stage.canvas.toggle_zoom()

    def do_assign(self, digit: int) -> None:
        """1 to 5 show one picture alone, 0 (and the same digit again) all of them."""
        panes = self.work.panes
        if panes is None:
            return
        if 1 <= digit <= len(panes.panes):
            panes.show_alone(None if panes.alone == digit - 1 else digit - 1)
        elif digit == 0:
            panes.show_alone(None)
