"""The open photos as values: searching, filtering, ordering, and answers that lag behind."""

import os

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from desktop_app.photo_list import Answers, Mark, PhotoList, View


def _list(*names: str) -> PhotoList:
    photos = PhotoList()
    photos.extend(os.path.join(os.sep, "trip", name) for name in names)
    return photos


def test_a_photo_is_listed_once() -> None:
    photos = _list("a.jpg", "b.jpg")
    assert photos.extend([photos[0], "/trip/c.jpg"]) == 1
    assert list(photos) == ["/trip/a.jpg", "/trip/b.jpg", "/trip/c.jpg"]
    assert photos.index("/trip/c.jpg") == 2
    assert photos.index("/trip/d.jpg") == -1


def test_the_search_looks_below_the_common_folder_whatever_the_case() -> None:
    photos = _list("Sea/Trip one.JPG", "Sea/two.jpg", "hills/three.jpg")
    assert photos.root() == "/trip"
    found = {
        text: View(text=text).indices(photos).tolist() for text in ("trip", "SEA", "sea/t", "hills", "four")
    }
    assert found == {"trip": [0], "SEA": [0, 1], "sea/t": [0, 1], "hills": [2], "four": []}


@given(
    st.lists(st.text("ab/", min_size=1, max_size=4), unique=True, max_size=8),
    st.text("ab/", min_size=1, max_size=3),
)
def test_the_quick_search_finds_what_the_plain_one_finds(names: list[str], wanted: str) -> None:
    photos = PhotoList()
    photos.extend("/b/" + name for name in names)
    root = photos.root()
    plain = [wanted in path[len(root) :] for path in photos]
    assert photos.containing(wanted).tolist() == plain


def test_filter_and_order_hold_for_photos_that_come_later() -> None:
    photos = _list("a.jpg", "b.jpg", "c.jpg")
    view = View(keep=np.array([True, False, True]), order=np.array([2, 1, 0], np.int32))
    assert view.narrowed
    assert view.indices(photos).tolist() == [2, 0]
    photos.extend(["/trip/d.jpg"])
    assert view.indices(photos).tolist() == [2, 0, 3]


def test_answers_of_photos_that_have_none() -> None:
    answers = Answers(
        ("cat",),
        np.array([0, -1], np.int32),
        np.array([0.5, 0.0], np.float32),
        np.array([Mark.LABEL, Mark.UNKNOWN], np.uint8),
    )
    assert answers.of(0) == ("cat", 0.5, Mark.LABEL)
    assert answers.of(1) == ("", 0.0, Mark.UNKNOWN)
    assert answers.of(2) == ("", 0.0, Mark.NONE)
