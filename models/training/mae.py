"""The bundled masked autoencoder: python -m models.training.mae --data DIR --out DIR --budget-minutes N."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from models.families.mae import MAE, MAEConfig, visible_ids
from models.spec import IMAGENET_MEAN, IMAGENET_STD, Preprocess
from models.training.attention import speed_up_attention
from models.training.cards import card
from models.training.data import PhotoSet, batch_places
from models.training.loop import arguments, half_precision, kept_weights, run_of, take_over, train
from models.training.pixels import to_tensor

SIDE = 112
CONFIG = MAEConfig(
    hidden_size=256,
    num_hidden_layers=6,
    num_attention_heads=4,
    intermediate_size=1024,
    layer_norm_eps=1e-6,
    image_size=SIDE,
    patch_size=8,
    decoder_num_attention_heads=4,
    # A patch is 192 values: a decoder of 128 could not even hold one. It is also cheap: four times the products of
    # 128 take 1.7 times as long on a CPU.
    decoder_hidden_size=256,
    decoder_num_hidden_layers=4,
    decoder_intermediate_size=1024,
    mask_ratio=0.75,
    # Raw pixels: the picture is what a person looks at here, and its error is what is reported.
    norm_pix_loss=False,
)
PREPROCESS = Preprocess(resize=SIDE, crop=(SIDE, SIDE), mean=IMAGENET_MEAN, std=IMAGENET_STD)


def draw_ratio(rng: np.random.Generator) -> float:
    """Share of hidden patches for a batch: the paper's 75% half of the time, else anything from 10 to 92%."""
    return 0.75 if rng.random() < 0.5 else float(rng.uniform(0.1, 0.92))


def random_mask(count: int, patches: int, ratio: float, rng: np.random.Generator) -> Tensor:
    """(count, patches) bool, True = hidden, the same number in each row; at least one stays visible."""
    hidden = min(patches - 1, max(1, round(patches * ratio)))
    order = rng.random((count, patches)).argsort(axis=1)
    mask = np.zeros((count, patches), bool)
    np.put_along_axis(mask, order[:, :hidden], True, axis=1)
    return torch.from_numpy(mask)


class MAERecipe:
    """Square crops of any photo, raw pixels, one ratio a batch."""

    rate = 8e-4
    weight_decay = 0.05
    average = 0.999
    size = 32
    """Photos of a batch."""

    def __init__(self, photos: PhotoSet, seed: int, config: MAEConfig = CONFIG, device: str = "cpu") -> None:
        torch.manual_seed(seed)
        self.photos, self.seed, self.device = photos, seed, torch.device(device)
        self.module = MAE(config).to(self.device)
        speed_up_attention(self.module)
        # Blurred enlargements teach to paint blur: three quarters of the photos are those with pixels enough.
        large = photos.train[photos.sizes[photos.train].min(axis=1) >= 100]
        small = np.setdiff1d(photos.train, large)
        self.pool = np.concatenate([large, small[:: max(1, 3 * len(small) // max(1, len(large)))]])
        self.boxes = photos.crop_boxes()[:, 0]

    def batch(self, step: int, progress: float) -> tuple[Tensor, Tensor]:
        """Photos (n, 3, side, side) and which of their patches are hidden, (n, patches) bool."""
        config = self.module.config
        places, _ = batch_places(len(self.pool), self.size, self.seed, step)
        rows = self.pool[places]
        rng = np.random.default_rng([self.seed, step, 3])
        rgb = np.stack([self.photos.crop(i, self._box(i, rng), config.image_size) for i in rows])
        turned = rng.random(len(rows)) < 0.5
        rgb[turned] = rgb[turned, :, ::-1]
        pixels = to_tensor(rgb)
        rows_of_grid, columns = config.grid
        return pixels, random_mask(len(rows), rows_of_grid * columns, draw_ratio(rng), rng)

    def losses(self, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        """Mean squared error over the hidden patches."""
        # Counted before they travel: a GPU would have to be waited for.
        visible = visible_ids(batch[1]).to(self.device)
        pixels, mask = (part.to(self.device) for part in batch)
        with half_precision(self.device):
            predicted = self.module.decode(self.module.encode(pixels, visible), visible)
        loss = self.module.loss(pixels, predicted, mask)
        return {"error": loss, "total": loss}

    def _box(self, index: int, rng: np.random.Generator) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
        """A random square of at least 0.7 of the short side: squares, since the program crops squares too."""
        height, width = (float(v) for v in self.photos.sizes[index])
        side = min(height, width) * rng.uniform(0.7, 1.0)
        left, top = rng.uniform(0, width - side), rng.uniform(0, height - side)
        return np.array([left, top, left + side, top + side], np.float32)


def grow(module: MAE, start: Path) -> list[str]:
    """Begin from an earlier run or a finished model, also a shallower one or one of half the width; names of the
    tensors that are lacking there.

    Nothing is unlearned: layers that are lacking start as the identity, and of twice the width both halves start as
    the narrow network was (Chen et al. 2016, arXiv 1511.05641).
    """
    own = module.state_dict()
    kept = {
        name: widened(tensor, own[name].shape)
        for name, tensor in kept_weights(start).items()
        if name in own and tensor.ndim == own[name].ndim
    }
    new = take_over(module, kept)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if name in new and (".out_proj." in name or ".fc2." in name):
                parameter.zero_()
    return new


def widened(tensor: Tensor, shape: torch.Size) -> Tensor:
    """A tensor of a network of half the width, for one whose values all come twice; as it is where it fits already.

    What reads values that come twice halves its weights; one half is given more of them and the other less, at
    random, so that learning takes the two apart.
    """
    times = [wide // narrow for wide, narrow in zip(shape, tensor.shape, strict=True)]
    if not set(times) <= {1, 2}:
        return tensor
    if tensor.ndim == 2 and times[1] == 2:
        half = tensor.repeat(times[0], 1) / 2
        apart = torch.randn_like(half) * half.std()
        return torch.cat([half + apart, half - apart], dim=1)
    return tensor.repeat(times)


def export(module: MAE, folder: Path) -> None:
    """Write a model folder."""
    from models.bundle import write_bundle

    write_bundle(folder, module, module.config.to_hf(), PREPROCESS, card=card("pinhole-mae"))


def main(argv: Sequence[str] | None = None) -> None:
    """Train, then write the model folder to --out/pinhole-mae."""
    options = arguments("Train the bundled masked autoencoder").parse_args(argv)
    photos = PhotoSet(options.data, options.cache)
    run = run_of(options, "mae")
    recipe = MAERecipe(photos, run.seed, CONFIG, run.device)
    if options.start is not None:
        grow(recipe.module, options.start)
    recipe.module.load_state_dict(train(recipe, run))
    export(recipe.module.cpu(), options.out / "pinhole-mae")


if __name__ == "__main__":
    main()
