"""90 % intervals of amounts, from what the same reading makes of references it has not seen."""

from collections.abc import Mapping

import numpy as np

GRID = np.linspace(0.0, 1.0, 51)
LEAST_NEIGHBOURS = 100
COVERAGE = 0.90


class Intervals:
    """Which true shares belong to a share that was read.

    Pseudo-mixtures of references left out carry the scatter of reference spots and the noise of
    counting; among those read alike, 90 % of the true shares lie in the interval. Matrix effects
    are not in it: a share is one of the signal, not of the weight.

    Parameters
    ----------
    read, true : ndarray, shape (n_mixtures, n_classes)
        Shares that were read from pseudo-mixtures of references left out, and their own.
    """

    def __init__(self, read: np.ndarray, true: np.ndarray) -> None:
        neighbours = min(len(read), max(LEAST_NEIGHBOURS, len(read) // 20))
        tail = (1 - COVERAGE) / 2
        self.low, self.high, self.absent = np.empty((3, read.shape[1], GRID.size))
        # of mixtures read alike, as at zero, any may be the nearest, not those that stand first
        mixed = np.random.default_rng(0).permutation(len(read))
        read, true = read[mixed], true[mixed]
        for place in range(read.shape[1]):
            distance = np.abs(read[:, place] - GRID[:, None])
            nearest = np.argpartition(distance, neighbours - 1, axis=1)[:, :neighbours]
            # errors, not true shares: where few mixtures lie they come from a little further off
            errors = (true[:, place] - read[:, place])[nearest]
            self.low[place], self.high[place] = np.quantile(errors, [tail, 1 - tail], axis=1)
            self.absent[place] = (true[:, place] == 0)[nearest].mean(axis=1) >= tail

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "Intervals":
        """Take what `arrays` returned."""
        made = object.__new__(cls)
        made.low, made.high, made.absent = (arrays[name] for name in ("low", "high", "absent"))
        return made

    def arrays(self) -> dict[str, np.ndarray]:
        """Return what it has learned."""
        return {"low": self.low, "high": self.high, "absent": self.absent}

    def around(self, shares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the ends of the intervals, each of the shape of `shares`, within 0 and 1."""
        # between the points of the even grid errors are interpolated, for all compounds at once
        at = np.clip(shares, 0, 1) * (GRID.size - 1)
        before = np.minimum(at.astype(np.intp), GRID.size - 2)
        part, compound = at - before, np.arange(shares.shape[1])

        def between(values: np.ndarray) -> np.ndarray:
            lower = values[compound, before]
            return lower + part * (values[compound, before + 1] - lower)

        low = np.where(between(self.absent) > 0, 0.0, shares + between(self.low))
        high = shares + between(self.high)
        return np.clip(np.minimum(low, shares), 0, 1), np.clip(np.maximum(high, shares), 0, 1)
