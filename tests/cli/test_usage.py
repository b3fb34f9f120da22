"""What happens before any work: help, wrong usage, no display, errors in words. None of it loads Qt or torch."""

import importlib.metadata
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from desktop_app import cli, cli_info, paths, version
from models.errors import ModelError
from tests.cli.conftest import Pinhole
from tests.tiny_models import write_tiny_clip, write_tiny_convnext, write_tiny_mae

HEAVY = ("PySide6", "torch", "onnxruntime", "transformers", "pyqtgraph")


def run_outside(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`pinhole` in a process of its own; the last line of stdout names the heavy modules it loaded."""
    code = (
        "import sys\nfrom desktop_app.cli import main\n"
        "try:\n    code = main()\nexcept SystemExit as end:\n    code = end.code or 0\n"
        f"print('loaded:', *[name for name in {HEAVY!r} if name in sys.modules])\nsys.exit(code)"
    )
    env = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}
    env = {
        **env,
        "PYTHONPATH": str(Path(cli.__file__).parent.parent),
        "QT_QPA_PLATFORM": "xcb",
        **environment,
    }
    return subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, env=env, check=False
    )


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--help"], 0),
        (["label", "--help"], 0),
        (["--version"], 0),
        (["label"], 2),
        (["models"], None),
        ([], 2),
    ],
    ids=["help", "label-help", "version", "label", "models", "window"],
)
def test_light_commands_load_neither_qt_nor_torch(words: list[str], code: int | None) -> None:
    done = run_outside(*words)
    assert done.stdout.splitlines()[-1] == "loaded:"
    assert code is None or done.returncode == code
    assert "Traceback" not in done.stderr


def test_without_a_display_the_command_line_is_offered() -> None:
    done = run_outside()
    assert done.returncode == 2
    assert "There is no display here" in done.stderr
    assert "pinhole label --help" in done.stderr


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["label", "x"], "one of the arguments --labels --labels-file"),
        (["label", "x", "--labels", "a", "--labels-file", "f"], "not allowed with argument"),
        (["label", "x", "--labels", "a", "--top-k", "0"], "not a positive number"),
        (["label", "x", "--labels", "a", "--min-margin", "2"], "not between 0 and 1"),
        (["label", "x", "--labels", "a", "--min-known", "-1"], "not between 0 and 1"),
        (["label", "x", "--labels", "a", "--min-known", "half"], "“half” is not a number"),
        (["label", "x", "--labels", "a", "--top-k", "1.5"], "“1.5” is not a whole number"),
        (["mask", "x.jpg", "--seed", "x"], "“x” is not a whole number"),
        (["models", "--models", "nowhere"], "no folder nowhere"),
        (["label", "x", "--labels", "a", "--device", "tpu"], "invalid choice"),
        (["evaluate"], "required: PATH"),
        (["label", "", "--labels", "a"], "argument PATH: it is empty"),
        (["label", "x", "--labels", "a", "--csv", ""], "argument --csv: it is empty"),
        (["label", "x", "--labels", "a", "--model", ""], "argument --model: it is empty"),
        (["mask", "x", "--out", ""], "argument --out: it is empty"),
        (["evaluate", ""], "argument PATH: it is empty"),
        (["--frobnicate"], "unknown option --frobnicate"),
        (["lable", "x"], "did you mean “pinhole label”?"),
        (["no-such-folder"], "there is no photo or folder called “no-such-folder”"),
    ],
)
def test_wrong_usage_is_told_with_exit_code_2(pinhole: Pinhole, words: list[str], sentence: str) -> None:
    said = pinhole(*words)
    assert said.code == 2
    assert sentence in said.err
    assert said.out == ""


def test_the_window_opens_on_the_paths_that_were_given(
    pinhole: Pinhole, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from desktop_app import __main__ as window

    opened: list[list[str]] = []
    monkeypatch.setattr(window, "main", lambda words: opened.append(words) or 0)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "label").mkdir()
    (tmp_path / "-odd").mkdir()
    assert pinhole("./label", tmp_path).code == 0
    assert pinhole("--", "-odd").code == 0
    assert pinhole().code == 0
    assert opened == [[str(tmp_path / "label"), str(tmp_path)], [str(tmp_path / "-odd")], []]


def test_python_m_desktop_app_takes_the_same_words() -> None:
    env = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}
    env |= {"PYTHONPATH": str(Path(cli.__file__).parent.parent), "QT_QPA_PLATFORM": "xcb"}
    for words, code, sentence in (([], 2, "There is no display here"), (["models", "--json"], None, '"id"')):
        command = [sys.executable, "-m", "desktop_app", *words]
        done = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
        assert sentence in done.stdout + done.stderr
        assert code is None or done.returncode == code


def test_the_version(pinhole: Pinhole) -> None:
    declared = tomllib.loads((Path(cli.__file__).parent.parent / "pyproject.toml").read_text())["project"][
        "version"
    ]
    assert pinhole("--version").out == f"Pinhole {declared}\n"


@pytest.mark.parametrize("text", [None, "[project]\nname = 'another'\nversion = '9'\n", "[broken"])
def test_without_our_own_pyproject_the_installed_version_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None
) -> None:
    file = tmp_path / "pyproject.toml"
    if text is not None:
        file.write_text(text)
    monkeypatch.setattr(version, "_DECLARED", file)
    monkeypatch.setattr(importlib.metadata, "version", lambda name: f"{name} 3.2.1")
    assert version.version.__wrapped__() == "pinhole 3.2.1"


def test_an_error_has_title_cause_and_cure_on_lines_of_their_own(
    pinhole: Pinhole, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> int:
        raise ModelError("The model is ill", "It coughs\x1b[2J", "Let it rest")

    monkeypatch.setattr(cli_info, "scan", fail)
    said = pinhole("models")
    assert (said.code, said.err) == (2, "pinhole: The model is ill\n  It coughs\\x1b[2J\n  Let it rest\n")
    monkeypatch.setenv("PINHOLE_DEBUG", "1")
    assert "Traceback" in pinhole("models").err


def test_a_fault_of_the_program_is_one_sentence(pinhole: Pinhole, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli_info, "scan", lambda *_: 1 / 0)
    said = pinhole("models")
    assert said.code == 70
    assert "ZeroDivisionError" in said.err
    assert "Traceback" not in said.err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no disk that is always full")
def test_a_full_disk_behind_the_output_is_no_fault_of_the_program() -> None:
    with open("/dev/full", "w") as full:
        done = run_in_shell(["models"], stdout=full)
    assert done.returncode == 2
    assert "pinhole: The output cannot be written\n  No space left on device\n" in done.stderr
    assert "report" not in done.stderr
    assert "Exception ignored" not in done.stderr


def test_a_file_that_the_system_refuses_is_no_fault_of_the_program(
    pinhole: Pinhole, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied", "locked")

    monkeypatch.setattr(cli_info, "scan", refuse)
    assert pinhole("models").err == "pinhole: locked cannot be used\n  Permission denied\n"


@pytest.mark.skipif(sys.platform == "win32", reason="no shell there closes streams")
def test_without_standard_error_nothing_of_it_comes_among_the_output() -> None:
    done = run_in_shell(["models"], "2>&-")
    assert done.stdout.startswith("ID ")
    assert done.returncode == 0
    paths.settings_file().write_text("{")
    assert run_in_shell(["models"], "2>&-").stdout == done.stdout


def run_in_shell(words: list[str], streams: str = "", **options: Any) -> subprocess.CompletedProcess[str]:
    """`pinhole` in a process of its own, with streams as a shell writes them."""
    environment = {**os.environ, "PYTHONPATH": str(Path(cli.__file__).parent.parent)}
    line = f'exec "$0" -m desktop_app.cli "$@" {streams}'
    options = {"stdout": subprocess.PIPE, **options}
    command = ["sh", "-c", line, sys.executable, *words]
    return subprocess.run(command, stderr=subprocess.PIPE, text=True, env=environment, check=False, **options)


@pytest.mark.parametrize("module", ["desktop_app.cli_label", "desktop_app.settings_store", "models.registry"])
def test_ctrl_c_while_the_program_is_loading(module: str) -> None:
    """Whatever the command line imports before it works is imported where a Ctrl-C is answered in words."""
    code = (
        "import importlib.abc, sys\n"
        "class Stop(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path, target=None):\n"
        f"        if name == {module!r}:\n            raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Stop())\n"
        "from desktop_app.cli import main\nsys.exit(main(['models']))"
    )
    env = {**os.environ, "PYTHONPATH": str(Path(cli.__file__).parent.parent)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=False)
    assert (done.returncode, done.stderr) == (130, "\nInterrupted.\n")


def test_ctrl_c_before_the_work_begins(pinhole: Pinhole, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli_info, "scan", stop)
    assert pinhole("models").code == 130


def test_opening_a_model_does_not_import_the_compiler(tmp_path: Path) -> None:
    """torch._dynamo takes longer to import than everything else before the first answer together."""
    for write in (write_tiny_clip, write_tiny_mae, write_tiny_convnext):
        write(tmp_path / write.__name__)
    code = (
        "import sys\nfrom pathlib import Path\nfrom models.bundle import read_spec\nfrom models.registry import build\n"
        "for folder in sorted(Path(sys.argv[1]).iterdir()):\n    build(read_spec(folder))\n"
        "print([name for name in ('torch._dynamo', 'sympy') if name in sys.modules])"
    )
    env = {**os.environ, "PYTHONPATH": str(Path(cli.__file__).parent.parent)}
    command = [sys.executable, "-c", code, str(tmp_path)]
    assert subprocess.run(command, capture_output=True, text=True, env=env, check=True).stdout.strip() == "[]"
