"""Which labels hold for each photo where every label is judged by itself: a row of bits a photo. No Qt.

A hundred thousand photos of five hundred labels are six megabytes so, and one column of bytes tells who has a label.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int32]
Bools = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class LabelSets:
    """bits (n, w): label i is bit 7 - i % 8 of byte i // 8; second (n,) the row of the second best label, -1 for none.

    Without columns (w is 0) there are no sets: each photo has one label at most.
    """

    second: Ints = field(default_factory=lambda: np.zeros(0, np.int32))
    bits: Bytes = field(default_factory=lambda: np.zeros((0, 0), np.uint8))

    @staticmethod
    def none(count: int, labels: int = 0) -> LabelSets:
        """Empty sets for `count` photos."""
        return LabelSets(np.full(count, -1, np.int32), np.zeros((count, (labels + 7) // 8), np.uint8))

    @property
    def kept(self) -> bool:
        """False where each photo has one label at most."""
        return bool(self.bits.shape[1])

    def put(self, places: npt.NDArray[np.intp], second: Ints, holding: Bools) -> None:
        """Take over the labels (m, k) that hold for the photos at `places`."""
        self.second[places] = second
        self.bits[places] = np.packbits(holding, axis=1)

    def of(self, place: int, best: int) -> list[int]:
        """The labels that hold for one photo: its best and second best, then the others in the order of the list."""
        if not self.kept or not 0 <= place < len(self.bits):
            return []
        rows = np.flatnonzero(np.unpackbits(self.bits[place])).tolist()
        first = {best: 0, int(self.second[place]): 1}
        return sorted(rows, key=lambda row: first.get(row, 2))

    def having(self, label: int) -> Bools:
        """(n,) True where the label holds."""
        if not 0 <= label < 8 * self.bits.shape[1]:
            return np.zeros(len(self.bits), bool)
        found: Bools = (self.bits[:, label // 8] & (0x80 >> label % 8)) > 0
        return found

    def counts(self, photos: Bools, labels: int) -> npt.NDArray[np.int64]:
        """(labels,) for how many of the chosen photos, True in (m <= n,), each label holds."""
        bits = self.bits[np.flatnonzero(photos)]
        # Few labels hold for a photo: only the bytes that are not empty are taken apart.
        rows, columns = np.nonzero(bits)
        at, bit = np.nonzero(np.unpackbits(bits[rows, columns][:, None], axis=1))
        return np.bincount(columns[at] * 8 + bit, minlength=labels)[:labels]

    def any(self) -> Bools:
        """(n,) True where a label holds."""
        return np.asarray(self.bits.any(axis=1), bool)

    def merged(self, new: LabelSets, known: Bools) -> LabelSets:
        """These with the sets of `new` where `known`; both are of the same labels, or one is of none."""
        grown = LabelSets.none(len(known), 8 * new.bits.shape[1])
        if self.bits.shape[1] == new.bits.shape[1]:
            grown.second[: len(self.second)] = self.second[: len(known)]
            grown.bits[: len(self.bits)] = self.bits[: len(known)]
        grown.second[known], grown.bits[known] = new.second[known], new.bits[known]
        return grown

    def without(self, gone: Mapping[int, Iterable[int] | None]) -> LabelSets:
        """A copy in which these labels hold no longer for these photos (None: none does)."""
        if not self.kept or not gone:
            return self
        bits = self.bits.copy()
        for place, labels in gone.items():
            if labels is None:
                bits[place] = 0
                continue
            for label in labels:
                bits[place, label // 8] &= 0xFF ^ (0x80 >> label % 8)
        return replace(self, bits=bits)
