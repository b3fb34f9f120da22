"""The main job from end to end: start, drop photos, type labels, edit a template, confirm, undo, export; and the same
folder from the command line gets the same labels."""

from __future__ import annotations

import contextlib
import csv
import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from desktop_app import cli, label_recipe, paths
from desktop_app.panels import questions
from models.tasks.export import denature
from tests.label_robot import LabelRobot, remember
from tests.photo_folder import write_broken, write_photos

LABELS = ("cat", "dog", "an old motorcycle", "the moon")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twenty photos with awkward names and four files that are none."""
    write_photos(tmp_path / "pictures", 20, side=48)
    write_broken(tmp_path / "pictures", 4)
    return tmp_path / "pictures"


@pytest.fixture
def app(model: Path, qapp: object) -> Iterator[LabelRobot]:
    """The program on its samples, as on the first day but for the model."""
    remember(model)
    robot = LabelRobot()
    yield robot
    robot.close()


def table(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    for row in rows:
        row["path"] = denature(row["path"])
    return rows


def test_from_the_first_start_to_the_table(
    app: LabelRobot, folder: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app.wait_answered()
    assert app.session.samples, "the samples are labelled at once"
    assert "cat" in app.label.book.state.names

    app.drop_photos(folder, on=app.grid.viewport())
    app.wait_until(lambda: not app.session.samples and len(app.session.photos) == 24)
    app.wait_answered()
    assert list(app.decisions().values()).count("FAILED") == 4

    app.label.column.labels.clear_asked.emit()
    for name in LABELS:
        app.type_label(name)
    app.wait_answered()
    assert app.label.book.state.names == LABELS
    assert app.session.labels == LABELS
    before = app.answers()

    app.edit_template(0, "one can see {} here, at night, from far away")
    app.wait_answered()
    changed = sum(before[name] != label for name, label in app.answers().items())
    assert str(changed or "No photo") in app.change_line()

    name = next(one for one, mark in app.decisions().items() if mark in ("LABEL", "UNSURE", "UNKNOWN"))
    app.look_at(name)
    app.press("4", app.window)
    app.wait_idle()
    assert (app.decisions()[name], app.answers()[name]) == ("CONFIRMED", "the moon")
    app.press("Ctrl+Z", app.window)
    app.wait_idle()
    assert app.decisions()[name] != "CONFIRMED"
    app.press("Ctrl+Shift+Z", app.window)
    app.wait_idle()
    assert app.decisions()[name] == "CONFIRMED"

    file = tmp_path / "window.csv"
    monkeypatch.setattr(questions, "ask_save", lambda *words: str(file))
    app.press("Ctrl+E", app.window)
    assert app.label.export.dialog is not None
    app.wait_until(
        lambda: app.label.export.dialog is not None and app.label.export.dialog.table.rowCount() > 0
    )
    app.label.export.dialog.save.click()
    app.wait_until(lambda: "Written" in app.label.messages.text)
    app.wait_idle()
    recipe = app.label.engine.recipe()
    shown = app.answers()

    rows = table(file)
    assert len(rows) == 24
    assert [row["source"] for row in rows].count("person") == 1
    assert {Path(row["path"]).name: row["error"] != "" for row in rows} == {
        one: mark == "FAILED" for one, mark in app.decisions().items()
    }
    app.close()

    asked = tmp_path / "recipe.json"
    label_recipe.save(asked, recipe)
    other = tmp_path / "shell.csv"
    code = run_cli(
        "label", folder, "--recipe", asked, "--model", model, "--csv", other,
        "--precision", "float32", "--engine", "torch", "--device", "cpu", "--quiet",
    )  # fmt: skip
    assert code == 1, "four files could not be read"
    there = {Path(row["path"]).name: row for row in table(other)}
    for row in rows:
        twin = there[Path(row["path"]).name]
        for column in ("label", "decision", "source", "sha256", "width", "error"):
            assert row[column] == twin[column], (row["path"], column)
        if row["source"] == "model":
            assert row["label_2"] == twin["label_2"]
            assert float(row["probability"]) == pytest.approx(float(twin["probability"]), abs=1e-5)
    assert there[name]["label"] == shown[name] == "the moon", (
        "the person's word holds on the command line too"
    )


def run_cli(*words: str | Path) -> int:
    """The exit code of `pinhole` with these words."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return cli.main([str(word) for word in words])


def test_the_recipe_of_the_window_is_kept_as_text_one_can_read(app: LabelRobot) -> None:
    app.wait_answered()
    app.set_labels(["猫", "a dog"])
    text = str(app.program.settings.label_recipe)
    assert "猫" in text
    assert [label.name for label in label_recipe.from_text(text).labels] == ["猫", "a dog"]
    app.wait_idle()
    assert "label_recipe" in paths.settings_file().read_text(encoding="utf-8")
