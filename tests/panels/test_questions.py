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
