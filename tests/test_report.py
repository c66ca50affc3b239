"""The report as its readers open it: from disk, in a real browser, without a network."""

import itertools
import shutil
from pathlib import Path

import pytest

SIZES = {"phone": (390, 844), "desktop": (1280, 900)}
MOST = 8_000_000  # bytes


@pytest.fixture(scope="module")
def report(repeated, tmp_path_factory):
    """The report of the small simulated set, in a folder of its own."""
    folder = tmp_path_factory.mktemp("report")
    return Path(shutil.copy(repeated / "outputs" / "report" / "report.html", folder))


@pytest.fixture
def opened(browser, report):
    """Open the report; everything that goes wrong in it is in the list `problems` of the page."""
    contexts = []

    def open_it(size="desktop", scheme="light"):
        width, height = SIZES[size]
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme, offline=True
        )
        contexts.append(context)
        page = context.new_page()
        page.problems = []
        page.on("console", lambda m: page.problems.append(m.text) if m.type != "log" else None)
        page.on("pageerror", lambda error: page.problems.append(str(error)))
        page.on("request", lambda r: page.problems.append(r.url) if r.url[:4] == "http" else None)
        page.goto(report.as_uri())
        page.wait_for_selector("#spectrum .main-svg")
        return page

    yield open_it
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def page(browser, report):
    """One page for all tests that only look."""
    opened = browser.new_page(
        viewport=dict(zip(("width", "height"), SIZES["desktop"], strict=True))
    )
    opened.goto(report.as_uri())
    opened.wait_for_selector("#spectrum .main-svg")
    return opened


def test_the_page_is_one_small_file(report):
    text = report.read_text(encoding="utf-8")
    assert report.stat().st_size < MOST
    assert [path.name for path in report.parent.iterdir()] == ["report.html"]
    assert "<title>Simulated: lithium" in text


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_nothing_fails_and_nothing_is_cut_off(opened, size, scheme):
    page = opened(size, scheme)
    assert page.problems == []
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= SIZES[size][0]
    wide = page.evaluate(
        """[...document.querySelectorAll("p, h1, h2, h3, li, dd, figcaption, .wide, .chart, label")]
        .filter(e => e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML)"""
    )
    assert wide == []
    back = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (back == "rgb(255, 255, 255)") == (scheme == "light")


def test_simulated_is_said_at_first_sight(page):
    note = page.locator(".source")
    assert note.inner_text().startswith("Simulated data.")
    assert note.bounding_box()["y"] == 0


def test_every_sample_is_told(page):
    assert page.locator(".finding h3").all_inner_texts() == [f"sample {n}" for n in range(1, 6)]
    assert all(" of the signal" in text for text in page.locator(".finding").all_inner_texts())


def test_every_picture_has_a_text_alternative_and_is_shown(page):
    pictures = page.locator("img").all()
    assert len(pictures) >= 10
    for picture in pictures:
        assert len(picture.get_attribute("alt")) > 20
        assert picture.evaluate("e => e.complete && e.naturalWidth > 0")
    for chart in page.locator(".chart").all():
        text = page.locator(f"#{chart.get_attribute('aria-labelledby')}")
        assert chart.get_attribute("role") == "img" and len(text.inner_text()) > 20


def test_headings_and_tables_are_in_order(page):
    levels = page.evaluate("[...document.querySelectorAll('h1,h2,h3')].map(e => +e.tagName[1])")
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(later - earlier <= 1 for earlier, later in itertools.pairwise(levels))
    assert page.locator("th:not([scope])").count() == 0
    links = page.locator("nav a").all()
    assert links and all(page.locator(a.get_attribute("href")).count() == 1 for a in links)


def test_the_keyboard_chooses_sample_compound_and_range(opened):
    page = opened()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent").startswith("Skip")
    page.locator("#sample").focus()
    page.keyboard.press("ArrowDown")
    assert page.locator("#sample").input_value() == "1"
    ions = page.locator("#spectrum-table tr").count()
    assert ions == 21
    page.locator("#from").fill("20")
    page.locator("#to").fill("30")
    page.keyboard.press("Tab")
    shown = page.evaluate("document.getElementById('spectrum').layout.xaxis.range")
    assert shown == [20, 30]
    assert page.problems == []


def test_a_chosen_compound_shows_its_ions_alone(opened):
    page = opened()
    page.locator("#ranked").select_option("LiH")
    seen = page.locator(".ranked:visible")
    assert seen.count() == 1
    assert "LiH" in seen.inner_text()


def test_the_charts_show_what_was_counted(page):
    drawn = page.evaluate(
        """(() => { const trace = document.getElementById("spectrum").data[0];
        return trace.text.filter(t => t).slice(0, 3); })()"""
    )
    assert "m/z 1.008" in drawn[0] and "per million" in drawn[0]
    names = page.evaluate("document.getElementById('profiles').data.map(t => t.name)")
    assert "sample 1" in names and any(n.startswith("pure ") for n in names)


def test_it_prints(opened, tmp_path):
    page = opened()
    pdf = page.pdf(path=tmp_path / "report.pdf", format="A4")
    assert pdf.startswith(b"%PDF") and len(pdf) > 50_000
    assert page.problems == []
