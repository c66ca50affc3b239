"""Two pieces of work timed in turn, A B A B, so that a machine that slows down slows both."""

import contextlib
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path


def compare(ours: Callable, plain: Callable, repeats: int, limit: float) -> float:
    """Time both in turn and print the medians and the ratio.

    Parameters
    ----------
    repeats : int
        Counted rounds, after one that is not counted.
    limit : float
        The ratio to stay below.
    """
    times: dict[Callable, list[float]] = {ours: [], plain: []}
    for round_ in range(repeats + 1):
        for work in (ours, plain):
            start = time.perf_counter()
            work()
            if round_:
                times[work].append(time.perf_counter() - start)
    ratios = [a / b for a, b in zip(times[ours], times[plain], strict=True)]
    ratio = statistics.median(ratios)
    for name, work in (("ours", ours), ("plain", plain)):
        print(
            f"  {name:<6} {statistics.median(times[work]):6.2f} s "
            f"(min {min(times[work]):.2f}, max {max(times[work]):.2f})"
        )
    print(f"  ratio  {ratio:6.2f} (of {min(ratios):.2f} to {max(ratios):.2f}; limit {limit:g})")
    return ratio


@contextlib.contextmanager
def scratch_project() -> Iterator[None]:
    """Work in a copy of the project's settings, without its results and runs."""
    root = Path(__file__).resolve().parents[1]
    with tempfile.TemporaryDirectory() as scratch:
        shutil.copytree(root / "conf", Path(scratch) / "conf")
        for name in ("dvc.yaml", "data.dvc"):
            shutil.copy(root / name, scratch)
        before = Path.cwd()
        os.chdir(scratch)
        try:
            yield
        finally:
            os.chdir(before)
