"""Regions of a map: their summed spectra, read as any spectrum, and what changes with depth."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ionprint.errors import IonprintError
from ionprint.imaging.maps import JOB
from ionprint.serving.given import of_peaks

if TYPE_CHECKING:
    import pandas as pd
    import zarr

    from ionprint.composition.pixels import PixelReading
    from ionprint.serving.model import Model

CELLS = 8
"""Cells along the longer side of an image, each a region of its own."""


@dataclass(frozen=True)
class Region:
    """Pixels brought together.

    Attributes
    ----------
    name : str
    kind : str
        `found` by the readings, `drawn` by the user, or a `cell` of the grid.
    place : tuple of int or None
        First row, first column, last row and last column of the image, the last ones included, of
        a rectangle.
    pixels : ndarray of int, shape (n_layers,)
        Pixels of the maps in it.
    areas : ndarray, shape (n_layers, n_peaks)
        Counts on the model's peaks, in each layer.
    answer : dict or None
        What `Model.answer` says of all layers together; None where nothing can be read.
    covers : float
        Pixels of the image in it, in the mean of the layers.
    by_chance : float or None
        Of pixels where a compound is called present: how many would be called if it were nowhere.
        The same counts chose the pixels, so their sum leans towards the compound.
    """

    name: str
    kind: str
    place: tuple[int, int, int, int] | None
    pixels: np.ndarray
    areas: np.ndarray
    answer: dict[str, Any] | None
    covers: float = 0.0
    by_chance: float | None = None


def regions_of(store: "zarr.Group", model: "Model") -> list[Region]:
    """Return all regions of a finished store: found, drawn, then the cells.

    Parameters
    ----------
    store : zarr.Group
        Of `maps.read_block`.
    model : Model
        The one it was read with.
    """
    about = store.attrs[JOB]
    settings, image = about["settings"], about["shape"]
    layers = -(-image[0] // about["bins"][0])
    n_regions = len(about["regions"])
    areas = np.zeros((n_regions, layers, model.mz.size))
    pixels = np.zeros((n_regions, layers), int)
    number = store["sums"].shape[0] // layers  # blocks of a layer come one after the other
    for block in range(store["sums"].shape[0]):
        areas[:, block // number] += np.nan_to_num(store["sums"][block])
        pixels[:, block // number] += store["pixels"][block]
    chance = {}
    if settings["readings"]:
        names = [f"{name} present" for name in about["classes"]]
        chance = dict(zip(names, np.nansum(store["by_chance"][:], axis=0).tolist(), strict=True))
    found = []
    for n, name in enumerate(about["regions"]):
        place = settings["regions"].get(name)
        kind = "found" if place is None else "drawn"
        place = None if place is None else tuple(place)
        one = _region(name, kind, place, pixels[n], areas[n], model, about)
        found.append(replace(one, by_chance=chance.get(name) if kind == "found" else None))
    return found + _cells(store, model, about)


def _cells(store: "zarr.Group", model: "Model", about: dict[str, Any]) -> list[Region]:
    """Return the cells of an even grid."""
    overview, state = store["overview"], store["state"]
    layers, rows, columns, _ = overview.shape
    side = -(-max(rows, columns) // CELLS)
    grid = [range(-(-n // side)) for n in (rows, columns)]
    areas = np.zeros((layers, len(grid[0]), len(grid[1]), model.mz.size))
    for layer in range(layers):
        for row in grid[0]:
            strip = np.nan_to_num(overview[layer, row * side : (row + 1) * side].astype(float))
            whole = strip.sum(axis=0)
            for column in grid[1]:
                areas[layer, row, column] = whole[column * side : (column + 1) * side].sum(axis=0)
    coarse, bins, found = about["coarse"], about["bins"], []
    for row in grid[0]:
        for column in grid[1]:
            # of the maps, then of the image
            first = row * side * coarse[0], column * side * coarse[1]
            last = [
                min(a + side * f, n) for a, f, n in zip(first, coarse, state.shape[1:], strict=True)
            ]
            number = (last[0] - first[0]) * (last[1] - first[1])
            place = (
                *(a * step for a, step in zip(first, bins[1:], strict=True)),
                *(
                    min(b * step, n) - 1
                    for b, step, n in zip(last, bins[1:], about["shape"][1:], strict=True)
                ),
            )
            name = f"rows {place[0]}-{place[2]}, columns {place[1]}-{place[3]}"
            pixels = np.full(layers, number)
            found.append(_region(name, "cell", place, pixels, areas[:, row, column], model, about))
    return found


def _region(
    name: str,
    kind: str,
    place: tuple[int, int, int, int] | None,
    pixels: np.ndarray,
    areas: np.ndarray,
    model: "Model",
    about: dict[str, Any],
) -> Region:
    areas = np.maximum(areas, 0)  # where peaks overlap, see `Columns.areas`
    ions = about["settings"]["primary_ions"]
    more = {}
    if ions is not None:
        more["primary_ions"] = ions * float(pixels.sum()) * float(np.prod(about["bins"]))
    answer = None
    if areas.sum() >= about["settings"]["least_counts"]:
        try:
            answer = model.answer(of_peaks(model.mz, areas.sum(axis=0), name, **more))
        except IonprintError:  # nothing to divide by, as in a model of selected ions
            answer = None
    covers = float(pixels.mean() * about["bins"][1] * about["bins"][2])
    return Region(name, kind, place, pixels, areas, answer, covers)


def region_table(regions: list[Region], pixel_um: float | None) -> "pd.DataFrame":
    """Return a row a region: its size, and what its summed spectrum holds.

    Returns
    -------
    DataFrame
        region, kind, first_row, first_column, last_row, last_column (of the image), pixels (of the
        maps, all layers), pixels_by_chance, area_um2 (mean of the layers) where the size of pixels
        is known, counts, then the columns of `serving.model.row_of`.
    """
    import pandas as pd

    from ionprint.serving.model import row_of

    rows = []
    for one in regions:
        place = one.place or (None,) * 4
        ends = ("first_row", "first_column", "last_row", "last_column")
        row = {"region": one.name, "kind": one.kind, **dict(zip(ends, place, strict=True))}
        row["pixels"] = int(one.pixels.sum())
        row["pixels_by_chance"] = one.by_chance
        if pixel_um is not None:
            row["area_um2"] = one.covers * pixel_um**2
        row["counts"] = float(one.areas.sum())
        if one.answer is not None:
            told = row_of(one.answer)
            row |= {k: v for k, v in told.items() if k not in ("name", "counts")}
        rows.append(row)
    frame = pd.DataFrame(rows)
    whole = [c for c in frame if c.startswith(("first_", "last_"))]
    frame[whole] = frame[whole].astype("Int64")
    return frame


def depth_table(regions: list[Region], model: "Model", least_counts: int) -> "pd.DataFrame":
    """Return what regions with a place hold layer by layer.

    Returns
    -------
    DataFrame
        region, layer (from 1), pixels, counts, and fraction_, low_, high_, presence_ of each
        compound; empty where a layer has too few counts.
    """
    import pandas as pd

    rows = []
    for one in regions:
        if one.place is None and one.name != "all":
            continue  # which pixels these are differs from layer to layer
        counts = one.areas.sum(axis=1)
        read = np.flatnonzero(counts >= least_counts)
        found: PixelReading = model.reader.pixels.read(one.areas[read])
        by_layer = {int(layer): n for n, layer in enumerate(read)}
        for layer in range(len(counts)):
            row = {"region": one.name, "layer": layer + 1, "pixels": int(one.pixels[layer])}
            row["counts"] = float(counts[layer])
            n = by_layer.get(layer)
            for place, name in enumerate(model.reader.classes):
                for what in ("fraction", "low", "high", "presence"):
                    value = np.nan if n is None else float(getattr(found, what)[n, place])
                    row[f"{what}_{name}"] = value
            rows.append(row)
    return pd.DataFrame(rows)
