"""The same tasks on threads, on processes and on a cluster: the same results, whoever dies."""

import contextlib
import os
import signal
import socket
import time

import dask
import pytest
from distributed import LocalCluster

from ionprint import cluster
from ionprint.cluster import Lost, Where, pool
from ionprint.errors import ClusterError


@pytest.fixture(scope="module")
def processes():
    """Two worker processes beside this one; a task is lost when it has killed two."""
    quick = dask.config.set({"distributed.scheduler.allowed-failures": 1})
    with quick, pool(Where(cluster.CLUSTER, 2)) as workers:
        yield workers


@pytest.fixture(params=["threads", "processes"])
def workers(request):
    if request.param == "processes":
        yield request.getfixturevalue("processes")
    else:
        with pool(Where(workers=2)) as threads:
            yield threads


def tasks():
    """Return functions that go to other processes by value, as these do not know the tests."""

    def sleep_and_multiply(common, item):
        time.sleep(0.02 * (item % 3))
        return common["by"] * item, os.getpid(), item

    def fail_at_three(common, item):
        if item == 3:
            raise ValueError(f"{common}: 3 is no good")
        return item

    def kill_at_three(common, item):
        if item == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.05)
        return item

    def kill_once(mark, item):
        if item == 3:
            with contextlib.suppress(FileExistsError):
                os.close(os.open(mark, os.O_CREAT | os.O_EXCL))
                os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.05)
        return item

    return sleep_and_multiply, fail_at_three, kill_at_three, kill_once


WORK, FAIL, KILL, KILL_ONCE = tasks()


def test_results_come_in_the_order_of_the_items(workers):
    told = []
    found = workers.run(WORK, {"by": 10}, range(20), lambda: told.append(1))
    assert [product for product, _, _ in found] == [10 * n for n in range(20)]
    assert len(told) == 20


def test_nothing_to_do_is_done_at_once(workers):
    assert workers.run(FAIL, None, []) == []


def test_what_a_task_raises_is_raised(workers):
    with pytest.raises(ValueError, match="here: 3 is no good"):
        workers.run(FAIL, "here", range(6))
    assert workers.run(FAIL, "here", [1, 2]) == [1, 2]


def test_a_cluster_is_other_processes(processes):
    pids = {pid for _, pid, _ in processes.run(WORK, {"by": 1}, range(12))}
    assert len(pids) == 2 and os.getpid() not in pids


def test_one_worker_that_dies_loses_nothing(processes, tmp_path):
    mark = tmp_path / "died"
    assert processes.run(KILL_ONCE, str(mark), range(8)) == list(range(8))
    assert mark.exists()


def test_a_task_that_always_kills_its_worker_is_lost_and_the_others_are_done(processes):
    found = processes.run(KILL, None, range(8))
    assert isinstance(found[3], Lost)
    assert found[3].why == "2 workers died while they were at it"
    assert [n for n in found if not isinstance(n, Lost)] == [0, 1, 2, 4, 5, 6, 7]


@pytest.fixture
def nobody():
    """An address at which nobody listens."""
    with socket.socket() as port:
        port.bind(("127.0.0.1", 0))
        return f"tcp://127.0.0.1:{port.getsockname()[1]}"


def test_an_address_nobody_listens_on_is_one_clear_error(nobody, monkeypatch):
    monkeypatch.setattr(cluster, "WAIT", "1s")
    with (
        pytest.raises(ClusterError, match=f"dask.address={nobody}: no Dask scheduler answers"),
        pool(Where(address=nobody)),
    ):
        pass


def test_a_scheduler_without_workers_is_one_clear_error(monkeypatch):
    monkeypatch.setattr(cluster, "WAIT", "1s")
    with (
        LocalCluster(n_workers=0, processes=False, dashboard_address="127.0.0.1:0") as scheduler,
        pytest.raises(ClusterError, match="has no workers.*`dask worker"),
        pool(Where(address=scheduler.scheduler_address)),
    ):
        pass


@pytest.mark.parametrize("address", ["nonsense", "ftp://127.0.0.1:1", "tcp://127.0.0.1:many"])
def test_an_address_that_is_none_is_one_clear_error(address, monkeypatch):
    monkeypatch.setattr(cluster, "WAIT", "1s")
    with (
        pytest.raises(ClusterError, match=f"dask.address={address}: no Dask scheduler"),
        pool(Where(address=address)),
    ):
        pass
