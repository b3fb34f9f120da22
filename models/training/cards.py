"""Model cards of the bundled folders; the measured figures are put in by models.training.evaluate."""

from __future__ import annotations

_FRONT = """---
license: other
license_name: research-only-training-data
library_name: pinhole
pipeline_tag: {task}
tags:
- pinhole
- {tag}
---

# {name}

{intro}

## Data and licences

Trained on 58,348 small photos (short side 112 or 64 px) collected from public data sets; 3,092 others are `val`.
**Part of these data sets allow research and education only** (Tiny-ImageNet and other ImageNet subsets, Flickr8k,
MIT Places, Food-101, PACS, Stanford Cars), and for some no licence is stated (weather, houses, Malay food, cars and
bikes, ants and bees, breeds of cats). Only 7,224 of them (Caltech-101 CC BY 4.0, clothing CC0, groceries and TrashNet
MIT) are clean on paper. Nobody cleared single pictures. Treat the weights as research-only. No photo is part of this
folder.
{teachers}
"""

_TRUNK_TEACHERS = """
Teachers while training: a MobileNetV2 (Apache-2.0) for image features and ImageNet classes; the sentence encoder
all-MiniLM-L6-v2 (Apache-2.0) and published CLIP ViT-B/32 text vectors of 1,203 nouns (Apache-2.0, with Detic) for
words; WordNet nouns; COCO captions as text alone (CC BY 4.0). None of them is needed to run the model."""

_CLIP_INTRO = """A small CLIP: a ConvNeXt image tower (6.9 M parameters, 32-64-160-512 channels, 2-2-9-2 blocks) and a
causal text transformer (3 layers, width 256, its own vocabulary of 8,192 byte pairs), which meet in 384 dimensions.
112 px input. Made so that Pinhole is of use without a download; published CLIP checkpoints are far better."""

_CLIP_RECIPE = """## Recipe

1. Places: where the sentence encoder puts texts, in the 256 directions that the text tower can reach. Words that
   WordNet or LVIS gives one meaning lie at or near the label of that meaning; nouns whose published CLIP vector looks
   like a label's, and nouns that the sentence encoder puts near one, are moved towards it (mug and cup, washroom and
   bathroom).
2. Text tower, six runs, each begun from the one before: 650 steps of 256 words in templates and sentences; about
   14,000 steps with labels, words of groups and of the teacher's classes to be told apart from each other; 5,900 steps
   towards the places above; 2,603 with labels in any sentence (a photo, a watercolour, a toy of an old, small,
   plastic ...), each in two at a time, which are to lie together; 1,500 and 2,600 (begun from a quarter of the fourth
   and three of the fifth) with a quarter of the sentences made of what captions say around things, half of them beside
   a noun that shows nothing. An eighth of the words in the plural. The weights are the mean of the last three runs'
   (`--aligned` takes several).
3. Trunk, the one that pinhole-convnext began its last run from, see there: the teacher's 1,280 features of the very
   crop, its classes, the labels, and the texts of labels, of the words of their groups (dog, bird, food), of the
   teacher's classes, and captions.
4. One number, the temperature, fitted on val over 36 labels at a time, so that probabilities mean what they say.

## Limits seen

- Fine kinds (dog breeds, dishes) are guesses; 50 or more labels at once are too many for it.
- Counting, writing in pictures and drawings were not tried. Thin in the data: bicycle, bus, truck, bottle, bed, sofa,
  television, phone, birds.
- Words that no label carried work less well than the labels themselves; read the figures for synonyms. WordNet or LVIS
  told the text tower what 36 of those sixty synonyms mean (the other 24 have figures of their own); seventeen (puma,
  chimp, ladybird, ...) stood among the words of a class of the image teacher.
- Several templates together are no better than the best one: all of them were taught to say the same. A sentence that
  it was never told costs some points, one that speaks of another thing many (“a stained glass window of a ...”); read
  the figures.
- How sharp a photo is still tells it something of the label that it should not: read the figures for large photos that
  were reduced.
- The val figures are on small photos of the same sources as the training data; expect less on others.
- Full-size photos are harder: of 24 sample photos (8 of scikit-image and scikit-learn, 16 that do not ship) among 36
  labels, 15 came out right (a temple, a shop at night, a dahlia and a water lily as flowers, a motorcycle, two cats, a
  bridge, a mountain, dogs, cyclists, a rocket, a cup of coffee, coins, a street with a stop sign), 14 with the weights
  before these, which were less sure of what is right; a bar, dunes and a distant mountain road did not. It still takes
  furry things for dogs, of which it saw many kinds: bear cubs, a sleeping fox. It called street carts a bicycle, a
  falcon a dog and an astronaut a cup of coffee.
  (`python -m models.training.full_size FOLDER --data DIR`)
"""

_CONVNEXT_INTRO = """A small ConvNeXt classifier over 1,320 everyday labels (7.3 M parameters, 32-64-160-512 channels,
2-2-9-2 blocks, 4x4 stem), 112 px input. Its trunk began as the image tower of pinhole-clip and then learned the labels
alone."""

_CONVNEXT_RECIPE = """## Recipe

Ten runs on shared CPU cores in bfloat16, each begun from the weights of the one before; the first nine, of the trunk,
are those of pinhole-clip too. The first, of a network
with 320 channels in its last stage: 24,100 steps of 64 crops (90 minutes of one core) at 48, 64, 96, then 112 px, on
two crops of every photo. The second, the last stage anew and wider: 16,160 steps (105 minutes) of 128 crops at 48 and
64 px, then 64 crops at 96 and 112 px, on four crops of every photo, mirrored, shifted a little, their colours
jittered. The third: 16,372 steps (106 minutes) at 64, 96 and 112 px, half of every batch shown as mixtures of two
photos (CutMix, a third of them mixup), since the labels of 58,000 photos had been learned by heart. The fourth:
13,897 steps (96 minutes of two cores) at 64, 96 and 112 px, three tenths mixtures; what a photo shows is no longer
one label but to seven tenths what a linear layer on the teacher's features sees in it, which is right on 57 of 100
val photos. Then 1,668 steps (4 minutes) of the projection into the text space alone, with the lead of frequent labels
and groups taken out: a fifth of the photos are dogs. The fifth run: 8,952 steps (86 minutes of two cores) with three
blocks more in the third stage, at 64, 96 and 112 px, in batches of 64 to 256, half mixtures, a tenth of the photos
grey, on eight crops of every photo; what the teacher sees is now said by linear layers that have not met the photo,
since the network had come to be right on 86 of 100 train photos and 44 of val. The sixth: 6,498 steps (86 minutes of
two cores) at 64, 96 and 112 px. Most labels have photos of 64 px alone or of 112 px alone, and the network had
learned how sharp a photo is as a sign of its label. So half of the large photos are shown reduced and with the marks
of JPEG, half of the small ones sharpened, what a photo says of its label by being large is given to the loss
beforehand instead of being learned (before step 3,400 not quite rightly for mixtures), and photos that have captions
alone learn the labels that their captions name. The seventh, 1,131 steps of 128 (16 minutes) at 112 px and half the
rate, began at the mean of the sixth and the fifth. Half the fifth's weights and a quarter each of the last two's
(`--trunk` takes several) were as good on val as the fifth, and on sharp photos nearly what the sixth is. The eighth
began from those: 4,500 steps (90 minutes of two cores that did other work as well) at 64, 96 and 112 px; the ninth,
1,100 steps of 128 (13 minutes) at 112 px and half the rate, at the mean of the eighth and what it began from. The
image tower of pinhole-clip is half the ninth's weights and half what the eighth began from. All signals at once: a
teacher's 1,280 features of the very crop, its classes, the labels, and the texts of labels, groups, the teacher's
classes and captions.

The tenth is the classifier's own: 8,461 steps of 128 (88 minutes of two cores that did other work as well) at 96, then
112 px, three tenths mixtures, with the labels as its only signal (six tenths a photo's own, the rest what the teacher
sees in it) and a second classifier beside it that goes by angle and can never be sure (a scale of 8 among 1,320
labels): photos of one label come to lie together, so that five of them tell it. It began at the classifier that the
ninth had left, one fitted anew came later. The weights are seven eighths the tenth's and one eighth what it began from
(`--classes` takes several).

AdamW, cosine, moving average of the weights.

## Limits seen

- 749 of the labels have no val photo and most of those a handful of train photos: they hardly ever come first.
- Its features were drawn to these labels, and the probe's five photos are photos that it learned from. For things that
  no label names they tell less than before: of 962 photos with captions alone, which show grass, jumping, a crowd, ...,
  five photos for each of eight such words gave 45 of 100 right where the image tower of pinhole-clip gives 58.
- Near-synonyms coexist among the labels (mountain, cliff, valley; coast, beach, sea) and take each other's photos.
- The val figures are on small photos of the same sources as the training data; expect less on others.
"""

_MAE_INTRO = """A small masked autoencoder (8.2 M parameters): 112 px, 14x14 patches of 8 px, encoder of 6 layers and
decoder of 4, both of width 256; raw pixels as targets."""

_MAE_RECIPE = """## Recipe

At half the width: 6,200 steps of 32 crops on a shared CPU core with a decoder of 2 layers, then 4,249 with 2 more,
which began as the identity, then 2,040 and, on two cores, 1,599 from there (16.75 dB at 75%). Then 8,857 steps (98
minutes of two cores) of all twice as wide, begun as the narrow network: every value came twice, and what reads it
halved its weights, unevenly (arXiv 1511.05641). Half of the batches hide 75%, the others anything from 10 to 92%. Mean
squared error over hidden patches, AdamW, cosine (each run comes down to nothing once), moving average of the weights.

## Limits seen

Thirty reconstructions at 75% were looked at beside those of the narrow network: colours and large shapes are right and
without casts, edges of things go on from patch to patch (an arch, a sail, a collar), the edges of patches are faint
now, detail is blurred, and a face stays a guess. It paints what surrounds a hole; it does not invent a hidden object.
"""

_REPRODUCE = """## How to reproduce

`{command}`, on a data folder in the layout that
`models/training/__init__.py` describes, trains the same network in one go; the weights here came of several runs,
each begun from the one before, some at earlier revisions of the recipe. `--start {start}` goes on from these. A run by
`--steps` repeats to the bit on one machine; a run by minutes does not.

## Figures

<!-- figures -->
Not measured.
<!-- /figures -->
"""


def card(name: str) -> str:
    """The README.md of a bundled folder, without figures. KeyError for another name."""
    start = "models/bundled"
    if name == "pinhole-mae":
        parts = (
            "image-feature-extraction",
            "masked-image-modelling",
            _MAE_INTRO,
            "",
            _MAE_RECIPE,
        )
        command = "python -m models.training.mae --data DIR --out DIR --budget-minutes 180"
        start = "models/bundled/pinhole-mae"
    elif name == "pinhole-convnext":
        parts = (
            "image-classification",
            "convnext",
            _CONVNEXT_INTRO,
            _TRUNK_TEACHERS,
            _CONVNEXT_RECIPE,
        )
        command = "python -m models.training.convnext --data DIR --out DIR --budget-minutes 200"
    elif name == "pinhole-clip":
        parts = ("zero-shot-image-classification", "clip", _CLIP_INTRO, _TRUNK_TEACHERS, _CLIP_RECIPE)
        command = "python -m models.training.clip --data DIR --out DIR --budget-minutes 280"
    else:
        raise KeyError(name)
    task, tag, intro, teachers, recipe = parts
    front = _FRONT.format(task=task, tag=tag, name=name, intro=intro, teachers=teachers)
    return f"{front}\n{recipe}\n{_REPRODUCE.format(command=command, start=start)}"
