"""The ions of an image: drawn tile by tile from a surface, on a time axis or on a list of peaks."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from ionprint.imaging.image import Piece, tiles_of
from ionprint.simulation.chemistry import BACKGROUND, HYDROCARBON, ion_factors, isotopologues
from ionprint.simulation.dataset import Settings, named_generator
from ionprint.simulation.images import ImageSettings, Patch, Scene
from ionprint.simulation.instrument import (
    FWHM_PER_SIGMA,
    arrival_time,
    bin_range,
    draw_flight_time,
    peak_fwhm,
)
from ionprint.spectra.spectrum import LIGHTEST


class VirtualImage:
    """One image: its surface, and its ions on demand.

    Parameters
    ----------
    image : ImageSettings
        What to make.
    settings : Settings
        Matrix effects, scatter, isotopes and instrument.
    ions : pandas.DataFrame
        The ion table, with a column for each compound of the image.

    Attributes
    ----------
    scene : Scene
    tiles : list of tuple of slice
        Scans, rows and columns of each tile, last axis fastest.
    flight : FlightTime
        The true constants of all pixels, drifted from those that the image's axis has.
    first, last : int
        Bins of the image's axis, both included.
    k, t0 : float
        Of this axis: bin = k sqrt(m/z) + t0.
    mz, label : ndarray, shape (n_ions,)
        Isotopologues: u, and formulas such as ``[6Li]H2``.
    each : ndarray, shape (n_sources, n_ions)
        Counts a spot of each isotopologue from each source: the compounds, what every surface
        carries, a full film of hydrocarbons.

    Notes
    -----
    The image is a pellet of its own: each ion has one factor, the same in all pixels. The counts of
    a pixel from each compound, from what every surface carries, and from hydrocarbons are Poisson;
    dead time is left out, as a few ions a pixel hardly ever meet in it. Chance is drawn from the
    seed and the number of the tile, so that a tile is the same whichever was made before.
    """

    def __init__(self, image: ImageSettings, settings: Settings, ions: pd.DataFrame) -> None:
        self.image, self.instrument = image, settings.instrument
        self.scene = Scene(image, settings.matrix)
        self.tiles: list[Piece] = list(tiles_of(image.shape, image.tile_shape))
        self.flight = draw_flight_time(
            self.instrument, named_generator(image.seed, "image flight time")
        )
        wide = self.instrument.binning
        self.k = self.instrument.k / wide
        self.t0 = (self.instrument.t0 - wide // 2) / wide
        first, end = bin_range(self.instrument)
        # no ion is lighter: an image is not made larger by what nobody reads
        self.first = max(first, int(np.ceil(self.k * np.sqrt(LIGHTEST) + self.t0)))
        self.last = end - 1

        rows = isotopologues(ions["ion"].tolist(), settings.isotopes["threshold"])
        factors = ion_factors(
            named_generator(image.seed, "image pellet"),
            ions["family"].to_numpy(dtype=object),
            settings.scatter["pellet_family"],
            settings.scatter["pellet_ion"],
        )
        inside = rows.mz < self.instrument.mz_limit
        self.mz, self.label = rows.mz[inside], rows.label[inside]
        each = ions[[*image.compounds, BACKGROUND, HYDROCARBON]].to_numpy(float)
        each = (each * factors[:, None])[rows.ion[inside]] * rows.fraction[inside][:, None]
        self.each = each.T
        self._time = arrival_time(self.instrument, self.flight, self.mz)
        self._sigma = peak_fwhm(self.instrument, self._time) / FWHM_PER_SIGMA
        *own, skin, film = self.each.sum(axis=1)
        covered = np.mean(own) + skin + image.hydrocarbon["deep"] * film
        self._per_count = image.ions / image.scans / covered
        self._dark = image.background / image.scans

    def generator(self, tile: int) -> np.random.Generator:
        """Return the source of chance that belongs to a tile."""
        key = (zlib.crc32(b"image tile"), tile)
        return np.random.default_rng(np.random.SeedSequence(self.image.seed, spawn_key=key))

    def draw(self, tile: int, patch: Patch | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Draw the ions of one tile.

        Parameters
        ----------
        tile : int
            Its place in `tiles`.
        patch : Patch, optional
            What lies on it, if that is known already.

        Returns
        -------
        channel, pixel : ndarray of uint32, shape (n_ions,)
            Bin of the axis, and pixel in the tile (scan, row, column; the last fastest); by rising
            pixel, then bin.
        """
        patch = patch or self.scene.truth(*self.tiles[tile])
        rng = self.generator(tile)
        numbers = self.last - self.first + 1
        keys = []
        wide = patch.covered.size * numbers >= 2**32
        kind = np.uint64 if wide else np.uint32  # sorted twice as fast
        *sources, dark = self.sources(patch)
        for source, each in zip(sources, self.each, strict=True):
            pixel, which = _scattered(rng, source * each.sum(), each)
            arrival = np.repeat(self._time, which)
            arrival += np.repeat(self._sigma, which) * rng.standard_normal(len(arrival), np.float32)
            late = np.flatnonzero(
                rng.random(len(arrival), np.float32) < self.instrument.tail_fraction
            )
            tail = self.instrument.tail_ns / self.instrument.channel_ns
            arrival[late] += rng.exponential(tail, late.size)
            arrival /= self.instrument.binning
            channel = np.floor(arrival).astype(np.int64) - self.first
            inside = (channel >= 0) & (channel < numbers)
            if not inside.all():
                pixel, channel = pixel[inside], channel[inside]
            keys.append(pixel.astype(kind) * kind(numbers) + channel.astype(kind))
        pixel = np.repeat(np.arange(patch.covered.size, dtype=kind), rng.poisson(dark))
        keys.append(pixel * kind(numbers) + rng.integers(numbers, size=len(pixel)).astype(kind))
        key = np.sort(np.concatenate(keys))
        pixel, channel = np.divmod(key, kind(numbers))
        return channel.astype(np.uint32) + np.uint32(self.first), pixel.astype(np.uint32)

    def draw_peaks(
        self, tile: int, yields: np.ndarray, patch: Patch | None = None, dtype: str = "uint32"
    ) -> np.ndarray:
        """Draw the counts of one tile on a list of peaks.

        Parameters
        ----------
        tile : int
            Its place in `tiles`.
        yields : ndarray, shape (n_sources + 1, n_peaks)
            From `peak_yields`.
        patch : Patch, optional
            What lies on it, if that is known already.
        dtype : str
            Of the counts; `largest_count` has to fit.

        Returns
        -------
        ndarray, shape (n_scans, n_rows, n_columns, n_peaks)
            Counts.
        """
        patch = patch or self.scene.truth(*self.tiles[tile])
        rng = self.generator(tile)
        pixels, peaks = patch.covered.size, yields.shape[1]
        kind = np.uint64 if pixels * peaks >= 2**32 else np.uint32
        keys = []
        for source, each in zip(self.sources(patch), yields, strict=True):
            pixel, which = _scattered(rng, source * each.sum(), each)
            peak = np.repeat(np.arange(peaks, dtype=kind), which)
            keys.append(pixel.astype(kind) * kind(peaks) + peak)
        places, times = np.unique(np.concatenate(keys), return_counts=True)
        counts = np.zeros(pixels * peaks, dtype)
        counts[places] = times
        return counts.reshape(*patch.covered.shape, peaks)

    def peak_yields(self, lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
        """Return what each source gives within the borders of peaks.

        Parameters
        ----------
        lower, upper : ndarray, shape (n_peaks,)
            Borders (u) on a scale that has the centroids of peaks at their true masses.

        Returns
        -------
        ndarray, shape (n_sources + 1, n_peaks)
            Counts a spot from each compound, every surface, and a full film of hydrocarbons; last
            the share of the detector's own counts.
        """
        # a scale is fitted to centroids, which late ions move
        delay = self.instrument.tail_fraction * self.instrument.tail_ns / self.instrument.channel_ns
        begin, end = (
            arrival_time(self.instrument, self.flight, mz) + delay for mz in (lower, upper)
        )
        inside = self._before(end) - self._before(begin)
        wide = self.instrument.binning
        dark = (end - begin) / (wide * (self.last - self.first + 1))
        return np.vstack([self.each @ inside, dark])

    def typical_peak(self, mz: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return borders for peaks that have none: one peak width to each side, none overlapping.

        Parameters
        ----------
        mz : ndarray, shape (n_peaks,)
            u, rising.

        Returns
        -------
        lower, upper : ndarray, shape (n_peaks,)
            u.
        """
        time = arrival_time(self.instrument, self.flight, mz)
        width = 2 * mz * peak_fwhm(self.instrument, time) / time
        middle = (mz[1:] + mz[:-1]) / 2
        lower = np.maximum(mz - width, np.append(-np.inf, middle))
        return lower, np.minimum(mz + width, np.append(middle, np.inf))

    def largest_count(self, yields: np.ndarray) -> int:
        """Return a number that counts of a pixel on a peak reach by no chance."""
        *own, skin, film, dark = yields
        film = max(self.image.hydrocarbon[k] for k in ("surface", "deep")) * film
        expected = self._per_count * (np.max(own, axis=0) + skin + film) + self._dark * dark
        most = float(expected.max())
        return int(np.ceil(most + 12 * np.sqrt(most) + 24))

    def sources(self, patch: Patch) -> np.ndarray:
        """Return how much there is of each source of counts.

        Returns
        -------
        ndarray, shape (n_sources + 1, n_pixels)
            In spots of it: each compound, what every surface carries, a full film of hydrocarbons;
            last the detector's own counts.
        """
        covered = self._per_count * patch.covered
        film = covered * patch.hydrocarbon[:, None, None]
        own = [covered * patch.signal[..., n] for n in range(patch.signal.shape[-1])]
        dark = np.full(covered.shape, self._dark)
        return np.array([source.ravel() for source in (*own, covered, film, dark)], float)

    def _before(self, time: np.ndarray) -> np.ndarray:
        """Return the share of each isotopologue's ions that arrive before times.

        Returns
        -------
        ndarray, shape (n_isotopologues, n_times)
            Of a normal peak, part of which has an exponential delay on top.
        """
        from scipy.special import erfcx, ndtr

        tail = self.instrument.tail_ns / self.instrument.channel_ns
        fraction = self.instrument.tail_fraction
        sigma = self._sigma[:, None]
        z = (time - self._time[:, None]) / sigma
        normal = ndtr(z)
        if not (tail and fraction):
            return normal
        # the exponentially modified normal distribution: far before and far behind the peak the
        # product of a huge and a tiny number, hence the scaled erfc
        ratio = sigma / tail
        u = (ratio - z) / np.sqrt(2)
        with np.errstate(over="ignore", invalid="ignore"):
            late = np.where(
                u > 0,
                np.exp(-(z**2) / 2) * erfcx(np.maximum(u, 0)) / 2,
                np.exp(np.minimum(ratio**2 / 2 - z * ratio, 0)) * ndtr(z - ratio),
            )
        return normal - fraction * late


def _scattered(
    rng: np.random.Generator, expected: np.ndarray, each: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Draw ions of one source: each falls on any pixel, and is of any kind, by the odds.

    Returns
    -------
    pixel : ndarray of uint32, shape (n_ions,)
        In no order.
    which : ndarray, shape (n_kinds,)
        How many of these are of each kind, the first kind first.
    """
    numbers = rng.poisson(expected)
    pixel = np.repeat(np.arange(len(expected), dtype=np.uint32), numbers)
    total = each.sum()
    if not total > 0:
        return pixel[:0], np.zeros(len(each), np.int64)
    rng.shuffle(pixel)
    return pixel, rng.multinomial(len(pixel), each / total)


def virtual_image(image: Mapping[str, Any], simulation: Mapping[str, Any]) -> VirtualImage:
    """Return the image that plain settings describe.

    Parameters
    ----------
    image, simulation : mapping
        The resolved groups of the configuration.

    Raises
    ------
    ConfigError
        A setting cannot be.
    """
    from ionprint.simulation.files import read_ion_table

    settings = ImageSettings.from_mapping(image)
    return VirtualImage(
        settings, Settings.from_mapping(simulation), read_ion_table(settings.compounds)
    )
