"""The bundled CLIP: python -m models.training.clip --data DIR --out DIR --budget-minutes N.

Runs one after the other, each resumable: the text tower on words alone (15% of the budget), the trunk (70%), the
text tower again, now with the labels of the photos (15%). Finished runs can be taken over: --text, --trunk (of
models.training.convnext), --aligned (or a finished model's folder). With --start FOLDER of finished models both towers
go on from those, without the first run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from models.families.clip import CLIP, CLIPConfig
from models.images import prepare
from models.training.calibrate import fitted_scale, offers
from models.training.cards import card
from models.training.corpus import WIDTH, captions, clean, coco_sentences, label_synonyms, wordnet
from models.training.data import PhotoSet
from models.training.everyday import ONE_TEMPLATE, SYNONYMS
from models.training.loop import (
    Run,
    arguments,
    averaged_weights,
    kept_weights,
    run_of,
    take_all,
    take_mean,
    train,
)
from models.training.sentences import TEMPLATES
from models.training.teachers import class_names
from models.training.text import (
    LabelPlaces,
    TextNet,
    TextRecipe,
    Texts,
    encode,
    load_tokenizer,
    texts_of,
    train_tokenizer,
)
from models.training.trunk import PREPROCESS, JointNet, concepts_of
from models.training.trunk_run import kept_trunk, train_trunk

if TYPE_CHECKING:
    from tokenizers import Tokenizer


def tokenizer_of(photos: PhotoSet, path: Path) -> Tokenizer:
    """The vocabulary in `path`, made from all texts where there is none yet."""
    if not path.exists():
        said, _ = captions(photos)
        names = sorted({word for synset in wordnet(photos.folder) for word in synset})
        labels = [t.format(clean(label)) for label in photos.labels for t in TEMPLATES[:8]]
        path.parent.mkdir(parents=True, exist_ok=True)
        train_tokenizer(said + coco_sentences(photos.folder) + names + labels).save(str(path))
    return load_tokenizer(path)


def label_places(photos: PhotoSet, texts: Texts) -> tuple[Texts, LabelPlaces]:
    """The places that the trunk's text losses aim at, and the words of each: labels, groups, the teacher's classes.

    The texts that come back have those words moved there too, so that both lessons say the same.
    """
    place = {name: i for i, name in enumerate(texts.names)}
    train_ids = photos.label_ids[photos.train]
    odds = np.sqrt(np.bincount(train_ids[train_ids >= 0], minlength=len(photos.labels)).astype(np.float64))
    words = label_synonyms(photos.labels, photos.folder, frozenset(SYNONYMS.values()))
    known = {word for group in words for word in group} | set(SYNONYMS.values())
    vectors, drawn = list(texts.label_vectors), list(odds)
    concepts, _ = concepts_of(photos)
    for kind, weight in ((concepts, 2.0), (class_names(photos.folder), 0.5)):
        for group in kind:
            met = [word for word in group if word in place]
            new = tuple(word for word in met if word not in known)
            if new:
                known.update(new)
                words.append(new)
                vectors.append(F.normalize(texts.raw_vectors[[place[w] for w in met]].mean(0), dim=-1))
                drawn.append(weight * float(odds.mean()))
    moved, places = texts.name_vectors.clone(), torch.stack(vectors)
    for vector, group in zip(places, words, strict=True):
        moved[[place[word] for word in group]] = vector
    shares = np.array(drawn)
    return replace(texts, name_vectors=moved), LabelPlaces(words, places, shares / shares.sum())


def assemble(trunk: JointNet, text: TextNet) -> CLIP:
    """One CLIP out of the trunk with its projection and temperature, and the text tower."""
    clip = CLIP(CLIPConfig(text.config, trunk.classifier.config.trunk, WIDTH))
    clip.vision_model.load_state_dict(trunk.classifier.trunk.state_dict())
    clip.text_model.load_state_dict(text.text_model.state_dict())
    clip.visual_projection.load_state_dict(trunk.visual_projection.state_dict())
    clip.text_projection.load_state_dict(text.text_projection.state_dict())
    with torch.no_grad():
        clip.logit_scale.copy_(trunk.logit_scale)
    return clip.eval()


def calibrate(clip: CLIP, tokenizer: Tokenizer, photos: PhotoSet) -> float:
    """Set the temperature to what the val photos bear out; the scale. Labels and their order stay as they are."""
    known = photos.val[photos.label_ids[photos.val] >= 0]
    shown, truth = np.unique(photos.label_ids[known], return_inverse=True)
    images = []
    with torch.inference_mode():
        for rows in np.array_split(known, max(1, len(known) // 64)):
            pixels = np.stack([prepare(photos.rgb(int(i)), PREPROCESS) for i in rows])
            images.append(clip.embed_image(torch.from_numpy(pixels)))
        names = [ONE_TEMPLATE.format(clean(photos.labels[i])) for i in shown]
        texts = clip.embed_text(*encode(tokenizer, names))
    scale = fitted_scale(offers(torch.cat(images).numpy(), texts.numpy(), truth.astype(np.int64)))
    with torch.no_grad():
        clip.logit_scale.fill_(float(np.log(scale)))
    return scale


def kept_text(folder: Path) -> dict[str, Tensor]:
    """The tensors of a TextNet that a finished CLIP folder holds; its head for CLIP's vectors is gone."""
    return {name: tensor for name, tensor in kept_weights(folder).items() if name.startswith("text_")}


def main(argv: Sequence[str] | None = None) -> None:
    """Train all parts, then write the model folder to --out/pinhole-clip."""
    from models.bundle import write_bundle

    parser = arguments("Train the bundled CLIP")
    parser.add_argument("--text", type=Path, help="a folder with a finished first run of the text tower")
    parser.add_argument(
        "--trunk",
        type=Path,
        nargs="+",
        help="a checkpoint.safetensors of models.training.convnext, or several, whose mean is taken",
    )
    parser.add_argument(
        "--aligned",
        type=Path,
        nargs="+",
        help="a finished second run of the text tower, a model folder to take it from, or several, for their mean",
    )
    parser.add_argument(
        "--only", default="", help="of the trunk, train what begins with this name alone (visual_projection)"
    )
    options = parser.parse_args(argv)
    photos = PhotoSet(options.data, options.cache)
    whole = run_of(options)
    earlier = None if options.start is None or options.start.is_file() else options.start / "pinhole-clip"
    if earlier is not None and (options.text or not earlier.is_dir()):
        parser.error("--start takes a folder that holds pinhole-clip, and no --text beside it")
    if options.aligned is not None and earlier is None and not options.text:
        parser.error(
            "--aligned takes --start or --text beside it, for the vocabulary that it was trained with"
        )
    tokenizer = tokenizer_of(photos, (earlier or options.text or options.out / "text") / "tokenizer.json")
    texts = texts_of(photos, tokenizer)
    words = TextRecipe(texts, tokenizer, options.seed, device=whole.device)
    if earlier is None:
        _train_or_take(words, [options.text] if options.text else [], whole.part("text", 0.15))
    else:
        take_all(words.module, kept_text(earlier), but="clip_head.")
    trunk = (
        train_trunk(photos, whole.part("trunk", 0.7), start=options.start, only=options.only)
        if options.trunk is None
        else kept_trunk(photos, options.trunk)
    )
    moved, labels = label_places(photos, texts)
    again = TextRecipe(moved, tokenizer, options.seed + 1, labels=labels, device=whole.device)
    again.rate, again.average = 8e-4, 0.99
    again.module.load_state_dict(words.module.state_dict())
    _train_or_take(again, options.aligned or [], whole.part("aligned", 0.15 if earlier is None else 0.3))
    clip = assemble(trunk, again.module.cpu())
    calibrate(clip, tokenizer, photos)
    folder = options.out / "pinhole-clip"
    write_bundle(folder, clip, clip.config.to_hf(), PREPROCESS, tokenizer.to_str(), card("pinhole-clip"))


def _train_or_take(recipe: TextRecipe, folders: Sequence[Path], run: Run) -> None:
    if folders:
        take_mean(recipe.module, [_text_in(folder) for folder in folders], but="clip_head.")
    else:
        recipe.module.load_state_dict(train(recipe, run))


def _text_in(folder: Path) -> dict[str, Tensor]:
    checkpoint = folder / "checkpoint.safetensors"
    return averaged_weights(checkpoint) if checkpoint.exists() else kept_text(folder)


if __name__ == "__main__":
    main()
