"""What sputtering itself may have made of a depth profile."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from ionprint.composition.depth import LASTING, Course, Profile, courses_of

JUMP = 3.0
"""A total that stands out by more than this many standard deviations of the difference between
steps, from the steps before and from those after, is a jump."""
NEIGHBOURS = 3
"""Steps on each side that a jump is seen against; a bad one among three does not count."""
LEAST_JUMP = 1.25
"""Factor in total counts under which nothing is a jump, however smooth the profile."""
TAIL_STEPS = 4
"""Steps of an exponential decay at least, the last one above half of the largest value among
them: three points lie near a line too easily."""
TAIL_FLOOR = 0.03
"""Share of its largest value down to which the decay of a compound is followed."""
TAIL_FIT = 0.9
"""Coefficient of determination of the line through the logarithms at least."""
BEAM_PRODUCTS = {"Li2CO3": "Li2O", "Li2O2": "Li2O"}
"""Compounds and what a beam can make of them: see the notes of `artefacts`."""
ARTEFACTS = "sample kind compound step dose unit last_step last_dose value text".split()


def artefacts(profile: Profile) -> pd.DataFrame:
    """Say which steps may show the sputtering rather than the sample.

    Returns
    -------
    DataFrame
        In the order of dose: sample, kind, compound, step, dose, unit, last_step, last_dose,
        value, text.

        ============  ============================================================================
        kind          meaning, and `value`
        ============  ============================================================================
        surface       steps before counts settle, or with the alarm: surface transient; steps
        jump          total counts stand out from the steps on both sides; factor against them
        tail          a compound decays exponentially; dose in which it falls to 1/e
        beam product  a compound grows while one that a beam turns into it falls; dose of the
                      half rise
        unknown       the alarm is given below the surface; steps
        ============  ============================================================================

    Notes
    -----
    None of this is proof: each is a reason to look, or to measure again.

    A jump is seen in logarithms, against the median of up to three steps before and of those
    after; at an edge between two layers only one side differs, so it is none. Its scale is the
    median absolute deviation of the differences between steps, and counting noise. The first
    and the last step have one side and are never jumps.

    Sputter rate and ion yield change until the altered layer is in steady state, so neither doses
    nor intensities of the first steps can be compared with later ones; contamination of the
    surface adds to that (Zhao, Otto et al. 2023, section 3.4 and its end, ask for comparable
    sputter times and name depth profiles as the way to see artefacts). Mixing by the beam gives
    an exponential trailing edge and roughness a wide one: its decay length is that of ISO
    20341:2003; see Hofmann, Surf. Interface Anal. 21 (1994) 673 on mixing and roughness.

    Beam products: Li2O in surface films of anodes can be made by abusive argon sputtering
    (Edström, Herstedt and Abraham, J. Power Sources 153 (2006) 380); Li2CO3 and Li2O2 turn
    into Li2O under soft X-rays, where Li2O is stable (Qiao et al., PLoS ONE 7 (2012) e49182).
    Argon clusters are gentler than argon ions, and a film of carbonate over oxide looks the same.
    LiOH is not in the table for want of a source.
    """
    courses = courses_of(profile)
    rows = [
        *_outsiders(profile),
        *_jumps(profile),
        *_tails(profile, courses),
        *_beam_products(profile, courses),
    ]
    rows.sort(key=lambda row: (row["step"], row["last_step"], row["kind"], row["compound"]))
    return pd.DataFrame(rows, columns=ARTEFACTS)


def _artefact(
    profile: Profile, kind: str, name: str, first: int, last: int, value: float, text: str
) -> dict:
    """Return a row of `artefacts`; `first` and `last` are places from 0."""
    return {
        "sample": profile.sample,
        "kind": kind,
        "compound": name,
        "step": first + 1,
        "dose": float(profile.dose[first]),
        "unit": profile.unit,
        "last_step": last + 1,
        "last_dose": float(profile.dose[last]),
        "value": value,
        "text": text,
    }


def _scale(profile: Profile) -> float:
    """Return the standard deviation of the difference in ln counts between steps."""
    counts = profile.steps["counts"].to_numpy()
    steps = np.diff(np.log(counts))
    robust = 1.4826 * np.median(np.abs(steps - np.median(steps)))
    return float(np.hypot(robust, np.sqrt(2 / np.median(counts))))


def _jumps(profile: Profile) -> Iterator[dict]:
    """Yield steps whose total counts stand out."""
    logs = np.log(profile.steps["counts"].to_numpy())
    least = max(JUMP * _scale(profile), np.log(LEAST_JUMP))
    for place in range(1, len(logs) - 1):
        before = logs[place] - np.median(logs[max(place - NEIGHBOURS, 0) : place])
        after = logs[place] - np.median(logs[place + 1 : place + 1 + NEIGHBOURS])
        if before * after <= 0 or min(abs(before), abs(after)) <= least:
            continue
        factor = float(np.exp((before + after) / 2))
        cause = "charging or a weaker beam" if factor < 1 else "a stronger beam or discharging"
        text = (
            f"step {place + 1} ({profile.text(profile.dose[place])}) has {factor:.2g} times the "
            f"counts of its neighbours: {cause}; look at its spectrum, and measure it again"
        )
        yield _artefact(profile, "jump", "", place, place, factor, text)


def _outsiders(profile: Profile) -> Iterator[dict]:
    """Yield the first steps before all has settled, and alarms below the surface."""
    logs = np.log(profile.steps["counts"].to_numpy())
    least = max(JUMP * _scale(profile), np.log(LEAST_JUMP))
    unsettled = 0
    while unsettled < len(logs) // 3:
        later = logs[unsettled + 1 : unsettled + 2 + 2 * LASTING]
        if abs(logs[unsettled] - np.median(later)) <= least:
            break
        unsettled += 1
    outside = (profile.steps["alarm"] == "outside").to_numpy()
    edges = np.flatnonzero(np.diff(outside)) + 1
    runs = [run for run in np.split(np.arange(len(outside)), edges) if outside[run[0]]]
    # an alarm through more than half of the profile is no matter of its surface
    strange = runs.pop(0).size if runs and runs[0][0] == 0 and 2 * runs[0].size <= len(logs) else 0
    steps = max(unsettled, strange)
    if steps:
        signs = ["total counts have not settled"] * (unsettled > 0)
        signs += ["the spectra are unlike the references (alarm)"] * (strange > 0)
        span = "step 1" if steps == 1 else f"steps 1 to {steps}"
        text = (
            f"{span}, up to {profile.text(profile.dose[steps - 1])}: {' and '.join(signs)}: "
            f"surface contamination, or sputtering not yet in steady state; do not compare amounts "
            f"there with deeper steps"
        )
        yield _artefact(profile, "surface", "", 0, steps - 1, steps, text)
    for run in runs:
        if run.size < LASTING:
            continue
        text = (
            f"steps {run[0] + 1} to {run[-1] + 1}, from {profile.text(profile.dose[run[0]])} on: "
            f"the spectra are unlike the references (alarm): something that they do not hold, or "
            f"damage by the beam; fractions are of the known compounds only"
        )
        yield _artefact(profile, "unknown", "", int(run[0]), int(run[-1]), run.size, text)


def _tails(profile: Profile, courses: dict[str, Course]) -> Iterator[dict]:
    """Yield compounds that fade out exponentially."""
    for name, course in courses.items():
        top = course.top
        height = course.fraction[top]
        below = np.flatnonzero(course.fraction[top:] < height / 2) + top
        if not (course.present[top] and course.low[top] > course.high[top:].min() and below.size):
            continue
        start = int(below[0]) - 1
        over = course.read[start:] > TAIL_FLOOR * height
        end = start + int(np.argmin(np.append(over, False)))
        if end - start < TAIL_STEPS:
            continue
        dose, logs = profile.dose[start:end], np.log(course.read[start:end])
        slope = np.polyfit(dose, logs, 1)[0]
        fit = np.corrcoef(dose, logs)[0, 1] ** 2 if np.ptp(logs) > 0 else 0.0
        if not (slope < 0 and fit >= TAIL_FIT):
            continue
        decay = float(-1 / slope)
        half = _meeting(profile.dose, course.fraction, start, height / 2)
        text = (
            f"{name} falls to 1/e every {profile.text(decay)} in steps {start + 1} to {end} rather "
            f"than at once: mixing by the beam or a rough surface; take the dose of half its "
            f"height, {profile.text(half)}, for its end, and no small share beyond it for a layer"
        )
        yield _artefact(profile, "tail", name, start, end - 1, decay, text)


def _meeting(dose: np.ndarray, values: np.ndarray, place: int, level: float) -> float:
    """Return the dose between a step and the next where values cross a level."""
    share = (level - values[place]) / (values[place + 1] - values[place])
    return float(dose[place] + share * (dose[place + 1] - dose[place]))


def _beam_products(profile: Profile, courses: dict[str, Course]) -> Iterator[dict]:
    """Yield compounds that grow where what a beam turns into them falls."""
    for parent, product in BEAM_PRODUCTS.items():
        if parent not in courses or product not in courses:
            continue
        old, new = courses[parent], courses[product]
        top, peak = old.top, new.top
        falls = old.present[top] and old.low[top] > old.high[top:].min()
        rises = new.present[peak] and new.low[peak] > new.high[: peak + 1].min()
        small = np.flatnonzero(new.fraction[:peak] < new.fraction[peak] / 2)
        less = np.flatnonzero(old.fraction[top:] < 0.9 * old.fraction[top]) + top
        if not (falls and rises and small.size and less.size):
            continue
        gone = np.flatnonzero(old.fraction[top:] < 0.1 * old.fraction[top]) + top
        last = int(gone[0]) if gone.size else len(old.fraction) - 1
        rise = int(small[-1]) + 1
        if less[0] <= rise <= last:
            half = _meeting(profile.dose, new.fraction, rise - 1, new.fraction[peak] / 2)
            text = (
                f"{product} grows while {parent} falls (steps {less[0] + 1} to {last + 1}): it may "
                f"be formed from it by the beam, or lie below it; compare with a gentler beam, or "
                f"with a method that does not sputter"
            )
            yield _artefact(profile, "beam product", product, int(less[0]), last, half, text)
