"""How fast features come out of tars, beside plainer ways: `python -m tests.benchmarks.extract [NAME...]`.

2,000 drawn pictures in 20 tars and random weights of CLIP ViT-B/32's size. The reference is the way of the scripts that
one finds: a picture at a time, and a crop at a time, through torch. Then the same extraction on a Ray cluster of two
one-CPU actors against this process on two CPUs; killed twice with SIGKILL, and compared byte by byte; and 100,000
vectors from files into a space that answers. NAME is one of local, crops, ray, killed, pipeline. With BENCH=quick all
is small and shows only that everything runs.
"""

from __future__ import annotations

import functools
import io
import json
import os
import signal
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image as PillowImage

from photos.vision.bulk.jobs import Tally, run_jobs
from photos.vision.bulk.local_engine import LocalEngine
from photos.vision.bulk.planning import Input, plan
from photos.vision.bulk.ray_engine import RayEngine, RayPlace
from photos.vision.bulk.recipe import Recipe
from photos.vision.bulk.resizing import Resizing
from photos.vision.bulk.sources import Entry, find_tars, list_tars
from photos.vision.bulk.stage import available_cpus
from photos.vision.describe import describe_image
from photos.vision.encoders.crops import View
from photos.vision.encoders.open_clip import OpenClipEncoder
from photos.vision.encoders.open_clip_build import load_clip
from photos.vision.encoders.open_clip_models import MODELS
from photos.vision.images import read_image
from photos.vision.segmenters.windows import WindowSegmenter
from tests.photos.pictures import jpeg
from tests.vision.checkpoints import write_clip, write_small_clip

QUICK = os.environ.get("BENCH") == "quick"
CLIP = MODELS["clip-vit-b-32-openai"]
PICTURES, A_TAR, SOME, ROUNDS = (48, 16, 6, 2) if QUICK else (2000, 100, 40, 5)
SIZES = [(640, 480), (480, 640), (640, 427)]
RECIPE = Recipe("open_clip", resizing=Resizing("resize_center", 64 if QUICK else 224), batch=32, window=128)
CLASSICAL = Recipe(max_side=1600, window=32, batch=32)


def main(asked: Sequence[str]) -> None:
    parts: dict[str, Callable[[Path], dict[str, Any]]] = {
        "local": measure_local,
        "crops": measure_crops,
        "ray": measure_ray,
        "killed": check_killed,
        "pipeline": measure_pipeline,
    }
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="bench-extract-") as name:
        folder = Path(name)
        os.environ["MODEL_DIR"] = str(folder / "models")
        (write_small_clip if QUICK else write_clip)(folder / "models" / "ViT-B-32.pt")
        draw_tars(folder / "tars")
        for part in asked or parts:
            figures |= parts[part](folder)
    print(json.dumps(figures))


def draw_tars(folder: Path) -> None:
    folder.mkdir()
    began = time.perf_counter()
    for start in range(0, PICTURES, A_TAR):
        with tarfile.open(folder / f"{start // A_TAR:05}.tar", "w") as tar:
            for number in range(start, start + A_TAR):
                data = jpeg(number, size=SIZES[number % len(SIZES)])
                member = tarfile.TarInfo(f"{number:07}.jpg")
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
    print(f"drew {PICTURES} pictures in {time.perf_counter() - began:.0f} s", flush=True)


def make(folder: Path, name: str, recipe: Recipe, engine: Any, *, limit: int = 0) -> tuple[Tally, float]:
    """Extract all tars into the folder `name`; return what was done and the seconds it took."""
    jobs = plan(Input(folder / "tars", limit=limit), folder / name, recipe)
    began = time.perf_counter()
    tally = run_jobs(jobs, recipe, engine, limit=limit)
    return tally, time.perf_counter() - began


def measure_local(folder: Path) -> dict[str, Any]:
    """Whole pictures: ours in batches, read ahead, against one after the other through torch."""
    entries = list_tars(find_tars(folder / "tars")).entries
    visual: Any = load_clip(CLIP).visual
    engine = LocalEngine(RECIPE)
    make(folder, "warm", RECIPE, engine, limit=2)
    reference, ours = [], []
    for turn in range(ROUNDS):
        some = entries[turn * SOME : (turn + 1) * SOME]
        reference.append(SOME / seconds(functools.partial(plain_pictures, visual, some)))
        tally, took = make(folder, f"local{turn}", RECIPE, engine, limit=0 if turn == 0 else SOME)
        ours.append(tally.described / took)
    print_figure("extract_local", "pictures a second, whole", reference, ours)
    return {"extract_local": figure(reference, ours)}


def plain_pictures(visual: Any, entries: Sequence[Entry]) -> None:
    for one in entries:
        plain_picture(visual, one.read(2**24))


@torch.no_grad()
def plain_picture(visual: Any, data: bytes) -> Any:
    picture = PillowImage.open(io.BytesIO(data)).convert("RGB")
    shown = View(RECIPE.resizing.resolution, CLIP.view.mean, CLIP.view.std)
    pixels = torch.from_numpy(shown.normalise([shown.show(np.asarray(picture))]))
    feature = visual(pixels)[0]
    return (feature / feature.norm()).numpy()


def measure_crops(_folder: Path) -> dict[str, Any]:
    """A picture and nine of its windows: ours in one batch, against one crop after the other through torch."""
    encoder, segmenter, visual = OpenClipEncoder(CLIP.spec), WindowSegmenter("windows"), load_clip(CLIP).visual
    pictures = [read_image(jpeg(number, size=SIZES[number % 3])) for number in range(3 if QUICK else 8)]
    view = encoder._vision.view

    @torch.no_grad()
    def plain() -> None:
        for image in pictures:
            found = segmenter.segment(image.pixels)
            shown = [view.show(image.pixels), *(view.show_segment(image.pixels, one) for one in found)]
            for crop in shown:
                feature = visual(torch.from_numpy(view.normalise([crop])))[0]  # type: ignore[operator]
                (feature / feature.norm()).numpy()

    def ours() -> None:
        for image in pictures:
            describe_image(image, encoder=encoder, segmenter=segmenter, with_local_features=False)

    ours()
    turns = [(len(pictures) / seconds(plain), len(pictures) / seconds(ours)) for _ in range(ROUNDS)]
    reference, own = [one[0] for one in turns], [one[1] for one in turns]
    print_figure("extract_crops", "pictures a second, with 9 crops each", reference, own)
    return {"extract_crops": figure(reference, own)}


def measure_ray(folder: Path) -> dict[str, Any]:
    """Two actors of one CPU against this process on two; the figure is from the first vectors to the last."""
    os.environ.setdefault("OMP_NUM_THREADS", str(available_cpus()))  # the actors' as here, for the same bytes
    local, ray = LocalEngine(CLASSICAL, readers=2), RayEngine(CLASSICAL, RayPlace(workers=2))
    limit = 8 if QUICK else 200
    reference, ours, starts = [], [], []
    try:
        for turn in range(2):
            _tally, took, first = make_steadily(folder, f"ray-local{turn}", local, limit)
            reference.append(took)
            tally, took, first = make_steadily(folder, f"ray{turn}", ray, limit)
            ours.append(took)
            starts.append(first)
    finally:
        ray.close()
    same = contents(folder / "ray0") == contents(folder / "ray-local0")
    print_figure("extract_ray_2", f"pictures a second, classical, {tally.described} of them", reference, ours)
    overhead = statistics.median(reference) / statistics.median(ours) - 1
    started = f"first vectors after {starts[0]:.0f} s with the cluster's start, {starts[-1]:.0f} s without"
    print(f"{'':16}Ray's overhead {overhead:+.0%}; {started}; same bytes: {same}")
    if not same:
        raise SystemExit("Ray and the local engine gave different files")
    return {"extract_ray_2": {**figure(reference, ours), "first_vectors_s": round(starts[-1], 1)}}


def make_steadily(folder: Path, name: str, engine: Any, limit: int) -> tuple[Tally, float, float]:
    """Return what was done, the pictures a second once the first were there, and the seconds until then."""
    jobs = plan(Input(folder / "tars", limit=limit), folder / name, CLASSICAL)
    began = time.perf_counter()
    seen: list[tuple[float, int]] = []
    tally = run_jobs(
        jobs,
        CLASSICAL,
        engine,
        limit=limit,
        progress=lambda done, _known: seen.append((time.perf_counter() - began, done.described)),
    )
    first, some = next((when, count) for when, count in seen if count)
    last, whole = seen[-1]
    return tally, (whole - some) / max(last - first, 1e-9) if whole > some else whole / last, first


def check_killed(folder: Path) -> dict[str, Any]:
    """Run the command to its end, and again killed twice; raise where a byte differs."""
    whole, killed = folder / "whole", folder / "killed"
    peak, took = run_command(folder, whole)
    some_peak, _took = run_command(folder, folder / "some", "--total-tars", "10")
    for share in (0.2, 0.6):
        process = subprocess.Popen(command(folder, killed), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        while process.poll() is None and written(killed) < share * PICTURES:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
    before = written(killed)
    run_command(folder, killed)
    same = contents(whole) == contents(killed)
    print(
        f"{'killed twice':16}{PICTURES} pictures in {took:.0f} s, {before} were there when it was taken up; "
        f"same bytes: {same}; peak memory {peak} MiB for {PICTURES}, {some_peak} MiB for {min(PICTURES, 10 * A_TAR)}"
    )
    if not same:
        raise SystemExit("a killed run gave different files")
    return {}


def command(folder: Path, out: Path, *options: str) -> list[str]:
    size = str(RECIPE.resizing.resolution)
    how = ["--framework", "open_clip", "--transform", "resize_center", "--resolution", size]
    return [sys.executable, "-m", "photos.vision", "extract", str(folder / "tars"), str(out), *how, *options]


def run_command(folder: Path, out: Path, *options: str) -> tuple[int, float]:
    """Return the peak memory in MiB, and the seconds."""
    began = time.perf_counter()
    child = subprocess.Popen(command(folder, out, *options))
    status, peak = Path(f"/proc/{child.pid}/status"), 0
    while child.poll() is None:
        if status.exists() and (lines := [one for one in status.read_text().splitlines() if "VmHWM" in one]):
            peak = max(peak, int(lines[0].split()[1]) // 1024)
        time.sleep(0.1)
    if child.returncode:
        raise SystemExit(f"the extraction failed with status {child.returncode}")
    return peak, time.perf_counter() - began


def written(out: Path) -> int:
    done = sum(A_TAR * 10 for _ in out.glob("features*.hdf5"))
    return done + sum(path.read_bytes().count(b"\n") for path in out.glob("*.part/ids.jsonl"))


def contents(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(out.iterdir()) if path.is_file()}


def measure_pipeline(_folder: Path) -> dict[str, Any]:
    """Files of 100,000 features into a space that answers, in a database of the benchmark's own."""
    from tests.benchmarks.search_databases import run_on
    from tests.benchmarks.search_world import bench_folder

    with bench_folder() as own:
        return run_on("tests.benchmarks.extract_pipeline", "2000" if QUICK else "100000", "bench_pipeline", own)


def seconds(call: Callable[[], Any]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def figure(reference: list[float], ours: list[float]) -> dict[str, Any]:
    before, after = statistics.median(reference), statistics.median(ours)
    return {"ours": round(after, 2), "reference": round(before, 2), "ratio": round(after / before, 2), "unit": "1/s"}


def print_figure(name: str, what: str, reference: list[float], ours: list[float]) -> None:
    one = figure(reference, ours)
    spread = f"{min(ours):.1f} to {max(ours):.1f}, {len(ours)} rounds"
    print(f"{name:16}{one['reference']:8.1f} → {one['ours']:8.1f} {what}; ratio {one['ratio']}; {spread}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
