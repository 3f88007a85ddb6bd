"""Learn the constants of `classical-512` from the photographs that ship inside scikit-image."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import numpy as np
import skimage.data
from scipy.cluster.vq import kmeans2

from photos.vision.encoders.classical import Constants, Vector, assign_words, vlad_of
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

AXES: Final = 16
WORDS: Final = 24
_SEED: Final = 20


def learn_constants() -> Constants:
    """Learn PCA, words and mean VLAD; the same versions of the libraries give the same constants."""
    descriptors = [detect(view).descriptors for picture in _pictures() for view in _views(picture)]
    descriptors = [one for one in descriptors if len(one)]
    everything = np.concatenate(descriptors).astype(np.float64)
    mean = everything.mean(axis=0)
    axes = _principal_axes(everything - mean)
    words, _ = kmeans2(
        (everything - mean) @ axes.T, WORDS, iter=40, minit="++", rng=np.random.default_rng(_SEED)
    )
    partial = Constants(_float(mean), _float(axes), _float(words), np.zeros(WORDS * AXES, np.float32))
    vlads = [vlad for one in descriptors if (vlad := vlad_of(*assign_words(one, partial), WORDS)) is not None]
    return Constants(partial.mean, partial.axes, partial.words, _float(np.mean(vlads, axis=0)))


def save_constants(constants: Constants, path: Path) -> None:
    """Write the constants as float32 into an .npz file."""
    with path.open("wb") as file:
        np.savez(
            file,
            mean=constants.mean,
            axes=constants.axes,
            words=constants.words,
            vlad_mean=constants.vlad_mean,
        )


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


def _principal_axes(centred: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> Vector:
    """Return (16, 128), the strongest first, each with its largest entry positive."""
    _, vectors = np.linalg.eigh(centred.T @ centred)
    axes = vectors[:, ::-1][:, :AXES].T
    largest = np.abs(axes).argmax(axis=1)
    return _float(axes * np.sign(axes[np.arange(AXES), largest])[:, None])


def _float(values: np.ndarray[tuple[int, ...], np.dtype[np.floating]]) -> Vector:
    return np.asarray(values, np.float32)
