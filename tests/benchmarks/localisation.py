"""Are the circles honest, and are unknown places refused? A drawn town with known truth, through the app.

    python -m tests.benchmarks.localisation [--places 44] [--views 7] [--scale 0.5]

Every view is stored with a GPS error of known size, indexed as the worker does, and asked for with itself left out;
then once more with its whole place left out. Half of the places teach a calibration, the other half is measured, with
the shipped prior and with the fitted one, against where the cameras really stood. BENCH=quick for a small size.
Prints a table and, as the last line, one JSON object.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from PIL import Image

from tests.benchmarks.drawn_town import View, draw_views
from tests.benchmarks.search_world import bench_folder

if TYPE_CHECKING:
    from search.calibration import PlacePrior
    from search.evaluation.localisation import Trial

QUICK: Final = os.environ.get("BENCH") == "quick"
GPS_SIGMA_M: Final = 8.0
"""East and north each, as of a phone between houses."""

ABSENT_M: Final = 120.0


def store(view: View, rng: np.random.Generator) -> int:
    """Save and index a view where its GPS says it was; returns the photo's id."""
    from photos import jobs
    from photos.services.collection import add_photo
    from search.geodesy import destination

    error_m = GPS_SIGMA_M * float(np.sqrt(rng.exponential(2.0)))
    latitude, longitude = destination(view.latitude, view.longitude, float(rng.uniform(0, 360)), error_m)
    buffer = io.BytesIO()
    Image.fromarray(view.pixels).save(buffer, "JPEG", quality=88)
    photo = add_photo(buffer.getvalue(), latitude=float(latitude), longitude=float(longitude))
    jobs.index_photo(photo.pk)
    return int(photo.pk)


def build(places: int, views: int, scale: float) -> dict[int, View]:
    """Return the drawn views by the ids of their photos."""
    rng, stored = np.random.default_rng(9), {}
    for number in range(places):
        began = time.perf_counter()
        for view in draw_views(number, views, scale=scale):
            stored[store(view, rng)] = replace(view, pixels=np.empty((0, 0, 3), np.uint8))
        print(f"place {number + 1} of {places}: {time.perf_counter() - began:.0f} s", flush=True)
    return stored


def run_trials(stored: dict[int, View]) -> list[Trial]:
    """Return all trials, their truth where the camera stood instead of where the GPS said."""
    from photos.services.spaces import active_space
    from search.evaluation.localisation_run import continue_report, read_trials, start_report
    from search.models import Audience

    report = start_report(active_space(), audience=Audience.EVERYONE, limit=None, absent_m=ABSENT_M)
    continue_report(report)
    trials = read_trials(report)
    return [
        replace(one, latitude=stored[one.photo_id].latitude, longitude=stored[one.photo_id].longitude) for one in trials
    ]


def tell(name: str, trials: Sequence[Trial], prior: PlacePrior) -> dict[str, Any]:
    from search.evaluation.localisation_measures import measure

    found = measure(trials, prior)
    shares = (
        found["answers"]["share"],
        found["answers"]["precision"]["100"],
        found["coverage"]["observed"],
        found["refusals"]["refused"],
    )
    figures = "".join(f"{'-' if share is None else format(share, '.1%'):>10}" for share in shares)
    radius, error = found["coverage"]["median_radius_m"], found["answers"]["median_error_m"]
    print(f"{name:24}{found['n']:>6}{figures}{radius or 0:>9.0f} m{error or 0:>9.0f} m", flush=True)
    return {
        "answered": shares[0],
        "within_100_m": shares[1],
        "coverage": shares[2],
        "refused": shares[3],
        "radius_m": radius,
        "median_error_m": error,
        "baseline_within_100_m": found["baseline"]["precision"]["100"],
        "recall_at_1_25_m": found["recall"]["25"]["at_1_of_findable"],
    }


def measure_town(places: int, views: int, scale: float) -> dict[str, Any]:
    from photos.services.spaces import ensure_default_space
    from search.calibration import SHIPPED_PRIOR
    from search.evaluation.fitting import LEAST_TRIALS, fit_prior

    ensure_default_space()
    stored = build(places, views, scale)
    trials = run_trials(stored)
    learn = [one for one in trials if stored[one.photo_id].place % 2 == 0]
    held_out = [one for one in trials if stored[one.photo_id].place % 2 == 1]
    heading = "".join(f"{words:>10}" for words in ("answered", "in 100 m", "in circle", "refused"))
    print(f"{'held-out places':24}{'n':>6}{heading}{'radius':>11}{'error':>11}")
    figures = {"localisation_shipped": tell("shipped prior", held_out, SHIPPED_PRIOR)}
    if sum(not one.is_absent for one in learn) >= LEAST_TRIALS:
        fit = fit_prior(learn)
        figures["localisation_fitted"] = tell("fitted on the others", held_out, fit.prior)
        print(f"fitted: {fit.prior.same_place}, radii {dict(fit.prior.radii_m)}, threshold {fit.prior.threshold}")
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--places", type=int, default=8 if QUICK else 44)
    parser.add_argument("--views", type=int, default=4 if QUICK else 7)
    parser.add_argument("--scale", type=float, default=0.35 if QUICK else 0.5, help="1 is 1280 x 960")
    options = parser.parse_args()
    with bench_folder() as folder:
        os.environ["DATA_DIR"] = str(folder)
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "geolocator.settings")
        import django
        from django.core.management import call_command

        django.setup()
        call_command("migrate", verbosity=0)
        print(json.dumps(measure_town(options.places, options.views, options.scale)))


if __name__ == "__main__":
    main()
