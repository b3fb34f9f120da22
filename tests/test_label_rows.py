"""The rows of the window's table, and the order of answers, where a person or rounding gets in between."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from desktop_app.catalog import Catalog, PhotoFacts, open_catalog
from desktop_app.label_csv import live_rows
from desktop_app.labelling import Labeller, Recipe, rows_of
from models.tasks.auto_label import Verdict
from models.tasks.export import Answer, CsvOptions, cells
from models.tasks.prompts import Label
from models.tasks.scoring import Bars

NAMES = ("cat", "dog", "bird")


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    with open_catalog(tmp_path / "catalog.sqlite") as made:
        yield made


class Sure:
    """Says cat, dog, bird of everything."""

    key = "m"
    recipe = Recipe(tuple(map(Label, NAMES)), ())

    def judge(self, rows: Any, keep: int | None = 3) -> list[Verdict]:
        answers = tuple(Answer(name, part) for name, part in zip(NAMES, (0.7, 0.2, 0.1), strict=True))
        return [Verdict("cat", 0.7, 0.5, "label", answers)] * len(rows)


@pytest.mark.parametrize("verb", ["confirm", "reject"])
def test_no_second_place_stands_beside_a_persons_own_word(catalog: Catalog, verb: str) -> None:
    ids = [record.id for record in catalog.sync([(f"/photos/{name}", 9, 1) for name in "ab"])]
    catalog.put_embeddings("m", [(photo, np.ones(4)) for photo in ids])
    if verb == "confirm":
        catalog.confirm(ids[:1], "dog")
    else:
        catalog.reject(ids[:1], "cat")
    labeller: Any = Sure()
    mine, other = next(live_rows(catalog, labeller, ["/photos/a", "/photos/b"]))
    assert mine.label == ("dog" if verb == "confirm" else "")
    assert mine.answers == (), "label_2 would say dog again, or what comes after a cat it is not"
    assert [one.label for one in other.answers] == list(NAMES)
    whole = next(live_rows(catalog, labeller, ["/photos/a"], whole=True))
    assert [one.label for one in whole[0].answers] == list(NAMES), "the long form has a line for each"


def test_answers_whose_probabilities_round_to_one_keep_their_order() -> None:
    labeller: Any = object.__new__(Labeller)
    labeller.model = SimpleNamespace(scale=100.0)
    labeller.recipe = Recipe(tuple(map(Label, NAMES)), (), bars=Bars(), mode="multi")
    labeller._text = np.array([[0.5, 0], [0.6, 0], [0.4, 0]], np.float32)
    labeller._background = np.array([[0.0, 1.0]], np.float32)
    (verdict,) = labeller.judge(np.array([[1.0, 0.0]], np.float32))
    assert verdict.label == "dog"
    assert [one.label for one in verdict.answers] == ["dog", "cat", "bird"]
    assert {one.probability for one in verdict.answers} == {1.0}


def test_a_persons_word_on_a_photo_that_cannot_be_read_any_more_is_written(catalog: Catalog) -> None:
    ids = [record.id for record in catalog.sync([(f"/photos/{name}", 9, 1) for name in "ab"])]
    catalog.put_embeddings("m", [(photo, np.ones(4)) for photo in ids])
    catalog.confirm(ids[:1], "dog")
    catalog.put_facts([PhotoFacts(photo, error="It is cut off") for photo in ids])
    labeller: Any = Sure()
    paths = [Path("/photos/a"), Path("/photos/b")]
    for mine, other in (
        next(live_rows(catalog, labeller, list(map(str, paths)))),
        list(rows_of(catalog, paths)),
    ):
        assert (mine.label, mine.source, mine.decision, mine.error) == (
            "dog",
            "person",
            "label",
            "It is cut off",
        )
        assert (mine.probability, mine.answers) == (None, ())
        assert (other.label, other.source, other.error) == ("", "", "It is cut off")
        (line,) = cells(mine, CsvOptions())
        assert "dog" in line
        assert "It is cut off" in line
