"""Many tasks of one kind on Dask: threads of this process, processes beside it, or a cluster."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ionprint.errors import ClusterError

if TYPE_CHECKING:
    from distributed import Client, Future

THREADS, CLUSTER = "threads", "cluster"
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
WAIT = "30s"
"""How long a scheduler may take to answer."""


@dataclass(frozen=True)
class Where:
    """Where tasks run.

    Attributes
    ----------
    name : str
        `threads` of this process, or a local `cluster` of processes.
    workers : int or None
        How many; None: as many as there are processors.
    address : str or None
        Of a running scheduler, e.g. tcp://127.0.0.1:8786, in place of both.
    """

    name: str = THREADS
    workers: int | None = None
    address: str | None = None


@dataclass(frozen=True)
class Lost:
    """In place of a result: workers died of this task again and again.

    Attributes
    ----------
    why : str
    """

    why: str


class Pool:
    """Workers that take tasks; see `pool`.

    Parameters
    ----------
    client : distributed.Client or None
        None: threads of this process.
    workers : int or None
        How many threads.
    """

    def __init__(self, client: "Client | None", workers: int | None) -> None:
        self._client, self._workers = client, workers

    def run(
        self,
        function: Callable[[Any, Any], Any],
        common: Any,
        items: Sequence[Any],
        advance: Callable[[], None] = lambda: None,
    ) -> list[Any]:
        """Call a function for each item.

        Parameters
        ----------
        function : callable
            Takes `common` and an item. It may be called again for an item whose worker died, so
            what it writes it must write whole. What it returns or raises travels between processes.
        common : object
            Sent to each worker once.
        items : sequence
        advance : callable, optional
            Called after each item.

        Returns
        -------
        list
            In the order of the items, however many workers there are; `Lost` where no worker
            survived.

        Raises
        ------
        ClusterError
            The scheduler went away.
        """
        if not items:
            return []
        if self._client is None:
            return self._on_threads(function, common, items, advance)
        return self._on_cluster(function, common, items, advance)

    def _on_threads(
        self, function: Callable, common: Any, items: Sequence[Any], advance: Callable[[], None]
    ) -> list[Any]:
        import dask
        from dask.callbacks import Callback

        class Told(Callback):
            def _posttask(self, key: Any, *rest: Any) -> None:
                advance()

        task = dask.delayed(lambda n: function(common, items[n]), pure=False, traverse=False)
        tasks = [task(n) for n in range(len(items))]
        with Told():
            options = {"scheduler": THREADS, "num_workers": self._workers}
            return list(dask.compute(*tasks, optimize_graph=False, **options))

    def _on_cluster(
        self, function: Callable, common: Any, items: Sequence[Any], advance: Callable[[], None]
    ) -> list[Any]:
        # a task of its own, which each worker fetches once: unlike scattered data it is made again
        # where all workers that held it have died
        sent = self._client.submit(_given, common, pure=False)
        self._client.replicate([sent])  # work goes first where it is
        found = self._results(function, sent, items, range(len(items)), advance)
        # all that wait at a worker that dies are suspected; alone, only what killed it is lost
        for n in [n for n, one in found.items() if isinstance(one, Lost)]:
            found |= self._results(function, sent, items, [n], lambda: None)
        return [found[n] for n in range(len(items))]

    def _results(
        self,
        function: Callable,
        sent: "Future",
        items: Sequence[Any],
        numbers: Sequence[int],
        advance: Callable[[], None],
    ) -> dict[int, Any]:
        """Return the results of some items by their numbers."""
        from distributed import KilledWorker, as_completed

        some = [items[n] for n in numbers]
        futures = self._client.map(_called, some, function=function, common=sent, pure=False)
        place = {future.key: n for n, future in zip(numbers, futures, strict=True)}
        found: dict[int, Any] = {}
        try:
            waiting = as_completed(futures, loop=self._client.loop)
            for future in waiting:
                if future.status in ("lost", "pending"):
                    waiting.add(future)  # its result went with its worker and is made again
                    continue
                if future.status == "finished":
                    found[place[future.key]] = future.result()
                elif future.status == "error":
                    error = future.exception()
                    if not isinstance(error, KilledWorker):
                        raise error
                    died = error.allowed_failures + 1
                    found[place[future.key]] = Lost(f"{died} workers died while they were at it")
                else:
                    raise ClusterError(
                        f"the Dask scheduler went away ({future.status}); start again, what is "
                        f"finished is kept"
                    )
                future.release()
                advance()
        except BaseException:
            self._client.cancel(futures)
            raise
        return found


def _given(common: Any) -> Any:
    return common


def _called(item: Any, function: Callable[[Any, Any], Any], common: Any) -> Any:
    return function(common, item)


@contextlib.contextmanager
def pool(where: Where) -> Iterator[Pool]:
    """Reach a scheduler, or start workers for as long as the block lasts.

    Raises
    ------
    ClusterError
        No scheduler answers at the address, or it has no workers.
    """
    if where.address is None and where.name == THREADS:
        yield Pool(None, where.workers)
        return
    import logging

    import dask
    from distributed import Client, LocalCluster

    if where.address is not None:
        try:
            client = Client(where.address, timeout=WAIT, set_as_default=False)
        except (OSError, ValueError, TimeoutError) as exc:
            raise ClusterError(
                f"dask.address={where.address}: no Dask scheduler answers there ({exc}); start one "
                f"with `dask scheduler`, and workers with `dask worker {where.address}`"
            ) from exc
        with client:
            try:
                client.wait_for_workers(1, timeout=WAIT)
            except TimeoutError as exc:
                raise ClusterError(
                    f"dask.address={where.address}: the scheduler has no workers; start some with "
                    f"`dask worker {where.address}`"
                ) from exc
            yield Pool(client, None)
        return
    # without Dask's own MALLOC_TRIM_THRESHOLD_, with which glibc gives freed memory back at once to
    # get it anew for every batch: half the speed
    kept = {"distributed.nanny.pre-spawn-environ": dict.fromkeys(ONE_THREAD, "1")}
    with (
        dask.config.set(kept),
        LocalCluster(
            n_workers=where.workers,
            threads_per_worker=1,
            processes=True,
            dashboard_address="127.0.0.1:0",
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield Pool(client, None)
