"""Isotope satellites stand with their parent."""

import pandas as pd

from ionprint.models.families import families, with_families


def ranking():
    rows = [
        ("LiH", 1, 8.0313, "[6Li]H2", "LiH2", 0.9),
        ("LiH", 2, 12.5, "", "", 0.8),
        ("LiH", 3, 9.0322, "LiH2", "", 0.7),
        ("LiH", 4, 18.0005, "[18O]", "O", 0.6),
        ("LiH", 5, 16.9992, "[17O]", "O", 0.5),
        ("Li2O", 1, 12.5, "", "", 0.4),
        ("Li2O", 2, 9.0322, "LiH2", "", 0.3),
        ("Li2O", 3, 16.9992, "[17O]", "O", 0.2),
        ("Li2O", 4, 18.0005, "[18O]", "O", 0.1),
        ("Li2O", 5, 8.0313, "[6Li]H2", "LiH2", 0.0),
    ]
    columns = ["compound", "rank", "mz", "ion", "satellite_of", "weight"]
    return pd.DataFrame(rows, columns=columns)


def test_a_family_has_the_best_rank_of_its_members():
    found = with_families(ranking())
    own = found[found["compound"] == "LiH"]
    assert own["ion"].tolist() == ["LiH2", "[6Li]H2", "", "[18O]", "[17O]"]
    assert own["family"].tolist() == ["LiH2", "LiH2", "12.5000", "O", "O"]
    assert own["family_rank"].tolist() == [1, 1, 2, 3, 3]
    assert own["rank"].tolist() == [3, 1, 2, 4, 5]
    other = found[found["compound"] == "Li2O"]
    assert other["family_rank"].tolist() == [1, 2, 2, 3, 3]


def test_families_do_not_depend_on_the_order_of_rows():
    one = with_families(ranking())
    other = with_families(ranking()[::-1].reset_index(drop=True))
    pd.testing.assert_frame_equal(one, other)


def test_one_line_a_family_is_the_parent_with_the_best_weight():
    lines = families(with_families(ranking()))
    own = lines[lines["compound"] == "LiH"]
    # oxygen's own peak is missing: its first satellite stands for it
    assert own["ion"].tolist() == ["LiH2", "", "[18O]"]
    assert own["mz"].tolist() == [9.0322, 12.5, 18.0005]
    assert own["weight"].tolist() == [0.9, 0.8, 0.6]
    assert own["rank"].tolist() == [1, 2, 4]
    assert own["satellites"].tolist() == [1, 0, 1]
    assert own["family_rank"].tolist() == [1, 2, 3]


def test_a_ranking_without_families_has_one_a_peak():
    plain = ranking().drop(columns="satellite_of")
    lines = families(plain[::-1])
    assert len(lines) == len(plain)
    assert lines["family_rank"].tolist() == lines["rank"].tolist() == [1, 2, 3, 4, 5] * 2
    assert not lines["satellites"].any()


def test_cations_are_grouped_as_anions_are():
    ions = ranking()
    ions["ion"] = ions["ion"].where(ions["ion"] == "", ions["ion"] + "+")
    found, plain = with_families(ions), with_families(ranking())
    assert found["family"].tolist() == plain["family"].tolist()
    assert families(found)["ion"].tolist()[-3:] == ["LiH2+", "", "[18O]+"]
