"""The left column: labels over templates, bound to the book; files and presets are read and written on the io lane."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QSplitter, QWidget

from desktop_app import label_recipe, presets
from desktop_app.label_book import LabelBook, same_word
from desktop_app.label_files import read_labels, typed_labels, write_labels
from desktop_app.labelling import Recipe
from desktop_app.panels import questions as ask
from desktop_app.presets import Preset
from desktop_app.session import Session, as_user_error
from desktop_app.widgets.label_editor import LabelEditor
from desktop_app.widgets.template_editor import TemplateEditor
from desktop_app.work import Outcome
from models.tasks.prompts import Label, PromptSet, Remark, Template, load_prompt_set, render, save_prompt_set


class LabelColumn(QSplitter):
    """Every wish of the two editors becomes one step in the book; what the book holds is shown."""

    failed = Signal(object)  # UserError
    said = Signal(str)  # something went well
    label_chosen = Signal(str)
    recipe_opened = Signal(object)  # Recipe: bars and mode are the panel's to take

    def __init__(self, session: Session, book: LabelBook, parent: QWidget | None = None) -> None:
        super().__init__(Qt.Orientation.Vertical, parent)
        self._session, self._book = session, book
        self._counts: tuple[int, ...] = ()
        self._remarks: list[Remark] = []
        self._presets: list[Preset] = []
        self._sets: list[Preset] = []
        self.labels, self.templates = LabelEditor(), TemplateEditor()
        self.addWidget(self.labels)
        self.addWidget(self.templates)
        self.setStretchFactor(0, 3)
        self.setStretchFactor(1, 2)
        self.setChildrenCollapsible(False)
        self.setHandleWidth(1)
        self._connect_labels()
        self._connect_templates()
        book.listen(lambda step: self._show())
        self._show()

    def wake(self) -> None:
        """Read which presets there are."""
        self._do(lambda: (presets.label_lists(), presets.prompt_sets()), self._presets_read)

    # --- what is shown

    def show_counts(self, counts: Sequence[int]) -> None:
        """How many photos carry each label."""
        if tuple(counts) != self._counts:
            self._counts = tuple(counts)
            self._show_labels()

    def show_remarks(self, remarks: list[Remark]) -> None:
        """What is wrong where."""
        self._remarks = remarks
        self._show()

    def _remarks_on(self, where: str, count: int) -> dict[int, str]:
        found: dict[int, str] = {}
        for remark in self._remarks:
            if remark.where == where and remark.index < count:
                found.setdefault(remark.index, remark.sentence)
        return found

    def _show(self) -> None:
        state = self._book.state
        self._show_labels()
        self.templates.set_templates(state.templates, self._remarks_on("template", len(state.templates)))
        self._show_preview()
        self._show_sets()

    def _show_labels(self) -> None:
        labels = self._book.state.labels
        self.labels.set_labels(labels, self._remarks_on("label", len(labels)), self._counts)

    def _show_preview(self) -> None:
        state, row = self._book.state, self.labels.list.currentIndex().row()
        row = row if 0 <= row < len(state.labels) else 0
        if not state.labels:
            self.templates.set_preview("", [])
            return
        label = state.labels[row]
        self.templates.set_preview(label.name, render(label, state.templates))

    def _show_sets(self) -> None:
        current = next((one for one in self._sets if one.title == self._book.state.prompt_set), None)
        names = [(one.key, one.title) for one in self._sets]
        self.templates.set_sets(
            names, current.key if current else "", own=current is not None and current.own
        )

    def _presets_read(self, found: Any) -> None:
        self._presets, self._sets = found
        self.labels.set_presets([(one.key, one.title) for one in self._presets])
        self._show_sets()

    # --- labels

    def _connect_labels(self) -> None:
        editor, book = self.labels, self._book
        editor.add_asked.connect(self._add)
        editor.list.takes_text = True
        editor.list.pasted.connect(self._add)
        editor.list.empty_words = self.tr("No label yet. Type one above, paste a list, or take a preset.")
        editor.renamed.connect(self._rename)
        editor.removed.connect(lambda rows: book.remove_labels(rows, self.tr("remove labels")))
        editor.moved.connect(lambda rows, before: book.move_labels(rows, before, self.tr("move labels")))
        editor.edited.connect(
            lambda row, label: book.set_label(row, label, self.tr("edit “{0}”").format(label.name))
        )
        editor.clear_asked.connect(lambda: book.replace_labels((), self.tr("remove all labels")))
        editor.chosen.connect(self._chosen)
        editor.preset_asked.connect(self._take_preset)
        editor.import_asked.connect(self._import_labels)
        editor.export_asked.connect(self._export_labels)
        editor.open_recipe_asked.connect(self._open_recipe)

    def _add(self, words: str) -> None:
        labels = typed_labels(words)
        count = self._book.add_labels(labels, self._added_words(labels))
        if not count and labels:
            known = [same_word(name) for name in self._book.state.names]
            self.labels.list.choose(known.index(same_word(labels[0].name)))
            self.labels.say(self.tr("“{0}” is in the list already.").format(labels[0].name))
        elif count:
            self.labels.list.choose(len(self._book.state.labels) - 1)
        if count > 1 and "," in words and len(words.strip().splitlines()) == 1:
            # Of several lines one sees that they are several; a comma may have been meant as part of a name.
            told = self.tr("A comma parts labels: {0:,} were added. Edit, Undo takes them back.")
            self.said.emit(told.format(count))

    def _added_words(self, labels: Sequence[Label]) -> str:
        known = set(map(same_word, self._book.state.names))
        new = {same_word(one.name): one.name for one in labels if same_word(one.name) not in known}
        if len(new) == 1:
            return self.tr("add “{0}”").format(*new.values())
        return self.tr("add {0:,} labels").format(len(new))

    def _rename(self, row: int, words: str) -> None:
        if not self._book.rename_label(row, words, self.tr("rename to “{0}”").format(words)):
            self.labels.say(self.tr("“{0}” is in the list already.").format(words))

    def _chosen(self, row: int) -> None:
        self._show_preview()
        names = self._book.state.names
        if 0 <= row < len(names):
            self.label_chosen.emit(names[row])

    def _take_preset(self, key: str) -> None:
        title = next((one.title for one in self._presets if one.key == key), key)
        take = partial(self._replace, name=self.tr("take “{0}”").format(title))
        self._do(partial(presets.labels_of, key), take)

    def _replace(self, labels: tuple[Label, ...], name: str) -> None:
        self._book.replace_labels(labels, name)
        self.labels.list.choose(0)

    def _import_labels(self) -> None:
        file = ask.ask_open(self, self.tr("Import labels"), ask.kinds_of("text"))
        if file:
            name = self.tr("import {0}").format(Path(file).name)
            self._do(partial(read_labels, Path(file)), lambda labels: self._book.add_labels(labels, name))

    def _export_labels(self) -> None:
        file = ask.ask_save(self, self.tr("Export labels"), ask.kinds_of("text"), "labels.txt")
        if file:
            call = partial(write_labels, Path(file), self._book.state.labels)
            self._write(call, file)

    # --- templates

    def _connect_templates(self) -> None:
        editor, book = self.templates, self._book
        editor.add_asked.connect(lambda words: book.add_template(words, self.tr("add a template")))
        editor.edited.connect(self._edit_template)
        editor.removed.connect(lambda rows: book.remove_templates(rows, self.tr("remove templates")))
        editor.moved.connect(
            lambda rows, before: book.move_templates(rows, before, self.tr("move templates"))
        )
        editor.set_asked.connect(self._take_set)
        editor.save_asked.connect(self._save_set)
        editor.forget_asked.connect(self._forget_set)
        editor.import_asked.connect(self._import_set)
        editor.export_asked.connect(self._export_set)

    def _edit_template(self, row: int, template: Template) -> None:
        before = self._book.state.templates[row]
        name = self.tr("edit a template")
        if replace(template, enabled=before.enabled) == before:
            name = self.tr("switch a template on") if template.enabled else self.tr("switch a template off")
        elif replace(template, weight=before.weight) == before:
            name = self.tr("weigh a template")
        self._book.set_template(row, template, name)

    def _use(self, chosen: PromptSet) -> None:
        self._book.use_prompt_set(chosen, self.tr("take the prompts “{0}”").format(chosen.name))
        self.templates.list.choose(0)

    def _take_set(self, key: str) -> None:
        if key:
            self._do(partial(presets.prompt_set_of, key), self._use)

    def _save_set(self) -> None:
        title = ask.ask_name(self, self.tr("Save the prompts"), self.tr("Name of the prompt set"))
        if title:
            self._keep_set(PromptSet(title, self._book.state.templates))

    def _keep_set(self, chosen: PromptSet, *, replaces: bool = False) -> None:
        call = partial(presets.save_own_set, chosen, replaces=replaces)
        self._session.work.once(call, partial(self._set_kept, chosen), lane="io", must=True)

    def _set_kept(self, chosen: PromptSet, outcome: Outcome) -> None:
        if not isinstance(outcome.error, presets.NameTaken):
            self._did(partial(self._set_saved, chosen), outcome)
        elif ask.ask_replace(self, self.tr("Save the prompts"), chosen.name):
            self._keep_set(chosen, replaces=True)

    def _set_saved(self, chosen: PromptSet, _: Path) -> None:
        self._use(chosen)
        self.wake()

    def _forget_set(self) -> None:
        current = next(
            (one for one in self._sets if one.title == self._book.state.prompt_set and one.own), None
        )
        if current is not None:
            self._do(partial(presets.forget, current), lambda _: self.wake(), must=True)

    def _import_set(self) -> None:
        file = ask.ask_open(self, self.tr("Import a prompt set"), ask.kinds_of("plain"))
        if file:
            self._do(partial(load_prompt_set, Path(file)), self._use)

    def _export_set(self) -> None:
        name = self._book.state.prompt_set or self.tr("prompts")
        file = ask.ask_save(self, self.tr("Export the prompt set"), ask.kinds_of("plain"), f"{name}.txt")
        if file:
            chosen = PromptSet(name, self._book.state.templates)
            self._write(partial(save_prompt_set, Path(file), chosen), file)

    # --- recipes

    def _open_recipe(self) -> None:
        file = ask.ask_open(self, self.tr("Open a recipe"), ask.kinds_of("json"))
        if file:
            self._do(partial(label_recipe.load, Path(file)), self.take_recipe)

    def take_recipe(self, recipe: Recipe) -> None:
        """Labels, templates and bars of a recipe, as one step."""
        chosen = PromptSet(recipe.prompt_set, recipe.templates)
        self._book.set_all(recipe.labels, chosen, self.tr("open a recipe"))
        self.recipe_opened.emit(recipe)

    def save_recipe(self, recipe: Recipe) -> None:
        """Ask where, and write it."""
        file = ask.ask_save(self, self.tr("Save the recipe"), ask.kinds_of("json"), "recipe.json")
        if file:
            self._write(partial(label_recipe.save, Path(file), recipe), file)

    def _write(self, call: Callable[[], Any], file: str) -> None:
        """What a person asked to be written is, even where the window closes first."""
        said = self.tr("Written: {0}").format(Path(file).name)
        self._do(call, lambda _: self.said.emit(said), must=True)

    def _do(self, call: Callable[[], Any], then: Callable[[Any], object], *, must: bool = False) -> None:
        self._session.work.once(call, partial(self._did, then), lane="io", must=must)

    def _did(self, then: Callable[[Any], object], outcome: Outcome) -> None:
        if outcome.error is None:
            then(outcome.value)
        else:
            self.failed.emit(as_user_error(outcome.error, self.tr("The file could not be used")))
