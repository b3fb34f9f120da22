"""The mask in the making: a strategy's cells with strokes of the hand over them, and named undo for every step.

Strokes are kept apart from the strategy's mask, so that the ratio can still be dragged after painting and the
painted cells stay as they were painted.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QUndoCommand, QUndoStack

from models.tasks.masks import Cell, Mask, Strategy, make_mask

Strokes = npt.NDArray[np.int8]
"""(rows, columns) of what the hand said: -1 nothing, 0 show, 1 hide."""
_FREE, _UNDO_STEPS = -1, 200
_RECIPE_ID = 7301


@dataclass(frozen=True)
class Frame:
    """What masks are made for: a model's picture of `side` px in patches; `units` are the sizes of cell it offers."""

    side: int
    patch: int
    grid: tuple[int, int]
    units: tuple[int, ...]
    usual_unit: int


@dataclass(frozen=True)
class Recipe:
    """How a mask is made before any stroke; unit 0 is the model's usual one; a loaded mask replaces the strategy."""

    ratio: float = 0.75
    strategy: Strategy = Strategy.RANDOM
    seed: int = 0
    unit: int = 0
    loaded: Mask | None = None


class MaskBook(QObject):
    """Recipe and strokes, the mask they make, and the stack of undoable steps."""

    mask_changed = Signal()
    recipe_changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.stack = QUndoStack(self)
        self.stack.setUndoLimit(_UNDO_STEPS)
        self.recipe = Recipe()
        self.frame: Frame | None = None
        self.gesture = 0  # changes of one gesture (a drag of a slider) are one step of undo
        self._strokes: Strokes = np.zeros((0, 0), np.int8)
        self._mask: Mask | None = None
        self._base: Mask | None = None
        self._drawing: dict[Cell, tuple[int, int]] = {}

    # --- what there is

    @property
    def mask(self) -> Mask | None:
        """The present mask; None until a model has said how large its picture is."""
        return self._mask

    @property
    def unit(self) -> int:
        """The side of a cell in px of the model's picture."""
        if self.frame is None:
            return 0
        return self.recipe.unit if self.recipe.unit in self.frame.units else self.frame.usual_unit

    @property
    def painted(self) -> int:
        """How many cells the hand has set."""
        return int((self._strokes != _FREE).sum())

    def set_frame(self, frame: Frame) -> None:
        """Another model: the same recipe over its picture. Strokes are carried over, their history is not."""
        if frame == self.frame:
            return
        old, strokes = self._mask, self._strokes
        self.frame = frame
        self.stack.clear()
        self._fit(strokes if old is not None else None, old)
        self.recipe_changed.emit()
        self.mask_changed.emit()

    # --- steps

    def change(self, words: str, **fields: object) -> None:
        """Another recipe; ratio, strategy and seed put a loaded mask away."""
        if {"ratio", "strategy", "seed"} & set(fields):
            fields.setdefault("loaded", None)
        recipe = replace(self.recipe, **fields)  # type: ignore[arg-type]
        if recipe == self.recipe:
            return
        if self.frame is None:
            self._apply(recipe, None)
            return
        key = "+".join(sorted(set(fields) - {"loaded"}))
        self.stack.push(_RecipeStep(self, words, (recipe, self._strokes), key, self.gesture))

    def begin_gesture(self) -> None:
        """What is changed from here on is one step until the next gesture."""
        self.gesture += 1

    def draw(self, cells: Iterable[Cell], hide: bool) -> None:
        """Part of a stroke: cells (row, column) change at once; `end_stroke` makes the whole one step."""
        if self._mask is None:
            return
        rows, columns = self._strokes.shape
        now = int(hide)
        for row, column in cells:
            if 0 <= row < rows and 0 <= column < columns and bool(self._mask.hidden[row, column]) != hide:
                first = self._drawing.get((row, column), (int(self._strokes[row, column]), now))[0]
                self._drawing[row, column] = (first, now)
                self._strokes[row, column] = now
        self._remake()

    def end_stroke(self) -> None:
        """The hand lets go: the stroke goes onto the stack, named by what it did."""
        drawn, self._drawing = self._drawing, {}
        if not drawn:
            return
        hides = sum(now for _, now in drawn.values())
        self._push_cells(self._stroke_words(len(drawn), hides * 2 >= len(drawn)), drawn)

    def invert(self) -> None:
        """Hidden and visible exchanged, painted over whatever the recipe says."""
        if self._mask is not None:
            wanted = (~self._mask.hidden).astype(np.int8)
            self._push_cells(self.tr("exchange hidden and visible"), self._difference(wanted))

    def clear_strokes(self) -> None:
        """Take back everything painted by hand."""
        self._push_cells(self.tr("remove the painting"), self._difference(np.full_like(self._strokes, _FREE)))

    def load(self, mask: Mask) -> None:
        """Take a mask from a file, fitted to this model's picture, in the file's unit where the model has it."""
        if self.frame is None:
            return
        unit = mask.unit if mask.unit in self.frame.units else self.unit
        fitted = mask.resized(self.frame.side, self.frame.side, unit)
        if fitted == self._mask:
            return
        self.begin_gesture()
        recipe = replace(self.recipe, loaded=fitted, unit=unit)
        free = np.full_like(self._strokes, _FREE)
        self.stack.push(_RecipeStep(self, self.tr("load a mask"), (recipe, free), "loaded", self.gesture))

    def undo_words(self) -> tuple[str, str]:
        """What undo and redo would do now, "" for nothing."""
        return self.stack.undoText(), self.stack.redoText()

    # --- how steps are carried out

    def _stroke_words(self, count: int, hides: bool) -> str:
        if count == 1:
            return self.tr("hide a patch") if hides else self.tr("show a patch")
        words = self.tr("hide {count} patches") if hides else self.tr("show {count} patches")
        return words.format(count=count)

    def _difference(self, wanted: Strokes) -> dict[Cell, tuple[int, int]]:
        places = np.argwhere(wanted != self._strokes)
        return {(int(r), int(c)): (int(self._strokes[r, c]), int(wanted[r, c])) for r, c in places}

    def _push_cells(self, words: str, cells: dict[Cell, tuple[int, int]]) -> None:
        changed = {cell: pair for cell, pair in cells.items() if pair[0] != pair[1]}
        if changed:
            self.stack.push(_StrokeStep(self, words, changed))

    def _set_cells(self, cells: Iterable[tuple[Cell, int]]) -> None:
        for (row, column), value in cells:
            self._strokes[row, column] = value
        self._remake()

    def _apply(self, recipe: Recipe, strokes: Strokes | None) -> None:
        """Make this the recipe and these the strokes, fitted to its cells."""
        old = self._mask
        self.recipe = recipe
        if self.frame is not None:
            self._fit(self._strokes if strokes is None else strokes, old)
        self.recipe_changed.emit()
        self.mask_changed.emit()

    def _fit(self, strokes: Strokes | None, old: Mask | None) -> None:
        assert self.frame is not None
        rows = -(-self.frame.side // self.unit)
        if strokes is None or old is None:
            self._strokes = np.full((rows, rows), _FREE, np.int8)
        elif strokes.shape != (rows, rows):
            self._strokes = _resampled(strokes, rows, rows)
            self._drawing = {}  # a stroke that is still being drawn was of the old cells
        else:
            self._strokes = strokes.copy()
        self._base = self._make()
        self._mask = self._with_strokes()

    def _make(self) -> Mask:
        assert self.frame is not None
        recipe, side = self.recipe, self.frame.side
        if recipe.loaded is not None:
            return recipe.loaded.resized(side, side, self.unit)
        return make_mask(
            side, side, unit=self.unit, ratio=recipe.ratio, strategy=recipe.strategy, seed=recipe.seed
        )

    def _with_strokes(self) -> Mask:
        assert self._base is not None
        hidden = np.where(self._strokes == _FREE, self._base.hidden, self._strokes == 1)
        return Mask(hidden, self._base.unit, self._base.height, self._base.width)

    def _remake(self) -> None:
        if self._base is not None:
            self._mask = self._with_strokes()
            self.mask_changed.emit()


def _resampled(strokes: Strokes, rows: int, columns: int) -> Strokes:
    """The stroke under the middle of each new cell."""
    down = ((np.arange(rows) + 0.5) / rows * strokes.shape[0]).astype(np.intp)
    across = ((np.arange(columns) + 0.5) / columns * strokes.shape[1]).astype(np.intp)
    found: Strokes = strokes[down[:, None], across[None, :]]
    return found


class _StrokeStep(QUndoCommand):
    """Cells and what they were before and after: a few bytes, however large the mask."""

    def __init__(self, book: MaskBook, words: str, cells: dict[Cell, tuple[int, int]]) -> None:
        super().__init__(words)
        self._book, self._cells = book, cells

    def undo(self) -> None:
        self._book._set_cells((cell, before) for cell, (before, _) in self._cells.items())

    def redo(self) -> None:
        self._book._set_cells((cell, after) for cell, (_, after) in self._cells.items())


class _RecipeStep(QUndoCommand):
    """Another recipe. The strokes travel along, since another unit has other cells."""

    def __init__(
        self, book: MaskBook, words: str, to: tuple[Recipe, Strokes], key: str, gesture: int
    ) -> None:
        super().__init__(words)
        self._book, self._to, self._key, self._gesture = book, to, key, gesture
        self._from = (book.recipe, book._strokes.copy())

    def id(self) -> int:
        return _RECIPE_ID

    def mergeWith(self, other: QUndoCommand) -> bool:
        same = isinstance(other, _RecipeStep) and (other._key, other._gesture) == (self._key, self._gesture)
        if same and isinstance(other, _RecipeStep):
            self._to = other._to
            self.setText(other.text())
        return same

    def undo(self) -> None:
        self._book._apply(*self._from)

    def redo(self) -> None:
        self._book._apply(*self._to)
