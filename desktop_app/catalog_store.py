"""The file under the catalogue: opening it safely, its schema and migrations, connections, errors in words."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading  # noqa: TID251 - locks and thread-local connections only: no thread is started here
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

from desktop_app.catalog_salvage import salvage
from models.errors import UserError

# Version n of the schema is reached by running the first n of these. One that was released never changes.
MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

    -- Numbers are never used twice (AUTOINCREMENT): undo and vectors refer to them after a photo is forgotten.
    -- One row for what a file holds, so that a moved, copied or merely touched photo keeps its embeddings.
    CREATE TABLE contents (id INTEGER PRIMARY KEY AUTOINCREMENT, size INTEGER NOT NULL, sha256 BLOB);
    CREATE UNIQUE INDEX contents_by_hash ON contents (sha256) WHERE sha256 IS NOT NULL;
    CREATE INDEX contents_by_size ON contents (size);

    -- A path is bytes: a POSIX name need not be text.
    CREATE TABLE photos (
        id INTEGER PRIMARY KEY AUTOINCREMENT, path BLOB NOT NULL UNIQUE, size INTEGER NOT NULL,
        mtime_ns INTEGER NOT NULL, content INTEGER NOT NULL REFERENCES contents (id), width INTEGER, height INTEGER,
        seen REAL NOT NULL, error TEXT);
    CREATE INDEX photos_by_content ON photos (content);

    CREATE TABLE spaces (
        id INTEGER PRIMARY KEY, model TEXT NOT NULL, layer TEXT NOT NULL, dim INTEGER NOT NULL,
        UNIQUE (model, layer));
    -- key = space * 2^40 + content: one model's rows lie together on the disk and need no second index.
    CREATE TABLE vectors (key INTEGER PRIMARY KEY, data BLOB NOT NULL);

    CREATE TABLE runs (
        id TEXT PRIMARY KEY, kind TEXT NOT NULL, model TEXT NOT NULL, prompt_set TEXT NOT NULL,
        config TEXT NOT NULL, state TEXT NOT NULL, started REAL NOT NULL, ended REAL, counts TEXT NOT NULL);

    -- What machines said, and what persons said, in tables of their own: no run can overwrite a person.
    CREATE TABLE proposals (
        photo INTEGER PRIMARY KEY REFERENCES photos (id) ON DELETE CASCADE, content INTEGER NOT NULL,
        run TEXT NOT NULL REFERENCES runs (id), label TEXT NOT NULL, probability REAL, margin REAL,
        decision TEXT NOT NULL, label_2 TEXT NOT NULL, probability_2 REAL, label_3 TEXT NOT NULL,
        probability_3 REAL, time REAL NOT NULL);
    CREATE INDEX proposals_by_run ON proposals (run);
    CREATE TABLE confirmed (
        photo INTEGER PRIMARY KEY REFERENCES photos (id) ON DELETE CASCADE, label TEXT NOT NULL,
        who TEXT NOT NULL, time REAL NOT NULL);
    CREATE TABLE rejected (
        photo INTEGER NOT NULL REFERENCES photos (id) ON DELETE CASCADE, label TEXT NOT NULL,
        who TEXT NOT NULL, time REAL NOT NULL, PRIMARY KEY (photo, label)) WITHOUT ROWID;

    CREATE TABLE history (
        id INTEGER PRIMARY KEY AUTOINCREMENT, verb TEXT NOT NULL, label TEXT NOT NULL, count INTEGER NOT NULL,
        undone INTEGER NOT NULL DEFAULT 0, time REAL NOT NULL);
    CREATE TABLE history_items (
        change INTEGER NOT NULL REFERENCES history (id) ON DELETE CASCADE, photo INTEGER NOT NULL,
        before TEXT NOT NULL, after TEXT NOT NULL, PRIMARY KEY (change, photo)) WITHOUT ROWID;
    """,
    """
    -- What earlier runs said, where a later one said something else: the last few of each photo.
    CREATE TABLE earlier (
        photo INTEGER NOT NULL REFERENCES photos (id) ON DELETE CASCADE, time REAL NOT NULL, run TEXT NOT NULL,
        label TEXT NOT NULL, probability REAL, margin REAL, decision TEXT NOT NULL,
        PRIMARY KEY (photo, time, run)) WITHOUT ROWID;
    """,
    """
    -- Proposals that later runs replaced, whole, so that taking a run back puts them in place again; in the order in
    -- which it happened, which no clock tells. Those of the older format are without content: they are only shown.
    CREATE TABLE replaced (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, photo INTEGER NOT NULL REFERENCES photos (id) ON DELETE CASCADE,
        content INTEGER, run TEXT NOT NULL, label TEXT NOT NULL, probability REAL, margin REAL, decision TEXT NOT NULL,
        label_2 TEXT NOT NULL, probability_2 REAL, label_3 TEXT NOT NULL, probability_3 REAL, time REAL NOT NULL);
    INSERT INTO replaced (photo, run, label, probability, margin, decision, label_2, label_3, time)
        SELECT photo, run, label, probability, margin, decision, '', '', time FROM earlier ORDER BY time;
    CREATE INDEX replaced_by_photo ON replaced (photo);
    CREATE INDEX replaced_by_run ON replaced (run);
    DROP TABLE earlier;
    """,
    """
    -- Mount points above photos that were seen: whether a drive was shown there (1) or it is an ordinary folder (0).
    CREATE TABLE drives (place BLOB PRIMARY KEY, own INTEGER NOT NULL) WITHOUT ROWID;
    """,
    """
    -- The one run that said the error that stands, so that it goes when that run is taken back; '' where others met it
    -- as well.
    ALTER TABLE photos ADD COLUMN failed_in TEXT;
    """,
    """
    -- Records that were found to be other photos, moved, and those photos: who still holds the old number reaches them.
    CREATE TABLE merged (
        gone INTEGER PRIMARY KEY, photo INTEGER NOT NULL REFERENCES photos (id) ON DELETE CASCADE);
    CREATE INDEX merged_by_photo ON merged (photo);
    """,
    """
    -- The content that what was said of a photo is about, where its file is another one now (see catalog_moves); of a
    -- photo that is gone the size of its content told it before.
    ALTER TABLE photos ADD COLUMN was INTEGER;
    CREATE INDEX photos_by_was ON photos (was) WHERE was IS NOT NULL;
    UPDATE photos SET was = (SELECT -1 - size FROM contents WHERE id = content)
        WHERE content IN (SELECT id FROM contents WHERE size < -1);
    """,
)

_BUSY_SECONDS = 10.0
# Larger files are checked only after damage was met or a run did not end properly: a check reads every page.
_ALWAYS_CHECK_BELOW = 32_000_000
_BROKEN = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class CatalogError(UserError):
    """The catalogue cannot be opened, read or written."""


def in_words(error: sqlite3.Error, path: Path) -> CatalogError:
    """The error of SQLite as a sentence."""
    code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
    where = f"{error} ({path})"
    match code:
        case sqlite3.SQLITE_FULL:
            return CatalogError("The catalogue's disk is full", where, "Make room there and try again.")
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM | sqlite3.SQLITE_CANTOPEN:
            return CatalogError("The catalogue cannot be written", where, "Allow writing in its folder.")
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return CatalogError(
                "The catalogue is busy", where, "Close other windows of Pinhole and try again."
            )
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            cure = (
                "Start Pinhole again: it sets the broken file aside, keeps it, and brings over what you said of your"
                " photos, as far as it can be read."
            )
            return CatalogError("The catalogue is broken", where, cure)
        case sqlite3.SQLITE_IOERR:
            return CatalogError("The catalogue's disk failed", where, "Check the disk and try again.")
    return CatalogError("The catalogue failed", where)


def damage(path: Path, *, thorough: bool = True) -> str:
    """What is broken in the catalogue at `path`, or "". Not `thorough`: a large file is read only where there is a
    reason to. Raises CatalogError where it is none of Pinhole's, of a newer version, or cannot be opened."""
    if not path.exists():
        return ""
    mark = _mark(path)
    try:
        with contextlib.closing(_look_into(path)) as connection:
            # One state for both looks: another window may be making the file just now.
            connection.execute("BEGIN")
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            tables = _tables_in(connection)
            connection.execute("COMMIT")
            if version > len(MIGRATIONS):
                raise CatalogError(
                    "The catalogue is from a newer version of Pinhole",
                    f"its format is {version}, this program knows {len(MIGRATIONS)} ({path})",
                    "Update Pinhole, or move that file away to begin a new catalogue.",
                )
            ours = _tables_of(version) <= tables if version else not tables
            if ours and not (thorough or mark.exists() or _worth_checking(connection, path, version)):
                return ""
            # The quick one does not compare the indices, where what was met may lie.
            check = "integrity_check" if mark.exists() else "quick_check"
            answer = str(connection.execute(f"PRAGMA {check}(1)").fetchone()[0])
    except sqlite3.Error as error:
        if not _means_broken(error):
            raise in_words(error, path) from error
        answer = str(error)
    with contextlib.suppress(OSError):
        if answer != "ok":
            mark.touch()
        elif not _unsaved(path):
            mark.unlink(missing_ok=True)
    if answer != "ok":
        return answer
    if not ours:
        raise CatalogError(
            "The file in the catalogue's place is none of Pinhole's",
            str(path),
            "Move that file away to begin a new catalogue.",
        )
    return ""


def _tables_in(connection: sqlite3.Connection) -> set[str]:
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def _tables_of(version: int) -> set[str]:
    """The tables that a catalogue of this version has."""
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript("".join(MIGRATIONS[:version]))
        return _tables_in(connection)


def _look_into(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)


def _worth_checking(connection: sqlite3.Connection, path: Path, version: int) -> bool:
    if version == 0 or path.stat().st_size < _ALWAYS_CHECK_BELOW:
        return True
    row = connection.execute("SELECT value FROM meta WHERE key = 'clean'").fetchone()
    return row is None or row[0] != "1"


def _means_broken(error: sqlite3.Error) -> bool:
    return ((getattr(error, "sqlite_errorcode", None) or 0) & 0xFF) in _BROKEN


def _mark(path: Path) -> Path:
    """A file that says that damage was met: the next start has to look, whoever closes the catalogue then. It holds
    the name of the file that was set aside until what a person said was brought over from there."""
    return Path(f"{path}-damaged")


def _unsaved(path: Path) -> Path | None:
    """The file set aside whose words were not brought over yet: a start was cut off in the middle of that."""
    try:
        name = _mark(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    aside = path.with_name(Path(name).name) if name else path
    return aside if aside != path and aside.is_file() else None


def _was_broken(trouble: str, aside: Path, saved: Mapping[str, int]) -> CatalogError:
    return CatalogError(
        "The catalogue was broken and a new one was begun",
        trouble,
        "What you said of your photos was brought over as far as it could be read (labels confirmed:"
        f" {saved['confirmed']}, rejected: {saved['rejected']}). Answers of models, runs and undo were not: label the"
        f" photos again. The old file was kept as “{aside.name}”",
    )


class Store:
    """One SQLite file in WAL mode: a connection a thread, one writer at a time, every write one transaction."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problems: list[UserError] = []
        self._local = threading.local()
        self._connections: dict[threading.Thread, sqlite3.Connection] = {}
        self._table = threading.Lock()
        self._writing = threading.RLock()
        self._closed = False
        try:
            with self._errors():
                self._open()
        except BaseException:
            self._let_go()
            raise

    def connection(self) -> sqlite3.Connection:
        """This thread's own connection. Raises CatalogError after `close`."""
        found: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if self._closed:
            raise CatalogError("The catalogue is closed")
        if found is None:
            found = self._local.connection = self._connect()
            with self._table:
                # A connection of a thread that has ended has no other end than this.
                for thread in [thread for thread in self._connections if not thread.is_alive()]:
                    self._connections.pop(thread).close()
                self._connections[threading.current_thread()] = found
        return found

    @contextlib.contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """A connection whose errors come out as CatalogError."""
        with self._errors():
            yield self.connection()

    @contextlib.contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """A transaction: all of it is kept, or nothing. Raises CatalogError."""
        with self._errors(), self._writing:
            connection = self.connection()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                # SQLite has rolled back by itself after some errors (a full disk among them).
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def close(self) -> None:
        """Close every connection; call it when no thread uses the catalogue any more."""
        if self._closed:
            return
        with contextlib.suppress(sqlite3.Error, UserError), self.write() as connection:
            connection.execute("INSERT OR REPLACE INTO meta VALUES ('clean', '1')")
        self._let_go()

    def _let_go(self) -> None:
        self._closed = True
        with self._table:
            for connection in self._connections.values():
                with contextlib.suppress(sqlite3.Error):
                    connection.close()
            self._connections.clear()

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            if _means_broken(error):
                with contextlib.suppress(OSError):
                    _mark(self.path).touch()
            raise in_words(error, self.path) from error

    def _connect(self) -> sqlite3.Connection:
        # check_same_thread off: `close` runs on another thread than the one that made the connection.
        connection = sqlite3.connect(
            self.path,
            timeout=_BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=256,
        )
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA cache_size = -16000")
        return connection

    def _open(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CatalogError("The catalogue cannot be made", f"{error.strerror} ({self.path})") from error
        trouble = damage(self.path, thorough=False)
        aside = self._set_aside() if trouble else _unsaved(self.path)
        connection = self.connection()
        connection.execute("PRAGMA journal_mode = WAL")
        self._migrate(connection)
        with self.write():
            saved = salvage(aside, connection) if aside else {}
            connection.execute("INSERT OR REPLACE INTO meta VALUES ('clean', '0')")
        if aside:
            with contextlib.suppress(OSError):
                _mark(self.path).unlink(missing_ok=True)
            self.problems.append(_was_broken(trouble, aside, saved))

    def _set_aside(self) -> Path:
        stamp = f"{datetime.now():%Y%m%d-%H%M%S-%f}"
        aside = self.path.with_name(f"{self.path.stem}.broken-{stamp}{self.path.suffix}")
        with contextlib.suppress(OSError):
            _mark(self.path).write_text(aside.name, encoding="utf-8")
        for end in ("", "-wal", "-shm"):
            source = Path(f"{self.path}{end}")
            if source.exists():
                os.replace(source, f"{aside}{end}")
        return aside

    def _migrate(self, connection: sqlite3.Connection) -> None:
        if connection.execute("PRAGMA user_version").fetchone()[0] == len(MIGRATIONS):
            return
        with self.write():
            # Another window may have done it between the look and the lock, and its copy of the old file must stay.
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version >= len(MIGRATIONS):
                return
            if version:
                self._back_up(version)
            for step in MIGRATIONS[version:]:
                for statement in _statements(step):
                    connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")

    def _back_up(self, version: int) -> None:
        """Copy what is committed; by another connection, since one that holds the write lock cannot be copied from."""
        copy = self.path.with_name(f"{self.path.stem}.backup-v{version}{self.path.suffix}")
        part = copy.with_suffix(".part")
        try:
            part.unlink(missing_ok=True)  # what a kill has left need not be a database
            with (
                contextlib.closing(_look_into(self.path)) as source,
                contextlib.closing(sqlite3.connect(part)) as target,
            ):
                source.backup(target)
            os.replace(part, copy)
        except OSError as error:
            raise CatalogError(
                "The catalogue could not be copied before it is changed",
                f"{error.strerror} ({copy})",
                "Allow writing in its folder, or move that copy away.",
            ) from error
        finally:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)


def _statements(script: str) -> Iterator[str]:
    """The statements one by one: `executescript` would commit the transaction they belong to."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    if statement.strip():
        yield statement
