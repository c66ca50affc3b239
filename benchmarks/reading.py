"""10,000 spectra read in full against the bare probabilities of the trained model."""

import contextlib
import importlib
import io
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.measure import compare, scratch_project

for library in ("OPENBLAS", "OMP", "MKL"):  # as the command line does
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")

SPECTRA = 10_000
LIMIT = 10.0
ROUNDS, REPEATS = 31, 3
"""Of the comparison, and of the rows below it."""

WHY = """\
  Ours: presence, fractions and both alarms, and the probabilities too; plain: the probabilities.
  Most of the rest is the weighted fits of each spectrum, to the means of the compounds and to
  those of all pellets; half of that is in their products, half in solving them."""


def main() -> None:
    """Measure on the mixtures and anodes of `data/`, drawn anew until there are enough."""
    root = Path(__file__).resolve().parents[1]
    with scratch_project():
        _measure(root)


def _measure(root: Path) -> None:
    from ionprint.composition.reader import Reader
    from ionprint.composition.references import References
    from ionprint.config import compose
    from ionprint.models.storage import load_model
    from ionprint.spectra.table import PeakTable

    cfg = compose([f"dataset.path={root}/data", "tuning.trials=5"])
    with contextlib.redirect_stdout(io.StringIO()):
        for stage in ("peaks", "tune", "train"):
            importlib.import_module(f"ionprint.stages.{stage}").run(cfg)
    table = PeakTable.read(Path(cfg.peaks) / "peak_table.parquet")
    pipeline = load_model(Path(cfg.outputs) / "model").pipeline
    known = table.of_role("reference")
    references = References(known.areas, known.column("compound"), known.column("sample"))
    counts = drawn(table.of_role("mixture", "anode").areas)
    print(
        f"  {table.source} counts; {len(counts):,} spectra of {counts.shape[1]} peaks, "
        f"{len(references.classes)} compounds, {len(known.areas)} references, one core"
    )

    def fit() -> Reader:
        settings = cfg.composition
        return Reader.fit(references, settings.pseudo_mixtures, settings.false_alarms, cfg.seed)

    reader = fit()

    def ours() -> None:
        pipeline.predict_proba(counts)
        reader.read(counts)

    compare(ours, lambda: pipeline.predict_proba(counts), ROUNDS, LIMIT)
    fractions = reader.read(counts).fraction
    rows = {
        "reading without the probabilities": lambda: reader.read(counts),
        "intervals of the fractions": lambda: reader.intervals.around(fractions),
        "ions that stay unexplained": lambda: reader.unexplained(counts),
        f"fitting on draws of {cfg.composition.pseudo_mixtures:,} mixtures": fit,
    }
    for name, work in rows.items():
        print(f"  {name:<34} {median(work):6.2f} s")
    print(WHY)


def drawn(areas: np.ndarray) -> np.ndarray:
    """Draw Poisson counts of measured surfaces, each as often as the others."""
    rows = np.arange(SPECTRA) % len(areas)
    return np.random.default_rng(0).poisson(areas[rows]).astype(float)


def median(work: Callable[[], object]) -> float:
    """Return the median time of some work in seconds."""
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


if __name__ == "__main__":
    main()
