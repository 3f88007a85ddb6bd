"""Learn the constants of `classical-512` from the photographs that ship inside scikit-image."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Final

import numpy as np
import skimage.data
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2

from photos.vision.encoders.classical import Constants, Vector, View, keypoints_that_count
from photos.vision.images import read_image
from photos.vision.matching.features import detect
from photos.vision.types import Image

PICTURES: Final = (
    "astronaut.png",
    "brick.png",
    "camera.png",
    "chelsea.png",
    "coffee.png",
    "coins.png",
    "grass.png",
    "gravel.png",
    "motorcycle_left.png",
    "motorcycle_right.png",
    "page.png",
    "rocket.jpg",
)
"""Files inside the scikit-image wheel; nothing is downloaded."""

AXES: Final = 24
WORDS: Final = 16
_RESTARTS: Final = 6


def learn_constants() -> Constants:
    """Learn PCA, words and means; the same versions of the libraries give the same constants."""
    found = [detect(view) for picture in _pictures() for view in _views(picture)]
    descriptors = np.concatenate([one.descriptors[keypoints_that_count(one)] for one in found]).astype(np.float64)
    mean = descriptors.mean(axis=0)
    axes = _half_white_axes(descriptors - mean)
    words = _cluster((descriptors - mean) @ axes.T)
    nothing = (np.zeros(AXES * WORDS, np.float32), np.zeros(64, np.float32), np.zeros(64, np.float32))
    unfinished = Constants(_float(mean), _float(axes), _float(words), *nothing)
    parts = [View(one, unfinished).parts(None) for one in found]
    means = [_mean(part) for part in zip(*parts, strict=True)]
    return Constants(unfinished.mean, unfinished.axes, unfinished.words, *means)


def save_constants(constants: Constants, path: Path) -> None:
    """Write the constants as float32 into an .npz file."""
    with path.open("wb") as file:
        np.savez(file, **{field.name: getattr(constants, field.name) for field in fields(constants)})


def _pictures() -> Iterable[Image]:
    folder = Path(skimage.data.__file__).parent
    for name in PICTURES:
        yield read_image(folder / name).pixels


def _views(picture: Image) -> Iterable[Image]:
    """Yield the picture and its four quarters: more mean VLADs from few pictures."""
    yield picture
    height, width = picture.shape[0] // 2, picture.shape[1] // 2
    for y in (0, height):
        for x in (0, width):
            yield np.ascontiguousarray(picture[y : y + height, x : x + width])


def _half_white_axes(centred: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the (24, 128) principal axes, strongest first, each divided by its spread's square root.

    Half-way to whitening: strong axes keep a say, but do not drown the others. An axis' sign is fixed by its
    largest entry.
    """
    variances, vectors = np.linalg.eigh(centred.T @ centred / len(centred))
    axes = vectors[:, ::-1][:, :AXES].T
    signs = np.sign(axes[np.arange(AXES), np.abs(axes).argmax(axis=1)])
    return np.asarray(axes * (signs / variances[::-1][:AXES] ** 0.25)[:, None], np.float64)


def _cluster(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the (16, 24) centres of the tightest of several k-means: one alone depends on its start."""
    trials = [kmeans2(points, WORDS, iter=40, minit="++", rng=np.random.default_rng(seed)) for seed in range(_RESTARTS)]
    spreads = [float(((points - centres[labels]) ** 2).sum()) for centres, labels in trials]
    return np.asarray(trials[int(np.argmin(spreads))][0], np.float64)


def _mean(parts: Sequence[Vector | None]) -> Vector:
    return _float(np.mean([part for part in parts if part is not None], axis=0))


def _float(values: NDArray[np.floating]) -> Vector:
    return np.asarray(values, np.float32)
