"""Files of features: what ILIAS' reader finds in them, and what kills leave of them."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import h5py
import numpy as np
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from photos.vision.errors import InterchangeError
from photos.vision.interchange import faiss_index, feature_files, parquet
from photos.vision.interchange.ilias_hdf5 import (
    FeatureFileWriter,
    escape_id,
    feature_file_name,
    feature_shape,
    iterate_features,
    read_features,
    unescape_id,
)

ARROW_NAMES = {"float16": "halffloat", "float32": "float"}


def vectors(count: int, dimensions: int = 8, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((count, dimensions)).astype(np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def write(path, ids, rows, **options):
    with FeatureFileWriter(path, **options) as writer:
        writer.append(ids, rows)
        return writer.finish()


def test_ilias_reader_finds_names_types_and_order(tmp_path):
    ids = ["b/pos/P001_00.jpg", "a/pos/P000_00.jpg", "c/pos/é.jpg"]
    path = write(tmp_path / feature_file_name("positives"), ids, vectors(3))
    assert path.name == "features_positives.hdf5"
    assert h5py.is_hdf5(path)
    with h5py.File(path, "r") as file:
        assert sorted(file) == ["features", "index"]
        assert file["features"].dtype == np.float16
        assert file["features"].compression == "gzip"
        text = h5py.check_string_dtype(file["index"].dtype)
        assert (text.encoding, text.length) == ("ascii", None)
        assert file["index"].asstr()[:].tolist() == ["b/pos/P001_00.jpg", "a/pos/P000_00.jpg", "c/pos/#U00e9.jpg"]
        np.testing.assert_array_equal(file["features"][:], vectors(3).astype(np.float16))


def test_rows_are_sorted_by_their_names_where_asked(tmp_path):
    with FeatureFileWriter(tmp_path / "f.hdf5", dtype="float32", compression=4) as writer:
        writer.append(["b", "a"], vectors(2))
        writer.finish(sort=True)
    ids, rows = read_features(tmp_path / "f.hdf5")
    assert ids == ["a", "b"]
    np.testing.assert_array_equal(rows, vectors(2)[::-1])


def test_rows_stand_in_the_order_given(tmp_path):
    with FeatureFileWriter(tmp_path / "f.hdf5") as writer:
        writer.append(["a", "b", "c"], vectors(3))
        with pytest.raises(InterchangeError, match="the order names 2 ids, the rows have 3"):
            writer.finish(order=["a", "b"])
    with FeatureFileWriter(tmp_path / "f.hdf5") as writer:
        writer.finish(order=["c", "a", "b"])
    ids, rows = read_features(tmp_path / "f.hdf5")
    assert ids == ["c", "a", "b"]
    np.testing.assert_array_equal(rows, vectors(3).astype(np.float16)[[2, 0, 1]])


@pytest.mark.parametrize(
    ("name", "escaped"),
    [
        ("00000.tar/0123", "00000.tar/0123"),
        ("café.jpg", "caf#U00e9.jpg"),
        ("Łódź.jpg", "#U0141#U00f3d#U017a.jpg"),
        ("back\\slash", "back\\\\\\\\slash"),
        ("😀", "\\\\U0001f600"),
        ("it's", "it's"),
    ],
)
def test_ids_are_escaped_as_ilias_does(name, escaped):
    assert escape_id(name) == escaped
    assert unescape_id(escaped) == name


@given(st.text(max_size=20).filter(lambda text: "#U" not in text))
def test_escaped_ids_are_ascii_and_come_back(name):
    assert escape_id(name).isascii()
    printed = str(name.encode("unicode-escape"))[2:-1]
    assert escape_id(name) == printed.replace("\\\\u", "#U").replace("\\\\x", "#U00")
    assert "'" in name or unescape_id(escape_id(name)) == name


def test_a_cut_off_journal_goes_on_to_the_same_bytes(tmp_path):
    rows = vectors(40)
    names = [f"00000.tar/{number}" for number in range(40)]
    whole = write(tmp_path / "whole.hdf5", names, rows).read_bytes()

    path = tmp_path / "cut.hdf5"
    with FeatureFileWriter(path) as writer:
        writer.append(names[:10], rows[:10])
    part = tmp_path / "cut.hdf5.part"
    with (part / "vectors.bin").open("ab") as file:
        file.write(rows[10:13].astype("<f2").tobytes()[:-5])
    with (part / "ids.jsonl").open("ab") as file:
        file.write(b'"00000.tar/10"\n"00000.tar/1')
    with FeatureFileWriter(path) as writer:
        assert writer.ids == names[:11]
        writer.append(names[11:], rows[11:])
        writer.finish()
    assert path.read_bytes() == whole
    assert not part.exists()


def test_a_killed_writer_resumes_to_the_bytes_of_an_unkilled_one(tmp_path):
    script = textwrap.dedent(
        """
        import os, signal, sys
        from pathlib import Path
        import numpy as np
        from photos.vision.interchange.ilias_hdf5 import FeatureFileWriter
        with FeatureFileWriter(Path(sys.argv[1])) as writer:
            for start in range(len(writer.ids), 60, 6):
                if start == int(sys.argv[2]):
                    os.kill(os.getpid(), signal.SIGKILL)
                rows = np.arange(start * 4, (start + 6) * 4, dtype=np.float32).reshape(6, 4)
                writer.append([f"p/{number}" for number in range(start, start + 6)], rows)
            writer.finish()
        """
    )

    def run(name: str, kill_at: int) -> int:
        return subprocess.run(
            [sys.executable, "-c", script, str(tmp_path / name), str(kill_at)], check=False
        ).returncode

    assert run("whole.hdf5", -1) == 0
    assert [run("killed.hdf5", 18), run("killed.hdf5", 42), run("killed.hdf5", -1)] == [-9, -9, 0]
    assert (tmp_path / "killed.hdf5").read_bytes() == (tmp_path / "whole.hdf5").read_bytes()


def test_it_reads_in_parts(tmp_path):
    write(tmp_path / "f.hdf5", [str(number) for number in range(10)], vectors(10))
    parts = list(iterate_features(tmp_path / "f.hdf5", rows=4))
    assert [len(rows) for _, rows in parts] == [4, 4, 2]
    assert [one for ids, _ in parts for one in ids] == [str(number) for number in range(10)]
    assert feature_shape(tmp_path / "f.hdf5") == (10, 8)


def test_a_file_without_rows_is_a_file(tmp_path):
    with FeatureFileWriter(tmp_path / "f.hdf5") as writer:
        writer.finish()
    ids, rows = read_features(tmp_path / "f.hdf5")
    assert (ids, rows.shape) == ([], (0, 0))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (np.zeros((1, 4)), "2 rows"),
        (np.full((2, 4), np.nan), "not finite"),
        (np.full((2, 4), 1e6), "not finite as float16"),
        (np.zeros(4), "shape"),
    ],
)
def test_it_refuses_rows_that_are_none(tmp_path, rows, message):
    with FeatureFileWriter(tmp_path / "f.hdf5") as writer, pytest.raises(InterchangeError, match=message):
        writer.append(["a", "b"], rows)


def test_it_refuses_to_mix(tmp_path):
    with FeatureFileWriter(tmp_path / "f.hdf5") as writer:
        writer.append(["a"], vectors(1))
        with pytest.raises(InterchangeError, match="expected vectors of 8 numbers"):
            writer.append(["b"], vectors(1, dimensions=4))
    with pytest.raises(InterchangeError, match="was begun as float16"):
        FeatureFileWriter(tmp_path / "f.hdf5", dtype="float32")
    with FeatureFileWriter(tmp_path / "f.hdf5") as writer:
        writer.finish()
    with pytest.raises(InterchangeError, match="finished already"):
        FeatureFileWriter(tmp_path / "f.hdf5")


def test_it_says_what_is_no_feature_file(tmp_path):
    with pytest.raises(InterchangeError, match="there is no file"):
        read_features(tmp_path / "none.hdf5")
    (tmp_path / "text.hdf5").write_text("hello")
    with pytest.raises(InterchangeError, match="no HDF5 file"):
        read_features(tmp_path / "text.hdf5")
    with h5py.File(tmp_path / "other.hdf5", "w") as file:
        file["data"] = [1]
    with pytest.raises(InterchangeError, match="no features and no index, but data"):
        read_features(tmp_path / "other.hdf5")


def test_it_refuses_partitions_that_ilias_does_not_know():
    assert feature_file_name("distractors", 7) == "features_distractors_00007.hdf5"
    with pytest.raises(InterchangeError, match="unknown partition 'negatives'"):
        feature_file_name("negatives")


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_parquet_holds_the_same_rows(tmp_path, dtype):
    rows = vectors(9)
    with parquet.ParquetFeatureWriter(tmp_path / "f.parquet", dtype=dtype) as writer:
        writer.append(["é/b", *"hgfedca"], rows[:8])
    with parquet.ParquetFeatureWriter(tmp_path / "f.parquet", dtype=dtype) as writer:
        writer.append(["b"], rows[8:])
        writer.finish(sort=True)
    ids, found = parquet.read_features(tmp_path / "f.parquet")
    assert ids == ["a", "b", "c", "d", "e", "f", "g", "h", "é/b"]
    np.testing.assert_array_equal(found, rows.astype(dtype)[[7, 8, 6, 5, 4, 3, 2, 1, 0]])
    table = pyarrow.parquet.read_table(tmp_path / "f.parquet")
    assert [str(field.type) for field in table.schema] == [
        "string",
        f"fixed_size_list<element: {ARROW_NAMES[dtype]}>[8]",
    ]


def test_files_of_any_form_are_read_one_after_another(tmp_path):
    for name, start in (("a.hdf5", 0), ("b.parquet", 3)):
        with feature_files.open_writer(tmp_path / name) as writer:
            writer.append([str(number) for number in range(start, start + 3)], vectors(6)[start : start + 3])
            writer.finish()
    ids, rows = feature_files.read_features([tmp_path / "a.hdf5", tmp_path / "b.parquet"])
    assert ids == list("012345")
    assert rows.dtype == np.float32
    np.testing.assert_array_equal(rows, vectors(6).astype(np.float16).astype(np.float32))


def test_files_that_do_not_go_together_are_refused(tmp_path):
    write(tmp_path / "a.hdf5", ["a"], vectors(1))
    write(tmp_path / "b.hdf5", ["b"], vectors(1, dimensions=4))
    with pytest.raises(InterchangeError, match=r"expected vectors of 8 numbers, .*b\.hdf5 has 4"):
        feature_files.read_features([tmp_path / "a.hdf5", tmp_path / "b.hdf5"])
    with pytest.raises(InterchangeError, match=r"use \.hdf5, \.h5, \.parquet"):
        feature_files.read_features(tmp_path / "c.npy")
    (tmp_path / "d.parquet").write_text("hello")
    with pytest.raises(InterchangeError, match="no Parquet file"):
        feature_files.read_features(tmp_path / "d.parquet")


@pytest.mark.parametrize("factory", ["Flat", "HNSW16", "IVF2,Flat"])
def test_an_index_of_faiss_finds_the_rows_under_their_ids(tmp_path, factory):
    rows = vectors(90)
    write(tmp_path / "a.hdf5", [f"a{number}" for number in range(50)], rows[:50])
    write(tmp_path / "b.hdf5", [f"b {number}" for number in range(40)], rows[50:])
    made = faiss_index.export_index([tmp_path / "a.hdf5", tmp_path / "b.hdf5"], tmp_path / "i.faiss", factory=factory)
    index, ids = faiss_index.read_index(tmp_path / "i.faiss")
    assert made == index.ntotal == len(ids) == 90
    similarities, places = index.search(rows[[3, 88]], 1)
    assert [ids[place] for place in places[:, 0]] == ["a3", "b 38"]
    np.testing.assert_allclose(similarities[:, 0], 1, atol=1e-3)


def test_faiss_says_what_it_cannot_make(tmp_path):
    write(tmp_path / "a.hdf5", ["a"], vectors(1))
    with pytest.raises(InterchangeError, match="no index 'Flatt' for 8"):
        faiss_index.export_index([tmp_path / "a.hdf5"], tmp_path / "i.faiss", factory="Flatt")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.hdf5"]
    with pytest.raises(InterchangeError, match="nothing to index"):
        faiss_index.export_index([], tmp_path / "i.faiss")
    with pytest.raises(InterchangeError, match="must both be there"):
        faiss_index.read_index(tmp_path / "i.faiss")


def test_an_index_of_faiss_has_no_rows_that_no_search_could_tell(tmp_path):
    write(tmp_path / "a.hdf5", ["a", "b"], vectors(2))
    write(tmp_path / "b.hdf5", ["c", "a"], vectors(2))
    with pytest.raises(InterchangeError, match="the id 'a' comes twice"):
        faiss_index.export_index([tmp_path / "a.hdf5", tmp_path / "b.hdf5"], tmp_path / "i.faiss")
    with h5py.File(tmp_path / "b.hdf5", "r+") as file:
        file["features"][0, 3] = np.nan
    with pytest.raises(InterchangeError, match="the vector of 'c' is not finite"):
        faiss_index.export_index([tmp_path / "b.hdf5"], tmp_path / "i.faiss")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.hdf5", "b.hdf5"]


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([[1.0, 2.0], [3.0, 4.0, 5.0, 6.0]], "got lengths 2, 4"),
        ([[1.0, 2.0, 3.0, 4.0], None], "got lengths 4, none"),
    ],
)
def test_parquet_with_vectors_of_other_lengths_is_refused(tmp_path, rows, told):
    table = pyarrow.table({"id": ["a", "b"], "vector": pyarrow.array(rows, pyarrow.list_(pyarrow.float32()))})
    pyarrow.parquet.write_table(table, tmp_path / "f.parquet")
    with pytest.raises(InterchangeError, match=told):
        parquet.read_features(tmp_path / "f.parquet")
