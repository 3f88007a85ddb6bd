"""Numpy's arrays and numbers in other people's pickles, made without any code of numpy's that trusts a pickle.

Naming `numpy.ndarray` safe is not enough: called with a type of objects and some bytes it takes them for addresses.
So the names that numpy pickles are given makers of our own, which take numbers, text and lists of plain values only.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_CODE: Final = re.compile(r"[<>|=]?(\?|[bhilqBHILQefdFD]|[biufc]\d{1,2}|[SU]\d{1,9}|O8?)")


class PlainType:
    """Stands for a `numpy.dtype` of numbers, text or objects; raises `ValueError` for any other."""

    def __init__(self, code: object, *_flags: object) -> None:
        if not isinstance(code, str) or not _CODE.fullmatch(code):
            raise ValueError(f"an array of the type {code!r} is not read")
        self._type = np.dtype(code)

    def __setstate__(self, state: Sequence[Any]) -> None:
        if any(part is not None for part in state[2:5]):
            raise ValueError("an array of records is not read")
        if state[1] in ("<", ">"):
            self._type = self._type.newbyteorder(state[1])

    def decode(self, data: Any, shape: Sequence[int], order: str) -> NDArray[Any]:
        """Return the array of some bytes, or of a list where it holds objects."""
        if any(not isinstance(side, int) or side < 0 for side in shape):
            raise ValueError(f"an array has no shape {shape!r}")
        if self._type.hasobject:
            if not isinstance(data, list) or len(data) != math.prod(shape):
                raise ValueError("an array of objects must be told as a list")
            found = np.empty(len(data), dtype=object)
            found[:] = [to_values(one) for one in data]
            return found.reshape(tuple(shape), order="F" if order == "F" else "C")
        raw = data.encode("latin1") if isinstance(data, str) else bytes(data)
        if len(raw) != math.prod(shape) * self._type.itemsize:
            raise ValueError(f"{len(raw)} bytes do not fill an array {tuple(shape)} of {self._type}")
        return np.frombuffer(raw, self._type).reshape(tuple(shape), order="F" if order == "F" else "C")


class PlainArray:
    """Stands for a `numpy.ndarray` until it is told what it holds; whatever it is called with is left alone."""

    def __init__(self, *_ignored: object) -> None:
        self.value: NDArray[Any] = np.zeros(0)

    def __setstate__(self, state: Sequence[Any]) -> None:
        _version, shape, kind, is_fortran, data = state
        self.value = _type(kind).decode(data, shape, "F" if is_fortran else "C")


def _rebuild(*_ignored: object) -> PlainArray:
    return PlainArray()


def _scalar(kind: object, data: Any) -> Any:
    return _type(kind).decode(data, (1,), "C")[0].item()


def _from_buffer(data: Any, kind: object, shape: Sequence[int], order: str) -> PlainArray:
    found = PlainArray()
    found.value = _type(kind).decode(data, shape, order)
    return found


def _type(kind: object) -> PlainType:
    if not isinstance(kind, PlainType):
        raise ValueError(f"an array of {kind!r} is not read")  # noqa: TRY004 - what the file says is wrong, not a call
    return kind


MAKERS: Final[Mapping[str, Callable[..., Any]]] = {
    "numpy.dtype": PlainType,
    "numpy.ndarray": PlainArray,
    **{f"numpy.{core}.multiarray._reconstruct": _rebuild for core in ("core", "_core")},
    **{f"numpy.{core}.multiarray.scalar": _scalar for core in ("core", "_core")},
    **{f"numpy.{core}.numeric._frombuffer": _from_buffer for core in ("core", "_core")},
}
"""What is to be made for the names that numpy pickles; `to_values` puts the arrays in their places afterwards."""


def to_values(found: Any) -> Any:
    """Return the same with arrays for what stands for them, in dictionaries, lists, tuples and sets."""
    if isinstance(found, PlainArray):
        return found.value
    if isinstance(found, dict):
        return {to_values(key): to_values(value) for key, value in found.items()}
    if isinstance(found, list | tuple | set | frozenset):
        return type(found)(to_values(one) for one in found)
    return found
