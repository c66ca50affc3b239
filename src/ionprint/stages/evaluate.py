"""Cross-validate the tuned pipeline: nested, grouped and plain, beside chance."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ionprint.files import fresh_folder, write_json, write_table
from ionprint.stages.problem import (
    Problem,
    chosen,
    load_problem,
    pipeline_of,
    tuned_pipeline,
    warn_stopped,
)
from ionprint.stages.progress import counter, silence

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from omegaconf import DictConfig
    from sklearn.pipeline import Pipeline

    from ionprint.models.evaluation import Evaluation
    from ionprint.models.folds import Folds

SHOWN = {"accuracy": "accuracy", "f1_macro": "macro F1", "log_loss": "log loss", "brier": "Brier"}


def run(cfg: "DictConfig") -> None:
    """Score the tuned pipeline and write `evaluation/`.

    The quoted score is the nested one: tuned anew inside each outer fold by `ionprint tune`. The
    grouped and the plain score, both of the pipeline as tuned on all references, stand beside it.
    """
    import pandas as pd

    from ionprint.models import evaluation as ev
    from ionprint.models.folds import meaning
    from ionprint.models.pipeline import fitting

    problem = load_problem(cfg)
    pipeline, best = tuned_pipeline(cfg)
    X, y, outer = problem.inputs, problem.y, problem.folds
    inside = [pipeline_of(cfg, problem.table.mz, fold["params"]) for fold in best["outer"]]
    schemes = {"grouped": problem.grouped, "plain": problem.plain}
    schemes = {name: folds for name, folds in schemes.items() if folds}
    fits = len(outer.splits) * (2 + bool(inside)) + sum(len(f.splits) for f in schemes.values())
    shufflings = cfg.evaluation.permutations if problem.testable else 0
    fits += shufflings
    done: dict[str, Evaluation] = {}
    with counter(fits, "evaluating") as advance:
        with fitting() as stopped:
            if inside:
                name = f"nested {outer.scheme}"
                done["nested"] = ev.cross_validate(name, inside, X, y, outer, advance)
            for scheme, folds in schemes.items():
                done[scheme] = ev.cross_validate(scheme, pipeline, X, y, folds, advance)
        done["dummy"] = _dummy(y, outer, advance)
        total = _total_counts_alone(problem, advance)
        permutation = None
        if shufflings:
            groups = problem.groups if problem.grouped else None
            with fitting():  # what fits of shuffled compounds do is nobody's concern
                permutation = ev.permutation_test(
                    pipeline, X, y, groups, outer, shufflings, cfg.seed, advance
                )
    with fitting():
        rebuilt = _rebuilt(cfg, problem, best, inside)
    drawn = ev.units(y, problem.groups, problem.group)
    summaries = {
        name: ev.summary(e, drawn, cfg.evaluation.resamples, cfg.seed) for name, e in done.items()
    }
    quoted = done["nested" if inside else outer.scheme]
    score = next(s for s in summaries.values() if s["folds"] == quoted.name)
    again = done[outer.scheme].folds[best["metric"]].mean()
    metrics = {
        "source": problem.table.source,
        **chosen(cfg),
        "params": best["params"],
        "meaning": meaning(problem.grouped, problem.group),
        "score": score,
        **{name: summaries.get(name) for name in ("nested", "grouped", "plain", "dummy")},
        "gap": _gap(summaries),
        "permutation": permutation,
        "total_counts_alone": ev.summary(total, drawn, cfg.evaluation.resamples, cfg.seed),
        "rebuilt_peaks": rebuilt and _difference(rebuilt, score, drawn, cfg),
        "tuned": {"metric": best["metric"], "score": best["score"], "again": round(again, 6)},
        "stopped": len(stopped),
        "spectra": len(y),
        "classes": len(quoted.classes),
        "groups": len(set(problem.groups)) if problem.group else None,
        "peaks": len(problem.table.mz),
    }
    with fresh_folder(Path(cfg.outputs) / "evaluation") as out:
        write_json(metrics, out / "metrics.json")
        write_table(pd.concat([e.folds for e in done.values()]), out / "folds.csv", 4)
        write_table(_predictions(problem, quoted), out / "predictions.csv", 4)
        write_table(ev.confusion(quoted), out / "confusion.csv")
    warn_stopped(stopped)
    _tell(metrics, str(cfg.outputs))
    asked = cfg.cross_validation.n_splits
    if not cfg.cross_validation.leave_one_out and outer.n_splits < asked:
        what = f"{problem.group}s" if problem.grouped else "spectra"
        print(f"note: {outer.n_splits} folds instead of {asked}: a compound has too few {what}")


def _predictions(problem: Problem, quoted: "Evaluation") -> "pd.DataFrame":
    """Return a row per spectrum, and with several draws of the folds per draw."""
    import pandas as pd

    samples = problem.table.samples[["file", "sample", "spot", "compound"]]
    draws = len(quoted.fold)
    parts = [
        samples.assign(
            **({"draw": draw + 1} if draws > 1 else {}),
            predicted=quoted.predicted[draw],
            fold=quoted.fold[draw],
            **{f"p_{c}": quoted.probabilities[draw, :, i] for i, c in enumerate(quoted.classes)},
        )
        for draw in range(draws)
    ]
    return pd.concat(parts, ignore_index=True)


def _gap(summaries: dict[str, dict]) -> dict[str, float] | None:
    """Return the plain score minus the grouped one, of the same pipeline."""
    if "grouped" not in summaries:
        return None
    plain, grouped = summaries["plain"], summaries["grouped"]
    return {metric: round(plain[metric] - grouped[metric], 4) for metric in SHOWN}


def _dummy(y: "np.ndarray", folds: "Folds", advance: Callable[[], None]) -> "Evaluation":
    """Evaluate the shares of the compounds among all references, whatever the spectrum.

    Of all answers that do not look at the spectrum this has the best log loss. A model of each
    fold's own shares would do worse than chance: the compound tested is the rarer in training.
    """
    import numpy as np

    from ionprint.models.evaluation import predicted_with

    shares = np.unique(y, return_counts=True)[1] / len(y)
    return predicted_with("dummy", lambda i, train, test: shares[None], y, folds, advance)


def _total_counts_alone(problem: Problem, advance: Callable[[], None]) -> "Evaluation":
    """Evaluate what the logarithm of the total counts tells by itself: normal curves, one a class.

    Compounds told apart by it may have been told apart by the current or by the focus.
    """
    import numpy as np
    from sklearn.naive_bayes import GaussianNB
    from sklearn.pipeline import make_pipeline

    from ionprint.models.evaluation import cross_validate

    total = np.log1p(problem.table.areas.sum(axis=1, keepdims=True))
    model = make_pipeline(GaussianNB())
    return cross_validate("total counts", model, total, problem.y, problem.folds, advance)


def _rebuilt(
    cfg: "DictConfig", problem: Problem, best: dict[str, Any], inside: "list[Pipeline]"
) -> "tuple[Evaluation, list[int]] | None":
    """Evaluate with a peak list found in each fold's training spectra alone.

    The mass scale stays: each spectrum is calibrated on ions of its own.

    Returns
    -------
    evaluation : Evaluation
    peaks : list of int
        Peaks found in each fold; None altogether where areas or a peak list were given.
    """
    if not cfg.evaluation.rebuild_peaks or cfg.dataset.areas or cfg.spectra.peak_list:
        return None
    from ionprint.models.evaluation import predicted_with
    from ionprint.spectra.extent import unmeasured_of_all
    from ionprint.spectra.search import summed
    from ionprint.spectra.table import PeakTable
    from ionprint.stages.peaks import areas_of, calibrated_references, peak_list

    samples = problem.table.samples
    spectra = calibrated_references(cfg, list(samples["file"]))
    found = []

    def predict(i: int, train: "np.ndarray", test: "np.ndarray") -> "np.ndarray":
        total = summed([spectra[row] for row in train], cfg.dataset.mz_max)
        with silence():  # one bar is enough
            peaks = peak_list(cfg, total)
            # the list of all spectra has none that one of them did not measure
            _, below, above = unmeasured_of_all(spectra, peaks.mz, peaks.width, total.end)
            peaks = peaks.take(~(below | above).any(axis=0))
            areas, _, _ = areas_of(cfg, spectra, total, peaks)
        X = PeakTable(samples, peaks.mz, areas).inputs(cfg.normalisation.column)
        params = best["outer"][i]["params"] if inside else best["params"]
        fitted = pipeline_of(cfg, peaks.mz, params).fit(X[train], problem.y[train])
        found.append(len(peaks.mz))
        advance()
        return fitted.predict_proba(X[test])

    with counter(len(problem.folds.splits), "rebuilding the peak list in each fold") as advance:
        return predicted_with("rebuilt peaks", predict, problem.y, problem.folds), found


def _difference(rebuilt: tuple, score: dict, drawn: Any, cfg: "DictConfig") -> dict[str, Any]:
    """Return the scores with rebuilt peak lists, and how far they are from the quoted ones."""
    from ionprint.models.evaluation import summary

    evaluation, peaks = rebuilt
    scores = summary(evaluation, drawn, cfg.evaluation.resamples, cfg.seed)
    return {
        **scores,
        "peaks": peaks,
        "difference": {m: round(scores[m] - score[m], 4) for m in SHOWN},
    }


def _tell(metrics: dict[str, Any], outputs: str) -> None:
    from ionprint.stages.terminal import print_table, summary

    quoted = metrics["score"]
    kinds = ("nested", "grouped", "plain", "rebuilt", "dummy")
    scores = {**metrics, "rebuilt": metrics["rebuilt_peaks"]}
    scores = {kind: scores[kind] for kind in kinds if scores[kind]}
    rows = [
        (kind, *(f"{s[m]:.3f} [{s[f'{m}_low']:.3f}, {s[f'{m}_high']:.3f}]" for m in SHOWN))
        for kind, s in scores.items()
    ]
    name = next(kind for kind, s in scores.items() if s["folds"] == quoted["folds"])
    print_table(
        f"Cross-validation ({metrics['source']} data)",
        ("", *SHOWN.values()),
        rows,
        right=SHOWN.values(),
    )
    test, gap, units = metrics["permutation"], metrics["gap"], quoted["units"]
    shuffled = test and (
        f"accuracy {test['shuffled_accuracy']:.3f}, p = {test['p_value']} "
        f"({test['permutations']} shufflings of the compounds)"
    )
    summary(
        f"The quoted score: {name} ({metrics['source']} data)",
        [
            ("means", metrics["meaning"]),
            ("in brackets", f"95 % intervals by resampling {units} units ({quoted['unit']})"),
            (
                "mistaken",
                f"{quoted['mistaken'] or 'none'} of these units, which bounds the share of such "
                f"units at {100 * quoted['mistaken_at_most']:.0f} % (95 % confidence)",
            ),
            (
                "rebuilt",
                metrics["rebuilt_peaks"] and "with peaks found in each fold's training spectra",
            ),
            ("by chance", shuffled),
            ("plain minus grouped", gap and f"accuracy {gap['accuracy']:+.3f}"),
            ("written to", f"{outputs}/evaluation"),
        ],
    )
