"""Text to token ids, by the tokenizer.json that came with the model."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.bundle import TOKENIZER
from models.errors import ModelError
from models.families.config import whole

DEFAULT_CONTEXT = 77  # CLIP's longest text, in tokens, its two end marks included
DEFAULT_EOS = 49407


class Tokenizer:
    """A model's own byte-pair encoding; `context` is the longest text in tokens that the model was made for."""

    def __init__(self, folder: Path, text_config: Mapping[str, Any]) -> None:
        from tokenizers import Tokenizer as Backend

        path = folder / TOKENIZER
        if not path.is_file():
            raise ModelError(
                f"{folder.name} cannot read text", f"{TOKENIZER} is missing", "Copy the whole model folder"
            )
        self._path = path
        try:
            self._backend = Backend.from_file(str(path))
        except Exception as error:  # the library raises bare Exception
            raise self._damaged(error) from error
        # The file may carry the padding and the cut of its last use; both are decided here instead.
        self._backend.no_padding()
        self._backend.no_truncation()
        self.context = whole(text_config, "max_position_embeddings", DEFAULT_CONTEXT)
        (empty,) = self._encoded([""])
        # Old configurations carry a wrong id; what the tokenizer itself ends a text with is the truth.
        self.eos = empty[-1] if empty else whole(text_config, "eos_token_id", DEFAULT_EOS, most=1 << 24)
        self._marked = bool(empty)

    def lengths(self, texts: Sequence[str]) -> list[int]:
        """The number of tokens of each text before any is cut, end marks included."""
        return [len(ids) for ids in self._ids(texts)]

    def encode(self, texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(input_ids, attention_mask), each (n, t) int64, t the longest text; what is over the context is cut."""
        rows = [
            ids if len(ids) <= self.context else [*ids[: self.context - 1], self.eos]
            for ids in self._ids(texts)
        ]
        longest = max((len(ids) for ids in rows), default=0)
        # Filled up with the end mark, as CLIP is: the model reads at the first one and sees nothing after it.
        input_ids = np.full((len(rows), longest), self.eos, dtype=np.int64)
        mask = np.zeros((len(rows), longest), dtype=np.int64)
        for row, ids in enumerate(rows):
            input_ids[row, : len(ids)] = ids
            mask[row, : len(ids)] = 1
        return input_ids, mask

    def _ids(self, texts: Sequence[str]) -> list[list[int]]:
        # A lone surrogate, which a file name may bring, has no UTF-8 and would raise.
        clean = [text.encode("utf-8", "replace").decode("utf-8") for text in texts]
        encoded = self._encoded(clean) if clean else []
        return encoded if self._marked else [[*ids, self.eos] for ids in encoded]

    def _encoded(self, texts: list[str]) -> list[list[int]]:
        try:
            return [list(one.ids) for one in self._backend.encode_batch(texts)]
        except Exception as error:  # such as a word that it does not know where it has no token for those
            raise self._damaged(error) from error

    def _damaged(self, error: Exception) -> ModelError:
        return ModelError(f"{self._path} is damaged", str(error), "Copy the model folder again")
