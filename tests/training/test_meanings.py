"""Where words lie that no photo was labelled with: beside those that mean the same, look the same, or are near."""

from __future__ import annotations

import numpy as np
import pytest

from models.training.meanings import (
    plural,
    pull_to_look_alikes,
    pull_to_neighbours,
    pull_together,
    singular,
)
from models.training.text import everyday_groups, said_words


def test_words_of_one_meaning_move_to_the_label_among_them_and_no_further() -> None:
    words = ["bucket", "pail", "cup", "mug", "sofa", "couch", "crane", "bird", "hoist", "lift"]
    place = {word: i for i, word in enumerate(words)}
    synsets = [
        ("bucket", "pail"),
        ("cup",),
        ("sofa", "couch"),
        ("crane", "bird"),
        ("crane", "hoist"),
        ("crane", "lift"),
    ]
    before = np.eye(len(words), 16, dtype=np.float32)
    after = pull_together(before, synsets, place, ["bucket", "cup", "crane"])
    near = after @ before.T
    for label in ("bucket", "cup", "crane", "mug"):
        assert np.array_equal(after[place[label]], before[place[label]])
    assert near[place["pail"], place["bucket"]] > 0.9 > near[place["pail"], place["pail"]]
    assert near[place["couch"], place["sofa"]] > 0.3
    assert near[place["hoist"], place["crane"]] > 0.9
    assert np.allclose(np.linalg.norm(after, axis=1), 1, atol=1e-6)


def test_words_of_one_meaning_move_to_a_label_in_the_plural_too() -> None:
    place = {"donuts": 0, "doughnut": 1, "donut": 2}
    before = np.eye(3, dtype=np.float32)
    after = pull_together(before, [("doughnut", "donut")], place, ["donuts"])
    assert np.array_equal(after[0], before[0])
    assert after[1] @ before[0] > 0.9


def test_an_everyday_meaning_is_the_only_one_of_its_words() -> None:
    words = ["pig", "hog", "motorcycle", "road hog"]
    place = {word: i for i, word in enumerate(words)}
    before = np.eye(4, dtype=np.float32)
    synsets = [("hog", "motorcycle"), ("hog", "road hog"), ("hog",)]
    everyday = everyday_groups(["pig", "motorcycle"], ["pig (animal)|hog", "motorcycle"])
    assert everyday == [("pig", "hog"), ("motorcycle",)]
    assert np.array_equal(pull_together(before, synsets, place, ["pig"])[1], before[1])
    after = pull_together(before, synsets, place, ["pig"], everyday)
    assert after[1] @ before[0] > 0.9


def test_a_word_that_names_a_category_is_no_synonym_of_another() -> None:
    names = ["cap (headwear)", "bottle cap"]
    assert everyday_groups(names, ["cap (headwear)", "bottle_cap|cap (container lid)|crown cap"]) == [
        ("cap",),
        ("bottle cap", "crown cap"),
    ]


def test_words_near_a_label_move_nearer_and_others_stay() -> None:
    labels = np.eye(2, 4, dtype=np.float32)
    near, far = np.array([0.6, 0.1, 0.8, 0], np.float32), np.array([0.1, 0.1, 0, 1], np.float32)
    before = np.stack([labels[0], near, far])
    before /= np.linalg.norm(before, axis=1, keepdims=True)
    after = pull_to_neighbours(before, labels, np.array([0]))
    assert np.array_equal(after[0], before[0])
    assert after[1] @ labels[0] > 0.9 > before[1] @ labels[0]
    np.testing.assert_allclose(after[2], before[2], atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(after, axis=1), 1, atol=1e-6)


def test_nouns_move_to_the_labels_that_they_look_like_and_others_stay() -> None:
    words = ["cup", "plane", "mug", "fork", "aeroplane", "virtue"]
    place = {word: i for i, word in enumerate(words)}
    before = np.eye(len(words), dtype=np.float32)
    # For CLIP a mug is a cup and a fork is neither; the aeroplane has moved by its meaning, virtue is unknown to it.
    seen = np.array([[9, 0, 0], [0, 9, 0], [9, 1, 0], [0, 0, 9], [0, 9, 1], [0, 0, 0]], np.float32)
    seen[:5] /= np.linalg.norm(seen[:5], axis=1, keepdims=True)
    after = pull_to_look_alikes(
        before, seen, place, ["cup", "plane"], np.array([w == "aeroplane" for w in words])
    )
    assert after[place["mug"]] @ before[place["cup"]] > 0.9
    for word in ("cup", "plane", "fork", "aeroplane", "virtue"):
        assert np.array_equal(after[place[word]], before[place[word]])


@pytest.mark.parametrize(
    ("one", "many"),
    [("dog", "dogs"), ("beach", "beaches"), ("box", "boxes"), ("berry", "berries"), ("key", "keys")],
)
def test_regular_plurals_are_made_and_taken_back(one: str, many: str) -> None:
    assert plural(one) == many
    assert singular(many) == one
    assert plural(many) == many
    assert singular(one) == one


@pytest.mark.parametrize("word", ["dress", "bus", "tennis", "gas"])
def test_words_that_end_in_s_without_being_plurals_stay(word: str) -> None:
    assert singular(word) == word == plural(word)


def test_common_words_are_those_that_people_say_of_photos() -> None:
    names = {"dog", "ice cream", "garbage truck", "quokka"}
    found = said_words(["a dog, eating ice cream", "two garbage trucks and a garbage truck"], names)
    assert found == {"dog", "ice cream", "garbage truck"}
