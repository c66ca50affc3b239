"""What the arrays of a stored model must be: kinds, sizes that agree, indices that stay inside."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from ionprint.composition.intervals import GRID
from ionprint.composition.pixels import LEVELS
from ionprint.errors import UnsoundError
from ionprint.models.linear import DIVISORS, FUNCTIONS
from ionprint.spectra.method import WAYS, Choices

INF = np.inf
HEAVIEST = 1e5
"""u; far above any ion that a time-of-flight instrument counts."""
ONE = 1e-6
"""What shares may miss 1 by."""


@dataclass
class Arrays:
    """Arrays by name, each looked at once; sizes are bound by the first that has them.

    Attributes
    ----------
    held : mapping of str to ndarray
    sizes : dict of str to int
        Of peaks, classes, groups and so on.
    seen : set of str
    """

    held: Mapping[str, np.ndarray]
    sizes: dict[str, int]
    seen: set[str]

    def numbers(
        self, name: str, dims: str = "", low: float = -INF, high: float = INF, open_: bool = False
    ) -> np.ndarray:
        """Return finite numbers (with `open_` infinite ones too) from `low` to `high`."""
        found = self._of(name, dims, "f")
        good = ~np.isnan(found) if open_ else np.isfinite(found)
        if not (good & (found >= low) & (found <= high)).all():
            raise UnsoundError(f"{name}: expected numbers from {low:g} to {high:g}")
        return found

    def whole(self, name: str, dims: str, high: int | None = None) -> np.ndarray:
        """Return whole numbers from 0 up to but not `high`."""
        found = self._of(name, dims, "iu")
        if found.size and (found.min() < 0 or (high is not None and found.max() >= high)):
            raise UnsoundError(f"{name}: expected whole numbers from 0 to {high}, less one")
        return found

    def texts(self, name: str, dims: str = "") -> np.ndarray:
        """Return texts."""
        return self._of(name, dims, "U")

    def one_of(self, name: str, known: Any) -> str:
        """Return one of some words."""
        word = str(self.texts(name))
        if word not in known:
            raise UnsoundError(f"{name} is {word[:60]!r}, expected one of {', '.join(known)}")
        return word

    def parts(self, part: str) -> bool:
        """Tell whether there is any array of a part."""
        return any(name.startswith(f"{part}/") for name in self.held)

    def _of(self, name: str, dims: str, kinds: str) -> np.ndarray:
        if name not in self.held:
            raise UnsoundError(f"the array {name!r} is missing")
        self.seen.add(name)
        found, wanted = self.held[name], dims.split()
        if found.dtype.kind not in kinds or found.ndim != len(wanted):
            raise UnsoundError(f"{name} is of shape {found.shape} and type {found.dtype}")
        for size, dim in zip(found.shape, wanted, strict=True):
            if self.sizes.setdefault(dim, size) != size:
                raise UnsoundError(f"{name} has {size} {dim}, expected {self.sizes[dim]}")
        return found


def refuse_unsound_arrays(arrays: Mapping[str, np.ndarray], about: Mapping[str, Any]) -> None:
    """Raise UnsoundError where the arrays of a model cannot be what `save_reading` wrote.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        Of `reading.npz`.
    about : mapping
        What the model says of itself: its classes, and what spectra are aligned by.
    """
    sizes = {"classes": len(about["classes"]), "grid": GRID.size, "levels": LEVELS.size, "two": 2}
    held = Arrays(arrays, sizes, set())
    for key, most in (("coverage", 1.0), ("align_ppm", 1e6)):
        value = about.get(key)
        if not isinstance(value, (int, float)) or not 0 < value <= most:
            raise UnsoundError(f"{key} is {str(value)[:60]!r}, expected 0 to {most:g}")
    if about.get("polarity") not in ("negative", "positive"):
        raise UnsoundError(f"polarity is {str(about.get('polarity'))[:60]!r}")
    if not isinstance(about.get("dataset"), dict) or "source" not in about["dataset"]:
        raise UnsoundError("dataset: expected what it was trained on, with its source")
    _peaks(held)
    _reader(held, about["classes"])
    if held.parts("method"):
        _method(held)
    if held.parts("classifier"):
        _classifier(held)
    if unknown := sorted(set(arrays) - held.seen):
        raise UnsoundError(f"the array {unknown[0][:60]!r} is not known")


def _rising(values: np.ndarray, name: str) -> None:
    if not (np.diff(values) > 0).all():
        raise UnsoundError(f"{name} does not rise")


def _peaks(held: Arrays) -> None:
    mz = held.numbers("peaks/mz", "peaks", 0, HEAVIEST)
    _rising(mz, "peaks/mz")
    if not mz.size or mz[0] <= 0:
        raise UnsoundError("peaks/mz: expected m/z above 0")
    held.texts("peaks/ion", "peaks")
    weight = held.numbers("peaks/weight", "peaks", 0, 1 + ONE)
    if abs(weight.sum() - 1) > ONE:
        raise UnsoundError(f"peaks/weight: sums to {weight.sum():g}, expected 1")
    held.numbers("peaks/limit", "peaks")


def _reader(held: Arrays, classes: list[str]) -> None:
    if held.texts("reader/classes", "classes").tolist() != classes:
        raise UnsoundError("reader/classes are others than model.yaml has")
    held.numbers("reader/false_alarms", "", 0, 1)
    n_classes = len(classes)
    for part, dim in (("unmixing", "classes"), ("groups", "groups")):
        members = held.numbers(f"reader/{part}/members", f"{dim} peaks", 0, 1 + ONE)
        if not np.allclose(members.sum(axis=1), 1, atol=ONE):
            raise UnsoundError(f"reader/{part}/members: expected shares that sum to 1")
        owner = held.whole(f"reader/{part}/owner", dim, n_classes)
        if np.unique(owner).size != n_classes:
            raise UnsoundError(f"reader/{part}/owner: a compound has no spectrum")
        if (held.numbers(f"reader/{part}/yields", "classes", 0) <= 0).any():
            raise UnsoundError(f"reader/{part}/yields: expected numbers above 0")
        held.numbers(f"reader/{part}/scatter", "peaks", 0)
    for name, low in (("low", -1), ("high", -1), ("absent", 0)):
        held.numbers(f"reader/intervals/{name}", "classes grid", low, 1)
    held.numbers("reader/presence/weights", "classes two")
    held.numbers("reader/presence/intercept", "classes")
    held.numbers("reader/presence/thresholds", "classes", 0, 1)
    held.numbers("reader/presence/votes", "classes peaks")
    held.numbers("reader/presence/votes_intercept", "classes")
    held.numbers("reader/alarm/highest", "peaks", 0, 1 + ONE)
    for name in ("unexplained", "outlying"):
        held.numbers(f"reader/alarm/{name}", "exams", 0, open_=True)
    held.whole("reader/alarm/group", "exams")
    if held.parts("reader/pixels"):
        _pixels(held)


def _pixels(held: Arrays) -> None:
    held.numbers("reader/pixels/level", "", 0, 1)
    for name in ("weights", "intercept"):
        held.numbers(f"reader/pixels/{name}", "levels classes")
    held.numbers("reader/pixels/false", "levels classes", 0, 1)
    if (held.numbers("reader/pixels/typical", "levels", 0) <= 0).any():
        raise UnsoundError("reader/pixels/typical: expected numbers above 0")
    held.numbers("reader/pixels/quality", "levels", -1, 1)
    for name, low in (("low", -1), ("high", -1), ("absent", 0)):
        held.numbers(f"reader/pixels/{name}", "levels classes grid", low, 1)
    for n in range(LEVELS.size):
        held.numbers(f"reader/pixels/odd/{n}", f"exams-{n}", 0, open_=True)
        held.whole(f"reader/pixels/group/{n}", f"exams-{n}")


def _method(held: Arrays) -> None:
    _choices(str(held.texts("method/choices")))
    way = held.one_of("method/way", WAYS)
    lower = held.numbers("method/lower", "peaks", 0, HEAVIEST)
    upper = held.numbers("method/upper", "peaks", 0, HEAVIEST)
    if not (upper > lower).all():
        raise UnsoundError("method/upper: a peak ends before it begins")
    if held.numbers("method/width", "", 0) <= 0:
        raise UnsoundError("method/width: expected a number above 0")
    if way == "borders":
        held.numbers("method/integrate/lower", "peaks", 0)
        held.numbers("method/integrate/upper", "peaks", 0)
        held.numbers("method/integrate/windows", "two two peaks")
        return
    edges = held.numbers("method/integrate/edges", "edges", 0)
    bins = held.whole("method/integrate/bins", "bins", max(edges.size - 1, 0))
    taken = held.whole("method/integrate/taken", "taken", bins.size)
    first = held.whole("method/integrate/first", "peaks", taken.size)
    if first[0] != 0:
        raise UnsoundError("method/integrate/first: expected to begin with 0")
    _rising(first, "method/integrate/first")
    held.numbers("method/integrate/weights", "taken")


def _choices(text: str) -> None:
    """Check how a spectrum is calibrated: what the text says, and nothing more than that."""
    import json

    said = json.loads(text)
    if not isinstance(said, dict) or set(said) != {f.name for f in fields(Choices)}:
        raise UnsoundError("method/choices: expected the choices that a model is trained with")
    for name, value in _leaves(said):
        if isinstance(value, (int, float)) and not abs(value) < HEAVIEST**3:
            raise UnsoundError(f"method/choices: {name} is {value}")
    if said["polarity"] not in (-1, 1):
        raise UnsoundError(f"method/choices: polarity is {str(said['polarity'])[:60]}")
    for name, low in (("width", 0), ("ends", 0), ("min_counts", 0)):
        if not isinstance(said[name], (int, float)) or said[name] < low:
            raise UnsoundError(f"method/choices: {name} is {str(said[name])[:60]!r}")
    if not all(isinstance(said[name], dict) for name in ("limits", "ions", "dead_time")):
        raise UnsoundError("method/choices: expected limits, ions and dead_time by name")
    if not all(isinstance(mz, float) and mz > 0 for mz in said["ions"].values()):
        raise UnsoundError("method/choices: expected the m/z of each ion")


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, one in value.items():
            yield from _leaves(one, key)
    elif isinstance(value, list):
        for one in value:
            yield from _leaves(one, name)
    else:
        yield name, value


def _classifier(held: Arrays) -> None:
    divisor = held.one_of("classifier/divisor", DIVISORS)
    held.one_of("classifier/function", FUNCTIONS)
    n_peaks = held.sizes["peaks"]
    peaks = held.whole("classifier/peaks", "divisors", n_peaks)
    if np.unique(peaks).size != peaks.size or (divisor == "peaks") != bool(peaks.size):
        raise UnsoundError("classifier/peaks: expected the peaks to divide by, each once")
    if held.numbers("classifier/factor", "", 0) <= 0:
        raise UnsoundError("classifier/factor: expected a number above 0")
    for name in ("gain", "shift"):
        held.numbers(f"classifier/{name}", "peaks")
    ends = held.numbers("classifier/ends", "two", open_=True)
    if not ends[0] < ends[1]:
        raise UnsoundError("classifier/ends: expected a lower and an upper end")
    held.numbers("classifier/weights", "classes peaks")
    held.numbers("classifier/intercept", "classes")
