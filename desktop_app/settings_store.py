"""How settings are declared, and the one JSON file they live in.

The file is replaced atomically. One that cannot be read is set aside and reported, never cleared; a value
that does not fit falls back to its default with a report; a disk that cannot be written is reported once and
the program goes on in memory. No Qt in here.
"""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Generic, TypeVar, cast, overload

from desktop_app import paths
from desktop_app.work.filelock import locked
from models.atomic import write_whole
from models.errors import UserError

SCHEMA = 1
T = TypeVar("T")


@dataclass(frozen=True)
class Setting(Generic[T]):
    """One setting as data. `kind` is "bool", "int", "float", "choice", "text" or "texts"; a descriptor of Settings.

    Hidden ones (`shown=False`) are remembered by the program itself and have no row in the dialog.
    """

    kind: str
    default: T
    title: str = ""
    help: str = ""
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    group: str = ""
    shown: bool = True

    @overload
    def __get__(self, owner: None, kind: type) -> Setting[T]: ...
    @overload
    def __get__(self, owner: Store, kind: type) -> T: ...
    def __get__(self, owner: Store | None, kind: type) -> Setting[T] | T:
        return self if owner is None else cast(T, owner.get(self.key))

    def __set__(self, owner: Store, value: T) -> None:
        owner.set(self.key, value)

    def __set_name__(self, owner: type, name: str) -> None:
        object.__setattr__(self, "key", name)

    key = ""  # not a field: the name it is declared under

    def check(self, value: Any) -> T:
        """The value in its own type. Raises ValueError with the reason in words."""
        checked: Any = _CHECKS[self.kind](value)
        if self.kind == "choice" and checked not in self.choices:
            raise ValueError(f"{checked!r} is none of {', '.join(self.choices)}")
        if self.low is not None and checked < self.low:
            raise ValueError(f"{checked} is below {self.low:g}")
        if self.high is not None and checked > self.high:
            raise ValueError(f"{checked} is above {self.high:g}")
        return cast(T, checked)


def _bool(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{value!r} is neither true nor false")
    return value


def _int(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{value!r} is no whole number")
    return value


def _float(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{value!r} is no number")
    return float(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no text")
    return value


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
        raise ValueError(f"{value!r} is no list of texts")
    return tuple(value)


_CHECKS: dict[str, Callable[[Any], Any]] = {
    "bool": _bool,
    "int": _int,
    "float": _float,
    "choice": _text,
    "text": _text,
    "texts": _texts,
}


class Store:
    """The values of the declared settings and the file they live in. Read, set and watched on one thread;
    `save` may run on another."""

    DECLARED: dict[str, Setting[Any]]

    def __init_subclass__(cls) -> None:
        cls.DECLARED = {name: item for name, item in vars(cls).items() if isinstance(item, Setting)}

    def __init__(
        self,
        path: Path | None = None,
        *,
        saver: Callable[[Callable[[], None]], object] | None = None,
        only_read: bool = False,
    ) -> None:
        """With `only_read` a broken file is reported and left for whoever writes settings to set aside."""
        self.path = path or paths.settings_file()
        self.problems: list[UserError] = []
        self.on_problem: Callable[[UserError], None] | None = None
        self._saver = saver or (lambda save: save())
        self._values: dict[str, Any] = {}
        self._changed: set[str] = set()
        self._unsaved_told = False
        self._watchers: list[tuple[str | None, Callable[[str, Any], None]]] = []
        self._load(leave=only_read)

    def save_with(self, saver: Callable[[Callable[[], None]], object]) -> None:
        """From now on hand every save to `saver`, which may run it on a worker."""
        self._saver = saver

    def get(self, key: str) -> Any:
        """The value, or its default. Raises KeyError for a key that is not declared."""
        return self._values.get(key, self.DECLARED[key].default)

    def set(self, key: str, value: Any) -> None:
        """Check, remember, save, and tell the watchers, if it is a change. Raises KeyError or ValueError."""
        checked = self.DECLARED[key].check(value)
        if checked == self.get(key):
            return
        self._values[key] = checked
        self._changed.add(key)
        self._tell(key, checked)
        self._saver(self.save)

    def reset(self, key: str) -> None:
        """Back to the default."""
        self.set(key, self.DECLARED[key].default)

    def watch(self, key: str | None, callback: Callable[[str, Any], None]) -> Callable[[], None]:
        """Call `callback(key, value)` with every change of this key (None: of any); returns the undoing."""
        entry = key, callback
        self._watchers.append(entry)
        return lambda: self._watchers.remove(entry) if entry in self._watchers else None

    def rows(self) -> Iterator[Setting[Any]]:
        """What the settings dialog shows, in order of declaration."""
        return (item for item in self.DECLARED.values() if item.shown)

    def save(self) -> None:
        """Write what was changed here into the file, keeping what another window or a newer version wrote."""
        changed: dict[str, Any] = {}
        if not self._changed:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with locked(self.path.with_suffix(".lock")):
                # Only now: of two that save at once the later one must not have the older value.
                changed = self._take_changed()
                values = self._on_disk()
                values.update(changed)
                # The schema of a newer version stays: its own keys are all still there.
                values["schema"] = max(SCHEMA, _schema(values))
                write_whole(self.path, json.dumps(values, indent=2, ensure_ascii=True).encode("ascii"))
        except OSError as error:
            self._changed.update(changed)
            self._tell_unsaved(error)
            return
        self._unsaved_told = False

    def _take_changed(self) -> dict[str, Any]:
        # A key is taken off before its value is read: one that is set meanwhile is on again, for the next save.
        taken: dict[str, Any] = {}
        with contextlib.suppress(KeyError):
            while True:
                key = self._changed.pop()
                taken[key] = _plain(self._values[key])
        return taken

    def _load(self, *, leave: bool) -> None:
        try:
            values = self._on_disk(leave=leave)
        except OSError as error:
            cure = "Allow reading it, or the settings of this session will not be kept."
            self._report("The settings cannot be read", _reason(error, self.path), cure)
            return
        for key, item in self.DECLARED.items():
            if key not in values:
                continue
            try:
                self._values[key] = item.check(values[key])
            except ValueError as error:
                self._report(
                    f"The setting “{key}” cannot be used", str(error), "Its default is used instead."
                )

    def _on_disk(self, *, leave: bool = False) -> dict[str, Any]:
        """What the file says; one that is no JSON object is set aside first, or left there. Raises OSError."""
        try:
            if not stat.S_ISREG(self.path.stat().st_mode):
                raise OSError(errno.EINVAL, "It is no file")  # reading a pipe would wait for ever
            data = self.path.read_bytes()
        except FileNotFoundError:
            return {}
        try:
            values = json.loads(data)
        except (ValueError, RecursionError) as error:
            return self._broken(str(error), leave)
        return values if isinstance(values, dict) else self._broken("it holds no table of settings", leave)

    def _broken(self, cause: str, leave: bool) -> dict[str, Any]:
        if leave:
            cure = "The defaults are used. Mend it, or open the window, which keeps it aside and begins anew."
            self._report("The settings file is broken", f"{cause} ({self.path})", cure)
            return {}
        aside = self.path.with_name(f"{self.path.stem}.broken-{datetime.now():%Y%m%d-%H%M%S-%f}.json")
        os.replace(self.path, aside)
        cure = f"It was kept as “{aside.name}”; the program goes on with the defaults."
        self._report("The settings file was broken", cause, cure)
        return {}

    def _tell_unsaved(self, error: OSError) -> None:
        if not self._unsaved_told:
            self._unsaved_told = True
            cure = "They hold until the program is closed; make room or allow writing there to keep them."
            self._report("The settings could not be saved", _reason(error, self.path), cure)

    def _report(self, title: str, cause: str, cure: str) -> None:
        problem = UserError(title, cause, cure)
        self.problems.append(problem)
        if self.on_problem:
            self.on_problem(problem)

    def _tell(self, key: str, value: Any) -> None:
        for wanted, callback in list(self._watchers):
            if wanted in (None, key):
                callback(key, value)


def _reason(error: OSError, path: Path) -> str:
    return f"{error.strerror or error} ({path})"


def _schema(values: dict[str, Any]) -> int:
    schema = values.get("schema")
    return schema if isinstance(schema, int) else 0


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
