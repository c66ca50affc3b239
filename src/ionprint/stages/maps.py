"""Maps of an image: which compounds lie where, read by a trained model."""

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ionprint.errors import ConfigError, ImageError, listed

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from ionprint.cluster import Pool
    from ionprint.imaging.image import Image
    from ionprint.imaging.maps import Job


def arguments(words: list[str]) -> tuple[dict[str, Any], list[str]]:
    """Read `IMAGE [--model URI]` and return what `run` takes, and the overrides.

    Raises
    ------
    ConfigError
        There is no image.
    """
    from ionprint.stages.promote import option

    words = list(words)
    model = option(words, "--model", "a folder or a registered version")
    if not words or ("=" in words[0] and not Path(words[0]).exists()):
        raise ConfigError(
            "got no image, expected `ionprint maps IMAGE [--model URI] [overrides]`: a .zarr, "
            ".imzML, .h5 or .bif6 file, or a folder of TIFF images"
        )
    image = os.path.abspath(Path(words.pop(0)).expanduser())
    if model is not None and Path(model).expanduser().exists():
        model = os.path.abspath(Path(model).expanduser())
    return {"image": image, "model": model}, words


def run(cfg: "DictConfig", image: str, model: str | None = None) -> None:
    """Read an image block by block; what was finished before is not read again.

    Parameters
    ----------
    cfg : DictConfig
        Uses `maps`, `dask` and `outputs`.
    image : str
        Path of the image.
    model : str, optional
        The model's address; the champion of the project's data set when left out.

    Raises
    ------
    ImageError
        The image cannot be read, or some of its parts could not; these are named, and all others
        are finished.
    """
    from ionprint.cluster import Where, pool
    from ionprint.imaging.image import open_image
    from ionprint.stages.predict import champion
    from ionprint.tracking.fetch import load

    opened = open_image(image)
    loaded = load(model or champion())
    where = Where(cfg.dask.name, cfg.dask.workers, cfg.dask.address)
    name = cfg.maps.folder or Path(image).stem
    if Path(name).name != name or name == "..":
        raise ConfigError(
            f"maps.folder={name}: expected the name of a folder in {cfg.outputs}/maps"
        )
    with pool(where) as workers:
        job = job_of(cfg, opened, loaded, workers, Path(cfg.outputs) / "maps" / name)
        problems = read_missing(job, workers)
    _write(job, cfg.maps.views, cfg.seed)
    if problems:
        raise ImageError(
            f"{len(problems)} of {len(job.blocks())} parts of the image could not be read; all "
            f"others are finished, and a second run tries these alone:\n{listed(problems)}"
        )


def job_of(cfg: "DictConfig", image: "Image", model: Any, workers: "Pool", folder: Path) -> "Job":
    """Return all that reading an image takes; spectra are calibrated on their sum.

    Parameters
    ----------
    cfg : DictConfig
        Uses `maps`.
    image : Image
    model : Model
    workers : Pool
    folder : Path
        Where results go.

    Raises
    ------
    IonprintError
        Settings, image and model do not fit together.
    """
    from dataclasses import replace

    import numpy as np

    from ionprint.imaging.columns import on_peaks
    from ionprint.imaging.maps import STORE, Job, Settings, kept_total, total_of
    from ionprint.stages.progress import counter

    chosen = cfg.maps
    if model.reader.pixels is None:
        raise ConfigError("this model was trained by a version without maps; train it again")
    regions = {str(k): _region(str(k), list(v), image, model) for k, v in chosen.regions.items()}
    settings = Settings(
        bin=chosen.bin,
        scans=None if chosen.scans is None else min(chosen.scans, image.shape[0]),
        smooth=chosen.smooth,
        least_counts=chosen.least_counts or model.reader.pixels.least_counts,
        primary_ions=chosen.primary_ions,
        readings=chosen.readings,
        regions=regions,
    )
    job = Job(image, model, None, settings, (folder / STORE).absolute())
    total = kept_total(job)
    if image.kind == "spectra" and total is None:
        tiles = image.tiles()
        with counter(len(tiles), "summing the image") as advance:
            sums = workers.run(total_of, image, tiles, advance)
        total = np.sum([s for s in sums if isinstance(s, np.ndarray)], axis=0)
    return replace(job, columns=on_peaks(image, model, total))


def _region(name: str, ends: list[int], image: "Image", model: Any) -> tuple[int, int, int, int]:
    from ionprint.imaging.maps import FOUND

    rows, columns = image.shape[1:]
    found = [*FOUND, *(f"{one} present" for one in model.reader.classes)]
    if name in found:
        raise ConfigError(
            f"maps.regions.{name}: there is a region of this name already; others are "
            f"{', '.join(found)}"
        )
    fits = len(ends) == 4 and 0 <= ends[0] <= ends[2] < rows and 0 <= ends[1] <= ends[3] < columns
    if not fits:
        raise ConfigError(
            f"maps.regions.{name}={ends}: expected [first row, first column, last row, last "
            f"column] within {rows} rows and {columns} columns, counted from 0"
        )
    return tuple(ends)


def read_missing(job: "Job", workers: "Pool") -> list[str]:
    """Read all blocks that are not finished, and return what was wrong with some."""
    from ionprint.cluster import Lost
    from ionprint.imaging.maps import create, pending, read_block
    from ionprint.stages.progress import counter

    todo = pending(job)
    if todo is None:
        _clear(job.store.parent)
        create(job)
        todo = pending(job)
    elif len(todo) < len(job.blocks()):
        print(f"{len(job.blocks()) - len(todo)} of {len(job.blocks())} blocks were finished before")
    with counter(len(todo), "reading pixels") as advance:
        found = workers.run(read_block, job, todo, advance)
    return [one.why if isinstance(one, Lost) else one for one in found if one is not None]


def _clear(folder: Path) -> None:
    """Make room for new maps; what is not of an earlier run stays."""
    from ionprint.imaging.maps import STORE

    folder.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(folder / STORE, ignore_errors=True)
    for old in ("maps*.*", "regions.csv", "depth.csv"):
        for path in folder.glob(old):
            path.unlink()


def _write(job: "Job", views: int, seed: int) -> None:
    """Write tables, the figure and the page, and show a table of the regions."""
    import zarr

    from ionprint.figures.maps import maps_figure
    from ionprint.figures.style import save
    from ionprint.files import replaced, write_table
    from ionprint.imaging.regions import depth_table, region_table, regions_of
    from ionprint.imaging.views import views_of
    from ionprint.report.maps import maps_page
    from ionprint.stages.progress import counter

    folder, store = job.store.parent, zarr.open_group(job.store, mode="r")
    with counter(3, "regions") as advance:
        regions = regions_of(store, job.model)
        depth = depth_table(regions, job.model, job.settings.least_counts)
        for name, table in (
            ("regions.csv", region_table(regions, job.image.pixel_um)),
            ("depth.csv", depth),
        ):
            with replaced(folder / name) as new:
                write_table(table, new, 4)
        advance("views")
        found = views_of(store, views, seed)
        advance("page")
        maps_page(store, job.model, regions, depth, found, folder)
        last = job.shape[0] - 1  # the page has those between
        for layer in sorted({0, last}):
            save(maps_figure(store, layer), folder, f"maps_layer_{layer + 1}" if last else "maps")
        advance()
    _show(job, store, regions)


def _show(job: "Job", store: Any, regions: list) -> None:
    from ionprint.imaging.maps import FEW, READ
    from ionprint.stages.terminal import print_table, summary

    state = store["state"][:]
    settings, model = job.settings, job.model
    simulated = [
        what
        for what, source in (("image", job.image.source), ("references", job.model.source))
        if source == "simulated"
    ]
    note = f" (simulated {' and '.join(simulated)})" if simulated else ""
    rows = []
    for one in regions:
        if one.kind == "cell":
            continue
        share = one.pixels.sum() / state.size
        holds = one.answer["holds"] if one.answer else "too few counts to say"
        chance = "" if one.by_chance is None else f"{one.by_chance / state.size:.1%}"
        rows.append([one.name, f"{share:.1%}", chance, f"{one.areas.sum():,.0f}", holds])
    numbers = ("pixels", "by chance", "counts")
    print_table(f"Regions{note}", ("region", *numbers, "holds"), rows, right=numbers)
    if not (state == READ).any():
        print(
            f"note: no pixel has the {settings.least_counts:,} counts that this model needs to "
            f"tell its compounds apart; bring pixels together (maps.bin), or set maps.least_counts"
        )
    layers, height, width = job.shape
    scale = job.columns.scale
    error = "" if scale["error_ppm"] is None else f", {scale['error_ppm']:.1f} ppm"
    summary(
        f"Maps{note}",
        [
            ("image", f"{job.image.path.name}: {' x '.join(map(str, job.image.shape))} "
                      f"scans, rows, columns; {job.image.source}"),
            ("maps", f"{height} x {width} pixels, {layers} layer{'s' * (layers > 1)}"),
            ("read", f"{(state == READ).mean():.1%} of the pixels; {(state == FEW).mean():.1%} are "
                     f"grey: under {settings.least_counts} counts, or holes"),
            ("mass scale", f"{scale['result']}, {scale['ions']} ions{error}"),
            ("peaks", f"{job.columns.coverage:.1%} of the references' signal"
                      + (f"; {job.columns.left_out.size} of the image's are not the model's and "
                         f"are left out" if job.columns.left_out.size else "")),
            ("model", f"{model.about['dataset']['name']}, {model.identity['id']}; {model.source}"),
            ("written to", os.path.relpath(job.store.parent)),
        ],
    )  # fmt: skip
