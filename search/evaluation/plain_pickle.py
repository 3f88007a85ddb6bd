"""Pickles that other people published, read without running anything that is in them.

Only Python's own types and numpy's numbers and arrays are made; a pickle that names anything else is refused.
"""

from __future__ import annotations

import codecs
import pickle  # read through `_PlainUnpickler` alone
from collections import OrderedDict
from pathlib import Path
from typing import Any, Final

from photos.vision.interchange.plain_arrays import MAKERS, to_values
from search.evaluation.errors import EvaluationError

_TYPES: Final[dict[tuple[str, str], Any]] = {
    ("builtins", "bytes"): lambda: b"",  # how protocol 2 tells empty ones
    ("builtins", "set"): set,
    ("builtins", "frozenset"): frozenset,
    ("builtins", "complex"): complex,
    ("builtins", "bytearray"): bytearray,
    ("collections", "OrderedDict"): OrderedDict,
    ("_codecs", "encode"): codecs.encode,
}


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if f"{module}.{name}" in MAKERS:
            return MAKERS[f"{module}.{name}"]
        known = ("builtins" if module == "__builtin__" else module, name)
        if known not in _TYPES:
            raise pickle.UnpicklingError(f"it would make {module}.{name}")
        return _TYPES[known]


def read_pickle(path: Path) -> Any:
    """Return what a pickle of plain types and numpy's holds; raises `EvaluationError` for any other file."""
    try:
        with path.open("rb") as file:
            return to_values(_PlainUnpickler(file, encoding="latin1").load())
    except OSError as exc:
        raise EvaluationError(f"{path} cannot be read: {exc.strerror}") from exc
    except (pickle.UnpicklingError, EOFError, ValueError, TypeError, KeyError, IndexError, AttributeError) as exc:
        raise EvaluationError(f"{path} is no pickle of plain types and arrays: {exc}") from exc
    except (ImportError, UnicodeDecodeError, OverflowError, MemoryError) as exc:
        raise EvaluationError(f"{path} is no pickle of plain types and arrays: {exc}") from exc
