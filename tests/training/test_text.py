"""The text tower's recipe: its sentences, its tokens, what it is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from models.errors import DataError
from models.training import clip
from models.training.corpus import REACH, Space, clean, label_synonyms
from models.training.data import PhotoSet
from models.training.everyday import EVERYDAY, STRANGE
from models.training.loop import Run, averaged_weights, train
from models.training.sentences import TEMPLATES, Sentences, Surroundings, surroundings
from models.training.text import (
    TextRecipe,
    encode,
    spoken,
    text_config,
)
from tests.training.tools import drawn_texts, recipe_on, text_recipe, unit, with_words


def test_all_sentences_that_the_program_ships_are_told() -> None:
    sentences, rng = Sentences(["dog"]), np.random.default_rng(0)
    drawn = [sentences.around("dog", 0.1, rng) for _ in range(3000)]
    assert len(sentences.shipped) > 80
    assert {text.replace("{}", "dog") for text in (*TEMPLATES, *sentences.shipped)} <= set(drawn)
    assert all(text.count("dog") == 1 for text in drawn)
    # Hundreds are neither listed nor shipped, so that any other is understood, too.
    assert len(set(drawn)) > 600
    assert not {text.replace("{}", "dog") for text in STRANGE} & set(drawn)


def test_no_sentence_makes_another_word_of_it() -> None:
    rng = np.random.default_rng(0)
    drawn = [
        Sentences(["poodle", "toy poodle"]).around(word, 0, rng) for word in ("poodle", "poodles") * 1000
    ]
    assert any("plush poodle" in text for text in drawn)
    assert not any("toy poodle" in text for text in drawn)


def test_words_around_things_come_from_what_people_write() -> None:
    said = ["a man walks with his two dogs along the very old bridge in june", "nothing to see here"]
    found = surroundings(said, {"dog", "bridge", "man"}, ["irony"])
    assert found.before == ("a", "along the very old", "walks with his two")
    assert found.after == ("along the very old", "in june", "walks with his two")
    rng = np.random.default_rng(0)
    sentences = Sentences(
        ["dog", "horse", "sea horse"], Surroundings(("in the deep sea",), ("in june",), ("irony",))
    )
    drawn = {word: [sentences.around(word, 0, rng) for _ in range(2000)] for word in ("dog", "horse")}
    assert any("sea dog in june" in text for text in drawn["dog"])
    assert any("irony" in text for text in drawn["dog"])
    assert all(text.count("dog") == 1 for text in drawn["dog"])
    # What would be another animal is not said of a horse.
    assert not any("sea horse" in text for text in drawn["horse"])


def test_words_that_show_nothing_are_told_from_things() -> None:
    names, labels = ["hound", "irony", "hologram", "sort", "dog"], np.eye(3, dtype=np.float32)[:1]
    near = np.array([0.9, 0.1, 0.1, 0.4, 1.0], np.float32)
    vectors = np.stack([near, np.sqrt(1 - near**2), 0 * near], axis=1)
    found = spoken(names, vectors, labels, ["one sort of hound with irony"])
    assert found == Surroundings(before=("one sort of",), after=("with irony",), asides=("irony",))


def test_a_label_stands_in_two_sentences_side_by_side(photos: PhotoSet) -> None:
    recipe = recipe_on("text", photos, "cpu")
    batches = [recipe.batch(step, 0.0) for step in range(8)]
    pairs = [batch.places for batch in batches if getattr(batch, "places", None) is not None]
    assert pairs
    assert all(torch.equal(places[::2], places[1::2]) for places in pairs)


@pytest.mark.parametrize(
    "text", ["A photo of a dog.", "Bœuf à la café", "犬と猫", "собака 1999", "two\n\n  kids' toys", "🙂"]
)
def test_every_script_becomes_tokens_and_none_is_unknown(text: str) -> None:
    _, tokenizer = drawn_texts()
    ids = tokenizer.encode(text).ids  # type: ignore[attr-defined]
    assert ids[0] == 0
    assert ids[-1] == 1
    assert 1 not in ids[:-1]


def test_texts_are_padded_with_the_end_and_cut_at_the_context() -> None:
    _, tokenizer = drawn_texts()
    ids, mask = encode(tokenizer, ["dog", "a dog runs on the beach"], context=6)  # type: ignore[arg-type]
    assert ids.shape == mask.shape == (2, 6)
    assert ids[0].tolist()[2:] == [1, 1, 1, 1]
    assert int(ids[1, -1]) == 1
    assert mask.sum(1).tolist() == [3, 6]


def test_the_text_tower_comes_nearer_to_the_teacher(tmp_path: Path) -> None:
    recipe = text_recipe()
    run = Run(tmp_path / "text", steps=100)
    first = float(recipe.losses(recipe.batch(0, 0.0))["away"].detach())
    recipe.module.load_state_dict(train(recipe, run))
    recipe.module.eval()
    ids, _ = encode(recipe.tokenizer, recipe.texts.names[:3])
    with torch.no_grad():
        vectors, _ = recipe.module(ids)
    away = 1 - (vectors * recipe.texts.name_vectors[:3]).sum(-1)
    assert float(away.mean()) < 0.5 * first


def test_synonyms_come_from_the_one_synset_of_a_word(folder: Path) -> None:
    words = label_synonyms(["dog", "car", "pizza"], folder, frozenset({"motorcar"}))
    assert words == [("dog", "domestic dog"), ("car",), ("pizza",)]


def test_the_space_is_centred_between_the_sets() -> None:
    one, two = (unit(40, 384, seed=s).numpy().astype(np.float16) + np.float16(s) for s in (1, 2))
    space = Space.of(one, two)
    np.testing.assert_allclose(
        space.mean, (one.astype(np.float32).mean(0) + two.astype(np.float32).mean(0)) / 2, 1e-5
    )
    np.testing.assert_allclose(np.linalg.norm(space.place(one), axis=1), 1, rtol=1e-5)


def test_the_space_has_as_many_directions_as_the_text_tower_can_reach() -> None:
    drawn = unit(400, 384, seed=1).numpy()
    # Most of the spread is in the first ten directions.
    vectors = (drawn * np.where(np.arange(384) < 10, 9, 1)).astype(np.float16)
    placed = Space.of(vectors, reach=10).place(vectors)
    assert np.linalg.matrix_rank(placed, tol=1e-3) == 10
    assert np.square(placed[:, :10]).sum() > 9 * np.square(placed[:, 10:]).sum()
    assert np.linalg.matrix_rank(Space.of(vectors).place(vectors), tol=1e-3) == REACH
    assert text_config(drawn_texts()[1]).width == REACH  # type: ignore[arg-type]


def test_groups_and_classes_have_places_of_their_own_and_withheld_words_none(photos: PhotoSet) -> None:
    known = with_words(drawn_texts()[0], "domestic dog", "food")
    moved, places = clip.label_places(photos, known)
    # "puppy" is one of the synonyms that the evaluation withholds, "tench" no word of the vocabulary.
    assert places.words[4:] == [("food",), ("quokka",)]
    at = {name: i for i, name in enumerate(known.names)}
    torch.testing.assert_close(places.vectors[4], known.raw_vectors[at["food"]])
    both = known.raw_vectors[at["quokka"]] + known.raw_vectors[at["dog"]]
    torch.testing.assert_close(places.vectors[5], nn.functional.normalize(both, dim=-1))
    assert torch.equal(moved.name_vectors[at["food"]], places.vectors[4])
    assert torch.equal(moved.name_vectors[at["puppy"]], known.name_vectors[at["puppy"]])
    assert places.odds.sum() == pytest.approx(1.0)


def test_the_second_run_of_the_text_tower_tells_labels_apart(photos: PhotoSet, tmp_path: Path) -> None:
    texts, tokenizer = drawn_texts()
    known = with_words(texts, "domestic dog")
    moved, places = clip.label_places(photos, known)
    assert torch.equal(
        moved.name_vectors[known.names.index("domestic dog")], places.vectors[photos.labels.index("dog")]
    )
    config = text_config(tokenizer, width=64, depth=1)  # type: ignore[arg-type]
    recipe = TextRecipe(texts, tokenizer, 0, config, places)  # type: ignore[arg-type]
    recipe.size = 8
    names = [
        losses for step in range(6) if "told_apart" in (losses := recipe.losses(recipe.batch(step, 0.0)))
    ]
    before = float(names[0]["told_apart"].detach())
    # The trainer numbers its tokens anew in every process: 150 steps were enough for most of the numberings only.
    recipe.module.load_state_dict(train(recipe, Run(tmp_path / "again", steps=300)))
    step = next(s for s in range(100, 120) if "told_apart" in recipe.losses(recipe.batch(s, 0.0)))
    assert float(recipe.losses(recipe.batch(step, 0.0))["told_apart"].detach()) < 0.5 * before


def test_no_synonym_of_the_evaluation_is_taught_with_photos(folder: Path) -> None:
    from models.training.everyday import SYNONYMS

    assert len(SYNONYMS) == 60
    assert not set(SYNONYMS.values()) & set(SYNONYMS)
    assert len(EVERYDAY) == 20
    assert all(clean(word) == word for word in SYNONYMS.values())


def test_the_text_tower_is_taken_from_a_run_or_from_a_finished_model(
    bundles: dict[str, Path], tmp_path: Path
) -> None:
    run, recipe = Run(tmp_path / "text", steps=1), text_recipe()
    with pytest.raises(DataError, match="nothing to begin from"):
        clip._train_or_take(recipe, [tmp_path / "nowhere"], run)
    clip._train_or_take(recipe, [bundles["clip"]], run)
    kept = clip.kept_text(bundles["clip"])
    assert all(torch.equal(recipe.module.state_dict()[name], tensor) for name, tensor in kept.items())
    with torch.no_grad():
        for parameter in recipe.module.parameters():
            parameter.add_(0.25)
    clip._train_or_take(recipe, [], run)
    after = text_recipe()
    trained = averaged_weights(run.checkpoint)
    clip._train_or_take(after, [run.out], run)
    for name, tensor in trained.items():
        torch.testing.assert_close(after.module.state_dict()[name], tensor)
    clip._train_or_take(after, [run.out, bundles["clip"]], run)
    for name, tensor in kept.items():
        torch.testing.assert_close(after.module.state_dict()[name], (trained[name] + tensor) / 2)
        assert not torch.equal(trained[name], tensor)
