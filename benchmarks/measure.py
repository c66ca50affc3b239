"""Two pieces of work timed in turn, A B A B, so that a machine that slows down slows both."""

import statistics
import time
from collections.abc import Callable


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
