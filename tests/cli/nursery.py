"""A process that has everything loaded and forks one `pinhole` after the other, to be killed in the middle.

Reads one JSON object a line ({"home", "words"}); answers "pid N", then a dot for each photo that is looked at, then
"exit CODE" (negative: the signal). Importing torch anew for each of twenty kills would take minutes.
"""

import json
import os
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import torch

from desktop_app import cli, cli_evaluate, cli_run, labelling
from models import devices, runtime, tuning
from models.families import clip
from models.tasks import zero_shot
from models.tasks.auto_label import Config

# What a command imports when it needs it; here it is all loaded once.
LOADED = (cli_evaluate, clip, devices, runtime, tuning)


def main() -> None:
    """Serve until the input ends."""
    for line in sys.stdin:
        asked = json.loads(line)
        pid = os.fork()
        if pid == 0:
            os._exit(run(asked))
        print(f"pid {pid}", flush=True)
        _, status = os.waitpid(pid, 0)
        print(f"\nexit {os.waitstatus_to_exitcode(status)}", flush=True)


def run(asked: dict[str, Any]) -> int:
    """One command, with a dot for each photo; commits every hundredth of a second, since a photo takes a hundredth."""
    os.environ["PINHOLE_HOME"] = asked["home"]
    torch.set_num_threads(1)
    real = zero_shot.prepare_file

    def prepare(path: Path, *words: Any, **options: Any) -> Any:
        os.write(1, b".")
        time.sleep(0.02)  # a photo of a camera; else thirty are read before the first four are answered
        return real(path, *words, **options)

    zero_shot.prepare_file = prepare
    # Small lots: a quick machine would else be killed before the first lot of every run is done, and never get on.
    labelling.batch_for = lambda model: 4  # type: ignore[assignment]
    cli_run.Config = partial(Config, commit_every=0.01)  # type: ignore[misc,assignment]
    sys.stderr = open(os.devnull, "w")  # noqa: SIM115 - until this process ends
    return cli.main(asked["words"])


if __name__ == "__main__":
    main()
