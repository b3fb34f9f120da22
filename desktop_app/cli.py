"""The command line: the same work as the window, headless. No Qt in here; torch only when a model is really needed.

Exit codes: 0 all well; 1 some photos could not be read (or the doctor found something broken); 2 wrong usage or an
error told in words; 70 a fault of the program itself; 130 interrupted, with progress kept.
"""

import argparse
import contextlib
import errno
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

# What takes long to import comes inside of main, which has words for a Ctrl-C.
from desktop_app.cli_progress import printable
from models.errors import UserError

OK, SOME_FAILED, WRONG, FAULT, INTERRUPTED = 0, 1, 2, 70, 130
_EPILOG = """\
examples:
  pinhole                                     open the window
  pinhole ~/Pictures                          open it on a folder
  pinhole label ~/Pictures --labels cat,dog --csv labels.csv
  pinhole evaluate sorted_photos              how often the labels are right
  pinhole models add ViT-B-32.pt              take a published model into your own
  pinhole doctor                              what works on this machine

A folder that is called like a command is opened as ./label.
"""


def build_parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    from desktop_app import cli_explore, cli_info, cli_label
    from desktop_app.version import version

    parser = argparse.ArgumentParser(
        prog="pinhole",
        usage="pinhole [PATH ...]  or  pinhole COMMAND ...",
        description="Three ways of seeing on your own photos, on your own computer. Nothing is sent anywhere.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"Pinhole {version()}")
    # Without a prog of their own the usage of every command would begin with both forms of ours.
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands", prog="pinhole")
    for module in (cli_label, cli_explore, cli_info):
        module.add_commands(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; every failure is told in words."""
    words = list(sys.argv[1:] if argv is None else argv)
    _write_anything()
    try:
        code = _dispatch(words)
        if sys.stdout is not None:
            sys.stdout.flush()  # a full disk behind it is told here, while there are words for it
        return code
    except UserError as error:
        return _tell(error)
    except KeyboardInterrupt:
        print("\nInterrupted.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        _give_up_output()  # the reader (head, less) has gone
        return OK
    except Exception as error:  # noqa: BLE001 - the last resort: a sentence, and the details where they were asked for
        if isinstance(error, OSError) and error.errno is not None:
            _give_up_output()
            return _tell(_trouble(error))
        if os.environ.get("PINHOLE_DEBUG"):
            traceback.print_exc()
        else:
            print(f"Pinhole has failed: {type(error).__name__}: {printable(str(error))}", file=sys.stderr)
            print("Set PINHOLE_DEBUG=1 and run it again to see where; please report it.", file=sys.stderr)
        return FAULT


def _dispatch(words: list[str]) -> int:
    parser = build_parser()
    from desktop_app import cli_explore, cli_info, cli_label, paths
    from models import digests

    names = cli_label.COMMANDS + cli_explore.COMMANDS + cli_info.COMMANDS
    if words and (words[0] in names or words[0] in ("-h", "--help", "--version")):
        arguments = parser.parse_args(words)
        digests.DIGESTS.keep_in(paths.cache_dir() / digests.FILE)
        return int(arguments.run(arguments))
    return _open_window(words, parser, names)


def _open_window(words: list[str], parser: argparse.ArgumentParser, names: tuple[str, ...]) -> int:
    from difflib import get_close_matches

    paths = words[1:] if words[:1] == ["--"] else words
    for word in paths:
        if word.startswith("-") and word is words[0]:
            parser.error(f"unknown option {word}")
        if not os.path.lexists(word):
            close = get_close_matches(word, names, n=1)
            hint = f"; did you mean “pinhole {close[0]}”?" if close and word is words[0] else ""
            parser.error(f"there is no photo or folder called “{printable(word)}”{hint}")
    from desktop_app.doctor import display_problem

    problem = display_problem()
    if problem:
        raise UserError(
            problem, "So no window can be opened", "Use the command line instead: pinhole label --help"
        )
    try:
        from desktop_app.__main__ import main as open_window
    except ImportError as error:
        raise UserError(
            "Qt cannot be loaded, so no window can be opened",
            str(error),
            "“pinhole doctor” says what is missing; the command line works without it: pinhole label --help",
        ) from error
    return int(open_window([str(Path(path).absolute()) for path in paths]))


# What writing to a stream can meet.
_OF_OUTPUT = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)


def _trouble(error: OSError) -> UserError:
    """What the machine refuses is no fault of the program; where it names no file, a stream could not be written."""
    cause = error.strerror or str(error)
    if error.filename is None and error.errno in _OF_OUTPUT:
        return UserError("The output cannot be written", cause, "Make room there, or send it somewhere else")
    if error.filename is None:
        return UserError("The system refused what Pinhole needs", cause, "Close other programs and try again")
    return UserError(f"{os.fsdecode(error.filename)} cannot be used", cause)


def _give_up_output() -> None:
    """What cannot be written any more goes nowhere, or Python would complain once more at its end."""
    try:
        sys.stdout.flush()
    except (OSError, AttributeError):  # a full disk, no reader, no output at all
        with contextlib.suppress(OSError, AttributeError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _tell(error: UserError) -> int:
    """Title, cause and cure on lines of their own."""
    if os.environ.get("PINHOLE_DEBUG"):
        traceback.print_exc()
    print(f"pinhole: {printable(error.title)}", file=sys.stderr)
    for line in (error.cause, error.cure):
        if line:
            print(f"  {printable(line)}", file=sys.stderr)
    return WRONG


def _write_anything() -> None:
    """A terminal that knows fewer letters shows escapes instead of ending the program; 2>&- is an order too."""
    if sys.stderr is None:  # print would take standard output instead
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115 - until this process ends
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


if __name__ == "__main__":
    sys.exit(main())
