"""The pure compounds that mixtures are read with, and how they are held out in turn."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ionprint.errors import DataError

if TYPE_CHECKING:
    from ionprint.spectra.table import PeakTable

MOST_PARTS = 5
PRIOR_SCATTER, PRIOR_WEIGHT = 0.15, 10.0
"""What is believed of an ion's scatter between pellets before any is seen, worth ten groups."""
LEAST_SCATTER = 0.05


@dataclass(frozen=True)
class References:
    """Reference spectra.

    Attributes
    ----------
    counts : ndarray, shape (n_spectra, n_peaks)
        Peak areas.
    compound : ndarray of str, shape (n_spectra,)
    group : ndarray of str, shape (n_spectra,)
        Pellet or measuring run: spots of one group are not independent of each other.
    """

    counts: np.ndarray
    compound: np.ndarray
    group: np.ndarray

    def __post_init__(self) -> None:
        empty = np.flatnonzero(~(self.counts.sum(axis=1) > 0))
        if empty.size:
            raise DataError(
                f"{empty.size} reference spectra hold no counts, the first of them of "
                f"{self.compound[empty[0]]}; leave them out of the sample sheet"
            )
        if len(self.classes) < 2:
            raise DataError(f"references of 2 compounds or more are needed, got {self.classes}")

    @classmethod
    def of_table(cls, table: "PeakTable", group: str | None) -> "References":
        """Take the spectra of a peak table.

        Parameters
        ----------
        table : PeakTable
            References alone.
        group : str or None
            The sheet's column that holds the groups; None: each spectrum is its own.
        """
        return cls(table.areas, table.column("compound"), table.column(group or "file"))

    @property
    def classes(self) -> list[str]:
        """The compounds, in alphabetical order."""
        return sorted(set(self.compound.tolist()))

    @property
    def shares(self) -> np.ndarray:
        """Each spectrum's counts as shares of its total, shape (n_spectra, n_peaks)."""
        return self.counts / self.counts.sum(axis=1, keepdims=True)

    def of(self, rows: np.ndarray) -> "References":
        """Return some of the spectra."""
        return References(self.counts[rows], self.compound[rows], self.group[rows])

    def means(self) -> np.ndarray:
        """Return the mean spectrum of each compound, shape (n_classes, n_peaks); rows sum to 1."""
        shares = self.shares
        return np.array([shares[self.compound == name].mean(axis=0) for name in self.classes])

    def group_means(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the mean spectrum of each group of each compound.

        Returns
        -------
        spectra : ndarray, shape (n_members, n_peaks)
            Shares of total counts; rows sum to 1.
        compound : ndarray of int, shape (n_members,)
            Place in `classes`.
        """
        shares, spectra, owners = self.shares, [], []
        for place, name in enumerate(self.classes):
            own = self.compound == name
            for group in np.unique(self.group[own]):
                spectra.append(shares[own & (self.group == group)].mean(axis=0))
                owners.append(place)
        return np.array(spectra), np.array(owners)

    def scatter(self) -> np.ndarray:
        """Return how much each ion varies between groups of a compound, beyond counting.

        Returns
        -------
        ndarray, shape (n_peaks,)
            Relative standard deviation, pooled over compounds and drawn towards 15 % as far as
            there are few groups; 5 % at least.
        """
        shares, totals = self.shares, self.counts.sum(axis=1)
        excess = np.full(shares.shape[1], PRIOR_WEIGHT * PRIOR_SCATTER**2)
        weight = np.full(shares.shape[1], PRIOR_WEIGHT)
        for name in self.classes:
            own = self.compound == name
            groups = [own & (self.group == g) for g in np.unique(self.group[own])]
            if len(groups) < 2:
                continue
            spectra = np.array([shares[g].mean(axis=0) for g in groups])
            single = np.mean([1 / totals[g].sum() for g in groups])
            # an ion of less than a count says nothing of its scatter
            mean = np.maximum(spectra.mean(axis=0), single)
            counted = single / mean
            trust = (len(groups) - 1) / (1 + counted / PRIOR_SCATTER**2)
            trust = np.where(counted < 1, trust, 0.0)
            excess += trust * np.maximum(spectra.var(axis=0, ddof=1) / mean**2 - counted, -1)
            weight += trust
        return np.maximum(np.sqrt(np.maximum(excess / weight, 0)), LEAST_SCATTER)

    def yields(self) -> np.ndarray:
        """Return how many counts a full surface of each compound gives, against the mean compound.

        The geometric mean over spectra, so that measuring runs of unequal brightness that every
        compound went through cancel.

        Returns
        -------
        ndarray, shape (n_classes,)
        """
        totals = np.log(self.counts.sum(axis=1))
        means = np.array([totals[self.compound == name].mean() for name in self.classes])
        return np.exp(means - means.mean())

    def parts(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Deal the groups of each compound into parts, so that each part has every compound.

        Where a compound has a single group its spots are dealt instead.

        Returns
        -------
        list of (ndarray of bool, ndarray of bool)
            Spectra to learn from and spectra held out, at most 5 pairs.

        Raises
        ------
        DataError
            A compound has a single spectrum.
        """
        whole = all(np.unique(self.group[self.compound == c]).size > 1 for c in self.classes)
        units = self.group if whole else np.arange(len(self.group)).astype(str)
        ranks = np.zeros(len(units), dtype=int)
        sizes = []
        for name in self.classes:
            own = self.compound == name
            names, ranks[own] = np.unique(units[own], return_inverse=True)
            if names.size < 2:
                raise DataError(
                    f"{name} has one reference spectrum; two or more are needed to hold one out"
                )
            sizes.append(names.size)
        number = min(MOST_PARTS, *sizes)
        return [(ranks % number != part, ranks % number == part) for part in range(number)]
