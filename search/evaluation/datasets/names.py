"""Ids as files of features have them, which are paths, against ids as data sets have them, which may be less."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path, PurePosixPath

from photos.vision.interchange.ilias_hdf5 import unescape_id
from search.evaluation.retrieval import Dataset, Ranking


def translate(rankings: Mapping[str, Ranking], data: Dataset) -> dict[str, Ranking]:
    """Return the rankings with the data set's ids where they had the paths of the same pictures.

    A path, with or without the folders before it, names the picture whose place in the data set ends with it; one
    that names none or several stays as it is. Names beyond ASCII may be spelled as ILIAS's files spell them.
    """
    queries = _Names((query.id for query in data.queries), data.locate_query)
    gallery = _Names(data.gallery, data.locate_gallery)
    return {
        queries.find(query): Ranking(tuple(map(gallery.find, ranking.ids)), ranking.similarities)
        for query, ranking in rankings.items()
    }


class _Names:
    """Ids by the last part of their pictures' paths."""

    def __init__(self, ids: Iterable[str], locate: Callable[[str], Path]) -> None:
        self._ids = frozenset(ids)
        self._places: dict[str, list[tuple[str, str]]] = {}
        self._locate = locate

    def find(self, name: str) -> str:
        for spelled in dict.fromkeys((name, unescape_id(name))):
            if (found := self._find(spelled)) is not None:
                return found
        return name

    def _find(self, name: str) -> str | None:
        if name in self._ids:
            return name
        if not self._places:
            for one in self._ids:
                path = self._locate(one)
                self._places.setdefault(path.name, []).append((path.as_posix(), one))
        wanted = PurePosixPath(name)
        found = [one for place, one in self._places.get(wanted.name, ()) if f"/{place}".endswith(f"/{wanted}")]
        return found[0] if len(found) == 1 else None
