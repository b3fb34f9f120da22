"""Where a question for a file begins."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtWidgets import QFileDialog, QWidget

from desktop_app.panels import questions


def test_the_next_question_begins_where_the_last_file_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, qapp: object
) -> None:
    begun: list[str] = []
    answers = [str(tmp_path / "out" / "labels.csv"), "", str(tmp_path / "truth.csv")]

    def ask(parent: QWidget, title: str, start: str, kinds: str) -> tuple[str, str]:
        begun.append(start)
        return answers.pop(0), kinds

    monkeypatch.setattr(questions._Place, "folder", "")
    monkeypatch.setattr(QFileDialog, "getSaveFileName", ask)
    monkeypatch.setattr(QFileDialog, "getOpenFileName", ask)
    widget = QWidget()
    assert questions.ask_save(widget, "Write", "", "archive.csv") == str(tmp_path / "out" / "labels.csv")
    assert questions.ask_open(widget, "Read", "") == ""
    questions.ask_save(widget, "Write", "", str(tmp_path / "whole.png"))
    assert begun == [str(Path.home() / "archive.csv"), str(tmp_path / "out"), str(tmp_path / "whole.png")]
    assert questions._Place.folder == str(tmp_path)


def test_a_bare_name_takes_the_suffix_of_the_kind_that_was_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, qapp: object
) -> None:
    kinds = "Mask as JSON (*.json);;Mask as PNG (*.png);;All files (*)"
    answer = [str(tmp_path / "mask"), "Mask as PNG (*.png)"]
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: tuple(answer))
    asked: list[str] = []
    monkeypatch.setattr(questions, "ask_replace", lambda parent, title, name: asked.append(name) or False)
    widget = QWidget()
    assert questions.ask_save(widget, "Save", kinds, "mask.json") == str(tmp_path / "mask.png")
    assert not asked
    (tmp_path / "mask.png").write_bytes(b"mine")
    # The dialog had asked about “mask”, which is not there.
    assert questions.ask_save(widget, "Save", kinds, "mask.json") == ""
    assert asked == ["mask.png"]
    answer[1] = "All files (*)"
    assert questions.ask_save(widget, "Save", kinds, "mask.json") == str(tmp_path / "mask")
    answer[:] = [str(tmp_path / "mask.webp"), "Mask as PNG (*.png)"]
    assert questions.ask_save(widget, "Save", kinds, "mask.json") == str(tmp_path / "mask.webp")
