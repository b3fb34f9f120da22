"""The next day begins at the photo where the last one ended."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.conftest import Start


def test_the_photo_that_was_in_focus_is_so_again_and_one_that_is_gone_gives_way(
    start: Start, photos: Path
) -> None:
    app = start()
    app.open_folder(photos)
    app.wait_for_photos(5)
    app.session.select(3)
    path = app.session.current_path
    app.wait_idle()
    app.close()

    app = start()
    app.wait_for_photos(5)
    app.wait_until(lambda: app.session.current >= 0, "no photo came into focus")
    assert app.session.current_path == path
    app.wait_idle()
    app.close()

    Path(path).unlink()
    app = start()
    app.wait_for_photos(4)
    app.wait_until(lambda: app.session.current >= 0, "no photo came into focus")
    assert app.session.current == 0
