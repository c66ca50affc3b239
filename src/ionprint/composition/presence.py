"""Whether each compound is there: learned from pseudo-mixtures, calibrated on those held out."""

from collections.abc import Callable

import numpy as np

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
        self, lessons: list[PseudoMixtures], advance: Callable[[], None] = lambda: None
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
        held_out: list[HeldOut],
        amounts: np.ndarray,
        lessons: list[PseudoMixtures],
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
        self._judges = [_judge(w, there) for w, there in zip(witnesses, present.T, strict=True)]
        columns = zip(_scores(self._judges, witnesses).T, present.T, strict=True)
        self.thresholds = np.array([_best_threshold(*column) for column in columns])
        advance()
        self._votes = IonVote(lessons, advance)
        return self

    def scores(self, counts: np.ndarray, amounts: np.ndarray) -> np.ndarray:
        """Return the score of each compound, 0 to 1, shape (n_spectra, n_classes)."""
        return _scores(self._judges, _witnesses(self._votes.vote(counts), amounts))


def _witnesses(votes: np.ndarray, amounts: np.ndarray) -> list[np.ndarray]:
    """Return for each compound an array of shape (n_spectra, 2)."""
    logs = np.log(amounts + LEAST)
    return [np.column_stack(pair) for pair in zip(votes.T, logs.T, strict=True)]


def _judge(witnesses: np.ndarray, present: np.ndarray):
    """Fit what the witnesses are worth together."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(C=1000.0)).fit(witnesses, present)


def _scores(judges: list, witnesses: list[np.ndarray]) -> np.ndarray:
    return np.column_stack(
        [judge.predict_proba(w)[:, 1] for judge, w in zip(judges, witnesses, strict=True)]
    )


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
