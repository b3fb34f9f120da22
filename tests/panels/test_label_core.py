"""The Label panel's core without Qt: the book, the arrays, the lab, lists and recipes as files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from desktop_app import label_recipe, paths, presets
from desktop_app.catalog import Catalog, Proposal
from desktop_app.label_book import LabelBook, Step, moved
from desktop_app.label_calls import FillOrder
from desktop_app.label_files import read_labels, typed_labels, write_labels
from desktop_app.label_folder import (
    Folder,
    Question,
    Said,
    Scored,
    difference,
    look,
    merged,
    score_folder,
    score_rows,
    shown_answers,
)
from desktop_app.label_lab import Line, Trial, Truth, folder_truth, table_truth
from desktop_app.label_learn import LEAST_WORDS, learn
from desktop_app.labelling import Recipe
from desktop_app.photo_list import Mark
from models.errors import DataError, TextError
from models.tasks.prompts import Label, PromptSet, Template
from models.tasks.scoring import Bars, Decision, holding

PHOTO = PromptSet("photo", (Template("a photo of a {}."), Template("a {}.", weight=0.5)))


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


BARS = Bars(min_known=0.5)


def question(labels: int, *, seed: int = 0, background: bool = True, mode: str = "single") -> Question:
    rng = np.random.default_rng(seed)
    text = unit(rng.standard_normal((labels, 16)))
    neutral = unit(rng.standard_normal((4, 16))) if background else None
    names = tuple(f"label {i}" for i in range(labels))
    return Question(tuple(range(100, 100 + labels)), names, text, 20.0, BARS, neutral, mode)


def photos(count: int, seed: int = 1) -> np.ndarray:
    return unit(np.random.default_rng(seed).standard_normal((count, 16))).astype(np.float16)


# --- the book


def test_a_label_keeps_its_number_through_renames_moves_and_undo() -> None:
    book = LabelBook((Label("cat"), Label("dog"), Label("fox")), PHOTO)
    cat, dog, fox = book.state.numbers
    book.move_labels([2], 0, "move")
    assert book.state.names == ("fox", "cat", "dog")
    book.rename_label(1, "kitten", "rename")
    assert book.state.numbers == (fox, cat, dog)
    book.remove_labels([0], "remove")
    assert book.state.names == ("kitten", "dog")
    assert (book.undo_name, book.undo(), book.undo_name) == ("remove", True, "rename")
    assert book.state.numbers == (fox, cat, dog)
    assert book.redo()
    assert book.state.names == ("kitten", "dog")


def test_a_recipe_that_names_a_label_twice_brings_it_once_under_its_old_number() -> None:
    book = LabelBook((Label("cat"), Label("dog")), PHOTO)
    cat, dog = book.state.numbers
    book.set_all((Label("dog"), Label("Cat"), Label("cat "), Label("fox")), PHOTO, "open a recipe")
    assert book.state.names == ("dog", "Cat", "fox")
    assert book.state.numbers[:2] == (dog, cat)
    assert len(set(book.state.numbers)) == 3


def test_a_rename_takes_prompt_and_keyword_along_only_while_they_were_the_name() -> None:
    book = LabelBook((Label("cat"), Label("dog", ("hound",), "animals|dog")), PHOTO)
    book.rename_label(0, "Katze", "rename")
    book.rename_label(1, "Hund", "rename")
    assert book.state.labels == (
        Label("Katze", ("Katze",), "Katze"),
        Label("Hund", ("hound",), "animals|dog"),
    )


def test_a_step_knows_whether_the_model_has_to_be_asked() -> None:
    book = LabelBook((Label("cat", ("cat",)), Label("dog", ("hound",))), PHOTO)
    steps: list[Step] = []
    book.listen(steps.append)
    book.rename_label(1, "Hund", "its prompt stays")
    book.set_template(1, Template("a {}.", 0.5, enabled=False), "off")
    book.set_template(1, Template("the {}.", 0.5, enabled=False), "edit what is off")
    book.move_labels([0], 2, "move")
    assert [step.asks_anew for step in steps] == [False, True, False, True]


def test_names_that_are_there_already_are_not_added_and_not_taken() -> None:
    book = LabelBook((Label("cat"), Label("dog")), PHOTO)
    assert book.add_labels(typed_labels("Cat, fox, FOX ,"), "add") == 1
    assert book.state.names == ("cat", "dog", "fox")
    assert not book.rename_label(2, " DOG", "rename")
    assert not book.rename_label(2, "  ", "rename")
    book.replace_labels((Label("dog"), Label("owl")), "preset")
    assert book.state.numbers[0] == 1, "dog is still the dog it was"


def test_undo_ends_where_it_began_and_a_new_step_forgets_what_could_be_redone() -> None:
    book = LabelBook((Label("cat"),), PHOTO)
    begin = book.state
    book.add_template("a drawing of a {}", "one")
    book.remove_templates([0], "two")
    book.move_templates([1], 0, "three")
    while book.undo():
        pass
    assert book.state == begin
    book.add_template("a {}", "four")
    assert (book.redo_name, book.redo()) == ("", False)


@given(st.integers(0, 8), st.data())
def test_moving_rows_loses_none(count: int, data: st.DataObject) -> None:
    rows = (
        data.draw(st.lists(st.integers(0, max(0, count - 1)), max_size=count, unique=True)) if count else []
    )
    before = data.draw(st.integers(0, count))
    order = moved(count, rows, before)
    assert sorted(order) == list(range(count))
    taken = [i for i in order if i in rows]
    assert taken == sorted(rows)
    if rows:
        first = order.index(taken[0])
        assert order[first : first + len(taken)] == taken, "they stay together"


# --- scoring a folder


@pytest.mark.parametrize("mode", ["single", "multi"])
def test_a_folder_is_scored_as_each_photo_alone(mode: str) -> None:
    rows, asked = photos(9000), question(7, mode=mode)
    have = np.ones(9000, bool)
    have[::3] = False
    scored = score_folder(rows, have, asked)
    assert not scored.known[::3].any()
    assert (scored.best[::3] == -1).all()
    for place in (1, 4097, 8999):
        alone = score_rows(rows[place : place + 1].astype(np.float32), asked)
        assert scored.best[place] == alone.best[0]
        assert scored.probability[place] == pytest.approx(alone.probability[0, alone.best[0]], abs=1e-5)
        assert scored.margin[place] == pytest.approx(alone.margin[0], abs=1e-5)
        assert scored.decision[place] == alone.decision[0]


def test_photos_that_come_later_join_what_is_known() -> None:
    rows, asked = photos(10), question(3)
    first = score_folder(rows[:6], np.array([True] * 4 + [False] * 2), asked)
    later = np.zeros(10, bool)
    later[[4, 9]] = True
    joined = merged(first, score_folder(rows, later, asked))
    whole = score_folder(rows, np.ones(10, bool), asked)
    at = [0, 1, 2, 3, 4, 9]
    assert joined.known.tolist() == [i in at for i in range(10)]
    assert (joined.best[at] == whole.best[at]).all()
    assert (joined.probability[at] == whole.probability[at]).all()


def test_judged_one_by_one_every_label_that_reaches_the_bar_is_kept() -> None:
    rows, asked = photos(5000), question(11, mode="multi")
    every = np.ones(5000, bool)
    some = every.copy()
    some[::2] = False
    scored = score_folder(rows, every, asked)
    joined = merged(score_folder(rows, some, asked), score_folder(rows, ~some, asked))
    scores = score_rows(rows.astype(np.float32), asked)
    given = holding(scores, asked.bars)
    assert given.sum(axis=1).max() > 2, "else the photos below show nothing"
    assert scored.sets.counts(every, 11).tolist() == given.sum(axis=0).tolist()
    for label in range(11):
        assert (scored.sets.having(label) == given[:, label]).all()
        assert (joined.sets.having(label) == given[:, label]).all()
    place = int(given.sum(axis=1).argmax())
    shown = shown_answers(scored, {}).given(place)
    assert set(shown) == {scored.names[i] for i in np.flatnonzero(given[place])}
    assert shown[:2] == tuple(scored.names[i] for i in scores.top[place, :2]), "the best ones come first"
    strict = Question(
        asked.numbers, asked.names, asked.text, 20.0, Bars(0.7, min_known=0.5), asked.background, "multi"
    )
    scored = score_folder(rows, every, strict)
    unsure = int(np.flatnonzero(scored.decision == Decision.UNSURE)[0])
    assert shown_answers(scored, {}).given(unsure) == (scored.names[scored.best[unsure]],)
    assert not score_folder(rows, every, question(11)).sets.kept, "one label a photo needs no sets"


def test_a_persons_word_takes_labels_out_of_the_set() -> None:
    rows = photos(500)
    scored = score_folder(rows, np.ones(500, bool), question(11, mode="multi"))
    place = int(np.argmax([len(shown_answers(scored, {}).given(i)) for i in range(500)]))
    shown = shown_answers(scored, {}).given(place)
    assert shown_answers(scored, {place: Said("mine")}).given(place) == ("mine",)
    without = shown_answers(scored, {place: Said("", (shown[1], "no label of today"))})
    assert without.given(place) == (shown[0], *shown[2:])
    assert shown_answers(scored, {place: Said("", (shown[0],))}).of(place)[2] is Mark.REJECTED
    assert shown_answers(scored, {}).given(place) == shown, "what was said changes no score"


def test_another_set_of_labels_counts_as_a_change() -> None:
    rows, asked, every = photos(300), question(11, mode="multi"), np.ones(300, bool)
    before = score_folder(rows, every, asked)
    order = np.random.default_rng(3).permutation(11).tolist()
    turned = Question(
        tuple(asked.numbers[i] for i in order), tuple(asked.names[i] for i in order), asked.text[order], 20.0,
        BARS, asked.background, "multi",
    )  # fmt: skip
    assert not difference(before, score_folder(rows, every, turned), {}).any.any()
    strict = Question(
        asked.numbers, asked.names, asked.text, 20.0, Bars(0.7, min_known=0.5), asked.background, "multi"
    )
    after = score_folder(rows, every, strict)
    both = (before.decision == Decision.LABEL) & (after.decision == Decision.LABEL)
    fewer = both & (before.sets.bits != after.sets.bits).any(axis=1)
    assert fewer.any()
    assert (difference(before, after, {}).label[both] == fewer[both]).all()
    single = score_folder(rows, every, question(11))
    several = both & (np.unpackbits(before.sets.bits, axis=1).sum(axis=1) > 1)
    both_label = several & (single.decision == Decision.LABEL)
    assert both_label.any()
    assert difference(single, before, {}).label[both_label].all()


def test_without_labels_nothing_is_known() -> None:
    nothing = Question((), (), np.zeros((0, 0), np.float32), 20.0, BARS, None, "single")
    assert not score_folder(photos(3), np.ones(3, bool), nothing).known.any()


def test_a_persons_word_stands_over_the_machines() -> None:
    scored = score_folder(photos(5), np.ones(5, bool), question(3, background=False))
    machine = scored.names[int(scored.best[1])]
    said = {0: Said("a word of my own"), 1: Said("", (machine,)), 9: Said("beyond the end")}
    answers = shown_answers(scored, said)
    assert answers.of(0)[0] == "a word of my own"
    assert answers.of(0)[2] is Mark.CONFIRMED
    assert answers.of(1)[2] is Mark.REJECTED
    assert answers.of(2)[0] == scored.names[int(scored.best[2])]
    assert (scored.best == shown_answers(scored, {}).best).all(), "what was said changes no score"


def test_what_an_edit_changed_is_counted_by_label_not_by_word() -> None:
    rows, asked = photos(300), question(4)
    every = np.ones(300, bool)
    before = score_folder(rows, every, asked)
    renamed = Question(
        asked.numbers, ("a", "b", "c", "d"), asked.text, 20.0, BARS, asked.background, "single"
    )
    assert not difference(before, score_folder(rows, every, renamed), {}).any.any()
    order = [3, 1, 0, 2]
    turned = Question(
        tuple(asked.numbers[i] for i in order), tuple(asked.names[i] for i in order), asked.text[order], 20.0,
        BARS, asked.background, "single",
    )  # fmt: skip
    assert not difference(before, score_folder(rows, every, turned), {}).any.any()
    fewer = Question(
        asked.numbers[:3], asked.names[:3], asked.text[:3], 20.0, BARS, asked.background, "single"
    )
    after = score_folder(rows, every, fewer)
    lost = (before.best == 3) & (before.decision != Decision.UNKNOWN)
    changed = difference(before, after, {})
    assert changed.label[lost].all()
    assert lost.any()
    place = int(np.flatnonzero(lost)[0])
    assert not difference(before, after, {place: Said("mine")}).any[place], (
        "a confirmed photo shows the same word"
    )


def test_higher_bars_change_decisions_and_no_label() -> None:
    rows, asked = photos(300), question(4, background=False)
    every = np.ones(300, bool)
    strict = Question(asked.numbers, asked.names, asked.text, 20.0, Bars(0.9, 0.5), None, "single")
    changed = difference(score_folder(rows, every, asked), score_folder(rows, every, strict), {})
    assert not changed.label.any()
    assert changed.decision.any()


def test_the_arrays_grow_and_take_rows_of_another_model() -> None:
    folder = Folder()
    folder.grow(3)
    folder.put_rows(np.array([2]), np.ones((1, 8), np.float16))
    folder.grow(5000)
    rows, have = folder.snapshot()
    assert rows.shape == (5000, 8)
    assert np.flatnonzero(have).tolist() == [2]
    folder.put_rows(np.array([0, 1]), np.ones((2, 4), np.float16))
    assert folder.snapshot()[0].shape == (5000, 4)
    assert np.flatnonzero(folder.have).tolist() == [0, 1], "rows of another width are another model's"


def test_photos_in_sight_are_embedded_first_and_none_twice() -> None:
    order = FillOrder()
    order.add(range(10))
    order.first = (7, 8)
    assert order.take(3) == [7, 8, 0]
    order.first = (8, 5)
    assert order.take(3) == [5, 1, 2]
    assert order.take(100) == [3, 4, 6, 9]
    assert order.take(3) == []
    assert (order.done, order.total) == (10, 10)


def test_looking_up_brings_rows_words_and_errors_of_the_catalogue(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path / "catalog.sqlite", who="ann")
    files = [tmp_path / f"{name}.jpg" for name in "abc"]
    for place, file in enumerate(files):
        file.write_bytes(b"x" * (place + 1))
    records = catalog.sync([(file, file.stat().st_size, file.stat().st_mtime_ns) for file in files])
    catalog.put_embeddings("m@1", [(records[1].id, np.ones(4))])
    run = catalog.start_run("label", model="m@1")
    catalog.propose(run, [Proposal(records[0].id, "cat", 0.9, 0.8, "label")])
    catalog.reject_each({records[0].id: "cat"})
    paths = [*map(str, files), str(tmp_path / "gone.jpg")]
    looked = look(catalog, paths, "m@1", lambda path: "00" * 32)
    assert looked.have.tolist() == [False, True, False, False]
    assert looked.rows.shape == (1, 4)
    assert looked.said == {0: Said("", ("cat",))}
    assert len(set(looked.ids.tolist())) == 4
    catalog.close()


# --- learning the bars


def test_the_bars_are_learned_from_a_few_corrections() -> None:
    count = 20
    probability = np.linspace(0.05, 0.95, count).astype(np.float32)
    scored = Scored(
        np.array([0], np.int32), ("cat",), np.ones(count, bool), np.zeros(count, np.int32), probability,
        np.ones(count, np.float32), np.zeros(count, np.uint8),
    )  # fmt: skip
    said = {i: Said("cat") if probability[i] > 0.6 else Said("dog") for i in range(count)}
    lesson = learn(scored, said, 0.2, 0.1)
    assert lesson is not None
    assert (lesson.fits, lesson.words) == (count, count)
    assert lesson.now < count
    assert (
        probability[probability <= 0.6].max() < lesson.min_probability <= probability[probability > 0.6].min()
    )
    assert lesson.min_margin <= 1.0
    few = {i: said[i] for i in range(LEAST_WORDS - 1)}
    assert learn(scored, few, 0.2, 0.1) is None


# --- the lab


def test_the_lab_counts_templates_by_label_and_finds_the_photos_of_a_cell() -> None:
    truth = Truth(np.array([0, 0, 0, 1, 1, -1], np.int32), "folders")
    best = np.array([0, 0, 1, 1, 1, 0], np.int32)
    poor = np.array([1, 1, 1, 1, -1, 0], np.int32)
    cosine = np.arange(6, dtype=np.float32)
    trial = Trial(("cat", "dog"), truth, (Line("", best, cosine), Line("a {}", poor, cosine)), 2, 2)
    assert trial.accuracy(trial.lines[0]).tolist() == pytest.approx([2 / 3, 1.0, 0.8])
    assert trial.accuracy(trial.lines[1]).tolist() == pytest.approx([0.0, 1.0, 0.25])
    assert trial.confusion().tolist() == [[2, 1], [0, 2]]
    assert trial.confused(0, 1).tolist() == [2]
    assert trial.photos_of(0, 0).tolist() == [2], "what it gets wrong"
    assert trial.photos_of(0, 1).tolist() == [3, 4], "nothing wrong: all of the label"
    assert trial.photos_of(1, 2).tolist() == [0, 1, 2]
    blind = Trial(("cat", "dog"), Truth(np.full(6, -1, np.int32)), trial.lines, 2, 2)
    assert blind.mean_cosine(blind.lines[0]).tolist() == pytest.approx([2.0, 3.0, 2.5])
    assert blind.photos_of(0, 0).tolist() == [0, 1, 5]


def test_the_truth_comes_from_folders_or_from_a_table(tmp_path: Path) -> None:
    names = ("cats of mine/1.jpg", "Dog/2.jpg", "dog/deep/3.jpg", "4.jpg")
    files = [str(tmp_path / name) for name in names]
    state = LabelBook((Label("cat", ("cat", "cats of mine")), Label("dog")), PHOTO).state
    assert folder_truth(files, (str(tmp_path),), state).label.tolist() == [0, 1, 1, -1]
    assert folder_truth(files, (str(tmp_path / "Dog"), str(tmp_path)), state).label.tolist() == [0, 1, 1, -1]
    elsewhere = tmp_path / "tables"
    elsewhere.mkdir()
    table = elsewhere / "truth.csv"
    table.write_text("path,label\n4.jpg,cat\nDog/2.jpg,dog\n", encoding="utf-8")
    assert table_truth(files, tmp_path, table, state).label.tolist() == [-1, 1, -1, 0]
    table.write_text("path,label\nnowhere.jpg,cat\n", encoding="utf-8")
    with pytest.raises(DataError, match="none of the open photos"):
        table_truth(files, tmp_path, table, state)


# --- files


def test_labels_that_a_spreadsheet_would_run_come_back_from_their_table(tmp_path: Path) -> None:
    labels = (Label("@home"), Label("-5 degrees", ("+ cold",), "=ice"), Label("'tis"))
    labels += (Label("#1"), Label("a|b", ("Paris, Texas", "c|d\\"), "x|y"), Label("red, ripe", ("apple",)))
    write_labels(tmp_path / "labels.csv", labels)
    assert "'@home" in (tmp_path / "labels.csv").read_text(encoding="utf-8")
    assert read_labels(tmp_path / "labels.csv") == labels
    (tmp_path / "open.csv").write_text('name\n"' + "cat\n" * 50_000, encoding="utf-8")
    with pytest.raises(TextError, match="cannot be read"):
        read_labels(tmp_path / "open.csv")


def test_labels_are_typed_pasted_and_read_in_every_usual_way(tmp_path: Path) -> None:
    assert [label.name for label in typed_labels("cat; dog, brown")] == ["cat", "dog, brown"]
    assert [label.name for label in typed_labels("cat\tdog")] == ["cat", "dog"]
    assert [label.name for label in typed_labels("Katze, 猫 , ")] == ["Katze", "猫"]
    assert typed_labels("cat | cat, kitten | animals/cat") == (
        Label("cat", ("cat", "kitten"), "animals/cat"),
    )
    assert [label.name for label in typed_labels("red, ripe apple\npear\n\n")] == ["red, ripe apple", "pear"]
    labels = (Label("cat", ("cat", "kitten"), "animals/cat"), Label("dog"), Label("=1+1"))
    for name in ("labels.txt", "labels.csv"):
        write_labels(tmp_path / name, labels)
        assert read_labels(tmp_path / name)[:2] == labels[:2]
    assert "'=1+1" in (tmp_path / "labels.csv").read_text(encoding="utf-8"), "no formula for a spreadsheet"
    (tmp_path / "empty.txt").write_text("# nothing\n")
    with pytest.raises(TextError, match="no label"):
        read_labels(tmp_path / "empty.txt")


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("id,name\n0,cat\n1,dog\n", [Label("cat"), Label("dog")]),
        ('prompts,name\n"a cat, a kitten",cat\n', [Label("cat", ("a cat", "a kitten"))]),
        ("keyword;name\nanimals/cat;cat\nx\n", [Label("cat", (), "animals/cat")]),
        ("Label\tid\ncat\t7\n", [Label("cat")]),
        ('"name",count\n"a; b; c",2\n', [Label("a; b; c")]),
        ("cat,kitten,KW\ndog\n", [Label("cat", ("kitten",), "KW"), Label("dog")]),
        ("101\n102\n", [Label("101"), Label("102")]),
        ("file,label\n1.jpg,cat\n", [Label("cat")]),
        ("person,name\ncat,kitty\n", [Label("person", ("name",)), Label("cat", ("kitty",))]),
        ("1980,eighties\n1990,nineties\n", [Label("1980", ("eighties",)), Label("1990", ("nineties",))]),
        ("dog\n3,three\n", [Label("dog"), Label("3", ("three",))]),
    ],
)
def test_the_columns_of_a_table_go_by_their_names(tmp_path: Path, text: str, labels: list[Label]) -> None:
    (tmp_path / "labels.csv").write_text(text, encoding="utf-8")
    assert read_labels(tmp_path / "labels.csv") == tuple(labels)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('label\n"cat\ndog\nbeach\n', "never closed"),
        ("id,title\n0,cat\n1,dog\n", "Name the columns"),
        ("0,cat\n", "Name the columns"),
    ],
)
def test_a_table_that_would_be_misread_is_refused(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "labels.csv").write_text(text, encoding="utf-8")
    with pytest.raises(TextError, match=words):
        read_labels(tmp_path / "labels.csv")


NAME = st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1).filter(str.strip)


@given(
    st.lists(st.builds(Label, NAME, st.lists(NAME, max_size=3).map(tuple), NAME), max_size=4),
    st.lists(st.builds(Template, NAME, st.floats(0, 1000), st.booleans()), max_size=4),
    st.builds(Bars, st.floats(0, 1), st.floats(0, 1), st.booleans(), st.floats(0, 1)),
    st.sampled_from(["single", "multi"]),
)
def test_a_recipe_survives_its_file(
    labels: list[Label], templates: list[Template], bars: Bars, mode: str
) -> None:
    recipe = Recipe(tuple(labels), tuple(templates), "mine", bars, mode)  # type: ignore[arg-type]
    assert label_recipe.from_text(label_recipe.to_text(recipe)) == recipe


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no JSON"),
        ("[]", "no recipe"),
        ('{"pinhole_recipe": 99}', "newer version"),
        ('{"pinhole_recipe": 1}', "missing"),
        (
            '{"pinhole_recipe": 1, "labels": [{"prompts": "cat"}], "templates": []}',
            "missing or of the wrong kind",
        ),
        (
            '{"pinhole_recipe": 1, "labels": [], "templates": [], "bars": {"min_margin": 7}}',
            "not between 0 and 1",
        ),
        ('{"pinhole_recipe": 1, "labels": ["\\ud800"], "templates": ["a {}"]}', "not UTF-8 text"),
    ],
)
def test_a_broken_recipe_says_what_is_wrong(text: str, words: str, tmp_path: Path) -> None:
    file = tmp_path / "recipe.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(TextError, match=words):
        label_recipe.load(file)


def test_shipped_lists_and_sets_can_be_read_and_ones_own_stand_beside_them() -> None:
    lists, sets = presets.label_lists(), presets.prompt_sets()
    assert {"everyday", "animals", "food", "scenes", "documents", "vehicles", "samples"} <= {
        one.key for one in lists
    }
    assert [one.key for one in sets][:3] == ["plain", "photo", "eighty"]
    for one in lists:
        names = [label.name.casefold() for label in presets.labels_of(one.key)]
        assert len(names) >= 2
        assert len(set(names)) == len(names), one.key
    assert len(presets.prompt_set_of("eighty").templates) == 80
    presets.save_own_set(PromptSet("My/own: set", (Template("a {}"),)))
    (paths.config_dir() / "labels").mkdir()
    (paths.config_dir() / "labels" / "mine.txt").write_text("# Rooms\nkitchen\n")
    assert presets.label_lists()[-1].own
    assert presets.labels_of("rooms") == (Label("kitchen"),)
    own = presets.prompt_sets()[-1]
    assert (own.title, own.own) == ("My/own: set", True)
    assert presets.prompt_set_of("my/own: set").templates == (Template("a {}"),)
    presets.forget(own)
    with pytest.raises(TextError, match="no prompt set"):
        presets.prompt_set_of("my/own: set")
    with pytest.raises(TextError, match="ships with"):
        presets.forget(sets[0])


def test_no_name_replaces_what_is_kept_under_another_or_unasked() -> None:
    def kept(name: str, sentence: str, *, replaces: bool = False) -> None:
        presets.save_own_set(PromptSet(name, (Template(sentence),)), replaces=replaces)

    kept("a/b", "first {}")
    kept("a:b", "second {}")
    kept("a b", "third {}")
    kept("7-days", "fourth {}")
    kept("8-days", "fifth {}")
    with pytest.raises(presets.NameTaken):
        kept("A/B", "lost {}")
    found = {one.title: presets.prompt_set_of(one.key).templates[0].text for one in presets.prompt_sets()[3:]}
    expected = {"a/b": "first", "a:b": "second", "a b": "third", "7-days": "fourth", "8-days": "fifth"}
    assert found == {name: f"{word} {{}}" for name, word in expected.items()}
    kept("a:b", "new {}", replaces=True)
    found = {one.title: presets.prompt_set_of(one.key).templates[0].text for one in presets.prompt_sets()[3:]}
    assert found["a:b"] == "new {}"
    assert found["a/b"] == "first {}"
