"""How the masked autoencoder's work falls with the mask ratio: milliseconds of the encoder and of a whole picture."""

from collections.abc import Callable
from time import perf_counter
from typing import Any, cast

from benchmarks.table import Row
from models.errors import ModelError
from models.registry import list_models
from models.runtime import open_model
from models.spec import Capability

RATIOS = (0.0, 0.25, 0.5, 0.75, 0.9)
ROUNDS = 12


def measure() -> list[Row]:
    """The bundled model on the processor, best of some rounds, beside the share that counting multiplications gives."""
    import torch

    from models.tasks.masking import MaskRequest, Painter
    from tests.photo_folder import originals

    able = [spec for spec in list_models() if Capability.MASKING in spec.capabilities]
    if not able:
        raise ModelError("No masked autoencoder is bundled to measure")
    from models.families.mae import visible_ids
    from models.images import read

    painter = Painter.of(open_model(able[0], device="cpu"))
    module = cast(Any, open_model(able[0], device="cpu").module)
    photo = read(originals()[1])
    rows: list[Row] = []
    whole_work = module.encoder_macs(painter.grid[0] * painter.grid[1])
    tokens = module.embed_patches(torch.zeros(1, 3, painter.side, painter.side))
    for ratio in RATIOS:
        mask = painter.mask(ratio)
        request = MaskRequest(photo.rgb, "photo", mask)
        kept = visible_ids(torch.from_numpy(mask.of_patches(*painter.grid).reshape(1, -1).copy()))
        share = module.encoder_macs(kept.shape[1]) / whole_work
        with torch.inference_mode():
            encoder = _best(lambda kept=kept: module.encode_tokens(tokens, kept))
        picture = _best(lambda request=request: painter.reconstruct(request))
        note = f"{share:.0%} of the multiplications"
        rows.append(Row(f"{able[0].id}, {ratio:.0%} hidden: encoder", encoder, "ms", note=note))
        rows.append(Row(f"{able[0].id}, {ratio:.0%} hidden: painted and scored", picture, "ms"))
    falls = rows[0].value / rows[-2].value
    rows.append(
        Row(
            "encoder: nothing hidden over 90 % hidden",
            falls,
            "times",
            "at least 2",
            falls >= 2,
            "cost must fall",
        )
    )
    return rows


def _best(call: Callable[[], object]) -> float:
    times = []
    for _ in range(ROUNDS):
        begun = perf_counter()
        call()
        times.append(perf_counter() - begun)
    return min(times) * 1000
