"""The vectors in PostgreSQL: writing them, and the only SQL that knows the index expressions.

A query must repeat an index expression exactly, or PostgreSQL scans the whole space in silence. Vectors have
unit norm, so the negative inner product `<#>` orders as cosine does. Each space has two graphs (HNSW indexes) of
either kind, of the public photos' vectors and of the private ones': a search that must not be swayed by photos that
are not to be seen asks the first alone. Fragments are `psycopg.sql` and embed the
space's id and dimensions as literals, by which the planner prunes the other partitions.

Query vectors are parameters: `as_parameter(vector)`, executed on `binary_cursor()`, which sends them in binary
(reading text costs PostgreSQL 23 times as much). On Django's own cursor they work too, as text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, Literal, Protocol, TypeAlias, cast, get_args

import numpy as np
import psycopg
from django.db import DEFAULT_DB_ALIAS, connections
from numpy.typing import NDArray
from pgvector import HalfVector
from psycopg import sql
from psycopg.adapt import Dumper
from psycopg.pq import Format

PHOTO_TABLE: Final = "photos_photoembedding"
SEGMENT_TABLE: Final = "photos_segmentembedding"

_TRUE: Final = sql.SQL("TRUE")

Vector: TypeAlias = NDArray[np.float32]

Graph: TypeAlias = Literal["public", "private"]
"""One of a space's two graphs, by whose photos' vectors are in it."""

GRAPHS: Final[tuple[Graph, ...]] = get_args(Graph)


class SpaceKey(Protocol):
    """What SQL needs to know of a space; an `EmbeddingSpace` has it."""

    @property
    def pk(self) -> Any: ...
    @property
    def dimensions(self) -> int: ...


# --- parameters -----------------------------------------------------------------------------------------


class _HalfVectorDumper(Dumper):
    """Without a type of its own, so that the statement's cast `::halfvec` tells PostgreSQL how to read it."""

    format = Format.BINARY

    def dump(self, obj: HalfVector) -> bytes:
        return obj.to_binary()


class _HalfVectorTextDumper(Dumper):
    def dump(self, obj: HalfVector) -> bytes:
        return obj.to_text().encode()


def as_parameter(vector: Vector | Sequence[float]) -> HalfVector:
    """Return a query parameter for (D,) numbers; raises `ValueError` for NaN, infinity or zero norm."""
    values = np.asarray(vector, dtype=np.float32)
    norm = float(np.linalg.norm(values))
    if values.ndim != 1 or not np.isfinite(norm) or norm == 0:
        raise ValueError(
            f"expected a (D,) vector of finite numbers, not all zero, got shape {values.shape}, norm {norm}"
        )
    return HalfVector(values / norm)


def from_bytes(data: bytes | memoryview) -> Vector:
    """Return the (D,) float32 of what `halfvec_send(vector)` gave; see `vector_bytes_sql`."""
    return np.frombuffer(data, dtype=">f2", offset=4).astype(np.float32)


@contextmanager
def binary_cursor(*, using: str = DEFAULT_DB_ALIAS) -> Iterator[psycopg.Cursor[Any]]:
    """A cursor on Django's connection, in its transaction, that sends parameters apart from the statement.

    Its errors come as Django's own, as from any cursor of Django.
    """
    connection = connections[using]
    connection.ensure_connection()
    raw = cast("psycopg.Connection[Any]", connection.connection)
    with connection.wrap_database_errors, psycopg.Cursor(raw) as cursor:
        cursor.adapters.register_dumper(HalfVector, _HalfVectorDumper)
        yield cursor


# --- fragments ------------------------------------------------------------------------------------------


def photo_vector_sql(space: SpaceKey, *, alias: str = "e") -> sql.Composed:
    """Return the photo vector of row `alias`, typed as its index has it."""
    return sql.SQL("({}.vector::{})").format(sql.Identifier(alias), _halfvec(space))


def segment_vector_sql(space: SpaceKey, *, alias: str = "s") -> sql.Composed:
    """Return the segment vector of row `alias`, typed: for exact comparison."""
    return photo_vector_sql(space, alias=alias)


def segment_signs_sql(space: SpaceKey, *, alias: str = "s") -> sql.Composed:
    """Return the signs of row `alias`'s segment vector, as the segments' index has them."""
    return _signs(space, segment_vector_sql(space, alias=alias))


def query_vector_sql(space: SpaceKey, query: sql.Composable) -> sql.Composed:
    """Return a query vector (a placeholder or a column) in the space's type: a wrong dimension is refused."""
    return sql.SQL("{}::{}").format(query, _halfvec(space))


def similarity_sql(space: SpaceKey, query: sql.Composable, *, alias: str = "e") -> sql.Composed:
    """Return the exact cosine similarity of row `alias` (of either table) to the query, -1..1."""
    row = sql.SQL("{}.vector").format(sql.Identifier(alias))  # a cast costs as much as the comparison
    return sql.SQL("-({} <#> {})").format(row, query_vector_sql(space, query))


def photo_order_sql(space: SpaceKey, query: sql.Composable, *, alias: str = "e") -> sql.Composed:
    """Return the ORDER BY expression that the photos' HNSW index serves, nearest first."""
    return sql.SQL("{} <#> {}").format(photo_vector_sql(space, alias=alias), query_vector_sql(space, query))


def segment_order_sql(space: SpaceKey, query: sql.Composable, *, alias: str = "s") -> sql.Composed:
    """Return the ORDER BY expression that the segments' HNSW index of signs (Hamming distance) serves."""
    return sql.SQL("{} <~> {}").format(
        segment_signs_sql(space, alias=alias), _signs(space, query_vector_sql(space, query))
    )


def graph_sql(graph: Graph, *, alias: str) -> sql.Composed:
    """Return the condition on row `alias` (of either table) under which that graph's index serves."""
    return sql.SQL("{}{}.is_public").format(sql.SQL("" if graph == "public" else "NOT "), sql.Identifier(alias))


def vector_bytes_sql(*, alias: str = "e") -> sql.Composed:
    """Return the binary form of row `alias`'s vector, for `from_bytes`: half the bytes of text, no parsing."""
    return sql.SQL("halfvec_send({}.vector)").format(sql.Identifier(alias))


def nearest_photos_sql(
    space: SpaceKey,
    *,
    query: sql.Composable,
    limit: sql.Composable | int,
    graph: Graph = "public",
    where: sql.Composable = _TRUE,
    exact: bool = False,
) -> sql.Composed:
    """Return a SELECT of (photo_id, similarity) of the photos of a graph nearest to `query`, nearest first.

    `where` is a condition on the photo `p`; an approximate scan goes on until `limit` rows meet it. `exact`
    compares with every photo that meets it instead: right for narrow conditions.
    """
    order = photo_order_sql(space, query)
    return sql.SQL(
        "SELECT e.photo_id, {similarity} AS similarity FROM photos_photoembedding e"
        "{join} WHERE e.space_id = {space} AND {graph} AND ({where}) ORDER BY {order} LIMIT {limit}"
    ).format(
        similarity=similarity_sql(space, query),
        space=sql.Literal(space.pk),
        graph=graph_sql(graph, alias="e"),
        join=_join_photo("e", where),
        where=where,
        order=_without_index(order) if exact else order,
        limit=_limit(limit),
    )


def nearest_segments_sql(
    space: SpaceKey,
    *,
    query: sql.Composable,
    limit: sql.Composable | int,
    graph: Graph = "public",
    where: sql.Composable = _TRUE,
    exact: bool = False,
) -> sql.Composed:
    """Return a SELECT of (photo_id, rank, similarity) of the segments of a graph nearest to `query`.

    Nearest by the signs of their vectors (Hamming distance); `similarity` is exact, so ask for some more than
    are needed and sort by it. With `exact` the nearest are exact, by comparing with all that meet `where`.
    """
    order = _without_index(photo_order_sql(space, query, alias="s")) if exact else segment_order_sql(space, query)
    return sql.SQL(
        "SELECT s.photo_id, s.rank, {similarity} AS similarity FROM photos_segmentembedding s"
        "{join} WHERE s.space_id = {space} AND {graph} AND ({where}) ORDER BY {order} LIMIT {limit}"
    ).format(
        similarity=similarity_sql(space, query, alias="s"),
        space=sql.Literal(space.pk),
        graph=graph_sql(graph, alias="s"),
        join=_join_photo("s", where),
        where=where,
        order=order,
        limit=_limit(limit),
    )


def _join_photo(alias: str, where: sql.Composable) -> sql.Composable:
    """Return the join that a condition on the photo needs."""
    if where is _TRUE:
        return sql.SQL("")
    return sql.SQL(" JOIN photos_photo p ON p.id = {}.photo_id").format(sql.Identifier(alias))


def _halfvec(space: SpaceKey) -> sql.SQL:
    return sql.SQL(f"halfvec({int(space.dimensions)})")


def _signs(space: SpaceKey, vector: sql.Composable) -> sql.Composed:
    bits = sql.SQL(f"bit({int(space.dimensions)})")
    return sql.SQL("(binary_quantize({})::{})").format(vector, bits)


def _without_index(order: sql.Composable) -> sql.Composed:
    return sql.SQL("({}) + 0").format(order)


def _limit(limit: sql.Composable | int) -> sql.Composable:
    return sql.Literal(limit) if isinstance(limit, int) else limit


# --- writing --------------------------------------------------------------------------------------------


def write_photo_vectors(space: SpaceKey, vectors: Mapping[int, Vector]) -> None:
    """Put the vectors of photos, by photo id, in the place of those they had; locks the photos' rows."""
    public = _graphs_of(vectors)
    delete_vectors(PHOTO_TABLE, space, vectors)
    rows = ((space.pk, photo_id, public.get(photo_id, False), vector) for photo_id, vector in vectors.items())
    _copy(PHOTO_TABLE, ("space_id", "photo_id", "is_public", "vector"), ("int8", "int8", "bool"), rows)


def write_segment_vectors(space: SpaceKey, vectors: Mapping[int, Mapping[int, Vector]]) -> None:
    """Put the segment vectors of photos, by photo id and rank, in the place of all that they had; locks their rows."""
    public = _graphs_of(vectors)
    delete_vectors(SEGMENT_TABLE, space, vectors)
    rows = (
        (space.pk, photo_id, rank, public.get(photo_id, False), vector)
        for photo_id, ranked in vectors.items()
        for rank, vector in ranked.items()
    )
    names = ("space_id", "photo_id", "rank", "is_public", "vector")
    _copy(SEGMENT_TABLE, names, ("int8", "int8", "int2", "bool"), rows)


def _graphs_of(photo_ids: Iterable[int]) -> dict[int, bool]:
    """Return whether each photo's vectors belong in the public graphs, and keep that so until the commit.

    All of a photo's vectors stand in the graphs of one kind: where it has some already, those' (see `move_vectors`).
    """
    ids = sorted(photo_ids)
    with binary_cursor() as cursor:
        cursor.execute("SELECT FROM photos_photo WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE", [ids])
        cursor.execute(
            "UPDATE photos_photo SET graph_visibility = visibility WHERE id = ANY(%s) AND graph_visibility = ''", [ids]
        )
        cursor.execute("SELECT id, graph_visibility = 'public' FROM photos_photo WHERE id = ANY(%s)", [ids])
        return dict(cursor.fetchall())


def move_vectors(photo_id: int) -> None:
    """Put all vectors of a photo into the graphs of its present visibility; locks its row."""
    with binary_cursor() as cursor:
        cursor.execute("SELECT visibility FROM photos_photo WHERE id = %s FOR NO KEY UPDATE", [photo_id])
        for (visibility,) in cursor.fetchall():
            for table in (PHOTO_TABLE, SEGMENT_TABLE):
                statement = sql.SQL("UPDATE {} SET is_public = %s WHERE photo_id = %s AND is_public <> %s")
                public = visibility == "public"
                cursor.execute(statement.format(sql.Identifier(table)), [public, photo_id, public])
            cursor.execute("UPDATE photos_photo SET graph_visibility = visibility WHERE id = %s", [photo_id])


def read_vectors(space: SpaceKey, photo_ids: Iterable[int]) -> tuple[dict[int, Vector], dict[int, dict[int, Vector]]]:
    """Return the vectors of photos by id, and their segments' by id and rank, of those that have any."""
    ids = list(photo_ids)
    whole = sql.SQL("SELECT e.photo_id, {} FROM photos_photoembedding e WHERE e.space_id = {} AND e.photo_id = ANY(%s)")
    parts = sql.SQL(
        "SELECT s.photo_id, s.rank, {} FROM photos_segmentembedding s"
        " WHERE s.space_id = {} AND s.photo_id = ANY(%s) ORDER BY s.photo_id, s.rank"
    )
    ranked: dict[int, dict[int, Vector]] = {}
    with binary_cursor() as cursor:
        cursor.execute(whole.format(vector_bytes_sql(), sql.Literal(space.pk)), [ids])
        photos = {photo_id: from_bytes(data) for photo_id, data in cursor.fetchall()}
        cursor.execute(parts.format(vector_bytes_sql(alias="s"), sql.Literal(space.pk)), [ids])
        for photo_id, rank, data in cursor.fetchall():
            ranked.setdefault(photo_id, {})[rank] = from_bytes(data)
    return photos, ranked


def delete_vectors(table: str, space: SpaceKey, photo_ids: Iterable[int]) -> None:
    statement = sql.SQL("DELETE FROM {} WHERE space_id = {} AND photo_id = ANY(%s)")
    with binary_cursor() as cursor:
        cursor.execute(statement.format(sql.Identifier(table), sql.Literal(space.pk)), [list(photo_ids)])


def _copy(table: str, columns: Sequence[str], types: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> None:
    """Write rows, whose last column is a vector, by binary COPY: 108k rows/s against 3.7k of INSERTs."""
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(sql.Identifier(table), names)
    with binary_cursor() as cursor, cursor.copy(statement) as copy:
        copy.set_types([*types, "bytea"])  # a vector's binary form is written as it stands
        for *keys, vector in rows:
            copy.write_row([*keys, as_parameter(vector).to_binary()])
