"""At the right of the panes: the cells, the seed, the brush, the model, and what the figures mean."""

import math
from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QPushButton, QSpinBox, QToolButton

from desktop_app import theme
from desktop_app.panels import mask_words
from desktop_app.panels.mask_book import Frame
from desktop_app.widgets.icon_button import icon_button
from desktop_app.widgets.mask_curve import MaskCurve
from desktop_app.widgets.mask_figures import Figures
from desktop_app.widgets.model_chooser import ModelChooser
from desktop_app.widgets.section import Column, Section, text
from desktop_app.widgets.spin_box import roomy
from desktop_app.widgets.value_slider import ValueSlider

if TYPE_CHECKING:
    from models.tasks.masking import Curve, MaskResult, Why75

MOST_SEED = 99_999
_TOOLS = ("undo", "redo", "eraser", "mask", "open", "export")


class MaskInspector(Column):
    """Shows what the panel gives it; every wish of the hand is a signal."""

    unit_chosen = Signal(int)
    seed_chosen = Signal(int)
    reroll_asked = Signal()
    brush_chosen = Signal(int)
    tool_asked = Signal(str)  # "undo", "redo", "clear", "invert", "load" or "save"
    sweep_asked = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._build_mask()
        self._build_figures()
        self._build_patch()
        self._build_curve()
        self._build_why()
        self._build_model()
        self.finish()
        self.show_result(None)

    # --- building

    def _build_mask(self) -> None:
        section = Section(self.tr("Mask"))
        self.unit = QComboBox()
        self.unit.activated.connect(lambda row: self.unit_chosen.emit(int(self.unit.itemData(row))))
        section.body.addLayout(_named(self.tr("&Unit"), self.unit))
        self.seed = roomy(QSpinBox())
        self.seed.setRange(0, MOST_SEED)
        self.seed.setKeyboardTracking(False)
        self.seed.setToolTip(self.tr("The same seed gives the same mask, on every photo and every computer"))
        self.seed.valueChanged.connect(self.seed_chosen)
        self.lock = QToolButton()
        self.lock.setToolTip(self.tr("Keep this seed when another photo comes"))
        self.lock.setAccessibleName(self.lock.toolTip())
        self.lock.setCheckable(True)
        self.lock.setChecked(True)
        self.lock.toggled.connect(self._lock_turned)
        # A method, not a lambda: Qt forgets it when this widget is gone.
        theme.current().changed.connect(self._show_lock)
        self._lock_turned(True)
        self.dice = icon_button(self.tr("Another seed"), "dice")
        self.dice.clicked.connect(self.reroll_asked)
        section.body.addLayout(_named(self.tr("&Seed"), self.seed, self.lock, self.dice))
        self.brush = ValueSlider(self.tr("Brush"), 1, 9, 1, steps=4, show=self._brush_words)
        self.brush.changed.connect(lambda value: self.brush_chosen.emit(round(value)))
        section.body.addWidget(self.brush)
        row = QHBoxLayout()
        row.setSpacing(4)
        self.tools: dict[str, QToolButton] = {}
        for (name, tip), icon in zip(self._tool_words(), _TOOLS, strict=True):
            self.tools[name] = icon_button(tip, icon)
            self.tools[name].clicked.connect(lambda _=False, name=name: self.tool_asked.emit(name))
            row.addWidget(self.tools[name])
        row.addStretch(1)
        section.body.addLayout(row)
        self.body.addWidget(section)

    def _tool_words(self) -> tuple[tuple[str, str], ...]:
        return (
            ("undo", self.tr("Undo")),
            ("redo", self.tr("Redo")),
            ("clear", self.tr("Remove what was painted by hand")),
            ("invert", self.tr("Exchange hidden and visible")),
            ("load", self.tr("Load a mask (JSON or PNG)…")),
            ("save", self.tr("Save this mask (JSON or PNG)…")),
        )

    def _build_figures(self) -> None:
        section = Section(self.tr("How well"))
        self.figures = Figures((self.tr("Filled by"), self.tr("MSE"), self.tr("PSNR")))
        self.verdict, self.tokens = text(""), text("")
        self.meaning = text(mask_words.meaning(), "small")
        for widget in (self.figures, self.verdict, self.tokens, self.meaning):
            section.body.addWidget(widget)
        self.body.addWidget(section)

    def _build_patch(self) -> None:
        section = Section(self.tr("This patch"))
        self.patch = text("", "muted")
        section.body.addWidget(self.patch)
        self.body.addWidget(section)
        self.show_patch(None)

    def _build_model(self) -> None:
        section = Section(self.tr("Model"))
        self.models = ModelChooser(self.tr("Model that paints"))
        section.body.addWidget(self.models)
        self.sees = text("", "small")
        section.body.addWidget(self.sees)
        self.body.addWidget(section)

    def _build_curve(self) -> None:
        section = Section(self.tr("Error by share hidden, %"))
        self.curve = MaskCurve(
            self.tr("Run the sweep to see how the error grows with what is hidden."), small=True
        )
        self.show_curve(None)
        self.sweep = QPushButton()
        self.show_sweeping(False)
        self.sweep.clicked.connect(self.sweep_asked)
        section.body.addWidget(self.curve)
        section.body.addWidget(self.sweep)
        self.body.addWidget(section)

    def _build_why(self) -> None:
        section = Section(self.tr("Why three quarters?"))
        self.why = text("")
        section.body.addWidget(self.why)
        self.body.addWidget(section)
        self.show_why(None)

    def _show_lock(self) -> None:
        self._lock_turned(self.lock.isChecked())

    def _lock_turned(self, locked: bool) -> None:
        self.lock.setIcon(theme.current().icon("lock" if locked else "unlock"))

    def _brush_words(self, cells: float) -> str:
        return self.tr("one cell") if round(cells) == 1 else self.tr("{n} cells").format(n=round(cells))

    # --- showing

    def show_frame(self, frame: Frame, unit: int) -> None:
        """The units that this model offers, and the one in use."""
        self.unit.clear()
        for size in frame.units:
            across = size // frame.patch
            words = self.tr("{px} px: one patch") if across == 1 else self.tr("{px} px: {n} × {n} patches")
            self.unit.addItem(words.format(px=size, n=across), size)
        self.show_unit(unit)
        words = self.tr("It sees {side} × {side} px as {rows} × {columns} patches.")
        self.sees.setText(words.format(side=frame.side, rows=frame.grid[0], columns=frame.grid[1]))

    def show_unit(self, unit: int) -> None:
        """The unit in use."""
        self.unit.setCurrentIndex(self.unit.findData(unit))

    def show_seed(self, seed: int) -> None:
        """The seed in use."""
        self.seed.blockSignals(True)
        self.seed.setValue(seed)
        self.seed.blockSignals(False)

    def show_undo(self, words: tuple[str, str]) -> None:
        """What undo and redo would do now."""
        for (name, tip), said in zip(self._tool_words()[:2], words, strict=True):
            self.tools[name].setEnabled(bool(said))
            self.tools[name].setToolTip(f"{tip}: {said}" if said else tip)

    def show_result(self, result: "MaskResult | None") -> None:
        """The figures of a reconstruction and what they mean."""
        names = (self.tr("the model"), self.tr("interpolation"), self.tr("mean colour"))
        if result is None:
            self.figures.set_rows([(name, "", "") for name in names])
            self.verdict.setText(self.tr("The figures come with the first picture."))
            self.tokens.setText("")
            return
        scores = (result.score, result.bilinear, result.mean_fill)
        rows = [
            (name, mask_words.squared(score), mask_words.decibel(score.psnr))
            for name, score in zip(names, scores, strict=True)
        ]
        self.figures.set_rows(rows if result.patches.any() else [(name, "", "") for name in names])
        self.verdict.setText(mask_words.verdict(result))
        self.tokens.setText(mask_words.tokens(result))

    def show_curve(self, curve: "Curve | None") -> None:
        """The error by ratio, or how to get it."""
        self.curve.setFixedHeight(40 if curve is None else 190)
        self.curve.set_curve(curve)

    def show_sweeping(self, runs: bool) -> None:
        """What the button of the sweep would do now."""
        self.sweep.setText(self.tr("Stop the Sweep") if runs else self.tr("Run the Sweep"))

    def show_patch(self, place: tuple[int, int] | None, error: float = math.nan) -> None:
        """The patch that is pointed at."""
        words = self.tr("Point at a patch to see how far off the paint is there.")
        self.patch.setText(words if place is None else mask_words.patch(*place, error))

    def show_why(self, found: "Why75 | None") -> None:
        """Why three quarters, measured on this photo."""
        waiting = self.tr("It is measured on the photo as soon as that is painted.")
        self.why.setText(waiting if found is None else mask_words.why(found))


def _named(name: str, *widgets: QComboBox | QSpinBox | QToolButton) -> QHBoxLayout:
    row = QHBoxLayout()
    row.setSpacing(4)
    label = QLabel(name)
    label.setBuddy(widgets[0])
    label.setMinimumWidth(56)
    widgets[0].setAccessibleName(name.replace("&", ""))
    row.addWidget(label)
    row.addWidget(widgets[0], 1)
    for widget in widgets[1:]:
        row.addWidget(widget)
    return row
