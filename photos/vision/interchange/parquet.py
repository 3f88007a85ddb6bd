"""The rows of a file of features as Parquet: `id`, a string, and `vector`, a list of D half or single floats."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from photos.vision.errors import InterchangeError, MissingDependencyError
from photos.vision.interchange.feature_journal import ROWS_AT_ONCE, FeatureJournal, FeatureRows

ID_COLUMN: Final = "id"
VECTOR_COLUMN: Final = "vector"


class ParquetFeatureWriter(FeatureJournal):
    """Writes one such file, resumable at any row; see `FeatureJournal`. Ids stand as they are, in UTF-8."""

    def _write(self, path: Path, ids: list[str], rows: FeatureRows) -> None:
        arrow, parquet = _pyarrow()
        number = arrow.float16() if self.dtype == np.float16 else arrow.float32()
        vector = arrow.list_(number, rows.shape[1])
        schema = arrow.schema([(ID_COLUMN, arrow.string()), (VECTOR_COLUMN, vector)])
        with parquet.ParquetWriter(path, schema, compression="zstd", use_dictionary=False) as writer:
            for place, part in rows.parts():
                numbers = arrow.FixedSizeListArray.from_arrays(arrow.array(part.ravel(), number), rows.shape[1])
                writer.write_table(arrow.table([arrow.array(ids[place]), numbers], schema=schema))


def read_features(path: Path) -> tuple[list[str], NDArray[Any]]:
    """Return the ids and the (N, D) features of a file, all in memory."""
    parts = list(iterate_features(path))
    if not parts:
        return [], np.zeros((0, 0), np.float16)
    return [one for names, _ in parts for one in names], np.concatenate([rows for _, rows in parts])


def iterate_features(path: Path, *, rows: int = ROWS_AT_ONCE) -> Iterator[tuple[list[str], NDArray[Any]]]:
    """Yield ids and (N, D) features, at most `rows` at a time; raises `InterchangeError` for another file."""
    arrow, parquet = _pyarrow()
    if not path.is_file():
        raise InterchangeError(f"there is no file {path}")
    try:
        with parquet.ParquetFile(path) as file:
            if missing := {ID_COLUMN, VECTOR_COLUMN} - set(file.schema_arrow.names):
                raise InterchangeError(f"{path} has no column {' and no '.join(sorted(missing))}")
            for batch in file.iter_batches(rows, columns=[ID_COLUMN, VECTOR_COLUMN]):
                yield batch.column(ID_COLUMN).to_pylist(), _numbers(batch.column(VECTOR_COLUMN))
    except arrow.ArrowInvalid as exc:
        raise InterchangeError(f"{path} is no Parquet file: {exc}") from exc


def _numbers(column: Any) -> NDArray[Any]:
    """Return (N, D) numbers of a column of lists, whether their length is told in the type or not."""
    import pyarrow.compute

    lengths = pyarrow.compute.list_value_length(column).unique().to_pylist()
    if len(lengths) != 1 or None in lengths:
        told = ", ".join(sorted("none" if one is None else str(one) for one in lengths))
        raise InterchangeError(f"expected vectors of one length, got lengths {told}")
    return np.asarray(column.flatten().to_numpy(zero_copy_only=False)).reshape(len(column), -1)


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as exc:
        raise MissingDependencyError("Parquet files need pyarrow: pip install 'geolocator[research]'") from exc
    return pyarrow, pyarrow.parquet
