"""Numbers at the ends of what a computer holds: each gets an answer, or the reason why not."""

import json
import math
import os
import random
import warnings

import numpy as np
import pandas as pd
import pytest

import ionprint
from ionprint.cli import main
from ionprint.errors import InputError, IonprintError

SEED = 11
RECORDS = 5000 if os.environ.get("IONPRINT_FULL") else 600
DENORMAL, EXACT = 5e-324, 2.0**53
EXTREME = (0.0, DENORMAL, 1e-310, 1e-300, 1e-30, 0.01, 0.999, 1.0, 1e8, 1e15, EXACT, 2 * EXACT)
EXTREME += (1e30, 1e150, 1e300, 1.7e308)


@pytest.fixture(scope="module")
def local(model_folder):
    return ionprint.load(model_folder)


@pytest.fixture(scope="module")
def usual(local, exports):
    """Areas of a good spectrum, on the model's peaks."""
    from ionprint.serving.given import of_file

    return local.areas_of(of_file(exports[0])[0]).areas.round(2)


def amounts(rng, usual):
    """Return as many areas as there are usual ones, of an extreme kind."""
    n, some = len(usual), [rng.choice(EXTREME) for _ in range(3)]
    place = rng.randrange(n)
    return rng.choice(
        [
            lambda: [min(x * some[0], EXTREME[-1]) for x in usual],  # JSON has no infinity
            lambda: [some[0]] * n,
            lambda: [rng.choice(EXTREME) for _ in range(n)],
            lambda: [rng.choice(some) for _ in range(n)],
            lambda: [some[0] if k == place else 0.0 for k in range(n)],
            lambda: [some[0] if k == place else x for k, x in enumerate(usual)],
            lambda: [some[0] if k == place else some[1] for k in range(n)],
            lambda: [rng.choice(some) if rng.random() < 0.02 else x for x in usual],
            lambda: [10 ** rng.uniform(-300, 300) for _ in range(n)],
            lambda: [10 ** rng.uniform(-3, 16) for _ in range(n)],
            lambda: [min(x * 10.0 ** rng.randrange(14), EXACT) for x in usual],
            lambda: [float(rng.randrange(2)) for _ in range(n)],
        ]
    )()


def record(rng, mz, usual):
    """Return a record with an extreme somewhere, on the model's own peaks or others."""
    masses = list(mz)
    areas = amounts(rng, usual)
    if rng.random() < 0.2:
        keep = sorted(rng.sample(range(len(masses)), rng.choice([1, 2, 3, 40, 600])))
        masses, areas = [masses[k] for k in keep], [areas[k] for k in keep]
    if rng.random() < 0.25:
        masses = [m * (1 + rng.uniform(-2e-4, 2e-4)) for m in masses]
    if rng.random() < 0.35:
        beside = [rng.choice([DENORMAL, 1e-300, 1e-9, 0.5, 300.5, 99_999.9, 1e5, 1e300])]
        beside += [rng.uniform(0, 200) for _ in range(rng.choice([0, 1, 20, 200]))]
        masses += beside
        areas = [*areas, *(rng.choice((*EXTREME, 50.0, 5e4)) for _ in beside)]
    made = {"mz": masses, "area": areas}
    if rng.random() < 0.15:
        made = {"mz": masses, "counts": areas}
        if rng.random() < 0.5:
            made = {"mz": [(1 + 0.002 * k) ** 2 for k in range(len(areas))], "counts": areas}
    for name in ("primary_ions", "pulses"):
        if rng.random() < 0.3:
            made[name] = rng.choice(EXTREME)
    return made


def numbers(value):
    """Return every number of an answer."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [one for item in value for one in numbers(item)]
    return [value] if isinstance(value, float) else []


def test_extreme_records_are_answered_or_told_why(server, local, usual, measured):
    rng, found = random.Random(SEED), []
    for _ in range(RECORDS):
        sent = record(rng, local.mz.tolist(), usual.tolist())
        include = rng.choice(["", "", "?include=rows", "?include=profile"])
        answer = server.predict(sent, include=include)
        found.append(answer.status)
        if answer.status == 422:
            assert all(field and reason for field, reason in answer.problems)
        elif answer.status == 200:
            assert all(map(math.isfinite, numbers(answer.json))), answer.body[:500]
    failed = sum(status >= 500 for status in found)
    measured(f"answers of 5xx to {RECORDS:,} extreme records", failed, 0)
    assert set(found) == {200, 422}
    assert found.count(200) > RECORDS / 20
    assert "RuntimeWarning" not in server.log.read_text()


def test_no_extreme_record_warns_in_python(local, usual):
    rng = random.Random(SEED + 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(150):
            try:
                (answer,) = local.predict(record(rng, local.mz.tolist(), usual.tolist()))
            except IonprintError:
                continue
            assert all(map(math.isfinite, numbers(answer)))


@pytest.mark.parametrize("largest", [DENORMAL, 1e-300, 1e-6, 0.999])
def test_relative_intensities_are_refused_in_every_door(server, local, usual, largest, tmp_path):
    areas = usual / usual.max() * largest
    titles = [f"{mz:.4f}" for mz in local.mz]
    table = pd.DataFrame([areas], columns=titles)
    path = tmp_path / "areas.csv"
    table.assign(file="a")[["file", *titles]].to_csv(path, index=False)
    peaks = {"mz": local.mz.tolist(), "area": areas.tolist()}
    for door in (peaks, table, areas, path):
        with pytest.raises(InputError, match="relative intensities.*expected counts") as refused:
            local.predict(door)
        assert refused.value.field == "area"
    bins = {"mz": [(1 + 0.002 * k) ** 2 for k in range(len(areas))], "counts": areas.tolist()}
    with pytest.raises(InputError, match="relative intensities") as refused:
        local.predict(bins)
    assert refused.value.field == "counts"
    for answer, field in (
        (server.predict(peaks), "spectra[0].area"),
        (server.predict(bins), "spectra[0].counts"),
        (server.upload((path.name, path.read_bytes())), "files[0].area"),
    ):
        assert answer.status == 422
        ((where, why),) = answer.problems
        assert where == field
        assert f"{areas.max():.3g}" in why
        assert "before they were normalised" in why


def test_the_command_line_refuses_them_too(model_folder, local, usual, tmp_path, capsys):
    path = tmp_path / "tiny.csv"
    rows = zip(local.mz, usual * 1e-200, strict=True)
    path.write_text("m/z,tiny\n" + "".join(f"{mz:.4f},{area:.6e}\n" for mz, area in rows))
    assert main(["predict", str(path), "--model", str(model_folder)]) == 2
    assert "tiny.csv: tiny is" in capsys.readouterr().err


def test_whole_ions_however_few_are_read(local, usual):
    few = np.zeros(usual.size)
    few[usual.argmax()] = 1
    (answer,) = local.predict(few)
    assert answer["counts"] == 1
    assert json.loads(local.predict(few).json())
