"""The robot with the verbs of the Label panel, on a tiny model and a folder of small real photos."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from desktop_app.panels.label import LabelPanel
from desktop_app.photo_list import Mark
from desktop_app.settings import Settings
from tests.robot import AppRobot


def remember(model: Path, **values: object) -> None:
    """What an earlier day has left in the settings."""
    settings = Settings()
    settings.current_model = str(model)
    settings.device, settings.precision, settings.engine = "cpu", "float32", "torch"
    for name, value in values.items():
        settings.set(name, value)
    settings.save()


class LabelRobot(AppRobot):
    """Starts the program with the Label panel alone."""

    def __init__(self, *words: str | Path) -> None:
        super().__init__(*words, panels=(LabelPanel,))

    @property
    def label(self) -> LabelPanel:
        """The panel."""
        panel = self.panel
        assert isinstance(panel, LabelPanel)
        return panel

    # --- waiting

    def wait_answered(self) -> None:
        """Until every open photo has an answer or a reason, and nothing runs."""
        self.wait_until(lambda: not self.session.reading and len(self.session.photos) > 0, "no photo came")
        self.wait_until(
            lambda: all(mark is not Mark.NONE for mark in self.marks()), "some photo was never answered"
        )
        self.wait_idle()

    # --- hands

    def type_label(self, words: str) -> None:
        """Into the field for new labels, and Enter."""
        entry = self.label.column.labels.entry
        self.type(words, entry)
        QTest.keyClick(entry, Qt.Key.Key_Return)

    def set_labels(self, names: Sequence[str]) -> None:
        """Take all labels away and paste these."""
        self.label.column.labels.clear_asked.emit()
        self.label.column.labels.add_asked.emit("\n".join(names))
        self.wait_answered()

    def edit_template(self, row: int, words: str) -> None:
        """Double click on a sentence and write another one."""
        view = self.label.column.templates.list
        self.edit_row(view, row, words)

    def edit_row(self, view: object, row: int, words: str) -> None:
        """Edit a line of a list in place."""
        from desktop_app.widgets.label_rows import RowsView

        assert isinstance(view, RowsView)
        view.setFocus()
        view.choose(row)
        QTest.keyClick(view, Qt.Key.Key_F2)
        editor = self.qt.focusWidget()
        assert editor is not None
        assert editor is not view
        QTest.keySequence(editor, "Ctrl+A")
        QTest.keyClicks(editor, words)
        QTest.keyClick(editor, Qt.Key.Key_Return)
        self.wait_until(lambda: view.rows[row].text == words, "the line was never taken")

    def look_at(self, name: str) -> None:
        """Put a photo in focus."""
        place = [Path(path).name for path in self.session.photos].index(name)
        self.session.select(place)
        self.label.grid.setFocus()

    # --- eyes

    def marks(self) -> list[Mark]:
        """The mark of every open photo."""
        return [Mark(int(mark)) for mark in self.label.control.marks()]

    def answers(self) -> dict[str, str]:
        """File name -> the label its tile shows, "" for none."""
        found = {}
        for place, path in enumerate(self.session.photos):
            label, _, mark = self.session.answers.of(place)
            found[Path(path).name] = "" if mark in (Mark.NONE, Mark.UNKNOWN) else label
        return found

    def decisions(self) -> dict[str, str]:
        """File name -> mark by its name."""
        return {
            Path(path).name: mark.name for path, mark in zip(self.session.photos, self.marks(), strict=True)
        }

    def change_line(self) -> str:
        """What the last edit changed, in words."""
        return self.label.change_line.text
