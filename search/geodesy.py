"""Distances, directions and middles on the sphere; safe at the poles and across the antimeridian.

Degrees WGS 84, latitude before longitude, metres; bearings in degrees clockwise from north. The Earth is a sphere
of the mean radius, which is within 0.6 % of the ellipsoid.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

EARTH_RADIUS_M: Final = 6_371_008.8
HALF_CIRCUMFERENCE_M: Final = np.pi * EARTH_RADIUS_M

Degrees: TypeAlias = NDArray[np.float64]

_MEDIAN_STEPS: Final = 300
_MEDIAN_STEP_RAD: Final = 1e-3 / EARTH_RADIUS_M
"""Stop once a step is shorter than a millimetre."""

_SAME_POINT_RAD: Final = 0.05 / EARTH_RADIUS_M
"""Points within five centimetres of the estimate hold it as one: nearer, their inverse distances stop all movement."""


def haversine_m(
    latitude: ArrayLike, longitude: ArrayLike, other_latitude: ArrayLike, other_longitude: ArrayLike
) -> Degrees:
    """Return great-circle distances in metres, broadcast over the arguments (haversine formula)."""
    phi, other_phi = np.radians(latitude), np.radians(other_latitude)
    half_phi = (other_phi - phi) / 2
    half_lambda = (np.radians(other_longitude) - np.radians(longitude)) / 2
    chord = np.sin(half_phi) ** 2 + np.cos(phi) * np.cos(other_phi) * np.sin(half_lambda) ** 2
    return np.asarray(2 * EARTH_RADIUS_M * np.arcsin(np.sqrt(np.clip(chord, 0.0, 1.0))))


def bearing_deg(
    latitude: ArrayLike, longitude: ArrayLike, other_latitude: ArrayLike, other_longitude: ArrayLike
) -> Degrees:
    """Return initial bearings in degrees, at least 0 and less than 360; 0 between equal points."""
    phi, other_phi = np.radians(latitude), np.radians(other_latitude)
    difference = np.radians(other_longitude) - np.radians(longitude)
    east = np.sin(difference) * np.cos(other_phi)
    north = np.cos(phi) * np.sin(other_phi) - np.sin(phi) * np.cos(other_phi) * np.cos(difference)
    turned = np.mod(np.degrees(np.arctan2(east, north)), 360.0)
    return np.asarray(np.where(turned >= 360.0, 0.0, turned))  # mod of a tiny negative number rounds to 360


def destination(
    latitude: ArrayLike, longitude: ArrayLike, bearing: ArrayLike, distance_m: ArrayLike
) -> tuple[Degrees, Degrees]:
    """Return the latitudes and longitudes reached from points along great circles."""
    phi, theta = np.radians(latitude), np.radians(bearing)
    delta = np.asarray(distance_m, np.float64) / EARTH_RADIUS_M
    sine = np.sin(phi) * np.cos(delta) + np.cos(phi) * np.sin(delta) * np.cos(theta)
    sine = np.clip(sine, -1.0, 1.0)
    # both divided by cos(phi), which is all but nothing at a pole
    east = np.sin(theta) * np.sin(delta)
    turned = np.arctan2(east, np.cos(delta) * np.cos(phi) - np.sin(phi) * np.sin(delta) * np.cos(theta))
    return np.degrees(np.arcsin(sine)), wrap_longitude(np.asarray(longitude) + np.degrees(turned))


def wrap_longitude(longitude: ArrayLike) -> Degrees:
    """Return longitudes in -180 <= x < 180."""
    degrees = np.asarray(longitude, np.float64)
    wrapped = np.mod(degrees + 180.0, 360.0) - 180.0
    inside = (degrees >= -180.0) & (degrees < 180.0)  # as they are, not rounded by the sum
    return np.asarray(np.where(inside, degrees, np.where(wrapped >= 180.0, -180.0, wrapped)))


def check_points(latitudes: ArrayLike, longitudes: ArrayLike) -> tuple[Degrees, Degrees]:
    """Return both as (N,) float64; raises `ValueError` for no points, NaN, infinity or values out of range."""
    phi, lam = np.atleast_1d(np.asarray(latitudes, np.float64)), np.atleast_1d(np.asarray(longitudes, np.float64))
    if phi.ndim != 1 or phi.shape != lam.shape or not len(phi):
        raise ValueError(f"expected as many latitudes as longitudes, one or more, got {phi.shape} and {lam.shape}")
    if not (np.isfinite(phi).all() and np.isfinite(lam).all()):
        raise ValueError("a coordinate is NaN or infinite")
    if (np.abs(phi) > 90).any() or (np.abs(lam) > 180).any():
        raise ValueError("latitudes must be between -90 and 90 degrees, longitudes between -180 and 180")
    return phi, lam


def check_weights(weights: ArrayLike | None, count: int) -> Degrees:
    """Return (count,) float64, ones for None; raises `ValueError` unless finite, >= 0 and not all zero."""
    if weights is None:
        return np.ones(count)
    values = np.atleast_1d(np.asarray(weights, np.float64))
    if values.shape != (count,) or not np.isfinite(values).all() or (values < 0).any() or not values.any():
        raise ValueError(f"expected {count} finite weights of at least 0, one of them above")
    return values


def to_unit_vectors(latitudes: ArrayLike, longitudes: ArrayLike) -> NDArray[np.float64]:
    """Return (N, 3) unit vectors from the Earth's middle."""
    phi, lam = np.radians(latitudes), np.radians(longitudes)
    return np.stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)], axis=-1)


def from_unit_vector(vector: NDArray[np.float64]) -> tuple[float, float]:
    """Return (latitude, longitude) in degrees of a (3,) vector of any length but 0."""
    x, y, z = vector
    latitude = np.degrees(np.arctan2(z, np.hypot(x, y)))
    return float(latitude), float(wrap_longitude(np.degrees(np.arctan2(y, x))))


def spherical_mean(
    latitudes: ArrayLike, longitudes: ArrayLike, weights: ArrayLike | None = None
) -> tuple[float, float]:
    """Return the (latitude, longitude) of the weighted mean direction.

    Raises `ValueError` for bad points and where the points cancel out, as two antipodes do.
    """
    phi, lam = check_points(latitudes, longitudes)
    shares = check_weights(weights, len(phi))
    mean = shares @ to_unit_vectors(phi, lam) / shares.sum()
    if np.linalg.norm(mean) < 1e-9:
        raise ValueError("the points cancel out: they have no mean on the sphere")
    return from_unit_vector(mean)


def geometric_median(
    latitudes: ArrayLike, longitudes: ArrayLike, weights: ArrayLike | None = None
) -> tuple[float, float]:
    """Return the (latitude, longitude) with the least weighted sum of distances to the points.

    Weiszfeld's algorithm in the tangent plane of the estimate, with Vardi and Zhang's step where it meets a
    point (PNAS 97:1423, 2000), from the best of the points on. Exact for points within a hemisphere; in no
    case worse than the best of the points. Raises `ValueError` for bad points.
    """
    phi, lam = check_points(latitudes, longitudes)
    shares = check_weights(weights, len(phi))
    points = to_unit_vectors(phi, lam)
    start = _best_point(points, shares)
    if not shares @ _angles(points[start], points) > 0:
        return float(phi[start]), float(wrap_longitude(lam[start]))
    found = _descend(points[start], points, shares)
    if found is points[start] or np.array_equal(found, points[start]):
        return float(phi[start]), float(wrap_longitude(lam[start]))
    return from_unit_vector(found)


def _best_point(points: NDArray[np.float64], shares: Degrees) -> int:
    """Return the index with the least cost; ties by the point itself, not by its place in the list."""
    costs = _angles(points[:, None], points) @ shares
    close = np.flatnonzero(costs <= costs.min() + 1e-15)
    return int(min(close, key=lambda index: tuple(points[index])))


def _angles(point: NDArray[np.float64], points: NDArray[np.float64]) -> Degrees:
    """Return the angles in radians between (..., 3) unit vectors, exact for tiny and for nearly opposite ones.

    Twice the arc tangent of the difference's length over the sum's (Kahan): in thousands of medians a cross product
    takes most of the time.
    """
    apart, along = points - point, points + point
    lengths = (np.einsum("...i,...i->...", one, one) for one in (apart, along))
    return np.asarray(2.0 * np.arctan2(*map(np.sqrt, lengths)))


def _descend(start: NDArray[np.float64], points: NDArray[np.float64], shares: Degrees) -> NDArray[np.float64]:
    estimate, cost = start, float(shares @ _angles(start, points))
    for _ in range(_MEDIAN_STEPS):
        step = _weiszfeld_step(estimate, points, shares)
        if float(np.linalg.norm(step)) < _MEDIAN_STEP_RAD:
            break
        moved, moved_cost = _stride(estimate, step, points, shares)
        if moved_cost >= cost:
            break
        estimate, cost = moved, moved_cost
    return estimate


def _stride(
    estimate: NDArray[np.float64], step: NDArray[np.float64], points: NDArray[np.float64], shares: Degrees
) -> tuple[NDArray[np.float64], float]:
    """Go a step, doubled as long as that pays: along nearly straight lines of points single ones creep."""
    moved = _moved(estimate, step)
    cost = float(shares @ _angles(moved, points))
    while float(np.linalg.norm(step)) < np.pi / 4:
        step = 2.0 * step
        further = _moved(estimate, step)
        further_cost = float(shares @ _angles(further, points))
        if further_cost >= cost:
            break
        moved, cost = further, further_cost
    return moved, cost


def _moved(estimate: NDArray[np.float64], step: NDArray[np.float64]) -> NDArray[np.float64]:
    length = float(np.linalg.norm(step))
    moved = np.cos(length) * estimate + np.sin(length) * step / length
    return np.asarray(moved / np.linalg.norm(moved))


def _weiszfeld_step(estimate: NDArray[np.float64], points: NDArray[np.float64], shares: Degrees) -> NDArray[np.float64]:
    """Return the tangent vector (3,) in radians from the estimate to the next one."""
    angles = _angles(estimate, points)
    away = angles > _SAME_POINT_RAD
    across = points[away] - (points[away] @ estimate)[:, None] * estimate
    lengths = np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-300)
    pull = (shares[away, None] * across / lengths).sum(axis=0)
    strength = float(np.linalg.norm(pull))
    held = float(shares[~away].sum())
    inverse = float((shares[away] / angles[away]).sum())
    if strength <= held or inverse <= 0.0:
        return np.zeros(3)
    return np.asarray(pull / inverse * (1.0 - held / strength))
