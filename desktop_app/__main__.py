"""Start the window: settings, theme, workers, session; then show, and only then do anything heavy."""

import gc
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication, QLibraryInfo, QLocale, QTranslator
from PySide6.QtGui import QColor, QIcon
from PySide6.QtWidgets import QApplication

from desktop_app import dialogs, paths, theme
from desktop_app.catalog import Catalog
from desktop_app.catalog_fallback import open_or_temporary
from desktop_app.main_window import MainWindow
from desktop_app.notify import Level, Message, Notify, start_log, stop_log
from desktop_app.panels import PANELS
from desktop_app.panels.base import Panel
from desktop_app.session import Session
from desktop_app.settings import Settings
from desktop_app.work import Work
from models import digests
from models.errors import UserError

if TYPE_CHECKING:
    from desktop_app.work import Outcome

_CLOSE_SECONDS = 5.0


@dataclass
class Program:
    """Everything that lives as long as the window."""

    app: QApplication
    settings: Settings
    notify: Notify
    work: Work
    catalog: Catalog
    session: Session
    window: MainWindow
    crash: dialogs.CrashDialog | None = None

    def close(self) -> bool:
        """End workers and jobs (their place is kept) and write the settings; True when every thread ended."""
        sys.excepthook = sys.__excepthook__
        self.window.close()
        self.settings.save_with(lambda save: save())
        self.settings.save()
        ended = self.work.close(_CLOSE_SECONDS)
        self.catalog.close()
        self.window.deleteLater()
        self.session.deleteLater()
        stop_log()
        return ended


def main(argv: Sequence[str] | None = None) -> int:
    """Open the window on the photos under `argv` (files and folders); returns the exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    app = application()
    program = start(app, words)
    program.window.first_painted.connect(settle)
    code = app.exec()
    ended = program.close()
    if not ended:
        # A call into native code cannot be interrupted; everything is saved, so waiting for it would help nobody.
        os._exit(code)
    return code


def settle() -> None:
    """What the window is made of stays: a full collection that walked through it stood in the way for 30 ms."""
    gc.freeze()


def application() -> QApplication:
    """The QApplication, made once."""
    existing = QApplication.instance()
    if isinstance(existing, QApplication):
        return existing
    QCoreApplication.setApplicationName("Pinhole")
    QCoreApplication.setOrganizationName("Pinhole")
    app = QApplication(sys.argv[:1])
    app.setDesktopFileName("pinhole")
    return app


def start(app: QApplication, words: Sequence[str] = (), panels: tuple[type[Panel], ...] = PANELS) -> Program:
    """Build the program and show its window; what is heavy begins when that is on screen."""
    notify = Notify()
    no_log = start_log(paths.log_file())
    settings = Settings()
    _translate(app, str(settings.language))
    look = theme.install(app, settings.theme)  # type: ignore[arg-type]
    settings.watch("theme", lambda _, choice: look.choose(choice))
    app.setWindowIcon(QIcon(theme.pixmap("app", QColor("white"), 256)))
    work = Work(app, journal=paths.jobs_dir())
    catalog = open_or_temporary(paths.catalog_file())
    session = Session(settings, work, catalog, notify)
    window = MainWindow(session, panels)
    program = Program(app, settings, notify, work, catalog, session, window)
    settings.save_with(lambda save: work.once(save, lambda outcome: None, lane="io"))
    settings.on_problem = lambda problem: work.post(lambda: _warn(notify, problem))
    sys.excepthook = partial(_unexpected, program)
    notify.listen(lambda message: work.post(partial(_show_problem, window, message)))
    for problem in (no_log, *settings.problems, *catalog.problems):
        if problem is not None:
            notify.warn(problem)
    session.expect()  # in any case something is opened
    window.first_painted.connect(partial(_begin, program, tuple(words)))
    window.show()
    return program


def _warn(notify: Notify, problem: UserError) -> None:
    notify.warn(problem)


def _begin(program: Program, words: tuple[str, ...]) -> None:
    """The window is on screen: open what was asked for, else what was open last, else the samples."""
    digests.DIGESTS.keep_in(paths.cache_dir() / digests.FILE)
    program.session.shelf.begin()
    program.session.shelf.look_for_models()
    last = str(program.settings.last_folder)
    if words:
        program.session.open_paths(words)
        program.window.commands.remember(words)
    elif last:
        open_last = partial(_open_last, program, last)
        program.work.once(partial(os.path.exists, last), open_last, lane="io")
    else:
        program.window.commands.start_with_samples()
    program.window.welcome()


def _open_last(program: Program, last: str, outcome: "Outcome") -> None:
    if program.session.roots:
        return  # the person was faster
    if outcome.value:
        program.session.open_paths([last], focus_path=str(program.settings.last_photo))
    else:
        program.notify.info(program.window.tr("{0} is not there any more").format(last))
        program.window.commands.start_with_samples()


def _show_problem(window: MainWindow, message: Message) -> None:
    """What needs to be read stands in the window, not only in the status bar."""
    if message.level is Level.ERROR or (message.level is Level.WARN and message.cure):
        kind = "error" if message.level is Level.ERROR else "warn"
        window.messages.show_message(message.title, str(UserError(message.cause, message.cure)), kind)


def _unexpected(
    program: Program, kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """sys.excepthook: log it, show it once; the window stays."""
    if issubclass(kind, KeyboardInterrupt):
        program.window.close()
        return
    if isinstance(error, UserError):
        program.notify.error(error)
        return
    message = program.notify.error(error)
    if program.crash is None:
        program.crash = dialogs.CrashDialog(f"{kind.__name__}: {error}", message.details, program.window)
        program.crash.destroyed.connect(lambda: setattr(program, "crash", None))
        program.crash.show()


def _translate(app: QApplication, language: str) -> None:
    """Load the translation of this program, where there is one, and with it that of Qt's own words: alone they would
    put a “Cancel” of another language beside our English."""
    locale = QLocale(language) if language else QLocale()
    if locale.language() == QLocale.Language.English:
        return
    for name, folder in (
        ("pinhole", str(paths.resource("translations"))),
        ("qtbase", QLibraryInfo.path(QLibraryInfo.LibraryPath.TranslationsPath)),
    ):
        translator = QTranslator(app)
        if not translator.load(locale, name, "_", folder):
            return
        app.installTranslator(translator)


if __name__ == "__main__":
    # The same words as `pinhole` takes, and a sentence instead of an abort where there is no display.
    from desktop_app.cli import main as command

    sys.exit(command())
