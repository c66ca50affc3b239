"""A surface for images: which compounds lie where, at every depth, computed for any part alone.

Everything random is a hash of the seed and of a place on a grid, so that parts of an image agree
however it is cut, and an image may be larger than memory.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ionprint.errors import ConfigError
from ionprint.simulation.dataset import named_generator
from ionprint.simulation.samples import HALF_RISE

KINDS = ("events", "peaks")
GROUPS = {
    "cover": ("components", "thickness", "roughness", "spacing", "width"),
    "islands": ("components", "spacing", "radius", "fill", "edge"),
    "base": ("components",),
    "hydrocarbon": ("surface", "decay", "deep"),
    "cracks": ("spacing", "width", "open"),
}
NUMBERS = {
    "pixel_um": (1e-4, 1e4),
    "ions": (1e-3, 1e5),
    "background": (0, 1e5),
    "drift": (0, 100),
    "cover.thickness": (0, 10),
    "cover.roughness": (0, 10),
    "cover.spacing": (2, 1e6),
    "cover.width": (1e-3, 10),
    "islands.spacing": (2, 1e6),
    "islands.fill": (0, 1),
    "islands.edge": (0.01, 1e6),
    "hydrocarbon.surface": (0, 100),
    "hydrocarbon.decay": (1e-3, 1e3),
    "hydrocarbon.deep": (0, 100),
    "cracks.spacing": (2, 1e6),
    "cracks.width": (0, 1e6),
    "cracks.open": (0, 1),
}
"""Least and most of each setting that is one number."""
WOBBLE = (0.2, 0.1)
"""Parts of an island's radius by which its outline has two and three lobes."""
THICKNESS, PLACE, OUTLINE, PLATE, BORDER = range(5)
"""What a hash is for."""


@dataclass(frozen=True)
class ImageSettings:
    """The `image` part of the configuration, checked; units as in conf/image/default.yaml."""

    name: str
    seed: int
    kind: str
    model: str
    size: Any
    scans: int
    tile: Any
    pixel_um: float
    ions: float
    background: float
    drift: float
    cover: Mapping[str, Any]
    islands: Mapping[str, Any]
    base: Mapping[str, Any]
    hydrocarbon: Mapping[str, float]
    cracks: Mapping[str, float]

    @classmethod
    def from_mapping(cls, config: Mapping[str, Any]) -> ImageSettings:
        """Build the settings from plain dictionaries, as of conf/image/default.yaml.

        Raises
        ------
        ConfigError
            A setting is missing, unknown, or cannot be.
        """
        try:
            settings = cls(**config)
        except TypeError as error:
            raise ConfigError(f"image: a setting is missing or unknown: {error}") from error
        settings.check()
        return settings

    def check(self) -> None:
        """Raise ConfigError for a setting that cannot be."""
        if not isinstance(self.name, str) or not re.fullmatch(r"\w[\w.-]*", self.name):
            raise ConfigError(f"image.name is {self.name!r}, expected letters, digits, _ . and -")
        if self.kind not in KINDS:
            raise ConfigError(f"image.kind is {self.kind!r}, expected {' or '.join(KINDS)}")
        _whole(self.seed, "image.seed", 0, 2**63)
        _whole(self.scans, "image.scans", 1, 100_000)
        sides = self.size if isinstance(self.size, list | tuple) else [self.size] * 2
        _several(sides, "image.size", 2, "a number of pixels, or [rows, columns]")
        _several(self.tile, "image.tile", 3, "[scans, rows, columns]")
        for side in sides:
            _whole(side, "image.size", 1, 1_000_000)
        for side in self.tile:
            _whole(side, "image.tile", 1, 4096)
        if np.prod(self.tile, dtype=np.int64) > 2**22:
            raise ConfigError(
                f"image.tile is {list(self.tile)}, expected at most {2**22} pixels in all: "
                f"a tile is held in memory whole"
            )
        for group, keys in GROUPS.items():
            entry = getattr(self, group)
            if not isinstance(entry, Mapping) or set(entry) != set(keys):
                got = ", ".join(map(str, entry)) if isinstance(entry, Mapping) else repr(entry)
                raise ConfigError(f"image.{group}: expected {', '.join(keys)}, got {got}")
            if "components" in keys:
                _components(entry["components"], f"image.{group}.components")
        for key, (least, most) in NUMBERS.items():
            group, _, own = key.rpartition(".")
            _number(getattr(self, group)[own] if group else getattr(self, own), key, least, most)
        _several(self.islands["radius"], "image.islands.radius", 2, "[least, most] pixels")
        for radius in self.islands["radius"]:
            _number(radius, "islands.radius", 0, 1e6)
        least, most = self.islands["radius"]
        reach = (1 + sum(WOBBLE)) * most + self.islands["edge"] / 2
        if least > most or reach > self.islands["spacing"]:
            raise ConfigError(
                f"image.islands.radius is [{least}, {most}] with an edge of "
                f"{self.islands['edge']:g}, expected least <= most, and 1.3 x most + edge / 2 <= "
                f"image.islands.spacing, {self.islands['spacing']:g}"
            )

    @property
    def shape(self) -> tuple[int, int, int]:
        """Scans, rows, columns."""
        rows, columns = self.size if isinstance(self.size, list | tuple) else (self.size,) * 2
        return self.scans, rows, columns

    @property
    def tile_shape(self) -> tuple[int, int, int]:
        """Of a tile: scans, rows, columns; no more than the image has."""
        scans, rows, columns = map(min, self.tile, self.shape)
        return scans, rows, columns

    @property
    def compounds(self) -> list[str]:
        """Every compound of the image, each once: cover, islands, base."""
        groups = (self.cover, self.islands, self.base)
        return list(dict.fromkeys(name for group in groups for name in group["components"]))


@dataclass(frozen=True)
class Patch:
    """What lies on a part of an image.

    Attributes
    ----------
    shares : ndarray of float32, shape (n_scans, n_rows, n_columns, n_compounds)
        By weight; a pixel's add up to 1, or are all 0 in a hole.
    signal : ndarray, of the same shape
        Share of each compound in the ions that leave the surface (`surface_weights`), as far as
        they are the compounds' own.
    covered : ndarray of float32, shape (n_scans, n_rows, n_columns)
        Part of the pixel that gives ions: 1 but in cracks and at their borders.
    hydrocarbon : ndarray, shape (n_scans,)
        Contamination, 1 = a full film.
    """

    shares: np.ndarray
    signal: np.ndarray
    covered: np.ndarray
    hydrocarbon: np.ndarray

    @property
    def hole(self) -> np.ndarray:
        """Where there is nothing but background, bool."""
        return self.covered == 0


@dataclass(frozen=True)
class Scene:
    """The surface of one image.

    Parameters
    ----------
    settings : ImageSettings
    matrix : mapping
        exponent and dominance, as of `surface_weights`.
    """

    settings: ImageSettings
    matrix: Mapping[str, Any]
    drift: np.ndarray = field(init=False, repr=False)
    """Rows and columns by which each scan looks beside the first, shape (n_scans, 2)."""

    def __post_init__(self) -> None:
        """Walk the stage."""
        rng = named_generator(self.settings.seed, "image drift")
        steps = self.settings.drift * rng.standard_normal((self.settings.scans, 2))
        steps[0] = 0
        object.__setattr__(self, "drift", np.cumsum(steps, axis=0))

    def truth(self, scans: slice, rows: slice, columns: slice) -> Patch:
        """Return what lies on a part of the image, seen through the stage's drift.

        Parameters
        ----------
        scans, rows, columns : slice
            With start and stop inside the image.
        """
        image = self.settings
        layers = np.arange(scans.start, scans.stop)
        y = np.arange(rows.start, rows.stop) + self.drift[layers, :1]
        x = np.arange(columns.start, columns.stop) + self.drift[layers, 1:]
        depth = (layers + 0.5) / image.scans
        covered = self._covered(y, x)
        shares = self._shares(depth, y, x)
        shares *= (covered > 0)[..., None]
        film = image.hydrocarbon
        return Patch(
            shares,
            self._signal(shares),
            covered,
            film["deep"] + (film["surface"] - film["deep"]) * np.exp(-depth / film["decay"]),
        )

    def _shares(self, depth: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Return shares by weight, shape (n_scans, n_rows, n_columns, n_compounds)."""
        image, compounds = self.settings, self.settings.compounds
        cover = image.cover
        ends = cover["thickness"] + cover["roughness"] * self._noise(y, x, cover["spacing"])
        past = np.tanh(HALF_RISE * (depth[:, None, None] - ends) / cover["width"])
        below = ((1 + past) / 2).astype(np.float32)
        islands = self._islands(y, x)
        base = np.maximum(1 - islands.sum(axis=0), 0)  # rounding may take it below
        shares = np.zeros((*below.shape, len(compounds)), np.float32)
        for name, share in _fractions(cover["components"]).items():
            shares[..., compounds.index(name)] += share * (1 - below)
        for name, there in zip(image.islands["components"], islands, strict=True):
            shares[..., compounds.index(name)] += there * below
        for name, share in _fractions(image.base["components"]).items():
            shares[..., compounds.index(name)] += share * base * below
        return shares

    def _signal(self, shares: np.ndarray) -> np.ndarray:
        """Return each compound's share of the signal: `surface_weights` for every pixel."""
        dominance = [self.matrix["dominance"].get(c, 1.0) for c in self.settings.compounds]
        raw = shares * np.array(dominance, np.float32)
        np.power(raw, np.float32(self.matrix["exponent"]), out=raw, where=raw > 0)
        total = raw.sum(axis=-1, keepdims=True)
        return np.divide(raw, total, out=raw, where=total > 0)

    def _noise(self, y: np.ndarray, x: np.ndarray, spacing: float) -> np.ndarray:
        """Return smooth noise between -1 and 1: values at a grid's points, blended between."""
        cells, parts = [], []
        for at in (y / spacing, x / spacing):
            cell = np.floor(at).astype(np.int64)
            part = at - cell
            cells.append(cell)
            parts.append(part * part * (3 - 2 * part))
        (i, j), (v, u) = cells, parts
        low = i.min(), j.min()
        grid = np.ix_(np.arange(low[0], i.max() + 2), np.arange(low[1], j.max() + 2))
        values = 2 * _uniform(self.settings.seed, THICKNESS, *grid) - 1
        i, j = (i - low[0])[:, :, None], (j - low[1])[:, None, :]
        v, u = v[:, :, None], u[:, None, :]
        upper = (1 - u) * values[i, j] + u * values[i, j + 1]
        lower = (1 - u) * values[i + 1, j] + u * values[i + 1, j + 1]
        return (1 - v) * upper + v * lower

    def _islands(self, y: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Return the share of each island compound, shape (n_compounds, scans, rows, columns)."""
        of, seed = self.settings.islands, self.settings.seed
        odds = np.cumsum(list(_fractions(of["components"]).values()))
        shares = np.zeros((len(odds), *y.shape, x.shape[1]), np.float32)
        i, j = _cells(y, x, of["spacing"], 1)
        here, down, right, kind, size = (_uniform(seed, PLACE, i, j, n) for n in range(5))
        turns = np.exp(2j * np.pi * np.array([_uniform(seed, OUTLINE, i, j, n) for n in range(2)]))
        centre_y, centre_x = (i + down) * of["spacing"], (j + right) * of["spacing"]
        radii = of["radius"][0] + size * (of["radius"][1] - of["radius"][0])
        kinds = np.minimum(np.searchsorted(odds, kind, "right"), len(odds) - 1)
        for n in np.flatnonzero(here < of["fill"]):
            radius, dy, dx = radii[n], y - centre_y[n], x - centre_x[n]
            reach = (1 + sum(WOBBLE)) * radius + of["edge"] / 2
            near_y = np.flatnonzero((abs(dy) < reach).any(axis=0))
            near_x = np.flatnonzero((abs(dx) < reach).any(axis=0))
            if not near_y.size or not near_x.size:
                continue
            rows = slice(near_y[0], near_y[-1] + 1)
            columns = slice(near_x[0], near_x[-1] + 1)
            away = dx[:, None, columns] + 1j * dy[:, rows, None]
            distance = np.abs(away)
            # cosines of twice and three times the angle without its arc tangent
            away /= np.maximum(distance, 1e-9)
            twice = away * away
            two, three = twice * turns[0, n], twice * away * turns[1, n]
            lobes = WOBBLE[0] * two.real + WOBBLE[1] * three.real
            rise = np.clip(0.5 + (radius * (1 + lobes) - distance) / of["edge"], 0, 1)
            shares[kinds[n], :, rows, columns] += rise * rise * (3 - 2 * rise)
        # where islands overlap they share the place
        return shares / np.maximum(shares.sum(axis=0), 1)

    def _covered(self, y: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Return the part of each pixel that is no crack.

        Cracks run along the borders between plates: places nearer to one of a grid's jittered
        points than to all others.
        """
        of, seed = self.settings.cracks, self.settings.seed
        covered = np.ones((*y.shape, x.shape[1]), np.float32)
        if not (of["open"] and of["width"]):
            return covered
        i, j = _cells(y, x, of["spacing"], 2)
        down, right = (0.2 + 0.6 * _uniform(seed, PLATE, i, j, n) for n in range(2))
        py, px = (i + down) * of["spacing"], (j + right) * of["spacing"]
        # points that are farther from all of the part than two others are from any of it
        gaps = [
            np.maximum(np.maximum(at.min() - p, p - at.max()), 0) for at, p in ((y, py), (x, px))
        ]
        spans = [np.maximum(abs(at.min() - p), abs(at.max() - p)) for at, p in ((y, py), (x, px))]
        near = np.hypot(*gaps) <= np.sort(np.hypot(*spans))[1]
        py, px, i, j = py[near], px[near], i[near], j[near]
        squared = [
            np.square(y - a)[:, :, None] + np.square(x - b)[:, None, :]
            for a, b in zip(py, px, strict=True)
        ]
        # the nearest two points of each pixel
        first, second = np.zeros(covered.shape, np.intp), np.zeros(covered.shape, np.intp)
        nearest, next_ = squared[0], np.full(covered.shape, np.inf)
        for number, distance in enumerate(squared[1:], start=1):
            closer, between = distance < nearest, distance < next_
            second = np.where(closer, first, np.where(between, number, second))
            next_ = np.where(closer, nearest, np.where(between, distance, next_))
            first = np.where(closer, number, first)
            nearest = np.where(closer, distance, nearest)
        apart = np.hypot(py[:, None] - py, px[:, None] - px)
        # a border has one hash, from whichever of its sides it is seen
        border = [np.add.outer(cell, cell) for cell in (i, j)]
        across = [np.abs(np.subtract.outer(cell, cell)) for cell in (i, j)]
        open_ = _uniform(seed, BORDER, *border, 8 * across[0] + across[1]) < of["open"]
        np.fill_diagonal(apart, np.inf)
        distance = (next_ - nearest) / (2 * apart[first, second])
        wall = np.clip(distance - of["width"] / 2 + 0.5, 0, 1)
        return np.where(open_[first, second], wall, 1).astype(np.float32)


def _cells(
    y: np.ndarray, x: np.ndarray, spacing: float, around: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the cells of a grid in which a part lies, and those around it: rows and columns."""
    i, j = (
        np.arange(at.min() // spacing - around, at.max() // spacing + around + 1, dtype=np.int64)
        for at in (y, x)
    )
    return np.repeat(i, j.size), np.tile(j, i.size)


def _uniform(seed: int, what: int, i: Any, j: Any, number: Any = 0) -> Any:
    """Return a number from 0 to below 1 that hangs on nothing but the arguments.

    Notes
    -----
    The finalizer of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014), once for each argument.
    """
    value = np.uint64(seed)
    with np.errstate(over="ignore"):
        for part in (what, i, j, number):
            # whole numbers below zero wrap around, as the sums do
            value = value + np.asarray(part).astype(np.int64).astype(np.uint64)
            value = value + np.uint64(0x9E3779B97F4A7C15)
            value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            value = value ^ (value >> np.uint64(31))
    return (value >> np.uint64(11)) * 2.0**-53


def _fractions(components: Mapping[str, float]) -> dict[str, float]:
    """Return shares that add up to 1."""
    total = sum(components.values())
    return {name: share / total for name, share in components.items()}


def _components(entry: Any, where: str) -> None:
    """Refuse what is no mapping of compounds and shares above zero."""
    if not isinstance(entry, Mapping) or not entry:
        raise ConfigError(f"{where} is {entry!r}, expected compounds and their shares")
    for name, share in entry.items():
        number = isinstance(share, int | float) and not isinstance(share, bool)
        if not number or not 0 < share < float("inf"):
            raise ConfigError(f"{where}.{name} is {share!r}, expected a number above 0")


def _number(value: Any, key: str, least: float, most: float) -> None:
    """Refuse what is no number within bounds."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not least <= value <= most:
        raise ConfigError(f"image.{key} is {value!r}, expected a number, {least:g} to {most:g}")


def _whole(value: Any, where: str, least: int, most: int) -> None:
    """Refuse what is no whole number within bounds."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not whole or not least <= value <= most:
        raise ConfigError(f"{where} is {value!r}, expected a whole number, {least} to {most}")


def _several(value: Any, where: str, number: int, expected: str) -> None:
    """Refuse what is no list of so many values."""
    if not isinstance(value, list | tuple) or len(value) != number:
        raise ConfigError(f"{where} is {value!r}, expected {expected}")
