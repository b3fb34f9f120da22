"""What a panel asks about the photo in focus: per kind of question the newest wins, and a late answer is dropped."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from desktop_app.session import as_user_error
from models.errors import UserError

if TYPE_CHECKING:
    from desktop_app.work import Outcome, Work

T = TypeVar("T")
V = TypeVar("V")


class FocusRequests(Generic[T]):
    """First a `look` at the photo through the model makes `now`, then questions are asked about that."""

    def __init__(self, work: "Work", panel: str, failed: Callable[[str, UserError], None]) -> None:
        """`panel` begins the keys of the requests; `failed` is told which kind of question ("look" for the first), and
        what went wrong."""
        self._work, self._panel, self._failed = work, panel, failed
        self._wanted = -1  # the serial of the newest look
        self._asked: set[str] = set()
        self.now: T | None = None

    def look(self, call: Callable[[], T], tell: Callable[[T], None], trouble: str) -> None:
        """Let `call` look on the model lane; `trouble` is what a failure is called."""
        self._wanted = self._latest("look", call, partial(self._looked, tell, trouble), "model")

    def ask(
        self, kind: str, call: Callable[[T], V], tell: Callable[[V], None], trouble: str, lane: str = "model"
    ) -> None:
        """Ask about `now`, if there is one; the answer is told if that still is what is looked at."""
        if (now := self.now) is not None:
            self._latest(kind, partial(call, now), partial(self._answered, now, kind, tell, trouble), lane)

    def forget(self) -> None:
        """No photo or no model: nothing that is under way is told."""
        self.now = None
        for key in self._asked:
            self._work.drop(key)
        self._asked.clear()

    def _latest(
        self, kind: str, call: Callable[[], Any], done: "Callable[[Outcome], None]", lane: str
    ) -> int:
        key = f"{self._panel}-{kind}"
        self._asked.add(key)
        return self._work.latest(key, call, done, lane=lane)

    def _looked(self, tell: Callable[[T], None], trouble: str, outcome: "Outcome") -> None:
        if outcome.serial != self._wanted:
            return  # another photo or model is wanted by now
        if outcome.error is not None:
            self.now = None
            self._failed("look", as_user_error(outcome.error, trouble))
        else:
            self.now = outcome.value
            tell(outcome.value)

    def _answered(
        self, now: T, kind: str, tell: Callable[[V], None], trouble: str, outcome: "Outcome"
    ) -> None:
        if now is not self.now:
            return  # of another photo or model: not what is on screen
        if outcome.error is not None:
            self._failed(kind, as_user_error(outcome.error, trouble))
        else:
            tell(outcome.value)
