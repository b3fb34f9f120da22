"""Several photos chosen in the grid: which keys let go of them, and what says how many there are."""

from __future__ import annotations

import pytest

from tests.label_robot import LabelRobot


@pytest.mark.parametrize("key", ["Home", "Left", "Up", "Esc", "A", "U"])
def test_a_key_that_leads_nowhere_leaves_one_photo_chosen(app: LabelRobot, key: str) -> None:
    app.session.select(0)
    app.grid.setFocus()
    app.press("Ctrl+A")
    assert len(app.grid.selected_photos()) == 16
    app.press(key)
    assert app.grid.selected_photos() == [0]
    app.press("Return")
    assert list(app.decisions().values()).count("CONFIRMED") == 1


@pytest.mark.parametrize("key", ["D", "Space"])
def test_the_next_photo_after_the_last_leaves_one_photo_chosen(app: LabelRobot, key: str) -> None:
    app.session.select(15)
    app.grid.setFocus()
    app.press("Ctrl+A")
    app.press(key)
    assert app.grid.selected_photos() == [15]


def test_escape_lets_go_of_the_chosen_photos_before_the_filter(app: LabelRobot) -> None:
    app.session.search("cat")
    app.grid.setFocus()
    app.press("Ctrl+A")
    app.press("Esc")
    assert (len(app.grid.selected_photos()), app.session.view.text) == (1, "cat")
    app.press("Esc")
    assert len(app.session.shown) == 16


def test_of_several_photos_buttons_and_status_bar_say_how_many(app: LabelRobot) -> None:
    look = app.label.look
    app.session.select(0)
    app.wait_idle()
    app.grid.setFocus()
    assert (look.accept.words, look.reject.words) == ("Accept", "Reject")
    app.press("Ctrl+A")
    assert (look.accept.words, look.reject.words) == ("Accept 16", "Reject 16")
    app.label.do_zoom()
    assert look.accept.words == "Accept", "the large photo is the one that the buttons are about"
    app.label.back()
    app.press("Ctrl+A")
    last = look.scores.shown[-1][0]
    look.scores.chosen.emit(last)
    assert look.accept.words == f"All 16 are “{last}”"
    app.click(look.accept)
    assert f"Done: confirm “{last}”, 16 photos" in app.status()
    app.press("Home")
    assert (look.accept.words, look.accept.isEnabled()) == ("Accept", False), "it is confirmed as that"
