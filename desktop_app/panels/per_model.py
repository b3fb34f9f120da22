"""What a task remembers from one request to the next: something for each model, under a key for each photo."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from models.images import Photo
    from models.runtime import Model

T = TypeVar("T")
_MODELS_KEPT = 2  # two that are compared
_PHOTOS_KEPT = 8


class PerModel(Generic[T]):
    """Makes one thing for each model and keeps those of the last two. Models are told apart as objects."""

    def __init__(self, make: "Callable[[Model], T]") -> None:
        self._make = make
        self._kept: dict[int, tuple[Model, T]] = {}  # the model is kept too: its id must not be given again

    def of(self, model: "Model") -> T:
        """What was made for this model; what `make` raises passes through."""
        if id(model) not in self._kept:
            while len(self._kept) >= _MODELS_KEPT:
                del self._kept[next(iter(self._kept))]
            self._kept[id(model)] = model, self._make(model)
        return self._kept[id(model)][1]


class PhotoKeys:
    """Keys of decoded photos."""

    def __init__(self) -> None:
        self._numbers: list[tuple[Photo, int]] = []

    def of(self, photo: "Photo") -> tuple[str, int]:
        """Equal for the same decoded picture, different after the file was read again."""
        for known, number in self._numbers:
            if known is photo:
                return str(photo.path), number
        number = self._numbers[-1][1] + 1 if self._numbers else 0
        self._numbers = [*self._numbers[1 - _PHOTOS_KEPT :], (photo, number)]
        return str(photo.path), number
