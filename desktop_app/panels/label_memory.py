"""What the Label panel remembers from one day to the next: labels, templates, and how wide its columns are."""

from PySide6.QtWidgets import QSplitter

from desktop_app import label_recipe, presets
from desktop_app.label_book import LabelBook
from desktop_app.session import Session
from models.errors import UserError
from models.tasks.prompts import Label, PromptSet, Template

_WIDTH, _HEIGHTS = 264, [340, 340]


def book_of(session: Session) -> LabelBook:
    """The labels and templates of the last time; at first those that fit the sample photos."""
    stored = str(session.settings.label_recipe)
    try:
        if stored:
            recipe = label_recipe.from_text(stored)
            return LabelBook(recipe.labels, PromptSet(recipe.prompt_set, recipe.templates))
    except UserError as error:
        session.notify.warn(error)
    try:
        return LabelBook(presets.labels_of(presets.SAMPLES), presets.prompt_set_of("photo"))
    except UserError:
        # A copy of the source without its resources still works.
        return LabelBook((Label("cat"), Label("dog")), PromptSet("photo", (Template("a photo of a {}."),)))


def keep_columns(session: Session, across: QSplitter, down: QSplitter) -> None:
    """Set the columns as they were, and remember every move from now on."""
    parts = str(session.settings.label_columns).split(",")
    sizes = [int(part) for part in parts if part.isdigit()]
    known = len(sizes) == 3
    across.setSizes([sizes[0] if known else _WIDTH, 4000])
    down.setSizes(sizes[1:] if known else _HEIGHTS)

    def remember(*_: int) -> None:
        session.settings.label_columns = ",".join(map(str, [*across.sizes()[:1], *down.sizes()]))

    across.splitterMoved.connect(remember)
    down.splitterMoved.connect(remember)
