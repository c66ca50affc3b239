"""Two logged runs beside each other, found by name or id, in a real store."""

import json
from pathlib import Path

import pytest
from omegaconf import OmegaConf
from toy_project import COMPOUNDS, write_results

from ionprint.cli import main
from ionprint.errors import ConfigError, TrackingError
from ionprint.files import read_table
from ionprint.models.sealing import seal
from ionprint.stages import compare
from ionprint.tracking.compare import find_runs
from ionprint.tracking.run import log_run, start_parent


@pytest.fixture
def pair(results):
    """Two runs of one data set: in the second the first two ions have changed places."""
    cfg = OmegaConf.merge(results, {"ranking": {"first": 15}})
    name = str(cfg.outputs)
    one = log_run(cfg, name=f"{name} one", register=False)
    path = Path(name) / "ranking/ions.csv"
    ions = read_table(path)
    ions["rank"] = ions["rank"].replace({1: 2, 2: 1})
    ions.to_csv(path, index=False)
    two = log_run(cfg, name=f"{name} two, C=[1]", register=False)
    return cfg, one, two


def compared(run):
    """Return what comparisons have left with a run, by name."""
    import mlflow

    place = Path(mlflow.MlflowClient().get_run(run.run_id).info.artifact_uri) / "compared"
    return {p.relative_to(place).as_posix(): p for p in sorted(place.rglob("*")) if p.is_file()}


def test_the_comparison_is_printed_and_stands_with_both_runs(pair, capsys):
    cfg, one, two = pair
    compare.run(cfg, one.name, two.run_id)
    out = capsys.readouterr().out
    assert "no choice differs" in out
    assert "15 of 15" in out and "LiO1⁻ 1 > 2" in out.replace("₁", "1")
    assert "0.950 [0.930, 0.960]" in out
    assert "warning" not in out
    for run, other in ((one, two), (two, one)):
        held = compared(run)
        assert {Path(name).name for name in held} == {"ranks.json", "slopes.svg", "slopes.png"}
        assert all(other.run_id[:8] in name for name in held)
        table = json.loads(next(p for n, p in held.items() if n.endswith("json")).read_text())
        assert len(table["data"]) == 15 * len(COMPOUNDS)
        row = dict(zip(table["columns"], table["data"][0], strict=True))
        assert (row["rank_a"], row["rank_b"], row["change"]) == (1, 2, -1)
        assert row["run_a"].startswith(one.name) and row["run_b"].startswith(two.name)


def test_it_is_a_table_to_mlflow_and_the_same_again_leaves_nothing_more(pair, contents):
    import mlflow

    cfg, one, two = pair
    compare.run(cfg, one.run_id[:12], two.run_id[:12])
    folder = next(iter(compared(one).values())).parent.parent
    before = contents(folder)
    compare.run(cfg, one.run_id, two.name)
    assert contents(folder) == before
    client = mlflow.MlflowClient()
    run = client.get_run(one.run_id)
    told = json.loads(run.data.tags["mlflow.loggedArtifacts"])
    tables = [t["path"] for t in told if t["path"].startswith("compared/")]
    assert len(tables) == 1
    read = client.load_table(run.info.experiment_id, tables[0], [one.run_id])
    assert len(read) == 15 * len(COMPOUNDS)


def test_other_data_and_choices_are_told(pair, root, capsys):
    cfg, one, _ = pair
    other = write_results(root, f"{cfg.outputs}_other", seed=1, data="b")
    path = Path(other.outputs) / "ranking/ions.csv"
    path.write_text(path.read_text().replace("LiF", "NaF"))
    saved = OmegaConf.load(f"{other.outputs}/model/config.yaml")
    saved.seed = 7
    OmegaConf.save(saved, f"{other.outputs}/model/config.yaml")
    seal(Path(other.outputs) / "model")
    run = log_run(other, name=f"{cfg.outputs} other", register=False)
    compare.run(cfg, one.run_id, run.run_id)
    out = capsys.readouterr().out
    assert "different data sets" in out
    assert "in one run only, not compared: LiF, NaF" in out
    assert any(line.split() == ["seed", "0", "7"] for line in out.splitlines())


def test_a_run_is_found_by_name_id_or_the_beginning_of_its_id(pair):
    cfg, one, two = pair
    wanted = (one.name, two.run_id, one.run_id[:10])
    found = [run.info.run_id for run in find_runs(wanted, "outputs")]
    assert found == [one.run_id, two.run_id, one.run_id]
    with pytest.raises(TrackingError, match=r"no run '.*onne'\. Did you mean .*one or"):
        find_runs((f"{cfg.outputs} onne",), "outputs")
    checks = Path(cfg.outputs, "checks/checks.csv")
    checks.write_text(checks.read_text() + "new,passed,,\n")
    again = log_run(cfg, name=one.name, register=False)
    with pytest.raises(TrackingError, match="2 runs are meant") as told:
        find_runs((one.name,), "outputs")
    assert one.run_id[:8] in str(told.value) and again.run_id[:8] in str(told.value)
    assert str(cfg.tracking.experiment) in str(told.value)


def test_what_has_no_ranking_is_told(pair):
    cfg, one, _ = pair
    parent = start_parent(cfg, f"{cfg.outputs} sweep", "", str(cfg.outputs))
    with pytest.raises(TrackingError, match="is a sweep: give two of its runs"):
        compare.run(cfg, parent, one.run_id)
    Path(cfg.outputs, "ranking/ions.csv").unlink()
    bare = log_run(cfg, name=f"{cfg.outputs} bare", register=False)
    with pytest.raises(TrackingError, match=r"bare .* has no ion ranking to compare"):
        compare.run(cfg, one.run_id, bare.run_id)
    with pytest.raises(ConfigError, match="are one run"):
        compare.run(cfg, one.run_id, one.name)


@pytest.mark.parametrize("words", [[], ["model=logistic,scaling=minmax"]])
def test_the_command_takes_two_runs(words, capsys):
    assert main(["compare", *words]) == 2
    assert "expected `ionprint compare RUN RUN [overrides]`" in capsys.readouterr().err
