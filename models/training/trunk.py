"""The ConvNeXt trunk that classifier and image tower share, trained on all signals at once.

Signals of a step: the teacher's 1,280 features of the very crop (dense, so it teaches most, and first), the
teacher's classes of crop and original, the labels (the photo's own, and those that the teacher sees in it), and texts:
of labels, of the words of their groups, of the teacher's thousand classes, and captions.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from torch import Tensor, nn

from models.families.convnext import ConvNeXt, ConvNeXtConfig
from models.families.convnext_trunk import TrunkConfig
from models.spec import IMAGENET_MEAN, IMAGENET_STD, Preprocess
from models.training.corpus import WIDTH, clean
from models.training.data import Floats, PhotoSet, as_small_jpeg, batch_places
from models.training.depthwise import speed_up
from models.training.label_head import RAREST, LabelHeads, label_heads, label_shares, leads_of
from models.training.loop import half_precision
from models.training.mixture import Mixture
from models.training.pixels import colour_jitter, to_tensor
from models.training.teachers import FEATURES

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

SIDE = 112
# Crops while training show things larger than a whole photo does; a centre of nine tenths evens that out
# (arXiv 1906.06423).
PREPROCESS = Preprocess(resize=124, crop=(SIDE, SIDE), mean=IMAGENET_MEAN, std=IMAGENET_STD)

SIZES = TrunkConfig(
    # The last stage is wide for its cheapness: nine positions at 96 px hold 1,320 labels and 1,280 features.
    hidden_sizes=(32, 64, 160, 512),
    depths=(2, 2, 9, 2),
    image_size=SIDE,
    layer_norm_eps=1e-6,
    layer_scale_init_value=0.2,
    drop_path_rate=0.0,
)

NUDGE = 0.05
#: How much of the frequency of a label, and of a group's words, is taken out of what photos learn of texts. A fifth
#: of the photos are dogs: without this whatever is furry, or nothing in particular, is taken for one.
EVEN_LABELS, EVEN_GROUPS = 0.5, 1.0
#: Share of the large photos that are shown as small ones are, and the short sides in px that they are reduced to.
REDUCED, REDUCED_SIDES = 0.5, (40, 90)
#: Share of the small photos whose edges are sharpened, and by how many per cent.
SHARPENED, SHARPENINGS = 0.5, (30, 130)
#: How much of a photo's distribution over labels is its own label, or what its captions name; the rest is what the
#: teacher sees in it. It is all that is said for the 636 labels of one photo: the head that has not met it does not
#: know them.
OWN_LABEL = 0.3
#: Crops at most this wide are cheap enough to be taken two batches at a time.
CHEAP_SIDE = 64
#: Seeds of PhotoSet.crop_boxes; each brings its crops of every photo, and 20 minutes of the teacher.
CROP_SEEDS = (0, 1, 2, 3)


_Any = TypeVar("_Any", bound="DataclassInstance")


def moved(value: _Any, device: torch.device) -> _Any:
    """A dataclass with its tensors, and what knows to move itself, on `device`."""
    parts = {field.name: getattr(value, field.name) for field in fields(value)}
    movable = {k: v.to(device) for k, v in parts.items() if isinstance(v, Tensor | Mixture | LabelHeads)}
    return replace(value, **movable)


class JointNet(nn.Module):
    """A classifier, a head that predicts the teacher's features, and the projection into the text space."""

    def __init__(self, config: ConvNeXtConfig, width: int = WIDTH) -> None:
        super().__init__()
        channels = config.trunk.hidden_sizes[-1]
        self.classifier = ConvNeXt(config)
        self.teacher_head = nn.Linear(channels, FEATURES)
        self.visual_projection = nn.Linear(channels, width, bias=False)
        self.logit_scale = nn.Parameter(torch.tensor(3.0))


@dataclass(frozen=True)
class Signals:
    """What the photos of a PhotoSet should be answered with, row by row; all arrays on the CPU."""

    features: tuple[NDArray[np.float16], ...]  # for each of CROP_SEEDS (n, crops, 1280) of the teacher
    feature_mean: Tensor  # (1280,)
    feature_std: Tensor  # (1280,)
    head_weight: Tensor  # (1000, 1280), the teacher's last layer
    head_bias: Tensor  # (1000,)
    labels_seen: LabelHeads  # which labels the teacher's features speak for
    labels_own: list[tuple[int, ...]]  # for each photo its label, or those that its captions name
    leads: Floats  # (labels,) of leads_of
    classes: NDArray[np.int64]  # (n, 32) strongest classes of the original
    log_probabilities: Floats  # (n, 32)
    label_vectors: Tensor  # (labels, d) unit
    concept_vectors: Tensor  # (concepts, d) unit: the words of groups, and the labels that have none
    concept_of: Tensor  # (labels, concepts) 1 where a label belongs to a concept, else 0
    label_shares: Tensor  # (labels,) of the train photos that have labels_own
    class_vectors: Tensor  # (1000, d) unit, the words of the teacher's classes
    caption_vectors: Tensor  # (captions, d) unit
    caption_of: list[NDArray[np.int64]]  # for each photo the places of its captions

    def to(self, device: torch.device) -> Signals:
        """The same with its tensors on `device`; what is looked up row by row stays."""
        return moved(self, device)


@dataclass(frozen=True)
class TrunkBatch:
    """Photos of a step and what they should be answered with."""

    rows: Tensor  # (n,) their places in the PhotoSet
    pixels: Tensor  # (n, 3, side, side)
    mixed: Mixture
    features: Tensor  # (n, 1280) the teacher's, of the crops
    photo_features: Tensor  # (n, 1280) the mean of its features of all crops of the photo
    classes: Tensor  # (n, 32) strongest classes of the originals
    log_probabilities: Tensor  # (n, 32)
    wide: Tensor  # (n,) bool, where crop and original show the same
    large: Tensor  # (n,) bool, where the teacher's word on the crop counts
    own: Tensor  # (n, labels) a photo's own label, or those its captions name; 0 where there is none
    leads: Tensor  # (n, labels) what being sharp says of the label of a photo shown alone: see leads_of
    captioned: Tensor  # (m,) rows that have a caption
    captions: Tensor  # (m + others,) captions to be told apart, the rows' own first

    @property
    def lead(self) -> Tensor:
        """(n, labels) `leads` of what is shown: a label's share of a mixture is the mean of its shares."""
        return self.mixed.mean(self.leads.exp()).log()

    def to(self, device: torch.device) -> TrunkBatch:
        """The same on `device`."""
        return moved(self, device)


class TrunkRecipe:
    """The joint run; sides in px grow with progress because small photos teach several times faster."""

    rate = 1.6e-3
    weight_decay = 0.05
    mixed_share = 0.5
    own_label = OWN_LABEL
    average = 0.999
    network: type[JointNet] = JointNet
    size = 128
    """Photos of a batch, twice as many where cheap. At 96 px two cores learn 173 a second by 64 and 234 by 128."""

    def __init__(
        self,
        photos: PhotoSet,
        signals: Signals,
        seed: int,
        trunk: TrunkConfig = SIZES,
        sides: tuple[tuple[float, int], ...] = ((1.0, SIDE),),
        device: str = "cpu",
    ) -> None:
        torch.manual_seed(seed)
        self.device = torch.device(device)
        self.photos, self.signals, self.seed, self.sides = photos, signals.to(self.device), seed, sides
        self.boxes = np.concatenate(
            [photos.crop_boxes(s) for s in CROP_SEEDS[: len(signals.features)]], axis=1
        )
        self.module = self.network(ConvNeXtConfig(trunk, tuple(photos.labels)))
        self.module.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        speed_up(self.module)

    def batch(self, step: int, progress: float) -> TrunkBatch:
        """Photos, some of them mixed, and what they should be answered with."""
        side = next(s for end, s in self.sides if progress < end or end == 1.0)
        count = self.size * (2 if side <= CHEAP_SIDE else 1)
        places, _ = batch_places(len(self.photos.train), count, self.seed, step)
        rows = self.photos.train[places]
        rng = np.random.default_rng([self.seed, step, 1])
        crops = rng.integers(self.boxes.shape[1], size=len(rows))
        # Large photos that are shown as they are; the other large ones are shown as small ones look.
        sharp = self.photos.large[rows] & (rng.random(len(rows)) >= REDUCED)
        pixels = to_tensor(self._pixels(rows, crops, sharp, side, rng), colour_jitter(len(rows), rng))
        mixed = Mixture.draw(len(rows), side, self.mixed_share, rng)
        s = self.signals
        sets, within = np.divmod(crops, s.features[0].shape[1])
        seen = np.stack([s.features[k][i, c] for k, i, c in zip(sets, rows, within, strict=True)])
        every = np.mean([f[rows].astype(np.float32).mean(axis=1) for f in s.features], axis=0)
        # Trusted on the wide crop of photos whose original was large: there original and crop show the same.
        wide = (within == 0) & self.photos.large[rows]
        said = np.array(
            [i for i, row in enumerate(rows) if mixed.pure[i] and len(s.caption_of[row])], np.int64
        )
        told = np.array([rng.choice(s.caption_of[rows[i]]) for i in said], np.int64)
        bank = np.concatenate([told, rng.integers(len(s.caption_vectors), size=512)])
        own = torch.zeros(len(rows), len(self.photos.labels))
        for i, row in enumerate(rows):
            if owned := s.labels_own[row]:
                own[i, list(owned)] = 1 / len(owned)
        return TrunkBatch(
            rows=torch.from_numpy(rows),
            pixels=mixed.pixels(pixels),
            mixed=mixed,
            features=torch.from_numpy(seen.astype(np.float32)),
            photo_features=torch.from_numpy(every),
            classes=torch.from_numpy(s.classes[rows]),
            log_probabilities=torch.from_numpy(s.log_probabilities[rows]),
            wide=torch.from_numpy(wide) & mixed.pure,
            # The teacher is right about crops of large photos alone.
            large=mixed.both(torch.from_numpy(self.photos.large[rows])),
            own=own,
            # Of photos with captions alone nobody knows how their labels are spread.
            leads=torch.from_numpy((sharp & (self.photos.label_ids[rows] >= 0))[:, None] * s.leads),
            captioned=torch.from_numpy(said),
            captions=torch.from_numpy(bank),
        )

    def losses(self, batch: TrunkBatch) -> dict[str, Tensor]:
        """See the module; a photo without a caption simply has no such term."""
        batch, net = batch.to(self.device), self.module
        with half_precision(self.device):
            pooled = net.classifier.embed(batch.pixels)
            logits = net.classifier.classifier(pooled).float()
            predicted = net.teacher_head(pooled).float()
            vectors = F.normalize(net.visual_projection(pooled).float(), dim=-1)
        found, classes = self._teacher_losses(predicted, batch)
        labels = batch.mixed.mean(self._labels(batch))
        found["labels"] = F.cross_entropy(logits + batch.lead, labels)
        found |= self._text_losses(vectors, labels, classes, batch)
        found["total"] = (
            4.0 * found["features"]
            + 0.3 * found["crop_classes"]
            + 0.2 * found["photo_classes"]
            + 1.0 * found["labels"]
            + 0.7 * found["label_texts"]
            + 0.4 * found["group_texts"]
            + 0.2 * found["class_texts"]
            + 0.2 * found["captions"]
        )
        return found

    def _labels(self, batch: TrunkBatch) -> Tensor:
        """(n, labels) how likely each label is for a photo shown alone: its own, and what the teacher sees in it."""
        # The crop alone says what is in it, all crops together say it more surely.
        with half_precision(self.device):
            features = (batch.features + batch.photo_features) / 2
            seen = self.signals.labels_seen.logits(features, batch.rows)
        share = self.own_label * batch.own.sum(1, keepdim=True)
        return self.own_label * batch.own + (1 - share) * (seen + batch.leads).softmax(-1)

    def _pixels(
        self,
        rows: NDArray[np.int64],
        crops: NDArray[np.int64],
        sharp: NDArray[np.bool_],
        side: int,
        rng: np.random.Generator,
    ) -> NDArray[np.uint8]:
        boxes = self.boxes[rows, crops]
        height, width = self.photos.sizes[rows, 0], self.photos.sizes[rows, 1]
        # The teacher saw the very crop; a nudge of a few per cent changes its view little and ours never repeats.
        reach = (boxes[:, 2:] - boxes[:, :2]) * NUDGE
        boxes = boxes + rng.uniform(-1, 1, boxes.shape).astype(np.float32) * np.concatenate(
            [reach, reach], axis=1
        )
        limits = np.stack([width, height, width, height], axis=1).astype(np.float32)
        boxes = np.clip(boxes, 0, limits)
        large = self.photos.large[rows]
        scales = np.where(
            large & ~sharp, rng.uniform(*REDUCED_SIDES, len(rows)) / np.minimum(height, width), 1
        )
        sharpenings = np.where(
            ~large & (rng.random(len(rows)) < SHARPENED), rng.uniform(*SHARPENINGS, len(rows)), 0
        )
        looks = zip(rows, boxes, scales, sharpenings, strict=True)
        rgb = np.stack([self._look(i, box, side, *look) for i, box, *look in looks])
        turned = rng.random(len(rows)) < 0.5
        rgb[turned] = rgb[turned, :, ::-1]
        return rgb

    def _look(self, row: int, box: Floats, side: int, scale: float, sharpening: float) -> NDArray[np.uint8]:
        """A crop (side, side, 3), of the photo reduced to `scale` of its size and kept as the small ones are where
        that is not 1, its edges sharpened by `sharpening` per cent."""
        size = side if scale == 1 else round(float((box[2:] - box[:2]).mean()) * scale)
        image = Image.fromarray(self.photos.crop(row, box, size))
        if scale != 1:
            image = as_small_jpeg(image).resize((side, side), Image.Resampling.BICUBIC)
        if sharpening:
            image = image.filter(ImageFilter.UnsharpMask(side / 80, round(sharpening), 0))
        return np.asarray(image)

    def _teacher_losses(self, predicted: Tensor, batch: TrunkBatch) -> tuple[dict[str, Tensor], Tensor]:
        s, mixed = self.signals, batch.mixed
        wanted = (batch.features - s.feature_mean) / s.feature_std
        # The teacher never saw the mixtures; its features of them are unknown, its classes about the mean.
        error = _mean(F.smooth_l1_loss(predicted, wanted, reduction="none").mean(1), mixed.pure)
        with half_precision(self.device):
            mine = F.linear(predicted * s.feature_std + s.feature_mean, s.head_weight, s.head_bias).float()
            theirs = F.linear(batch.features, s.head_weight, s.head_bias).float()
        mine, theirs = mine.log_softmax(-1), mixed.mean(theirs.softmax(-1))
        crop = F.kl_div(mine, theirs, reduction="batchmean")
        strongest = mine.gather(1, batch.classes)
        photo = -(batch.log_probabilities.exp() * strongest).sum(1)
        return {"features": error, "crop_classes": crop, "photo_classes": _mean(photo, batch.wide)}, theirs

    def _text_losses(
        self, vectors: Tensor, labels: Tensor, classes: Tensor, batch: TrunkBatch
    ) -> dict[str, Tensor]:
        s, scale = self.signals, self.module.logit_scale.exp().clamp(max=100)
        # What is frequent is given its lead beforehand, so that the vectors need not learn it (arXiv 2007.07314).
        lead = batch.lead
        often = EVEN_LABELS * s.label_shares.clamp(min=RAREST).log() + lead
        in_groups = (s.label_shares * lead.exp()) @ s.concept_of
        often_in_groups = EVEN_GROUPS * in_groups.clamp(min=RAREST).log()
        by_class = F.kl_div((scale * vectors @ s.class_vectors.T).log_softmax(-1), classes, reduction="none")
        captions = vectors.new_zeros(())
        if len(batch.captioned):
            scores = scale * vectors[batch.captioned] @ s.caption_vectors[batch.captions].T
            captions = F.cross_entropy(scores, torch.arange(len(scores), device=self.device))
        return {
            "label_texts": F.cross_entropy(scale * vectors @ s.label_vectors.T + often, labels),
            # "dog" is asked for as often as its breeds: the words of groups are told apart among themselves.
            "group_texts": F.cross_entropy(
                scale * vectors @ s.concept_vectors.T + often_in_groups, labels @ s.concept_of
            ),
            "class_texts": _mean(by_class.sum(1), batch.large),
            "captions": captions,
        }


def _mean(values: Tensor, where: Tensor) -> Tensor:
    return (values * where).sum() / where.sum().clamp(min=1)


def signals_of(photos: PhotoSet) -> Signals:
    """All signals of a data folder, computed on first use and cached (about 80 minutes of one core)."""
    from models.training.corpus import SentenceTeacher, Space, captions, labels_own
    from models.training.teachers import class_names, classifier, crop_features, strongest_classes

    teacher = SentenceTeacher(photos.cache)
    names = teacher.vectors([clean(label) for label in photos.labels])
    sentences, owner = captions(photos)
    said = teacher.vectors(sentences)
    space = Space.of(names, said)
    features = tuple(crop_features(photos, seed) for seed in CROP_SEEDS)
    sample = np.asarray(features[0][photos.train[::23], 0], np.float32)
    weight, bias = classifier(photos.folder / "teachers" / "mobilenet_v2_imagenet.onnx")
    classes, log_probabilities = strongest_classes(photos.folder)
    caption_of: list[list[int]] = [[] for _ in range(len(photos))]
    for place, photo in enumerate(owner):
        caption_of[photo].append(place)
    concepts, concept_of = concepts_of(photos)
    own = labels_own(photos)
    shares = label_shares(photos, own)
    by_class = class_names(photos.folder)

    def places(words: list[tuple[str, ...]]) -> Tensor:
        found = space.place(teacher.vectors([word for group in words for word in group]))
        return middles(torch.from_numpy(found), words)

    return Signals(
        features=features,
        feature_mean=torch.from_numpy(sample.mean(0)),
        feature_std=torch.from_numpy(sample.std(0) + 0.05),
        head_weight=torch.from_numpy(weight),
        head_bias=torch.from_numpy(bias),
        labels_seen=label_heads(photos, features),
        labels_own=own,
        leads=leads_of(photos, shares),
        classes=classes,
        log_probabilities=log_probabilities,
        label_vectors=torch.from_numpy(space.place(names)),
        concept_vectors=places(concepts),
        concept_of=F.one_hot(torch.from_numpy(concept_of), len(concepts)).float(),
        label_shares=torch.from_numpy(shares),
        class_vectors=places(by_class),
        caption_vectors=torch.from_numpy(space.place(said)),
        caption_of=[np.array(places, np.int64) for places in caption_of],
    )


def concepts_of(photos: PhotoSet) -> tuple[list[tuple[str, ...]], NDArray[np.int64]]:
    """The words of every group, then the labels that have none; and the place in that list of each label."""
    group_of = {row.label: row.group for row in photos.rows if row.label}
    names = [group_of[label] or label for label in photos.labels]
    concepts = sorted(set(names))
    place = {name: i for i, name in enumerate(concepts)}
    return [tuple(clean(name).split(" or ")) for name in concepts], np.array(
        [place[n] for n in names], np.int64
    )


def middles(vectors: Tensor, words: list[tuple[str, ...]]) -> Tensor:
    """Vectors (words, d), laid end to end group after group -> the unit middle of each group (groups, d)."""
    parts = torch.split(vectors, [len(group) for group in words])  # type: ignore[no-untyped-call]
    return F.normalize(torch.stack([part.mean(0) for part in parts]), dim=-1)
