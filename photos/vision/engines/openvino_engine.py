"""OpenVINO as the engine for CPUs: two to ten times as fast there as torch.

A module is traced, converted and kept on disk under a name made of its weights, its code, the shapes and the versions
of torch and OpenVINO, so that the next process starts from the converted file.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import logging
import os
import shutil
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from photos.vision.engines.torch_engine import TorchNetwork
from photos.vision.weights import model_dir

# Importing OpenVINO counts its users and tells its maker, unless the package that does so cannot be imported.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
import openvino  # noqa: E402
from openvino.frontend import FrontEndManager  # noqa: E402
from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder  # noqa: E402

logger = logging.getLogger(__name__)

_FOLDER: Final = "openvino"
_PORTION: Final = 32
"""Rows that are run at once at most: more need memory and gain nothing on a CPU."""
_UNUSED_S: Final = 30 * 24 * 3600.0
"""For so long nobody began to use a kept network before it is removed: it is of former weights or code."""


class OpenVinoEngine:
    """Run networks with OpenVINO on the CPU."""

    name = "openvino"

    def __init__(self, *, precision: str = "auto") -> None:
        self.device = torch.device("cpu")
        self.precision = ("bf16" if computes_in_bf16() else "f32") if precision == "auto" else precision

    def compile(
        self,
        module: nn.Module,
        examples: Sequence[Tensor],
        *,
        batched: Sequence[bool],
        static: bool = False,
        exact: bool = False,
    ) -> TorchNetwork:
        """Return the converted module, from disk where it was converted before and can be kept there."""
        shapes = [
            [-1, *one.shape[1:]] if rows and not static else list(one.shape)
            for one, rows in zip(examples, batched, strict=True)
        ]
        options = self._options(exact=exact)
        compiled, held = self._compile(module, examples, shapes, options)
        size = next(len(one) for one, rows in zip(examples, batched, strict=True) if rows)
        runner = _Runner(compiled, [bool(rows) for rows in batched], size if static else None, held)
        return TorchNetwork(
            runner, batched, device=self.device, dtype=torch.float32, limit=size if static else _PORTION
        )

    def _compile(
        self,
        module: nn.Module,
        examples: Sequence[Tensor],
        shapes: Sequence[Sequence[int]],
        options: dict[str, Any],
    ) -> tuple[Any, object]:
        """Return the compiled model, and what has to be held for as long as it runs."""
        path = model_dir() / _FOLDER / f"{_fingerprint(module, shapes)}.xml"
        if (kept := self._load(path, options)) is not None:
            return kept, None
        logger.info("converting a network for OpenVINO, to be kept as %s", path)
        model, decoder = _convert(module, examples, shapes)
        if _keep(model, path) and (kept := self._load(path, options)) is not None:
            _remove_unused(path.parent)
            return kept, None
        return _core().compile_model(model, "CPU", options), decoder

    def _load(self, path: Path, options: dict[str, Any]) -> Any:
        """Return the kept model, compiled; None where there is none, or a broken one."""
        if not path.exists():
            return None
        with suppress(OSError):  # a folder that is read only, or another process that removes them
            for file in (path.with_suffix(".bin"), path):
                os.utime(file)
        try:
            return _core().compile_model(path, "CPU", options)
        except RuntimeError as exc:
            logger.warning("the kept network %s does not load and is made anew: %s", path, exc)
            return None

    def _options(self, *, exact: bool) -> dict[str, Any]:
        precision = "f32" if exact else self.precision
        options: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": precision}
        threads = os.environ.get("OMP_NUM_THREADS", "")
        return options | ({"INFERENCE_NUM_THREADS": int(threads)} if threads.isdigit() else {})


class _Runner(nn.Module):
    """A compiled model as a module; one request per thread, for a request runs once at a time."""

    def __init__(self, compiled: Any, batched: Sequence[bool], size: int | None, held: object) -> None:
        super().__init__()
        self._held = held
        self._compiled = compiled
        self._batched = batched
        self._size = size
        self._local = threading.local()

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        rows = next(len(one) for one, many in zip(inputs, self._batched, strict=True) if many)
        request = self._request()
        found = request.infer([self._filled(*pair).numpy() for pair in zip(inputs, self._batched, strict=True)])
        return tuple(torch.from_numpy(found[index][:rows].copy()) for index in range(len(found)))

    def _filled(self, tensor: Tensor, many: bool) -> Tensor:
        """Repeat the last row until the batch has the size that the model was converted for."""
        if many and self._size and len(tensor) < self._size:
            tensor = torch.cat([tensor, tensor[-1:].expand(self._size - len(tensor), *tensor.shape[1:])])
        return tensor.contiguous()

    def _request(self) -> Any:
        if not hasattr(self._local, "request"):
            self._local.request = self._compiled.create_infer_request()
        return self._local.request


@functools.cache
def _core() -> Any:
    return openvino.Core()


def computes_in_bf16() -> bool:
    """Say whether this CPU computes in bf16 (AVX512-BF16, AMX), where it is both faster and half the memory."""
    return "BF16" in _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def _fingerprint(module: nn.Module, shapes: Sequence[Sequence[int]]) -> str:
    """Return 32 hexadecimal digits that change with the weights, structure, code, shapes and versions."""
    plain = [
        (type(part).__qualname__, name, value)  # heads, windows and the like, which no weight shows
        for part in module.modules()
        for name, value in sorted(vars(part).items())
        if isinstance(value, bool | int | float | str | tuple) and name != "training"
    ]
    versions = f"{openvino.__version__} {torch.__version__}"
    digest = hashlib.sha256(f"{versions} {_code_of(module)} {module!r} {plain} {shapes}".encode())
    for name, tensor in module.state_dict().items():
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()[:32]


def _code_of(module: nn.Module) -> list[str]:
    """Return the digests of all code that the parts' classes are of, but torch's, which its version tells."""
    kinds = {kind for part in module.modules() for kind in type(part).__mro__}
    return sorted(
        {_source_digest(kind) for kind in kinds if kind.__module__.split(".")[0] not in {"builtins", "torch"}}
    )


@functools.cache
def _source_digest(kind: type) -> str:
    """Return the digest of the file a class is written in, for its functions as well; without it, of its name."""
    try:
        source = inspect.getsource(sys.modules[kind.__module__])
    except (KeyError, OSError, TypeError):
        source = f"{kind.__module__}.{kind.__qualname__} {_own_version()}"
    return hashlib.sha256(source.encode()).hexdigest()


def _own_version() -> str:
    try:
        return version("geolocator")
    except PackageNotFoundError:
        return "unknown"


def _convert(
    module: nn.Module, examples: Sequence[Tensor], shapes: Sequence[Sequence[int]]
) -> tuple[Any, TorchScriptPythonDecoder]:
    """Return the converted module and its decoder, to be held as long as the model: the weights lie in its memory.

    Not with openvino.convert_model, which reports every use to its maker's servers.
    """
    decoder = TorchScriptPythonDecoder(_trace(module, examples), example_input=tuple(examples))
    frontend = FrontEndManager().load_by_framework("pytorch")
    model = frontend.convert(frontend.load(decoder))
    model.reshape({port: openvino.PartialShape(shape) for port, shape in zip(model.inputs, shapes, strict=True)})
    return model, decoder


def _keep(model: Any, path: Path) -> bool:
    """Write the model to `path`, whole or not at all; False where it cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".") as folder:
            aside = Path(folder) / path.name
            openvino.save_model(model, aside, compress_to_fp16=False)
            aside.with_suffix(".bin").replace(path.with_suffix(".bin"))
            aside.replace(path)  # the one that is looked for comes last
    except (OSError, RuntimeError) as exc:  # OpenVINO raises the latter where a disk is full
        _tell_not_kept(path.parent, getattr(exc, "strerror", None) or str(exc))
        return False
    return True


def _remove_unused(folder: Path) -> None:
    """Remove what was long not used; a process that runs one has it open, one that misses a file converts anew."""
    for path in folder.iterdir():
        with suppress(OSError):  # another process is at it too
            if time.time() - path.stat().st_mtime > _UNUSED_S:
                shutil.rmtree(path) if path.is_dir() else path.unlink()


@functools.cache
def _tell_not_kept(folder: Path, reason: str) -> None:
    """Log it once for each folder and reason."""
    logger.warning(
        "converted networks cannot be kept in %s (%s): is it writable, has it space? Every process converts its own.",
        folder,
        reason,
    )


@torch.no_grad()
def _trace(module: nn.Module, examples: Sequence[Tensor]) -> Any:
    fast_attention = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # its fused operator cannot be converted
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # tracing warns of every shape it takes as given; ours are
            return torch.jit.trace(module.eval(), tuple(examples), check_trace=False)  # type: ignore[no-untyped-call]
    finally:
        torch.backends.mha.set_fastpath_enabled(fast_attention)
