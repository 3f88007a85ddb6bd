"""A Ray cluster as the engine: the same stage in Ray Data's actors, on the machine's CPUs or anyone's GPUs.

Windows go out as places in files, vectors come back; the files that they are read from must lie at the same paths on
every node. Nothing is reported to Ray's makers, and no dashboard is started.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import pickle
import shutil
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from photos.vision import configuration
from photos.vision.bulk.backbones import load_backbone, locate, model_files
from photos.vision.bulk.jobs import ROUND_PICTURES
from photos.vision.bulk.recipe import Recipe
from photos.vision.bulk.sources import Entry
from photos.vision.bulk.stage import Described, Window, available_cpus, describe_windows
from photos.vision.errors import MissingDependencyError, VisionError

logger = logging.getLogger(__name__)

WINDOWS_AT_ONCE: Final = 2
"""Windows that an actor is given at a time, so that it reads ahead from one into the next."""

_STORE_BYTES: Final = 256 * 2**20
_QUIET: Final = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_USAGE_STATS_PROMPT_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
}
_TRIES: Final = 3


@dataclass(frozen=True, slots=True)
class RayPlace:
    """Which cluster, and what of it: `workers` actors (0: as many as fit) of `cpus` CPUs and `gpus` GPUs each.

    `address` is a cluster's; without it, and without RAY_ADDRESS, a small one is started on this machine.
    """

    address: str = ""
    workers: int = 0
    cpus: float = 1.0
    gpus: float = 0.0
    readers: int = 0

    def __post_init__(self) -> None:
        if self.workers < 0 or self.cpus < 0 or self.gpus < 0 or not (self.cpus or self.gpus):
            raise VisionError(f"an actor needs CPUs or GPUs, and none less than 0; got {self}")


class RayEngine:
    """Describes windows in the actors of a cluster; they come back in any order, each picture once."""

    round_pictures = ROUND_PICTURES

    def __init__(self, recipe: Recipe, place: RayPlace | None = None) -> None:
        self._recipe, self._place = recipe, place or RayPlace()
        self._ray: Any = None
        self._started = False

    def describe(self, windows: Iterable[Window]) -> Iterator[Described]:
        """Yield what the cluster describes; what is lost with a node is described again by the others.

        Raises `VisionError` where no cluster answers, or none of its nodes can do it.
        """
        left = {window.number: {one.id: one for one in window.entries} for window in windows}
        require_files(self._recipe)
        self._connect()
        tries = 0
        while left:
            before = sum(map(len, left.values()))
            try:
                yield from self._describe(left)
            except self._ray.exceptions.RayError as exc:
                tries = tries + 1 if before == sum(map(len, left.values())) else 0
                if tries == _TRIES:
                    raise VisionError(f"the cluster gave up: {_first_line(exc)}") from exc
                logger.warning("a part of the cluster was lost (%s); its pictures go to the others", _first_line(exc))

    def close(self) -> None:
        """Stop the cluster if it was started here."""
        if self._started:
            self._ray.shutdown()
        self._started = False

    def _describe(self, left: dict[int, dict[str, Entry]]) -> Iterator[Described]:
        """Yield results and take them off `left`."""
        data = self._ray.data
        rows = [{"window": _pack(number, entries)} for number, entries in left.items()]
        blocks = -(-len(rows) // WINDOWS_AT_ONCE)
        size = self._workers()
        with warnings.catch_warnings():
            # What map_batches is told of restarts by will be named otherwise from Ray 2.64 on; ours is pinned.
            warnings.simplefilter("ignore", DeprecationWarning)
            made = data.from_items(rows, override_num_blocks=blocks).map_batches(
                _Describer,
                fn_constructor_args=(
                    self._recipe,
                    configuration.current(),
                    self._place.readers or _threads(self._place),
                ),
                batch_size=WINDOWS_AT_ONCE,
                compute=data.ActorPoolStrategy(
                    min_size=1, max_size=size, initial_size=size, max_tasks_in_flight_per_actor=2
                ),
                num_cpus=self._place.cpus,
                num_gpus=self._place.gpus or None,
                ray_remote_args_fn=_no_second_lives,
            )
        for batch in made.iter_batches(batch_size=None, prefetch_batches=0, batch_format="numpy"):
            for packed in batch["described"]:
                described = pickle.loads(packed)  # noqa: S301 - made by our own actors
                waiting = left.get(described.window, {})
                names = [*described.ids, *(one[0] for one in described.refused)]
                if not all(name in waiting for name in names):
                    continue  # sent twice, by an actor that was lost just then
                for name in names:
                    del waiting[name]
                if not waiting:
                    del left[described.window]
                yield described

    def _workers(self) -> int:
        fit = count_actors(self._ray.nodes(), self._needs())
        if fit < 1:
            wanted = " and ".join(f"{each:g} {kind}" for kind, each in self._needs().items())
            raise VisionError(f"no node of the cluster has the {wanted} that an actor needs")
        return min(fit, self._place.workers or fit)

    def _needs(self) -> dict[str, float]:
        return {kind: each for kind, each in (("CPU", self._place.cpus), ("GPU", self._place.gpus)) if each}

    def _connect(self) -> None:
        """Join the cluster there is, or start one; one that this process joined before is taken as it is."""
        os.environ.update(_QUIET)
        if self._ray is None:
            self._ray = _import_ray()
        if self._ray.is_initialized():
            return
        address = self._place.address or os.environ.get("RAY_ADDRESS", "")
        how: dict[str, Any] = {"address": address} if address else _own_cluster(self._place)
        how |= {"log_to_driver": False, "logging_level": "ERROR", "runtime_env": {"env_vars": _worker_environment()}}
        try:
            self._ray.init(**how)
        except (ConnectionError, RuntimeError, ValueError, OSError) as exc:
            raise VisionError(f"no Ray cluster to be had at {address or 'this machine'}: {_first_line(exc)}") from exc
        self._started = True


def count_actors(nodes: Iterable[Mapping[str, Any]], needs: Mapping[str, float]) -> int:
    """Return how many actors fit the nodes, as `ray.nodes()` lists them: each has to find all it needs on one node."""
    there = [node.get("Resources", {}) for node in nodes if node.get("Alive")]
    # Shares such as 0.1 are not quite what they are written as: three of them fit 0.3.
    return sum(min(int(has.get(kind, 0) / each + 1e-6) for kind, each in needs.items()) for has in there)


def _no_second_lives() -> dict[str, Any]:
    """A lost actor's work is given to the others, not kept until there is room for it again."""
    return {"max_restarts": 0, "max_task_retries": 0}


class _Describer:
    """An actor: its model is loaded when it is made."""

    def __init__(self, recipe: Recipe, settings: configuration.Configuration, readers: int) -> None:
        configuration.use(lambda: settings)
        self._recipe, self._readers = recipe, readers
        self._backbone = load_backbone(recipe)

    def __call__(self, batch: dict[str, Any]) -> Iterator[dict[str, Any]]:
        windows = [_unpack(one) for one in batch["window"]]
        for described in describe_windows(self._backbone, self._recipe, windows, readers=self._readers):
            yield {"described": [pickle.dumps(described)]}


def require_files(recipe: Recipe) -> None:
    """Raise what loading the model would for lack of its files, before a cluster is troubled."""
    for file in model_files(recipe):
        locate(file)


def _pack(number: int, entries: dict[str, Entry]) -> str:
    return json.dumps([number, [dataclasses.astuple(one) for one in entries.values()]])


def _unpack(packed: str) -> Window:
    number, entries = json.loads(packed)
    return Window(number, [Entry(*one) for one in entries])


def _own_cluster(place: RayPlace) -> dict[str, Any]:
    """Return how to start a cluster here: quiet, and small where shared memory is."""
    how: dict[str, Any] = {
        "address": "local",
        "num_cpus": available_cpus(),
        "include_dashboard": False,
        "object_store_memory": _STORE_BYTES,
    }
    shared = Path("/dev/shm")  # noqa: S108 - where Ray keeps its objects by itself
    if not shared.is_dir() or shutil.disk_usage(shared).free < 2 * _STORE_BYTES:
        how["_plasma_directory"] = tempfile.gettempdir()
    return how


def _worker_environment() -> dict[str, str]:
    root = str(Path(__file__).resolve().parents[3])
    path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH", "")]))
    # Threads change a matrix product's last bits; with the same number here and there the bytes are the same.
    threads = {name: os.environ[name] for name in ("OMP_NUM_THREADS",) if name in os.environ}
    return {**_QUIET, **threads, "PYTHONPATH": path}


def _threads(place: RayPlace) -> int:
    return max(1, round(place.cpus))


def _first_line(exc: BaseException) -> str:
    lines = str(exc).strip().splitlines()
    return lines[-1] if lines else type(exc).__name__


def _import_ray() -> Any:
    try:
        import ray
        import ray.data
    except ImportError as exc:
        raise MissingDependencyError("--engine ray needs Ray: pip install 'geolocator[research]'") from exc
    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.ERROR)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    return ray
