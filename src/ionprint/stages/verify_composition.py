"""Measure the readings of surfaces on spectra whose answer is known."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ionprint.files import replace_json

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from omegaconf import DictConfig

    from ionprint.composition.reader import Reader, Reading
    from ionprint.composition.references import References
    from ionprint.composition.regression import Regressions
    from ionprint.spectra.table import PeakTable

SEEN = 0.01
"""Planted share by weight from which a compound counts as there in a depth profile."""


class Row(NamedTuple):
    """One figure: the paper's reading (None where it has none), ours, what to reach."""

    name: str
    paper: float | None
    ours: float
    reach: str
    meaning: str


def run(cfg: "DictConfig") -> None:
    """Read spectra whose answer is known; write `verify/composition.json`.

    Measured spectra: those in `dataset.path`, where the sheet's `expected` names what is known to
    be in each mixture. Simulated: the set of `simulation` with its unknown surfaces, random
    mixtures and depth profile, made in a folder of its own.
    """
    from ionprint.simulation.truth import SETTINGS
    from ionprint.stages.verify_spectra import simulated_set

    folder = Path(cfg.dataset.path)
    if folder.exists() and not (folder / SETTINGS).is_file():
        rows = measured_figures(cfg)
        head = {"source": "measured", "dataset": cfg.dataset.name}
    else:
        with simulated_set(cfg) as made:
            rows = simulated_figures(cfg, made)
        head = {"source": "simulated", "seed": cfg.simulation.seed}
    figures = {
        row.name: {
            "paper": None if row.paper is None else round(row.paper, 4),
            "ours": round(row.ours, 4),
        }
        for row in rows
    }
    replace_json({**head, "figures": figures}, Path(cfg.outputs) / "verify" / "composition.json")
    about = [f"{key} {value}" for key, value in head.items() if key != "source"]
    _show(rows, ", ".join([head["source"], *about]))


def measured_figures(cfg: "DictConfig") -> list[Row]:
    """Return the figures of measured mixtures whose compounds are known.

    Raises
    ------
    DataError
        No mixture's `expected` names a compound of the references.
    """
    import numpy as np

    from ionprint.composition import verification as v
    from ionprint.composition.alarm import Distance
    from ionprint.composition.reader import Reading
    from ionprint.composition.references import References
    from ionprint.errors import DataError
    from ionprint.stages.progress import counter
    from ionprint.stages.train import fit_reader

    table, group = _peak_table(cfg, Path(cfg.dataset.path)), cfg.cross_validation.group
    references = References.of_table(table.of_role("reference"), group)
    mixtures = table.of_role("mixture")
    present = v.named(mixtures.column("expected"), references.classes)
    if not present.any():
        raise DataError(
            f"{cfg.dataset.path}/samples.csv: `expected` names no compound of the references in "
            f"any mixture; write there what is known to be in it, e.g. "
            f"{'+'.join(references.classes[:2])}"
        )
    counts = mixtures.areas
    reading = fit_reader(cfg, references, "all references").read(counts)
    plain = _plain(cfg, table, references)(counts)
    rows = _presence(plain, reading, present, "mixtures", "presence", ("0.99", "0.97"))

    runs = mixtures.column(group) if group else np.full(len(counts), "")
    left, own_rows = [], []
    for run_ in sorted(set(runs) & set(references.group)):
        kept, own = references.of(references.group != run_), np.flatnonzero(runs == run_)
        reader = fit_reader(cfg, kept, f"references but {run_}")
        left.append((_plain(cfg, table, kept)(counts[own]), reader.read(counts[own])))
        own_rows.append(own)
    if left:
        plains, readings = zip(*left, strict=True)
        rows += _presence(
            np.concatenate(plains),
            Reading.together(list(readings)),
            present[np.concatenate(own_rows)],
            f"mixtures; references of their {group} left out",
            "presence_left_out",
            ("0.95", "0.90"),
        )
    if len(references.classes) > 2:
        samples = mixtures.column("sample")
        known = {
            name: (
                counts[samples == name],
                set(mixtures.column("expected")[samples == name][0].split("+")),
            )
            for name in dict.fromkeys(samples)
        }
        with counter(2 * len(references.classes), "leaving out compounds") as advance:
            paper = v.left_out(references, known, _doubts(cfg, table), advance)
            ours = v.left_out(references, known, lambda some: Distance(some).of, advance)
        for key, value in ours.items():
            reach, what = "0.98", f"the mixture {key}, which is known"
            if key == "references":
                reach, what = "0.99", "reference spots held out"
            meaning = f"AUC of a compound left out of training against {what}; the worst"
            rows.append(Row(f"alarm_left_out: {key}", paper[key], value, reach, meaning))
    return rows


def simulated_figures(cfg: "DictConfig", folder: Path) -> list[Row]:
    """Return the figures of a simulated set, from its truth."""
    import numpy as np

    from ionprint.composition import verification as v
    from ionprint.composition.references import References
    from ionprint.composition.regression import Regressions
    from ionprint.simulation.truth import read_truth
    from ionprint.stages.train import fit_reader

    truth = read_truth(folder)
    table = _peak_table(cfg, folder)
    references = References.of_table(table.of_role("reference"), cfg.cross_validation.group)
    classes = references.classes
    others = table.of_role("mixture", "anode")
    planted = truth.shares.set_axis(truth.files).loc[others.column("file")]
    weight = planted[classes].to_numpy()
    expected = v.named(others.column("expected"), classes)
    foreign = np.array([bool(set(e.split("+")) - set(classes)) for e in others.column("expected")])
    kind = _kinds(others.column("sample"), truth.settings.samples)

    reader = fit_reader(cfg, references, "the references")
    reading = reader.read(others.areas)
    plain = _plain(cfg, table, references)(others.areas)

    lithium = np.flatnonzero((kind == "constant") & ~foreign)
    rows = [
        Row(
            "expected_on_top",
            v.on_top(plain[lithium], expected[lithium]),
            v.on_top(reading.fraction[lithium], expected[lithium]),
            "0.97",
            "mixtures and anodes whose expected compounds come first",
        )
    ]
    random = np.flatnonzero(kind == "random")
    rows += _presence(
        plain[random],
        reading.of(random),
        expected[random],
        "random mixtures",
        "presence",
        ("", "0.95"),
    )
    counts = others.areas[random]
    regressions = Regressions(references, cfg.composition.pseudo_mixtures, cfg.seed)
    read = reading.of(random)
    rows += _amounts(reader, regressions, read, plain[random], counts, weight[random], truth)
    known = np.flatnonzero((others.column("role") == "mixture") & ~foreign)
    rows += _alarms(plain, reading, known, weight.sum(axis=1), foreign & (kind == "constant"))
    steps = np.flatnonzero(kind == "profile")
    rows.append(_depth(others.rows(steps), reader, reading.of(steps), plain[steps], weight[steps]))
    return rows


def _kinds(samples: "np.ndarray", entries: "Any") -> "np.ndarray":
    """Return whether each spectrum is of a constant mixture, a random one or a profile."""
    import numpy as np

    names = {key.replace("_", " "): entry for key, entry in entries.items()}
    kinds = []
    for sample in samples:
        entry = names.get(sample, names.get(sample.rpartition(" ")[0], {}))
        kinds.append(next((k for k in ("random", "profile") if k in entry), "constant"))
    return np.array(kinds)


def _presence(
    plain: "np.ndarray",
    reading: "Reading",
    present: "np.ndarray",
    of: str,
    name: str,
    reach: tuple[str, str],
) -> list[Row]:
    from ionprint.composition import verification as v

    paper, ours = v.auc(plain, present), v.auc(reading.presence, present)
    called = v.f1(plain >= v.PLAIN, present), v.f1(reading.present, present)
    return [
        Row(f"{name}_auc", paper, ours, reach[0], f"presence, area under the ROC curve; {of}"),
        Row(f"{name}_f1", *called, reach[1], f"presence, F1 at the reader's thresholds; {of}"),
    ]


def _amounts(
    reader: "Reader",
    regressions: "Regressions",
    reading: "Reading",
    plain: "np.ndarray",
    counts: "np.ndarray",
    weight: "np.ndarray",
    truth: "Any",
) -> list[Row]:
    """Return the errors of amounts, against shares of the signal and of the weight."""
    import numpy as np

    from ionprint.simulation.chemistry import surface_weights

    def error(shares: "np.ndarray", true: "np.ndarray") -> float:
        return float(abs(shares - true).mean())

    signal = np.zeros(weight.shape)
    for row, shares in enumerate(weight):
        names = {c: s for c, s in zip(reader.classes, shares, strict=True) if s > 0}
        found = surface_weights(names, **truth.settings.matrix)
        signal[row] = [found.get(c, 0.0) for c in reader.classes]
    low, high = reader.intervals.around(reading.fraction)
    rows = []
    reach = {"signal": ("0.03", "0.85-0.95"), "weight": ("", "")}
    for what, true in (("signal", signal), ("weight", weight)):
        rows += [
            Row(
                f"fraction_error_{what}",
                error(plain, true),
                error(reading.fraction, true),
                reach[what][0],
                f"mean absolute error, against shares of the {what}; random mixtures",
            ),
            Row(
                f"coverage_{what}",
                None,
                float(((true >= low) & (true <= high)).mean()),
                reach[what][1],
                f"shares of the {what} in their 90 % intervals; random mixtures",
            ),
        ]
    for kind, shares in regressions.amounts(counts).items():
        meaning = f"the same by the regression `{kind}`, against shares of the signal"
        rows.append(Row(f"fraction_error_{kind}", None, error(shares, signal), "", meaning))
    return rows


def _alarms(
    plain: "np.ndarray",
    reading: "Reading",
    known: "np.ndarray",
    covered: "np.ndarray",
    foreign: "np.ndarray",
) -> list[Row]:
    """Return how well unknown surfaces are told from known mixtures."""
    from ionprint.composition import verification as v

    doubt, rows = 1 - plain.max(axis=1), []
    for name, own, reach in (
        ("pure", foreign & (covered < 0.01), "0.98"),
        ("half", foreign & (covered > 0.3), "0.90"),
    ):
        rows += [
            Row(
                f"alarm_{name}",
                v.separates(doubt[known], doubt[own]),
                v.separates(reading.distance[known], reading.distance[own]),
                reach,
                f"AUC of unknown surfaces ({name}) against known mixtures",
            ),
            Row(
                f"alarmed_{name}",
                None,
                float(reading.outside[own].mean()),
                "",
                f"unknown surfaces ({name}) that raise the alarm",
            ),
        ]
    false = float(reading.outside[known].mean())
    return [*rows, Row("false_alarms", None, false, "<= 0.05", "known mixtures that raise it")]


def _depth(
    table: "PeakTable",
    reader: "Reader",
    reading: "Reading",
    plain: "np.ndarray",
    weight: "np.ndarray",
) -> Row:
    """Return how well presence is read along a depth profile."""
    import numpy as np
    import pandas as pd

    from ionprint.composition import depth
    from ionprint.composition import verification as v
    from ionprint.composition.tables import readings_table

    unnamed = np.full(table.mz.size, "", dtype=object)
    frame = pd.concat([table.samples, readings_table(table, reader, reading, unnamed)], axis=1)
    smoothed = pd.concat([depth.smooth(p) for p in depth.find_profiles(frame)])
    steps = {float(d): i for i, d in enumerate(table.column("sputter_dose"))}
    rows = smoothed["dose"].map(steps).to_numpy()
    columns = smoothed["compound"].map(reader.classes.index).to_numpy()
    there = weight[rows, columns] >= SEEN
    return Row(
        "depth_presence_f1",
        v.f1(plain >= v.PLAIN, weight >= SEEN),
        v.f1(smoothed["present"].to_numpy(dtype=bool), there),
        "0.95",
        f"presence along a depth profile, F1; there is what has {SEEN:.0%} of the weight or more",
    )


def _peak_table(cfg: "DictConfig", folder: Path) -> "PeakTable":
    from omegaconf import OmegaConf

    from ionprint.stages.peaks import peaks_from_spectra

    return peaks_from_spectra(OmegaConf.merge(cfg, {"dataset": {"path": str(folder)}})).table


def _plain(
    cfg: "DictConfig", table: "PeakTable", references: "References"
) -> "Callable[[np.ndarray], np.ndarray]":
    """Return the paper's reading: the probabilities of the classifier, untuned."""
    from ionprint.stages.problem import pipeline_of

    pipeline = pipeline_of(cfg, table.mz).fit(references.counts, references.compound)
    return pipeline.predict_proba


def _doubts(cfg: "DictConfig", table: "PeakTable") -> "Callable[..., Any]":
    """Return how little sure the paper's reading is, as an alarm."""

    def alarm(references: "References") -> "Callable[[np.ndarray], np.ndarray]":
        predict = _plain(cfg, table, references)
        return lambda counts: 1 - predict(counts).max(axis=1)

    return alarm


def _show(rows: list[Row], head: str) -> None:
    from ionprint.stages.terminal import print_table

    numbers = ("paper's reading", "ours", "to reach")
    cells = [
        (
            row.name,
            "-" if row.paper is None else f"{row.paper:.3f}",
            f"{row.ours:.3f}",
            row.reach,
            row.meaning,
        )
        for row in rows
    ]
    print_table(
        f"Verified readings ({head})", ("figure", *numbers, "what it is"), cells, right=numbers
    )
