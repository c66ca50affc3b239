"""Map a measured image with references from its own left half: a copper grid, positive ions.

The image is shipped with the sources of the library simsh5 0.3.2 (PowerCo-102-Pos-Cu_Grid.h5, MIT
licence, ULVAC-PHI):

    pip download --no-deps --no-binary :all: simsh5==0.3.2

What lies on it is not known, so pixels are called after how they look: `bright` and `dark` in
caesium. Spectra of both, summed over blocks of the left half, are the references; the right half is
then read without having been seen.
"""

import argparse
import csv
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
BLOCK = 64
"""Pixels along a side of the blocks that spectra are summed over."""
SMOOTH = 8
"""Pixels along a side of the squares that tell bright from dark."""
DATASET = """\
name: grid
path: grid
areas: null
polarity: positive
mz_max: 210
calibrants: [C2H3, C3H5, C4H7, Cu, Cs]
elements: {C: 12, H: 24, O: 4, N: 2, Cu: 2, Na: 1, Cs: 1}
published_ions: null
accepted: {}
"""
CHOICES = [
    *("dataset=grid", "spectra.calibration.window_ppm=1500", "spectra.search.min_counts=80"),
    *("spectra.calibration.min_counts=20", "spectra.calibration.max_error_ppm=300"),
    *("tuning.trials=20", "evaluation.permutations=20", "evaluation.rebuild_peaks=false"),
]


def main(path: Path, folder: Path) -> None:
    """Write references, train on them, map the whole image."""
    from ionprint.imaging.image import open_image

    folder.mkdir(parents=True)
    shutil.copytree(ROOT / "conf", folder / "conf")
    shutil.copy(ROOT / "dvc.yaml", folder)
    (folder / "conf/dataset/grid.yaml").write_text(DATASET)
    image = open_image(path)
    counts = image.read(*(slice(0, n) for n in image.shape)).tocsr()
    pixel = np.arange(counts.shape[0]).reshape(image.shape[1:])
    caesium = np.abs(image.mz - 132.95) < 0.15
    bright = np.asarray(counts[:, caesium].sum(axis=1)).reshape(pixel.shape)
    step = SMOOTH
    squares = bright.reshape(pixel.shape[0] // step, step, -1, step).sum(axis=(1, 3))
    kind = np.kron(squares, np.ones((step, step)))
    low, high = np.quantile(squares, [0.4, 0.6])
    rows = []
    (folder / "grid").mkdir()
    for top in range(0, pixel.shape[0], BLOCK):
        for name, mask in (("dark", kind <= low), ("bright", kind >= high)):
            own = np.zeros(pixel.shape, bool)
            own[top : top + BLOCK, : pixel.shape[1] // 2] = True
            total = np.asarray(counts[pixel[own & mask]].sum(axis=0)).ravel()
            if total.sum() < 2000:
                continue
            file = f"{name}_{top}.txt"
            with (folder / "grid" / file).open("w") as out:
                out.write(f"# Source: {path.name}, rows {top} to {top + BLOCK - 1}\n")
                out.write("# Deadtime Correction: on\nChannel\tm/z\tIntensity\n")
                for channel, mz, n in zip(image.channel, image.mz, total, strict=True):
                    out.write(f"{channel}\t{mz:.6f}\t{n:.0f}\n")
            rows.append([file, f"block {top}", 1, "reference", name, name, "positive"])
    with (folder / "grid" / "samples.csv").open("w", newline="") as out:
        sheet = csv.writer(out)
        sheet.writerow("file sample spot role compound expected polarity".split())
        sheet.writerows(rows)
    for stage in ("peaks", "tune", "evaluate", "train"):
        _ionprint(folder, stage, *CHOICES)
    shutil.copy(path, folder / "grid.h5")
    _ionprint(
        folder, "maps", "grid.h5", "--model", "outputs/model", "maps.bin=8", "maps.least_counts=30"
    )


def _ionprint(folder: Path, *words: str) -> None:
    subprocess.run([sys.executable, "-m", "ionprint.cli", *words], cwd=folder, check=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("image", type=Path)
    parser.add_argument("folder", type=Path, help="a new one, to work in")
    options = parser.parse_args()
    main(options.image, options.folder)
