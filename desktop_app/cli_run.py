"""A labelling job from the command line: its progress, Ctrl-C, the answers, the CSV and what could not be read."""

import argparse
import os
import signal
import sys
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

from desktop_app import cli_asking, paths
from desktop_app.catalog import Catalog, open_catalog
from desktop_app.cli_model import open_for
from desktop_app.cli_output import check_output
from desktop_app.cli_progress import ProgressLine, duration, printable
from desktop_app.figures import percent
from desktop_app.labelling import KEPT_ANSWERS, Labeller, rows_of
from models.errors import DataError
from models.images import walk
from models.spec import Capability
from models.tasks import export
from models.tasks.auto_label import Config, Counts, Event, Finished, Progress, Skipped, Started

_WORTH_MEASURING = 400  # with fewer photos, finding the fastest setting takes longer than it saves


def run_label(arguments: argparse.Namespace) -> int:
    """Label, list, export. 0 when every photo was labelled, 1 when some could not be read, 130 when interrupted."""
    line = ProgressLine(quiet=arguments.quiet)
    recipe = cli_asking.recipe_of(arguments)
    if arguments.csv == "-" and sys.stdout is None:
        raise DataError("The CSV cannot be written", "There is no standard output", "Give --csv a file name")
    if arguments.csv and arguments.csv != "-":
        inputs = (*arguments.paths, arguments.labels_file, arguments.templates_file, arguments.recipe)
        check_output(Path(arguments.csv), "CSV", inputs)
    roots = [Path(os.path.abspath(path)) for path in arguments.paths]
    refused: list[Path] = []
    photos = list(
        walk(roots, recursive=not arguments.no_recursive, refused=lambda folder, _: refused.append(folder))
    )
    # Listed once: what vanishes from now on is told by the job as not there. It asks for what was refused once more.
    config = Config(
        (*photos, *refused),
        recursive=False,
        only_new=arguments.only_new,
        retry_skipped=arguments.retry_skipped,
    )
    with open_catalog(paths.catalog_file()) as catalog:
        tell_problems(catalog)
        model = open_for(arguments, Capability.ZERO_SHOT, line, many=len(photos) >= _WORTH_MEASURING)
        cli_asking.remark(recipe, model)
        labeller = Labeller(catalog, model, recipe)
        run = uuid.uuid4().hex
        watched = follow(labeller.events(config, run), line)
        if watched.interrupted:
            return watched.tell_interrupted()
        keywords = {label.name: label.keyword for label in recipe.labels}
        rows = partial(rows_of, catalog, photos, keywords=keywords, run=run)
        shown = arguments.top_k or 1
        if arguments.csv:
            _write(arguments, rows(labeller=labeller if arguments.long else None), roots)
        if not arguments.quiet and (
            not arguments.csv or (arguments.command == "samples" and arguments.csv != "-")
        ):
            _print_answers(rows(labeller=labeller if shown > KEPT_ANSWERS else None), shown)
        return watched.tell(quiet=arguments.quiet)


def tell_problems(catalog: Catalog) -> None:
    """What had to be mended when the catalogue was opened."""
    for problem in catalog.problems:
        print(f"Note: {printable(str(problem))}", file=sys.stderr)


@dataclass
class Watched:
    """How a job went, as far as it came."""

    total: int = 0
    done: int = 0
    counts: Counts = field(default_factory=Counts)
    seconds: float = 0.0
    skipped: list[Skipped] = field(default_factory=list)
    interrupted: bool = False

    def tell(self, *, quiet: bool = False) -> int:
        """The summary on stderr and the exit code: what could not be read is always listed."""
        counts = self.counts
        if not quiet:
            parts = [f"{counts.labelled} labelled", f"{counts.unsure} unsure", f"{counts.unknown} unknown"]
            parts += [f"{counts.kept} left as they were"] if counts.kept else []
            print(f"{', '.join(parts)}, in {duration(self.seconds)}.", file=sys.stderr)
            if not self.total:
                print("There is no photo here.", file=sys.stderr)
        if counts.other:
            # Said with --quiet too: these lines of the CSV answer another question than the rest.
            words = f"{counts.other} photos keep answers" if counts.other > 1 else "1 photo keeps an answer"
            print(
                f"Note: {words} to other labels, templates or bars, or of another model; without --only-new all are"
                " asked anew.",
                file=sys.stderr,
            )
        if self.skipped:
            print(f"{len(self.skipped)} could not be read:", file=sys.stderr)
        for one in self.skipped:
            print(f"  {printable(str(one.path))}: {printable(one.reason)}", file=sys.stderr)
        return 1 if self.skipped else 0

    def tell_interrupted(self) -> int:
        """What is kept, and how to go on; 130."""
        words = f"Interrupted. {self.done} of {self.total} photos are done and kept; run the same command to go on."
        print(words, file=sys.stderr)
        return 130


def follow(events: Iterator[Event], line: ProgressLine) -> Watched:
    """Run the job to its end, or to the first Ctrl-C, after which what was done is stored."""
    watched = Watched()
    with _Interrupt() as interrupt:
        try:
            for event in events:
                _note(event, watched, line)
                if interrupt.asked:
                    watched.interrupted = not isinstance(event, Finished)
                    break
        finally:
            if watched.interrupted:
                line.say("Stopping, and keeping what is done…")
            close = getattr(events, "close", None)
            if close is not None:
                close()
            line.clear()
    return watched


def _note(event: Event, watched: Watched, line: ProgressLine) -> None:
    match event:
        case Started():
            watched.total = event.total
        case Skipped():
            watched.skipped.append(event)
        case Progress():
            watched.done = event.done
            line.show(event.done, event.total, event.rate, event.left_s, str(event.path or ""))
        case Finished():
            watched.counts, watched.seconds = event.counts, event.seconds
        case _:
            pass


class _Interrupt:
    """The first Ctrl-C is a wish that is granted at the next event; the second ends the program on the spot."""

    def __init__(self) -> None:
        self.asked = False
        self._before: Any = None

    def __enter__(self) -> "_Interrupt":
        self._before = signal.signal(signal.SIGINT, self._ask)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._before)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.asked = True
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def base_of(roots: Sequence[Path]) -> Path | None:
    """What relative paths start at: the one folder that was given, else what all have in common."""
    return export.common_base([root if os.path.isdir(root) else root.parent for root in roots])


def _write(arguments: argparse.Namespace, rows: Iterator[export.Row], roots: Sequence[Path]) -> None:
    base = None if arguments.absolute else base_of(roots)
    options = export.CsvOptions(arguments.long, arguments.bom, base, arguments.top_k)
    if arguments.csv == "-":
        # Lines end in CRLF by themselves; a text stream on Windows would add to that.
        for text in export.lines(rows, options):
            sys.stdout.buffer.write(text.encode("utf-8"))
        sys.stdout.buffer.flush()
    else:
        lines = export.write_csv(rows, Path(arguments.csv), options)
        if not arguments.quiet:
            print(f"{lines} lines written to {printable(arguments.csv)}.", file=sys.stderr)


def _print_answers(rows: Iterator[export.Row], top_k: int) -> None:
    """One line a photo: decision, label and probability, path. What could not be read is told at the end."""
    for row in rows:
        if row.error or not row.decision:
            continue
        # A person's own word need not be the model's first.
        others = [(one.label, one.probability) for one in row.answers if one.label != row.label]
        best = [(row.label, row.probability), *others[: top_k - 1]]
        words = ", ".join(
            printable(name) + (f" {percent(part)}" if part is not None else "") for name, part in best
        )
        mark = "confirmed" if row.source == "person" else row.decision
        print(f"{mark:<9}  {words}  {printable(row.path)}")
