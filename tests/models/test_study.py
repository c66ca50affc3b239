"""The trials of a study: kept in a file or a database, each slot once, drawn the same anywhere."""

import multiprocessing
import os
import signal
import sys
import time

import numpy as np
import pytest

from ionprint import processes
from ionprint.errors import ConfigError
from ionprint.models import shared_study
from ionprint.models.shared_study import DatabaseStudy, connect
from ionprint.models.study import Draws, JournalStudy, Trial
from ionprint.models.tuning import tune
from ionprint.models.workers import shared_out
from ionprint.processes import this_host

SPACE = {"C": {"type": "float", "low": 1e-3, "high": 1e3, "log": True}}


def bowl(params):
    return [(np.log10(params["C"]) ** 2 + fold, 0) for fold in range(3)]


def search(study, trials=14, scores=bowl):
    return tune(scores, SPACE, trials=trials, metric="log_loss", seed=0, study=study)


@pytest.fixture
def database(tmp_path):
    """Open a study of a new database; the same one at each call."""
    storages = []

    def opened(**more):
        storages.append(connect(f"sqlite:///{tmp_path}/s.db"))
        return DatabaseStudy(storages[-1], "s", "log_loss", **more)

    yield opened
    for storage in storages:
        storage.remove_session()
        storage.engine.dispose()


def rows(found):
    return found.trials.to_dict("records")


def states(study):
    return [t.state.name for t in study._all()]


@pytest.mark.parametrize("tail", [b'{"op_code":4,"worker_id"', b"{"])
def test_a_torn_line_of_the_journal_is_done_anew(tmp_path, tail):
    whole = search(JournalStudy(tmp_path / "whole", "log_loss"), 6)
    search(JournalStudy(tmp_path / "torn", "log_loss"), 4)
    with (tmp_path / "torn").open("ab") as file:
        file.write(tail)
    assert rows(search(JournalStudy(tmp_path / "torn", "log_loss"), 6)) == rows(whole)


def test_the_journal_keeps_numbers_to_the_last_bit(tmp_path):
    trial = Trial({"C": 0.1 + 0.2}, 1 / 3, 1e-300, 2)
    study = JournalStudy(tmp_path / "j", "log_loss")
    study.space = Draws(SPACE, "log_loss").space
    study.finish(0, trial)
    assert JournalStudy(tmp_path / "j", "log_loss").finished == [trial]


def test_draws_hang_on_finished_trials_and_seed_alone():
    trials = [Trial({"C": 10.0 ** (i / 5 - 1)}, abs(i - 6.0), 0.0) for i in range(15)]
    used = Draws(SPACE, "log_loss")
    for i in (3, 15, 12, 12, 15):  # grown, shrunk, the same again
        assert used.draw(trials[:i], i) == Draws(SPACE, "log_loss").draw(trials[:i], i)
    assert used.draw(trials, 1) != used.draw(trials, 2)


def test_a_database_ends_with_the_trials_of_a_file(tmp_path, database):
    found = search(database())
    assert rows(found) == rows(search(JournalStudy(tmp_path / "j", "log_loss")))
    assert rows(search(database())) == rows(found)
    assert states(database()) == ["COMPLETE"] * 14


def test_a_claim_that_was_given_back_is_done_anew(tmp_path, database):
    calls = []

    def failing(params):
        calls.append(1)
        if len(calls) == 12:
            raise KeyboardInterrupt
        return bowl(params)

    with pytest.raises(KeyboardInterrupt):
        search(database(), scores=failing)
    found = search(database())
    assert rows(found) == rows(search(JournalStudy(tmp_path / "j", "log_loss")))
    assert sorted(states(database())) == ["COMPLETE"] * 14 + ["FAIL"]


def test_more_trials_go_on_after_claims_too_many_were_given_back(tmp_path, database):
    one, two = database(), database()
    for slot in range(2):
        assert one.claim(3) == slot
    assert two.claim(3) == 2
    assert one.claim(3) is two.claim(3) is None
    for study, slot in ((one, 0), (one, 1), (two, 2)):
        study.space = Draws(SPACE, "log_loss").space
        study.finish(slot, Trial({"C": 1.0 + slot}, float(slot), 0.0))
    assert one.claim(3) is None
    assert [t.params["C"] for t in one.finished] == [1, 2, 3]
    two._fail(two._trial(two._add(None)))  # one that came too late
    assert one.claim(5) == 3
    assert two.claim(5) == 4
    assert one.claim(5) is None


def test_two_that_redo_a_slot_do_not_both_hold_it(database, monkeypatch):
    one, two = database(), database()
    one.claim(1)
    one.give_back(0)
    add, answers = two._add, []

    def late(slot):  # another worker claims the slot between look and claim
        if not answers:
            answers.append(one.claim(1))
        return add(slot)

    monkeypatch.setattr(two, "_add", late)
    assert two.claim(1) is None
    assert answers == [0]
    assert states(two) == ["FAIL", "RUNNING", "FAIL"]


def test_a_worker_elsewhere_is_waited_for_and_then_replaced(database, monkeypatch):
    now = [0.0]
    here, there = database(clock=lambda: now[0]), database()
    with monkeypatch.context() as patch:
        patch.setattr(processes, "this_host", lambda: "elsewhere")
        assert there.claim(1) == 0
    assert here.claim(1) is None
    now[0] = shared_study.PATIENCE - 1
    assert here.claim(1) is None
    now[0] = shared_study.PATIENCE + 1
    assert here.claim(1) == 0
    for study, value in ((there, 1.0), (here, 2.0)):
        study.space = Draws(SPACE, "log_loss").space
        study.finish(0, Trial({"C": value}, value, 0.0))
    assert here.claim(1) is None
    assert [t.score for t in here.finished] == [2.0]  # the late one is dropped


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_a_worker_of_this_machine_is_known_by_its_process(database, monkeypatch):
    here, other = database(), database()
    gone = multiprocessing.get_context("spawn").Process(target=int)
    gone.start()
    gone.join()
    workers = (
        (f"{this_host()}:{gone.pid}-1", True),
        (f"{this_host()}:{os.getpid()}-1", True),  # another process that had this number
        (processes.this_worker(), False),
    )
    for slot, (worker, lost) in enumerate(workers):
        with monkeypatch.context() as patch:
            patch.setattr(shared_study, "this_worker", lambda worker=worker: worker)
            other._add(None)
        assert here.claim(slot + 1) == (slot if lost else None)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("sqlite:////no/such/folder/x.db", r"tuning\.storage=sqlite:.*cannot be opened"),
        ("x.db", "no database URL"),
        ("oracel://u:secret@h/d", "no database kind"),
        ("mysql+pymysql://u:secret@h/d", "pip install 'PyMySQL'"),
        ("postgresql://u:secret@127.0.0.1:1/d?sslpassword=secret", r"u:\*\*\*@.*cannot be opened"),
    ],
)
def test_a_database_that_does_not_open_is_told_without_its_password(url, message):
    start = time.monotonic()
    with pytest.raises(ConfigError, match=message) as error:
        connect(url)
    assert "secret" not in str(error.value)
    assert time.monotonic() - start < 10


def slow(problem, fold, params):
    time.sleep(params.get("sleep", 0))
    if params.get("fail") == fold:
        raise ConfigError(f"fold {fold}")
    return problem, fold, os.getpid()


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_folds_come_back_in_order_whoever_scores_them(processes):
    with shared_out(slow, processes) as scores:
        for _ in range(2):
            found = scores(7, 5, {})
            assert [f[:2] for f in found] == [(7, i) for i in range(5)]
            assert len({f[2] for f in found}) == processes
        with pytest.raises(ConfigError, match="fold 3"):
            scores(7, 5, {"fail": 3})
    for _, _, pid in found:
        assert pid == os.getpid() or not alive(pid)


def alive(pid):
    return processes._started(pid) is not None


def hold(results):
    with shared_out(slow, 2) as scores:
        results.send([pid for _, _, pid in scores(0, 2, {})])
        time.sleep(60)


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_workers_of_a_killed_process_end(monkeypatch):
    context = multiprocessing.get_context("spawn")
    results, theirs = context.Pipe()
    parent = context.Process(target=hold, args=(theirs,))
    parent.start()
    pids = results.recv()
    assert all(map(alive, pids))
    os.kill(parent.pid, signal.SIGKILL)
    parent.join()
    deadline = time.monotonic() + 10
    while any(map(alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(alive, pids))


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_a_worker_that_is_killed_is_an_error_and_no_endless_wait():
    with shared_out(slow, 2) as scores:
        victim = scores(0, 2, {})[1][2]
        os.kill(victim, signal.SIGKILL)
        with pytest.raises(ConfigError, match="a worker process has ended"):
            scores(0, 2, {})
