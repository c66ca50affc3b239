"""All readings of a surface, set by the references alone."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace

import numpy as np

from ionprint.composition.alarm import Alarm, Distance, distance, excess, residual_ions
from ionprint.composition.held_out import LESSONS, lessons_of
from ionprint.composition.intervals import Intervals
from ionprint.composition.pixels import PixelReader
from ionprint.composition.presence import Presence
from ionprint.composition.references import References
from ionprint.composition.unmixing import FAR, Unmixing, excess_errors
from ionprint.errors import DataError, listed
from ionprint.files import below, joined

BATCH = 250
"""Spectra read at once, so that they stay in the processor's cache."""


@dataclass(frozen=True)
class Reading:
    """What is read from spectra; arrays of shape (n_spectra, n_classes) or (n_spectra,).

    Attributes
    ----------
    presence : ndarray
        Score of each compound, 0 to 1.
    present : ndarray of bool
        Whether it is called present.
    fraction : ndarray
        Share of each compound in the signal, by unmixing; rows sum to 1. Foreign ions are set
        aside where the spectrum is outside.
    distance, p : ndarray
        How far each spectrum is from what the references explain, and its p-value.
    outlying, outlier_p : ndarray
        How far it lies above the range of the references, and the p-value of that.
    outside, outlier : ndarray of bool
        The answers of the two tests.
    parts : ndarray
        Share of each spectrum's counts that a compound explains, as `fraction` was read; rows need
        not sum to 1.
    """

    presence: np.ndarray
    present: np.ndarray
    fraction: np.ndarray
    distance: np.ndarray
    p: np.ndarray
    outlying: np.ndarray
    outlier_p: np.ndarray
    outside: np.ndarray
    outlier: np.ndarray
    parts: np.ndarray

    def of(self, rows: np.ndarray) -> "Reading":
        """Return the readings of some of the spectra."""
        return Reading(*(getattr(self, column.name)[rows] for column in fields(self)))

    @classmethod
    def together(cls, pieces: "list[Reading]") -> "Reading":
        """Return readings of many spectra as one."""
        if len(pieces) == 1:
            return pieces[0]
        names = [column.name for column in fields(cls)]
        return cls(*(np.concatenate([getattr(p, name) for p in pieces]) for name in names))


@dataclass(frozen=True)
class Reader:
    """Presence, fractions with intervals, and the alarm.

    Attributes
    ----------
    classes : list of str
        The compounds.
    unmixing : Unmixing
    intervals : Intervals
        Of the fractions.
    presence : Presence
    alarm : Alarm
    false_alarms : float
        Share of known mixtures that may raise an alarm; never below what the number of pellets can
        tell, see `Conformal.least`.
    pixels : PixelReader or None
        For spectra of few counts; None in a model that was trained before there was one.
    """

    classes: list[str]
    unmixing: Unmixing
    intervals: Intervals
    presence: Presence
    alarm: Alarm
    false_alarms: float
    pixels: PixelReader | None = None

    STEPS = 4 + LESSONS

    @classmethod
    def fit(
        cls,
        references: References,
        number: int,
        false_alarms: float,
        seed: int,
        advance: Callable[[], None] = lambda: None,
    ) -> "Reader":
        """Learn all readings from references alone.

        Parameters
        ----------
        references : References
        number : int
            Pseudo-mixtures in one draw.
        false_alarms : float
            Share of known mixtures that may raise an alarm.
        seed : int
        advance : callable, optional
            Called after each of `STEPS` steps.
        """
        held_out, lessons = lessons_of(references, number, seed)
        true = np.concatenate([part.exam.shares for part in held_out])
        amounts = np.concatenate(
            [Unmixing(part.known).explain(part.exam.counts).shares for part in held_out]
        )
        intervals = Intervals(amounts, true)
        advance()
        presence = Presence().fit(held_out, amounts, lessons, advance)
        alarm = Alarm(references, held_out)
        advance()
        level = max(false_alarms, alarm.unexplained.least)
        unmixing = alarm.distance.amounts
        pixels = PixelReader(unmixing, held_out, level, seed)
        advance()
        return cls(references.classes, unmixing, intervals, presence, alarm, level, pixels)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return all it has learned as arrays, to be stored."""
        parts = {
            "unmixing": self.unmixing.arrays(),
            "groups": self.alarm.distance.groups.arrays(),
            "intervals": self.intervals.arrays(),
            "presence": self.presence.arrays(),
            "alarm": self.alarm.arrays(),
            "pixels": self.pixels.arrays() if self.pixels else {},
        }
        known = {"classes": np.array(self.classes), "false_alarms": np.array(self.false_alarms)}
        return known | joined(parts)

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "Reader":
        """Take what `arrays` returned."""
        unmixing = Unmixing.of_arrays(below(arrays, "unmixing"))
        groups = Unmixing.of_arrays(below(arrays, "groups"))
        pixels = below(arrays, "pixels")
        return cls(
            arrays["classes"].tolist(),
            unmixing,
            Intervals.of_arrays(below(arrays, "intervals")),
            Presence.of_arrays(below(arrays, "presence")),
            Alarm.of_arrays(below(arrays, "alarm"), Distance.on(unmixing, groups)),
            float(arrays["false_alarms"]),
            PixelReader.of_arrays(pixels, unmixing) if pixels else None,
        )

    def spread(self, places: np.ndarray, size: int) -> "Reader":
        """Return the reader on a longer peak list, with peaks that no reference has.

        Parameters
        ----------
        places : ndarray of int
            Where the references' own peaks stand in the longer list.
        size : int
            Peaks in it.
        """
        alarm = self.alarm
        unmixing = self.unmixing.spread(places, size)
        groups = alarm.distance.groups.spread(places, size)
        highest = np.zeros(size)
        highest[places] = alarm.highest
        wider = Alarm.of_arrays(
            alarm.arrays() | {"highest": highest}, Distance.on(unmixing, groups)
        )
        presence = self.presence.spread(places, size)
        return replace(self, unmixing=unmixing, presence=presence, alarm=wider)

    def read(self, counts: np.ndarray) -> Reading:
        """Read spectra.

        Parameters
        ----------
        counts : ndarray, shape (n_spectra, n_peaks)
            Peak areas on the references' peaks; one spectrum or more, each with counts.
        """
        starts = range(0, len(counts), BATCH)
        return Reading.together([self._read(counts[start : start + BATCH]) for start in starts])

    def _read(self, counts: np.ndarray) -> Reading:
        plain = self.unmixing.explain(counts)
        cleaned = self.unmixing.set_aside(counts, plain)
        far = distance(counts, self.alarm.distance.nearest(counts, cleaned))
        beyond = excess(counts, self.alarm.highest)
        p, outlier_p = self.alarm.unexplained.p_values(far), self.alarm.outlying.p_values(beyond)
        # a hair above: the smallest p-value there can be counts as reached
        level = self.false_alarms * (1 + 1e-9)
        outside = p <= level
        # where something foreign is there, its ions must not be taken for a compound's
        fraction = np.where(outside[:, None], cleaned.shares, plain.shares)
        scores = self.presence.scores(counts, fraction)
        return Reading(
            scores,
            scores >= self.presence.thresholds,
            fraction,
            far,
            p,
            beyond,
            outlier_p,
            outside,
            outlier_p <= level,
            np.where(outside[:, None], cleaned.parts, plain.parts),
        )

    def unexplained(self, counts: np.ndarray) -> list[np.ndarray]:
        """Return the peaks of each spectrum that the references do not explain, see `alarm`."""
        return residual_ions(counts, self._nearest(counts), self.unmixing)

    def foreign(self, counts: np.ndarray) -> np.ndarray:
        """Return which ions hold far more than the references explain, named or not.

        Parameters
        ----------
        counts : ndarray, shape (n_spectra, n_peaks)

        Returns
        -------
        ndarray of bool, shape (n_spectra, n_peaks)
        """
        return excess_errors(counts, self._nearest(counts), self.unmixing.scatter) >= FAR

    def _nearest(self, counts: np.ndarray) -> np.ndarray:
        cleaned = self.unmixing.set_aside(counts, self.unmixing.explain(counts))
        return self.alarm.distance.nearest(counts, cleaned)


def refuse_empty(counts: np.ndarray, files: np.ndarray) -> None:
    """Raise DataError naming the spectra that hold no counts in any peak.

    Parameters
    ----------
    counts : ndarray, shape (n_spectra, n_peaks)
    files : ndarray of str, shape (n_spectra,)
    """
    empty = files[~(counts.sum(axis=1) > 0)]
    if empty.size:
        raise DataError(
            f"{empty.size} of {len(files)} spectra hold no counts in any peak and cannot be read; "
            f"leave them out of the sample sheet:\n{listed(empty.tolist())}"
        )
