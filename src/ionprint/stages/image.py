"""Write a simulated image, with what lies in each of its pixels."""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    from omegaconf import DictConfig

    from ionprint.simulation.image_ions import VirtualImage
    from ionprint.simulation.images import Patch

T = TypeVar("T")
POLARITY = -1


def run(cfg: DictConfig) -> None:
    """Write the image of `cfg.image` to `outputs/images/<name>.zarr`.

    Parameters
    ----------
    cfg : DictConfig
        Uses `image`, `simulation` and `outputs`; an image that was measured is not replaced.
    """
    from omegaconf import OmegaConf

    from ionprint.simulation.image_ions import virtual_image
    from ionprint.stages.progress import counter
    from ionprint.stages.terminal import summary

    image = virtual_image(
        OmegaConf.to_container(cfg.image, resolve=True),
        OmegaConf.to_container(cfg.simulation, resolve=True),
    )
    settings = image.image
    folder = Path(cfg.outputs) / "images" / f"{settings.name}.zarr"
    peaks = Axis.of_model(settings.model, image) if settings.kind == "peaks" else None
    with counter(len(image.tiles), "simulating tiles") as advance:
        made = write_image(image, folder, peaks, advance)
    scans, rows, columns = settings.shape
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    summary(
        "Simulated image",
        [
            ("size", f"{rows} x {columns} pixels, {scans} scans"),
            ("counts", f"{made.counts:,}; {made.counts / (rows * columns):.1f} a pixel"),
            ("kind", "events" if peaks is None else f"counts of {peaks.mz.size} peaks"),
            ("planted", ", ".join(f"{c} {s:.0%}" for c, s in made.shares.items()) + " by weight"),
            ("holes", f"{made.holes:.1%} of the pixels"),
            ("seed", settings.seed),
            ("written to", f"{folder}: {size / 1e6:.1f} MB with its truth"),
        ],
    )


@dataclass(frozen=True)
class Axis:
    """The peaks of an image: centres and borders (u), shape (n_peaks,)."""

    mz: np.ndarray
    lower: np.ndarray
    upper: np.ndarray

    @classmethod
    def of_model(cls, uri: str, image: VirtualImage) -> Axis:
        """Take the peaks of a model; borders as wide as peaks are where it knows none.

        Raises
        ------
        ModelFileError, TrackingError
            There is no such model.
        """
        from ionprint.tracking.fetch import load

        model = load(uri)
        if model.method is None:
            return cls(model.mz, *image.typical_peak(model.mz))
        return cls(model.mz, model.method.lower, model.method.upper)


@dataclass
class Made:
    """What an image has become.

    Attributes
    ----------
    counts : int
        In all.
    shares : dict of str to float
        Mean share of each compound by weight, over the pixels that are no holes.
    holes : float
        Share of the pixels.
    """

    counts: int
    shares: dict[str, float]
    holes: float


def write_image(
    image: VirtualImage,
    folder: Path,
    peaks: Axis | None = None,
    advance: Callable[[], None] | None = None,
) -> Made:
    """Write an image and its truth, tile by tile.

    Memory holds a few tiles; tiles are drawn side by side, and written in their order.

    Parameters
    ----------
    image : VirtualImage
    folder : Path
        The Zarr store: replaced whole, and only at the end.
    peaks : Axis, optional
        Write counts of these peaks; single ions when left out.
    advance : callable, optional
        Called after each tile.

    Raises
    ------
    ConfigError
        What is there was not simulated.
    """
    import numpy as np

    from ionprint.files import fresh_folder
    from ionprint.imaging.cube import Events, Peaks

    refuse_others(folder)
    settings = image.image
    common: dict[str, Any] = {
        "shape": settings.shape,
        "tile": settings.tile_shape,
        "pixel_um": settings.pixel_um,
        "polarity": POLARITY,
        "source": "simulated",
    }
    with fresh_folder(folder) as new:
        new.rmdir()  # a store makes its own folder
        if peaks is None:
            store = Events.create(
                new, **common, k=image.k, t0=image.t0,
                first_channel=image.first, last_channel=image.last,
            )  # fmt: skip
        else:
            yields = image.peak_yields(peaks.lower, peaks.upper)
            most = image.largest_count(yields)
            dtype = next(d for d in ("uint8", "uint16", "uint32") if most < np.iinfo(d).max)
            store = Peaks.create(
                new, **common, mz=peaks.mz, lower=peaks.lower, upper=peaks.upper, dtype=dtype
            )
        truth = _Truth(new, image)

        def drawn(number: int) -> tuple[Patch, Any]:
            patch = image.scene.truth(*image.tiles[number])
            if peaks is None:
                return patch, image.draw(number, patch)
            return patch, image.draw_peaks(number, yields, patch, dtype)

        counts = 0
        for number, (patch, ions) in enumerate(_ahead(drawn, len(image.tiles))):
            truth.write(image.tiles[number], patch)
            if peaks is None:
                store.append(number, *ions)
                counts += ions[0].size
            else:
                store.write(*image.tiles[number], ions)
                counts += int(ions.sum())
            if advance:
                advance()
        if peaks is None:
            store.close()
        refuse_others(folder)  # again: it may have come meanwhile
    return Made(counts, *truth.means())


class _Truth:
    """Writes what lies in the pixels into the group `truth` of a store."""

    def __init__(self, folder: Path, image: VirtualImage) -> None:
        import zarr

        settings, scene = image.image, image.scene
        self._compounds = settings.compounds
        self._sum, self._covered, self._pixels = 0.0, 0, 0
        group = zarr.open_group(folder, mode="r+").create_group("truth")
        group.attrs["ionprint"] = {
            "source": "simulated",
            "compounds": self._compounds,
            "seed": settings.seed,
            "k": image.flight.k / image.instrument.binning,
            "t0": (image.flight.t0 - image.instrument.binning // 2) / image.instrument.binning,
            "drift": scene.drift.round(4).tolist(),
        }
        axes = ("scan", "row", "column")
        number = len(self._compounds)
        for name in ("shares", "signal"):
            group.create_array(
                name,
                shape=(*settings.shape, number),
                chunks=(*settings.tile_shape, number),
                dtype="float16",  # to 0.0005, half the size of what is larger than the ions
                fill_value=float("nan"),
                dimension_names=(*axes, "compound"),
            )
        group.create_array(
            "hole",
            shape=settings.shape,
            chunks=settings.tile_shape,
            dtype="bool",
            dimension_names=axes,
        )
        self._group = group

    def write(self, tile: tuple[slice, slice, slice], patch: Patch) -> None:
        """Write one tile."""
        for name in ("shares", "signal", "hole"):
            self._group[name][tile] = getattr(patch, name)
        hole = patch.hole
        self._sum = self._sum + patch.shares.sum(axis=(0, 1, 2), dtype=float)
        self._covered += hole.size - int(hole.sum())
        self._pixels += hole.size

    def means(self) -> tuple[dict[str, float], float]:
        """Return the mean share of each compound where there are no holes, and that of holes."""
        shares = self._sum / max(self._covered, 1)
        names = dict(zip(self._compounds, map(float, shares), strict=True))
        return names, 1 - self._covered / self._pixels


def refuse_others(folder: Path) -> None:
    """Raise ConfigError if there is something at `folder` that was not simulated.

    Parameters
    ----------
    folder : Path
        Need not exist.
    """
    from ionprint.errors import ConfigError
    from ionprint.files import read_json

    if not folder.exists():
        return
    try:
        source = read_json(folder / "zarr.json")["attributes"]["ionprint"]["source"]
    except (OSError, ValueError, KeyError, TypeError):
        source = None
    if source != "simulated":
        raise ConfigError(
            f"{folder} was not written by the simulation and would be lost; choose another name: "
            f"image.name=<name>"
        )


def _ahead(make: Callable[[int], T], number: int) -> Iterator[T]:
    """Give make(0), make(1) ... in order, made on all cores a little ahead."""
    from ionprint.models.workers import cores

    workers = cores()
    with ThreadPoolExecutor(workers) as pool:
        pending: deque = deque()
        for n in range(number):
            pending.append(pool.submit(make, n))
            if len(pending) > workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
