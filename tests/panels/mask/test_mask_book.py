"""The mask in the making: recipe and strokes together, nested ratios, named undo, other models."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from desktop_app.panels.mask_book import Frame, MaskBook
from models.tasks.masks import Mask, Strategy, make_mask

SMALL = Frame(64, 8, (8, 8), (8, 16, 32), 8)
LARGE = Frame(96, 8, (12, 12), (8, 16, 32), 8)


@pytest.fixture
def book(qapp: object) -> MaskBook:
    made = MaskBook()
    made.set_frame(SMALL)
    return made


def hidden(book: MaskBook) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    assert book.mask is not None
    return book.mask.hidden


def test_without_a_model_there_is_no_mask_but_wishes_are_kept(qapp: object) -> None:
    book = MaskBook()
    book.change("hide 50 %", ratio=0.5)
    book.draw([(0, 0)], True)
    book.end_stroke()
    assert book.mask is None
    book.set_frame(SMALL)
    assert hidden(book).mean() == 0.5
    assert not book.stack.canUndo()


def test_a_higher_ratio_only_hides_more(book: MaskBook) -> None:
    for strategy in Strategy:
        book.change("", strategy=strategy, ratio=0.0)
        before = hidden(book)
        for ratio in np.linspace(0, 0.95, 20):
            book.change("", ratio=float(ratio))
            assert not (before & ~hidden(book)).any()
            before = hidden(book)


def test_painted_cells_stay_painted_while_the_ratio_is_dragged(book: MaskBook) -> None:
    book.change("", ratio=0.0)
    book.draw([(2, 3), (2, 4)], True)
    book.end_stroke()
    book.change("", ratio=0.95)
    shown = tuple(int(v) for v in np.argwhere(hidden(book))[0])
    book.draw([shown], False)
    book.end_stroke()
    for ratio in (0.0, 0.5, 0.95):
        book.change("", ratio=ratio)
        assert hidden(book)[2, 3]
        assert hidden(book)[2, 4]
        assert not hidden(book)[shown]
    book.clear_strokes()
    assert book.mask == make_mask(
        book.mask.width, book.mask.height, unit=book.unit, ratio=0.95, strategy=book.recipe.strategy, seed=0
    )


def test_every_step_is_undone_by_name_and_redone(book: MaskBook) -> None:
    masks, names = [book.mask], []

    def step(name: str) -> None:
        names.append(name)
        masks.append(book.mask)
        assert book.undo_words() == (name, "")

    book.change("hide 30 %", ratio=0.3)
    step("hide 30 %")
    book.draw([(r, c) for r, c in np.argwhere(~hidden(book))[:3].tolist()], True)
    book.end_stroke()
    step("hide 3 patches")
    book.draw([tuple(np.argwhere(hidden(book))[0].tolist())], False)
    book.end_stroke()
    step("show a patch")
    book.invert()
    step("exchange hidden and visible")
    book.change("cells of 16 px", unit=16)
    step("cells of 16 px")
    book.clear_strokes()
    step("remove the painting")
    for name, mask in zip(reversed(names), reversed(masks[:-1]), strict=True):
        assert book.undo_words()[0] == name
        book.stack.undo()
        assert book.mask == mask
    for name, mask in zip(names, masks[1:], strict=True):
        assert book.undo_words()[1] == name
        book.stack.redo()
        assert book.mask == mask


def test_a_drag_of_the_slider_is_one_step_and_the_next_drag_another(book: MaskBook) -> None:
    for start in (0.2, 0.6):
        book.begin_gesture()
        for tick in range(5):
            book.change(f"hide {start + tick / 100:.2f}", ratio=start + tick / 100)
    assert book.stack.count() == 2
    book.stack.undo()
    assert book.recipe.ratio == pytest.approx(0.24)
    assert book.undo_words() == ("hide 0.24", "hide 0.64")
    book.stack.undo()
    assert book.recipe.ratio == 0.75


def test_a_stroke_that_changes_nothing_is_no_step(book: MaskBook) -> None:
    cell = tuple(np.argwhere(hidden(book))[0].tolist())
    book.draw([cell, (-1, 0), (99, 99)], True)
    book.end_stroke()
    book.draw([cell], False)
    book.draw([cell], True)
    book.end_stroke()
    assert book.mask == make_mask(64, 64, unit=8, ratio=0.75)
    assert book.stack.count() <= 1


def test_a_loaded_mask_replaces_the_strategy_until_that_is_chosen_again(book: MaskBook) -> None:
    file = Mask(np.eye(4, dtype=np.bool_), 16, 64, 64)
    book.draw([(0, 0)], not bool(hidden(book)[0, 0]))
    book.end_stroke()
    before = book.mask
    book.load(file)
    assert book.mask == file
    assert book.unit == 16
    book.draw([(0, 3)], True)
    book.end_stroke()
    assert hidden(book)[0, 3]
    book.stack.undo()
    book.stack.undo()
    assert book.mask == before
    book.stack.redo()
    book.change("hide 50 %", ratio=0.5)
    assert book.recipe.loaded is None
    assert hidden(book).sum() == 8


def test_a_mask_of_another_size_is_fitted(book: MaskBook) -> None:
    file = Mask(np.tri(14, dtype=np.bool_), 16, 224, 224)
    book.load(file)
    assert book.mask is not None
    assert (book.mask.height, book.mask.unit) == (64, 16)
    assert book.mask.hidden[3, 0]
    assert not book.mask.hidden[0, 3]


def test_another_model_keeps_recipe_and_strokes(book: MaskBook) -> None:
    book.change("", ratio=0.0)
    book.draw([(r, c) for r in range(4) for c in range(4)], True)
    book.end_stroke()
    book.set_frame(LARGE)
    assert hidden(book).shape == (12, 12)
    assert hidden(book)[:6, :6].all()
    assert hidden(book).sum() == 36
    assert not book.stack.canUndo()


def test_a_unit_the_new_model_lacks_becomes_its_usual_one(book: MaskBook) -> None:
    book.change("", unit=32)
    assert hidden(book).shape == (2, 2)
    book.set_frame(Frame(112, 16, (7, 7), (16,), 16))
    assert hidden(book).shape == (7, 7)


Steps = st.lists(
    st.one_of(
        st.tuples(st.just("ratio"), st.sampled_from([0.0, 0.3, 0.75, 0.95])),
        st.tuples(st.just("unit"), st.sampled_from([8, 16, 32])),
        st.tuples(st.just("strategy"), st.sampled_from(list(Strategy))),
        st.tuples(st.just("paint"), st.tuples(st.integers(0, 7), st.integers(0, 7), st.booleans())),
        st.tuples(st.just("invert"), st.none()),
        st.tuples(st.just("clear"), st.none()),
    ),
    max_size=12,
)


@given(Steps)
def test_undo_leads_back_to_the_beginning_and_redo_to_the_end(
    qapp: object, steps: list[tuple[str, object]]
) -> None:
    book = MaskBook()
    book.set_frame(SMALL)
    first = book.mask
    for kind, value in steps:
        book.begin_gesture()
        if kind == "paint":
            row, column, hide = value  # type: ignore[misc]
            book.draw([(row, column)], hide)
            book.end_stroke()
        elif kind == "invert":
            book.invert()
        elif kind == "clear":
            book.clear_strokes()
        else:
            book.change(kind, **{kind: value})
    last = book.mask
    while book.stack.canUndo():
        book.stack.undo()
    assert book.mask == first
    while book.stack.canRedo():
        book.stack.redo()
    assert book.mask == last


@pytest.mark.parametrize("by", ["model", "unit"])
def test_a_stroke_in_the_making_does_not_outlive_its_cells(qapp: object, by: str) -> None:
    book = MaskBook()
    book.set_frame(LARGE)
    book.change("", ratio=0.0)
    book.draw([(11, 11)], True)
    if by == "model":
        book.set_frame(SMALL)
    else:
        book.change("cells of 32 px", unit=32)
    book.end_stroke()
    book.draw([(0, 0)], True)
    book.end_stroke()
    assert hidden(book)[0, 0]
