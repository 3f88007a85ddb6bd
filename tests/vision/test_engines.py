"""Both engines on small networks: the same numbers, any batch, kept on disk, and little memory."""

from __future__ import annotations

import contextlib
import gc
import importlib.util
import logging
import os
import resource
import subprocess
import sys
import threading
import time
from typing import Any

import pytest
import torch
from torch import nn

from photos.vision.engines import _best_engine, get_engine
from photos.vision.engines.openvino_engine import OpenVinoEngine
from photos.vision.engines.torch_engine import TorchEngine, best_device
from photos.vision.errors import GpuMemoryError, VisionError
from photos.vision.weights import model_dir

ENGINES = {"torch": TorchEngine, "openvino": OpenVinoEngine}


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("MODEL_DIR", str(tmp_path))


class Pair(nn.Module):
    """One shared input and one with a row for each answer; two outputs."""

    def __init__(self, seed=0):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.layer = nn.Linear(4, 3)
            self.attention = nn.MultiheadAttention(4, 2, batch_first=True)

    def forward(self, shared, rows):
        mixed, _weights = self.attention(rows, rows, rows, need_weights=False)
        return self.layer(mixed.mean(dim=1) + shared), mixed.amax(dim=(1, 2))


def inputs(rows):
    generator = torch.Generator().manual_seed(rows)
    return torch.randn(1, 4, generator=generator), torch.randn(rows, 5, 4, generator=generator)


def compiled(engine, *, static=False, seed=0):
    return engine.compile(Pair(seed).eval(), inputs(4), batched=(False, True), static=static)


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("static", [False, True])
@pytest.mark.parametrize("rows", [1, 4, 9])
def test_a_network_answers_as_its_module(name, static, rows):
    network = compiled(ENGINES[name](precision="f32"), static=static)
    given = inputs(rows)
    with torch.no_grad():
        expected = Pair().eval()(*given)
    found = network(*given)
    assert len(found) == 2
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one.cpu(), other, rtol=1e-4, atol=1e-5)


def test_bf16_is_near_and_float32_outside():
    network = compiled(TorchEngine(precision="bf16", device=torch.device("cpu")))
    found = network(*inputs(6))[0]
    with torch.no_grad():
        expected = Pair().eval()(*inputs(6))[0]
    assert found.dtype == torch.float32
    assert 0 < (found - expected).abs().max() < 0.05


def test_the_module_given_is_left_as_it_is():
    module = Pair()
    module.train()
    TorchEngine(precision="bf16").compile(module, inputs(2), batched=(False, True))
    assert module.training
    assert module.layer.weight.dtype == torch.float32
    assert module.layer.weight.requires_grad


def test_converted_networks_are_kept_by_their_weights():
    engine = OpenVinoEngine(precision="f32")
    compiled(engine)
    first = {path: path.stat().st_ino for path in (model_dir() / "openvino").iterdir()}
    assert sorted(path.suffix for path in first) == [".bin", ".xml"]
    compiled(engine)
    assert {path: path.stat().st_ino for path in (model_dir() / "openvino").iterdir()} == first
    compiled(engine, seed=1)
    assert len(list((model_dir() / "openvino").iterdir())) == 4


def test_what_weights_do_not_show_tells_networks_apart():
    engine, other = OpenVinoEngine(precision="f32"), Pair().eval()
    other.attention = nn.MultiheadAttention(4, 4, batch_first=True).eval()
    other.attention.load_state_dict(Pair().attention.state_dict())
    answers = [compiled(engine)(*inputs(4))[1], engine.compile(other, inputs(4), batched=(False, True))(*inputs(4))[1]]
    assert (answers[0] - answers[1]).abs().max() > 1e-3


TRIAL = """
from torch import nn

def change(rows):
    return rows {change}

class Trial(nn.Module):
    def forward(self, rows):
        return change(rows) {then}
"""


def trial(folder, monkeypatch, *, change="* 2", then="+ 1"):
    """Return a network whose class is `trial.Trial`, whatever its source."""
    folder.mkdir()
    (folder / "trial.py").write_text(TRIAL.format(change=change, then=then))
    spec = importlib.util.spec_from_file_location("trial", folder / "trial.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "trial", made)
    spec.loader.exec_module(made)
    return made.Trial().eval()


@pytest.mark.parametrize("other", [{"change": "* 3"}, {"then": "+ 2"}])
def test_other_code_is_another_network(tmp_path, monkeypatch, other):
    engine, rows = OpenVinoEngine(precision="f32"), torch.arange(6.0).view(3, 2)
    for folder, source in (("former", {}), ("present", other), ("again", other)):
        module = trial(tmp_path / folder, monkeypatch, **source)
        assert torch.equal(engine.compile(module, [rows], batched=[True])(rows)[0], module(rows))
    assert len(list((model_dir() / "openvino").glob("*.xml"))) == 2


def test_other_code_of_a_base_class_is_another_network(tmp_path, monkeypatch):
    rows = torch.ones(1, 2)
    for folder, change in (("former", "* 2"), ("present", "* 3")):
        base = type(trial(tmp_path / folder, monkeypatch, change=change))
        own = type("Own", (base,), {"__module__": __name__})().eval()
        OpenVinoEngine(precision="f32").compile(own, [rows], batched=[True])
    assert len(list((model_dir() / "openvino").glob("*.xml"))) == 2


def test_another_torch_converts_anew(monkeypatch):
    engine = OpenVinoEngine(precision="f32")
    compiled(engine)
    monkeypatch.setattr(torch, "__version__", "99.0")
    compiled(engine)
    assert len(list((model_dir() / "openvino").glob("*.xml"))) == 2


def test_code_without_a_source_is_known_by_its_name():
    engine, rows = OpenVinoEngine(precision="f32"), torch.ones(1, 2)
    for name in ("One", "One", "Other"):
        scope: dict[str, Any] = {"__name__": "nowhere", "nn": nn}
        exec(f"class {name}(nn.Module):\n    def forward(self, rows):\n        return rows * 2", scope)
        assert torch.equal(engine.compile(scope[name]().eval(), [rows], batched=[True])(rows)[0], rows * 2)
    assert len(list((model_dir() / "openvino").glob("*.xml"))) == 2


def test_a_kept_network_answers_alike():
    engine = OpenVinoEngine(precision="f32")
    for one, other in zip(compiled(engine)(*inputs(3)), compiled(engine)(*inputs(3)), strict=True):
        assert torch.equal(one, other)


@contextlib.contextmanager
def a_file_in_the_folders_place():
    """A folder that nothing can be written to, for root neither."""
    (model_dir() / "openvino").write_bytes(b"")
    yield


@contextlib.contextmanager
def a_full_disk():
    """No file may be longer than 1,000 bytes: writing fails halfway, as on a full disk."""
    (model_dir() / "openvino").mkdir()
    former = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, former[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, former)


@pytest.mark.parametrize("trouble", [a_file_in_the_folders_place, a_full_disk])
def test_what_cannot_be_kept_runs_from_memory(trouble, caplog):
    engine, given = OpenVinoEngine(precision="f32"), inputs(9)
    with caplog.at_level(logging.WARNING), trouble():
        network = compiled(engine)
        again = compiled(engine, static=True)
    gc.collect()  # the module and what was traced of it are gone
    with torch.no_grad():
        expected = Pair().eval()(*given)
    for found in (network(*given), again(*given)):
        torch.testing.assert_close(found[0], expected[0], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(found[1], expected[1], rtol=1e-4, atol=1e-5)
    assert [path for path in model_dir().rglob("*") if path.name != "openvino"] == []
    (told,) = [record.message for record in caplog.records]
    assert str(model_dir() / "openvino") in told


@pytest.mark.parametrize("suffix", [".xml", ".bin"])
def test_a_kept_network_that_is_broken_is_made_anew(suffix):
    engine = OpenVinoEngine(precision="f32")
    expected = compiled(engine)(*inputs(3))[0]
    (path,) = (model_dir() / "openvino").glob(f"*{suffix}")
    path.write_bytes(path.read_bytes()[:20])
    assert torch.equal(compiled(engine)(*inputs(3))[0], expected)
    assert path.stat().st_size > 20


def test_networks_that_were_long_not_used_are_removed():
    engine, folder = OpenVinoEngine(precision="f32"), model_dir() / "openvino"
    used, unused = compiled(engine, seed=1), compiled(engine, seed=2)
    expected = unused(*inputs(3))[0]
    kept = set(folder.iterdir())
    (folder / ".killed").mkdir()  # what a worker leaves that is killed while it writes
    (folder / ".killed" / "half.bin").write_bytes(b"")
    for path in folder.iterdir():
        os.utime(path, (time.time() - 40 * 86400,) * 2)
    compiled(engine, seed=1)
    assert len(set(folder.iterdir())) == 5  # nothing is removed by reading
    compiled(engine, seed=3)
    assert len(set(folder.iterdir())) == 4
    assert len(kept & set(folder.iterdir())) == 2
    assert torch.equal(unused(*inputs(3))[0], expected)  # who runs it is not disturbed
    assert torch.equal(compiled(engine, seed=2)(*inputs(3))[0], expected)
    assert torch.equal(compiled(engine, seed=1)(*inputs(3))[0], used(*inputs(3))[0])


def test_converting_reports_to_nobody(tmp_path):
    """OpenVINO's own converter leaves a visitor's number in the home folder before it tells its maker."""
    program = (
        "import torch; from photos.vision.engines.openvino_engine import OpenVinoEngine as Engine;"
        "Engine(precision='f32').compile(torch.nn.Linear(2, 2), [torch.ones(1, 2)], batched=[True])"
    )
    home = tmp_path / "home"
    home.mkdir()
    environment = os.environ | {"HOME": str(home), "CI": "", "MODEL_DIR": str(tmp_path / "models")}
    subprocess.run([sys.executable, "-c", program], check=True, env=environment, capture_output=True)
    assert len(list((tmp_path / "models" / "openvino").iterdir())) == 2
    assert list(home.iterdir()) == []


def test_threads_do_not_disturb_one_another():
    network = compiled(OpenVinoEngine(precision="f32"))
    expected = {rows: network(*inputs(rows))[0] for rows in range(1, 7)}
    found = {}

    def ask(rows):
        for _ in range(20):
            found[rows] = network(*inputs(rows))[0]

    threads = [threading.Thread(target=ask, args=(rows,)) for rows in expected]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    for rows, answer in expected.items():
        torch.testing.assert_close(found[rows], answer, rtol=1e-4, atol=1e-5)


class Hungry(nn.Module):
    """A module for which more than `fits` rows are too many, as a GPU says it."""

    def __init__(self, fits, error=torch.OutOfMemoryError, words="MPS backend out of memory"):
        super().__init__()
        self.fits = fits
        self.error = error
        self.words = words
        self.tried = []

    def __deepcopy__(self, _memo):
        return self

    def forward(self, rows):
        self.tried.append(len(rows))
        if len(rows) > self.fits:
            raise self.error(self.words)
        return rows * 2


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (torch.OutOfMemoryError, "CUDA out of memory"),
        (RuntimeError, "MPS backend out of memory"),
        (RuntimeError, "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        (RuntimeError, "cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    ],
)
def test_too_little_memory_means_smaller_portions_from_then_on(error, words):
    module, given = Hungry(fits=3, error=error, words=words), torch.arange(16.0)[:, None]
    network = TorchEngine(precision="f32", device=torch.device("cpu")).compile(module, [given], batched=[True])
    assert torch.equal(network(given)[0], given * 2)
    assert module.tried == [16, 8, 4, 2, 2, 2, 2, 2, 2, 2, 2]
    module.tried.clear()
    network(given[:3])
    assert module.tried == [2, 1]


def test_no_memory_for_one_row_is_told():
    network = TorchEngine(precision="f32", device=torch.device("cpu")).compile(
        Hungry(fits=0), [torch.ones(2, 1)], batched=[True]
    )
    with pytest.raises(GpuMemoryError, match="VISION_ENGINE=openvino"):
        network(torch.ones(2, 1))


def test_once_there_is_memory_again_portions_grow():
    module, given = Hungry(fits=3), torch.arange(16.0)[:, None]
    network = TorchEngine(precision="f32", device=torch.device("cpu")).compile(module, [given], batched=[True])
    for _ in range(100):
        assert torch.equal(network(given)[0], given * 2)
    failed = sum(rows > 3 for rows in module.tried)
    assert 3 < failed < len(module.tried) / 30  # it goes on trying, seldom
    module.fits = 16
    for _ in range(100):
        network(given)
    assert module.tried[-1] == 16


def test_portions_grow_to_what_was_asked_for_at_most():
    module, given = Hungry(fits=1), torch.arange(12.0)[:, None]
    engine = TorchEngine(precision="f32", device=torch.device("cpu"))
    network = engine.compile(module, [given[:3]], batched=[True], static=True)
    network(given)
    assert module.tried == [3, *[1] * 12]
    module.fits = 12
    for _ in range(40):
        network(given)
    assert module.tried[-4:] == [3] * 4


class Heavy(torch.Tensor):
    """Rows of which no more than three can be moved at once, as a GPU says it."""

    def to(self, *args: Any, **options: Any) -> torch.Tensor:
        if len(self) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return super().to(*args, **options)


def test_rows_are_moved_in_portions_too():
    module, given = Hungry(fits=16), torch.arange(8.0)[:, None]
    network = TorchEngine(precision="f32", device=torch.device("cpu")).compile(module, [given], batched=[True])
    assert torch.equal(network(given.as_subclass(Heavy))[0].as_subclass(torch.Tensor), given * 2)
    assert module.tried == [2, 2, 2, 2]


@pytest.mark.parametrize("error", [torch.OutOfMemoryError, RuntimeError])
def test_no_memory_for_a_network_itself_is_told(error):
    class Large(Hungry):
        def to(self, *_args):
            raise self.error("CUDA out of memory")

    engine = TorchEngine(precision="f32", device=torch.device("cpu"))
    with pytest.raises(GpuMemoryError, match="VISION_ENGINE=openvino"):
        engine.compile(Large(fits=1, error=error), [torch.ones(2, 1)], batched=[True])


def test_other_errors_are_no_matter_of_memory():
    class Broken(nn.Module):
        def forward(self, rows):
            raise RuntimeError("a kernel failed")

    rows = torch.ones(4, 1)
    network = TorchEngine(precision="f32", device=torch.device("cpu")).compile(Broken(), [rows], batched=[True])
    with pytest.raises(RuntimeError, match="a kernel failed"):
        network(rows)


def test_the_engine_is_chosen_by_name_or_environment(monkeypatch):
    monkeypatch.setenv("VISION_ENGINE", "torch")
    assert get_engine().name == "torch"
    assert get_engine("openvino").name == "openvino"
    assert get_engine("openvino") is get_engine("openvino")
    monkeypatch.setenv("VISION_ENGINE", "auto")
    gpu = torch.cuda.is_available() or torch.backends.mps.is_available()
    assert get_engine().name == ("torch" if gpu else "openvino")


@pytest.mark.parametrize(
    ("cuda", "mps", "engine", "device"),
    [
        (True, True, "torch", "cuda"),
        (True, False, "torch", "cuda"),
        (False, True, "torch", "mps"),
        (False, False, "openvino", "cpu"),
    ],
)
def test_the_best_engine_is_torch_where_there_is_a_gpu(monkeypatch, cuda, mps, engine, device):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert (_best_engine(), best_device().type) == (engine, device)


def test_the_best_engine_is_torch_without_openvino(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert _best_engine() == "torch"


def test_it_rejects_unknown_names(monkeypatch):
    monkeypatch.setenv("VISION_ENGINE", "tensorrt")
    with pytest.raises(VisionError, match=r"'tensorrt' \(VISION_ENGINE\).*auto, torch, openvino"):
        get_engine()
    with pytest.raises(VisionError, match=r"'f16'.*bf16"):
        get_engine("torch", precision="f16")
