"""Why this label: a class of the classifier, or any words on the CLIP that is open, asked again at every layer."""

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from desktop_app.panels.features_engine import FeaturesEngine
from desktop_app.panels.features_inspector import FeaturesInspector
from desktop_app.session import Session
from models.spec import Capability
from models.tasks.explain import Method

if TYPE_CHECKING:
    from desktop_app.panels.features_studio import Walked


class FeaturesWhy(QObject):
    """Holds what is asked; until the hand chooses, that is the likeliest class of each photo."""

    wished = Signal()  # something else is to be explained, and shown
    followed = Signal()  # a label was chosen elsewhere, and is what is asked from now on
    waiting = Signal(str)  # why there is no map yet
    failed = Signal(object)  # UserError

    def __init__(self, session: Session, engine: FeaturesEngine, side: FeaturesInspector) -> None:
        super().__init__(side)
        self._session, self._engine, self._side = session, engine, side
        self._label = ""  # of a class
        self._text = ""
        self._offered = ""
        self._layer = ""
        self._waits = False
        side.class_chosen.connect(self.choose_class)
        side.text_asked.connect(self.choose_text)
        side.method_chosen.connect(lambda _: self.wished.emit())
        session.label_selected.connect(self._offer)
        session.model_changed.connect(self._model_changed)
        self._offer(session.selected_label)

    def show_walked(self, walked: "Walked | None") -> None:
        """The classes of another photo or model."""
        classes = walked.classes if walked is not None else ()
        if walked is not None and self._label not in walked.maps.labels:
            self._label = ""
        chosen = "" if self._text else self._label or (classes[0].label if classes else "")
        self._side.show_classes(classes, chosen)
        self._side.no_classes.setVisible(walked is not None and not classes)

    def choose_class(self, label: str) -> None:
        """Explain this class from now on."""
        self._label, self._text = label, ""
        self.show_walked(self._engine.now)
        self.wished.emit()

    def choose_text(self, text: str) -> None:
        """Explain these words from now on; none at all is the likeliest class again."""
        self._text, self._label = text, ""
        self.show_walked(self._engine.now)
        self.wished.emit()

    def ask(self, layer: str) -> None:
        """Explain what is asked at this layer; the map comes from the engine."""
        now = self._engine.now
        self._layer, self._waits = layer, False
        if now is None:
            return
        labels, method = now.maps.labels, Method(str(self._side.method.currentData()))
        label = self._label or (now.classes[0].label if now.classes else "")
        if self._text or not label:
            self._ask_text(self._text or self._offered, method)
        else:
            self._engine.ask_class(labels.index(label), layer, method)

    def leave(self) -> None:
        """The map is not on screen any more: what it waited for is not asked."""
        self._waits = False

    def _ask_text(self, text: str, method: Method) -> None:
        if not text:
            self.waiting.emit(self.tr("Type words at the right to see what speaks for them"))
            return
        model = self._session.model(Capability.ZERO_SHOT)
        error = self._session.shelf.error(Capability.ZERO_SHOT)
        if model is not None:
            self._engine.ask_text(model, text, self._layer, method)
        elif error is not None:
            self.waiting.emit(self.tr("There is no model that compares photos with words"))
            self.failed.emit(error)
        else:
            self._waits = True
            self.waiting.emit(self.tr("The model that reads words is being opened…"))

    def _model_changed(self, capability: str) -> None:
        if capability == Capability.ZERO_SHOT and self._waits:
            self.ask(self._layer)

    def _offer(self, label: str) -> None:
        """The label selected elsewhere stands in the field, unless the hand wrote something there."""
        field = self._side.words
        follows = bool(self._text) and self._text == self._offered
        if field.text().strip() in ("", self._offered):
            field.setText(label)
        self._offered = label
        if follows and label:
            self._text = label
            self.show_walked(self._engine.now)
            self.followed.emit()
