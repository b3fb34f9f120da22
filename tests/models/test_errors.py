"""Errors read as sentences and survive a trip through pickle (as between processes)."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import CheckpointError, ImageError, ModelError, UserError, WrongModelError


def test_the_three_parts_become_sentences() -> None:
    error = UserError("The photo is gone", "Its drive was removed.", "Plug it in again")
    assert str(error) == "The photo is gone. Its drive was removed. Plug it in again."


def test_parts_left_out_leave_no_trace() -> None:
    assert str(UserError("Really?")) == "Really?"
    assert str(UserError("No", cure="Try again")) == "No. Try again."


@given(st.text(), st.text(), st.text())
def test_pickling_keeps_everything(title: str, cause: str, cure: str) -> None:
    for error in (CheckpointError(title, cause, cure), ImageError(title, cause, cure, kind="truncated")):
        copy = pickle.loads(pickle.dumps(error))
        assert type(copy) is type(error)
        assert (copy.title, copy.cause, copy.cure, str(copy)) == (title, cause, cure, str(error))
    assert copy.kind == "truncated"


def test_a_kind_of_image_problem_is_one_of_the_known() -> None:
    with pytest.raises(ValueError, match="sideways"):
        ImageError("No", kind="sideways")  # type: ignore[arg-type]


def test_both_ways_of_being_the_wrong_file_are_model_errors() -> None:
    assert issubclass(CheckpointError, ModelError)
    assert issubclass(WrongModelError, ModelError)
