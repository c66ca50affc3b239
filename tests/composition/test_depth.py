"""Depth profiles, on small made-up frames: their numbers mean nothing."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ionprint.composition.depth import (
    CHANGES,
    changes,
    find_profiles,
    repeated_median,
    smooth,
)
from ionprint.composition.sputtering import ARTEFACTS, artefacts
from ionprint.errors import DataError


def made_up(fractions, *, sample="foil", doses=None, counts=5e5, alarm="inside", half=0.05):
    """Return readings of one sample, a compound present from a fraction of 0.1 on."""
    number = len(next(iter(fractions.values())))
    frame = pd.DataFrame(
        {
            "sample": sample,
            "spot": [str(i) for i in range(number)],
            "file": [f"{sample}-{i}.txt" for i in range(number)],
            "sputter_dose": [f"{i + 1}e15" for i in range(number)] if doses is None else doses,
            "counts": counts,
            "alarm": alarm,
        }
    )
    for name, values in fractions.items():
        values = np.array(values, dtype=float)
        frame[f"present_{name}"] = values >= 0.1
        frame[f"presence_{name}"] = 1 / (1 + (0.1 / np.maximum(values, 1e-4)) ** 2)
        frame[f"fraction_{name}"] = values
        frame[f"fraction_{name}_low"] = np.maximum(values - half, 0)
        frame[f"fraction_{name}_high"] = np.minimum(values + half, 1)
    return frame


def one(frame):
    (profile,) = find_profiles(frame)
    return profile


def layers(first=5, second=5):
    """Li2CO3 above Li2O, with a sharp border."""
    carbonate = np.r_[np.full(first, 0.95), np.full(second, 0.01)]
    return {"Li2CO3": carbonate, "Li2O": 1 - carbonate}


def happened(profile):
    table = changes(profile)
    return list(zip(table["kind"], table["compound"], table["step"], strict=True))


class TestFindProfiles:
    def test_steps_rise_in_dose(self):
        frame = made_up({"a": [0.1, 0.2, 0.3, 0.4, 0.5]}, doses=["5e15", "1e15", 4e15, "0", "2e15"])
        profile = one(frame)
        assert profile.unit == "ions/cm2"
        assert profile.dose.tolist() == [0, 1e15, 2e15, 4e15, 5e15]
        assert profile.steps["fraction_a"].tolist() == [0.4, 0.2, 0.5, 0.3, 0.1]
        assert profile.steps["step"].tolist() == [1, 2, 3, 4, 5]

    @pytest.mark.parametrize(
        "doses", [[""] * 6, ["4e15"] * 6, ["1e15", "2e15", "3e15", "4e15", "4e15", ""], [None] * 6]
    )
    def test_few_doses_are_no_profile(self, doses):
        assert find_profiles(made_up({"a": [0.5] * 6}, doses=doses)) == []

    def test_a_table_without_doses_has_no_profile(self):
        assert find_profiles(made_up({"a": [0.5] * 6}).drop(columns="sputter_dose")) == []

    def test_times_will_do(self):
        frame = made_up({"a": [0.5] * 5}, doses="").assign(sputter_time=range(0, 50, 10))
        profile = one(frame)
        assert profile.unit == "s"
        assert profile.text(profile.dose[1]) == "10 s"
        assert smooth(profile)["unit"].unique() == ["s"]

    def test_times_are_used_where_the_dose_is_the_same(self):
        frame = made_up({"a": [0.5] * 5}, doses="4e15").assign(sputter_time=range(5))
        assert one(frame).unit == "s"

    def test_spots_of_a_dose_are_averaged(self):
        frame = made_up(
            {"a": [0.05, 0.2, 0.3, 0.4, 0.5, 0.6]},
            doses=["1e15", "1.0E+15", "2e15", "3e15", "4e15", "5e15"],
            counts=[100, 400, 1, 1, 1, 1],
            alarm=["inside", "outside", *["inside"] * 4],
        )
        step = one(frame).steps.iloc[0]
        assert step["spectra"] == 2
        assert step["counts"] == pytest.approx(200)
        assert step["alarm"] == "outside"
        assert step["present_a"]
        assert step["fraction_a"] == pytest.approx(0.125)
        assert step["presence_a"] == pytest.approx(0.5)  # log odds of 0.2 and 0.8
        width = step["fraction_a_high"] - step["fraction_a_low"]
        assert width == pytest.approx(0.1)  # as wide as that of one spot

    def test_spectra_without_dose_are_named(self):
        doses = ["1e15", "nan", "2e15", "3e15", "", "4e15", "5e15"]
        profile = one(made_up({"a": [0.5] * 7}, doses=doses))
        assert profile.without_dose == ["foil-1.txt", "foil-4.txt"]
        assert len(profile.steps) == 5

    def test_samples_stay_apart_and_in_order(self):
        frames = [
            made_up({"a": [0.5] * 5}, sample="z"),
            made_up({"a": [0.5] * 3}, sample="m"),
            made_up({"a": [0.2] * 6}, sample="b"),
        ]
        profiles = find_profiles(pd.concat(frames, ignore_index=True))
        assert [p.sample for p in profiles] == ["z", "b"]
        assert [len(p.steps) for p in profiles] == [5, 6]

    @pytest.mark.parametrize("bad", ["deep", "-1e15", "1,5e15", "inf"])
    def test_a_bad_dose_is_named(self, bad):
        frame = made_up({"a": [0.5] * 6}, doses=["1e15", "2e15", "3e15", "4e15", "5e15", bad])
        with pytest.raises(DataError, match=rf"1 spectra of 'foil' (?s:.*)5.txt: .* '{bad}'"):
            find_profiles(frame)

    def test_words_alone_are_no_doses(self):
        assert find_profiles(made_up({"a": [0.5] * 5}, doses="unknown")) == []

    @pytest.mark.parametrize("column", ["counts", "present_a", "fraction_a_low"])
    def test_a_missing_column_is_named(self, column):
        frame = made_up({"a": [0.5] * 5}).drop(columns=column)
        with pytest.raises(DataError, match=f"lack {column}"):
            find_profiles(frame)

    def test_readings_of_no_compound(self):
        frame = made_up({"a": [0.5] * 5})[["sample", "file", "counts", "sputter_dose"]]
        with pytest.raises(DataError, match="lack presence_<compound>"):
            find_profiles(frame)

    def test_a_reading_that_is_no_number_is_named(self):
        frame = made_up({"a": [0.5] * 5})
        frame.loc[2, "fraction_a"] = np.nan
        with pytest.raises(DataError, match=r"foil-2.txt: fraction_a is nan"):
            find_profiles(frame)

    def test_the_alarm_may_be_missing(self):
        profile = one(made_up({"a": [0.5] * 5}).drop(columns="alarm"))
        assert (profile.steps["alarm"] == "inside").all()


class TestSmooth:
    def test_one_bad_step_goes(self):
        values = [0.8, 0.8, 0.8, 0.0, 0.8, 0.8, 0.0, 0.0, 0.0]
        table = smooth(one(made_up({"a": values, "b": [0.0] * 9})))
        own = table[table["compound"] == "a"]
        assert own["fraction"].tolist() == [0.8] * 6 + [0.0] * 3
        assert own["present"].tolist() == [True] * 6 + [False] * 3
        assert own["fraction_read"].tolist() == values
        assert own["present_read"].tolist() == [v > 0 for v in values]
        assert table["step"].tolist() == np.repeat(range(1, 10), 2).tolist()

    def test_an_edge_and_two_steps_stay(self):
        values = [0.9, 0.9, 0.0, 0.0, 0.7, 0.7, 0.0]
        assert repeated_median(np.array(values)).tolist() == values

    def test_intervals_grow_no_narrower(self):
        frame = made_up({"a": [0.4, 0.5, 0.45, 0.5, 0.55, 0.4]})
        table = smooth(one(frame))
        assert np.allclose(table["high"] - table["low"], 0.1)

    @settings(max_examples=20, deadline=None)
    @given(st.lists(st.floats(0, 1, width=16), min_size=5, max_size=30))
    def test_order_of_rows_does_not_matter(self, values):
        frame = made_up({"a": values, "b": [1 - v for v in values]})
        shuffled = frame.sample(frac=1, random_state=1)
        for table in (smooth, changes, artefacts):
            pd.testing.assert_frame_equal(table(one(frame)), table(one(shuffled)))

    @given(st.lists(st.floats(0, 1), min_size=3, max_size=40))
    def test_medians_settle_between_their_ends(self, values):
        values = np.array(values)
        low, middle, high = repeated_median(np.stack([values - 0.1, values, values + 0.1], 1)).T
        assert (low <= middle).all() and (middle <= high).all()
        assert np.array_equal(repeated_median(middle), middle)
        assert middle[0] == values[0] and middle[-1] == values[-1]
        assert values.min() <= middle.min() and middle.max() <= values.max()

    @given(st.lists(st.booleans(), min_size=5, max_size=40))
    def test_no_answer_stands_alone(self, answers):
        calm = repeated_median(np.array(answers))
        inner = calm[1:-1]
        assert ((inner == calm[:-2]) | (inner == calm[2:])).all()

    @given(st.lists(st.floats(0, 1), min_size=5, max_size=20), st.floats(0, 1))
    def test_a_threshold_may_come_before_or_after(self, scores, threshold):
        scores = np.array(scores)
        before = repeated_median(scores >= threshold) > 0.5
        assert np.array_equal(before, repeated_median(scores) >= threshold)


class TestChanges:
    def test_one_layer_on_another(self):
        profile = one(made_up(layers()))
        assert happened(profile) == [
            ("surface", "Li2CO3", 1),
            ("largest", "Li2CO3", 1),
            ("appears", "Li2O", 6),
            ("overtakes", "Li2O", 6),
            ("largest", "Li2O", 6),
            ("disappears", "Li2CO3", 6),
        ]
        table = changes(profile).set_index(["kind", "compound"])
        assert table.loc[("overtakes", "Li2O"), "other"] == "Li2CO3"
        assert table.loc[("overtakes", "Li2O"), "text"] == (
            "from 6e15 ions/cm2 (step 6) on Li2O is the largest, before it Li2CO3"
        )
        assert table.loc[("appears", "Li2O"), "text"] == (
            "Li2O appears at 6e15 ions/cm2 (step 6); at 5e15 ions/cm2 it is not yet there"
        )
        assert table.loc[("surface", "Li2CO3"), "text"] == (
            "Li2CO3 is there from the first step on (1e15 ions/cm2): 0.95 (0.90 to 1.00) "
            "of the signal"
        )
        largest = table.loc[("largest", "Li2O")]
        assert (largest["first_step"], largest["last_step"]) == (6, 10)

    def test_a_single_step_changes_nothing(self):
        values = layers(10, 0)
        values["Li2CO3"][5], values["Li2O"][5] = 0.0, 1.0
        assert happened(one(made_up(values))) == [("surface", "Li2CO3", 1)]

    def test_wide_intervals_bear_no_change_out(self):
        frame = made_up({"a": [0.12] * 5 + [0.08] * 5, "b": [0.88] * 5 + [0.92] * 5}, half=0.1)
        assert [kind for kind, *_ in happened(one(frame))] == ["surface", "surface"]

    def test_a_layer_comes_and_goes(self):
        frame = made_up({"a": [0.0] * 4 + [0.6] * 4 + [0.0] * 4, "b": [0.0] * 12})
        kinds = happened(one(frame))
        assert kinds == [("appears", "a", 5), ("largest", "a", 5), ("disappears", "a", 9)]

    def test_no_overtaking_among_absent_compounds(self):
        # a and c never meet: b lies between them
        values = {
            "a": [0.9] * 4 + [0.02] * 8,
            "b": [0.05] * 4 + [0.9] * 4 + [0.05] * 4,
            "c": [0.0] * 8 + [0.9] * 4,
        }
        table = changes(one(made_up(values)))
        overtaking = table[table["kind"] == "overtakes"]
        assert list(zip(overtaking["compound"], overtaking["other"], strict=True)) == [
            ("b", "a"),
            ("c", "b"),
        ]

    def test_a_slow_meeting_says_from_where_it_is_sure(self):
        a = np.linspace(0.8, 0.2, 13)
        table = changes(one(made_up({"a": a, "b": 1 - a}, half=0.11)))
        row = table[table["kind"] == "overtakes"].iloc[0]
        assert (row["compound"], row["step"]) == ("b", 8)
        assert row["text"].endswith("on b is the largest, before it a; sure from step 10 on")

    def test_nothing_there(self):
        table = changes(one(made_up({"a": [0.0] * 6})))
        assert table.empty and list(table) == CHANGES


def kinds(profile):
    return artefacts(profile)["kind"].tolist()


class TestArtefacts:
    def test_a_calm_profile_has_none(self):
        table = artefacts(one(made_up({"a": [0.5] * 12})))
        assert table.empty and list(table) == ARTEFACTS

    @pytest.mark.parametrize("factor", [0.3, 3.0])
    @pytest.mark.parametrize("step", [2, 8, 14])
    def test_a_jump_is_seen(self, factor, step):
        counts = 5e5 * np.exp(0.05 * np.random.default_rng(4).standard_normal(15))
        counts[step - 1] *= factor
        table = artefacts(one(made_up({"a": [0.5] * 15}, counts=counts)))
        assert table["kind"].tolist() == ["jump"]
        assert table["step"].tolist() == [step]
        assert table["value"][0] == pytest.approx(factor, rel=0.15)

    def test_an_edge_is_no_jump(self):
        counts = np.r_[np.full(7, 6e5), np.full(7, 1e5)]
        assert kinds(one(made_up({"a": [0.5] * 14}, counts=counts))) == []

    def test_a_trend_is_no_jump(self):
        counts = 1e6 * np.exp(-0.3 * np.arange(15))
        assert "jump" not in kinds(one(made_up({"a": [0.5] * 15}, counts=counts)))

    def test_counts_of_the_surface_settle(self):
        counts = np.r_[9e5, 7e5, np.full(10, 3e5)] + np.arange(12)
        table = artefacts(one(made_up({"a": [0.5] * 12}, counts=counts)))
        assert table["kind"].tolist() == ["surface"]
        assert (table["step"][0], table["last_step"][0], table["value"][0]) == (1, 2, 2)
        assert "total counts have not settled" in table["text"][0]

    def test_alarms_at_the_surface_and_below(self):
        alarm = ["outside"] * 2 + ["inside"] * 3 + ["outside", "inside"] + ["outside"] * 3
        table = artefacts(one(made_up({"a": [0.5] * 10}, alarm=alarm)))
        found = list(zip(table["kind"], table["step"], table["last_step"], strict=True))
        assert found == [("surface", 1, 2), ("unknown", 8, 10)]

    def test_an_alarm_all_the_way_is_no_matter_of_the_surface(self):
        assert kinds(one(made_up({"a": [0.5] * 10}, alarm="outside"))) == ["unknown"]

    def test_a_tail_has_its_decay_dose(self):
        values = np.r_[np.full(6, 0.9), 0.9 * np.exp(-np.arange(1, 13) / 2.5)]
        table = artefacts(one(made_up({"a": values})))
        assert table["kind"].tolist() == ["tail"]
        assert table["value"][0] == pytest.approx(2.5e15)
        assert "falls to 1/e every 2.5e15 ions/cm2" in table["text"][0]
        # on a straight line from exp(-0.4) at 7e15 to exp(-0.8) at 8e15
        assert "half its height, 7.77e15 ions/cm2" in table["text"][0]

    def test_a_sharp_end_has_no_tail(self):
        assert kinds(one(made_up({"a": [0.9] * 6 + [0.4] + [0.0] * 6}))) == []

    def test_a_beam_product_is_a_possibility(self):
        table = artefacts(one(made_up(layers())))
        assert table["kind"].tolist() == ["beam product"]
        assert table["compound"].tolist() == ["Li2O"]
        assert "may be formed" in table["text"][0] and "or lie below it" in table["text"][0]

    def test_no_beam_product_without_a_match(self):
        values = {
            "Li2CO3": [0.9] * 4 + [0.0] * 8,
            "LiH": [0.0] * 4 + [0.9] * 4 + [0.0] * 4,
            "Li2O": [0.0] * 8 + [0.9] * 4,
        }
        assert "beam product" not in kinds(one(made_up(values)))
