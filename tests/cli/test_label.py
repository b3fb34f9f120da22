"""`pinhole label` on real photos with broken files among them, and everything that can be asked of it."""

import contextlib
import csv
import errno
import io
import json
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from desktop_app import cli, cli_run, label_recipe, labelling, paths, presets, samples
from desktop_app.catalog import Catalog, open_catalog
from desktop_app.catalog_files import records_of
from desktop_app.cli_model import open_for
from desktop_app.label_folder import Question, score_folder
from desktop_app.work import Work
from models.errors import ImageError
from models.images import content_hash, walk
from models.runtime import open_model
from models.tasks import export, zero_shot
from models.tasks.auto_label import Config, Finished
from models.tasks.zero_shot import Decision, Label
from tests.cli.conftest import Pinhole
from tests.photo_folder import write_broken, write_photos

LABELS = "cat,rocket,cup of coffee,face,motorcycle,temple,flower"


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream, strict=True))


def assert_alike(one: list[dict[str, str]], other: list[dict[str, str]]) -> None:
    """The same answers. Numbers within a rounding of float16: a batch of another size adds up in another order."""
    numbers = ("probability", "margin", "probability_2", "probability_3")
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        assert {k: v for k, v in a.items() if k not in numbers} == {
            k: v for k, v in b.items() if k not in numbers
        }
        for name in numbers:
            assert float(a[name] or -1) == pytest.approx(float(b[name] or -1), abs=1e-3)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twenty real photos and five broken ones."""
    write_photos(tmp_path / "in", 20, side=40)
    write_broken(tmp_path / "in" / "sub", 5)
    return tmp_path / "in"


def test_three_hundred_photos_with_thirty_broken_ones(
    pinhole: Pinhole, tiny_clip: Path, tmp_path: Path
) -> None:
    photos = write_photos(tmp_path / "in", 300, side=48)
    broken = write_broken(tmp_path / "in" / "sub", 30)
    out = tmp_path / "out.csv"
    said = pinhole(
        "label", tmp_path / "in", "--labels", LABELS, "--model", tiny_clip, "--csv", out, "--absolute"
    )
    assert said.code == 1
    rows = {row["path"]: row for row in read(out)}
    assert len(rows) == 330
    # Names that a spreadsheet would run, that hold newlines or are in other scripts are all there.
    good = [rows[str(path)] for path in photos]
    assert all(row["label"] in LABELS.split(",") and not row["error"] for row in good)
    assert {row["sha256"] for row in good} == {content_hash(path) for path in photos}
    assert {(row["width"], row["height"]) for row in good} == {("48", "36")}
    for path in broken:
        row = rows[str(path)]
        assert row["error"]
        assert row["label"] == row["decision"] == row["probability"] == ""
        assert f"{path}: " in said.err
    reasons = {kind: rows[str(path)]["error"] for path, kind in broken.items()}
    assert "no bytes" in reasons["empty"]
    assert "cut off" in reasons["cut-jpeg"]
    assert "megapixels" in reasons["bomb"]
    assert "not there" in reasons["link"]
    assert len(set(reasons.values())) >= 10
    assert "30 could not be read" in said.err


def test_the_window_gives_the_same_labels(
    pinhole: Pinhole, tiny_clip: Path, folder: Path, tmp_path: Path
) -> None:
    """The job of the window (on its workers, over a catalogue of its own) and the grid's scoring against the CSV."""
    out = tmp_path / "out.csv"
    pinhole("label", folder, "--labels", LABELS, "--model", tiny_clip, "--csv", out, "--absolute")
    rows = {row["path"]: row for row in read(out) if not row["error"]}
    recipe = labelling.Recipe(
        tuple(Label(name) for name in LABELS.split(",")),
        presets.prompt_set_of("photo").templates,
        bars=zero_shot.Bars(min_probability=0.3, min_margin=0.1),
    )
    catalog, model = Catalog(tmp_path / "window.sqlite"), open_model(tiny_clip)
    labeller = labelling.Labeller(catalog, model, recipe)
    work = Work(post=lambda call: call())
    job = work.start_job("Label", lambda: labeller.events(Config((folder,))))
    assert job.join(60)
    assert isinstance(job.last, Finished)
    work.close()
    photos = [photo for photo in walk(folder) if str(photo) in rows]
    proposed = {row.path: (row.label, row.decision) for row in labelling.rows_of(catalog, photos)}
    assert proposed == {path: (row["label"], row["decision"]) for path, row in rows.items()}
    shown, embeddings = labelling.embeddings_of(catalog, labeller.key, photos)
    assert [str(path) for path in shown] == [str(path) for path in photos]
    cache = zero_shot.TextCache()
    question = Question(
        tuple(range(len(recipe.labels))),
        tuple(label.name for label in recipe.labels),
        zero_shot.embed_labels(model, recipe.labels, recipe.templates, cache),
        model.scale,
        recipe.bars,
        zero_shot.embed_background(model, cache),
        "single",
    )
    scored = score_folder(embeddings.astype(np.float16), np.ones(len(shown), bool), question)
    grid = [
        (question.names[best], Decision(d).word) for best, d in zip(scored.best, scored.decision, strict=True)
    ]
    assert grid == [proposed[str(path)] for path in shown]
    catalog.close()


def test_a_photo_that_was_away_for_a_run_keeps_the_answer_of_the_run_before(
    pinhole: Pinhole, tiny_clip: Path, tmp_path: Path
) -> None:
    photo, away = *write_photos(tmp_path / "in", 1, side=40), tmp_path / "away.jpg"
    pinhole("label", photo, "--labels", "cat,dog", "--model", tiny_clip)
    with open_catalog(paths.catalog_file()) as catalog:
        (record,) = records_of(catalog, [photo])
        before = catalog.answers([record.id])
        photo.rename(away)
        assert "not there" in pinhole("label", photo, "--labels", "face,temple", "--model", tiny_clip).err
        (gone,) = labelling.rows_of(catalog, [photo])
        assert (gone.label, "not there" in gone.error) == ("", True)
        away.rename(photo)
        assert catalog.rollback_run(catalog.runs()[0].id) == 1
        assert catalog.photos([record.id])[record.id].error == ""
        records_of(catalog, [photo], content_hash)  # as whoever opens the folder does
        assert catalog.answers([record.id]) == before
        assert before[record.id].label in ("cat", "dog")


def test_a_moved_photo_keeps_its_label_also_where_the_first_look_at_it_was_cut_off(
    pinhole: Pinhole, tiny_clip: Path, tmp_path: Path
) -> None:
    photo, moved = *write_photos(tmp_path / "in", 1, side=40), tmp_path / "moved.jpg"
    pinhole("label", photo, "--labels", "cat,dog", "--model", tiny_clip)
    with open_catalog(paths.catalog_file()) as catalog:
        (record,) = records_of(catalog, [photo])
        catalog.confirm([record.id], "mine")
        photo.rename(moved)
        records_of(catalog, [moved])  # and the program ended before it was hashed
        (again,) = records_of(catalog, [moved], content_hash)
        assert catalog.answers([again.id])[again.id].label == "mine"


def test_the_csv_holds_the_answers_of_its_own_run_where_another_came_between(
    pinhole: Pinhole, tiny_clip: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone, own, other = tmp_path / "alone.csv", tmp_path / "own.csv", tmp_path / "other.csv"
    asked = ("label", folder, "--labels", "cat,dog", "--model", tiny_clip, "--csv")
    pinhole(*asked, alone)
    follow = cli_run.follow

    def follow_and_be_overtaken(*given: Any) -> cli_run.Watched:
        watched = follow(*given)
        monkeypatch.setattr(cli_run, "follow", follow)
        pinhole("label", folder, "--labels", "face,temple", "--model", tiny_clip, "--csv", other)
        return watched

    monkeypatch.setattr(cli_run, "follow", follow_and_be_overtaken)
    pinhole(*asked, own)
    assert own.read_bytes() == alone.read_bytes()
    assert {row["label"] for row in read(other) if not row["error"]} <= {"face", "temple"}


def test_a_second_run_answers_from_the_catalogue(
    pinhole: Pinhole, tiny_clip: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = tmp_path / "1.csv", tmp_path / "2.csv"
    pinhole("label", folder, "--labels", LABELS, "--model", tiny_clip, "--csv", first)
    seen: list[Path] = []
    real = zero_shot.prepare_file
    monkeypatch.setattr(
        zero_shot, "prepare_file", lambda path, *a, **k: (seen.append(path), real(path, *a, **k))[1]
    )
    pinhole("label", folder, "--labels", LABELS, "--model", tiny_clip, "--csv", second)
    assert first.read_bytes() == second.read_bytes()
    assert all("broken" in path.name for path in seen)


def test_a_model_that_was_edited_looks_at_the_photos_again(
    pinhole: Pinhole, tiny_clip: Path, folder: Path, tmp_path: Path
) -> None:
    """Also one of the same name and weights that lies elsewhere."""
    model, rows = tmp_path / "one" / "clip", []

    def label(model: Path) -> None:
        out = tmp_path / "out.csv"
        assert pinhole("label", folder, "--labels", LABELS, "--model", model, "--csv", out).code == 1
        # How many photos go through at once depends on who else computes, and the last digits on that.
        rows.append([(row["label"], row["probability"][:5]) for row in read(out)])

    shutil.copytree(tiny_clip, model)
    label(model)
    described = json.loads((model / "preprocessor_config.json").read_text())
    other = shutil.copytree(model, tmp_path / "two" / "clip")
    for where, edge in ((model, 64), (other, 100)):
        words = json.dumps({**described, "size": {"shortest_edge": edge}})
        (where / "preprocessor_config.json").write_text(words)
        label(where)
    assert rows[0] != rows[1] != rows[2] != rows[0]
    label(tiny_clip)
    assert [label for label, _ in rows[3]] == [label for label, _ in rows[0]]
    for (_, again), (_, before) in zip(rows[3], rows[0], strict=True):
        assert again == before == "" or float(again) == pytest.approx(float(before), abs=2e-3)


def test_ctrl_c_keeps_what_is_done_and_the_next_run_goes_on(
    pinhole: Pinhole, tiny_clip: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("label", folder, "--labels", LABELS, "--model", tiny_clip, "--csv")
    real, asked = labelling.Labeller.judge, []

    def judge(self: labelling.Labeller, rows: np.ndarray, keep: int | None = 3) -> object:
        asked.append(len(rows))
        if len(asked) == 8:
            signal.raise_signal(signal.SIGINT)
            assert (
                signal.getsignal(signal.SIGINT) is signal.SIG_DFL
            )  # a second Ctrl-C would end it on the spot
        return real(self, rows, keep)

    before = signal.getsignal(signal.SIGINT)
    with monkeypatch.context() as patch:
        patch.setattr(labelling.Labeller, "judge", judge)
        said = pinhole(*words, tmp_path / "no.csv")
    assert said.code == 130
    assert "are done and kept" in said.err
    assert not (tmp_path / "no.csv").exists()
    assert signal.getsignal(signal.SIGINT) is before
    with open_catalog(paths.catalog_file()) as catalog:
        kept = [row for row in labelling.rows_of(catalog, list(walk(folder))) if row.label]
        assert len(kept) == 8
        assert catalog.runs()[0].state == "cancelled"
    resumed, whole = tmp_path / "resumed.csv", tmp_path / "whole.csv"
    assert pinhole(*words, resumed).code == 1
    monkeypatch.setenv("PINHOLE_HOME", str(tmp_path / "another home"))
    assert pinhole(*words, whole).code == 1
    assert_alike(read(resumed), read(whole))


def test_what_a_person_confirmed_is_written_as_theirs(
    pinhole: Pinhole, tiny_clip: Path, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.csv"
    words = ("label", folder, "--labels", LABELS, "--model", tiny_clip, "--csv", out)
    pinhole(*words)
    photo = next(walk(folder))
    with open_catalog(paths.catalog_file()) as catalog:
        record = catalog.photo(photo)
        assert record is not None
        catalog.confirm([record.id], "=mine")
    said = pinhole(*words)
    row = read(out)[0]
    assert (row["label"], row["source"], row["decision"]) == ("'=mine", "person", "label")
    assert row["probability"] == row["label_2"] == ""
    assert "1 left as they were" in said.err


def test_more_labels_are_shown_and_the_wide_csv_stays_what_it_is(
    pinhole: Pinhole, tiny_clip: Path, folder: Path, tmp_path: Path
) -> None:
    asked = ("label", folder, "--labels", "cat,dog,fox,sheep,car", "--model", tiny_clip)
    pinhole(*asked, "--csv", tmp_path / "first.csv")
    first = read(tmp_path / "first.csv")[0]
    others = ({"cat", "dog", "fox", "sheep", "car"} - {first["label"], first["label_2"]}).pop()
    photo = next(walk(folder))
    with open_catalog(paths.catalog_file()) as catalog:
        record = catalog.photo(photo)
        assert record is not None
        catalog.confirm([record.id], others)
    pinhole(*asked, "--csv", tmp_path / "more.csv", "--top-k", "5")
    row = read(tmp_path / "more.csv")[0]
    assert (row["label"], row["label_2"], row["label_3"]) == (others, "", "")
    line = next(line for line in pinhole(*asked, "--top-k", "5").out.splitlines() if photo.name in line)
    named = [words.split()[0] for words in line.removeprefix("confirmed").split(", ")]
    assert named[0] == others
    assert sorted(named) == sorted({"cat", "dog", "fox", "sheep", "car"}), "each of them once"


def test_where_nothing_can_be_kept_photos_are_labelled_without_a_measurement(
    pinhole: Pinhole, tiny_clip: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setattr(paths, "cache_dir", lambda: tmp_path / "file" / "cache")
    monkeypatch.setattr("desktop_app.cli_run._WORTH_MEASURING", 1)
    said = pinhole("label", folder, "--labels", LABELS, "--model", tiny_clip)
    assert said.code == 1, "some of the photos are broken"
    assert "could not be measured" in said.err


def test_a_run_that_no_one_can_read_any_more_is_another_question(
    pinhole: Pinhole, tiny_clip: Path, folder: Path
) -> None:
    words = ("label", folder, "--labels", "cat,dog", "--model", tiny_clip, "--quiet")
    pinhole(*words)
    with open_catalog(paths.catalog_file()) as catalog:
        catalog.start_run("label", config={"recipe": {"templates": [{"text": "a {}"}], "labels": [3]}})
    said = pinhole(*words, "--only-new")
    assert "Traceback" not in said.err
    assert "Note:" not in said.err


def test_only_new_photos_are_labelled(
    pinhole: Pinhole, tiny_clip: Path, folder: Path, tmp_path: Path
) -> None:
    pinhole("label", folder, "--labels", "cat,dog", "--model", tiny_clip)
    write_photos(folder / "new", 2, side=44, seed=9)
    out = tmp_path / "out.csv"
    words = ("label", folder, "--model", tiny_clip, "--only-new", "--csv", out, "--quiet")
    said = pinhole(*words, "--labels", "x,y")
    assert "Note: 20 photos keep answers to other labels" in said.err
    # The same question, put in another order: all of its answers are answers to it.
    assert "Note: 20 photos keep" in pinhole(*words, "--labels", "y,x").err
    assert "Note: 2 photos keep" in pinhole(*words, "--labels", "dog,cat").err
    assert "Note: 22 photos keep" in pinhole(*words, "--labels", "dog,cat", "--min-margin", "0.5").err
    rows = [row for row in read(out) if not row["error"]]
    assert {row["label"] for row in rows if row["path"].startswith("new/")} <= {"x", "y"}
    assert {row["label"] for row in rows if not row["path"].startswith("new/")} <= {"cat", "dog"}


def test_the_bar_of_unknown_can_be_given(
    pinhole: Pinhole, tiny_clip: Path, folder: Path, tmp_path: Path
) -> None:
    words = ("label", folder, "--labels", "cat,dog", "--model", tiny_clip, "--quiet")
    found = {}
    for bar in ("0", "1"):
        pinhole(*words, "--min-known", bar, "--csv", tmp_path / f"{bar}.csv")
        rows = [row for row in read(tmp_path / f"{bar}.csv") if not row["error"]]
        found[bar] = {row["decision"] for row in rows}
    assert found["1"] == {"unknown"}
    assert "unknown" not in found["0"]
    assert found["0"]


def test_a_copy_of_a_photo_known_before_has_its_size_in_the_table(
    pinhole: Pinhole, tiny_clip: Path, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.csv"
    words = ("label", folder, "--labels", "cat,dog", "--model", tiny_clip, "--csv", out)
    pinhole(*words)
    photo = next(path for path in walk(folder) if "sub" not in path.parts)
    shutil.copyfile(photo, folder / "a copy of it.jpg")
    pinhole(*words)
    same = [row for row in read(out) if row["sha256"] == content_hash(photo)]
    assert "a copy of it.jpg" in [row["path"] for row in same]
    assert len(same) == 2
    assert len({(row["width"], row["height"], row["label"]) for row in same}) == 1
    assert (same[0]["width"], same[0]["height"]) == ("40", "30")


def test_labels_and_templates_from_files(
    pinhole: Pinhole, tiny_clip: Path, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "labels.txt").write_text("# mine\nBüsi | cat, kitten | KW-CAT\nrocket\n", encoding="utf-8")
    (tmp_path / "labels.csv").write_text(
        "label;synonyms;keyword\nBüsi;cat, kitten;KW-CAT\nrocket\n", encoding="utf-8"
    )
    (tmp_path / "mine.txt").write_text("a drawing of {}\n{} | 0.5\n", encoding="utf-8")
    tables = []
    for name in ("labels.txt", "labels.csv"):
        out = tmp_path / f"{name}.out.csv"
        said = pinhole(
            "label", folder, "--labels-file", tmp_path / name, "--templates-file", tmp_path / "mine.txt",
            "--model", tiny_clip, "--csv", out,
        )  # fmt: skip
        assert said.code == 1
        tables.append(read(out))
    assert tables[0] == tables[1]
    assert {row["label"] for row in tables[0] if not row["error"]} <= {"KW-CAT", "rocket"}
    assert {row["prompt_set"] for row in tables[0] if not row["error"]} == {"mine"}


@pytest.mark.skipif(sys.platform == "win32", reason="no shell there makes such pipes")
@pytest.mark.parametrize("option", ["--labels-file", "--templates-file", "--recipe"])
def test_a_pipe_is_read_like_a_file(pinhole: Pinhole, tiny_clip: Path, folder: Path, option: str) -> None:
    recipe = '{"pinhole_recipe": 1, "labels": ["cat", "dog"], "templates": ["a drawing of {}"]}'
    text = {
        "--labels-file": "cat\ndog\n",
        "--templates-file": "a drawing of {}\n",
        "--recipe": recipe,
    }
    labels = ("--labels", "cat,dog") if option == "--templates-file" else ()
    reader, writer = os.pipe()
    os.write(writer, text[option].encode())
    os.close(writer)
    words = ("label", folder, option, f"/dev/fd/{reader}", *labels, "--model", tiny_clip, "--no-recursive")
    said = pinhole(*words)
    os.close(reader)
    assert said.code == 0
    assert len(said.out.splitlines()) == 10


def test_forms_of_the_csv(pinhole: Pinhole, tiny_clip: Path, folder: Path, tmp_path: Path) -> None:
    words = ("label", folder, "--labels", LABELS, "--model", tiny_clip, "--no-recursive")
    said = pinhole(*words, "--csv", "-", "--long", "--top-k", "5", "--bom")
    assert said.code == 0
    assert said.out.startswith("\ufeffpath,rank,label")
    assert said.out.count("\r\n") == 1 + 10 * 5
    shown = pinhole(*words, "--top-k", "2").out.splitlines()
    assert len(shown) == 10
    assert all(line.count("%") == 2 for line in shown)
    assert pinhole(*words, "--quiet").out == ""


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--labels", " , "), "There is no label in --labels"),
        (("--labels", "cat,Cat"), "A label is there twice"),
        (("--labels", "cat", "--prompt-set", "nonsense"), "Take one of: "),
        (("--labels", "cat", "--csv", "/nowhere/x.csv"), "There is no folder /nowhere"),
        (("--labels", "cat", "--csv", "/tmp"), "is a folder"),
        (("--labels", "cat", "--model", "no-such-model"), "There is no model called"),
        (("--labels", "cat", "--csv", "a" * 300), "shorter name"),
        (("--labels", "caf\udce9,dog"), "“caf\\udce9,dog” is not written in UTF-8"),
        (("--labels-file", "/nowhere/labels.txt"), "cannot be read"),
        (("--label-list", "dreams"), "Take one of: "),
    ],
)
def test_what_cannot_be_done_is_told_before_the_work(
    pinhole: Pinhole, tiny_clip: Path, folder: Path, words: tuple[str, ...], sentence: str
) -> None:
    model = () if "--model" in words else ("--model", tiny_clip)
    said = pinhole("label", folder, *words, *model)
    assert said.code == 2
    assert sentence in said.err


def test_what_is_read_is_never_overwritten(
    pinhole: Pinhole, tiny_clip: Path, folder: Path, tmp_path: Path
) -> None:
    photo = next(path for path in walk(folder) if path.suffix == ".jpg")
    labels, hard, notes = tmp_path / "labels.csv", tmp_path / "same.csv", tmp_path / "notes.txt"
    labels.write_text("cat\ndog\n")
    os.link(labels, hard)
    notes.write_text("cat\ndog\n")
    before = {path: path.read_bytes() for path in (photo, labels, notes)}
    words = ("label", folder, "--labels-file", labels, "--model", tiny_clip, "--csv")
    for target in (photo, labels, hard, notes, tiny_clip / "model.safetensors"):
        said = pinhole(*words, target)
        assert said.code == 2, target
        assert f"{target} cannot be written" in said.err
    said = pinhole("label", photo, "--labels", "a,b", "--model", tiny_clip, "--csv", photo)
    assert said.code == 2
    assert "what is read" in said.err
    assert before == {path: path.read_bytes() for path in before}


def test_an_earlier_table_is_written_again(
    pinhole: Pinhole, tiny_clip: Path, folder: Path, tmp_path: Path
) -> None:
    words = ("label", folder, "--labels", "a,b", "--model", tiny_clip, "--no-recursive", "--csv")
    (tmp_path / "saved by a spreadsheet.csv").write_text("path;label\n1.jpg;cat\n")
    (tmp_path / "made by mktemp").touch()
    for name in ("o.csv", "o.txt", "saved by a spreadsheet.csv", "made by mktemp"):
        for more in ((), ("--long",), ("--bom",), ()):
            assert pinhole(*words, tmp_path / name, *more).code == 0
        assert (tmp_path / name).read_text().startswith("path,label,")


def test_a_wish_that_was_not_met_is_told(pinhole: Pinhole, tiny_clip: Path, folder: Path) -> None:
    wish = ("--precision", "float16", "--device", "cpu")
    said = pinhole("label", folder, "--labels", "a,b", "--model", tiny_clip, *wish)
    assert "Note: float16 is for graphics cards" in said.err


def test_a_folder_that_may_not_be_entered(
    pinhole: Pinhole, tiny_clip: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Path.stat

    def refuse(path: Path, **options: bool) -> os.stat_result:
        if "locked" in path.parts:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real(path, **options)

    monkeypatch.setattr(Path, "stat", refuse)
    words = ("--labels", "a,b", "--model", tiny_clip, "--csv")
    said = pinhole("label", folder, *words, tmp_path / "locked" / "o.csv")
    assert (said.code, "Choose a folder you may write to" in said.err) == (2, True)
    said = pinhole("label", tmp_path / "locked" / "photo.jpg", *words, tmp_path / "o.csv")
    assert (said.code, "photo.jpg is not there" in said.err) == (1, True)
    said = pinhole("evaluate", tmp_path / "locked", "--labels", "a,b", "--model", tiny_clip)
    assert (said.code, "is no folder" in said.err) == (2, True)


def test_a_photo_with_a_name_that_is_too_long(pinhole: Pinhole, tiny_clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "o.csv"
    said = pinhole("label", "a" * 300 + ".jpg", "--labels", "a,b", "--model", tiny_clip, "--csv", out)
    assert said.code == 1
    assert read(out)[0]["error"]


@pytest.mark.parametrize("place", ["a folder", "a file"])
def test_samples_that_cannot_be_gathered(
    pinhole: Pinhole, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    if place == "a file":
        paths.data_dir().joinpath("samples").write_text("in the way")
    else:
        monkeypatch.setattr(samples.shutil, "copyfile", no_space)
    said = pinhole("samples")
    assert said.code == 2
    assert "samples could not be written" in said.err


def no_space(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), 2, "The output cannot be written"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), 2, "The system refused"),
        (OSError("encoder error -2"), 70, "please report it"),
    ],
)
def test_what_the_system_refuses_is_told_apart(
    pinhole: Pinhole, monkeypatch: pytest.MonkeyPatch, error: OSError, code: int, words: str
) -> None:
    def fails(*_: object) -> None:
        raise error

    monkeypatch.setattr(samples, "gather", fails)
    monkeypatch.setattr("models.atomic.failure_in_words", lambda _: contextlib.nullcontext())
    said = pinhole("samples")
    assert (said.code, words in said.err) == (code, True)


def test_a_csv_for_nobody(pinhole: Pinhole, tiny_clip: Path, folder: Path) -> None:
    """As >&- leaves it."""
    err = io.StringIO()
    with contextlib.redirect_stdout(None), contextlib.redirect_stderr(err):
        code = cli.main(["label", str(folder), "--labels", "a,b", "--model", str(tiny_clip), "--csv", "-"])
    assert (code, "There is no standard output" in err.getvalue()) == (2, True)


def test_missing_and_empty_paths(pinhole: Pinhole, tiny_clip: Path, tmp_path: Path) -> None:
    said = pinhole("label", tmp_path / "gone.jpg", "--labels", "a,b", "--model", tiny_clip)
    assert said.code == 1
    assert "gone.jpg is not there" in said.err
    (tmp_path / "empty").mkdir()
    said = pinhole("label", tmp_path / "empty", "--labels", "a,b", "--model", tiny_clip)
    assert said.code == 0
    assert "There is no photo here." in said.err


def test_the_samples_are_labelled_by_their_own_list(
    pinhole: Pinhole, tiny_clip: Path, tmp_path: Path
) -> None:
    out = tmp_path / "samples.csv"
    said = pinhole("samples", "--model", tiny_clip, "--csv", out)
    assert said.code == 0
    assert "cat.png" in said.out
    assert f"lines written to {out}" in said.err
    rows = read(out)
    assert {row["path"] for row in rows} >= {"cat.png", "coffee.png", "astronaut.png", "flower.jpg"}
    assert {row["label"] for row in rows} <= {label.keyword for label in presets.labels_of(presets.SAMPLES)}


def test_names_that_are_no_text_come_through(pinhole: Pinhole, tiny_clip: Path, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    (photo,) = write_photos(folder, 1)
    # Only Linux takes any bytes as a name.
    raw, escaped = (
        (os.fsdecode(b"caf\xe9.jpg"), "caf\\xe9.jpg") if sys.platform == "linux" else ("café.jpg",) * 2
    )
    names = [raw, "tab\tand\x1b[31mcolour.jpg", "\\xe9.jpg"]
    for name in names:
        shutil.copy(photo, folder / name)
    (folder / "broken\u202e.png").write_bytes(b"no")
    out = tmp_path / "out.csv"
    said = pinhole("label", folder, "--labels", "a,b", "--model", tiny_clip, "--csv", out)
    assert said.code == 1
    assert "broken\\u202e.png" in said.err
    assert "\x1b" not in pinhole("label", folder, "--labels", "a,b", "--model", tiny_clip).out
    written = {row["path"]: row["label"] for row in read(out) if not row["error"]}
    assert {escaped, "\\x5cxe9.jpg"} <= set(written)
    truths = {truth.path.name: truth.label for truth in export.read_truth(out, folder)}
    assert set(truths) == {photo.name, *names}


def test_a_recipe_of_the_window_asks_the_same(
    pinhole: Pinhole, tiny_clip: Path, folder: Path, tmp_path: Path
) -> None:
    """Its bars hold, and what is given beside it stands over it."""
    labels = tuple(Label(name) for name in LABELS.split(","))
    bars = zero_shot.Bars(min_probability=1.0, min_margin=0.0, background=False)
    recipe = labelling.Recipe(labels, presets.prompt_set_of("plain").templates, "Plain", bars)
    (tmp_path / "recipe.json").write_text(label_recipe.to_text(recipe), encoding="utf-8")
    words = (
        "label",
        folder,
        "--recipe",
        tmp_path / "recipe.json",
        "--model",
        tiny_clip,
        "--no-recursive",
        "--csv",
    )
    pinhole(*words, tmp_path / "1.csv")
    assert {(row["decision"], row["prompt_set"]) for row in read(tmp_path / "1.csv")} == {("unsure", "Plain")}
    pinhole(*words, tmp_path / "2.csv", "--min-probability", "0", "--prompt-set", "photo")
    assert {(row["decision"], row["prompt_set"]) for row in read(tmp_path / "2.csv")} == {("label", "Photo")}


def test_a_photo_that_vanishes_while_the_model_opens_is_named(
    pinhole: Pinhole, tiny_clip: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo, out = next(walk(folder)), tmp_path / "out.csv"

    def open_late(*words: Any, **options: Any) -> Any:
        photo.unlink(missing_ok=True)
        return open_for(*words, **options)

    monkeypatch.setattr(cli_run, "open_for", open_late)
    words = ("--labels", "a,b", "--model", tiny_clip, "--no-recursive", "--csv", out)
    said = pinhole("label", folder, *words)
    assert (said.code, f"{photo.name} is not there" in said.err) == (1, True)
    assert ["is not there" in row["error"] for row in read(out)] == [True, *[False] * 9]
    assert all(row["label"] for row in read(out)[1:])


def test_a_folder_that_cannot_be_listed_is_named(
    pinhole: Pinhole, tiny_clip: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.scandir

    def refuse(place: Any) -> Any:
        if str(place).endswith("deep"):
            raise PermissionError(errno.EACCES, "Permission denied", place)
        return real(place)

    monkeypatch.setattr(os, "scandir", refuse)
    said = pinhole("label", folder, "--labels", "a,b", "--model", tiny_clip, "--csv", tmp_path / "out.csv")
    assert said.code == 1
    assert said.err.count("The folder cannot be listed. Permission denied.") == 1


def test_a_hash_that_was_missed_is_made_up_for(
    pinhole: Pinhole, tiny_clip: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path) -> str:
        raise ImageError("It is held by another program")

    words = (
        "label",
        folder,
        "--labels",
        LABELS,
        "--model",
        tiny_clip,
        "--no-recursive",
        "--absolute",
        "--csv",
    )
    with monkeypatch.context() as patch:
        patch.setattr(labelling, "content_hash", fail)
        pinhole(*words, tmp_path / "1.csv")
    assert {row["sha256"] for row in read(tmp_path / "1.csv")} == {""}
    pinhole(*words, tmp_path / "2.csv")
    rows = read(tmp_path / "2.csv")
    assert [row["sha256"] for row in rows] == [content_hash(path) for path in walk(folder, recursive=False)]
    with open_catalog(paths.catalog_file()) as catalog:
        assert all(record.sha256 for record in catalog.photos_under(folder))
