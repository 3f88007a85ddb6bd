"""A linear layer trained on features with labels: softmax over cosines to one prototype a class, with a margin.

Wang et al., "CosFace" (CVPR 2018), set up as ILIAS trains its layers. Some whole classes are held out, and training
ends when retrieval among them gets no better: the layer is for instances that nobody has seen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from photos.vision.adaptation import LinearLayer
from photos.vision.errors import VisionError

if TYPE_CHECKING:
    import torch

_MOST_HELD_OUT: Final = 2_000


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """`scale` multiplies the cosines, `margin` is taken off the right one first; `held_out` is a share of the classes.

    `patience` epochs without a better retrieval among the held out end the training, 0 lets it run to the end.
    """

    dimensions: int = 512
    epochs: int = 20
    batch: int = 128
    learning_rate: float = 1e-3
    weight_decay: float = 1e-6
    scale: float = 16.0
    margin: float = 0.0
    held_out: float = 0.1
    patience: int = 3
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.dimensions, self.epochs, self.batch) < 1 or self.patience < 0:
            raise VisionError("dimensions, epochs and batch must be 1 or more, patience 0 or more")
        if not 0 <= self.held_out < 1 or self.learning_rate <= 0 or self.scale <= 0 or not 0 <= self.margin < 1:
            raise VisionError("held_out and margin must be in 0..1, learning_rate and scale above 0")


@dataclass(frozen=True, slots=True)
class Epoch:
    """The mean loss of an epoch and the leave-one-out mAP among the held-out classes after it, NaN without any."""

    number: int
    loss: float
    held_out_map: float


@dataclass(frozen=True, slots=True, eq=False)
class Training:
    """The layer of the best epoch, and all epochs; 0 is the one before the first step."""

    layer: LinearLayer
    epochs: tuple[Epoch, ...]
    best: int


def train_layer(
    features: NDArray[Any],
    labels: NDArray[np.int64],
    settings: TrainingSettings | None = None,
    *,
    progress: Callable[[Epoch], object] | None = None,
) -> Training:
    """Train a layer on (N, D) features and (N,) labels, on the CPU; the same seed gives the same layer.

    Raises `VisionError` for features that are not finite and for fewer than two classes to learn.
    """
    settings = settings or TrainingSettings()
    rows = np.asarray(features, dtype=np.float32)
    if rows.ndim != 2 or len(rows) != len(labels) or not np.isfinite(rows).all():
        raise VisionError(f"expected finite (N, D) features and N labels, got {rows.shape} and {len(labels)}")
    kept, shown = _split(np.asarray(labels), settings)
    learner = _Learner(rows[kept], np.unique(labels[kept], return_inverse=True)[1], settings)
    watched = _Watched(rows[shown], labels[shown])
    best, layer = 0, learner.layer()
    epochs = [Epoch(0, float("nan"), watched.measure(layer))]
    for number in range(1, settings.epochs + 1):
        epochs.append(Epoch(number, learner.run_epoch(), watched.measure(learner.layer())))
        if progress:
            progress(epochs[-1])
        if len(shown) == 0 or number == 1 or epochs[-1].held_out_map > epochs[best].held_out_map:
            best, layer = number, learner.layer()
        elif settings.patience and number - best >= settings.patience:
            break
    return Training(layer, tuple(epochs), best)


def leave_one_out_map(features: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    """Return the mAP of asking with each of (N, E) unit rows for the others of its label; NaN where none has any."""
    similarities = features @ features.T
    np.fill_diagonal(similarities, -np.inf)
    order = np.argsort(-similarities, axis=1, kind="stable")[:, :-1]
    relevant = labels[order] == labels[:, None]
    precisions = np.cumsum(relevant, axis=1) / np.arange(1, relevant.shape[1] + 1)
    totals = relevant.sum(axis=1)
    asked = totals > 0
    return float(((precisions * relevant).sum(axis=1)[asked] / totals[asked]).mean()) if asked.any() else float("nan")


class _Learner:
    """The layer, the classes' prototypes, and the optimiser; all chance comes from one seed."""

    def __init__(self, rows: NDArray[np.float32], classes: NDArray[np.int64], settings: TrainingSettings) -> None:
        import torch

        self._torch, self._settings = torch, settings
        self._random = torch.Generator().manual_seed(settings.seed)
        self._rows, self._classes = torch.from_numpy(rows), torch.from_numpy(np.asarray(classes, dtype=np.int64))
        count = int(classes.max()) + 1
        self._weight = self._uniform(settings.dimensions, rows.shape[1])
        self._bias = torch.zeros(settings.dimensions, requires_grad=True)
        self._prototypes = self._uniform(count, settings.dimensions)
        self._optimizer = torch.optim.Adam(
            [self._weight, self._bias, self._prototypes],
            lr=settings.learning_rate,
            weight_decay=settings.weight_decay,
        )

    def layer(self) -> LinearLayer:
        return LinearLayer(self._weight.detach().numpy().copy(), self._bias.detach().numpy().copy())

    def run_epoch(self) -> float:
        """Take one step for each batch of the rows in a new order; returns the mean loss."""
        order = self._torch.randperm(len(self._rows), generator=self._random)
        losses = []
        for start in range(0, len(order), self._settings.batch):
            places = order[start : start + self._settings.batch]
            loss = self._loss(places)
            self._optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self._optimizer.step()
            losses.append(loss.item() * len(places))
        return float(sum(losses) / len(order))

    def _loss(self, places: torch.Tensor) -> torch.Tensor:
        functional = self._torch.nn.functional
        adapted = functional.normalize(self._rows[places] @ self._weight.T + self._bias, dim=1)
        cosines = adapted @ functional.normalize(self._prototypes, dim=1).T
        margins = functional.one_hot(self._classes[places], cosines.shape[1]) * self._settings.margin
        loss: torch.Tensor = functional.cross_entropy(self._settings.scale * (cosines - margins), self._classes[places])
        return loss

    def _uniform(self, rows: int, columns: int) -> torch.Tensor:
        """Glorot's uniform start."""
        limit = (6 / (rows + columns)) ** 0.5
        start: torch.Tensor = self._torch.rand(rows, columns, generator=self._random)
        scaled: torch.Tensor = (2 * start - 1) * limit
        return scaled.requires_grad_()


class _Watched:
    """The rows of the held-out classes."""

    def __init__(self, rows: NDArray[np.float32], labels: NDArray[np.int64]) -> None:
        self._rows, self._labels = rows, labels

    def measure(self, layer: LinearLayer) -> float:
        if not len(self._rows):
            return float("nan")
        return leave_one_out_map(layer.apply(self._rows), self._labels)


def _split(labels: NDArray[np.int64], settings: TrainingSettings) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the places to learn from and those of whole classes held out, none where there are too few classes."""
    classes, counts = np.unique(labels, return_counts=True)
    random = np.random.default_rng(settings.seed)
    askable = random.permutation(classes[counts > 1])
    held = askable[: round(settings.held_out * len(classes))]
    if len(held) < 2 or len(classes) - len(held) < 2:
        held = held[:0]
    if len(classes) < 2:
        raise VisionError(f"a layer is trained to tell classes apart; the labels name {len(classes)}")
    shown = np.flatnonzero(np.isin(labels, held))[:_MOST_HELD_OUT]
    return np.flatnonzero(~np.isin(labels, held)), shown
