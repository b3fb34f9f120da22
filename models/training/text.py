"""The text tower: a byte-pair vocabulary of its own, and distillation from a sentence encoder.

It learns where 150,000 nouns, the captions and 24,000 other sentences lie, so that words which no photo shows
have a place near their synonyms before any photo is seen.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from models.families.clip import TextConfig, TextTransformer
from models.training.attention import speed_up_attention
from models.training.corpus import (
    REACH,
    WIDTH,
    SentenceTeacher,
    Space,
    captions,
    clean,
    coco_sentences,
    label_synonyms,
    wordnet,
)
from models.training.data import Floats, PhotoSet, unit
from models.training.everyday import STRANGE
from models.training.loop import half_precision
from models.training.meanings import plural, pull_to_look_alikes, pull_to_neighbours, pull_together
from models.training.sentences import Sentences, Surroundings, surroundings
from models.training.teachers import class_names

if TYPE_CHECKING:
    from tokenizers import Tokenizer

VOCABULARY = 8192
CONTEXT = 48
START, END = "<|startoftext|>", "<|endoftext|>"
# CLIP's own rule for where a word ends (arXiv 2103.00020 publishes it with the model).
_WORDS = r"""<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"""

# Every byte that can end a word in UTF-8, so that no word in any script becomes the unknown token.
_ENDINGS = [chr(code) for code in range(33, 127)] + [chr(0x4E00 + last) for last in range(64)]


def train_tokenizer(texts: Iterable[str], size: int = VOCABULARY) -> Tokenizer:
    """Byte-level pairs with `</w>` at word ends, lower case: laid out as the hub's CLIP tokenizer.json."""
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
    from tokenizers.decoders import ByteLevel

    tokenizer = Tokenizer(
        models.BPE(
            unk_token=END,
            end_of_word_suffix="</w>",
            continuing_subword_prefix="",
            vocab={},
            merges=[],
            dropout=None,
        )
    )
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_WORDS), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=[START, END],
        initial_alphabet=alphabet,
        end_of_word_suffix="</w>",
        show_progress=False,
    )
    tokenizer.train_from_iterator(chain(texts, _ENDINGS), trainer)
    start, end = _id(tokenizer, START), _id(tokenizer, END)
    tokenizer.post_processor = processors.RobertaProcessing(
        (END, end), (START, start), trim_offsets=False, add_prefix_space=False
    )
    tokenizer.decoder = ByteLevel()
    return tokenizer


def _id(tokenizer: Tokenizer, token: str) -> int:
    number = tokenizer.token_to_id(token)
    if number is None:
        raise ValueError(f"the vocabulary has no {token}")
    return number


def encode(tokenizer: Tokenizer, texts: Sequence[str], context: int = CONTEXT) -> tuple[Tensor, Tensor]:
    """ids (n, t) and mask (n, t) int64, padded with the end token, t the longest text but at most `context`."""
    end = _id(tokenizer, END)
    rows = [encoding.ids for encoding in tokenizer.encode_batch(list(texts))]
    rows = [ids if len(ids) <= context else [*ids[: context - 1], end] for ids in rows]
    longest = max(len(ids) for ids in rows)
    ids = torch.full((len(rows), longest), end, dtype=torch.int64)
    mask = torch.zeros(len(rows), longest, dtype=torch.int64)
    for place, row in enumerate(rows):
        ids[place, : len(row)] = torch.tensor(row)
        mask[place, : len(row)] = 1
    return ids, mask


def text_config(tokenizer: Tokenizer, width: int = REACH, depth: int = 3) -> TextConfig:
    """The size of the bundled text tower."""
    end = _id(tokenizer, END)
    return TextConfig(
        vocab_size=tokenizer.get_vocab_size(),
        width=width,
        hidden=4 * width,
        depth=depth,
        heads=width // 64,
        context=CONTEXT,
        activation="quick_gelu",
        bos=_id(tokenizer, START),
        eos=end,
        pad=end,
    )


class TextNet(nn.Module):
    """Text tower and projection, as CLIP holds them, and a head for real CLIP vectors that is thrown away."""

    def __init__(self, config: TextConfig, width: int = WIDTH, clip_width: int = 512) -> None:
        super().__init__()
        self.config = config
        self.text_model = TextTransformer(config)
        self.text_projection = nn.Linear(config.width, width, bias=False)
        self.clip_head = nn.Linear(config.width, clip_width)
        for name, parameter in self.named_parameters():
            if parameter.ndim > 1:
                nn.init.normal_(parameter, std=0.02 if "embedding" in name else parameter.shape[1] ** -0.5)

    @torch.no_grad()
    def start_from(self, token_vectors: Tensor) -> None:
        """Begin with each token where the teacher puts its text (tokens, d): a bag of words from the first step on."""
        width = self.text_projection.in_features
        _, _, axes = torch.linalg.svd(token_vectors, full_matrices=False)
        axes = axes[:width]
        short = token_vectors @ axes.T
        self.text_model.embeddings.token_embedding.weight.copy_(short / short.std() * 0.05)
        self.text_projection.weight[:, : len(axes)] = axes.T

    def forward(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """(n, t) ids -> unit vectors (n, d) in the shared space, (n, 512) in CLIP's."""
        hidden = self.text_model(ids)
        return F.normalize(self.text_projection(hidden).float(), dim=-1), F.normalize(
            self.clip_head(hidden).float(), dim=-1
        )


@dataclass(frozen=True)
class Texts:
    """What the tower is taught: names (to be put into sentences) and sentences, each with its place."""

    names: list[str]
    raw_vectors: Tensor  # (names, 384) unit, as the sentence encoder places them
    name_vectors: Tensor  # (names, 384) unit, words of one meaning, one look, or near a label pulled there
    clip_vectors: Tensor  # (names, 512) unit, zero where unknown
    common: NDArray[np.int64]  # places of labels, their synonyms, and nouns that people say of photos
    sentences: list[str]
    sentence_vectors: Tensor  # (sentences, 384) unit
    label_vectors: Tensor  # (labels, 384) unit, in the order of PhotoSet.labels
    token_vectors: Tensor  # (tokens, 384) unit, where the texts of single tokens lie
    around: Surroundings = field(default_factory=Surroundings)


def texts_of(photos: PhotoSet, tokenizer: Tokenizer) -> Texts:
    """Names, sentences and their places; the slow part is cached."""
    folder, teacher = photos.folder, SentenceTeacher(photos.cache)
    labels = [clean(label) for label in photos.labels]
    synsets = wordnet(folder)
    words = {word for group in label_synonyms(photos.labels, folder) for word in group}
    words |= {clean(word) for row in photos.rows if row.group for word in row.group.split(" or ")}
    words |= {word for group in class_names(folder) for word in group}
    names = sorted({word for synset in synsets for word in synset} | words)
    with np.load(folder / "teachers" / "clip_text_lvis.npz") as stored:
        groups = everyday_groups(stored["name"], stored["synonyms"])
        clip = unit(stored["vector"].astype(np.float32))
    everyday = {word for group in groups for word in group}
    missing = sorted(everyday - set(names))
    raw = (
        np.concatenate([teacher.vectors(names), teacher.vectors(missing)])
        if missing
        else teacher.vectors(names)
    )
    names += missing
    place = {name: i for i, name in enumerate(names)}
    label_vectors = teacher.vectors(labels)
    said, owner = captions(photos)
    train = {int(i) for i in photos.train}
    said_vectors = teacher.vectors(said)
    space = Space.of(label_vectors, said_vectors)
    kept = np.array([i for i, photo in enumerate(owner) if int(photo) in train], np.int64)
    others = coco_sentences(folder)
    clip_vectors = np.zeros((len(names), clip.shape[1]), np.float32)
    clip_vectors[[place[group[0]] for group in groups]] = clip
    placed = space.place(raw)
    moved = pull_together(placed, synsets, place, labels, groups)
    settled = (moved * placed).sum(axis=1) < 0.999
    moved = pull_to_look_alikes(moved, clip_vectors, place, labels, settled)
    own = np.array([place[label] for label in labels], np.int64)
    moved = pull_to_neighbours(moved, space.place(label_vectors), own)
    near = {word for synset in synsets if not set(labels).isdisjoint(synset) for word in synset}
    sentences = [said[i] for i in kept] + others
    near |= words | everyday | said_words(sentences, place)
    return Texts(
        names=names,
        raw_vectors=torch.from_numpy(placed),
        name_vectors=torch.from_numpy(moved),
        clip_vectors=torch.from_numpy(clip_vectors),
        common=np.array(sorted(place[word] for word in near), np.int64),
        sentences=sentences,
        sentence_vectors=torch.from_numpy(
            np.concatenate([space.place(said_vectors[kept]), space.place(teacher.vectors(others))])
        ),
        label_vectors=torch.from_numpy(space.place(label_vectors)),
        token_vectors=torch.from_numpy(space.place(teacher.vectors(_token_texts(tokenizer)))),
        around=spoken(names, placed, space.place(label_vectors), sentences),
    )


#: Cosine of a noun to the nearest label below which it is taken for what no photo shows ("audit", "irony"), and from
#: which on for a thing.
UNSEEN, SEEN = 0.35, 0.5


def spoken(
    names: Sequence[str], vectors: Floats, label_vectors: Floats, sentences: Iterable[str]
) -> Surroundings:
    """What the sentences say around things; `vectors` (names, d) and `label_vectors` (labels, d) say what things are.

    The words that the evaluation keeps untold are no asides.
    """
    parts = np.array_split(vectors, max(1, len(vectors) // 4096))
    near = np.concatenate([(part @ label_vectors.T).max(axis=1) for part in parts])
    untold = {word for sentence in STRANGE for word in re.findall(r"[a-z]+", sentence)}
    things = {name for name, most in zip(names, near, strict=True) if most >= SEEN}
    unseen = (name for name, most in zip(names, near, strict=True) if most < UNSEEN)
    asides = [word for word in unseen if re.fullmatch(r"[a-z]{3,10}", word) and word not in untold]
    return surroundings(sentences, things, asides)


def everyday_groups(names: Iterable[str], synonyms: Iterable[str]) -> list[tuple[str, ...]]:
    """The words of each LVIS category: its name, then those of its synonyms `a|b|c` that name no category themselves.

    Brackets say which meaning is meant ("cap (headwear)", "bottle cap|cap (container lid)"): they are left out, and a
    word with several meanings stays with the category that has it for its name.
    """

    def plain(word: str) -> str:
        return clean(word.replace("_", " ").split(" (")[0])

    own = [plain(str(name)) for name in names]
    others = [[plain(word) for word in str(line).split("|")] for line in synonyms]
    taken = set(own)
    return [
        tuple(dict.fromkeys([name, *(word for word in words if word and word not in taken)]))
        for name, words in zip(own, others, strict=True)
    ]


def said_words(sentences: Iterable[str], names: Container[str], longest: int = 3) -> set[str]:
    """Which of `names` are said in the sentences, as one word after the other, up to `longest` of them."""
    found = set()
    for sentence in sentences:
        parts = re.findall(r"[\w'-]+", sentence)
        for count in range(1, longest + 1):
            for first in range(len(parts) - count + 1):
                word = " ".join(parts[first : first + count])
                if word in names:
                    found.add(word)
    return found


def _token_texts(tokenizer: Tokenizer) -> list[str]:
    """What each token of the vocabulary says, in the order of the ids."""
    return [tokenizer.decode([i]).strip() or "." for i in range(tokenizer.get_vocab_size())]


@dataclass(frozen=True)
class LabelPlaces:
    """The places that photos are trained towards, and the words that mean each of them."""

    words: list[tuple[str, ...]]
    vectors: Tensor  # (places, d) unit
    odds: Floats  # (places,) how often each is drawn, summing to 1


@dataclass(frozen=True)
class TextBatch:
    """Texts, and where they should lie."""

    ids: Tensor  # (n, t)
    target: Tensor  # (n, 384) unit
    clip: Tensor | None = None  # (n, 512) unit, zero where unknown
    places: Tensor | None = None  # (n,) of LabelPlaces, where the texts are labels, each in two sentences


class TextRecipe:
    """Regress the teacher's places; batches are of one kind each, so that short texts are not padded to long ones.

    With `labels` four in ten batches are labels in sentences, to be told apart from all other labels.
    """

    rate = 1.5e-3
    weight_decay = 0.05
    average = 0.998
    size = 256
    """Texts of a batch."""

    def __init__(
        self,
        texts: Texts,
        tokenizer: Tokenizer,
        seed: int,
        config: TextConfig | None = None,
        labels: LabelPlaces | None = None,
        device: str = "cpu",
    ) -> None:
        torch.manual_seed(seed)
        self.device = torch.device(device)
        self.texts, self.tokenizer, self.seed, self.labels = texts, tokenizer, seed, labels
        self.sentences = Sentences(texts.names, texts.around)
        self.module = TextNet(config or text_config(tokenizer))
        self.module.start_from(texts.token_vectors)
        self.module.to(self.device)
        speed_up_attention(self.module)
        # Words of few tokens are the common ones; the rare are met rarely.
        lengths = np.array([len(e.ids) for e in tokenizer.encode_batch(texts.names)])
        weights = 3.0 ** -np.minimum(lengths, 9).astype(np.float64)
        self._until = np.cumsum(weights / weights.sum())

    def batch(self, step: int, progress: float) -> TextBatch:
        """Texts and where they should lie; with `labels` four in ten batches are of those."""
        rng = np.random.default_rng([self.seed, step, 2])
        if self.labels is not None and rng.random() < 0.4:
            return self._label_batch(self.labels, rng)
        texts, target, clip = self._batch(rng)
        return TextBatch(encode(self.tokenizer, texts)[0], target, clip)

    def losses(self, batch: TextBatch) -> dict[str, Tensor]:
        """Distance to the teacher's place, being nearer to it than to the others' places, and CLIP's vectors."""
        ids, target = batch.ids.to(self.device), batch.target.to(self.device)
        with half_precision(self.device):
            vectors, guessed = self.module(ids)
        away = (1 - (vectors * target).sum(-1)).mean()
        if batch.places is not None:
            assert self.labels is not None
            every = self.labels.vectors.to(self.device)
            told = F.cross_entropy(40 * vectors @ every.T, batch.places.to(self.device))
            # The same word twice: what its sentences add is to be nothing, whatever the word still lacks.
            parted = (1 - (vectors[::2] * vectors[1::2]).sum(-1)).mean()
            return {
                "label_away": away,
                "told_apart": told,
                "parted": parted,
                "total": 8 * away + told + 20 * parted,
            }
        # Two texts of a batch can mean the same; a soft target says so where a hard one would push them apart.
        truth = (target @ target.T * 20).softmax(-1)
        mix = F.cross_entropy(20 * vectors @ target.T, truth) - F.cross_entropy(20 * target @ target.T, truth)
        assert batch.clip is not None
        clip = batch.clip.to(self.device)
        known = clip.abs().sum(-1) > 0
        visual = ((1 - (guessed * clip).sum(-1)) * known).sum() / known.sum().clamp(min=1)
        return {"away": away, "mix": mix, "visual": visual, "total": 4 * away + mix + 0.5 * visual}

    def _label_batch(self, labels: LabelPlaces, rng: np.random.Generator) -> TextBatch:
        chosen = np.repeat(rng.choice(len(labels.odds), max(1, self.size // 2), p=labels.odds), 2)
        texts = []
        for i in chosen[::2]:
            words = labels.words[i]
            word = some_plural(words[0] if rng.random() < 0.7 else str(rng.choice(words)), rng)
            texts += [self.sentences.around(word, 0.3, rng) for _ in range(2)]
        places = torch.from_numpy(chosen)
        return TextBatch(encode(self.tokenizer, texts)[0], labels.vectors[places], places=places)

    def _batch(self, rng: np.random.Generator) -> tuple[list[str], Tensor, Tensor]:
        t, kind = self.texts, rng.random()
        if kind < 0.25:
            chosen = rng.integers(len(t.sentences), size=self.size // 2)
            target = t.sentence_vectors[torch.from_numpy(chosen)]
            return (
                [t.sentences[i] for i in chosen],
                target,
                target.new_zeros(len(chosen), t.clip_vectors.shape[1]),
            )
        if kind < 0.8:
            places = rng.choice(t.common, self.size)
        else:
            places = np.minimum(np.searchsorted(self._until, rng.random(self.size)), len(t.names) - 1)
        words = [some_plural(t.names[i], rng) for i in places]
        # Four in ten are bare: a word is learned sooner by itself.
        texts = [word if rng.random() < 0.4 else self.sentences.around(word, 0.1, rng) for word in words]
        chosen_rows = torch.from_numpy(places)
        return texts, t.name_vectors[chosen_rows], t.clip_vectors[chosen_rows]


def some_plural(word: str, rng: np.random.Generator, share: float = 0.12) -> str:
    """The word, or now and then its plural: people write "dogs" and mean what the label "dog" means."""
    return plural(word) if rng.random() < share else word


def load_tokenizer(path: Path) -> Tokenizer:
    """A tokenizer.json."""
    from tokenizers import Tokenizer

    return Tokenizer.from_file(str(path))
