"""Measure maps on simulated images, against what lies in their pixels."""

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ionprint.composition.pixels import PRESENT
from ionprint.files import replace_json

if TYPE_CHECKING:
    import numpy as np
    from omegaconf import DictConfig

    from ionprint.cluster import Pool
    from ionprint.imaging.verification import Calls, Edges, Truth
    from ionprint.serving.model import Model
    from ionprint.simulation.image_ions import VirtualImage

IMAGES = 3
"""Images, each of another seed: from `image.seed` on."""
FOREIGN = "LiF"
"""Islands of this too are in a further image, for the alarm."""
ENOUGH = 100
"""Counts of a pixel from which on it is held against the targets."""
WAYS = {"": {"bin": 1, "smooth": 0.0}, "_bin4": {"bin": 4, "smooth": 0.0}}
SMOOTHED = {"_smoothed": {"bin": 1, "smooth": 1.0}}


class Figure(NamedTuple):
    """What is measured: what to reach, and what it is."""

    reach: str
    meaning: str


class Spread(NamedTuple):
    """A figure over the images."""

    mean: float
    least: float
    most: float


@dataclass(frozen=True)
class Maps:
    """What was read of an image, shape (rows, columns, ...), beside the truth.

    Attributes
    ----------
    read : dict of str to ndarray
        The arrays of the maps' store.
    share : ndarray
        True share of each compound of the model.
    foreign : ndarray
        True share of all others.
    full, empty : ndarray of bool
        Pixels of which nothing is missing, and holes.
    """

    read: "dict[str, np.ndarray]"
    share: "np.ndarray"
    foreign: "np.ndarray"
    full: "np.ndarray"
    empty: "np.ndarray"


def run(cfg: "DictConfig") -> None:
    """Read simulated images with the model `image.model`; write `verify/maps.json`.

    Images are those that `image` describes, of several seeds, made in folders of their own and read
    as `ionprint maps` reads them, with `maps` as it is set but for bins and smoothing.

    Parameters
    ----------
    cfg : DictConfig
        Uses `image`, `simulation`, `maps`, `dask`, `composition.false_alarms` and `outputs`.

    Raises
    ------
    ConfigError
        The model learned from measured spectra, of which simulated images tell nothing.
    ModelFileError, TrackingError
        There is no such model.
    """
    import numpy as np

    from ionprint.cluster import Where, pool
    from ionprint.errors import ConfigError
    from ionprint.stages.progress import counter
    from ionprint.tracking.fetch import load

    model = load(cfg.image.model)
    if model.source != "simulated":
        raise ConfigError(
            f"image.model={cfg.image.model} was trained on {model.source} spectra, of which "
            f"simulated images tell nothing; expected one trained on simulated spectra"
        )
    classes = model.reader.classes
    seeds = [cfg.image.seed + n for n in range(IMAGES)]
    found: list[dict[str, float]] = []
    each: list[dict[str, np.ndarray]] = []
    where = Where(cfg.dask.name, cfg.dask.workers, cfg.dask.address)
    steps = IMAGES * (len(WAYS) + len(SMOOTHED)) + len(WAYS) * (FOREIGN not in classes)
    with pool(where) as workers, counter(steps, "reading simulated images") as advance:
        for seed in seeds:
            image = _image(cfg, seed)
            maps = _read(cfg, image, model, workers, WAYS | SMOOTHED, advance)
            islands = [name in cfg.image.islands.components for name in classes]
            one, by_compound = _figures(maps, islands, model.reader.pixels.alarm_at)
            found.append(one)
            each.append(by_compound)
        if FOREIGN not in classes:
            image = _image(cfg, cfg.image.seed, FOREIGN)
            for way, maps_ in _read(cfg, image, model, workers, WAYS, advance).items():
                found[0] |= _alarmed(maps_, way, model.reader.pixels.alarm_at)
    meant = _meanings(cfg)
    figures = {
        name: _spread([one[name] for one in found if name in one])
        for name in meant
        if any(name in one for one in found)
    }
    compounds = {
        name: {key: _spread([float(one[key][place]) for one in each]) for key in each[0]}
        for place, name in enumerate(classes)
    }
    head = {
        "source": "simulated",
        "seeds": seeds,
        "size": list(image.image.shape),
        "model": model.identity["id"],
    }
    replace_json(
        {
            **head,
            "figures": {
                name: {"reach": meant[name].reach, **_rounded(one)} for name, one in figures.items()
            },
            "compounds": {
                name: {key: _rounded(one) for key, one in of.items()}
                for name, of in compounds.items()
            },
        },
        Path(cfg.outputs) / "verify" / "maps.json",
    )
    scans, rows, columns = image.image.shape
    about = f"simulated, {rows} x {columns} pixels, {scans} scans, seeds {seeds[0]}-{seeds[-1]}"
    _show(figures, meant, compounds, about)


def _image(cfg: "DictConfig", seed: int, foreign: str | None = None) -> "VirtualImage":
    """Return the image of the configuration with another seed, and other islands besides."""
    from omegaconf import OmegaConf

    from ionprint.simulation.image_ions import virtual_image

    settings = OmegaConf.to_container(cfg.image, resolve=True)
    settings["seed"] = seed
    if foreign is not None:
        settings["islands"]["components"] = {foreign: 1.0, **settings["islands"]["components"]}
    return virtual_image(settings, OmegaConf.to_container(cfg.simulation, resolve=True))


def _read(
    cfg: "DictConfig",
    image: "VirtualImage",
    model: "Model",
    workers: "Pool",
    ways: dict[str, dict[str, Any]],
    advance: Any,
) -> dict[str, Maps]:
    """Write an image, read it in several ways, and give the maps beside the truth."""
    import zarr
    from omegaconf import OmegaConf

    from ionprint.errors import ImageError, listed
    from ionprint.imaging.image import open_image
    from ionprint.imaging.verification import Truth
    from ionprint.stages.image import Axis, write_image
    from ionprint.stages.maps import job_of, read_missing
    from ionprint.stages.progress import silence

    settings = image.image
    patches = ((piece, image.scene.truth(*piece)) for piece in image.tiles)
    truth = Truth.of_patches(patches, settings.shape, len(settings.compounds))
    found = {}
    with tempfile.TemporaryDirectory() as scratch, silence():
        path = Path(scratch) / "image.zarr"
        peaks = Axis.of_model(settings.model, image) if settings.kind == "peaks" else None
        write_image(image, path, peaks)
        opened = open_image(path)
        # calibrated once; ways differ in how pixels are brought together alone
        whole = OmegaConf.merge(cfg, {"maps": {"scans": None, "readings": True}})
        first = job_of(whole, opened, model, workers, Path(scratch))
        for way, changes in ways.items():
            job = replace(
                first,
                settings=replace(first.settings, **changes),
                store=Path(scratch) / f"maps{way}" / first.store.name,
            )
            problems = read_missing(job, workers)
            if problems:
                raise ImageError(f"{path} cannot be read:\n{listed(problems)}")
            store = zarr.open_group(job.store, mode="r")
            names = ("presence", "fraction", "low", "high", "p", "counts", "state")
            read = {name: store[name][0] for name in names}  # the one layer
            own = truth.binned(changes["bin"]) if changes["bin"] > 1 else truth
            found[way] = _beside(read, own, settings.compounds, model.reader.classes)
            advance()
    return found


def _beside(
    read: "dict[str, np.ndarray]", truth: "Truth", compounds: list[str], classes: list[str]
) -> Maps:
    import numpy as np

    planted = truth.share
    share = np.zeros((*planted.shape[:-1], len(classes)))
    foreign = np.zeros(planted.shape[:-1])
    for place, name in enumerate(compounds):
        if name in classes:
            share[..., classes.index(name)] = planted[..., place]
        else:
            foreign += planted[..., place]
    return Maps(read, share, foreign, truth.full, truth.empty)


def _figures(
    maps: dict[str, Maps], islands: list[bool], alarm_at: float
) -> "tuple[dict[str, float], dict[str, np.ndarray]]":
    """Return the figures of one image, and those of each compound."""
    import numpy as np

    from ionprint.imaging.maps import READ
    from ionprint.imaging.verification import ABSENT

    figures: dict[str, float] = {}
    each: dict[str, np.ndarray] = {}
    for way, one in maps.items():
        calls = _calls(one, (one.read["counts"] >= ENOUGH) & one.full)
        figures[f"presence_f1{way}"] = calls.f1()
        figures[f"presence_f1_strict{way}"] = calls.f1(strict=True)
        each[f"f1{way}"] = calls.f1_each()
        each[f"missed{way}"] = _ratio(calls.missed, calls.hits)
        each[f"false{way}"] = _ratio(calls.false, calls.silent)
        own = one.full & (one.read["state"] == READ) & (one.foreign < ABSENT)
        error = (one.read["fraction"] - one.share)[own]
        inside = ((one.read["low"] <= one.share) & (one.share <= one.read["high"]))[own]
        figures[f"fraction_error{way}"] = _mean(abs(error))
        figures[f"coverage{way}"] = _mean(inside)
        figures[f"false_alarms{way}"] = _mean(one.read["p"][own] <= alarm_at)
        each[f"error{way}"] = np.array([_mean(column) for column in abs(error).T])
        each[f"bias{way}"] = np.array([_mean(column) for column in error.T])
        each[f"coverage{way}"] = np.array([_mean(column) for column in inside.T])
        called = np.nan_to_num(one.read["presence"]) >= PRESENT
        figures[f"empty_present{way}"] = _mean(called.any(axis=-1)[one.empty])
        figures[f"empty_grey{way}"] = _mean(one.read["state"][one.empty] != READ)
    plain = maps[""]
    figures["enough"] = _mean(plain.read["counts"][plain.full] >= ENOUGH)
    figures["presence_f1_any"] = _calls(plain, plain.full).f1()
    outlines = {
        "fraction": _edges(plain, "fraction", islands),
        "presence": _edges(plain, "presence", islands),
        "smoothed": _edges(maps["_smoothed"], "fraction", islands),
    }
    for name, of in outlines.items():
        figures |= _distances(name, [edge for edge in of if edge is not None])
    nan = float("nan")
    of = outlines["fraction"]
    each["edge_median"] = np.array([nan if e is None else np.median(e.far) for e in of])
    each["edge_rms"] = np.array([nan if e is None else _rms(e.far) for e in of])
    each["edge_shift"] = np.array([nan if e is None else e.shift for e in of])
    each["edge_blur"] = np.array([nan if e is None else e.blur for e in of])
    return figures, each


def _calls(maps: Maps, scored: "np.ndarray") -> "Calls":
    import numpy as np

    from ionprint.imaging.verification import ABSENT, Calls

    scored = scored & (maps.foreign < ABSENT)
    called = np.nan_to_num(maps.read["presence"]) >= PRESENT  # what is grey is not called
    return Calls.of(called[scored], maps.share[scored])


def _edges(maps: Maps, name: str, islands: list[bool]) -> "list[Edges | None]":
    """Return how well a map outlines each compound that lies in islands."""
    from ionprint.imaging.maps import READ
    from ionprint.imaging.verification import edges

    usable = maps.full & (maps.read["state"] == READ)
    threshold = PRESENT if name == "presence" else None
    return [
        edges(maps.read[name][..., n].astype(float), maps.share[..., n], usable, threshold)
        if lies
        else None
        for n, lies in enumerate(islands)
    ]


def _distances(name: str, of: "list[Edges]") -> dict[str, float]:
    import numpy as np

    if not of:
        return {}
    far = np.concatenate([edge.far for edge in of])
    far_all = np.concatenate([edge.far_all for edge in of])
    found = {
        "median": float(np.median(far)),
        "rms": _rms(far),
        "p95": float(np.quantile(far, 0.95)),
        "rms_specks": _rms(far_all),
    }
    if name == "fraction":
        found["shift"] = float(np.mean([abs(edge.shift) for edge in of]))
        found["blur"] = float(np.mean([edge.blur for edge in of]))
    return {f"edge_{name}_{key}": value for key, value in found.items()}


def _alarmed(maps: Maps, way: str, alarm_at: float) -> dict[str, float]:
    """Return how often foreign islands raise the alarm."""
    from ionprint.imaging.maps import READ
    from ionprint.imaging.verification import CLEAR

    own = maps.full & (maps.read["state"] == READ) & (maps.foreign >= CLEAR)
    return {f"foreign_alarmed{way}": _mean(maps.read["p"][own] <= alarm_at)}


def _meanings(cfg: "DictConfig") -> dict[str, Figure]:
    """Return what each figure is, in the order of the table."""
    from ionprint.imaging.verification import SPECK

    known: dict[str, Figure] = {
        "enough": Figure("", f"covered pixels with {ENOUGH} counts and more"),
        "presence_f1": Figure(
            "0.9", f"presence a pixel of {ENOUGH}+ counts, F1: what has 20 % of the signal or more"
        ),
        "presence_f1_strict": Figure("", "the same; a call below 20 % is false too"),
        "presence_f1_any": Figure("", "the same of all covered pixels, whatever their counts"),
        "presence_f1_bin4": Figure("0.97", "after 4 x 4 binning"),
        "presence_f1_strict_bin4": Figure("", "after 4 x 4 binning; a call below 20 % is false"),
        "presence_f1_smoothed": Figure("", "after smoothing by 1 pixel"),
    }
    kinds = {
        "fraction": "islands' outlines by fraction at half the true inner share",
        "presence": "islands' outlines by presence at 0.5",
        "smoothed": "islands' outlines by fraction, smoothed by 1 pixel",
    }
    for kind, what in kinds.items():
        reach = "<= 1" if kind == "fraction" else ""
        known |= {
            f"edge_{kind}_median": Figure(reach, f"{what}: median distance to the true ones (px)"),
            f"edge_{kind}_rms": Figure(
                reach, f"rms distance (px); specks, under {SPECK} pixels, left out of both"
            ),
            f"edge_{kind}_p95": Figure("", "95 % of the distances are less (px)"),
            f"edge_{kind}_rms_specks": Figure(
                "", "rms distance of the map's points alone, specks too (px)"
            ),
            f"edge_{kind}_shift": Figure(reach, "the mean profile across is off by (px)"),
            f"edge_{kind}_blur": Figure("", "the mean profile is wider than the truth's by (px)"),
        }
    known |= {
        "empty_present": Figure("< 0.01", "holes with any compound called present"),
        "empty_grey": Figure("", "holes that are grey"),
        "empty_present_smoothed": Figure("< 0.01", "holes with a compound present, smoothed"),
        "empty_grey_smoothed": Figure("", "holes that are grey, smoothed"),
    }
    limit = f"<= {cfg.composition.false_alarms:g}"
    for way, after in {"": "", "_bin4": "; 4 x 4 binned"}.items():
        known |= {
            f"fraction_error{way}": Figure("", f"fractions, mean absolute error{after}"),
            f"coverage{way}": Figure("0.85-0.95", f"true shares in 90 % intervals{after}"),
            f"false_alarms{way}": Figure(limit, f"pixels that raise the alarm for nothing{after}"),
            f"foreign_alarmed{way}": Figure(
                "", f"pixels with 20 % {FOREIGN} or more that raise it{after}; one image"
            ),
        }
    return known


def _spread(values: list[float]) -> Spread:
    """Return mean and range, NaN where there is no value."""
    import numpy as np

    known = [value for value in values if np.isfinite(value)]
    if not known:
        return Spread(*3 * (float("nan"),))
    return Spread(float(np.mean(known)), min(known), max(known))


def _rounded(one: Spread) -> dict[str, float | None]:
    """Return it as JSON knows it."""
    return {k: None if v != v else round(v, 4) for k, v in one._asdict().items()}


def _mean(values: "np.ndarray") -> float:
    return float(values.mean()) if values.size else float("nan")


def _rms(values: "np.ndarray") -> float:
    return _mean(values**2) ** 0.5


def _ratio(part: "np.ndarray", rest: "np.ndarray") -> "np.ndarray":
    import numpy as np

    whole = part + rest
    return np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > 0)


def _show(
    figures: dict[str, Spread],
    meant: dict[str, Figure],
    compounds: dict[str, dict[str, Spread]],
    head: str,
) -> None:
    from ionprint.stages.terminal import print_table

    numbers = ("mean", "range", "to reach")
    rows = [(name, _cell(one.mean), _range(one), *meant[name]) for name, one in figures.items()]
    print_table(
        f"Verified maps ({head})", ("figure", *numbers, "what it is"), rows, right=numbers[:2]
    )
    print_table(
        f"Verified maps by compound ({head}; edges in pixels)",
        ("mean of", *compounds),
        [
            (key, *(_cell(one[key].mean) for one in compounds.values()))
            for key in next(iter(compounds.values()))
        ],
        right=tuple(compounds),
    )


def _range(one: Spread) -> str:
    return "" if not one.least < one.most else f"{one.least:.3f}-{one.most:.3f}"


def _cell(value: float) -> str:
    return "-" if value != value else f"{value:.3f}"
