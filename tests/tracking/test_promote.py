"""A version meets the champion by command, and the champion before comes back."""

import shutil
import threading
from pathlib import Path

import pandas as pd
import pytest
from toy_project import write_results

from ionprint.config import compose
from ionprint.errors import ConfigError, TrackingError
from ionprint.files import read_json, write_json
from ionprint.stages import evaluate, promote, rollback, train, tune
from ionprint.tracking.champion import moves_of
from ionprint.tracking.run import log_run

BETTER, WORSE = (0.96, 0.95, 0.1), (0.94, 0.93, 0.3)


def client():
    import mlflow

    return mlflow.MlflowClient()


def champion(name):
    number = client().get_registered_model(name).aliases.get("champion")
    return number and int(number)


def state(name):
    """Return all that a command may have changed."""
    model = client().get_registered_model(name)
    versions = client().search_model_versions(f"name = '{name}'")
    return (
        dict(model.aliases),
        dict(model.tags),
        {v.version: (v.tags, v.description) for v in versions},
    )


@pytest.fixture
def name(request):
    return request.node.name.replace("[", "-").strip("]")


@pytest.fixture
def version(root, name):
    """Register a version with the score given, and return the configuration."""

    def made(score=(0.95, 0.94, 0.2), **of):
        number = len(list(root.glob(f"{name}-*"))) + 1
        cfg = write_results(root, f"{name}-{number}", seed=number, score=score, **of)
        cfg.tracking.experiment = cfg.tracking.model_name = name
        log_run(cfg)
        return cfg

    return made


def test_a_version_that_is_not_worse_becomes_champion(version, name, capsys):
    version()
    cfg = version()
    client().set_registered_model_alias(name, "champion", "1")
    promote.run(cfg)  # the newest
    out = capsys.readouterr().out
    assert f"{name} (simulated data)" in out
    assert "champion 1" in out and "candidate 2" in out
    words = {line.split()[0]: line.split() for line in out.splitlines() if line.strip()}
    assert words["accuracy"] == ["accuracy", "0.9500", "0.9500"]
    assert words["log"][2:] == ["0.2000", "0.2000"]
    assert words["folds"][1:] == ["grouped", "grouped"]
    assert words["failed"] == ["failed", "checks", "none", "none"]
    assert words["data"] == ["data", "aaaaaaaa", "aaaaaaaa"]
    assert "version 2 is champion: it is not worse than version 1" in out
    assert champion(name) == 2
    assert "version 2 is champion" in client().get_model_version(name, "2").description


def test_a_worse_version_is_refused_with_both_side_by_side(version, name, capsys):
    version()
    cfg = version(WORSE)
    before = state(name)
    with pytest.raises(TrackingError, match=r"accuracy 0.9400, the champion's 0.9500.*--force"):
        promote.run(cfg, 2)
    out = capsys.readouterr().out
    assert ["accuracy", "0.9500", "0.9400"] in [line.split() for line in out.splitlines()]
    assert state(name) == before


def test_a_reason_moves_the_champion_whatever_the_scores_say(version, name, monkeypatch):
    monkeypatch.setenv("USER", "anna")
    version()
    cfg = version(WORSE)
    promote.run(cfg, 2, force="the old one was measured by mistake")
    assert champion(name) == 2
    made = client().get_model_version(name, "2")
    reason = "the old one was measured by mistake"
    assert made.tags["ionprint.forced"] == reason
    assert client().get_run(made.run_id).data.tags["ionprint.forced"] == reason
    last = moves_of(name)[-1]
    assert (last.version, last.why, last.by) == (2, f"forced: {reason}", "anna")


def test_failed_checks_are_refused_unless_forced(version, name):
    version(WORSE)
    cfg = version(BETTER, failed=["far_from_class"])
    with pytest.raises(TrackingError, match=r"failed checks: far_from_class.*--force"):
        promote.run(cfg, 2)
    assert champion(name) == 1
    promote.run(cfg, 2, force="spot 3 is of another day")
    assert champion(name) == 2


def test_a_champion_is_left_as_it_is(version, name, capsys):
    cfg = version()
    before = state(name)
    promote.run(cfg)
    promote.run(cfg, 1, force="no need")
    assert capsys.readouterr().out.count(f"version 1 of {name} is champion already") == 2
    assert state(name) == before


def test_where_there_is_no_champion_a_sound_version_becomes_it(version, name, capsys):
    cfg = version(failed=["far_from_class"])
    version()
    client().delete_registered_model_alias(name, "champion")
    with pytest.raises(TrackingError, match="failed checks"):
        promote.run(cfg, 1)
    promote.run(cfg)
    assert champion(name) == 2
    assert "version 2 is champion: there was none" in capsys.readouterr().out


def test_what_is_not_there_is_told_with_what_is(version, name):
    cfg = version()
    with pytest.raises(TrackingError, match=f"{name} has no version 9; the newest are: 1"):
        promote.run(cfg, 9)
    cfg.tracking.model_name = "nobody"
    for stage in (promote, rollback):
        with pytest.raises(TrackingError, match=r"'nobody' is registered; .*model_name="):
            stage.run(cfg)


def test_other_data_without_the_files_to_score_on_need_a_reason(version, name, capsys):
    version()
    cfg = version(BETTER, data="b")
    before = state(name)
    with pytest.raises(TrackingError, match=r"cannot be scored on the data .*--force \"why\""):
        promote.run(cfg)
    assert state(name) == before
    promote.run(cfg, force="more pellets")
    assert champion(name) == 2
    assert "1 was judged on other data: the figures do not compare" in capsys.readouterr().out


QUICK = ["evaluation.permutations=2", "evaluation.rebuild_peaks=false"]
QUICK += ["composition.pseudo_mixtures=200"]


def real_version(cfg):
    """Tune, evaluate, train and log what the peak table holds."""
    for stage in (tune, evaluate, train):
        stage.run(cfg)
    return log_run(cfg).registered


def test_on_other_data_the_champion_s_choices_are_scored_anew(root, name, finished, capsys):
    shutil.copytree(finished / "outputs", root / "real")
    checks = "name,result,finding,accepted\ndummy,passed,,\n"
    (root / "real/checks/checks.csv").write_text(checks)
    common = ["outputs=real", f"tracking.model_name={name}", f"tracking.experiment={name}", *QUICK]

    def chosen(*choices):
        return compose([*common, *choices], Path(__file__).parents[2])

    cfg = chosen("tuning.trials=4")
    real_version(cfg)
    table = pd.read_parquet("real/peaks/peak_table.parquet")
    references = table.index[table["role"] == "reference"]
    table.drop(references[:1]).to_parquet("real/peaks/peak_table.parquet", index=False)
    about = read_json(Path("real/peaks/dataset.json"))
    write_json({**about, "sha256": "d" * 64}, Path("real/peaks/dataset.json"))

    poor = real_version(chosen("model=dummy", "tuning.trials=1"))
    assert not poor.champion and "ionprint promote 2" in poor.message
    before = state(name)
    with pytest.raises(TrackingError, match="version 2 is worse on the same data: accuracy"):
        promote.run(cfg, 2)
    assert state(name) == before

    same = real_version(cfg)
    capsys.readouterr()
    promote.run(cfg, same.version)
    out = capsys.readouterr().out
    assert "champion 1, scored anew" in out
    for line in out.splitlines():  # the same choices on the same data
        if line.startswith(("accuracy ", "macro F1 ", "log loss ", "folds ")):
            cells = line.replace("nested grouped", "nested-grouped").split()
            assert cells[-1] == cells[-2], line
    assert "not worse than version 1, whose choices were scored anew on its data" in out
    assert champion(name) == 3


def test_a_logged_configuration_that_does_not_fit_is_refused(root):
    from omegaconf import OmegaConf

    cfg = compose([], Path(__file__).parents[2])
    with pytest.raises(ConfigError, match="does not fit"):
        promote._composed(cfg, {}, OmegaConf.to_container(cfg), Path("place"))


def test_the_champion_before_comes_back_step_by_step(version, name, capsys):
    for score in (WORSE, (0.95, 0.94, 0.2), BETTER):
        cfg = version(score)
    assert champion(name) == 3
    rollback.run(cfg, reason="it calls LiF what is none")
    out = capsys.readouterr().out
    assert "version 2 is champion: rolled back from version 3: it calls LiF what is none" in out
    assert champion(name) == 2
    about = client().get_model_version(name, "3").description
    assert about.endswith("version 3 was rolled back to version 2: it calls LiF what is none")
    rollback.run(cfg)
    assert champion(name) == 1
    before = state(name)
    with pytest.raises(TrackingError, match="version 1 of .* has no champion before it"):
        rollback.run(cfg)
    assert state(name) == before
    promote.run(cfg, 3)  # it goes on from there
    rollback.run(cfg)
    assert champion(name) == 1
    assert [(m.version, m.back) for m in moves_of(name)] == [
        *((1, False), (2, False), (3, False), (2, True), (1, True)),
        *((3, False), (1, True)),
    ]


def test_back_to_a_certain_champion(version, name):
    for score in (WORSE, (0.95, 0.94, 0.2), BETTER, (0.9, 0.9, 0.9)):
        cfg = version(score)
    with pytest.raises(TrackingError, match=r"before version 3; before it were: 1, 2"):
        rollback.run(cfg, to=4)
    with pytest.raises(TrackingError, match="version 3 is champion of .* already"):
        rollback.run(cfg, to=3)
    rollback.run(cfg, to=1)
    assert champion(name) == 1
    with pytest.raises(TrackingError, match="no champion before"):
        rollback.run(cfg)


def test_a_champion_set_by_hand_is_not_lost(version, name):
    version()
    version(WORSE)
    cfg = version(WORSE)
    client().set_registered_model_alias(name, "champion", "2")
    promote.run(cfg, 3)
    told = [(m.version, m.why) for m in moves_of(name)]
    assert told[1:] == [(2, "set by hand"), (3, "it is not worse than version 2")]
    rollback.run(cfg)
    assert champion(name) == 2
    client().set_registered_model_alias(name, "champion", "3")
    rollback.run(cfg)  # from one set by hand to the one before it
    assert champion(name) == 2
    client().delete_registered_model_alias(name, "champion")
    rollback.run(cfg)  # from none
    assert champion(name) == 2


def test_a_registry_from_before_the_history_can_be_rolled_back(version, name):
    version()
    cfg = version(WORSE)
    for tag in client().get_registered_model(name).tags:
        client().delete_registered_model_tag(name, tag)
    promote.run(cfg, 2, force="try it")
    assert moves_of(name)[0].why == "champion when this history began"
    rollback.run(cfg)
    assert champion(name) == 1


def test_a_deleted_version_is_no_way_back(version, name):
    for score in (WORSE, (0.95, 0.94, 0.2), BETTER):
        cfg = version(score)
    client().delete_model_version(name, "2")
    rollback.run(cfg)
    assert champion(name) == 1


def test_a_history_changed_by_hand_is_told_or_gone_on_with(version, name):
    for score in (WORSE, (0.95, 0.94, 0.2), BETTER):
        cfg = version(score)
    client().delete_registered_model_tag(name, "ionprint.champion.0002")
    rollback.run(cfg)
    assert [m.version for m in moves_of(name)] == [1, 3, 1]
    client().set_registered_model_tag(name, "ionprint.champion.0003", "me")
    before = state(name)
    with pytest.raises(TrackingError, match="ionprint.champion.0003 .* mend or delete it"):
        promote.run(cfg, 3)
    assert state(name) == before


def test_commands_at_once_leave_one_history(version, name):
    version()
    cfgs = [version(WORSE) for _ in range(3)]
    refused = []

    def move(number):
        try:
            promote.run(cfgs[0], number, force=f"thread {number}")
        except TrackingError as error:
            assert "moved in the meantime" in str(error)
            refused.append(number)

    threads = [threading.Thread(target=move, args=(number,)) for number in (2, 3, 4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    moves = moves_of(name)
    assert len(moves) == 1 + 3 - len(refused)
    assert len(refused) < 3
    assert moves[-1].version == champion(name)


@pytest.mark.parametrize(
    ("words", "options", "rest"),
    [
        ([], {"force": None}, []),
        (["7"], {"force": None, "version": 7}, []),
        (["dataset=folder"], {"force": None}, ["dataset=folder"]),
        (["7", "--force", "a=b", "seed=1"], {"force": "a=b", "version": 7}, ["seed=1"]),
        (["--force=it is", "7"], {"force": "it is", "version": 7}, []),
    ],
)
def test_words_of_promote(words, options, rest):
    assert promote.arguments(words) == (options, rest)


@pytest.mark.parametrize("words", [["x"], ["7.5"], ["--force"], ["7", "--force", " "], ["-1"]])
def test_wrong_words_are_told(words):
    with pytest.raises(ConfigError, match="expected"):
        promote.arguments(words)
    with pytest.raises(ConfigError, match="500"):
        promote.arguments(["--force", "x" * 501])


def test_words_of_rollback():
    assert rollback.arguments(["--to", "3", "--reason", "worse", "seed=1"]) == (
        {"to": 3, "reason": "worse"},
        ["seed=1"],
    )
    assert rollback.arguments([])[0] == {"to": None, "reason": None}
    with pytest.raises(ConfigError, match="expected"):
        rollback.arguments(["--to", "champion"])
