"""How much evidence means what: the shipped prior, or what this collection's own calibration found."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias, cast

EvidenceLevel: TypeAlias = Literal["several", "strong", "single"]

SHIPPED_RADII_M: Final[Mapping[EvidenceLevel, float]] = MappingProxyType(
    {"several": 60.0, "strong": 150.0, "single": 500.0}
)
STRONG_P_SAME: Final = 0.999


@dataclass(frozen=True, slots=True)
class PlacePrior:
    """What verification means for the place.

    `same_place` are the intercept and the weights of ln(1 + F) and ln(1 + H) in the logit of p_same;
    `radii_m` hold the truth nine times out of ten at each level of evidence, or `scatter_share` of the photos' own
    scatter does where that is wider; `threshold` is the least probability that is an answer; `independence` in 0..1
    is the power by which a place's further observations count beside its strongest: 1 where each errs by itself,
    0 where all err together, as those of a look-alike; `max_p_same` is the most that one observation is believed
    (confirmed matches were right 98 times of 100 on real photos); `fitted_on` counts the photos of a calibration,
    0 for the shipped prior.
    """

    same_place: tuple[float, float, float] = (-23.31, 6.46, 1.60)
    radii_m: Mapping[EvidenceLevel, float] = field(default_factory=lambda: SHIPPED_RADII_M)
    scatter_share: float = 1.0
    independence: float = 1.0
    threshold: float = 0.85
    max_p_same: float = 0.98
    fitted_on: int = 0

    def p_same(self, fundamental_inliers: int, homography_inliers: int) -> float:
        """Return the probability in 0..1 that both pictures show the same place."""
        intercept, by_fundamental, by_homography = self.same_place
        logit = intercept + by_fundamental * math.log1p(fundamental_inliers)
        logit += by_homography * math.log1p(homography_inliers)
        return 1.0 / (1.0 + math.exp(-min(max(logit, -700.0), 700.0)))

    def evidence_level(self, confirmed: Sequence[float]) -> EvidenceLevel:
        """Return the level for the p_same of the independent confirmed observations."""
        if len(confirmed) >= 2:
            return "several"
        return "strong" if confirmed and confirmed[0] >= STRONG_P_SAME else "single"

    def radius_m(self, level: EvidenceLevel) -> float:
        return self.radii_m[level]


SHIPPED_PRIOR: Final = PlacePrior()


def read_prior(space_slug: str) -> PlacePrior:
    """Return the space's newest calibration, or the shipped prior for what it does not calibrate."""
    from search.models import Calibration, CalibrationKind

    prior = SHIPPED_PRIOR
    fitted = Calibration.objects.filter(space__slug=space_slug)
    for kind in (CalibrationKind.SAME_PLACE, CalibrationKind.RADIUS):
        newest = fitted.filter(kind=kind).order_by("-fitted_at", "-id").first()
        if newest is not None and newest.n:  # one of 0 photos says: the shipped values again
            prior = apply_calibration(prior, kind, newest.parameters, n=newest.n)
    return prior


def apply_calibration(prior: PlacePrior, kind: str, parameters: Mapping[str, Any], *, n: int) -> PlacePrior:
    """Return the prior with a calibration's parameters; raises `ValueError` where they are not what is expected.

    "same-place": `{"intercept", "fundamental", "homography"}` and perhaps `"threshold"` and `"independence"`; "radius":
    `{"radii_m": {level: metres}}` and perhaps `"scatter_share"`.
    """
    try:
        if kind == "same-place":
            values = tuple(_finite(parameters[name]) for name in ("intercept", "fundamental", "homography"))
            threshold = _finite(parameters.get("threshold", prior.threshold))
            independence = _finite(parameters.get("independence", prior.independence))
            weights = cast("tuple[float, float, float]", values)
            fitted = replace(prior, same_place=weights, threshold=threshold, fitted_on=n)
            return replace(fitted, independence=min(max(independence, 0.0), 1.0))
        share = _finite(parameters.get("scatter_share", prior.scatter_share))
        radii = {level: _finite(parameters["radii_m"].get(level, prior.radii_m[level])) for level in prior.radii_m}
    except (KeyError, TypeError, AttributeError) as exc:
        raise ValueError(f"calibration of kind {kind!r} has unexpected parameters {parameters!r}") from exc
    return replace(prior, radii_m=radii, scatter_share=share, fitted_on=n)


def _finite(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"a calibration's parameters must be finite numbers, got {value!r}")
    return number
