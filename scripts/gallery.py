"""Bring the figures of the last results into the documentation.

Writes docs/gallery/ (git-ignored), a page of all figures of each data set, and the pictures that
README and pages show into docs/images/. Needs results: `make run`, `python scripts/examples.py`,
and for the measured alloys `python scripts/alloys.py`.
"""

import json
import shutil
import sys
from pathlib import Path

from PIL import Image

from ionprint.config import compose
from ionprint.figures.style import save
from ionprint.stages.drawings.composition import depth
from ionprint.stages.results import ResultFiles

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
SETS = {
    "lithium": (ROOT / "outputs", "The simulated lithium set"),
    "alloys": (ROOT / "outputs" / "alloys", "Measured: ruthenium alloys"),
}
SOURCES = {
    "simulated": "Simulated data.",
    "measured": "Measured data: O. F. Laurent et al., Analytical Chemistry (2024), public spectra.",
}
SHOWN = {
    "alloys/composition/composition": "alloys_composition",
    "lithium/composition/composition": "composition",
    "lithium/ions/ranking": "ranking",
    "lithium/spectra/calibration": "calibration",
    "lithium/spectra/overlap": "overlap",
}
"""Pictures in README and pages, by their figure."""
WIDE, SMALL = 1400, 1000  # pixels, in the gallery and in README and pages
_FEW = Image.Quantize.MAXCOVERAGE  # keeps the colours of compounds


EXAMPLES = {
    "sweep/heatmap": (
        "A sweep",
        "Accuracy and log loss of every combination of three scalings and two models, the best "
        "framed, as `ionprint sweep` draws it.",
    ),
    "compared/slopes": (
        "Two rankings compared",
        "Ranks of each compound's first ions with min-max and with square-root scaling, joined by "
        "lines, as `ionprint compare` draws it.",
    ),
}


def main() -> int:
    """Write the gallery and the pictures."""
    gallery = DOCS / "gallery"
    shutil.rmtree(gallery, ignore_errors=True)
    gallery.mkdir()
    pages = ["# Figures\n", "Every figure that `ionprint figures` draws, as it is now.\n"]
    for name, (outputs, title) in SETS.items():
        index = outputs / "figures" / "figures.json"
        pages.append(f"## {title}\n")
        if not index.exists():
            pages.append("Not made here: its spectra are not part of the project.\n")
            continue
        about = json.loads(index.read_text(encoding="utf-8"))
        for one in about["figures"]:
            key = f"{one['topic']}/{one['name']}"
            picture = outputs / "figures" / f"{key}.png"
            target = gallery / name / f"{one['name']}.webp"
            target.parent.mkdir(exist_ok=True)
            shrink(picture, WIDE).save(target, "webp", quality=85)
            source = SOURCES[about["source"]]
            pages += [f"### {one['title']}\n", f"![{one['says']}]({name}/{target.name})\n"]
            pages += [f"*{one['says']} {source}*\n"]
            if shown := SHOWN.get(f"{name}/{key}"):
                small = shrink(picture, SMALL).quantize(256, _FEW, dither=Image.Dither.NONE)
                small.save(DOCS / "images" / f"{shown}.png", optimize=True)
        if about["left_out"]:
            pages += ["Left out:\n", *(f"- {reason}" for reason in about["left_out"]), ""]
    pages += ["## Simulated: a depth profile, a sweep, two runs compared\n", *examples(gallery)]
    (gallery / "index.md").write_text("\n".join(pages), encoding="utf-8")
    return 0


def examples(gallery: Path) -> list[str]:
    """Return the part of the page with the figures of examples."""
    outputs, lines = ROOT / "outputs" / "examples", []
    pictures = {outputs / f"{key}.png": told for key, told in EXAMPLES.items()}
    if (outputs / "depth" / "composition").exists():
        cfg = compose([f"outputs={outputs / 'depth'}"], ROOT)
        for drawing in depth(ResultFiles(cfg), cfg.figures):
            files = save(drawing.figure, outputs / "depth", drawing.name)
            pictures[files[-1]] = (drawing.title, drawing.says)
    for path, (title, says) in pictures.items():
        if not path.exists():
            lines.append("Not made here: see `scripts/examples.py`.\n")
            continue
        target = gallery / "examples" / f"{path.stem}.webp"
        target.parent.mkdir(exist_ok=True)
        shrink(path, WIDE).save(target, "webp", quality=85)
        lines += [f"### {title}\n", f"![{says}](examples/{target.name})\n"]
        lines += [f"*{says} {SOURCES['simulated']}*\n"]
    return lines


def shrink(path: Path, width: int) -> Image.Image:
    """Return a picture, no wider than `width` pixels."""
    with Image.open(path) as image:
        small = image.convert("RGB")
    small.thumbnail((width, 4 * width), Image.Resampling.LANCZOS)
    return small


if __name__ == "__main__":
    sys.exit(main())
