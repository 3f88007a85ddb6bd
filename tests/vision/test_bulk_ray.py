"""A real Ray cluster of two nodes on this machine: the same bytes as without it, and one node lost on the way."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import pytest

from photos.vision.__main__ import main
from photos.vision.bulk.jobs import run_jobs
from photos.vision.bulk.local_engine import LocalEngine
from photos.vision.bulk.planning import Input, plan
from photos.vision.bulk.ray_engine import RayEngine, RayPlace, count_actors
from photos.vision.bulk.recipe import Recipe
from photos.vision.bulk.stage import available_cpus
from photos.vision.errors import VisionError
from tests.photos.pictures import blank_jpeg, jpeg
from tests.vision.test_bulk_extraction import files, write_tar

RECIPE = Recipe(max_side=1600, batch=2, window=4)  # as the command's


@pytest.fixture(autouse=True)
def threads_as_here(monkeypatch):
    """Products of matrices depend in their last bits on how many threads work them out."""
    monkeypatch.setenv("OMP_NUM_THREADS", os.environ.get("OMP_NUM_THREADS", str(available_cpus())))


@pytest.fixture(scope="module")
def tars(tmp_path_factory) -> Path:
    folder: Path = tmp_path_factory.mktemp("tars")
    for number in range(2):
        pictures = {f"{number}{index:03}.jpg": jpeg(index, size=(320, 240)) for index in range(24)}
        write_tar(folder / f"{number:05}.tar", {**pictures, f"{number}9.jpg": blank_jpeg()})
    return folder


@pytest.fixture(scope="module")
def whole(tars, tmp_path_factory) -> dict[str, bytes]:
    """What this process alone makes of the tars."""
    out = tmp_path_factory.mktemp("whole")
    run_jobs(plan(Input(tars, tars_per_file=1), out, RECIPE), RECIPE, LocalEngine(RECIPE))
    return files(out)


@pytest.fixture
def cluster(monkeypatch):
    """Two nodes of one CPU each."""
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    from ray.cluster_utils import Cluster

    quiet: dict[str, Any] = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "include_dashboard": False}
    made = Cluster(initialize_head=True, head_node_args=quiet)
    made.add_node(**quiet)
    yield made
    made.shutdown()


class Losing:
    """The engine, with a node of its cluster killed once the first vectors are there."""

    def __init__(self, engine: RayEngine, cluster) -> None:
        self._engine, self._cluster, self.round_pictures = engine, cluster, engine.round_pictures

    def describe(self, windows):
        for number, described in enumerate(self._engine.describe(windows)):
            if number == 0:
                self._cluster.remove_node(next(iter(self._cluster.worker_nodes)), allow_graceful=False)
            yield described

    def close(self) -> None:
        self._engine.close()


@pytest.mark.slow
def test_two_nodes_give_the_same_bytes_and_so_does_one_that_is_left(cluster, tars, whole, tmp_path, caplog):
    engine = RayEngine(RECIPE, RayPlace(address=cluster.address))
    try:
        both = tmp_path / "both"
        tally = run_jobs(plan(Input(tars, tars_per_file=1), both, RECIPE), RECIPE, engine)
        assert (tally.described, tally.refused) == (48, 2)
        assert files(both) == whole
        assert engine._workers() == 2
        one = tmp_path / "one"
        with caplog.at_level(logging.WARNING):
            run_jobs(plan(Input(tars, tars_per_file=1), one, RECIPE), RECIPE, Losing(engine, cluster))
        assert files(one) == whole
        assert "a part of the cluster was lost" in caplog.text
        again = run_jobs(plan(Input(tars, tars_per_file=1), one, RECIPE), RECIPE, engine)
        assert len(again.there) == 2
    finally:
        engine.close()


@pytest.mark.slow
def test_a_cluster_of_its_own_takes_up_what_was_begun_without(tars, whole, tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    out = tmp_path / "out"
    options = ["--batch", "2", "--window", "4", "--tars-per-file", "1"]
    assert main(["extract", str(tars), str(out), *options, "--total-tars", "1"]) == 0
    assert main(["extract", str(tars), str(out), *options, "--engine", "ray", "--workers", "1"]) == 0
    assert files(out) == whole
    told = capsys.readouterr().out
    assert "features_00001.hdf5: made" in told
    assert "features_00000.hdf5: there already" in told
    import ray

    assert not ray.is_initialized()


def node(cpus: float, gpus: float = 0, *, alive: bool = True) -> dict[str, Any]:
    return {"Alive": alive, "Resources": {"CPU": cpus, "memory": 1e9, **({"GPU": gpus} if gpus else {})}}


@pytest.mark.parametrize(
    ("nodes", "needs", "count"),
    [
        ([], {"CPU": 1.0}, 0),
        ([node(4), node(3)], {"CPU": 2.0}, 3),
        ([node(2), node(2)], {"CPU": 4.0}, 0),  # together they have it, but no actor lies on two
        ([node(8), node(1, 4)], {"CPU": 1.0, "GPU": 1.0}, 1),
        ([node(8), node(8)], {"CPU": 1.0, "GPU": 1.0}, 0),
        ([node(4), node(64, alive=False)], {"CPU": 1.0}, 4),
        ([node(0.3)], {"CPU": 0.1}, 3),
        ([node(1, 1)], {"GPU": 0.25}, 4),
    ],
)
def test_actors_are_counted_node_by_node(nodes, needs, count):
    assert count_actors(nodes, needs) == count


def test_it_rejects_a_cluster_that_cannot_be(tars, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("MODEL_DIR", str(tmp_path))
    with pytest.raises(VisionError, match="an actor needs CPUs or GPUs"):
        RayPlace(cpus=0)
    options = ["--engine", "ray", "--framework", "timm", "--model", "vit_tiny_patch16_224"]
    assert main(["extract", str(tars), str(tmp_path / "out"), *options]) == 1
    assert "--fetch" in capsys.readouterr().err
