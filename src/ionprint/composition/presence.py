"""Whether each compound is there: learned from pseudo-mixtures, calibrated on those held out."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ionprint.composition.held_out import HeldOut
    from ionprint.composition.pseudo_mixtures import PseudoMixtures

COUNTS = 1e4
"""Counts a spectrum is scaled to before the logarithm: an ion of 1 in 10,000 counts gives ln 2."""
LEAST = 3e-3
"""Added to shares of the signal before their logarithm: what unmixing hardly sees."""
STRENGTHS = (1.0, 10.0, 100.0)
"""Inverse regularisation strengths C whose votes are averaged."""


def log_intensities(counts: np.ndarray) -> np.ndarray:
    """Return ln(1 + 10,000 x share of total counts), shape of `counts`."""
    return np.log1p(COUNTS * counts / counts.sum(axis=1, keepdims=True))


class IonVote:
    """The vote of all ions: logistic regressions on log intensities, there or not there.

    Parameters
    ----------
    lessons : list of PseudoMixtures
    advance : callable, optional
        Called after each lesson.

    Notes
    -----
    The weights are the mean of those at three strengths of regularisation and over the lessons.
    What is said of faint compounds hangs on one strength, and on the luck of one lesson's draw.
    """

    def __init__(
        self, lessons: "list[PseudoMixtures]", advance: Callable[[], None] = lambda: None
    ) -> None:
        from sklearn.linear_model import LogisticRegression

        self.weights = np.zeros((lessons[0].present.shape[1], lessons[0].counts.shape[1]))
        self.intercept = np.zeros(len(self.weights))
        part = 1 / (len(lessons) * len(STRENGTHS))
        for lesson in lessons:
            logs = log_intensities(lesson.counts)
            # intensities keep their scale: dividing by the spread would blow up ions that are noise
            mean = logs.mean(axis=0)
            logs -= mean
            for place, there in enumerate(lesson.present.T):
                for strength in STRENGTHS:
                    model = LogisticRegression(C=strength, max_iter=1000).fit(logs, there)
                    self.weights[place] += part * model.coef_[0]
                    self.intercept[place] += part * (model.intercept_[0] - model.coef_[0] @ mean)
            advance()

    def vote(self, counts: np.ndarray) -> np.ndarray:
        """Return the log odds of each compound, shape (n_spectra, n_classes)."""
        return log_intensities(counts) @ self.weights.T + self.intercept


class Presence:
    """A calibrated score for each compound, and the threshold from which it is called present.

    Two witnesses give evidence: the vote of all ions, and the amount that unmixing finds. How much
    each is worth, and the threshold, are learned from mixtures of references that neither of them
    has seen. Votes are means over three strengths of regularisation.

    Attributes
    ----------
    thresholds : ndarray, shape (n_classes,)
        Score from which on a compound is called present: that of the best F1 on mixtures of
        references left out.
    """

    def fit(
        self,
        held_out: "list[HeldOut]",
        amounts: np.ndarray,
        lessons: "list[PseudoMixtures]",
        advance: Callable[[], None] = lambda: None,
    ) -> "Presence":
        """Learn from references alone.

        Parameters
        ----------
        held_out : list of HeldOut
            To calibrate on.
        amounts : ndarray, shape (n_mixtures, n_classes)
            What unmixing finds in all their exams.
        lessons : list of PseudoMixtures
            Of all references, for the votes.
        advance : callable, optional
            Called once, then after each lesson.
        """
        present = np.concatenate([part.exam.present for part in held_out])
        votes = [IonVote([part.lesson]).vote(part.exam.counts) for part in held_out]
        witnesses = _witnesses(np.concatenate(votes), amounts)
        judges = [
            _judge(w, there)
            for w, there in zip(witnesses.transpose(2, 1, 0), present.T, strict=True)
        ]
        self.weights, self.intercept = (np.array(part) for part in zip(*judges, strict=True))
        columns = zip(self._judged(witnesses).T, present.T, strict=True)
        self.thresholds = np.array([_best_threshold(*column) for column in columns])
        advance()
        self.votes = IonVote(lessons, advance)
        return self

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "Presence":
        """Take what `arrays` returned."""
        made, made.votes = cls(), object.__new__(IonVote)
        made.weights, made.intercept = arrays["weights"], arrays["intercept"]
        made.thresholds = arrays["thresholds"]
        made.votes.weights, made.votes.intercept = arrays["votes"], arrays["votes_intercept"]
        return made

    def arrays(self) -> dict[str, np.ndarray]:
        """Return what it has learned."""
        return {
            "weights": self.weights,
            "intercept": self.intercept,
            "thresholds": self.thresholds,
            "votes": self.votes.weights,
            "votes_intercept": self.votes.intercept,
        }

    def spread(self, places: np.ndarray, size: int) -> "Presence":
        """Return the same on a longer peak list, see `Reader.spread`."""
        votes = np.zeros((len(self.votes.weights), size))
        votes[:, places] = self.votes.weights
        return self.of_arrays(self.arrays() | {"votes": votes})

    def scores(self, counts: np.ndarray, amounts: np.ndarray) -> np.ndarray:
        """Return the score of each compound, 0 to 1, shape (n_spectra, n_classes)."""
        return self._judged(_witnesses(self.votes.vote(counts), amounts))

    def _judged(self, witnesses: np.ndarray) -> np.ndarray:
        odds = (witnesses * self.weights.T[:, None]).sum(axis=0) + self.intercept
        return np.exp(-np.logaddexp(0, -odds))


def _witnesses(votes: np.ndarray, amounts: np.ndarray) -> np.ndarray:
    """Return what the two say, shape (2, n_spectra, n_classes)."""
    return np.stack([votes, np.log(amounts + LEAST)])


def _judge(witnesses: np.ndarray, present: np.ndarray) -> tuple[np.ndarray, float]:
    """Return what the witnesses, shape (n_mixtures, 2), are worth together, and the intercept."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(witnesses)
    model = LogisticRegression(C=1000.0).fit(scaler.transform(witnesses), present)
    weights = model.coef_[0] / scaler.scale_
    return weights, float(model.intercept_[0] - weights @ scaler.mean_)


def _best_threshold(scores: np.ndarray, present: np.ndarray) -> float:
    """Return the score with the best F1, half-way to the next score below it."""
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    hits = np.cumsum(present[order])
    f1 = 2 * hits / (np.arange(1, len(ranked) + 1) + present.sum())
    last = np.append(ranked[1:] < ranked[:-1], True)  # equal scores are called alike
    best = int(np.argmax(np.where(last, f1, -1.0)))
    below = ranked[best + 1] if best + 1 < len(ranked) else 0.0
    return float((ranked[best] + below) / 2)
