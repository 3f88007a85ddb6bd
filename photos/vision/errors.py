"""What can go wrong in vision; `permanent` says that trying again will not help."""

from __future__ import annotations


class VisionError(Exception):
    """The base of every error of this package."""

    permanent = True


class ImageRefused(VisionError):  # noqa: N818 - reads as what happened, and is shown to people
    """A picture that is not accepted; the message says what was wrong and what is allowed.

    `code` is a stable word for programs: "too-large", "unsupported-format", "too-many-pixels", "too-small",
    "broken" or "empty".
    """

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


class UnknownModelError(VisionError):
    """A slug that the registry does not know; the message lists the known ones."""


class MissingDependencyError(VisionError):
    """A library that an optional part needs is not installed; the message names the extra."""


class WeightsMissingError(VisionError):
    """Pretrained weights are not on this machine; the message says how to get them."""

    permanent = False


class WeightsCorruptError(VisionError):
    """A weight file is not the one that was pinned; the message gives both digests."""


class GpuMemoryError(VisionError):
    """Not even one row, or not the network itself, fits into what is free of the GPU's memory."""

    permanent = False

    def __init__(self) -> None:
        super().__init__("The GPU has too little free memory for one picture; free some, or set VISION_ENGINE=openvino")


class InterchangeError(VisionError):
    """A file of features, masks or similarities that is not what its name promises; the message says how."""
