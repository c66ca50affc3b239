"""The page of an image's maps: one self-contained HTML file to look around in."""

import base64
import gzip
import hashlib
import io
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import colormaps

from ionprint.figures.formula import unicode_text
from ionprint.figures.maps import READINGS, SEEN, colors_of, foreign, largest_of, nice, origin
from ionprint.figures.style import HATCHES, compound_looks
from ionprint.files import replaced
from ionprint.imaging.maps import BY_COMPOUND, JOB
from ionprint.imaging.views import View, shrunk, together
from ionprint.report.page import script_text, templates

if TYPE_CHECKING:
    import pandas as pd
    import zarr

    from ionprint.imaging.regions import Region
    from ionprint.serving.model import Model

PAGE = "maps.html"
MOST = 256
"""Pixels along a side of a map in the page; larger maps are averaged."""
BUDGET = 4_500_000
"""Bytes of all maps together, packed; they are averaged further until they fit."""
UNKNOWN = 255
"""The byte of a value that is not known; known ones are 0 to 254."""
LARGEST_COUNT = 65_535
DIVERGING = "PuOr_r"
"""Of scores with two signs; as in the figure of loadings."""


def maps_page(
    store: "zarr.Group",
    model: "Model",
    regions: "list[Region]",
    depth: "pd.DataFrame",
    views: list[View],
    folder: str | Path,
) -> Path:
    """Write the page of finished maps.

    Parameters
    ----------
    store : zarr.Group
        Of `imaging.maps`.
    model : Model
        The one they were read with.
    regions : list of Region
        From `regions_of`.
    depth : DataFrame
        From `depth_table`, of the same regions.
    views : list of View
        From `views_of`; empty: none are shown.
    folder : str or Path

    Returns
    -------
    Path
        The file; an earlier one is replaced when the new one is whole.
    """

    about = dict(store.attrs[JOB])
    maps = _maps(store)
    raised = f"; the alarm is raised at {model.reader.pixels.level:g}"
    data = {
        **maps,
        "classes": [
            {"name": name, "label": unicode_text(name), "color": look.color, "turn": turn}
            for name, (look, turn) in _looks(about["classes"]).items()
        ],
        "readings": {
            name: {
                "title": one.title,
                "unit": one.unit.replace("\n", " ") + (raised if name == "p" else ""),
                "largest": one.largest or maps["largest"],
                "colors": _hexes(name),
            }
            for name, one in READINGS.items()
        },
        "bins": about["bins"],
        "shape": about["shape"],
        "um": about["pixel_um"],
        "least": about["settings"]["least_counts"],
        "alarm_at": model.reader.pixels.alarm_at,
        "p_seen": SEEN,
        "bar": _scale_bar(about, maps),
        "mz": [round(float(mz), 4) for mz in model.mz],
        "ions": [unicode_text(str(ion), "-") for ion in model.ion],
        "regions": _regions(regions, depth, about["classes"]),
    }
    style, script = _read("report.css") + _read("maps.css"), _read("maps.js")
    simulated = "simulated" in (about["source"], about["model_source"])
    page = (
        templates()
        .get_template("maps.html")
        .render(
            about=about,
            origin=origin(about["source"], about["model_source"]),
            simulated=simulated,
            facts=_facts(store, about, model, regions, data),
            # what is not said in this list is refused: the page asks nobody and runs nothing else
            policy="; ".join(
                (
                    "default-src 'none'",
                    "img-src data:",
                    f"style-src {_hash(style)}",
                    f"script-src {_hash(script)}",
                    "base-uri 'none'",
                    "form-action 'none'",
                )
            ),
            style=style,
            script=script,
            data=script_text(data),
            views=_views(views, model),
            readings=[(name, READINGS[name].title) for name in READINGS if _is_there(name, maps)],
            layers=maps["layers"],
        )
    )
    path = Path(folder) / PAGE
    with replaced(path) as new:
        new.write_text(page, encoding="utf-8", newline="\n")
    return path


def _read(name: str) -> str:
    return (resources.files("ionprint.report") / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _looks(classes: list[str]) -> dict[str, tuple[Any, int]]:
    looks = compound_looks(classes)
    return {name: (looks[name], HATCHES.index(looks[name].hatch)) for name in classes}


def _hexes(reading: str) -> str:
    """Return 256 colours, six letters each."""
    colors = np.round(colors_of(reading)(np.arange(256))[:, :3] * 255).astype(np.uint8)
    return colors.tobytes().hex()


def _is_there(reading: str, maps: dict[str, Any]) -> bool:
    return ("low" if reading == "width" else reading) in maps["arrays"]


# ------------------------------------------------------------------ maps as bytes


def _maps(store: "zarr.Group") -> dict[str, Any]:
    """Return all maps, packed, at the finest resolution that fits into the page.

    Values are bytes in the order layer, row, column (, compound): 254 of them from 0 to 1, or to
    `SEEN` powers of ten of a p-value. Counts have two bytes, and are whole numbers.
    """
    shape = store["state"].shape
    each = len(BY_COMPOUND) * len(store.attrs[JOB]["classes"]) + 4
    # packing makes a third of it at best
    fits = int(np.ceil(np.sqrt(np.prod(shape) * each / (3 * BUDGET))))
    factor = max(1, -(-max(shape[1:]) // MOST), fits)
    names = [name for name in (*BY_COMPOUND, "p", "counts", "state") if name in store]
    found: dict[str, np.ndarray] = {
        name: np.stack([shrunk(store, name, layer, factor) for layer in range(shape[0])])
        for name in names
    }
    more = 1
    while True:
        now = {n: _further(values, more, n == "state") for n, values in found.items()}
        packed = {name: _packed(name, values) for name, values in now.items()}
        size = sum(map(len, packed.values()))
        if size <= BUDGET or max(now["state"].shape[1:]) <= 16:
            break
        more = max(more + 1, int(more * np.sqrt(size / BUDGET)))
    return {
        "layers": shape[0],
        "rows": now["state"].shape[1],
        "columns": now["state"].shape[2],
        "factor": factor * more,
        "largest": largest_of(now["counts"]),
        "arrays": packed,
    }


def _further(values: np.ndarray, factor: int, largest: bool) -> np.ndarray:
    return np.stack([together(layer, factor, largest) for layer in values])


def _packed(name: str, values: np.ndarray) -> str:
    """Return a map's bytes, compressed, as text."""
    if name == "state":
        data = values.astype(np.uint8)
    elif name == "counts":
        data = np.nan_to_num(values).round().clip(0, LARGEST_COUNT).astype("<u2")
    else:
        share = foreign(values) / SEEN if name == "p" else values
        scaled = np.clip(np.nan_to_num(share), 0, 1) * (UNKNOWN - 1)
        data = np.where(np.isnan(values), UNKNOWN, scaled.round()).astype(np.uint8)
    # no time in it: the same maps, the same bytes
    return base64.b64encode(gzip.compress(data.tobytes(), 6, mtime=0)).decode()


def _scale_bar(about: dict[str, Any], maps: dict[str, Any]) -> dict[str, Any]:
    """Return the share of a map's width that is so long, and how long that is in words."""
    um = about["pixel_um"]
    width = maps["columns"] * maps["factor"] * about["bins"][2] * (um or 1.0)
    length = nice(0.35 * width)
    return {"share": length / width, "label": f"{length:g} {'µm' if um else 'pixels'}"}


# ------------------------------------------------------------------ regions


def _regions(
    regions: "list[Region]", depth: "pd.DataFrame", classes: list[str]
) -> list[dict[str, Any]]:
    """Return regions as plain values, each with its own rows of the depth table."""
    told, row = [], 0
    columns = [[f"{what}_{c}" for c in classes] for what in ("fraction", "low", "high")]
    for one in regions:
        answer = one.answer and {
            "holds": one.answer["holds"],
            "warnings": one.answer["warnings"],
            "alarm": one.answer["alarm"] | {"unexplained": _ions(one.answer["alarm"])},
            "compounds": {
                name: said | {"evidence": [e | _label(e) for e in said["evidence"]]}
                for name, said in one.answer["compounds"].items()
            },
        }
        course = None
        if one.place is not None or one.name == "all":  # those that `depth_table` tells of
            own = depth.iloc[row : row + len(one.pixels)]
            row += len(one.pixels)
            if len(own) > 1:
                course = [
                    [[None if np.isnan(v) else round(float(v), 3) for v in line] for line in part]
                    for part in (own[names].to_numpy(dtype=float) for names in columns)
                ]
        told.append(
            {
                "name": one.name,
                "kind": one.kind,
                "place": one.place and [int(end) for end in one.place],
                "pixels": int(one.pixels.sum()),
                "chance": None if one.by_chance is None else round(one.by_chance),
                "counts": round(float(one.areas.sum()), 1),
                "areas": [round(v, 1) + 0.0 for v in one.areas.sum(axis=0).tolist()],
                "answer": answer,
                "depth": course,
            }
        )
    return told


def _label(ion: dict[str, Any]) -> dict[str, str]:
    return {"ion": unicode_text(ion["ion"], "-") if ion["ion"] else ""}


def _ions(alarm: dict[str, Any]) -> list[dict[str, Any]]:
    return [ion | _label(ion) for ion in alarm["unexplained"]]


# ------------------------------------------------------------------ words, and views as pictures


def _facts(
    store: "zarr.Group",
    about: dict[str, Any],
    model: "Model",
    regions: "list[Region]",
    data: dict[str, Any],
) -> Iterator[tuple[str, str]]:
    """Say what was read, with what, and how much of it could be judged."""
    scans, rows, columns = about["shape"]
    settings, um = about["settings"], about["pixel_um"]
    pixels = int(np.prod(store["state"].shape))
    read, few = (int(n) for n in np.asarray(store["pixels"]).sum(axis=0)[:2])
    yield "Image", f"{about['image']}, {about['source']}"
    size = f", {columns * um:g} x {rows * um:g} µm" if um else ""
    yield "Size", f"{rows} rows x {columns} columns{size}, {_several(scans, 'scan')}"
    identity = model.identity
    name = f"{identity['name']}, version {identity['version']}, " if identity["name"] else ""
    yield "Model", f"{name}{identity['id']}, {about['model_source']} references"
    side = settings["bin"]
    parts = [f"{side} x {side} pixels" if side > 1 else "pixel by pixel"]
    parts += [f"{_several(about['bins'][0], 'scan')} a layer"] if scans > 1 else []
    parts += [f"smoothed over {settings['smooth']:g} pixels"] if settings["smooth"] else []
    yield "How it was read", ", ".join(parts)
    if data["factor"] > 1:
        yield "Shown here", f"means of {data['factor']} x {data['factor']} pixels of the maps"
    total = float(regions[0].areas.sum())
    each = f", {total / read:.1f} in a pixel of a layer on average" if read else ""
    yield "Counts on the model's peaks", f"{total:,.0f}{each}"
    yield (
        "Too few counts, grey",
        f"{few / max(read, 1):.1%} of pixels, those below {settings['least_counts']} counts",
    )
    if read < pixels:
        yield "Not read, hatched", f"{1 - read / pixels:.1%} of pixels: damaged, or not reached"
    scale = about["scale"]
    if scale:
        off = scale.get("error_ppm")
        yield (
            "Mass scale",
            f"{scale['result']}, {_several(scale['ions'], 'ion')}"
            + (f", {off:.1f} ppm off (root mean square)" if off is not None else ""),
        )
    lacking = f"; {len(about['left_out'])} peaks of the image left out" if about["left_out"] else ""
    yield "Coverage", f"peaks for {about['coverage']:.1%} of the references' signal{lacking}"


def _several(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _views(views: list[View], model: "Model") -> list[dict[str, Any]]:
    """Return each component as a picture, with its strongest ions in words."""
    found = []
    for view in views:
        for n in range(len(view.share)):
            ions = [
                (
                    "+" if view.loadings[n, peak] > 0 else "−",
                    unicode_text(str(model.ion[peak]), "-") or f"{model.mz[peak]:.3f}",
                )
                for peak in view.strongest(n)
            ]
            of = "variance" if view.method == "PCA" else "counts"
            found.append(
                {
                    "method": view.method,
                    "name": f"{view.method} {n + 1}",
                    "share": f"{view.share[n]:.1%} of the {of}",
                    "ions": ions,
                    "picture": _picture(view.scores[..., n], view.method == "PCA"),
                }
            )
    return found


def _picture(scores: np.ndarray, signed: bool) -> str:
    """Return scores as a PNG in a data URI, transparent where there are none."""
    from PIL import Image

    known = np.abs(scores[~np.isnan(scores)])
    most = (float(np.quantile(known, 0.99)) if known.size else 0.0) or 1.0
    colors = colormaps[DIVERGING] if signed else colors_of("fraction")
    share = scores / most / 2 + 0.5 if signed else scores / most
    pixels = np.round(colors(np.nan_to_num(np.clip(share, 0, 1))) * 255).astype(np.uint8)
    pixels[np.isnan(scores), 3] = 0
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "png")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
