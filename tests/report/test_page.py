"""The page and its charts from hand-made tables: their numbers mean nothing."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ionprint.figures.profiles import Proof
from ionprint.figures.style import compound_looks
from ionprint.report.charts import charts
from ionprint.report.page import WIDTH, Page, Picture, render, script_text
from ionprint.report.sentences import Finding
from ionprint.spectra.spectrum import Spectrum

SCORE = {"folds": "grouped", "units": 3, "unit": "sample", "mistaken": 1}
SCORE |= {
    f"{m}{end}": 0.9 for m in ("accuracy", "f1_macro", "log_loss") for end in ("", "_low", "_high")
}


@pytest.fixture
def make_page(tmp_path):
    Image.new("RGB", (3000, 600)).save(tmp_path / "ranking.png")

    def made(**changes):
        finding = Finding("<b>foil</b> & co", "anode", 1, "", "Holds LiH.", "", "", "")
        picture = Picture("ions", "ranking", "Ions", "Bars of ions.", tmp_path / "ranking.png")
        values = {
            "name": "mine", "source": "measured", "polarity": "negative",
            "compounds": ["Li2O", "LiH"], "measured": [("spectra", "3")],
            "roles": pd.DataFrame([{"role": "anode", "sample": "foil", "spectra": 1}]),
            "findings": [finding], "proof": None, "ranking": None,
            "metrics": {"score": SCORE, "grouped": SCORE, "meaning": "none", "permutation": None},
            "checks": None, "left_out": ["No depth profile."], "charts": {}, "settings": [],
            "pictures": [picture], "config": "seed: 0",
        }  # fmt: skip
        return render(Page(**values | changes))

    return made


def test_measured_and_simulated_are_told_apart(make_page):
    measured, simulated = make_page(), make_page(source="simulated")
    assert '<body class="measured">' in measured and "Simulated" not in measured
    assert '<body class="simulated">' in simulated and "Simulated: mine" in simulated
    assert "No instrument measured these spectra" in simulated


def test_names_cannot_become_markup(make_page):
    html = make_page()
    assert "&lt;b&gt;foil&lt;/b&gt; &amp; co" in html and "<b>foil" not in html
    data = {"samples": [], "mz": [1.0], "note": "</script><script>alert(1)"}
    assert "</script><script>alert" not in make_page(charts=data)


@pytest.mark.parametrize("name", ["<!-- <script>", "<!--<script", "</SCRIPT ", "<a href='x'>"])
def test_names_cannot_open_an_element_either(make_page, name):
    assert script_text({"name": name}).count("<") == 0
    assert json.loads(script_text([name])) == [name]
    data = {"samples": [], "mz": [1.0], "note": name}
    assert name not in make_page(charts=data)


def test_without_charts_no_library_is_in_the_page(make_page):
    html = make_page()
    assert len(html) < 100_000
    assert "Plotly.react" in html and "plotly.js v" not in html


def test_what_was_left_out_is_said(make_page):
    html = make_page()
    assert "<li>No depth profile.</li>" in html
    assert "No checks were made." in html and "no ions were ranked" in html


def test_pictures_are_shrunk_and_told(make_page):
    html = make_page()
    width, height, alt = re.search(r'width="(\d+)" height="(\d+)" alt="([^"]+)"', html).groups()
    assert (int(width), int(height), alt) == (WIDTH, 320, "Bars of ions.")


def test_nothing_to_read_is_said(make_page):
    assert "no mixture and no anode" in make_page(findings=[])


STEP = 0.001
COUNTS = np.zeros(6000)
COUNTS[2640:2660] = 5.0  # around m/z 7.02


@pytest.fixture
def numbers():
    explained = pd.DataFrame(
        {
            "sample": "foil", "mz": [7.0166, 9.0322, 18.998], "ion": ["[7Li]", "LiH2", ""],
            "counts": [60.0, 30.0, 10.0], "explained_Li2O": [20.0, 0.0, 0.0],
            "explained_LiH": [40.0, 20.0, 0.0], "foreign": [0.0, 0.0, 0.6],
        }
    )  # fmt: skip
    row = {"sample": "foil", "role": "anode", "present_Li2O": 0.0, "present_LiH": 1.0}
    row |= {"fraction_Li2O": 0.1, "fraction_LiH": 0.9, "proof_Li2O": "", "proof_LiH": "strong"}
    ion = {"compound": "LiH", "mz": 7.0166, "ion": "[7Li]", "lower": 7.0, "upper": 7.05}
    claims = pd.DataFrame([{**ion, "called": 1, "background": 0.0}])
    spectrum = Spectrum("foil", COUNTS, 0.0, STEP)
    proof = Proof(row, claims, False, spectrum, {"LiH": spectrum}, {"LiH": 0.6}, 0.004)
    looks = compound_looks(["Li2O", "LiH"])
    return charts(explained, pd.DataFrame([row]), looks, "-", {"foil": proof}, 5)


def test_spectra_are_per_million_with_their_parts(numbers):
    (sample,) = numbers["samples"]
    assert numbers["ions"] == ["Li⁻", "LiH₂⁻", ""]
    assert sample["counts"] == [600_000, 300_000, 100_000]
    assert {p["name"]: p["counts"][0] for p in sample["parts"]} == {"Li₂O": 2e5, "LiH": 4e5}
    assert sample["foreign"] == [False, False, True]
    json.dumps(numbers)  # plain numbers


def test_a_claim_has_its_ions_as_measured(numbers):
    (claim,) = numbers["samples"][0]["claims"]
    assert (claim["title"], claim["verdict"]) == ("LiH", "strong")
    (ion,) = claim["ions"]
    assert (ion["ion"], ion["lower"], ion["upper"]) == ("Li⁻", 7.0, 7.05)
    assert ion["x"][0] < 7.0 and ion["x"][-1] > 7.05
    assert max(ion["sample"]) == max(ion["own"]) == 50_000
    assert max(ion["others"]) == 0
