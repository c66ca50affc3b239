"""Draw the maps that the documentation shows: docs/images/maps.png and maps_grid.png.

The first is of a simulated image, read with the model of the last results (`make run`); the second
of a measured one, where the folder that `scripts/grid.py` worked in is given.
"""

import argparse
import sys
from pathlib import Path

from PIL import Image

from ionprint.cli import main as ionprint

IMAGES = Path(__file__).parents[1] / "docs" / "images"
OUT = Path("outputs/examples")
WIDTH, COLOURS = 700, 40  # a map of noisy pixels packs badly


def main(grid: Path | None) -> int:
    """Make the simulated maps and reduce the pictures."""
    for words in (
        ["image", "image.size=128", "image.scans=10", f"outputs={OUT}"],
        ["maps", f"{OUT}/images/default.zarr", "--model", "outputs/model", f"outputs={OUT}"],
    ):
        if code := ionprint(words):
            return code
    _reduce(OUT / "maps" / "default" / "maps.png", "maps")
    if grid is not None:
        _reduce(grid / "outputs" / "maps" / "grid" / "maps.png", "maps_grid")
    return 0


def _reduce(path: Path, name: str) -> None:
    with Image.open(path) as image:
        size = WIDTH, round(image.height * WIDTH / image.width)
        small = image.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    small.quantize(COLOURS, dither=Image.Dither.NONE).save(IMAGES / f"{name}.png", optimize=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--grid", type=Path, help="the folder of scripts/grid.py")
    sys.exit(main(parser.parse_args().grid))
