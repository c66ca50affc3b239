"""Readings of spectra of few counts, as the pixels of an image have."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from ionprint.composition.alarm import Conformal, distance
from ionprint.composition.intervals import Intervals
from ionprint.composition.unmixing import LEAST_EXPECTED, Unmixing

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from ionprint.composition.held_out import HeldOut

LEVELS = 10.0 ** np.arange(1, 6.5, 0.5)
"""Counts that readings are set at; between them they are interpolated."""
BATCH = 1000
"""Spectra read at once, so that they stay in the processor's cache."""
FAINT = 0.1
"""Fraction of a compound below which a pixel is not asked whether it is there."""
CLEAR = 0.2
"""Fraction of a compound from which on it should not be overlooked."""
PRESENT = 0.5
"""Presence from which on a compound is called present."""
SURE = 0.7
"""How much more often such a compound must be called than an absent one, for a reading to say
anything; 0 is chance, 1 is without mistakes."""


@dataclass(frozen=True)
class PixelReading:
    """What is read from spectra of few counts; shape (n_spectra, n_classes) or (n_spectra,).

    Attributes
    ----------
    presence : ndarray
        Probability that each compound is there, with a tenth of the signal or more, and not absent:
        in pseudo-mixtures with as many counts.
    fraction, low, high : ndarray
        Share of each compound in the signal, and its 90 % interval.
    by_chance : ndarray
        How often the compound is called in spectra of so many counts that do not hold it.
    p : ndarray
        p-value of the distance from what the references explain.
    outside : ndarray of bool
        Whether that is an alarm.
    """

    presence: np.ndarray
    fraction: np.ndarray
    low: np.ndarray
    high: np.ndarray
    by_chance: np.ndarray
    p: np.ndarray
    outside: np.ndarray

    @property
    def present(self) -> np.ndarray:
        """Whether each compound is called present."""
        return self.presence >= PRESENT


class PixelReader:
    """Presence, fractions with intervals, and the alarm, whatever the counts.

    The fraction that a Poisson-weighted unmixing finds is the one witness: presence is a logistic
    function of it, learned from mixtures of references left out, thinned to a number of counts.

    Parameters
    ----------
    unmixing : Unmixing
        On the mean spectra of all references.
    held_out : list of HeldOut
        To learn from.
    level : float
        p-value at which the alarm is raised.
    seed : int

    Attributes
    ----------
    typical : ndarray, shape (n_levels,)
        Median distance of known mixtures. Counting alone makes it fall as counts grow, so distances
        are judged as multiples of it.
    false : ndarray, shape (n_levels, n_classes)
        Share of the mixtures without a compound where it is called.
    quality : ndarray, shape (n_levels,)
        At each of `LEVELS`: share of compounds of 20 % and more that are called, less the share of
        absent ones (Youden's index), in mixtures of references left out.
    """

    def __init__(
        self, unmixing: Unmixing, held_out: "list[HeldOut]", level: float, seed: int
    ) -> None:
        self.unmixing, self.level = unmixing, level
        rng = np.random.default_rng(seed)
        true = np.concatenate([part.exam.shares for part in held_out])
        group = [part.exam.group + 1000 * number for number, part in enumerate(held_out)]
        parts = [Unmixing(part.known) for part in held_out]
        shape = LEVELS.size, true.shape[1]
        self.weights, self.intercept, self.false = np.empty((3, *shape))
        self.typical, self.quality = np.empty(shape[0]), np.empty(shape[0])
        self.intervals, self.alarms = [], []
        for n, total in enumerate(LEVELS):
            read, far, kept = [], [], []
            for known, part in zip(parts, held_out, strict=True):
                counts = part.exam.counts
                thin = rng.poisson(counts * (total / counts.sum(axis=1, keepdims=True)))
                seen = thin.sum(axis=1) > 0
                thin = thin[seen].astype(float)
                explained = known.explain_few(thin)
                read.append(explained.shares)
                far.append(distance(thin, explained.expected))
                kept.append(seen)
            found, known_ = np.concatenate(read), true[np.concatenate(kept)]
            self._learn(n, found, known_)
            self.intervals.append(Intervals(found, known_))
            groups = np.concatenate([g[k] for g, k in zip(group, kept, strict=True)])
            distances = np.concatenate(far)
            self.typical[n] = np.median(distances)
            self.alarms.append(Conformal(distances / self.typical[n], groups))

    def _learn(self, n: int, found: np.ndarray, true: np.ndarray) -> None:
        """Set what fractions tell of presence at one number of counts."""
        from sklearn.linear_model import LogisticRegression

        for place in range(true.shape[1]):
            told = (true[:, place] >= FAINT) | (true[:, place] == 0)
            there = true[told, place] > 0
            model = LogisticRegression(C=1000.0).fit(found[told][:, [place]], there)
            self.weights[n, place] = model.coef_[0, 0]
            self.intercept[n, place] = model.intercept_[0]
        called = found * self.weights[n] + self.intercept[n] >= 0
        clear, absent = true >= CLEAR, true == 0
        self.false[n] = (called & absent).sum(axis=0) / absent.sum(axis=0)
        wrong = (called & absent).sum() / absent.sum()
        self.quality[n] = (called & clear).sum() / clear.sum() - wrong

    def arrays(self) -> dict[str, np.ndarray]:
        """Return what it has learned, but for the unmixing."""
        spans = [one.arrays() for one in self.intervals]
        return {
            "level": np.array(self.level),
            "weights": self.weights,
            "intercept": self.intercept,
            "false": self.false,
            "typical": self.typical,
            "quality": self.quality,
            **{name: np.array([one[name] for one in spans]) for name in spans[0]},
            **{f"odd/{n}": one.odd for n, one in enumerate(self.alarms)},
            **{f"group/{n}": one.group for n, one in enumerate(self.alarms)},
        }

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, np.ndarray], unmixing: Unmixing) -> "PixelReader":
        """Take what `arrays` returned, beside the unmixing, which is kept by the reader."""
        made = object.__new__(cls)
        made.unmixing, made.level = unmixing, float(arrays["level"])
        made.weights, made.intercept = arrays["weights"], arrays["intercept"]
        made.false, made.typical = arrays["false"], arrays["typical"]
        made.quality = arrays["quality"]
        spans = [{k: arrays[k][n] for k in ("low", "high", "absent")} for n in range(LEVELS.size)]
        made.intervals = [Intervals.of_arrays(span) for span in spans]
        made.alarms = [
            Conformal(arrays[f"odd/{n}"], arrays[f"group/{n}"]) for n in range(LEVELS.size)
        ]
        return made

    @property
    def least_counts(self) -> int:
        """The fewest counts from which on a reading says something, see `SURE`."""
        sure = np.maximum.accumulate(self.quality)
        return int(np.ceil(10 ** np.interp(SURE, sure, np.log10(LEVELS))))

    @property
    def alarm_at(self) -> float:
        """The p-value from which on down the alarm is raised."""
        return self.level * (1 + 1e-9)  # a hair above: the smallest there can be counts as reached

    def read(self, counts: "np.ndarray | csr_array") -> PixelReading:
        """Read spectra.

        Parameters
        ----------
        counts : ndarray or csr_array, shape (n_spectra, n_peaks)
            Each with counts.
        """
        pieces = []
        for start in range(0, max(counts.shape[0], 1), BATCH):
            some = counts[start : start + BATCH]
            some = some if isinstance(some, np.ndarray) else some.toarray()
            pieces.append(self._read(some.astype(np.float32, copy=False)))
        names = [column.name for column in fields(PixelReading)]
        return PixelReading(*(np.concatenate([getattr(p, n) for p in pieces]) for n in names))

    def _read(self, counts: np.ndarray) -> PixelReading:
        explained = self.unmixing.explain_few(counts)
        far = distance(counts, explained.expected)
        # where between the levels each spectrum lies
        at = np.interp(np.log10(counts.sum(axis=1)), np.log10(LEVELS), np.arange(LEVELS.size))
        far /= np.exp(np.interp(at, np.arange(LEVELS.size), np.log(self.typical)))
        below = np.minimum(at.astype(int), LEVELS.size - 2)
        part = at - below
        p = self._between(below, part, lambda n, rows: self.alarms[n].p_values(far[rows]))
        outside = p <= self.alarm_at
        fraction = explained.shares
        if outside.any():
            # where something foreign is there, its ions must not be taken for a compound's
            fraction = fraction.copy()
            cleaned = self.unmixing.set_aside(
                counts[outside], explained.of(outside), LEAST_EXPECTED
            )
            fraction[outside] = cleaned.shares
        low, high = self._between(
            below, part, lambda n, rows: np.stack(self.intervals[n].around(fraction[rows]), axis=1)
        ).transpose(1, 0, 2)
        odds = self._between(
            below, part, lambda n, rows: fraction[rows] * self.weights[n] + self.intercept[n]
        )
        chance = self._between(
            below, part, lambda n, rows: np.broadcast_to(self.false[n], fraction[rows].shape)
        )
        presence = np.exp(-np.logaddexp(0, -odds))
        return PixelReading(presence, fraction, low, high, chance, p, outside)

    def _between(self, below: np.ndarray, part: np.ndarray, of: Callable) -> np.ndarray:
        """Interpolate what is told at the levels on either side of each spectrum's counts."""
        found = None
        for n in np.unique(below) if below.size else [0]:
            rows = np.flatnonzero(below == n)
            first, second = of(n, rows), of(n + 1, rows)
            share = part[rows].reshape(-1, *(1,) * (first.ndim - 1))
            if found is None:
                found = np.empty((below.size, *first.shape[1:]))
            found[rows] = first + share * (second - first)
        return found
