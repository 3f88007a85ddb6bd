"""Pickles that other people published, read without running anything that is in them.

Only Python's own types and numpy's numbers and arrays are made; a pickle that names anything else is refused.
"""

from __future__ import annotations

import importlib
import pickle  # read through `_PlainUnpickler` alone
from pathlib import Path
from typing import Any, Final

from search.evaluation.errors import EvaluationError

_ALLOWED: Final = {
    ("builtins", "set"),
    ("builtins", "frozenset"),
    ("builtins", "complex"),
    ("builtins", "bytearray"),
    ("collections", "OrderedDict"),
    ("_codecs", "encode"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "scalar"),
    ("numpy._core.numeric", "_frombuffer"),
}
_RENAMED: Final = {
    "__builtin__": "builtins",
    "numpy.core.multiarray": "numpy._core.multiarray",
    "numpy.core.numeric": "numpy._core.numeric",
}


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        module = _RENAMED.get(module, module)
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it would make {module}.{name}")
        return getattr(importlib.import_module(module), name)


def read_pickle(path: Path) -> Any:
    """Return what a pickle of plain types and numpy's holds; raises `EvaluationError` for any other file."""
    try:
        with path.open("rb") as file:
            return _PlainUnpickler(file, encoding="latin1").load()
    except OSError as exc:
        raise EvaluationError(f"{path} cannot be read: {exc.strerror}") from exc
    except (pickle.UnpicklingError, EOFError, ValueError, TypeError, KeyError, IndexError, AttributeError) as exc:
        raise EvaluationError(f"{path} is no pickle of plain types and arrays: {exc}") from exc
    except (ImportError, UnicodeDecodeError, OverflowError, MemoryError) as exc:
        raise EvaluationError(f"{path} is no pickle of plain types and arrays: {exc}") from exc
