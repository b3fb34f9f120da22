"""The pictures of the masking panel: what is hidden, what was painted, the two together, the error, the photo."""

from typing import TYPE_CHECKING

from PySide6.QtCore import QPoint, Signal
from PySide6.QtWidgets import QVBoxLayout, QWidget

from desktop_app.panels.mask_compare import round_high
from desktop_app.widgets.image_view import ImageView, Lens, Pixels
from desktop_app.widgets.mask_canvas import MaskCanvas
from desktop_app.widgets.mask_panes import Legend, Pane, Panes
from models.tasks import colours
from models.tasks.mask_export import Pane as What

if TYPE_CHECKING:
    from models.tasks.masking import MaskResult
    from models.tasks.masks import Hidden, Mask

COLOUR_MAP = "viridis"


class MaskStage(QWidget):
    """Shows results; the first picture is painted on. All share one lens and one pointed-at place."""

    hovered = Signal(object)  # (x, y) in 0..1 of the model's picture, or None
    menu_asked = Signal(object, QPoint)  # What, where on the screen

    def __init__(self) -> None:
        super().__init__()
        self.lens = Lens(self)
        self.canvas = MaskCanvas(lens=self.lens)
        self.painted, self.pasted, self.error, self.photo = (ImageView(lens=self.lens) for _ in range(4))
        self.legend = Legend(COLOUR_MAP)
        self.high = 0
        named = (
            (self.tr("Hidden"), self.canvas, self.tr("paint here"), None, What.MASKED),
            (
                self.tr("Reconstruction"),
                self.painted,
                self.tr("by the model"),
                None,
                What.RECONSTRUCTION,
            ),
            (self.tr("Combined"), self.pasted, self.tr("visible patches kept"), None, What.PASTED),
            (self.tr("Error"), self.error, "", self.legend, What.ERROR),
            (self.tr("Photo"), self.photo, self.tr("as the model sees it"), None, What.ORIGINAL),
        )
        panes = []
        for name, view, hint, aside, what in named:
            if view is not self.canvas:
                view.setAccessibleName(name)
            pane = Pane(name, view, hint, aside)
            pane.menu_asked.connect(lambda point, what=what: self.menu_asked.emit(what, point))
            view.hovered.connect(self.hovered)
            panes.append(pane)
        panes[0].name.setToolTip(
            self.tr(
                "Click or drag to hide and show patches; the right button always shows. By keyboard: arrows move, "
                "Shift extends, Space paints, + and − zoom."
            )
        )
        panes[1].name.setToolTip(
            self.tr(
                "What the model paints in every patch. It was only ever taught the hidden ones: where the photo is "
                "visible it may paint anything, bright squares included, and “Combined” keeps the photo there."
            )
        )
        panes[2].name.setToolTip(
            self.tr("The visible patches of the photo, and the model's paint in the others")
        )
        self.canvas.pointed.connect(self.hovered)
        self.panes = Panes(panes, lead=True)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.panes)

    @property
    def views(self) -> tuple[ImageView, ...]:
        """All pictures."""
        return self.canvas, self.painted, self.pasted, self.error, self.photo

    def show_view(self, picture: Pixels | None) -> None:
        """The photo as the model sees it (or whole, while the model is still to come)."""
        self.canvas.set_image(picture)
        self.photo.set_image(picture)

    def show_mask(self, mask: "Mask | None", patches: "Hidden | None") -> None:
        """Cover what is hidden, at once."""
        self.canvas.set_mask(mask, patches)

    def show_result(self, result: "MaskResult") -> None:
        """What the model made of it."""
        self.high = round_high([result])
        self.painted.set_image(result.reconstruction)
        self.pasted.set_image(result.pasted)
        # One pixel a patch, enlarged when drawn: a cell stays a cell at every zoom.
        self.error.set_image(colours.paint(result.error, COLOUR_MAP, 0.0, float(self.high)), smooth=False)
        self.legend.set_high(self.high)

    def clear(self, words: str = "") -> None:
        """No photo or no model: every picture says why."""
        self.canvas.set_mask(None)
        for view in self.views:
            view.set_image(None)
            view.set_words("")
        self.canvas.set_words(words)
        self.legend.set_high(0)

    def wait(self, words: str) -> None:
        """The pictures of the model are still to come."""
        for view in (self.painted, self.pasted, self.error):
            view.set_image(None)
            view.set_words(words)

    def set_place(self, place: tuple[float, float] | None) -> None:
        """Mark a place of the model's picture in all of them."""
        for view in self.views:
            view.set_place(place)
