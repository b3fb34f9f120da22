"""Labels from sentences: the paper's formula, the cache, the score's properties, photos that fail, readable files."""

import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from models.errors import ImageError, ModelError, TextError
from models.images import prepare_file
from models.registry import find
from models.runtime import Model, open_model
from models.tasks import prompts
from models.tasks.zero_shot import (
    BACKGROUND,
    Bars,
    Decision,
    Label,
    PromptSet,
    Template,
    TextCache,
    check_prompts,
    embed_background,
    embed_labels,
    embed_photos,
    format_labels,
    format_prompt_set,
    load_labels,
    load_prompt_set,
    parse_labels,
    parse_prompt_set,
    save_prompt_set,
    score,
)
from tests.models.clip_tools import write_tiny

RESOURCES = Path(__file__).parents[2] / "resources"
LABELS = (Label("cat"), Label("Hund", ("dog", "puppy"), "Animals/Dog"), Label("straße"))
TEMPLATES = (Template("a photo of the {}"), Template("{}", 0.25), Template("not used {}", enabled=False))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    folder = tmp_path_factory.mktemp("models") / "tiny-clip"
    write_tiny(folder)
    return open_model(find(folder), device="cpu")


def units(n: int, d: int = 16, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


# --- text


def test_an_ensemble_is_the_normalised_mean_of_normalised_embeddings(model: Model) -> None:
    rows = embed_labels(model, LABELS, TEMPLATES)
    assert rows.shape == (3, 32)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)
    sentences = {"a photo of the dog": 1.0, "a photo of the puppy": 1.0, "dog": 0.25, "puppy": 0.25}
    mean = np.zeros(32)
    for text, weight in sentences.items():
        ids, _ = model.tokenizer.encode([text])
        with torch.no_grad():
            mean += weight * model.module.embed_text(torch.from_numpy(ids))[0].numpy()  # type: ignore[operator]
    np.testing.assert_allclose(rows[1], mean / np.linalg.norm(mean), atol=1e-5)


def test_only_what_changed_is_embedded(model: Model) -> None:
    cache = TextCache()
    before = embed_labels(model, LABELS, TEMPLATES, cache)
    assert cache.embedded == 8
    np.testing.assert_array_equal(embed_labels(model, LABELS, TEMPLATES, cache), before)
    np.testing.assert_array_equal(embed_labels(model, LABELS[::-1], TEMPLATES, cache), before[::-1])
    assert cache.embedded == 8, "a new order embeds nothing"
    embed_labels(model, (*LABELS, Label("bird")), TEMPLATES, cache)
    assert cache.embedded == 10
    edited = (Template("an old photo of the {}"), *TEMPLATES[1:])
    changed = embed_labels(model, LABELS, edited, cache)
    assert cache.embedded == 14, "one template, four prompts"
    np.testing.assert_allclose(changed, embed_labels(model, LABELS, edited), atol=1e-5)
    reweighted = embed_labels(model, LABELS, (Template("a photo of the {}", 9.0), TEMPLATES[1]), cache)
    assert cache.embedded == 14
    assert not np.allclose(reweighted, before)


def test_the_cache_forgets_the_oldest_and_knows_the_model(model: Model) -> None:
    cache = TextCache(most=3)
    labels = [Label(name) for name in ("a", "b", "c", "d")]
    embed_labels(model, labels, (), cache)
    assert len(cache) == 3
    embed_labels(model, labels[1:], (), cache)
    assert cache.embedded == 4
    assert cache.get(("another version", "float32", "d")) is None
    with pytest.raises(ModelError):
        embed_labels(model, (), TEMPLATES, cache)


def test_without_templates_the_bare_label_is_asked(model: Model) -> None:
    bare = embed_labels(model, LABELS, (Template("{}"),))
    np.testing.assert_array_equal(embed_labels(model, LABELS, ()), bare)
    np.testing.assert_array_equal(embed_labels(model, LABELS, (Template("x {}", enabled=False),)), bare)
    odd = Template("{name} {0} {{}} {}")
    assert odd.render("cat") == "{name} {0} {cat} cat", "braces are no Python format"


# --- remarks


def test_remarks_stand_where_the_fault_is(model: Model) -> None:
    labels = (Label("cat"), Label("  "), Label("Cat"), Label("puss", ("cat", "puss")), Label("dog " * 90))
    templates = (
        Template("a photo of the {}"),
        Template("no hole here"),
        Template(""),
        Template("a photo of the {}"),
        Template("dog " * 70 + "{}"),
        Template("{}", weight=0.0),
        Template("dog " * 90 + "{}", enabled=False),
    )
    remarks = check_prompts(labels, templates, model.tokenizer)
    found = {(r.where, r.index, r.kind) for r in remarks}
    assert found == {
        ("label", 1, "empty"),
        ("label", 2, "duplicate"),
        ("label", 3, "duplicate"),
        ("label", 4, "too_long"),
        ("template", 1, "no_hole"),
        ("template", 2, "empty"),
        ("template", 3, "duplicate"),
        ("template", 5, "weight"),
    }
    assert all(r.sentence.endswith(".") for r in remarks)
    assert check_prompts(LABELS, TEMPLATES, model.tokenizer) == []
    nearly = check_prompts((Label("dog"), Label("dog " * 8)), (templates[4],), model.tokenizer)
    assert [(r.where, r.index, r.kind) for r in nearly] == [("template", 0, "too_long")]
    assert "80 tokens" in nearly[0].sentence
    assert check_prompts(LABELS, (Template("{}", enabled=False),))[0].kind == "none_enabled"


@pytest.mark.parametrize(
    ("text", "prompt", "sentence"),
    [
        ("a photo of a {}.", "a dog", "a photo of a dog."),
        ("a photo of a {}.", "the sea", "a photo of the sea."),
        ("A {} and the {}", "an owl", "an owl and an owl"),
        ("a photo of {}", "a dog", "a photo of a dog"),
        # As published, and as models have learned it.
        ("a photo of a {}.", "apple", "a photo of a apple."),
        ("a photo of a {}.", "a", "a photo of a a."),
        ("a photo of a {}.", "another dog", "a photo of a another dog."),
        ("pizza {}", "a dog", "pizza a dog"),
    ],
)
def test_a_label_with_an_article_of_its_own_takes_the_place_of_the_templates(
    text: str, prompt: str, sentence: str
) -> None:
    assert Template(text).render(prompt) == sentence


def test_a_label_with_an_article_gets_a_remark_where_templates_bring_one() -> None:
    labels = (Label("dog"), Label("sea", ("sea", "the sea")), Label("a", ("the",)), Label("thesis"))

    def remarks(*texts: str) -> list[tuple[int, str]]:
        found = check_prompts(labels, [Template(text) for text in texts])
        return [(one.index, one.sentence) for one in found if one.kind == "article"]

    words = "“the sea” begins with an article; templates bring their own, so “sea” is enough."
    assert remarks("{}", "a photo of a {}.") == [(1, words)]
    assert remarks("a photo of a nice {}.") == [(1, words)]
    assert remarks("{}", "a photo of {}.") == []


# --- score


def matrix(rows: int, columns: int = 6) -> st.SearchStrategy[np.ndarray]:
    values = st.floats(-1, 1, width=32, allow_subnormal=False)
    return hnp.arrays(np.float32, (rows, columns), elements=values).map(
        lambda a: (
            (a + np.float32(1e-3)) / np.linalg.norm(a + np.float32(1e-3), axis=1, keepdims=True).clip(1e-6)
        )
    )


@given(matrix(4), matrix(5), st.floats(0.01, 100))
def test_probabilities_are_probabilities(photos: np.ndarray, text: np.ndarray, scale: float) -> None:
    s = score(photos, text, scale, Bars(), text[:2])
    np.testing.assert_allclose(s.probability.sum(axis=1), 1, atol=1e-5)
    assert (s.probability >= 0).all()
    logits = (photos.astype(np.float64) @ text.T) * scale
    exact = np.exp(logits - logits.max(axis=1, keepdims=True))
    np.testing.assert_allclose(s.probability, exact / exact.sum(axis=1, keepdims=True), atol=1e-4)
    np.testing.assert_allclose(s.cosine, photos @ text.T, atol=1e-6)
    first = np.take_along_axis(s.probability, s.best[:, None], 1)[:, 0]
    second = np.take_along_axis(s.probability, s.second[:, None], 1)[:, 0]
    np.testing.assert_array_equal(first, s.probability.max(axis=1))
    np.testing.assert_allclose(s.margin, first - second)
    assert (s.margin >= 0).all()
    assert (s.best != s.second).all()
    ordered = np.take_along_axis(s.probability, s.top, 1)
    assert (np.diff(ordered, axis=1) <= 0).all()
    assert ((s.known >= 0) & (s.known <= 1)).all()


@given(st.permutations(range(6)), st.sampled_from(["single", "multi"]))
def test_the_order_of_labels_changes_nothing(order: list[int], mode: str) -> None:
    photos, text, neutral = units(20), units(6, seed=1), units(3, seed=2)
    plain = score(photos, text, 20.0, Bars(), neutral, mode)
    mixed = score(photos, text[order], 20.0, Bars(), neutral, mode)
    np.testing.assert_allclose(mixed.probability, plain.probability[:, order], atol=1e-6)
    np.testing.assert_array_equal(np.asarray(order)[mixed.top], plain.top)
    np.testing.assert_array_equal(mixed.decision, plain.decision)
    rows = np.random.default_rng(3).permutation(20)
    np.testing.assert_allclose(
        score(photos[rows], text, 20.0, Bars(), neutral, mode).margin, plain.margin[rows], atol=1e-6
    )


def test_multi_label_scores_do_not_touch_each_other() -> None:
    photos, text, neutral = units(20), units(6, seed=1), units(3, seed=2)
    all_six = score(photos, text, 20.0, Bars(), neutral, "multi").probability
    np.testing.assert_allclose(
        score(photos, text[:2], 20.0, Bars(), neutral, "multi").probability, all_six[:, :2], atol=1e-6
    )
    level = np.log(np.exp(20.0 * photos @ neutral.T).mean(axis=1))
    np.testing.assert_allclose(all_six, 1 / (1 + np.exp(level[:, None] - 20.0 * photos @ text.T)), atol=1e-5)
    axes = np.eye(3, dtype=np.float32)
    both = (axes[0] + axes[1])[None] / np.sqrt(np.float32(2))
    held = score(both, axes[:2], 20.0, Bars(min_margin=0.5), axes[2:], "multi")
    assert (held.probability > 0.9).all(), "two labels can hold at once"
    assert held.decision[0] == Decision.LABEL, "a close second is no doubt where several may hold"


def test_decisions_follow_the_bars() -> None:
    text, neutral = np.eye(4, dtype=np.float32)[:3], np.eye(4, dtype=np.float32)[3:]
    clear, close, other = np.eye(4)[0], np.array([1, 0.999, 0, 0]), np.array([0.1, 0, 0, 1])
    photos = np.stack([v / np.linalg.norm(v) for v in (clear, close, other)]).astype(np.float32)
    words = [Decision(d).word for d in score(photos, text, 30.0, Bars(), neutral).decision]
    assert words == ["label", "unsure", "unknown"]
    assert score(photos, text, 30.0, Bars(0, 0, background=False), neutral).decision.tolist() == [0, 0, 0]
    assert score(photos, text, 30.0, Bars(0, 0), None).decision.tolist() == [0, 0, 0]
    assert score(photos, text, 30.0, Bars(1.1, 0), neutral).decision.tolist() == [1, 1, 2]
    assert score(photos, text, 30.0, Bars(min_known=1.1), neutral).decision.tolist() == [2, 2, 2]


def test_a_neutral_prompt_that_means_a_label_does_not_count_against_it() -> None:
    axes = np.eye(3, dtype=np.float32)
    person = axes[:1] + np.float32(0.05) * axes[1:2]
    person /= np.linalg.norm(person)
    with_twin = score(axes[:1], axes[:2], 30.0, Bars(), np.concatenate([person, axes[2:]]))
    np.testing.assert_allclose(with_twin.known, score(axes[:1], axes[:2], 30.0, Bars(), axes[2:]).known)
    assert with_twin.decision[0] == Decision.LABEL
    alone = score(axes[:1], axes[:2], 30.0, Bars(), person)
    assert 0.4 < alone.known[0] < 0.6, "with nothing else to compare with, the twin is all there is"


def test_few_labels_and_no_photos() -> None:
    one = score(units(5), units(1, seed=1), 10.0, Bars(), units(2, seed=2))
    assert one.probability.tolist() == [[1.0]] * 5
    assert one.second.tolist() == [-1] * 5
    assert one.top.shape == (5, 1)
    none = score(units(0), units(3), 10.0, Bars(), units(2))
    assert none.probability.shape == (0, 3)
    assert none.decision.shape == (0,)
    assert none.top.shape == (0, 3)
    with pytest.raises(ModelError):
        score(units(2), units(0), 10.0)


# --- photos


def folder_of_photos(folder: Path) -> list[Path]:
    random = np.random.default_rng(0)
    paths = []
    for index in range(7):
        path = folder / f"{index}.jpg"
        Image.fromarray(random.integers(0, 256, (60, 80, 3), dtype=np.uint8)).save(path)
        paths.append(path)
    paths[2].write_bytes(b"")
    paths[5].write_bytes(paths[5].read_bytes()[:300])
    return [*paths, folder / "gone.jpg"]


def test_photos_are_embedded_in_order_and_failures_are_results(model: Model, tmp_path: Path) -> None:
    paths = folder_of_photos(tmp_path)
    results = list(embed_photos(model, paths, batch=2))
    assert [r.path for r in results] == paths
    kinds = [r.error.kind if isinstance(r.error, ImageError) else "" for r in results]
    assert kinds == ["", "", "empty", "", "", "truncated", "", "missing"]
    assert [r.embedding is None for r in results] == [bool(kind) for kind in kinds]
    rows = np.stack([r.embedding for r in results if r.embedding is not None])
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)
    assert results[0].full_size == (80, 60)
    again = np.stack([r.embedding for r in embed_photos(model, paths, batch=64) if r.embedding is not None])
    np.testing.assert_allclose(rows, again, atol=1e-5)


def test_a_mapper_is_used_and_closed(model: Model, tmp_path: Path) -> None:
    paths = folder_of_photos(tmp_path)
    seen: list[Path] = []
    closed: list[bool] = []

    def mapper(function: Callable[[Path], object], items: Iterable[Path]) -> Iterator[object]:
        try:
            for item in items:
                seen.append(item)
                yield function(item)
        finally:
            closed.append(True)

    results = embed_photos(model, paths, batch=2, mapper=mapper)  # type: ignore[arg-type]
    assert next(results).path == paths[0]
    assert len(seen) == 2
    results.close()  # type: ignore[attr-defined]
    assert closed == [True]


@pytest.mark.parametrize("batch", [1, 64])
def test_a_photo_that_gives_no_numbers_gets_no_label(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    """Whether it is alone in its batch or not: others give some, so it is the photo."""
    run, paths = Model.run, folder_of_photos(tmp_path)
    bad, _ = prepare_file(paths[1], model.preprocess)

    def overflow(self: Model, entry: str, **arrays: np.ndarray) -> np.ndarray:
        rows = run(self, entry, **arrays)
        rows[(arrays["pixel_values"] == bad).all(axis=(1, 2, 3))] = np.nan
        return rows

    monkeypatch.setattr(Model, "run", overflow)
    results = list(embed_photos(model, paths, batch=batch))
    assert [index for index, one in enumerate(results) if isinstance(one.error, ModelError)] == [1]
    assert sum(one.embedding is not None for one in results) == 4
    assert results[1].embedding is None
    assert "no number for this photo" in str(results[1].error)


@pytest.mark.parametrize("batch", [1, 64])
def test_a_model_that_gives_no_numbers_at_all_is_no_fault_of_the_photos(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    monkeypatch.setattr(
        Model, "run", lambda self, entry, **a: np.full((len(a["pixel_values"]), 4), np.nan, np.float32)
    )
    with pytest.raises(ModelError, match="tiny-clip gives no numbers"):
        list(embed_photos(model, folder_of_photos(tmp_path), batch=batch))


def test_background_sentences_are_embedded_once(model: Model) -> None:
    cache = TextCache()
    assert embed_background(model, cache).shape == (len(BACKGROUND), 32)
    embed_background(model, cache)
    assert cache.embedded == len(BACKGROUND)


# --- files

words = st.text(
    st.characters(blacklist_categories=("Cs", "Cc", "Zs", "Zl", "Zp"), blacklist_characters="\ufeff")
    | st.sampled_from("|,#-\\ 3"),
    min_size=1,
).filter(lambda word: word == " ".join(word.split()) != "")


@given(st.lists(st.builds(Label, words, st.lists(words, max_size=3).map(tuple), words), max_size=5))
def test_labels_survive_their_file(labels: list[Label]) -> None:
    assert parse_labels(format_labels(labels)) == tuple(labels)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "labels.txt").write_text(format_labels(labels), "utf-8", newline="")
        assert load_labels(Path(folder) / "labels.txt") == tuple(labels)


@given(
    st.lists(
        st.builds(
            Template,
            words | words.map(lambda w: f"{w} {{}} | 3"),
            st.sampled_from([0.0, 0.25, 1.0, 2.5]) | st.floats(0, 999_999),
            st.booleans(),
        ),
        max_size=5,
    )
)
def test_prompt_sets_survive_their_file(templates: list[Template]) -> None:
    mine = PromptSet("my set", tuple(templates))
    assert parse_prompt_set(format_prompt_set(mine), "other") == mine
    with tempfile.TemporaryDirectory() as folder:
        save_prompt_set(Path(folder) / "a.txt", mine)
        assert load_prompt_set(Path(folder) / "a.txt") == mine


def test_marks_are_told_from_words_by_a_backslash() -> None:
    labels = (Label("#1", ("Paris, Texas", "a|b"), "x|y"), Label("C:\\dogs"), Label("- new"))
    assert format_labels(labels).splitlines()[0] == r"\#1 | Paris\, Texas, a\|b | x\|y"
    assert parse_labels(format_labels(labels)) == labels
    assert parse_labels(r"C:\dogs | a\b") == (Label(r"C:\dogs", (r"a\b",)),), "older files read the same"
    templates = (Template("# {}"), Template("- {}"), Template("a | {} | 2", enabled=False), Template("| 5"))
    mine = PromptSet("x", templates)
    assert parse_prompt_set(format_prompt_set(mine), "other") == mine
    assert parse_prompt_set("a | {} | 2\n- b | c", "x").templates == (
        Template("a | {}", 2.0),
        Template("b | c", enabled=False),
    )


def test_files_by_hand_and_broken_ones(tmp_path: Path) -> None:
    text = "\ufeff# Mine\n\n a {} \n- off {}\nheavy {} | 2\n# a remark\n{}\n"
    expected = (
        Template("a {}"),
        Template("off {}", enabled=False),
        Template("heavy {}", 2.0),
        Template("{}"),
    )
    assert parse_prompt_set(text, "file") == PromptSet("Mine", expected)
    assert parse_prompt_set("{}", "bare") == PromptSet("bare", (Template("{}"),))
    as_json = '{"name": "J", "templates": [{"text": "a {}", "weight": 2}]}'
    assert parse_prompt_set(as_json, "x") == PromptSet("J", (Template("a {}", 2.0),))
    with pytest.raises(TextError):
        parse_prompt_set('{"templates": [1]}', "x")
    with pytest.raises(TextError):
        load_labels(tmp_path / "missing.txt")
    (tmp_path / "latin.txt").write_bytes("Straße".encode("latin-1"))
    with pytest.raises(TextError, match="UTF-8"):
        load_labels(tmp_path / "latin.txt")
    assert parse_labels("dog | puppy, hound | Pets\n\n# no\ncat\n| nothing") == (
        Label("dog", ("puppy", "hound"), "Pets"),
        Label("cat"),
    )


def test_shipped_lists_are_clean(model: Model) -> None:
    sets = [load_prompt_set(path) for path in sorted((RESOURCES / "prompts").glob("*.txt"))]
    assert [s.name for s in sets] == ["Plain", "Photo", "Eighty sentences"]
    assert len(sets[2].templates) == 80
    for prompt_set in sets:
        assert check_prompts((Label("cat"),), prompt_set.templates) == []
    presets = {path.stem: load_labels(path) for path in (RESOURCES / "labels").glob("*.txt")}
    counts = {
        "cifar-10": 10,
        "cifar-100": 100,
        "stl-10": 10,
        "oxford-pets": 37,
        "food-101": 101,
        "eurosat": 10,
        "dtd": 47,
    }
    assert {name: len(presets[name]) for name in counts} == counts
    assert {"everyday", "animals", "food", "scenes", "documents", "vehicles", "mnist"} <= presets.keys()
    for name, labels in presets.items():
        assert prompts.check_prompts(labels, ()) == [], name
