"""Depth profiles: what spectra of one sample say together that were taken at several doses.

Two tables are made of a profile: the reading smoothed along depth (`smooth`), and what happens in
the order of dose (`changes`). What sputtering itself may have made is told by `sputtering`.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ionprint.errors import DataError, listed

UNITS = {"sputter_dose": "ions/cm2", "sputter_time": "s"}
"""Columns that tell how deep a spectrum was taken; the first with doses enough is used."""
LEAST_STEPS = 5
"""Distinct doses of a profile at least: two steps on each side of a change that has to last, and
one more, so that no step is needed on both sides."""
LASTING = 2
"""Steps that a change has to last: what is seen once may be a bad spectrum."""
SURE = 1e-6
"""Presence scores are kept this far from 0 and 1, where log odds have no end."""

CHANGES = "sample kind compound other step dose unit first_step last_step fraction text".split()
_MISSING = {"", "nan", "none", "<na>"}


@dataclass(frozen=True)
class Profile:
    """One sample, step by step.

    Attributes
    ----------
    sample : str
    unit : {"ions/cm2", "s"}
        Of the doses.
    compounds : list of str
        In alphabetical order.
    steps : DataFrame
        One row a dose, rising: step (from 1), dose, spectra (how many), counts, alarm, and for
        each compound the columns `present_`, `presence_`, `fraction_`, `fraction_..._low` and
        `fraction_..._high`, averaged over the spots of the step.
    without_dose : list of str
        Files of the sample that the sheet tells no dose of; they are not in the profile.
    """

    sample: str
    unit: str
    compounds: list[str]
    steps: pd.DataFrame
    without_dose: list[str]

    @property
    def dose(self) -> np.ndarray:
        """Doses of the steps (`unit`), rising."""
        return self.steps["dose"].to_numpy(dtype=float)

    def read(self, what: str) -> np.ndarray:
        """Return one column of all compounds, shape (n_steps, n_compounds), as `presence_{}`."""
        return self.steps[[what.format(c) for c in self.compounds]].to_numpy()

    def text(self, dose: float) -> str:
        """Write a dose with its unit, as `5.28e15 ions/cm2` or `150 s`."""
        digits = f"{dose:.4g}" if dose < 1e4 else f"{dose:.3g}"
        return f"{digits.replace('e+0', 'e').replace('e+', 'e')} {self.unit}"


def find_profiles(spectra: pd.DataFrame) -> list[Profile]:
    """Find the samples that were read at several sputter doses.

    Parameters
    ----------
    spectra : DataFrame
        One row a spectrum: sample, file, counts, sputter_dose (ions/cm2) or sputter_time (s),
        alarm ("inside" or "outside"; may be missing), and for each compound `present_<compound>`
        (bool), `presence_<compound>` (0 to 1), `fraction_<compound>`, `fraction_<compound>_low`
        and `fraction_<compound>_high`.

    Returns
    -------
    list of Profile
        Samples with five different doses or more, in the order of the table. Other samples are
        left out without a word: most are measured at one dose.

    Raises
    ------
    DataError
        A column is missing; a sample with doses has a text that is no number, or a negative
        number, among them; or a reading of a profile is no number.

    Notes
    -----
    Spots of equal dose are one step. Scores are averaged as log odds, counts as logarithms,
    fractions and the ends of their intervals as they are: intervals grow no narrower, for the
    spots share the errors of the references. A compound is present, and an alarm given, where
    half of the spots or more say so.
    """
    compounds = sorted(
        str(c).removeprefix("presence_") for c in spectra if str(c).startswith("presence_")
    )
    needed = [*["sample", "file", "counts"], *(c for name in compounds for c in _columns(name))]
    missing = [c for c in needed if c not in spectra]
    if missing or not compounds:
        raise DataError(
            f"the readings lack {', '.join(missing) or 'presence_<compound>'}; a profile needs "
            f"sample, file, counts, and a reading of each compound"
        )
    profiles = []
    for sample, rows in spectra.groupby("sample", sort=False):
        found = _doses(str(sample), rows)
        if found is None:
            continue
        column, doses = found
        told = np.isfinite(doses)
        _check(str(sample), rows[told], [c for c in needed if c not in ("sample", "file")])
        steps = _average(rows[told], doses[told], compounds)
        without = rows["file"][~told].astype(str).tolist()
        profiles.append(Profile(str(sample), UNITS[column], compounds, steps, without))
    return profiles


def _columns(name: str) -> list[str]:
    """Return the columns of a compound."""
    fraction = f"fraction_{name}"
    return [f"present_{name}", f"presence_{name}", fraction, f"{fraction}_low", f"{fraction}_high"]


def _doses(sample: str, rows: pd.DataFrame) -> tuple[str, np.ndarray] | None:
    """Return the column with doses enough and its numbers, nan where it is empty, or nothing."""
    for column in UNITS:
        if column not in rows:
            continue
        texts = rows[column].astype(str).str.strip()
        empty = texts.str.lower().isin(_MISSING).to_numpy()
        numbers = pd.to_numeric(texts.where(~empty), errors="coerce").to_numpy(dtype=float)
        if not np.isfinite(numbers).any():
            continue
        bad = [
            f"{file}: {column} is {text!r}"
            for file, text, wrong in zip(
                rows["file"], texts, ~empty & ~(np.isfinite(numbers) & (numbers >= 0)), strict=True
            )
            if wrong
        ]
        if bad:
            raise DataError(
                f"{len(bad)} spectra of {sample!r} need a number, 0 or more, in the sample "
                f"sheet's column {column!r} ({UNITS[column]}), or nothing:\n{listed(bad)}"
            )
        if np.unique(numbers[np.isfinite(numbers)]).size >= LEAST_STEPS:
            return column, numbers
    return None


def _check(sample: str, rows: pd.DataFrame, columns: list[str]) -> None:
    """Raise DataError where a reading is no number."""
    values = rows[columns].to_numpy(dtype=float)
    bad = [
        f"{file}: {columns[place]} is {values[row, place]}"
        for (row, place), file in (
            (where, rows["file"].iloc[where[0]]) for where in np.argwhere(~np.isfinite(values))
        )
    ]
    if bad:
        raise DataError(f"readings of {sample!r} that are no numbers:\n{listed(bad)}")


def _average(rows: pd.DataFrame, doses: np.ndarray, compounds: list[str]) -> pd.DataFrame:
    """Return one row a dose."""
    dose, step = np.unique(doses, return_inverse=True)
    spots = np.bincount(step)

    def mean(values: pd.Series) -> np.ndarray:
        return np.bincount(step, weights=values.to_numpy(dtype=float)) / spots

    logs = np.log(np.maximum(rows["counts"].astype(float), 1.0))
    columns = {
        "step": np.arange(1, len(dose) + 1),
        "dose": dose,
        "spectra": spots,
        "counts": np.exp(mean(logs)),
    }
    outside = rows["alarm"] == "outside" if "alarm" in rows else pd.Series(False, rows.index)
    columns["alarm"] = np.where(mean(outside) >= 0.5, "outside", "inside")
    for name in compounds:
        present, presence, *fractions = _columns(name)
        columns[present] = mean(rows[present]) >= 0.5
        score = rows[presence].astype(float).clip(SURE, 1 - SURE)
        columns[presence] = 1 / (1 + np.exp(-mean(np.log(score / (1 - score)))))
        columns |= {column: mean(rows[column]) for column in fractions}
    return pd.DataFrame(columns)


def repeated_median(values: np.ndarray) -> np.ndarray:
    """Smooth by running medians of three steps, until nothing changes.

    Parameters
    ----------
    values : ndarray, shape (n_steps, ...)

    Returns
    -------
    ndarray, shape of `values`
        The first and the last step are kept, as they have one neighbour only.

    Notes
    -----
    Tukey's "3R" (Exploratory Data Analysis, 1977, chapter 7). What is seen in a single step goes;
    what lasts for two stays, and an edge stays where and as steep as it is, which a mean would
    blur. Medians do not depend on the scale, so those of scores are those of log odds, and a
    threshold may be put before or after. They keep the order of low end, value and high end.
    """
    smooth = np.array(values, dtype=float)
    while True:
        inner = np.median([smooth[:-2], smooth[1:-1], smooth[2:]], axis=0)
        if np.array_equal(inner, smooth[1:-1]):
            return smooth
        smooth[1:-1] = inner


def smooth(profile: Profile) -> pd.DataFrame:
    """Return the reading of a profile, smoothed along depth.

    Returns
    -------
    DataFrame
        One row a step and compound: sample, step, dose, unit, compound, present, presence,
        fraction, low, high; and as they were read: present_read, presence_read, fraction_read.

    Notes
    -----
    Answers, scores, fractions and the ends of intervals go through `repeated_median`. Log odds of
    neighbours are not added up, and intervals not narrowed: neighbours are read by the same
    references, so their errors are mostly common ones, which no average takes away. Smoothed
    fractions of a step need not add up to 1.
    """
    read = {
        "present": profile.read("present_{}"),
        "presence": profile.read("presence_{}"),
        "fraction": profile.read("fraction_{}"),
    }
    clean = {name: repeated_median(values) for name, values in read.items()}
    number, n_compounds = read["present"].shape
    return pd.DataFrame(
        {
            "sample": profile.sample,
            "step": np.repeat(profile.steps["step"].to_numpy(), n_compounds),
            "dose": np.repeat(profile.dose, n_compounds),
            "unit": profile.unit,
            "compound": profile.compounds * number,
            "present": clean["present"].ravel() > 0.5,
            "presence": clean["presence"].ravel(),
            "fraction": clean["fraction"].ravel(),
            "low": repeated_median(profile.read("fraction_{}_low")).ravel(),
            "high": repeated_median(profile.read("fraction_{}_high")).ravel(),
            "present_read": read["present"].astype(bool).ravel(),
            "presence_read": read["presence"].astype(float).ravel(),
            "fraction_read": read["fraction"].astype(float).ravel(),
        }
    )


@dataclass(frozen=True)
class Course:
    """One compound along depth, smoothed: arrays of one value a step, and as it was read."""

    present: np.ndarray
    fraction: np.ndarray
    low: np.ndarray
    high: np.ndarray
    read: np.ndarray

    @property
    def top(self) -> int:
        """Place of the largest fraction."""
        return int(np.argmax(self.fraction))

    def share(self, place: int) -> str:
        """Write the fraction at a step with its interval."""
        return f"{self.fraction[place]:.2f} ({self.low[place]:.2f} to {self.high[place]:.2f})"


def courses_of(profile: Profile) -> dict[str, Course]:
    """Return the smoothed course of each compound."""
    columns = ["present", "fraction", "low", "high", "fraction_read"]
    return {
        str(name): Course(*(rows[c].to_numpy() for c in columns))
        for name, rows in smooth(profile).groupby("compound")
    }


def changes(profile: Profile) -> pd.DataFrame:
    """Say what happens along depth.

    Returns
    -------
    DataFrame
        In the order of dose: sample, kind, compound, other, step, dose, unit, first_step,
        last_step, fraction, text.

        ======================  ==================================================================
        kind                    meaning
        ======================  ==================================================================
        surface                 the compound is there from the first step on
        appears, disappears     `step` is the first one with, or without it
        largest                 at `step`; from `first_step` to `last_step` it cannot be told from
                                that; nothing where that holds for all steps
        overtakes               `compound` is more than `other` from `step` on; both are there
        ======================  ==================================================================

        `fraction` is the smoothed fraction of the compound at `step`.

    Notes
    -----
    A compound appears or disappears where the answer changes, the state before and the state after
    last for two steps or more, and an interval of its fraction where it is there lies above one
    where it is not. It overtakes another where their intervals do not overlap for two steps in a
    row before and after. The intervals are those of single steps.
    """
    courses = courses_of(profile)
    rows = [*_comings(profile, courses), *_overtakings(profile, courses)]
    kinds = ["surface", "appears", "overtakes", "largest", "disappears"]
    rows.sort(key=lambda row: (row["step"], kinds.index(row["kind"]), row["compound"]))
    return pd.DataFrame(rows, columns=CHANGES)


def _change(
    profile: Profile, kind: str, name: str, place: int, course: Course, text: str, **more: object
) -> dict:
    """Return a row of `changes`."""
    return {
        "sample": profile.sample,
        "kind": kind,
        "compound": name,
        "other": "",
        "step": place + 1,
        "dose": float(profile.dose[place]),
        "unit": profile.unit,
        "first_step": place + 1,
        "last_step": place + 1,
        "fraction": float(course.fraction[place]),
        "text": text,
        **more,
    }


def _comings(profile: Profile, courses: dict[str, Course]) -> Iterator[dict]:
    """Yield where compounds appear, disappear and are largest."""
    dose = profile.dose
    for name, course in courses.items():
        first, turns = _turns(course)
        if first:
            where = profile.text(dose[0])
            text = f"{name} is there from the first step on ({where}): {course.share(0)}"
            yield _change(profile, "surface", name, 0, course, f"{text} of the signal")
        for place, there in turns:
            kind = "appears" if there else "disappears"
            text = (
                f"{name} {kind} at {profile.text(dose[place])} (step {place + 1}); "
                f"at {profile.text(dose[place - 1])} it is {'not yet' if there else 'still'} there"
            )
            yield _change(profile, kind, name, place, course, text)
        top = course.top
        if not ((first or turns) and course.present[top]):
            continue
        alike = course.high >= course.low[top]
        begin = top - int(np.argmin(np.append(alike[top::-1], False))) + 1
        end = top + int(np.argmin(np.append(alike[top:], False))) - 1
        if not alike.all():
            text = (
                f"{name} is at its largest at {profile.text(dose[top])} (step {top + 1}): "
                f"{course.share(top)} of the signal"
            )
            if end > begin:
                text += f"; steps {begin + 1} to {end + 1} cannot be told from that"
            span = {"first_step": begin + 1, "last_step": end + 1}
            yield _change(profile, "largest", name, top, course, text, **span)


def _turns(course: Course) -> tuple[bool, list[tuple[int, bool]]]:
    """Return whether a compound is there at first, and where that changes to what."""
    edges = np.flatnonzero(np.diff(course.present)) + 1
    runs = np.split(np.arange(len(course.present)), edges)
    runs = [run for run in runs if run.size >= LASTING]
    first = state = bool(course.present[runs[0][0]])
    own, turns = runs[0], []
    for run in runs[1:]:
        if course.present[run[0]] == state:
            own = np.append(own, run)
            continue
        there, gone = (own, run) if state else (run, own)
        # a run that the intervals do not bear out changes nothing
        if course.low[there].max() > course.high[gone].min():
            state, own = not state, run
            turns.append((int(run[0]), state))
    return first, turns


def _overtakings(profile: Profile, courses: dict[str, Course]) -> Iterator[dict]:
    """Yield where one compound becomes more than another."""
    fractions = np.array([course.fraction for course in courses.values()])
    for name, course in courses.items():
        for other, less in courses.items():
            above, below = _lasting(course.low > less.high), _lasting(less.low > course.high)
            known = np.flatnonzero(above | below)
            for before, after in itertools.pairwise(known):
                if not (below[before] and above[after]):
                    continue
                behind = course.fraction[before : after + 1] <= less.fraction[before : after + 1]
                place = int(before + np.flatnonzero(behind)[-1] + 1)
                # far from the meeting of two courses one replaces what a third had replaced
                if not (less.present[place - 1] and course.present[place]):
                    continue
                text = f"from {profile.text(profile.dose[place])} (step {place + 1}) on {name} is "
                if (
                    course.fraction[place] == fractions[:, place].max()
                    and less.fraction[place - 1] == fractions[:, place - 1].max()
                ):
                    text += f"the largest, before it {other}"
                else:
                    text += f"more than {other}"
                if after > place:
                    text += f"; sure from step {after + 1} on"
                yield _change(profile, "overtakes", name, place, course, text, other=other)


def _lasting(flags: np.ndarray) -> np.ndarray:
    """Keep flags that stand beside another one."""
    beside = np.zeros_like(flags)
    beside[1:] |= flags[:-1]
    beside[:-1] |= flags[1:]
    return flags & beside
