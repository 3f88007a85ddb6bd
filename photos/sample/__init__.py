"""A collection that the project draws itself: an invented town, honest about being drawn. No Django."""

from __future__ import annotations

from photos.sample.drawing import SampleManifest, draw_sample
from photos.sample.views import DrawnView, draw_view

__all__ = ["DrawnView", "SampleManifest", "draw_sample", "draw_view"]
