"""The image teacher: a MobileNetV2 whose features for fixed crops of every photo are computed once and kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.training.data import CROP_AREAS, Floats, PhotoSet

FEATURES = 1280
FEATURE_TENSOR = "globalaveragepool_98"
#: Input side for each fixed crop. The network was trained at 224 px; tight crops of small photos
#: hold too few pixels to be worth that, and cost falls with the square.
CROP_SIDES = (192, 160)
CLASSES = 1000


class ImageTeacher:
    """MobileNetV2 1.0 (Apache-2.0) through ONNX Runtime, made to accept any input size."""

    def __init__(self, path: Path, threads: int = 1) -> None:
        import onnx
        import onnxruntime

        model = onnx.load(str(path))
        entry = model.graph.input[0]
        for place, name in ((0, "n"), (2, "h"), (3, "w")):
            entry.type.tensor_type.shape.dim[place].dim_param = name
        model.graph.output.append(
            onnx.helper.make_tensor_value_info(FEATURE_TENSOR, onnx.TensorProto.FLOAT, None)
        )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self._session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        self._entry = entry.name

    def features(self, rgb: NDArray[np.uint8]) -> Floats:
        """Pooled features (n, 1280) of (n, side, side, 3) uint8 crops."""
        pixels = rgb.transpose(0, 3, 1, 2).astype(np.float32) / 127.5 - 1.0
        (pooled,) = self._session.run([FEATURE_TENSOR], {self._entry: pixels})
        return np.asarray(pooled, np.float32).reshape(len(rgb), FEATURES)


def classifier(path: Path) -> tuple[Floats, Floats]:
    """The teacher's last layer, weights (1000, 1280) and bias (1000,), background left out."""
    import onnx
    from onnx import numpy_helper

    model = onnx.load(str(path))
    tensors: dict[str, Any] = {t.name: t for t in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Conv" and FEATURE_TENSOR in node.input:
            weight, bias = (numpy_helper.to_array(tensors[name]) for name in node.input[1:3])
            return weight[1:, :, 0, 0].astype(np.float32), bias[1:].astype(np.float32)
    raise ValueError(f"{path.name} has no layer after {FEATURE_TENSOR}")


def crop_features(photos: PhotoSet, seed: int = 0, batch: int = 32) -> NDArray[np.float16]:
    """Teacher features (n, crops, 1280) float16 of `photos.crop_boxes(seed)`, on disk; resumes."""
    path = photos.cache / f"teacher-{seed}.bin"
    stamp = path.with_suffix(".json")
    crops = len(CROP_AREAS)
    shape = (crops, len(photos), FEATURES)
    total = crops * len(photos)
    done = int(json.loads(stamp.read_text())["done"]) if stamp.exists() and path.exists() else 0
    if done < total:
        kept = np.memmap(path, dtype=np.float16, mode="r+" if path.exists() else "w+", shape=shape)
        teacher = ImageTeacher(photos.folder / "teachers" / "mobilenet_v2_imagenet.onnx")
        boxes = photos.crop_boxes(seed)
        while done < total:
            k, first = divmod(done, len(photos))
            rows = range(first, min(first + batch, len(photos)))
            rgb = np.stack([photos.crop(i, boxes[i, k], CROP_SIDES[k]) for i in rows])
            kept[k, first : rows.stop] = teacher.features(rgb)
            done += len(rows)
            if done % (batch * 50) < batch or done == total:
                kept.flush()
                stamp.write_text(json.dumps({"done": done}))
    return np.memmap(path, dtype=np.float16, mode="r", shape=shape).transpose(1, 0, 2)


def strongest_classes(folder: Path) -> tuple[NDArray[np.int64], Floats]:
    """teacher.npz: the 32 strongest classes of every full-size photo, (n, 32), and their log-probabilities."""
    with np.load(folder / "teachers" / "teacher.npz") as stored:
        return stored["index"].astype(np.int64), stored["logit"].astype(np.float32)


def class_names(folder: Path) -> list[tuple[str, ...]]:
    """The words of each of the teacher's 1,000 classes, lower case."""
    lines = (folder / "teachers" / "imagenet_labels.txt").read_text(encoding="utf-8").splitlines()
    return [tuple(word.strip().lower() for word in line.split(",")) for line in lines if line.strip()]
