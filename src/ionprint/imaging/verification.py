"""How well maps tell what lies where, on images whose truth is known; nothing here sets a map."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ionprint.imaging.image import Piece, Size
from ionprint.imaging.pooling import binning

if TYPE_CHECKING:
    from ionprint.simulation.images import Patch

CLEAR = 0.2
"""Share of the signal from which on a compound should be called present."""
ABSENT = 0.001
"""Share below which it should not; in between neither answer is wrong."""
COVERED = 0.99
"""Part of a pixel that gives ions, from which on it is read against the truth."""
FAINT = 0.05
"""Share below which a pixel is no island's."""
SPECK = 20
"""Pixels; a called region, or a gap in one, that is smaller is no island."""
MARGIN = 3
"""Pixels from an outline on which the inside begins; and from cracks, grey pixels and the image's
edge within which no outline is measured."""
FAR = 6
"""Pixels to either side of an outline over which the mean profile is taken."""
STEP = 0.5
"""Pixels, of this profile."""


@dataclass(frozen=True)
class Truth:
    """What lies in each pixel of maps, all scans together.

    Attributes
    ----------
    amount : ndarray, shape (rows, columns, n_compounds)
        Share of each compound in the signal, times the part of the pixel that gives ions, summed
        over what of the image makes the pixel.
    covered : ndarray, shape (rows, columns)
        This part, summed alike.
    number : ndarray, shape (rows, columns)
        Pixels of all scans of the image that make the pixel.
    """

    amount: np.ndarray
    covered: np.ndarray
    number: np.ndarray

    @classmethod
    def of_patches(cls, patches: "Iterable[tuple[Piece, Patch]]", shape: Size, n: int) -> "Truth":
        """Add up the pieces of an image in depth.

        Parameters
        ----------
        patches : iterable of tuple
            Pieces that fill the image, and what lies there.
        shape : tuple of int
            Scans, rows, columns of the image.
        n : int
            Compounds.
        """
        amount, covered = np.zeros((*shape[1:], n)), np.zeros(shape[1:])
        for (_, *place), patch in patches:
            amount[*place] += np.einsum("srcn,src->rcn", patch.signal, patch.covered)
            covered[*place] += patch.covered.sum(axis=0)
        return cls(amount, covered, np.full(covered.shape, float(shape[0])))

    def binned(self, side: int) -> "Truth":
        """Bring `side` x `side` pixels together."""
        rows, columns = self.covered.shape
        together = binning((1, rows, columns), (1, side, side)).astype(float)
        shape = -(-rows // side), -(-columns // side)
        return Truth(
            (together @ self.amount.reshape(rows * columns, -1)).reshape(*shape, -1),
            *((together @ a.ravel()).reshape(shape) for a in (self.covered, self.number)),
        )

    @property
    def share(self) -> np.ndarray:
        """Share of each compound in the signal, 0 where nothing gives ions."""
        return self.amount / np.maximum(self.covered, 1e-9)[..., None]

    @property
    def full(self) -> np.ndarray:
        """Where no part is missing, bool."""
        return self.covered >= COVERED * self.number

    @property
    def empty(self) -> np.ndarray:
        """Where there is nothing but background, bool."""
        return self.covered == 0


@dataclass(frozen=True)
class Calls:
    """How often compounds were called present; each of shape (n_compounds,).

    Attributes
    ----------
    hits, missed : ndarray of int
        Pixels with `CLEAR` and more of a compound, called and not called.
    false, silent : ndarray of int
        Pixels without it, called and not called.
    faint : ndarray of int
        Pixels called that have something of it, but less than `CLEAR`.
    """

    hits: np.ndarray
    missed: np.ndarray
    false: np.ndarray
    silent: np.ndarray
    faint: np.ndarray

    @classmethod
    def of(cls, called: np.ndarray, share: np.ndarray) -> "Calls":
        """Count them.

        Parameters
        ----------
        called : ndarray of bool, shape (n_pixels, n_compounds)
        share : ndarray, shape (n_pixels, n_compounds)
            The truth.
        """
        clear, absent = share >= CLEAR, share < ABSENT
        groups = (called & clear, ~called & clear, called & absent, ~called & absent)
        return cls(*(g.sum(axis=0) for g in (*groups, called & ~clear & ~absent)))

    def f1(self, strict: bool = False) -> float:
        """Return F1 over all compounds; `strict`: what is called below `CLEAR` is false too."""
        return float(_f1(self.hits.sum(), self.missed.sum(), self._false(strict).sum()))

    def f1_each(self) -> np.ndarray:
        """Return F1 of each compound, NaN where it is nowhere to be found."""
        each = _f1(self.hits, self.missed, self.false)
        return np.where(self.hits + self.missed > 0, each, np.nan)

    def _false(self, strict: bool) -> np.ndarray:
        return self.false + self.faint if strict else self.false


def _f1(hits: np.ndarray, missed: np.ndarray, false: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return 2 * hits / (2 * hits + missed + false)


@dataclass(frozen=True)
class Edges:
    """How well a map tells where islands end; distances in pixels.

    Attributes
    ----------
    far : ndarray
        From points on the map's outlines to the nearest of the true ones, and from the true ones to
        the map's; `SPECK` left out.
    far_all : ndarray
        From all points on the map's outlines to the true ones, around every speck too.
    at : ndarray
        Distances from the true outline, positive inside.
    profile, true : ndarray
        Mean of the map and of the truth at these distances.
    """

    far: np.ndarray
    far_all: np.ndarray
    at: np.ndarray
    profile: np.ndarray
    true: np.ndarray

    @property
    def shift(self) -> float:
        """How far outside the truth's the mean profile has its middle (pixels)."""
        return _crossing(self.at, self.true, 0.5) - _crossing(self.at, self.profile, 0.5)

    @property
    def blur(self) -> float:
        """How much wider than the truth's the mean profile rises from 1/4 to 3/4 (pixels)."""
        found, true = (
            _crossing(self.at, values, 0.75) - _crossing(self.at, values, 0.25)
            for values in (self.profile, self.true)
        )
        return found - true


def edges(
    values: np.ndarray, share: np.ndarray, usable: np.ndarray, threshold: float | None = None
) -> Edges | None:
    """Measure where a map has the outlines of a compound's islands.

    The true outline runs where the share is half of what the island has inside, close by. Islands
    that have less than `CLEAR` there are not asked for.

    Parameters
    ----------
    values : ndarray, shape (rows, columns)
        The map, NaN where nothing was read.
    share : ndarray, shape (rows, columns)
        The truth.
    usable : ndarray of bool, shape (rows, columns)
        Pixels that are read against the truth.
    threshold : float, optional
        Value at which the map's outlines run; when left out, the share at which the true one does.

    Returns
    -------
    Edges or None
        None if no outline of an island with `CLEAR` and more inside can be asked for.
    """
    from scipy.spatial import cKDTree

    usable = usable & np.isfinite(values)
    level = _levels(share, usable)
    if level is None:
        return None
    usable &= 2 * level >= CLEAR
    values = np.where(usable, values, 0.0)
    inside = _without_specks(share >= level)
    height = values - (level if threshold is None else threshold)
    called = height >= 0
    true = _outline(share - level, inside, usable)
    rough = _outline(height, called, usable)
    smooth = _outline(height, _without_specks(called), usable)
    clear = _depth(usable)
    true_asked, rough_asked, smooth_asked = (
        points[clear[tuple(np.rint(points).astype(int).T)] > MARGIN]
        for points in (true, rough, smooth)
    )
    if not len(true_asked):
        return None
    tree = cKDTree(true)
    # a map without any outline is as far off as can be
    missed = np.full(len(true_asked), np.hypot(*share.shape))
    back = cKDTree(smooth).query(true_asked)[0] if len(smooth) else missed
    far = np.concatenate([tree.query(smooth_asked)[0], back])
    pixels = np.argwhere(clear > MARGIN)
    away = tree.query(pixels, distance_upper_bound=FAR + STEP)[0]
    place = tuple(pixels.T)
    away = np.where(inside[place], away, -away)
    which = np.rint(away[np.isfinite(away)] / STEP).astype(int) + round(FAR / STEP)
    kept = (which >= 0) & (which <= 2 * round(FAR / STEP))
    which = which[kept]
    place = tuple(axis[np.isfinite(away)][kept] for axis in place)
    number = np.bincount(which)
    with np.errstate(invalid="ignore"):
        profile, truth = (
            np.bincount(which, weights=v[place].astype(float)) / number for v in (values, share)
        )
    at = np.arange(number.size) * STEP - FAR
    seen = number > 0
    return Edges(far, tree.query(rough_asked)[0], at[seen], profile[seen], truth[seen])


def _levels(share: np.ndarray, usable: np.ndarray) -> np.ndarray | None:
    """Return half of what the nearest island has inside, where it is nearest to the pixel.

    Islands vary inside, as covers thin and others overlap; their outlines do not.
    """
    from scipy import ndimage

    inner = ndimage.distance_transform_edt((share >= FAINT) & usable) > MARGIN
    if not inner.any():
        return None
    nearest = ndimage.distance_transform_edt(~inner, return_distances=False, return_indices=True)
    return share[tuple(nearest)] / 2


def _outline(height: np.ndarray, inside: np.ndarray, usable: np.ndarray) -> np.ndarray:
    """Return where one leaves a region between neighbouring pixels, shape (n_points, 2)."""
    points = []
    for axis in (0, 1):
        first = tuple(slice(0, -1) if a == axis else slice(None) for a in (0, 1))
        second = tuple(slice(1, None) if a == axis else slice(None) for a in (0, 1))
        there = (inside[first] != inside[second]) & usable[first] & usable[second]
        at = np.argwhere(there).astype(float)
        one, other = height[first][there], height[second][there]
        crosses = (one >= 0) != (other >= 0)  # not where a speck was taken away
        part = np.full(one.size, 0.5)
        np.divide(one, one - other, out=part, where=crosses)
        at[:, axis] += part
        points.append(at)
    return np.concatenate(points)


def _without_specks(mask: np.ndarray) -> np.ndarray:
    """Return a region without parts, and then gaps, of fewer pixels than `SPECK`."""
    from scipy import ndimage

    for value in (True, False):
        parts, _ = ndimage.label(mask == value)
        small = np.bincount(parts.ravel()) < SPECK
        small[0] = False
        mask = np.where(small[parts], not value, mask)
    return mask


def _depth(usable: np.ndarray) -> np.ndarray:
    """Return how far each pixel is from what is not usable, or from the image's edge."""
    from scipy import ndimage

    return ndimage.distance_transform_edt(np.pad(usable, 1))[1:-1, 1:-1]


def _crossing(at: np.ndarray, values: np.ndarray, part: float) -> float:
    """Return where a profile has risen by a part of its step, NaN where it does not rise."""
    outer, inner = values[at <= -MARGIN], values[at >= MARGIN]
    if not (outer.size and inner.size and inner.mean() > outer.mean()):
        return float("nan")
    height = (values - outer.mean()) / (inner.mean() - outer.mean()) - part
    rises = np.flatnonzero((height[:-1] < 0) & (height[1:] >= 0))
    if not rises.size:
        return float("nan")
    n = rises[np.argmin(abs(at[rises]))]
    return float(at[n] + (at[n + 1] - at[n]) * height[n] / (height[n] - height[n + 1]))
