"""A space's partitions of the vectors' tables, and their indexes; what is indexed are the fragments of `vectors`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from psycopg import sql

from photos.vectors import (
    GRAPHS,
    PHOTO_TABLE,
    SEGMENT_TABLE,
    Graph,
    SpaceKey,
    binary_cursor,
    graph_sql,
    photo_vector_sql,
    segment_signs_sql,
)

_HNSW: Final = sql.SQL("WITH (m = 16, ef_construction = 64)")


def partition_name(table: str, space: SpaceKey) -> str:
    return f"{table}_{int(space.pk)}"


def create_partitions(space: SpaceKey) -> None:
    """Make both tables' partitions with their dimension checks and HNSW indexes.

    They are attached, not created as partitions: that leaves searches in the other spaces alone.
    """
    with binary_cursor() as cursor:
        for table in (PHOTO_TABLE, SEGMENT_TABLE):
            for statement in _partition_statements(table, space):
                cursor.execute(statement)
    create_indexes(space)


def _partition_statements(table: str, space: SpaceKey) -> Iterator[sql.Composed]:
    names = {
        "parent": sql.Identifier(table),
        "partition": sql.Identifier(partition_name(table, space)),
        "space": sql.Literal(space.pk),
        "dimensions": sql.Literal(space.dimensions),
    }
    yield sql.SQL(
        "CREATE TABLE {partition} (LIKE {parent} INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE,"
        " CHECK (space_id = {space}), CHECK (vector_dims(vector) = {dimensions}))"
    ).format(**names)
    yield sql.SQL("ALTER TABLE {parent} ATTACH PARTITION {partition} FOR VALUES IN ({space})").format(**names)


def create_indexes(space: SpaceKey) -> None:
    """Make the HNSW indexes of a space that has none; fastest where `maintenance_work_mem` holds each."""
    indexes = ((PHOTO_TABLE, photo_vector_sql, "halfvec_ip_ops"), (SEGMENT_TABLE, segment_signs_sql, "bit_hamming_ops"))
    statement = sql.SQL(
        "CREATE INDEX {index} ON {partition} USING hnsw ({expression} {operators}) {options} WHERE {graph}"
    )
    with binary_cursor() as cursor:
        for table, expression, operators in indexes:
            partition = partition_name(table, space)
            for graph in GRAPHS:
                cursor.execute(
                    statement.format(
                        index=sql.Identifier(index_name(table, space, graph)),
                        expression=expression(space, alias=partition),
                        operators=sql.SQL(operators),
                        options=_HNSW,
                        partition=sql.Identifier(partition),
                        graph=graph_sql(graph, alias=partition),
                    )
                )


def drop_indexes(space: SpaceKey) -> None:
    """Drop a space's HNSW indexes: to load many vectors and `create_indexes` after is many times as fast."""
    with binary_cursor() as cursor:
        for name in _index_names(space):
            cursor.execute(sql.SQL("DROP INDEX IF EXISTS {}").format(sql.Identifier(name)))


def has_indexes(space: SpaceKey) -> bool:
    """Say whether all HNSW indexes of a space are there: a load that was killed may have left it without."""
    with binary_cursor() as cursor:
        cursor.execute(
            "SELECT bool_and(to_regclass(name) IS NOT NULL) FROM unnest(%s::text[]) name", [list(_index_names(space))]
        )
        row = cursor.fetchone()
    return bool(row and row[0])


def index_name(table: str, space: SpaceKey, graph: Graph) -> str:
    return f"{partition_name(table, space)}_hnsw_{graph}"


def _index_names(space: SpaceKey) -> Iterator[str]:
    for table in (PHOTO_TABLE, SEGMENT_TABLE):
        for graph in GRAPHS:
            yield index_name(table, space, graph)


def drop_partitions(space: SpaceKey) -> None:
    """Drop a space's vectors; waits at most ten seconds for the searches in them to end."""
    with binary_cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = '10s'")
        for table in (PHOTO_TABLE, SEGMENT_TABLE):
            cursor.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(partition_name(table, space))))
        cursor.execute("SET LOCAL lock_timeout = DEFAULT")
