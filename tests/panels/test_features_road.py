"""The road from ResNet to ConvNeXt in the panel, and what the studio computes beside the GUI thread."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from desktop_app.panels import features_road, features_steps
from desktop_app.panels.features_road import FeaturesRoad
from desktop_app.panels.features_steps import Drawn
from desktop_app.panels.features_studio import Studio
from desktop_app.panels.features_work import ROAD
from desktop_app.widgets.feature_block import Mark
from models.bundle import write_bundle
from models.families.clip import CLIP, CLIPConfig, TextConfig
from models.families.convnext_steps import STEPS, Step, cost, drawing
from models.families.convnext_trunk import TrunkConfig
from models.images import read
from models.runtime import Model, open_model
from models.spec import Preprocess
from models.tasks.explain import Method
from models.tasks.road import RoadStep, road
from models.tasks.view import look
from tests.features_robot import FeaturesRobot, remember
from tests.photo_folder import write_photos
from tests.tiny_models import byte_tokenizer, write_tiny_clip, write_tiny_convnext


@pytest.fixture
def app(tmp_path: Path, qapp: object) -> Iterator[FeaturesRobot]:
    write_tiny_convnext(tmp_path / "models" / "convnext")
    remember(tmp_path / "models" / "convnext", "")
    write_photos(tmp_path / "pictures", 1, side=64)
    robot = FeaturesRobot(tmp_path / "pictures")
    yield robot
    robot.close()


def cell(page: FeaturesRoad, row: int, column: int) -> str:
    """What a cell of the table says."""
    item = page.table.item(row, column)
    assert item is not None
    return item.text()


def short_road(device: str) -> Iterator[RoadStep]:
    """The real measuring, of small pictures and the first steps alone."""
    yield from road(STEPS[:2], side=32, repeats=1, device=device)


def test_the_papers_figures_stand_there_and_the_button_adds_those_of_this_computer(
    app: FeaturesRobot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(features_road, "_measure", short_road)
    app.wait_walked()
    page = app.features.work.road
    app.open_tab(ROAD)
    assert page.table.rowCount() == len(STEPS)
    assert cell(page, 0, 1) == "76.1%"
    assert cell(page, len(STEPS) - 1, 1) == "82.0%"
    assert [accuracy for _, accuracy in page.plot.points] == [step.accuracy for step in STEPS]
    assert (cell(page, 0, 2), cell(page, 0, 3)) == ("25.6 M", "4.09 G")
    assert cell(page, len(STEPS) - 1, 2) == "28.6 M"
    assert not page.measured  # nothing is timed unasked
    assert cell(page, 0, 4) == "–"
    page.run_button.click()
    app.wait_until(lambda: not page.running, "the measuring never ended", 90)
    assert set(page.measured) == {step.key for step in STEPS[:2]}
    assert cell(page, 0, 4).endswith("ms")
    assert cell(page, 0, 4) == cell(page, 1, 4)  # the same network, trained otherwise
    assert cell(page, 2, 4) == "–"


def whole_road(device: str) -> Iterator[RoadStep]:
    """The real measuring of every step, of small pictures."""
    yield from road(side=32, repeats=1, device=device)


def test_all_steps_are_drawn_over_what_they_cost_and_over_time(
    app: FeaturesRobot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(features_road, "_measure", whole_road)
    app.wait_walked()
    page = app.features.work.road
    app.open_tab(ROAD)
    accuracy = [step.accuracy for step in STEPS]
    page.across.setCurrentIndex(1)
    assert page.plot.points == tuple((cost(step).macs / 1e9, step.accuracy) for step in STEPS)
    assert not page.across.model().item(2).isEnabled()
    page.run_button.click()
    app.wait_until(lambda: not page.running, "the measuring never ended", 120)
    assert page.across.model().item(2).isEnabled()
    page.across.setCurrentIndex(2)
    assert [y for _, y in page.plot.points] == accuracy
    assert [x for x, _ in page.plot.points] == [page.measured[step.key].milliseconds for step in STEPS]
    assert all(cell(page, row, 4).endswith(" ms") for row in range(len(STEPS)))


def test_a_step_chosen_by_keys_or_in_the_plot_shows_what_changed(app: FeaturesRobot) -> None:
    app.wait_walked()
    page = app.features.work.road
    app.open_tab(ROAD)
    keys = [step.key for step in STEPS]
    page.plot.chosen.emit(keys.index("kernel"))
    assert [row.words for row in page.now.rows if row.mark is Mark.NEW] == ["7×7 depthwise"]
    assert page.before.isVisible()
    app.press("Up", page.table)
    assert "Depthwise first" in page.title.text()
    page.choose(keys.index("stages"))
    assert not page.before.isVisible()  # the block is what it was
    assert "3 · 3 · 9 · 3</span>" in page.facts.text()


def test_an_arrow_at_the_end_of_the_table_does_not_move_the_page(app: FeaturesRobot) -> None:
    page = app.features.work.road
    app.open_tab(ROAD)
    app.window.resize(1024, 640)
    app.qt.processEvents()
    page.verticalScrollBar().setValue(1)
    assert page.verticalScrollBar().maximum() > 1
    page.choose(len(page.steps) - 1)
    app.press("Down", page.table)
    assert page.verticalScrollBar().value() == 1


def test_the_keys_of_the_other_ways_to_look_lead_out_of_the_table(app: FeaturesRobot) -> None:
    app.wait_walked()
    app.open_tab(ROAD)
    app.wait_until(lambda: app.features.work.road.steps)
    app.features.work.road.table.setFocus()
    app.press("2")
    assert app.features.work.tabs.currentIndex() == 1


def drawn(step: Step) -> Drawn:
    """As the panel reads it."""
    return Drawn(step, drawing(step), cost(step))


def test_every_step_changes_something_that_is_said() -> None:
    for before, now in pairwise(STEPS[1:]):
        old, new = drawn(before), drawn(now)
        gone, come = features_steps.rows(old, new, Mark.GONE), features_steps.rows(new, old, Mark.NEW)
        facts = features_steps.facts(before.recipe, now.recipe, "red")
        assert any(row.mark is not Mark.NONE for row in (*gone, *come)) or "red" in facts, now.key
        assert (len(gone), len(come)) == (len(old.ops) + 1, len(new.ops) + 1)


def test_what_goes_is_crossed_out_where_it_was() -> None:
    before, now = map(drawn, STEPS[9:11])
    assert now.step.key == "one_activation"
    gone = [row.words for row in features_steps.rows(before, now, Mark.GONE) if row.mark is Mark.GONE]
    assert gone == ["GELU", "GELU"]
    assert not [row for row in features_steps.rows(now, before, Mark.NEW)[:-1] if row.mark is Mark.NEW]


def opened(folder: Path) -> Model:
    return open_model(str(folder), device="cpu", precision="float32", engine="torch")


def test_words_are_explained_on_towers_of_both_kinds(tmp_path: Path) -> None:
    tokenizer, size = byte_tokenizer()
    config = CLIPConfig(
        TextConfig(
            vocab_size=size, width=32, hidden=64, depth=1, heads=2, bos=size - 2, eos=size - 1, pad=size - 1
        ),
        TrunkConfig(hidden_sizes=(8, 16), depths=(1, 1), image_size=32, layer_scale_init_value=0.5),
        embed_dim=24,
    )
    write_bundle(
        tmp_path / "convnext",
        CLIP(config),
        config.to_hf(),
        Preprocess(32, (32, 32)),
        tokenizer,
        "",
        "float32",
    )
    write_tiny_clip(tmp_path / "vit")
    photo = read(write_photos(tmp_path / "pictures", 1, side=80)[0])
    studio = Studio()
    for kind, layer in (("convnext", "stage1.block0"), ("vit", "block1")):
        answer = studio.explain_text(
            opened(tmp_path / kind), photo, "a cup", "stage1.block0", Method.GRAD_CAM
        )
        assert answer.found.layer == layer
        assert np.isfinite(answer.found.values).all()
        assert answer.picture.shape[0] == 60  # cut out of the photo, not the 32 px that the tower read
    last = studio.explain_text(opened(tmp_path / "convnext"), photo, "a cup", "stage1.block0", Method.CAM)
    assert last.found.layer == "stage2.block0"
    elsewhere = studio.explain_text(
        opened(tmp_path / "convnext"), photo, "a cup", "stage9.x", Method.GRAD_CAM
    )
    assert elsewhere.found.layer == "stage2.block0"


def test_the_fine_picture_is_the_part_of_the_photo_that_the_network_saw(tmp_path: Path) -> None:
    photo = read(write_photos(tmp_path, 1, side=96)[0])
    view = look(photo.rgb, Preprocess(32, (32, 32)))
    found = view.cut(photo.rgb)
    left, _, right, _ = (round(share * 96) for share in view.box)
    assert found.shape[0] == 72
    assert np.array_equal(found, photo.rgb[:, left:right])
    large = look(photo.rgb, Preprocess(128, (128, 128)))
    assert large.cut(photo.rgb) is large.picture
