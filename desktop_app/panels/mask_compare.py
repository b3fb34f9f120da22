"""Two models, or two strategies, side by side on the same photo and at the same ratio."""

from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from desktop_app.figures import percent
from desktop_app.panels import mask_words
from desktop_app.panels.mask_book import MaskBook
from desktop_app.panels.mask_engine import MaskEngine
from desktop_app.session import as_user_error
from desktop_app.widgets.image_view import ImageView, Lens
from desktop_app.widgets.mask_panes import Legend, Pane, Panes
from desktop_app.widgets.mask_strategies import Strategies
from desktop_app.widgets.section import ElidedLabel
from models.tasks.mask_export import error_range
from models.tasks.masks import Strategy, make_mask

if TYPE_CHECKING:
    from collections.abc import Sequence

    from desktop_app.panels.mask_engine import Seen
    from desktop_app.work import Outcome
    from models.runtime import Model
    from models.spec import ModelSpec
    from models.tasks.masking import MaskResult
    from models.tasks.masks import Mask

_STEPS = (16, 32, 64, 96, 128, 192, 255)


def round_high(result: "Sequence[MaskResult]") -> int:
    """The end of the error scale: the next of a few round numbers, so that colours do not flicker while dragging."""
    return next((step for step in _STEPS if step >= error_range(result)[1]), _STEPS[-1])


class MaskCompare(QWidget):
    """At the left the present model and mask (A), at the right another (B)."""

    failed = Signal(object)  # UserError

    def __init__(self, engine: MaskEngine, book: MaskBook, strategies: Strategies, lens: Lens) -> None:
        super().__init__()
        self._engine, self._book = engine, book
        self._model: Model | None = None
        self.a: MaskResult | None = None
        self.b: MaskResult | None = None
        self._of: dict[str, Seen | None] = {"a": None, "b": None}  # the photo and model that they are of
        self.on_screen = False
        self.model = QComboBox()
        self.model.setMinimumContentsLength(14)
        self.model.setAccessibleName(self.tr("Model of B"))
        self.model.addItem(self.tr("the same model"), "")
        self.model.activated.connect(lambda row: self.choose_model(str(self.model.itemData(row))))
        self.strategy = QComboBox()
        self.strategy.setAccessibleName(self.tr("Mask of B"))
        self.strategy.addItem(self.tr("the same mask"), None)
        for one in Strategy:
            self.strategy.addItem(strategies.name(one), one)
        self.strategy.activated.connect(self.ask)
        names = (self.tr("A: painted"), self.tr("B: painted"), self.tr("A: error"), self.tr("B: error"))
        self.views = [ImageView(lens=lens) for _ in names]
        self._legends = [Legend("viridis") for _ in range(2)]
        asides = (None, None, *self._legends)
        panes = [
            Pane(name, view, "", aside) for name, view, aside in zip(names, self.views, asides, strict=True)
        ]
        for name, view in zip(names, self.views, strict=True):
            view.setAccessibleName(name)
        self.panes = Panes(panes)
        self.words = ElidedLabel()
        self.words.setProperty("role", "heading")
        self.words.setContentsMargins(12, 0, 12, 0)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 8, 0, 0)
        column.addLayout(self._controls())
        column.addWidget(self.words)
        column.addWidget(self.panes, 1)

    def _controls(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setContentsMargins(12, 0, 12, 0)
        row.setSpacing(8)
        for words, box in ((self.tr("&B is"), self.model), (self.tr("w&ith"), self.strategy)):
            label = QLabel(words)
            label.setBuddy(box)
            row.addWidget(label)
            row.addWidget(box)
        row.addStretch(1)
        return row

    def show_models(self, specs: "Sequence[ModelSpec]") -> None:
        """What B may be."""
        chosen = self.model.currentData()
        while self.model.count() > 1:
            self.model.removeItem(1)
        for spec in specs:
            self.model.addItem(spec.title, spec.id)
        self.model.setCurrentIndex(max(0, self.model.findData(chosen)))
        if self.model.currentData() != chosen:
            self.choose_model("")

    def choose_model(self, name: str) -> None:
        """Another model for B ("" for that of A); it is opened in the background."""
        self.model.setCurrentIndex(max(0, self.model.findData(name)))
        if name:
            self.words.set_words(self.tr("Opening the model…"))
            self._engine.open_other(name, partial(self._opened, name))
        else:
            self._model = None
            self.ask()

    def _opened(self, name: str, outcome: "Outcome") -> None:
        if self.model.currentData() != name:
            return  # another one was chosen while it opened
        if outcome.error is not None:
            self._model = None
            self.model.setCurrentIndex(0)
            self.failed.emit(as_user_error(outcome.error, self.tr("The second model could not be opened")))
        else:
            self._model = outcome.value
        self.ask()

    def ask(self, *_: object) -> None:
        """Paint B behind the present mask."""
        mask = self._mask()
        if self.on_screen and mask is not None:
            self._engine.compare(mask, self._model)

    def _mask(self) -> "Mask | None":
        frame, strategy = self._book.frame, self.strategy.currentData()
        if strategy is None or frame is None or self._book.mask is None:
            return self._book.mask
        recipe = self._book.recipe
        # As many cells as A hides, strokes included, so that the two are as hard.
        return make_mask(
            frame.side,
            frame.side,
            unit=self._book.unit,
            ratio=self._book.mask.ratio,
            strategy=Strategy(strategy),
            seed=recipe.seed,
        )

    def show_a(self, result: "MaskResult | None") -> None:
        """What the present model painted."""
        self.a, self._of["a"] = result, self._engine.now
        self._show()

    def show_b(self, result: "MaskResult | None") -> None:
        """What the other one painted."""
        self.b, self._of["b"] = result, self._engine.now
        self._show()

    def _show(self) -> None:
        if not self.on_screen:
            return
        from models.tasks.mask_export import Pane as What
        from models.tasks.mask_export import picture

        # Two photos have nothing to say of each other: the one that is late waits.
        a = self.a if self._of["a"] is self._engine.now else None
        b = self.b if self._of["b"] is self._engine.now else None
        both = [result for result in (a, b) if result is not None]
        high = round_high(both)
        for i, result in enumerate((a, b)):
            self.views[i].set_image(None if result is None else result.pasted)
            shown = None if result is None else picture(result, What.ERROR, high=float(high))
            self.views[i + 2].set_image(shown, smooth=False)
            self._legends[i].set_high(high if both else 0)
        self.words.set_words("" if a is None or b is None else self._verdict(a, b))

    def _verdict(self, a: "MaskResult", b: "MaskResult") -> str:
        said = mask_words.decibel(a.score.psnr), mask_words.decibel(b.score.psnr)
        if self._model is None and self.strategy.currentData() is None:
            return self.tr("A and B are the same. Choose another model or another mask for B.")
        figures = self.tr("A {a}, B {b}.").format(a=said[0], b=said[1])
        if not a.score.mse or not b.score.mse or said[0] == said[1]:
            return f"{figures} {self.tr('They are equally good here.')}"
        better, share = (
            ("A", a.score.mse / b.score.mse)
            if a.score.mse < b.score.mse
            else ("B", b.score.mse / a.score.mse)
        )
        rest = self.tr("{better} leaves {share} less error on its hidden patches.")
        return f"{figures} {rest.format(better=better, share=percent(1 - share))}"
