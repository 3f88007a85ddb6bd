"""`soir --similarities FILE --anns anns.pt`: SoIR's measures of a run."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Final

from photos.vision.interchange.soir_files import read_anns
from search.evaluation import arguments, retrieval
from search.evaluation.datasets.names import translate
from search.evaluation.retrieval import Dataset
from search.evaluation.similarities import read_rankings
from search.evaluation.soir import ThresholdSweep, evaluate_soir, sweep_thresholds, to_queries

HELP: Final = "SoIR's mAP, R@k and threshold sweep of a run, and the standard mAP beside them"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    arguments.add_run(parser, ks=retrieval.DEFAULT_KS)
    parser.add_argument("--anns", type=Path, required=True, metavar="FILE", help="anns.pt: which picture shows what")


def run(options: argparse.Namespace) -> int:
    anns = read_anns(options.anns)
    queries = to_queries(anns)
    gallery = tuple(name for name, found in anns.items() if not found.is_query)
    rankings = translate(read_rankings(options.similarities), Dataset("SoIR", tuple(queries), gallery, Path, Path))
    report = evaluate_soir(queries, rankings, ks=options.k)
    sweep = sweep_thresholds(queries, rankings)
    told = asdict(sweep) | {"area": sweep.area, "soir_area": sweep.soir_area, "mean_precision": sweep.mean_precision}
    arguments.tell(report, options, more={"thresholds": told})
    sys.stdout.write(_sweep_line(sweep))
    return 0


def _sweep_line(sweep: ThresholdSweep) -> str:
    best = f"best F1 = {100 * sweep.best_f1:.2f} at similarity {sweep.best_threshold:.2f}"
    return f"\n{best}; area = {100 * sweep.area:.2f}, as SoIR sorts it {100 * sweep.soir_area:.2f}\n"
