"""Masks: exact counts, nestedness, shapes of the strategies, strokes, files."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from models.errors import DataError
from models.tasks.masks import (
    Mask,
    Strategy,
    from_json,
    from_png,
    load,
    make_mask,
    save,
    stroke,
    to_json,
    to_png,
)

sizes = st.tuples(st.integers(1, 70), st.integers(1, 70), st.sampled_from([1, 4, 8, 16, 32]))
strategies = st.sampled_from(list(Strategy))
seeds = st.integers(0, 2**32)


def mask_of(rows: list[str], unit: int = 8) -> Mask:
    hidden = np.array([[cell == "1" for cell in row] for row in rows])
    return Mask(hidden, unit, hidden.shape[0] * unit, hidden.shape[1] * unit)


def shown(mask: Mask) -> list[str]:
    return ["".join("1" if cell else "0" for cell in row) for row in mask.hidden]


@settings(max_examples=80, deadline=None)
@given(sizes, strategies, seeds, st.floats(0, 1), st.floats(0, 1))
def test_masks_are_exact_and_nested(
    size: tuple[int, int, int], strategy: Strategy, seed: int, one: float, other: float
) -> None:
    height, width, unit = size
    low, high = sorted((one, other))
    few, many = (
        make_mask(height, width, unit=unit, ratio=ratio, strategy=strategy, seed=seed)
        for ratio in (low, high)
    )
    cells = -(-height // unit) * -(-width // unit)
    assert few.hidden.sum() == round(low * cells)
    assert many.hidden.sum() == round(high * cells)
    assert not (few.hidden & ~many.hidden).any()
    again = make_mask(height, width, unit=unit, ratio=low, strategy=strategy.value, seed=seed)
    assert again == few
    assert hash(again) == hash(few)


@pytest.mark.parametrize("strategy", [Strategy.RANDOM, Strategy.BLOCK])
def test_another_seed_is_another_mask(strategy: Strategy) -> None:
    masks = {make_mask(112, 112, unit=8, ratio=0.5, strategy=strategy, seed=seed) for seed in range(5)}
    assert len(masks) == 5


def test_grid_keeps_one_of_every_four_as_in_the_paper() -> None:
    for seed in range(4):
        hidden = make_mask(112, 112, unit=8, ratio=0.75, strategy="grid", seed=seed).hidden
        groups = hidden.reshape(7, 2, 7, 2).transpose(0, 2, 1, 3).reshape(49, 4)
        assert (groups.sum(axis=1) == 3).all()
        assert len({tuple(group) for group in groups}) == 1
    quarter = make_mask(64, 64, unit=8, ratio=15 / 16, strategy="grid", seed=0).hidden
    rows, columns = np.nonzero(~quarter)
    assert len(rows) == 4
    assert {int(abs(a - b)) % 4 for a in rows for b in rows} == {0}
    assert {int(abs(a - b)) % 4 for a in columns for b in columns} == {0}


def test_checkerboard_at_a_half_touches_no_hidden_neighbour() -> None:
    hidden = make_mask(80, 80, unit=8, ratio=0.5, strategy="checkerboard", seed=3).hidden
    assert not (hidden[1:] & hidden[:-1]).any()
    assert not (hidden[:, 1:] & hidden[:, :-1]).any()


def test_centre_hides_the_middle_and_inverse_all_but_it() -> None:
    centre = make_mask(48, 48, unit=8, ratio=4 / 36, strategy="centre")
    assert shown(centre) == ["000000", "000000", "001100", "001100", "000000", "000000"]
    inverse = make_mask(48, 48, unit=8, ratio=32 / 36, strategy="inverse")
    assert np.array_equal(inverse.hidden, ~centre.hidden)


def test_blocks_hold_together_more_than_chance() -> None:
    def neighbours(strategy: Strategy) -> int:
        hidden = [make_mask(112, 112, unit=8, ratio=0.4, strategy=strategy, seed=s).hidden for s in range(8)]
        return sum(int((h[1:] & h[:-1]).sum() + (h[:, 1:] & h[:, :-1]).sum()) for h in hidden)

    assert neighbours(Strategy.BLOCK) > 1.5 * neighbours(Strategy.RANDOM)


def test_a_ratio_out_of_range_and_a_shape_that_does_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        make_mask(8, 8, unit=8, ratio=1.2)
    with pytest.raises(ValueError, match="cells"):
        Mask(np.zeros((2, 2), np.bool_), 8, 8, 8)
    mask = mask_of(["01"])
    with pytest.raises(ValueError, match="read-only"):
        mask.hidden[0, 0] = True


def test_larger_cells_hide_whole_groups_of_patches() -> None:
    mask = make_mask(64, 64, unit=32, ratio=0.5, seed=1)
    patches = mask.of_patches(16, 16)
    groups = patches.reshape(2, 8, 2, 8).transpose(0, 2, 1, 3).reshape(4, 64)
    assert sorted(int(group.sum()) for group in groups) == [0, 0, 64, 64]
    assert mask.of_pixels().sum() == 2 * 32 * 32
    assert mask.of_patches(2, 2).tolist() == mask.hidden.tolist()


def test_cells_that_do_not_divide_the_picture_reach_over_its_edge() -> None:
    mask = make_mask(40, 24, unit=16, ratio=1.0)
    assert mask.hidden.shape == (3, 2)
    assert mask.of_pixels().shape == (40, 24)
    assert mask.cell_at(0.99, 0.99) == (2, 1)
    assert mask.cell_at(-1, 5) == (2, 0)
    finer = mask.resized(80, 48, 8)
    assert finer.hidden.shape == (10, 6)
    assert finer.hidden.all()


def test_a_stroke_has_no_gaps_and_the_width_of_its_brush() -> None:
    line = stroke((0, 0), (3, 9))
    assert {column for _, column in line} == set(range(10))
    assert stroke((2, 2), (2, 2)) == {(2, 2)}
    assert stroke((2, 2), (2, 2), radius=1) == {(2, 2), (1, 2), (3, 2), (2, 1), (2, 3)}
    assert len(stroke((5, 5), (5, 5), radius=2)) == 13


@settings(max_examples=40, deadline=None)
@given(sizes, seeds, st.floats(0, 1))
def test_files_bring_the_same_mask_back(size: tuple[int, int, int], seed: int, ratio: float) -> None:
    height, width, unit = size
    mask = make_mask(height, width, unit=unit, ratio=ratio, seed=seed)
    assert from_json(to_json(mask)) == mask
    if unit <= max(height, width):
        assert from_png(to_png(mask), 7, 7, 7) == mask


def test_any_black_and_white_picture_is_a_mask(tmp_path: Path) -> None:
    drawn = np.zeros((30, 60), np.uint8)
    drawn[:, 30:] = 255
    buffer = io.BytesIO()
    Image.fromarray(drawn).save(buffer, "PNG")
    assert shown(from_png(buffer.getvalue(), 32, 32, 8)) == ["0011"] * 4
    mask = make_mask(48, 48, unit=16, ratio=0.5, seed=2)
    for name in ("a.json", "a.png", "b.PNG"):
        save(mask, tmp_path / name)
        assert load(tmp_path / name, 1, 1, 1) == mask
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "a.png", "b.PNG"]


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", '{"pinhole_mask": 1}', "7", '"x"', "[" * 100_000]
    + [
        json.dumps({"pinhole_mask": 1, "unit": unit, "height": 8, "width": 8, "hidden": hidden})
        for unit, hidden in [(0, ["0"]), (8, ["2"]), (8, ["0", "1"]), (4, ["01", "0"]), (8, 5), ("a", ["0"])]
    ],
)
def test_what_is_no_mask_is_refused_in_words(text: str) -> None:
    with pytest.raises(DataError, match="no mask file"):
        from_json(text)


def test_files_that_cannot_be_read_or_written_are_told_in_words(tmp_path: Path) -> None:
    mask = make_mask(16, 16, unit=8, ratio=0.5)
    with pytest.raises(DataError, match="no picture"):
        from_png(b"not a picture", 8, 8, 8)
    with pytest.raises(DataError, match="could not be read"):
        load(tmp_path / "none.json", 8, 8, 8)
    with pytest.raises(DataError, match="could not be written"):
        save(mask, tmp_path / "none" / "a.json")
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match="could not be written"):
        save(mask, tmp_path / "file" / "a.json")
    with pytest.raises(DataError, match="saved as"):
        save(mask, tmp_path / "a.gif")


def test_a_picture_that_would_fill_the_memory_or_run_a_program_is_no_mask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bomb = io.BytesIO()
    Image.new("1", (40_000, 40_000)).save(bomb, "PNG")
    with pytest.raises(DataError, match="too large"):
        from_png(bomb.getvalue(), 8, 8, 8)
    ran: list[str] = []
    monkeypatch.setattr("PIL.EpsImagePlugin.Ghostscript", lambda *_: ran.append("gs"))
    script = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\n%%EOF\n"
    with pytest.raises(DataError, match="no picture"):
        from_png(script, 8, 8, 8)
    assert not ran
    with pytest.raises(DataError, match="no mask file"):
        from_json('{"pinhole_mask": 1, "unit": 1, "height": 1e999, "width": 1, "hidden": ["1"]}')
