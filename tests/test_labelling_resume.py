"""The whole way from photos to labels, stopped anywhere and gone on with, ends where an uninterrupted one does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from desktop_app.catalog import Catalog
from desktop_app.labelling import Labeller, Recipe
from models.runtime import Model, open_model
from models.tasks.auto_label import Config, Finished, Labelled
from models.tasks.zero_shot import Label, Template
from tests.tiny_models import write_tiny_clip

PHOTOS = 45


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    spec = write_tiny_clip(tmp_path_factory.mktemp("model") / "tiny")
    return open_model(spec, device="cpu", precision="float32", engine="torch")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    draw = np.random.default_rng(0)
    for index in range(PHOTOS):
        pixels = draw.integers(0, 256, (6, 8, 3), np.uint8)
        Image.fromarray(pixels).resize((80 + index, 60)).save(folder / f"{index:02}.jpg")
    (folder / "10.jpg").write_bytes(b"no photo")
    return folder


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    catalog = Catalog(tmp_path / "catalog.sqlite")
    yield catalog
    catalog.close()


def labeller(catalog: Catalog, model: Model) -> Labeller:
    labels = tuple(Label(name, (name,)) for name in ("cat", "dog", "red car", "tree"))
    return Labeller(catalog, model, Recipe(labels, (Template("a photo of a {}."), Template("{}"))))


def outcome(catalog: Catalog, photos: Path, key: str) -> dict[str, Any]:
    records = catalog.photos_under(photos)
    answers = catalog.answers([record.id for record in records])
    found, matrix = catalog.load_embeddings([record.id for record in records], key)
    rows = {photo: row.tobytes() for photo, row in zip(found, matrix, strict=True)}
    result = {}
    for record in records:
        answer = answers.get(record.id)
        proposal = answer.proposal if answer else None
        scores = (
            (proposal.label, proposal.probability, proposal.margin, proposal.decision) if proposal else None
        )
        result[record.path.name] = (scores, record.error, record.sha256, rows.get(record.id))
    return result


def test_a_verdict_is_the_same_alone_and_among_others(catalog: Catalog, model: Model) -> None:
    judge = labeller(catalog, model).judge
    rows = np.random.default_rng(0).standard_normal((300, 24)).astype(np.float32)
    together = judge(rows)
    assert [judge(rows[index : index + 1])[0] for index in range(300)] == together


@pytest.mark.parametrize("stops", [(1,), (5, 11, 17), (30, 60)])
def test_a_run_that_is_stopped_ends_the_same(
    catalog: Catalog, model: Model, photos: Path, tmp_path: Path, stops: tuple[int, ...]
) -> None:
    whole = Catalog(tmp_path / "whole.sqlite")
    once = labeller(whole, model)
    assert isinstance(list(once.events(Config((photos,))))[-1], Finished)
    again = labeller(catalog, model)
    for stop in stops:
        job = again.events(Config((photos,)), "the run")
        for _, _ in zip(range(stop), job, strict=False):
            pass
        job.close()  # type: ignore[attr-defined]
    events = list(again.events(Config((photos,)), "the run"))
    assert any(isinstance(event, Labelled) and event.cached for event in events) == (stops[-1] > 1)
    expected = outcome(whole, photos, once.key)
    assert outcome(catalog, photos, again.key) == expected
    assert len(expected) == PHOTOS
    assert expected["10.jpg"][1]
    assert [run.state for run in catalog.runs()] == ["done"]
    whole.close()
