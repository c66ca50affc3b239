"""Who is champion: the first, then whoever is not worse on the same data."""

import pytest
from toy_project import write_results

from ionprint.tracking.registry import by_hand
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


def test_other_data_do_not_move_the_champion(root):
    import mlflow

    log(root, "otherdata", "old", seed=1)
    new = log(root, "otherdata", "new", seed=2, score=(1.0, 1.0, 0.0), data="b")
    assert not new.champion
    assert "another data" in new.message
    assert "make ui" in new.message
    assert by_hand("otherdata", 2) in new.message
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
