"""The page of `ionprint serve` as people use it: real files, a real browser, a real server."""

import csv
import gzip
import json
import shutil

import pytest

import ionprint
from ionprint.cli import main
from ionprint.figures.formula import unicode_text
from ionprint.figures.style import compound_looks

SIZES = {"phone": (390, 844), "desktop": (1280, 900)}
KEY = "sixteen-or-more-characters"
HOSTILE = "<img src=x onerror=document.title=1><script>document.title=2<script>.txt"
REFUSED = "the server responded with a status of"
"""What a browser itself notes in its console of an answer of 4xx."""


@pytest.fixture
def opened(browser, server):
    """Open the page; it may ask nobody but its server, and nothing may go wrong in it."""
    contexts = []

    def open_it(size="desktop", scheme="light", at=server, ready="#compounds li"):
        width, height = SIZES[size]
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme
        )
        contexts.append(context)
        page = context.new_page()
        home = f"http://127.0.0.1:{at.port}/"
        page.problems, page.asked = [], []
        page.on("console", lambda m: page.problems.append(m.text) if m.type != "log" else None)
        page.on("pageerror", lambda error: page.problems.append(str(error)))
        page.on("request", lambda request: page.asked.append(request.url))
        page.goto(home)
        page.wait_for_selector(ready)
        page.home = home
        return page

    yield open_it
    for context in contexts:
        for page in context.pages:
            assert [text for text in page.problems if REFUSED not in text] == []
            outside = [url for url in page.asked if not url.startswith((page.home, "blob:"))]
            assert [url for url in outside if not url.startswith("data:")] == []
        context.close()


@pytest.fixture(scope="module")
def spectra(finished):
    """A mixture, the sample with what no reference holds, and a reference."""
    names = ("neg_sample1_s01", "neg_sample4_s01", "neg_LiH_p1_s1")
    return [finished / "data" / "spectra" / f"{name}.txt.gz" for name in names]


@pytest.fixture(scope="module")
def answers(model_folder, spectra):
    return ionprint.load(model_folder).predict(spectra)


def choose(page, *files):
    """Choose files, or contents with a name, by the button, and wait until all are done."""
    page.set_input_files("#files", files)
    done(page)


def drop(page, *paths):
    """Drop files and folders as the window system does."""
    session = page.context.new_cdp_session(page)
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        session.send("Input.dispatchDragEvent", {"type": kind, "x": 50, "y": 400, "data": data})
    page.wait_for_selector("#spectra li")
    done(page)


def done(page):
    page.wait_for_selector("#progress", state="hidden")


def line(page, path):
    return page.locator(".spectrum", has=page.get_by_role("heading", name=path.name))


def unfold(page, path):
    """Open the detail of a spectrum by the keyboard."""
    line(page, path).get_by_role("button", name=path.name).press("Enter")
    return line(page, path).locator(".detail")


def draw(page, path):
    """Open the detail of a spectrum and wait for its drawing."""
    detail = unfold(page, path)
    page.wait_for_selector(".chart .main-svg")
    return detail


def saved(page, button, path):
    with page.expect_download() as download:
        page.get_by_role("button", name=button).click()
    download.value.save_as(path)
    return path.read_bytes()


def test_dropped_spectra_are_shown_as_they_were_answered(opened, spectra, answers):
    page = opened()
    drop(page, *spectra)
    assert page.locator(".open").all_inner_texts() == [path.name for path in spectra]
    for path, answer in zip(spectra, answers, strict=True):
        there = {c: said for c, said in answer["compounds"].items() if said["present"]}
        order = sorted(there, key=lambda c: -there[c]["fraction"])
        bars = line(page, path).locator(".bars li")
        assert bars.locator(".name").all_inner_texts() == [unicode_text(c) for c in order]
        words = line(page, path).locator(".words").inner_text()
        assert words.startswith("Holds ") and all(unicode_text(c) in words for c in order)
        for n, compound in enumerate(order):
            said = there[compound]
            shown = bars.nth(n).evaluate(
                """bar => [".fill", ".whisker"].map(s => bar.querySelector(s).style)
                .flatMap(s => [parseFloat(s.left || 0), parseFloat(s.width)])"""
            )
            extent = [0, said["fraction"], said["low"], said["high"] - said["low"]]
            assert shown == pytest.approx([100 * share for share in extent], abs=1e-3)
            text = bars.nth(n).inner_text()
            low, high = (f"{100 * said[end]:.0f}" for end in ("low", "high"))
            assert f"{100 * said['fraction']:.0f}\u00a0%" in text and f"{low} to {high}" in text
            assert said["proof"] in text
    facts = unfold(page, spectra[0]).inner_text()
    assert answers[0]["holds"] in facts
    assert answers[0]["model"]["id"] in facts
    assert f"{answers[0]['scale']['error_ppm']} ppm" in facts


def test_the_alarm_names_what_is_not_explained(opened, spectra, answers):
    page = opened()
    choose(page, *spectra)
    assert answers[1]["alarm"]["outside"] and not answers[2]["alarm"]["outside"]
    alarm = line(page, spectra[1]).locator(".alarm").inner_text()
    for ion in answers[1]["alarm"]["unexplained"]:
        assert f"{unicode_text(ion['ion'], '-')} ({ion['mz']:.3f})" in alarm
    assert line(page, spectra[2]).locator(".alarm").count() == 0
    assert "1 with something that the references do not explain" in page.inner_text("#status")
    page.select_option("#order", "alarm")
    assert page.locator(".open").first.inner_text() == spectra[1].name
    page.select_option("#order", "name")
    names = page.locator(".open").all_inner_texts()
    assert names == sorted(names, key=str.lower)


def test_it_says_which_model_answers_and_that_it_is_simulated(opened, answers):
    page = opened()
    assert page.inner_text("#source").startswith("Simulated references.")
    assert page.locator("#source").bounding_box()["y"] == 0
    assert answers[0]["model"]["id"] in page.inner_text("#model")
    colors = page.locator("#compounds .chip").evaluate_all(
        "chips => chips.map(chip => chip.style.getPropertyValue('--c'))"
    )
    assert colors == [look.color for look in compound_looks(answers[0]["compounds"]).values()]
    assert not page.locator("#numbers").is_visible()
    assert not page.locator("#key-form").is_visible()


def test_the_spectrum_is_drawn_with_its_evidence(opened, spectra, answers):
    page = opened()
    choose(page, spectra[1])
    assert not any(url.endswith("plotly.js") for url in page.asked), "loaded when it is needed"
    detail = draw(page, spectra[1])
    traces, labels = detail.locator(".chart").evaluate(
        """chart => [chart.data.map(t => ({name: t.name, x: t.x, y: t.y, text: t.text,
        color: t.marker?.color, gaps: t.connectgaps})), chart.layout.annotations]"""
    )
    named = {trace["name"]: trace for trace in traces}
    lines = named["counts"]
    assert lines["x"][2::3] == [None] * (len(lines["x"]) // 3) and lines["gaps"] is False
    assert len(lines["x"]) > 3 * 300
    looks = compound_looks(answers[1]["compounds"])
    for compound, said in answers[1]["compounds"].items():
        for strength in ("strong", "weak"):
            mz = {e["mz"] for e in said["evidence"] if e["strength"] == strength}
            shown = named.get(f"{compound}, {strength}", {"x": [], "color": looks[compound].color})
            assert set(shown["x"]) == mz and shown["color"] == looks[compound].color
    foreign = {ion["mz"] for ion in answers[1]["alarm"]["unexplained"]}
    assert set(named["not explained"]["x"]) == foreign
    assert 3 <= len(labels)
    boxes = detail.locator(".annotation-text-g rect.bg").evaluate_all(
        "all => all.map(one => one.getBoundingClientRect()).map(b => [b.x, b.right, b.y, b.bottom])"
    )
    for n, (a, b, c, d) in enumerate(boxes):
        assert all(b <= e or a >= f or d <= g or c >= h for e, f, g, h in boxes[:n])

    buttons = detail.locator(".modebar-btn").evaluate_all("all => all.map(b => b.dataset.title)")
    assert "Zoom" in buttons and not [title for title in buttons if "hare" in title]

    detail.get_by_label("Counts").select_option("linear")
    detail.get_by_label("m/z from").fill("59.9")
    detail.get_by_label("to", exact=True).fill("60.1")
    page.keyboard.press("Tab")
    layout = detail.locator(".chart").evaluate("chart => chart.layout")
    assert layout["xaxis"]["range"] == [59.9, 60.1] and layout["yaxis"]["type"] == "linear"
    assert [label["text"] for label in layout["annotations"]] == ["CO₃⁻"]
    detail.get_by_role("button", name="44.9982").click()
    low, high = detail.locator(".chart").evaluate("chart => chart.layout.xaxis.range")
    assert low < 44.9982 < high


def test_a_broken_file_is_named_and_the_others_are_done(opened, spectra, tmp_path):
    cut = tmp_path / "cut.txt.gz"
    cut.write_bytes(spectra[0].read_bytes()[:2000])
    letter = tmp_path / "letter.txt"
    letter.write_text("Dear colleague,\n")
    empty = tmp_path / "empty.txt"
    empty.touch()
    page = opened()
    choose(page, cut, spectra[0], letter, spectra[2], empty)
    assert page.inner_text("#status").startswith("2 spectra read.")
    assert "3 files could not be read" in page.inner_text("#status")
    assert "cut off or damaged" in line(page, cut).inner_text()
    assert "Line 1: got 'Dear colleague,'" in line(page, letter).inner_text()
    assert "The file is empty" in line(page, empty).inner_text()
    assert line(page, spectra[2]).locator(".bars li").count() == 1


def test_names_are_text_and_never_markup(opened, spectra, finished, tmp_path):
    table = tmp_path / "areas.csv"
    with (finished / "outputs" / "model" / "peaks.csv").open() as file:
        mz = [row["mz"] for row in csv.DictReader(file)]
    with table.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["spectrum", *mz])
        rows.writerow([HOSTILE, *range(100, 100 + len(mz))])
    contents = (gzip.decompress(spectra[0].read_bytes()), table.read_bytes(), b"no spectrum")
    page = opened()
    choose(
        page,
        *(
            {"name": name, "mimeType": "text/plain", "buffer": content}
            for name, content in zip((HOSTILE, table.name, HOSTILE), contents, strict=True)
        ),
    )
    names = page.locator("#spectra h3").all_inner_texts()
    assert names == [HOSTILE, f"areas.csv: {HOSTILE}", HOSTILE]
    assert page.locator(".spectrum img, .spectrum script").count() == 0
    page.get_by_role("button", name="areas.csv").click()
    page.wait_for_selector(".chart .main-svg")
    assert "Each line is a peak's area" in page.locator(".detail:visible").inner_text()
    assert page.title() == "ionprint: read ToF-SIMS spectra"


def test_what_is_downloaded_is_what_the_command_writes(opened, spectra, model_folder, tmp_path):
    quoted = tmp_path / 'a, "quoted" name.txt'
    quoted.write_bytes(gzip.decompress(spectra[0].read_bytes()))
    comma = tmp_path / "spot 1, left ü.txt"
    shutil.copy(quoted, comma)
    formula = tmp_path / "=1+1.txt"
    shutil.copy(quoted, formula)
    files = [*spectra, comma, formula]
    page = opened()
    choose(page, *files)
    for kind in ("csv", "json"):
        written = tmp_path / f"command.{kind}"
        command = ["predict", *map(str, files), "--model", str(model_folder)]
        assert main([*command, "--format", kind, "--output", str(written)]) == 0
        downloaded = saved(page, f"Download {kind.upper()}", tmp_path / f"page.{kind}")
        assert downloaded == written.read_bytes()
        if kind == "csv":
            assert b"\n'=1+1.txt," in downloaded  # text to a spreadsheet
    assert len(json.loads(downloaded)) == len(files)


def test_folders_are_searched(opened, spectra, tmp_path):
    inside = tmp_path / "day 1" / "spot 1"
    inside.mkdir(parents=True)
    shutil.copy(spectra[0], inside)
    shutil.copy(spectra[2], inside.parent)
    (inside / "notes.md").write_text("no spectrum")
    (inside.parent / "samples.csv").write_text("no spectrum either")
    page = opened()
    drop(page, inside.parent)
    assert sorted(page.locator("#spectra h3").all_inner_texts()) == sorted(
        [spectra[0].name, spectra[2].name]
    )


def test_the_key_is_asked_for_and_kept_in_memory(opened, serve, model_folder, spectra, tmp_path):
    large = tmp_path / "large.txt"
    large.write_bytes(b"1\t" * 200_000)
    options = {"root": tmp_path, "IONPRINT_API_KEY": KEY}
    with serve(model_folder, "--max-mb", "0.25", **options) as closed:
        page = opened(at=closed, ready="#key-form:visible")
        page.set_input_files("#files", [str(spectra[0]), str(large)])
        assert page.inner_text("#status") == "2 files wait for the key."
        page.get_by_label("Key of this server").fill("another-that-is-wrong")
        page.keyboard.press("Enter")
        page.wait_for_selector("#key-problem:visible")
        page.get_by_label("Key of this server").fill(KEY)
        page.keyboard.press("Enter")
        page.wait_for_selector(".bars li")
        done(page)
        assert not page.locator("#key-form").is_visible()
        assert "larger than this server takes" in line(page, large).inner_text()
        with page.expect_response("**/predict?include=profile") as answer:
            unfold(page, spectra[0])
        assert answer.value.ok
        kept = page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]")
        assert kept == [0, 0, ""] and KEY not in page.url
        page.reload()
        page.wait_for_selector("#key-form:visible")


def test_a_lost_network_is_told_and_tried_again(opened, spectra):
    page = opened()
    page.context.set_offline(True)
    choose(page, spectra[0])
    assert "The server does not answer" in line(page, spectra[0]).inner_text()
    page.context.set_offline(False)
    page.get_by_role("button", name="Try the failed ones again").click()
    page.wait_for_selector(".bars li")
    page.get_by_role("button", name="Clear the list").click()
    assert page.locator("#spectra li").count() == 0
    page.problems = [text for text in page.problems if "ERR_INTERNET_DISCONNECTED" not in text]


@pytest.mark.parametrize(("size", "scheme"), [("phone", "dark"), ("desktop", "light")])
def test_nothing_is_cut_off(opened, spectra, size, scheme):
    page = opened(size, scheme)
    choose(page, *spectra)
    draw(page, spectra[1])
    assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[size][0]
    wide = page.evaluate(
        """[...document.querySelectorAll("p, h1, h2, h3, li, dd, .wide, .chart, label, button")]
        .filter(e => !e.closest(".wide table") && e.getBoundingClientRect().right > innerWidth + 1)
        .map(e => e.outerHTML)"""
    )
    assert wide == []
    back = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (back == "rgb(255, 255, 255)") == (scheme == "light")


def test_a_detail_closed_before_its_spectrum_is_there(opened, spectra):
    page = opened()
    choose(page, spectra[0])
    shown = line(page, spectra[0])
    button = shown.get_by_role("button", name=spectra[0].name)
    with page.expect_response("**/predict?include=profile"):
        button.press("Enter")
        button.press("Enter")
    page.wait_for_load_state("networkidle")
    button.press("Enter")
    shown.locator(".main-svg").first.wait_for()


def test_the_keyboard_reaches_everything(opened, spectra):
    page = opened()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent").startswith("Skip")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    choose(page, *spectra)
    unnamed = page.evaluate(
        """[...document.querySelectorAll("input, select, button")]
        .filter(e => !(e.labels?.length || e.textContent.trim())).map(e => e.outerHTML)"""
    )
    assert unnamed == []
    button = line(page, spectra[0]).get_by_role("button", name=spectra[0].name)
    button.press("Space")
    assert button.get_attribute("aria-expanded") == "true"
    assert line(page, spectra[0]).locator(".detail").is_visible()
    button.press("Enter")
    assert not line(page, spectra[0]).locator(".detail").is_visible()
    levels = page.evaluate("[...document.querySelectorAll('h1,h2,h3')].map(e => +e.tagName[1])")
    assert levels[0] == 1 and levels.count(1) == 1
