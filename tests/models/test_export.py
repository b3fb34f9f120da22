"""The CSV other programs read, and the truth tables people write: proven with the csv module and with awkward names."""

import csv
import errno
import io
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import DataError
from models.tasks import export
from models.tasks.export import Answer, CsvOptions, Row

ANSWERS = (
    Answer("cat", 0.7, 0.31),
    Answer("dog", 0.2, 0.25),
    Answer("fox", 0.1, 0.2),
    Answer("owl", 0.0, 0.1),
)
ROW = Row(
    path="/photos/a/cat.jpg", label="cat", probability=0.7, margin=0.5, decision="label", answers=ANSWERS,
    source="model", model="pinhole-clip", prompt_set="photo", width=640, height=480, sha256="ab" * 32,
)  # fmt: skip
BROKEN = Row(path="/photos/b.jpg", error="The file is empty.")


def parsed(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream, strict=True))


def test_columns_come_in_the_promised_order(tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    assert export.write_csv([ROW, BROKEN], out) == 2
    head, first, second, end = out.read_bytes().split(b"\r\n")
    assert head == (
        b"path,label,probability,margin,decision,label_2,probability_2,label_3,probability_3,"
        b"source,model,prompt_set,width,height,sha256,error"
    )
    assert first.startswith(
        b"/photos/a/cat.jpg,cat,0.7,0.5,label,dog,0.2,fox,0.1,model,pinhole-clip,photo,640,480,"
    )
    assert second == b"/photos/b.jpg,,,,,,,,,,,,,,,The file is empty."
    assert end == b""


def test_long_form_is_photo_times_label_with_top_k(tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    assert export.write_csv([ROW, BROKEN], out, CsvOptions(long=True)) == 5
    rows = parsed(out)
    assert [(r["rank"], r["label"], r["cosine"]) for r in rows[:4]] == [
        ("1", "cat", "0.31"), ("2", "dog", "0.25"), ("3", "fox", "0.2"), ("4", "owl", "0.1"),
    ]  # fmt: skip
    assert rows[4]["error"] == "The file is empty."
    assert export.write_csv([ROW], out, CsvOptions(long=True, top_k=2)) == 2


def test_relative_paths_have_forward_slashes_and_strangers_stay_absolute(tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    export.write_csv([ROW, Row(path="/elsewhere/x.jpg")], out, CsvOptions(base=Path("/photos")))
    assert [r["path"] for r in parsed(out)] == ["a/cat.jpg", "/elsewhere/x.jpg"]


def test_paths_start_at_what_the_folders_have_in_common_but_not_at_the_root_of_a_drive(
    tmp_path: Path,
) -> None:
    assert export.common_base([tmp_path / "a", tmp_path / "b" / "c"]) == tmp_path
    assert export.common_base([tmp_path]) == tmp_path
    for folders in ([tmp_path, tmp_path.anchor], [tmp_path.anchor], [""], ["C:/a", tmp_path]):
        assert export.common_base(folders) is None


def test_the_mark_for_excel_is_there_only_when_asked(tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    export.write_csv([ROW], out)
    assert not out.read_bytes().startswith(b"\xef\xbb\xbf")
    export.write_csv([ROW], out, CsvOptions(bom=True))
    assert out.read_bytes().startswith(b"\xef\xbb\xbfpath,")


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+cmd|' /C calc'!A0",
        "-2+3",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "\n=1",
        "＝1+1",
        "'=1",
        "  =1",
        "-a.jpg",
    ],
)
def test_cells_a_spreadsheet_would_run_are_neutralised(text: str) -> None:
    assert export.neutralise(text) == "'" + text
    assert export.denature(export.neutralise(text)) == text


@pytest.mark.parametrize("text", ["-5", "+1.5e3", "cat", "a=b", "it's", "'quoted'", "", "3 - 1"])
def test_numbers_and_plain_text_stay_as_they_are(text: str) -> None:
    assert export.neutralise(text) == text


def test_a_semicolon_cannot_smuggle_a_formula_into_a_second_cell(tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    export.write_csv([Row(path="x;=1+1.jpg", label='a"b')], out)
    assert out.read_bytes().split(b"\r\n")[1].startswith(b'"x;=1+1.jpg","a""b",')


@given(st.binary(min_size=1, max_size=40).filter(lambda b: b"\0" not in b and b"/" not in b))
def test_every_file_name_survives_the_round_trip(name: bytes) -> None:
    text = os.fsdecode(name)
    written = export.neutralise(export.escape_name(text))
    assert export.unescape_name(export.denature(written)) == text
    written.encode("utf-8")


def test_an_export_is_read_as_truth_with_what_nobody_labelled_passed_over(tmp_path: Path) -> None:
    rows = [
        Row(path="a.jpg", label="cat", decision="label", source="model"),
        Row(path="b.jpg", label="dog", decision="label", source="person"),
        Row(path="rejected.jpg", decision="unsure", source="person"),
        Row(path="broken.jpg", error="It is empty"),
    ]
    export.write_csv(rows, tmp_path / "out.csv", CsvOptions())
    truths = export.read_truth(tmp_path / "out.csv")
    assert [(one.path.name, one.label, one.machine) for one in truths] == [
        ("a.jpg", "cat", True),
        ("b.jpg", "dog", False),
    ]
    (tmp_path / "own.csv").write_text("path,label\na.jpg,cat\nb.jpg,\n")
    with pytest.raises(DataError, match=r"Line 3 of own\.csv"):
        export.read_truth(tmp_path / "own.csv")


def test_names_with_newlines_bytes_and_quotes_come_back_through_a_file(tmp_path: Path) -> None:
    names = [
        "two\nlines.jpg",
        "two\r\nlines.jpg",
        os.fsdecode(b"caf\xe9.jpg"),
        "\\xe9.jpg",
        ' "q", ; .jpg',
        "=x.jpg",
        "猫.jpg",
    ]
    out = tmp_path / "truth.csv"
    export.write_csv(
        [Row(path=str(tmp_path / n), label="=odd") for n in names], out, CsvOptions(base=tmp_path)
    )
    assert b"\\xe9" in out.read_bytes()
    truths = export.read_truth(out)
    assert [t.path for t in truths] == [tmp_path / n for n in names]
    assert {t.label for t in truths} == {"=odd"}


def test_preview_shows_the_first_cells_without_writing() -> None:
    shown = export.preview((ROW for _ in range(1000)), 3)
    assert shown.columns == export.COLUMNS
    assert len(shown.cells) == 3
    assert shown.cells[0][:3] == ("/photos/a/cat.jpg", "cat", "0.7")


class TestAtomicWrite:
    def test_a_row_that_fails_leaves_the_old_file(self, tmp_path: Path) -> None:
        out = tmp_path / "out.csv"
        out.write_text("old")

        def rows():  # type: ignore[no-untyped-def]
            yield ROW
            raise RuntimeError("the catalogue went away")

        with pytest.raises(RuntimeError, match="went away"):
            export.write_csv(rows(), out)
        assert out.read_text() == "old"
        assert list(tmp_path.iterdir()) == [out]

    def test_a_full_disk_is_told_in_words(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(_: int) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        out = tmp_path / "out.csv"
        with pytest.raises(DataError, match=r"No space left.*Free some space"):
            export.write_csv([ROW], out)
        assert list(tmp_path.iterdir()) == []

    def test_a_missing_folder_and_a_folder_instead_of_a_file(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="Make the folder first"):
            export.write_csv([ROW], tmp_path / "none" / "out.csv")
        with pytest.raises(DataError, match="file name"):
            export.write_csv([ROW], tmp_path)
        (tmp_path / "file").write_text("in the way")
        with pytest.raises(DataError, match="could not be written"):
            export.write_csv([ROW], tmp_path / "file" / "out.csv")

    def test_permissions_and_links_are_kept(self, tmp_path: Path) -> None:
        real, link = tmp_path / "real.csv", tmp_path / "link.csv"
        real.write_text("old")
        real.chmod(0o640)
        link.symlink_to(real)
        export.write_csv([ROW], link)
        assert link.is_symlink()
        assert real.read_text().startswith("path,")
        assert stat.S_IMODE(real.stat().st_mode) == 0o640

    def test_a_device_is_written_directly(self) -> None:
        export.write_csv([ROW], Path(os.devnull))
        assert stat.S_ISCHR(os.stat(os.devnull).st_mode)


class TestReadTruth:
    @pytest.mark.parametrize(
        "text",
        [
            "path,label\na.jpg,cat\nb.jpg,dog\n",
            "\ufeffpath,label\r\na.jpg,cat\r\nb.jpg,dog",
            "Label;Size;File\ncat;1,5;a.jpg\n\ndog;2;b.jpg\n",
            "image\tclass\na.jpg\tcat\nb.jpg\tdog\n",
            "a.jpg,cat\nb.jpg,dog\n",
            '"path","label","error"\n"a.jpg","cat",""\nb.jpg,dog,\nc.jpg,,cannot be read\n',
        ],
    )
    def test_dialects(self, tmp_path: Path, text: str) -> None:
        table = tmp_path / "truth.csv"
        for data in (text.encode("utf-8"), text.lstrip("\ufeff").encode("utf-16")):
            table.write_bytes(data)
            got = export.read_truth(table, Path("/photos"))
            assert [(t.path, t.label) for t in got] == [
                (Path("/photos/a.jpg"), "cat"),
                (Path("/photos/b.jpg"), "dog"),
            ]

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            (b"path,label\na.jpg,cat\nb.jpg\n", r"Line 3 of truth.csv.*1 cell"),
            (b"path,label\na.jpg,\n", r"Line 2 .*label is empty"),
            (b"path,label\n,cat\n", r"Line 2 .*path is empty"),
            (b"name,size,label\nx,1,cat\n", r"Line 1 .*no column “path”"),
            (b'path,label\n"two\nlines.jpg",cat\n"open,cat\n', r"Line 4 .*quotation mark"),
            (b"path,label\ncaf\xe9.jpg,cat\n", r"Line 2 .*UTF-8"),
            (b"path,label\na\0.jpg,cat\n", r"Line 2 .*zero byte"),
            (b"path,label\na.jpg,cat\na.jpg,dog\n", r"Line 3 .*“cat” on line 2"),
            (b"path,label\n", r"nothing to compare"),
            (b"", r"nothing to compare"),
        ],
    )
    def test_what_is_wrong_is_named_with_its_line(self, tmp_path: Path, text: bytes, words: str) -> None:
        table = tmp_path / "truth.csv"
        table.write_bytes(text)
        with pytest.raises(DataError, match=words) as caught:
            export.read_truth(table)
        assert caught.value.cure

    def test_a_missing_table(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="could not be read"):
            export.read_truth(tmp_path / "none.csv")

    @given(st.text(max_size=200))
    def test_any_text_is_read_or_refused_in_words(self, text: str) -> None:
        # What matters is that no other exception than DataError, with a cure, ever leaves the parser.
        outcome: list[str] = []
        try:
            outcome = [t.label for t in export._parse_truth(text.replace("\0", ""), "t.csv", Path("/p"))]
        except DataError as error:
            outcome = [error.cure]
        assert all(outcome)


def test_own_exports_are_truth_tables_as_they_are() -> None:
    text = "".join(export.lines([ROW, BROKEN], CsvOptions(bom=False)))
    assert next(csv.reader(io.StringIO(text)))[0] == "path"
    assert [t.label for t in export._parse_truth(text, "own.csv", Path("/"))] == ["cat"]
