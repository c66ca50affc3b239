"""Who is champion: the first, then whoever is not worse on the same data."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from toy_project import COMPOUNDS, write_results

from ionprint.tracking.champion import moves_of
from ionprint.tracking.run import log_run


def champion(name):
    import mlflow

    return int(mlflow.MlflowClient().get_model_version_by_alias(name, "champion").version)


def log(root, model, name, **of):
    cfg = write_results(root, f"{model}-{name}", **of)
    cfg.tracking.experiment = cfg.tracking.model_name = model
    return log_run(cfg).registered


@pytest.mark.parametrize(
    ("score", "wins"),
    [
        ((0.95, 0.94, 0.2), True),
        ((0.95, 0.94, 0.2000005), True),
        ((0.95, 0.94, 0.21), False),
        ((0.95, 0.93, 0.1), False),
        ((0.96, 0.5, 0.9), True),
        ((0.94, 0.99, 0.1), False),
    ],
)
def test_the_champion_is_not_worse_than_the_one_before(root, request, score, wins):
    model = request.node.name.replace("[", "-").strip("]")
    assert log(root, model, "old", seed=1).champion
    new = log(root, model, "new", seed=2, score=score)
    assert (new.version, new.champion) == (2, wins)
    assert champion(model) == (2 if wins else 1)
    assert [m.version for m in moves_of(model)] == ([1, 2] if wins else [1])


def write_spectra(outputs, rows):
    """Write what was read of spectra: role, expected, alarm, and which compounds are called."""
    rows = [
        {"role": r, "expected": e, "alarm": a, **{f"present_{c}": c in called for c in COMPOUNDS}}
        for r, e, a, called in rows
    ]
    pd.DataFrame(rows).to_csv(Path(outputs) / "composition/spectra.csv", index=False)


def test_a_version_tells_what_it_was_made_from_and_how_it_was_judged(root, monkeypatch):
    import mlflow

    monkeypatch.setenv("USER", "anna")
    monkeypatch.setattr("ionprint.tracking.results.code_version", lambda: ("c" * 40, True))
    cfg = write_results(root, "told", failed=["dummy_check"])
    rows = [
        ("mixture", "LiF+LiOH", "inside", ["LiF", "LiOH"]),
        ("mixture", "LiF+LiOH", "outside", ["LiF", "Li2CO3"]),
        ("mixture", "LiF+NaF", "outside", ["LiF"]),  # rightly outside
        ("mixture", "", "outside", ["LiF"]),
        ("anode", "LiOH", "outside", ["LiF"]),  # what is expected of an anode is not known
    ]
    write_spectra("told", rows)
    log_run(cfg)
    tags = mlflow.MlflowClient().get_model_version("told", "1").tags
    told = {k.removeprefix("ionprint."): v for k, v in tags.items()}
    assert told["data"] == "a" * 64
    assert (told["commit"], told["dirty"], told["by"]) == ("c" * 40, "true", "anna")
    assert (told["model"], told["scaling"]) == ("logistic", "minmax")
    assert told["checks_failed"] == "dummy_check"
    age = datetime.now(UTC) - datetime.fromisoformat(told["registered"])
    assert timedelta(seconds=-1) <= age < timedelta(minutes=1)
    figures = [float(told[k]) for k in ("mixtures", "presence_f1", "exactly_right", "false_alarms")]
    assert figures == pytest.approx([3, 2 * 4 / (5 + 5), 2 / 3, 1 / 2])


def test_without_known_mixtures_no_figure_of_them_is_told(root):
    import mlflow

    cfg = write_results(root, "unknown")
    write_spectra("unknown", [("anode", "LiF", "inside", ["LiF"]), ("mixture", "", "inside", [])])
    log_run(cfg)
    tags = mlflow.MlflowClient().get_model_version("unknown", "1").tags
    assert not {"ionprint.presence_f1", "ionprint.mixtures", "ionprint.false_alarms"} & {*tags}


@pytest.mark.parametrize(
    ("score", "called", "wins"),
    [
        ((0.95, 0.94, 0.2), ["LiF"], False),
        ((0.95, 0.94, 0.2), ["LiF", "LiOH"], True),
        ((0.95, 0.94, 0.1), ["LiF"], True),
    ],
)
def test_of_equal_scores_the_better_read_mixtures_count(root, request, score, called, wins):
    model = request.node.name.replace("[", "-").strip("]")
    for name, seed, of, said in (
        ("old", 1, (0.95, 0.94, 0.2), ["LiF", "LiOH"]),
        ("new", 2, score, called),
    ):
        cfg = write_results(root, f"{model}-{name}", seed=seed, score=of)
        write_spectra(cfg.outputs, [("mixture", "LiF+LiOH", "inside", said)])
        cfg.tracking.experiment = cfg.tracking.model_name = model
        new = log_run(cfg).registered
    assert new.champion == wins
    assert wins or "presence F1 0.6667, the champion's 1.0000" in new.message


def test_other_data_do_not_move_the_champion(root):
    import mlflow

    log(root, "otherdata", "old", seed=1)
    new = log(root, "otherdata", "new", seed=2, score=(1.0, 1.0, 0.0), data="b")
    assert not new.champion
    assert "version 1 stays champion: it was judged on other data" in new.message
    assert "run: ionprint promote 2 tracking.model_name=otherdata" in new.message
    about = mlflow.MlflowClient().get_model_version("otherdata", "2").description
    assert about.startswith("accuracy 1.000, f1 macro 1.000, log loss 0.000 (")
    assert about.endswith(new.message)
    assert champion("otherdata") == 1


def test_a_champion_chosen_by_hand_stays(root):
    import mlflow

    log(root, "byhand", "old", seed=1)
    cfg = write_results(root, "byhand-new", seed=2)
    cfg.tracking.experiment = cfg.tracking.model_name = "byhand"
    assert log_run(cfg).registered.champion
    mlflow.MlflowClient().set_registered_model_alias("byhand", "champion", "1")
    again = log_run(cfg).registered
    assert (again.version, again.already, again.champion) == (2, True, False)
    assert champion("byhand") == 1


def test_a_model_that_failed_a_check_is_not_champion_unless_that_was_accepted(root):
    import mlflow

    blocked = log(root, "checked", "first", failed=["far_from_class", "too_few_groups"])
    assert (blocked.version, blocked.champion) == (1, False)
    assert "failed checks: far_from_class, too_few_groups" in blocked.message
    client = mlflow.MlflowClient()
    tags = client.get_model_version("checked", "1").tags
    assert tags["ionprint.checks_failed"] == "far_from_class, too_few_groups"

    reason = {"far_from_class": "spot 3 is of another day"}
    allowed = log(root, "checked", "second", seed=2, accepted=reason)
    assert (allowed.version, allowed.champion) == (2, True)
    tags = client.get_model_version("checked", "2").tags
    assert tags["ionprint.checks_accepted"] == "far_from_class: spot 3 is of another day"

    half = {"failed": ["optimum_at_edge"], "accepted": reason, "score": (1, 1, 0)}
    assert not log(root, "checked", "third", seed=4, **half).champion
    assert champion("checked") == 2
