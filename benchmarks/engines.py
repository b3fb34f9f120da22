"""Every engine and precision on this machine, as ratios to torch float32, with the cosine of their embeddings."""

import tempfile
from pathlib import Path

from benchmarks.models import write_vit_b32
from benchmarks.table import Row, main
from models import devices
from models.registry import find, list_models
from models.runtime import entries_of
from models.spec import ModelSpec
from models.tuning import measure as trials
from models.tuning import pick


def _rows(spec: ModelSpec, device: str, cache: Path) -> list[Row]:
    found = list(trials(spec, device, entries_of(spec), cache, seconds=2.0, batch=16))
    best, plain = pick(found), found[0]
    rows = [Row(f"{spec.id} on {device}: torch float32", plain.speed, "photos/s", note="1 times")]
    for trial in found[1:]:
        note = trial.problem or f"cosine {trial.cosine:.5f}" + (", chosen" if trial == best else "")
        rows.append(
            Row(
                f"{spec.id} on {device}: {trial.engine} {trial.precision}",
                trial.speed / plain.speed,
                "times",
                note=note,
            )
        )
    return rows


def measure() -> list[Row]:
    """ViT-B/32 of random weights and the bundled models, on the processor and on the graphics card if there is one."""
    rows = []
    with tempfile.TemporaryDirectory() as place:
        specs = [find(write_vit_b32(Path(place) / "vit-b32")), *list_models()]
        graphics, _ = devices.resolve("auto")
        for device in dict.fromkeys(("cpu", graphics)):
            for spec in specs:
                rows += _rows(spec, device, Path(place) / "cache")
    return rows


if __name__ == "__main__":
    main("engines", measure)
