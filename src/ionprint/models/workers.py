"""Folds scored in several processes, each of which keeps its folds' prepared spectra."""

import contextlib
import multiprocessing
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ionprint.errors import ConfigError

Score = Callable[[int, int, Mapping[str, Any]], Any]


def cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def forks() -> bool:
    """Tell whether a copy of this process can go on computing, which saves it all imports.

    Not where a numerical library keeps threads: the copy has none of them and waits for ever.
    """
    from threadpoolctl import threadpool_info

    return sys.platform == "linux" and all(pool["num_threads"] == 1 for pool in threadpool_info())


@contextlib.contextmanager
def shared_out(score: Score, processes: int) -> Iterator[Callable]:
    """Start processes and give a function that scores all folds of a problem.

    Fold i is always scored by process i modulo their number. More processes than cores are of use:
    the system shares the cores evenly among five folds where two processes would do three and two.

    Parameters
    ----------
    score : callable
        Takes a problem, a fold and hyperparameters. Has to be picklable where processes cannot be
        copied.
    processes : int
        1: none is started.

    Yields
    ------
    callable
        Takes a problem, its number of folds and hyperparameters; returns the folds' scores in
        order. An exception raised by `score` is raised here.
    """
    if processes < 2:
        yield lambda problem, n_folds, params: [score(problem, i, params) for i in range(n_folds)]
        return
    context = multiprocessing.get_context("fork" if forks() else "spawn")
    crew = []

    def score_all(problem: int, n_folds: int, params: Mapping[str, Any]) -> list:
        found: dict[int, Any] = {}
        failed = []
        try:
            for place, (_, connection) in enumerate(crew):
                connection.send((problem, list(range(place, n_folds, processes)), params))
            for _, connection in crew:
                answer = connection.recv()
                failed += [answer] if isinstance(answer, Exception) else []
                found |= {} if failed else answer
        except (EOFError, OSError) as exc:
            raise ConfigError(
                "a worker process has ended, perhaps for want of memory; set tuning.workers=1"
            ) from exc
        if failed:  # after all have answered: the next question gets its own answer
            raise failed[0]
        return [found[i] for i in range(n_folds)]

    try:
        for _ in range(processes):
            ours, theirs = context.Pipe()
            process = context.Process(target=_work, args=(theirs, os.getpid(), score))
            with warnings.catch_warnings():
                # the copy uses numpy and scikit-learn in one thread, no other thread's locks
                warnings.filterwarnings("ignore", ".*fork.*", DeprecationWarning)
                process.start()
            theirs.close()
            crew.append((process, ours))
        yield score_all
    finally:
        for process, connection in crew:
            connection.close()
            process.terminate()
        for process, _ in crew:
            process.join()


def _work(connection: Any, parent: int, score: Score) -> None:
    """Score folds until the other side goes away."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends its workers
    with contextlib.suppress(EOFError, OSError):
        while True:
            # a killed parent closes nothing: the other workers hold copies of its end
            while not connection.poll(1):
                if os.getppid() != parent:
                    return
            problem, folds, params = connection.recv()
            try:
                answer: Any = {i: score(problem, i, params) for i in folds}
            except Exception as exc:
                answer = exc
            connection.send(answer)
