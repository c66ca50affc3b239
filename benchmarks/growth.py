"""How long one tuned and evaluated run takes with more spectra and with more peaks."""

import os
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

for library in ("OPENBLAS", "OMP", "MKL"):  # as the command line does
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")

SPECTRA = (60, 200, 600, 2000, 6000)
PEAKS = (300, 1000, 3000)
COMPOUNDS, SPOTS = 5, 4
"""Compounds, and spectra of one pellet."""
TRIALS, REPEATS = 5, 2

WHY = """\
  Exponent: of the time, between neighbours; 1 is in proportion. Evenly: at as many iterations.
  Most of the time is in the fits. An iteration of the solver (L-BFGS) multiplies spectra by peaks
  by compounds twice: a step (iteration, spectrum, peak) takes much the same in all large tables, a
  little more where they outgrow the cache, and more in small ones, where the calls around the
  products count. Iterations: the more, the harder compounds are to tell apart and the larger C.
  The intervals draw groups `evaluation.resamples` times: time in proportion to the spectra, and
  8 bytes a spectrum and resample."""


class Cost(NamedTuple):
    """What one size costs, in seconds of processor time.

    Attributes
    ----------
    tuning, evaluating : float
        Folds and trials; grouped and plain score with their intervals.
    fitting : float
        The part of both that is in the model's fits.
    fits : int
    iterations : float
        Of the solver, in the mean of the fits.
    """

    spectra: int
    peaks: int
    tuning: float
    evaluating: float
    fitting: float
    fits: int
    iterations: float

    @property
    def seconds(self) -> float:
        """Both parts."""
        return self.tuning + self.evaluating

    @property
    def step(self) -> float:
        """Nanoseconds of the fits a spectrum, peak and iteration."""
        return 1e9 * self.fitting / (self.fits * self.iterations * self.spectra * self.peaks)


def counts(spectra: int, peaks: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw counts, compounds and pellets; they resemble nothing but their number.

    Each peak's mean is log-normal, times a factor of the pellet and a smaller one of the
    compound: compounds that are hard to tell apart cost the solver many iterations.
    """
    rng = np.random.default_rng(0)
    pellets = spectra // SPOTS
    compound = np.arange(pellets) % COMPOUNDS
    mean = rng.lognormal(3.0, 1.5, peaks) * rng.lognormal(0.0, 0.03, (COMPOUNDS, peaks))
    mean = mean[compound] * rng.lognormal(0.0, 0.2, (pellets, peaks))
    pellet = np.arange(spectra) // SPOTS
    y = np.array([f"compound {c}" for c in compound[pellet]])
    groups = np.array([f"pellet {p}" for p in pellet])
    return rng.poisson(mean[pellet]).astype(float), y, groups


def cost(spectra: int, peaks: int, trials: int) -> Cost:
    """Time one run with the choices of conf/config.yaml, without tuning inside the outer folds.

    Processor time, since others may be at work; on an idle machine it is that on the clock.
    """
    from sklearn.linear_model import LogisticRegression

    from ionprint.config import compose
    from ionprint.models import evaluation as ev
    from ionprint.models.folds import scoring_folds
    from ionprint.models.pipeline import build, fitting
    from ionprint.models.study import JournalStudy
    from ionprint.models.tuning import Scorer, tune

    iterations, seconds = [], []

    class Counted(LogisticRegression):
        def fit(self, X, y, sample_weight=None):
            start = time.process_time()
            super().fit(X, y, sample_weight)
            seconds.append(time.process_time() - start)
            iterations.append(self.n_iter_.max())
            return self

    cfg = compose([])
    X, y, groups = counts(spectra, peaks)
    pipeline = build(cfg.normalisation, cfg.scaling, cfg.model)
    pipeline.steps[-1] = ("classify", Counted(**pipeline[-1].get_params()))
    metric = cfg.tuning.metric

    start = time.process_time()
    plain, grouped = scoring_folds(y, groups, cfg.cross_validation.n_splits, cfg.seed)
    scorer = Scorer(pipeline, X, y, [grouped], metric)
    folds = range(len(grouped.splits))
    with tempfile.TemporaryDirectory() as scratch:
        found = tune(
            lambda params: [scorer(0, fold, params) for fold in folds],
            dict(cfg.model.search_space),
            trials=trials,
            metric=metric,
            seed=cfg.seed,
            study=JournalStudy(Path(scratch) / "growth.journal", metric),
        )
    tuned = time.process_time()
    pipeline.set_params(**{f"classify__{name}": value for name, value in found.params.items()})
    drawn = ev.units(y, groups, "pellet")
    with fitting():
        for name, scheme in (("grouped", grouped), ("plain", plain)):
            evaluated = ev.cross_validate(name, pipeline, X, y, scheme)
            ev.summary(evaluated, drawn, cfg.evaluation.resamples, cfg.seed)
    end = time.process_time()
    fits, mean = len(iterations), float(np.mean(iterations))
    return Cost(spectra, peaks, tuned - start, end - tuned, sum(seconds), fits, mean)


def exponents(costs: list[Cost], size: str, evenly: bool = False) -> list[float]:
    """Return the slope between neighbours in a plot of two logarithmic axes.

    Parameters
    ----------
    evenly : bool
        As if all fits took as many iterations.
    """
    times = np.log([c.seconds / (c.iterations if evenly else 1) for c in costs])
    return list(np.diff(times) / np.diff(np.log([getattr(c, size) for c in costs])))


def main(trials: int = TRIALS, repeats: int = REPEATS) -> None:
    """Measure, print and draw.

    Parameters
    ----------
    repeats : int
        Times that each size is measured; the shortest counts.
    """
    print(
        f"  simulated counts, whose scores mean nothing; {COMPOUNDS} compounds, {trials} trials "
        f"(not nested), one core"
    )

    def shortest(spectra: int, peaks: int) -> Cost:
        costs = [cost(spectra, peaks, trials) for _ in range(repeats)]
        return min(costs, key=lambda c: c.seconds)

    cost(SPECTRA[0], PEAKS[0], trials)  # not counted: it imports
    first = shortest(SPECTRA[0], PEAKS[0])
    rows = {
        "spectra": [first, *(shortest(n, PEAKS[0]) for n in SPECTRA[1:])],
        "peaks": [first, *(shortest(SPECTRA[0], n) for n in PEAKS[1:])],
    }
    print(
        "  spectra  peaks  tune (s)  evaluate (s)  in fits  iterations  ns a step   "
        "exponent (evenly)"
    )
    for size, costs in rows.items():
        slopes = zip(exponents(costs, size), exponents(costs, size, evenly=True), strict=True)
        for c, slope in zip(costs, [None, *slopes], strict=True):
            shown = "{:.2f} ({:.2f})".format(*slope) if slope else ""
            print(
                f"  {c.spectra:7}  {c.peaks:5}  {c.tuning:8.2f}  {c.evaluating:12.2f}  "
                f"{c.fitting / c.seconds:7.0%}  {c.iterations:10.0f}  {c.step:9.2f}  {shown:>18}"
            )
    print(WHY)
    root = Path(__file__).resolve().parents[1]
    folder = root / "outputs" / "benchmarks"
    folder.mkdir(parents=True, exist_ok=True)
    draw(rows, trials, folder)
    print(f"  {(folder / 'growth.png').relative_to(root)}")


def draw(rows: dict[str, list[Cost]], trials: int, folder: Path) -> None:
    """Write growth.svg and growth.png."""
    from ionprint.figures.style import house_style, new_figure, save

    others = {"spectra": f"{PEAKS[0]} peaks", "peaks": f"{SPECTRA[0]} spectra"}
    with house_style():
        figure = new_figure(8.0, 4.0, "simulated")
        figure.suptitle(f"One tuned and evaluated run, {trials} trials (simulated counts)")
        for axes, (size, costs) in zip(
            figure.subplots(1, 2, sharey=True), rows.items(), strict=True
        ):
            x = np.array([getattr(c, size) for c in costs])
            whole = [c.seconds for c in costs]
            axes.loglog(x, whole, "o-", color="#000000", label="both")
            axes.loglog(x, [c.tuning for c in costs], "s-", color="#0072B2", label="tune")
            axes.loglog(x, [c.evaluating for c in costs], "^-", color="#D55E00", label="evaluate")
            line = whole[0] * x / x[0]
            axes.loglog(x, line, "--", color="#808080", label="slope 1: in proportion")
            axes.set_xlabel(f"{size} (number), {others[size]}")
            axes.set_xticks(x, [f"{n:,}" for n in x])
            axes.minorticks_off()
        figure.axes[0].set_ylabel("processor time (s)")
        figure.axes[0].legend(frameon=False)
    save(figure, folder, "growth")


if __name__ == "__main__":
    main()
