"""All readings side by side: a row a spectrum, a row a sample, a row a piece of evidence."""

from collections import Counter
from collections.abc import Callable

import numpy as np
import pandas as pd

from ionprint.composition.evidence import witnesses
from ionprint.composition.reader import Reader, Reading
from ionprint.composition.regression import Regressions
from ionprint.composition.wording import ion_text
from ionprint.spectra.table import PeakTable

IONS = 10
"""Ions of a component that are listed."""
LEAST = 0.01
"""Counts that are expected of an ion that is listed where it is not seen."""
VERDICTS = ("strong", "weak", "noise")
EVIDENCE = (
    "file sample compound claim rank side mz ion counts above_background above_others "
    "expected_of_others expected_of_compound strength"
).split()


def readings_table(
    table: PeakTable,
    reader: Reader,
    reading: Reading,
    names: np.ndarray,
    regressions: Regressions | None = None,
) -> pd.DataFrame:
    """Return what is read from each spectrum beside the classifier's probabilities.

    Parameters
    ----------
    table : PeakTable
    reader : Reader
    reading : Reading
        Of these spectra.
    names : ndarray of str, shape (n_peaks,)
        Ion of each peak, empty where it is not known.
    regressions : Regressions, optional
        Amounts beside those of the reader.

    Returns
    -------
    DataFrame
        counts; for each compound presence_ (score),
        present_, fraction_ with _low and _high (share of the signal, 90 % interval), the same of
        the regressions, forest_ and kernel_; alarm (inside or outside), distance, alarm_p,
        unexplained (the ions, m/z in u), outlier, outlier_p.
    """
    columns: dict[str, object] = {"counts": table.areas.sum(axis=1)}
    for place, compound in enumerate(reader.classes):
        columns[f"presence_{compound}"] = reading.presence[:, place]
        columns[f"present_{compound}"] = reading.present[:, place]
    amounts, intervals = {"fraction": reading.fraction}, {"fraction": reader.intervals}
    if regressions is not None:
        amounts |= regressions.amounts(table.areas)
        intervals |= regressions.intervals
    for kind, shares in amounts.items():
        low, high = intervals[kind].around(shares)
        for place, compound in enumerate(reader.classes):
            columns[f"{kind}_{compound}"] = shares[:, place]
            columns[f"{kind}_{compound}_low"] = low[:, place]
            columns[f"{kind}_{compound}_high"] = high[:, place]
    outside = np.flatnonzero(reading.outside)
    told = np.full(len(table.samples), "", dtype=object)
    for row, peaks in zip(outside, reader.unexplained(table.areas[outside]), strict=True):
        told[row] = ", ".join(ion_text(table.mz[peak], names[peak]) for peak in peaks)
    columns |= {
        "alarm": np.where(reading.outside, "outside", "inside"),
        "distance": reading.distance,
        "alarm_p": reading.p,
        "unexplained": told,
        "outlier": reading.outlier,
        "outlier_p": reading.outlier_p,
    }
    return pd.DataFrame(columns)


def evidence_table(
    table: PeakTable,
    errors: np.ndarray,
    reader: Reader,
    present: np.ndarray,
    names: np.ndarray,
    advance: Callable[[], None] = lambda: None,
) -> pd.DataFrame:
    """Return the ions for and against each compound that is called present in a spectrum.

    Parameters
    ----------
    table : PeakTable
    errors : ndarray, shape (n_spectra, n_peaks)
        Standard errors of the areas (counts).
    reader : Reader
    present : ndarray of bool, shape (n_spectra, n_classes)
    names : ndarray of str, shape (n_peaks,)
    advance : callable, optional
        Called after each compound of each spectrum.

    Returns
    -------
    DataFrame
        file, sample, compound, claim (strong, weak or noise), rank, side (for or against), mz (u),
        ion, counts, above_background and above_others (standard errors), expected_of_others and
        expected_of_compound (counts), strength of the ion. See `evidence.Witness`.
    """
    files, samples, rows = table.column("file"), table.column("sample"), []
    found = witnesses(table.areas, errors, present, reader.unmixing)
    for spectrum, place, ions, verdict in found:
        advance()
        head = (files[spectrum], samples[spectrum], reader.classes[place], verdict)
        for rank, ion in enumerate(ions, start=1):
            rows.append(
                (
                    *head, rank, ion.side, table.mz[ion.peak], names[ion.peak], ion.counts,
                    ion.above_background, ion.above_others, ion.others, ion.own, ion.weight,
                )
            )  # fmt: skip
        if not ions:
            rows.append((*head, 0, "for", np.nan, "", *[np.nan] * 5, "noise"))
    order = {file: number for number, file in enumerate(files)}
    frame = pd.DataFrame(rows, columns=EVIDENCE)
    places = np.lexsort([frame["rank"], frame["compound"], frame["file"].map(order)])
    return frame.iloc[places]


def evidence_by_ion(evidence: pd.DataFrame) -> pd.DataFrame:
    """Bring the evidence of a sample's spectra together: a row an ion.

    Parameters
    ----------
    evidence : DataFrame
        From `evidence_table`, a row an ion and spectrum.

    Returns
    -------
    DataFrame
        sample, compound, side, mz (u), ion, spectra (in which the ion speaks), and over these the
        mean rank and the medians of counts, above_background, above_others (standard errors) and
        expected_of_compound (counts). The ions of most spectra stand first, then the first of rank.
    """
    named = evidence[evidence["mz"].notna()]
    numbers = ("counts", "above_background", "above_others", "expected_of_compound")
    gathered = named.groupby(["sample", "compound", "side", "mz", "ion"], sort=True).agg(
        spectra=("file", "nunique"),
        rank=("rank", "mean"),
        **{name: (name, "median") for name in numbers},
    )
    order = ["sample", "compound", "spectra", "rank"]
    ordered = gathered.sort_values(order, ascending=[True, True, False, True], kind="stable")
    return ordered.reset_index()


def profile_table(
    components: np.ndarray, matches: pd.DataFrame, mz: np.ndarray, names: np.ndarray
) -> pd.DataFrame:
    """Return the first ions of each unsupervised component.

    Parameters
    ----------
    components : ndarray, shape (n_classes, n_peaks)
    matches : DataFrame
        Both from `profile.components`.
    mz : ndarray, shape (n_peaks,)
        u.
    names : ndarray of str, shape (n_peaks,)

    Returns
    -------
    DataFrame
        compound that the component is likest, similarity, rank, mz (u), ion, share of the
        component's counts.
    """
    frames = []
    for match, component in zip(matches.itertuples(), components, strict=True):
        first = np.argsort(-component, kind="stable")[:IONS]
        ions = {
            "compound": match.compound,
            "similarity": match.similarity,
            "rank": np.arange(1, len(first) + 1),
            "mz": mz[first],
            "ion": names[first],
            "share": component[first],
        }
        frames.append(pd.DataFrame(ions))
    return pd.concat(frames)


def explained_table(
    table: PeakTable, reader: Reader, reading: Reading, names: np.ndarray
) -> pd.DataFrame:
    """Return what the compounds explain of each ion of each sample, as fractions were read.

    Parameters
    ----------
    table : PeakTable
    reader : Reader
    reading : Reading
        Of these spectra.
    names : ndarray of str, shape (n_peaks,)

    Returns
    -------
    DataFrame
        sample, role, mz (u), ion, counts (mean over the sample's spectra), explained_<compound>
        (of these counts), foreign: share of the spectra that are outside and in which the ion
        holds far more than the references explain. Ions that are neither there nor expected are
        left out.
    """
    totals = table.areas.sum(axis=1, keepdims=True)
    foreign = np.zeros(table.areas.shape, dtype=bool)
    if reading.outside.any():
        foreign[reading.outside] = reader.foreign(table.areas[reading.outside])
    frames = []
    for (sample, role), own in table.samples.groupby(["sample", "role"], sort=False):
        rows = own.index
        parts = (reading.parts[rows] * totals[rows]).mean(axis=0)
        explained = parts[:, None] * reader.unmixing.members
        columns = {"sample": sample, "role": role, "mz": table.mz, "ion": names}
        columns["counts"] = table.areas[rows].mean(axis=0)
        columns |= {f"explained_{c}": explained[i] for i, c in enumerate(reader.classes)}
        frame = pd.DataFrame(columns | {"foreign": foreign[rows].mean(axis=0)})
        there = (frame["counts"] > 0) | (explained.sum(axis=0) >= LEAST)
        frames.append(frame[there])
    whole = pd.concat(frames, ignore_index=True)
    numbers = list(whole.columns[4:])
    whole[numbers] = whole[numbers].round(2).astype("float32")
    return whole


def samples_table(spectra: pd.DataFrame, evidence: pd.DataFrame | None) -> pd.DataFrame:
    """Bring the spectra of each sample together.

    Parameters
    ----------
    spectra : DataFrame
        The sheet's columns, p_<compound>, and where they were made those of `readings_table`.
    evidence : DataFrame or None
        From `evidence_table`.

    Returns
    -------
    DataFrame
        sample, role, expected, source, spectra (how many); means of p_, presence_, fraction_,
        forest_ and kernel_ and of their interval ends, which spots of one sample share;
        present_<compound>: share of the spectra in which it is called present;
        proof_<compound>: the commonest verdict where it is; outside and outlier: share of the
        spectra; unexplained: the ions that are so most often. `expected` is ``varies`` where it
        differs within a sample.
    """
    heads, rows = ["sample", "role", "source"], []
    shared = {c for c in spectra if c.startswith("present_")} | ({"outlier"} & {*spectra})
    means = [
        c
        for c in spectra
        if c in shared or c.split("_")[0] in ("p", "presence", "fraction", "forest", "kernel")
    ]
    for keys, own in spectra.groupby(heads, sort=False):
        row: dict[str, object] = dict(zip(heads, keys, strict=True))
        expected = own["expected"].unique()
        row["expected"] = expected[0] if len(expected) == 1 else "varies"
        row["spectra"] = len(own)
        row |= {c: float(own[c].astype(float).mean()) for c in means}
        if evidence is not None:
            row["outside"] = float((own["alarm"] == "outside").mean())
            row["unexplained"] = _commonest(own["unexplained"])
            said = evidence[evidence["file"].isin(own["file"])]
            said = said.drop_duplicates(["file", "compound"])
            for column in (c for c in spectra if c.startswith("present_")):
                compound = column.removeprefix("present_")
                verdicts = said.loc[said["compound"] == compound, "claim"].tolist()
                # of verdicts that are as common the more careful one
                commonest = max(reversed(VERDICTS), key=verdicts.count)
                row[f"proof_{compound}"] = commonest if verdicts else ""
        rows.append(row)
    order = ["sample", "role", "expected", "source", "spectra"]
    if not rows:
        return pd.DataFrame(columns=[*order, *means])
    frame = pd.DataFrame(rows)
    return frame[order + [c for c in frame if c not in order]]


def _commonest(texts: pd.Series, most: int = 5) -> str:
    """Return the ions that most texts name, the commonest first."""
    counted = Counter(ion for text in texts for ion in text.split(", ") if ion)
    return ", ".join(ion for ion, _ in counted.most_common(most))
