"""Ids as files of features have them, which are paths, against ids as data sets have them, which may be less."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path, PurePosixPath

from photos.vision.interchange.ilias_hdf5 import unescape_id
from search.evaluation.errors import EvaluationError
from search.evaluation.retrieval import Dataset, Ranking


def translate(rankings: Mapping[str, Ranking], data: Dataset) -> dict[str, Ranking]:
    """Return the rankings with the data set's ids where they had the paths of the same pictures.

    A path, with or without the folders before it, names the picture whose place in the data set ends with it; one
    that names none or several stays as it is. Names beyond ASCII may be spelled as ILIAS's files spell them, or
    plainly, on either side. Raises `EvaluationError` for two rankings of one query.
    """
    queries = _Names((query.id for query in data.queries), data.locate_query)
    gallery = _Names(data.gallery, data.locate_gallery)
    translated: dict[str, Ranking] = {}
    spelled: dict[str, str] = {}
    for query, ranking in rankings.items():
        known = queries.find(query)
        if known in translated:
            raise EvaluationError(f"{spelled[known]} is ranked more than once, also as {query}")
        spelled[known] = query
        translated[known] = Ranking(tuple(map(gallery.find, ranking.ids)), ranking.similarities)
    return translated


class _Names:
    """Ids by their plain spelling, and by the last part of their pictures' paths."""

    def __init__(self, ids: Iterable[str], locate: Callable[[str], Path]) -> None:
        self._ids = frozenset(ids)
        self._plain: dict[str, list[str]] = {}
        self._places: dict[str, list[tuple[str, str]]] = {}
        self._locate = locate
        for one in self._ids:
            if (plain := unescape_id(one)) != one:
                self._plain.setdefault(plain, []).append(one)

    def find(self, name: str) -> str:
        for spelled in dict.fromkeys((name, unescape_id(name))):
            if (found := self._find(spelled)) is not None:
                return found
        return name

    def _find(self, name: str) -> str | None:
        if name in self._ids:
            return name
        found = self._plain.get(name) or self._find_places(name)
        return found[0] if len(found) == 1 else None

    def _find_places(self, name: str) -> list[str]:
        if not self._places:
            for one in self._ids:
                self._add_place(one)
        if not (named := self._places.get(name.rpartition("/")[2])):
            return []
        wanted = PurePosixPath(name)
        return list(dict.fromkeys(one for place, one in named if f"/{place}".endswith(f"/{wanted}")))

    def _add_place(self, one: str) -> None:
        path = self._locate(one).as_posix()
        for place in dict.fromkeys((path, unescape_id(path))):
            self._places.setdefault(place.rpartition("/")[2], []).append((place, one))
