"""Amounts by unmixing: which non-negative sum of the references comes nearest to a spectrum."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ionprint.composition.references import PRIOR_SCATTER, References

SCATTER = 0.1
"""Relative scatter of an ion between spots of one kind; counting noise comes on top."""
FAR = 5.0
"""Standard errors from which on an ion is more than the references explain."""
STRONG = 200
"""Ions that a first fit is made on."""
RIDGE = 1e-9
"""Keeps the fit of end members that are all but the same stable."""
TINY = 1e-12
"""What counts as zero, beside numbers of order one."""
LEAST = float(np.finfo(float).tiny)
LEAST_EXPECTED = 1e-6
"""Smallest share of its counts that an ion of a spectrum of few counts is expected to have."""
EXCHANGES = 50
"""Rounds of exchange before a fit is left to SciPy; a handful is the rule."""


@dataclass(frozen=True)
class Explained:
    """What sums of references explain of spectra.

    Attributes
    ----------
    shares : ndarray, shape (n_spectra, n_classes)
        Share of each compound in the signal; rows sum to 1.
    parts : ndarray, shape (n_spectra, n_classes)
        Share of the spectrum's total counts that each compound explains; rows need not sum to 1.
    expected : ndarray, shape (n_spectra, n_peaks)
        Counts that the sum explains.
    """

    shares: np.ndarray
    parts: np.ndarray
    expected: np.ndarray

    def of(self, rows: np.ndarray) -> "Explained":
        """Return what is explained of some of the spectra."""
        return Explained(self.shares[rows], self.parts[rows], self.expected[rows])


class Unmixing:
    """Non-negative unmixing on the references.

    Parameters
    ----------
    references : References
    by_group : bool
        Fit a mean spectrum of each group of each compound: comes nearer, as to spectra of several
        primary ions; else one mean spectrum a compound, whose amounts are steadier.

    Notes
    -----
    Least squares with weights 1 / (mu + (0.1 mu)^2): counting noise of the expected counts mu, and
    the scatter of ions between spots, without which a few strong ions would decide alone.
    """

    def __init__(self, references: References, by_group: bool = False) -> None:
        if by_group:
            members, owner = references.group_means()
        else:
            members, owner = references.means(), np.arange(len(references.classes))
        self._on(members, owner, references.yields(), references.scatter())

    def _on(
        self, members: np.ndarray, owner: np.ndarray, yields: np.ndarray, scatter: np.ndarray
    ) -> None:
        self.members, self.owner, self.yields, self.scatter = members, owner, yields, scatter
        self._parts: dict[tuple[int, ...], Unmixing] = {}
        first, second = self._pairs = np.triu_indices(len(members))
        products = (members[first] * members[second]).T
        self._strong = np.sort(np.argsort(-members.mean(axis=0), kind="stable")[:STRONG])
        # the many products of groups serve a distance alone, where seven digits are enough
        self._products = products.astype(np.float32) if len(members) > len(yields) else products
        self._of_strong = self._products[self._strong], members[:, self._strong].T
        self._of_all = self._products, members.T
        self._owned = np.eye(len(yields))[owner]

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "Unmixing":
        """Take what `arrays` returned."""
        made = object.__new__(cls)
        made._on(*(arrays[name] for name in ("members", "owner", "yields", "scatter")))
        return made

    def arrays(self) -> dict[str, np.ndarray]:
        """Return what it has learned."""
        return {name: getattr(self, name) for name in ("members", "owner", "yields", "scatter")}

    def spread(self, places: np.ndarray, size: int) -> "Unmixing":
        """Return the unmixing on a longer peak list, see `Reader.spread`."""
        members = np.zeros((len(self.members), size))
        members[:, places] = self.members
        scatter = np.full(size, PRIOR_SCATTER)
        scatter[places] = self.scatter
        return self.of_arrays(self.arrays() | {"members": members, "scatter": scatter})

    def only(self, compounds: np.ndarray) -> "Unmixing":
        """Return the unmixing on some of the compounds, given by their places, rising."""
        asked = tuple(compounds.tolist())
        if asked not in self._parts:  # the same few are asked for again and again
            keep = np.isin(self.owner, compounds)
            some = {
                "members": self.members[keep],
                "owner": np.searchsorted(compounds, self.owner[keep]),
                "yields": self.yields[compounds],
            }
            self._parts[asked] = self.of_arrays(self.arrays() | some)
        return self._parts[asked]

    def explain(self, counts: np.ndarray) -> Explained:
        """Fit spectra.

        Parameters
        ----------
        counts : ndarray, shape (n_spectra, n_peaks)
            Each with counts.
        """
        total = counts.sum(axis=1, keepdims=True)
        shares = counts / total
        # the first fit only finds weights for the second: the strongest ions are enough
        strong = shares[:, self._strong]
        first = self._fit(strong, strong, total, on=self._of_strong)
        expected = first @ self.members
        return self._explained(self._fit(shares, expected, total, free=first > 0), total)

    def explain_few(self, counts: np.ndarray) -> Explained:
        """Fit spectra of few counts, as pixels have.

        Where an ion counts 0 or 1, the weight of a spectrum's own ions would be mostly chance, so
        the first fit is weighted by the mean of all compounds, and the second by what the first
        expects, with counting noise however little that is: `explain` holds that nothing is known
        better than to one count, which here would make nearly all ions weigh alike.

        Parameters
        ----------
        counts : ndarray, shape (n_spectra, n_peaks)
            Each with counts.
        """
        total = counts.sum(axis=1, keepdims=True)
        shares = counts / total
        weighted = self.members / np.maximum(self.members.mean(axis=0), LEAST_EXPECTED)
        gram = np.broadcast_to(self.members @ weighted.T, (len(counts), *2 * weighted.shape[:1]))
        first = solve(gram, shares @ weighted.astype(counts.dtype).T)
        expected = first.astype(counts.dtype) @ self.members.astype(counts.dtype)
        fitted = self._fit(shares, expected, total, first > 0, least=LEAST_EXPECTED)
        return self._explained(fitted, total)

    def set_aside(
        self, counts: np.ndarray, explained: Explained, least: float | None = None
    ) -> Explained:
        """Fit spectra again without the ions that hold far more than is explained.

        Another source, such as a film of hydrocarbons, can only add to an ion.

        Parameters
        ----------
        counts : ndarray, shape (n_spectra, n_peaks)
        explained : Explained
            From `explain`, or `explain_few`.
        least : float, optional
            `LEAST_EXPECTED`, for spectra of few counts.
        """
        total = counts.sum(axis=1, keepdims=True)
        aside = excess_errors(counts, explained.expected, self.scatter) >= FAR
        expected, free = explained.expected / total, explained.shares > 0
        fitted = self._fit(counts / total, expected, total, free, aside, least=least)
        return self._explained(fitted, total)

    def nearest(self, counts: np.ndarray, guess: Explained) -> Explained:
        """Fit spectra once, weighted by the counts that another fit expects."""
        total = counts.sum(axis=1, keepdims=True)
        free = (guess.shares > 0)[:, self.owner]
        return self._explained(
            self._fit(counts / total, guess.expected / total, total, free), total
        )

    def _explained(self, fitted: np.ndarray, total: np.ndarray) -> Explained:
        parts = fitted @ self._owned
        surface = parts / self.yields
        whole = np.maximum(surface.sum(axis=1, keepdims=True), LEAST)
        return Explained(surface / whole, parts, fitted @ self.members * total)

    def _fit(
        self,
        shares: np.ndarray,
        expected: np.ndarray,
        total: np.ndarray,
        free: np.ndarray | None = None,
        aside: np.ndarray | None = None,
        on: tuple[np.ndarray, np.ndarray] | None = None,
        least: float | None = None,
    ) -> np.ndarray:
        """Return the weight of each end member, by least squares weighted by `expected`.

        `free` are the end members thought to be there, to begin with; `on` are the products of end
        members, and these themselves, on the peaks that `shares` and `expected` are of; `least` is
        the smallest share expected of an ion, one count if it is not given.
        """
        products, members = on or self._of_all
        # one count at least: nothing is known better
        expected = np.maximum(expected, 1 / total if least is None else least)
        weight = SCATTER**2 * expected
        weight += 1 / total
        weight *= expected
        np.reciprocal(weight, out=weight)
        if aside is not None:
            # not zero: where all ions of a member are set aside the fit still has an answer
            weight[aside] *= 1e-3
        n = len(self.members)
        gram = np.empty((len(shares), n, n))
        flat = weight.astype(products.dtype, copy=False) @ products
        gram[:, self._pairs[0], self._pairs[1]] = flat
        gram[:, self._pairs[1], self._pairs[0]] = flat
        return solve(gram, (weight * shares) @ members, free)


def excess_errors(counts: np.ndarray, expected: np.ndarray, scatter: np.ndarray) -> np.ndarray:
    """Return how far ions are above what is expected, in standard errors.

    Parameters
    ----------
    counts, expected : ndarray, shape (n_spectra, n_peaks)
    scatter : ndarray, shape (n_peaks,)
        Relative scatter of each ion between pellets.

    Returns
    -------
    ndarray, shape (n_spectra, n_peaks)
        Standard errors of counting and scatter together.
    """
    return (counts - expected) / np.sqrt(np.maximum(expected, 1) + (scatter * expected) ** 2)


def solve(gram: np.ndarray, right: np.ndarray, free: np.ndarray | None = None) -> np.ndarray:
    """Solve many small non-negative least squares problems at once.

    Parameters
    ----------
    gram : ndarray, shape (n_problems, n, n)
        A^T A of each.
    right : ndarray, shape (n_problems, n)
        A^T b of each.
    free : ndarray of bool, shape (n_problems, n), optional
        Which unknowns are thought to be above zero; a good guess saves time.

    Returns
    -------
    ndarray, shape (n_problems, n)
        The x >= 0 with the least |A x - b|.

    Notes
    -----
    Block principal pivoting (Kim and Park, SIAM J. Sci. Comput. 33 (2011) 3261) over all problems
    together; SciPy solves one at a time and takes most of the time of a reading. What does not
    settle is left to SciPy.
    """
    n = right.shape[1]
    diagonal = np.arange(n)
    scale = np.sqrt(np.maximum(gram[:, diagonal, diagonal], LEAST))
    right = right / scale
    if n == 1:
        return np.maximum(right / (1 + RIDGE), 0) / scale
    gram = gram / (scale[:, :, None] * scale[:, None, :])
    gram[:, diagonal, diagonal] += RIDGE
    found = np.zeros(right.shape)
    free = np.ones(right.shape, dtype=bool) if free is None else free.copy()
    open_ = np.arange(len(right))
    a, b = gram, right  # of those that are open
    for round_ in range(EXCHANGES):
        inside = free[open_]
        system, known = a, b
        if not inside.all():
            # unknowns that are held at zero become equations x = 0
            system = a * (inside[:, :, None] & inside[:, None, :])
            system[:, diagonal, diagonal] += ~inside
            known = b * inside
        x = np.linalg.solve(system, known[:, :, None])[:, :, 0]
        slope = (a @ x[:, :, None])[:, :, 0] - b
        wrong = np.where(inside, x < -TINY, slope < -TINY)
        still = wrong.any(axis=1)
        found[open_] = np.maximum(x, 0)
        if not still.any():
            return found / scale
        open_, wrong, a, b = open_[still], wrong[still], a[still], b[still]
        if round_ >= n:
            # one at a time, the last first, cannot go in circles
            last = n - 1 - wrong[:, ::-1].argmax(axis=1)
            wrong = diagonal == last[:, None]
        free[open_] ^= wrong
    for row in open_:
        from scipy.optimize import nnls

        root = np.linalg.cholesky(gram[row])
        found[row] = nnls(root.T, np.linalg.solve(root, right[row]))[0]
    return found / scale
