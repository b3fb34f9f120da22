"""The Label panel: labels and templates at the left, the photos in the middle, answers about one at the right."""

from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QSplitter, QStackedWidget, QVBoxLayout, QWidget

from desktop_app import label_recipe
from desktop_app.labelling import Recipe
from desktop_app.panels.base import QT_TRANSLATE_NOOP, Panel
from desktop_app.panels.label_column import LabelColumn
from desktop_app.panels.label_engine import LabelEngine
from desktop_app.panels.label_export import ExportAsk
from desktop_app.panels.label_grid import GridControl
from desktop_app.panels.label_inspector import LabelInspector
from desktop_app.panels.label_job import LabelJob
from desktop_app.panels.label_lab import PromptLab
from desktop_app.panels.label_memory import book_of, keep_columns
from desktop_app.panels.label_menu import show_at, tile_menu
from desktop_app.panels.label_model import wanted_model
from desktop_app.panels.label_outlook import Outlook
from desktop_app.panels.label_renamed import RenamedLine
from desktop_app.panels.label_review import Review
from desktop_app.panels.model_choice import ModelChoice
from desktop_app.session import Session
from desktop_app.widgets.empty_state import EmptyState
from desktop_app.widgets.image_view import ImageView
from desktop_app.widgets.label_filters import ChangeLine, FilterBar
from desktop_app.widgets.label_job_bar import JobBar
from desktop_app.widgets.photo_grid import PhotoGrid, step_size
from desktop_app.widgets.viewer import Viewer
from models.errors import UserError
from models.images import Photo
from models.spec import Capability

_MOST_SEARCHED = 40  # letters of a search that are said again


class LabelPanel(Panel):
    """Wires the parts together; each part has a file of its own."""

    id = "label"
    title = QT_TRANSLATE_NOOP("Panel", "Label")
    icon = "label"
    capability = Capability.ZERO_SHOT
    wants_strip = False
    keys = (
        (QT_TRANSLATE_NOOP("Panel", "Give one of the first nine labels"), "1 … 9"),
        (QT_TRANSLATE_NOOP("Panel", "Take the label away"), "0"),
        (QT_TRANSLATE_NOOP("Panel", "In the lists: edit, switch, remove"), "F2, Space, Delete"),
        (
            QT_TRANSLATE_NOOP("Panel", "In the lists: move up or down"),
            QT_TRANSLATE_NOOP("Panel", "Alt and arrows"),
        ),
        (
            QT_TRANSLATE_NOOP("Panel", "A bar: by one hundredth, by a tenth"),
            QT_TRANSLATE_NOOP("Panel", "Arrows, Page Up and Down"),
        ),
        (
            QT_TRANSLATE_NOOP("Panel", "Back to the grid, to one photo, to all of them"),
            QT_TRANSLATE_NOOP("Panel", "Escape"),
        ),
    )

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        self.book = book_of(session)
        self.engine = LabelEngine(session, self.book, self)
        self.review = Review(session, self.engine.reader, self.book, self)
        self.column = LabelColumn(session, self.book)
        self.renamed = RenamedLine(session, self.engine, self.review)
        self.filters, self.change_line, self.job_bar = FilterBar(), ChangeLine(), JobBar()
        self.grid = PhotoGrid(session)
        self.inspector = self.look = LabelInspector()
        self.models = ModelChoice(session, self.look.models, wanted_model())
        self.control = GridControl(session, self.engine, self.filters, self.change_line, self)
        self.outlook = Outlook(session, self.engine, self.look, self)
        self.job = LabelJob(session, self.engine, self.job_bar, self)
        self.lab = PromptLab(session, self.engine)
        self.export = ExportAsk(session, self.engine, self.messages, self)
        self._awake = False
        self._build()
        self._connect()

    # --- building

    def _build(self) -> None:
        self.big = ImageView()
        self.big.setAccessibleName(self.tr("The photo in focus, large"))
        self.empty = EmptyState(
            "photos",
            self.tr("Drop photos or a folder here"),
            self.tr("They stay where they are, on this computer. Each gets the label that fits best."),
            self.tr("Open a folder…"),
        )
        self.pages = QStackedWidget()
        self.nothing = EmptyState("search", self.tr("No photo here"))
        for page in (self.grid, self.big, self.lab, self.empty, self.nothing):
            self.pages.addWidget(page)
        centre = QWidget()
        column = QVBoxLayout(centre)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        # Two tiles beside each other come before the wishes of the columns at both sides.
        column.addStrut(440)
        column.addWidget(self.filters)
        column.addWidget(self.renamed)
        column.addWidget(self.change_line)
        column.addWidget(self.pages, 1)
        column.addWidget(self.job_bar)
        self.split = QSplitter(Qt.Orientation.Horizontal)
        self.split.setHandleWidth(1)
        self.column.setMinimumWidth(252)  # the name of a prompt set has room
        self.split.addWidget(self.column)
        self.split.addWidget(centre)
        self.split.setStretchFactor(0, 0)
        self.split.setStretchFactor(1, 1)
        self.split.setCollapsible(1, False)
        self.body.addWidget(self.split)
        keep_columns(self.session, self.split, self.column)
        escape = QShortcut(QKeySequence(Qt.Key.Key_Escape), self)
        escape.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        escape.activated.connect(self.back)

    def _connect(self) -> None:
        session, engine, look = self.session, self.engine, self.look
        for source in (engine, self.review, self.column, self.job, self.export, self.lab, self.models):
            source.failed.connect(self.show_error)
        engine.worked.connect(self.clear_error)
        engine.remarks_changed.connect(self.column.show_remarks)
        self.control.counted.connect(self.column.show_counts)
        self.column.label_chosen.connect(session.select_label)
        self.column.said.connect(session.notify.info)
        self.column.recipe_opened.connect(self._take_bars)
        self.column.labels.save_recipe_asked.connect(lambda: self.column.save_recipe(engine.recipe()))
        self.book.listen(lambda step: self._remember())
        session.photos_changed.connect(self._photos_changed)
        session.reading_changed.connect(self._photos_changed)
        session.photo_ready.connect(self._show_big)
        session.current_changed.connect(lambda _: self.big.lens.reset())
        session.model_changed.connect(lambda _: self.job.offer())
        session.model_changed.connect(lambda _: self.models.show())
        session.view_changed.connect(self._prefer)
        self.grid.verticalScrollBar().valueChanged.connect(self._prefer)
        self.grid.opened.connect(lambda _: self.do_zoom())
        for signal in (self.grid.chosen_changed, self.pages.currentChanged, session.view_changed):
            signal.connect(self._say_chosen)
        self.big.activated.connect(self.back)
        self.filters.lab_asked.connect(self.show_lab)
        self.change_line.asked.connect(lambda: self.show_lab(False))
        self.lab.photos_asked.connect(self._show_photos)
        look.accept_asked.connect(self.do_accept)
        look.reject_asked.connect(self.do_reject)
        look.zoom_asked.connect(self.do_zoom)
        self.job.ended.connect(self.outlook.ask_history)
        self.job.ended.connect(engine.forget_changes)
        self.job.reasons_asked.connect(self.export.show_reasons)
        self.empty.action_clicked.connect(lambda: self.window_does("open_folder"))
        self.nothing.action_clicked.connect(session.clear_filters)
        self.grid.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.grid.customContextMenuRequested.connect(self._show_menu)
        look.assign_asked.connect(lambda name: self.review.confirm(self._places(), name))

    # --- coming on screen

    def refresh(self) -> None:
        """Called by the window when the panel comes on screen."""
        if not self._awake:
            self._awake = True
            self.column.wake()
            self.job.wake()
            self.engine.wake()
        self._photos_changed()

    def set_active(self, active: bool) -> None:
        """Called by the window when the panel comes on or leaves the screen."""
        super().set_active(active)
        self.engine.set_active(active)

    def _photos_changed(self, *_: object) -> None:
        self._choose_page()
        self.job.offer()

    def _choose_page(self) -> None:
        """The grid gives way where there is nothing to show in it."""
        session, page = self.session, self.pages.currentWidget()
        if page not in (self.grid, self.empty, self.nothing):
            return
        if len(session.shown) or session.reading:
            self.pages.setCurrentWidget(self.grid)
        else:
            self._say_nothing()
            self.pages.setCurrentWidget(self.nothing if len(session.photos) else self.empty)

    def _say_nothing(self) -> None:
        """Whether it is the search or the filter that leaves no photo."""
        view, more = self.session.view, self.tr("None fits the filter.")
        if view.text:
            words = self.tr("No name or folder has “{0}” in it.")
            if view.keep is not None:
                words = self.tr("None that fits the filter has “{0}” in its name or folder.")
            more = words.format(
                view.text if len(view.text) <= _MOST_SEARCHED else f"{view.text[:_MOST_SEARCHED]}…"
            )
        self.nothing.say(self.tr("No photo here"), more, self.tr("Show all photos"))

    def _prefer(self, *_: object) -> None:
        self._choose_page()
        rows = self.grid.visible_rows()
        places = [self.grid.photos.photo_at(row) for row in rows]
        self.engine.reader.prefer([self.session.current, *places])

    # --- the three pages

    def show_lab(self, lab: bool) -> None:
        """Photos or prompt lab."""
        self.filters.show_lab(lab)
        if lab:
            self.change_line.hide()  # it speaks of the grid
        self.pages.setCurrentWidget(self.lab if lab else self.grid)
        self.lab.set_active(lab)
        if not lab:
            self._photos_changed()

    def back(self) -> None:
        """From the big photo or the lab to the grid; there, one chosen photo, then every photo again."""
        if self.pages.currentWidget() in (self.grid, self.nothing):
            if not self.grid.choose_current():
                self.session.clear_filters()
        else:
            self.show_lab(False)
            self.grid.setFocus()

    def do_zoom(self) -> None:
        """The photo in focus large, and back."""
        if self.pages.currentWidget() is self.big:
            self.back()
        elif self.session.current >= 0:
            self.show_lab(False)
            self._show_big()
            self.pages.setCurrentWidget(self.big)
            self.big.setFocus()

    def _show_big(self, *_: object) -> None:
        photo = self.session.photo
        self.big.set_image(photo.rgb if isinstance(photo, Photo) else None)
        self.big.set_words(str(photo) if isinstance(photo, UserError) else "")

    def _show_photos(self, places: object, words: str) -> None:
        self.show_lab(False)
        self.control.show_only(places, words)  # type: ignore[arg-type]

    # --- what the window's actions do here

    def _places(self) -> list[int]:
        """The chosen photos, or the one in focus where the others are out of sight."""
        # Nobody means a hundred photos of which one is seen.
        alone = any(viewer.isVisible() for viewer in self.window().findChildren(Viewer))
        in_sight = self.pages.currentWidget() is self.grid and not alone
        chosen = self.grid.selected_photos() if in_sight else []
        return chosen or ([self.session.current] if self.session.position() >= 0 else [])

    def _say_chosen(self, *_: object) -> None:
        """The buttons say how many photos they are about."""
        self.look.show_chosen(self.grid.chosen_count() if self.pages.currentWidget() is self.grid else 1)

    def _show_menu(self, place: QPoint) -> None:
        menu = tile_menu(
            self.grid,
            self.book.state.names,
            accept=self.do_accept,
            reject=self.do_reject,
            assign=lambda name: self.review.confirm(self._places(), name),
            clear=lambda: self.review.clear(self._places()),
            window_does=self.window_does,
        )
        show_at(menu, self.grid.viewport(), place)

    def do_accept(self) -> None:
        """Confirm what the chosen photos show."""
        self.review.confirm(self._places())

    def do_reject(self) -> None:
        """The chosen photos are not what they show."""
        self.review.reject(self._places())

    def do_assign(self, digit: int) -> None:
        """Give the chosen photos label number `digit`; 0 takes back what was said about them."""
        names = self.book.state.names
        if digit == 0:
            self.review.clear(self._places())
        elif digit <= len(names):
            self.review.confirm(self._places(), names[digit - 1])

    def do_next_unsure(self) -> None:
        """On to the next photo that the model is unsure about."""
        self.grid.choose_current()  # it may be the one in focus, alone
        self.control.next_unsure()

    def do_undo(self) -> None:
        """Take the last edit or decision back."""
        self.review.undo()

    def do_redo(self) -> None:
        """Make it again."""
        self.review.redo()

    def undo_words(self) -> tuple[str, str]:
        """What both would do."""
        return self.review.words

    def do_export(self) -> None:
        """Preview and write the table."""
        self.export.open(self.window())

    def do_select_all(self) -> None:
        """Every photo shown."""
        self.grid.selectAll()

    def do_larger(self) -> None:
        """Larger tiles."""
        step_size(self.session.settings, 1)

    def do_smaller(self) -> None:
        """Smaller tiles."""
        step_size(self.session.settings, -1)

    # --- what is remembered

    def _take_bars(self, recipe: Recipe) -> None:
        values = self.session.settings
        values.min_probability, values.min_margin = recipe.bars.min_probability, recipe.bars.min_margin
        values.background, values.mode = recipe.bars.background, recipe.mode
        values.min_known = recipe.bars.min_known
        self.outlook.show_bars()

    def _remember(self) -> None:
        self.session.settings.label_recipe = label_recipe.to_text(self.engine.recipe())
