"""The page of maps as its readers open it: from disk, in a real browser, without a network."""

import re
import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import zarr

from ionprint.figures.formula import unicode_text
from ionprint.figures.maps import colors_of
from ionprint.imaging.maps import FEW, JOB, READ, UNREAD
from ionprint.imaging.regions import Region, depth_table, regions_of
from ionprint.imaging.views import views_of
from ionprint.report.maps import maps_page
from ionprint.serving.given import of_peaks

from ..conftest import make_project, run_in

SIZES = {"phone": (390, 844), "desktop": (1280, 900)}
HOSTILE = "</script><img src=x onerror=document.title=1><script>document.title=2</script>"
DRAWN = (8, 8, 23, 31)
HURT = (1, slice(40, 48), slice(40, 48))  # a block of the maps
MOST = 8_000_000  # bytes


def written(store, model, regions, folder, views=0):
    least = store.attrs[JOB]["settings"]["least_counts"]
    depth = depth_table(regions, model, least)
    return maps_page(store, model, regions, depth, views_of(store, views, 1), folder)


def with_foreign_ions(model, like):
    """The same region with far more fluoride than any reference has."""
    areas = like.areas.copy()
    areas[:, np.abs(model.mz - 18.9990).argmin()] += 20 * areas.sum(axis=1)
    answer = model.answer(of_peaks(model.mz, areas.sum(axis=0), "foreign"))
    assert answer["alarm"]["outside"]
    return Region("foreign", "drawn", like.place, like.pixels, areas, answer)


@pytest.fixture(scope="module")
def made(tmp_path_factory, images, model_folder, lithium):
    """Two layers, a drawn region, an image with a bad name, and a block that was not read."""
    root = make_project(tmp_path_factory.mktemp("page") / "project")
    words = [str(images / "peaks.zarr"), "--model", str(model_folder), "maps.views=0"]
    words += ["maps.scans=2", f"+maps.regions.drawn=[{','.join(map(str, DRAWN))}]"]
    run_in(root, ["maps", *words])
    place = root / "changed.zarr"
    shutil.copytree(root / "outputs/maps/peaks/maps.zarr", place)
    store = zarr.open_group(place, mode="r+")
    store.attrs[JOB] = dict(store.attrs[JOB]) | {"image": f"{HOSTILE}.zarr"}
    for name in ("presence", "fraction", "low", "high", "probability", "p", "counts"):
        store[name][HURT] = np.nan
    store["state"][HURT] = UNREAD
    regions = regions_of(store, lithium)
    n = next(n for n, one in enumerate(regions) if one.kind == "drawn")
    regions[n] = replace(regions[n], name=HOSTILE)
    regions.insert(n + 1, with_foreign_ions(lithium, regions[n]))
    path = written(store, lithium, regions, tmp_path_factory.mktemp("out"), views=3)
    return SimpleNamespace(store=store, regions=regions, path=path)


@pytest.fixture
def opened(browser):
    """Open a page; whatever goes wrong in it fails the test."""
    contexts = []

    def open_it(path, size="desktop", scheme="light"):
        width, height = SIZES[size]
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme, offline=True
        )
        contexts.append(context)
        page = context.new_page()
        page.problems = []
        page.on("console", lambda m: page.problems.append(m.text))
        page.on("pageerror", lambda error: page.problems.append(str(error)))
        page.on("request", lambda r: page.problems.append(r.url) if r.url[:4] == "http" else None)
        page.goto(path.as_uri())
        page.wait_for_selector("body[data-ready]")
        return page

    yield open_it
    for context in contexts:
        assert [problem for page in context.pages for problem in page.problems] == []
        context.close()


def go_to(page, row, column, number=0, act="hover"):
    """Point at a pixel of one of the maps, or click it."""
    card = page.locator(".map").nth(number)
    box = card.bounding_box()
    x, y = ((part + 0.5) / 48 * box[side] for part, side in ((column, "width"), (row, "height")))
    getattr(card, act)(position={"x": x, "y": y})


def pixels(page, number=0):
    """The colours of a map, shape (rows, columns, 4)."""
    found = (
        page.locator(".map canvas")
        .nth(number)
        .evaluate("c => [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]")
    )
    return np.array(found, np.uint8).reshape(48, 48, 4)


def find(store, state, layer=0):
    """A pixel of a state."""
    return tuple(int(n) for n in np.argwhere(store["state"][layer] == state)[0])


@pytest.mark.parametrize(("size", "scheme"), [("phone", "dark"), ("desktop", "light")])
def test_nothing_fails_and_nothing_is_cut_off(opened, made, size, scheme):
    assert made.path.stat().st_size < MOST
    assert [path.name for path in made.path.parent.iterdir()] == ["maps.html"]
    page = opened(made.path, size, scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[size][0]
    wide = page.evaluate(
        """[...document.querySelectorAll("p, h1, h2, h3, li, dd, figure, .wide, .chart, .card")]
        .filter(e => e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML)"""
    )
    assert wide == []
    back = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (back == "rgb(255, 255, 255)") == (scheme == "light")
    for reading in page.locator("#reading option").all():
        page.select_option("#reading", reading.get_attribute("value"))


def test_simulated_is_said_of_image_and_model_at_first_sight(opened, made):
    page = opened(made.path)
    note = page.locator(".source")
    assert note.inner_text().startswith("Simulated image, read by a model of simulated references.")
    assert note.bounding_box()["y"] == 0
    assert page.title().startswith("Simulated: ")


def test_a_click_chooses_the_cell_there_and_shows_its_evidence(opened, made):
    page = opened(made.path)
    go_to(page, 13, 20, number=2, act="click")
    region = next(one for one in made.regions if one.place == (12, 18, 17, 23))
    assert page.locator("#picked").inner_text().startswith("Chosen: rows 12–17, columns 18–23.")
    assert region.answer["holds"] in page.locator("#told").inner_text()
    assert f"{region.areas.sum():,.0f} counts" in page.locator("#told").inner_text()
    there = [s for s in region.answer["compounds"].values() if s["present"] and s["evidence"]]
    there.sort(key=lambda said: -said["fraction"])
    shown = page.locator("#evidence button").all_inner_texts()
    ions = [ion for said in there for ion in said["evidence"]]
    ions += region.answer["alarm"]["unexplained"]
    assert shown == [f"{ion['mz']:.4f}" for ion in ions]
    speaking = [e for s in there for e in s["evidence"] if e["side"] == "for"]
    marked = page.locator("#spectrum path.edge").count()
    assert marked == sum(ion["strength"] != "noise" for ion in speaking) > 0
    box, card = (page.locator(s).first.bounding_box() for s in (".chosen", ".map"))
    assert box["width"] == pytest.approx(card["width"] / 8, abs=2)
    assert box["x"] - card["x"] == pytest.approx(card["width"] * 18 / 48, abs=2)
    assert page.locator("#depth circle").count() == 2 * 5  # two layers, five compounds


def test_the_keyboard_does_what_the_pointer_does(opened, made):
    page = opened(made.path)
    page.locator(".map").first.focus()
    for key in ("ArrowRight", "Shift+ArrowDown", "ArrowUp"):  # from the middle: row 24, column 24
        page.keyboard.press(key)
    assert page.locator("#heard").text_content().startswith("Row 26, column 25")
    page.keyboard.press("Enter")
    assert page.locator("#picked").inner_text().startswith("Chosen: rows 24–29, columns 24–29.")
    page.locator("#layer").press("ArrowRight")
    assert page.locator("#layer-text").inner_text() == "2 of 2 (scans 3 to 4)"


def test_pixels_tell_what_was_read_and_grey_ones_that_it_is_too_little(opened, made):
    page, store = opened(made.path), made.store
    tip = page.locator("#tip")
    row, column = find(store, READ)
    go_to(page, row, column)
    said = tip.inner_text()
    assert f"Row {row}, column {column}" in said
    assert f"{store['counts'][0, row, column]:,.0f} counts" in said
    for place, name in enumerate(store.attrs[JOB]["classes"]):
        line = tip.locator("tr").nth(place + 1).inner_text()
        assert unicode_text(name) in line
        for what, pattern in (("presence", r"(\d\.\d\d)"), ("fraction", r"(\S+)\u00a0% \(")):
            shown = float(re.search(pattern, line)[1].replace("<\u00a0", ""))
            scale = 100 if what == "fraction" else 1
            value = float(store[what][0, row, column, place])
            assert shown == pytest.approx(scale * value, abs=scale * 0.01)
    row, column = find(store, FEW)
    go_to(page, row, column)
    least = store.attrs[JOB]["settings"]["least_counts"]
    counts = float(store["counts"][0, row, column])
    assert tip.inner_text().endswith(f"counts, too few to say ({least} are needed)")
    assert f"{round(counts)} counts" in tip.inner_text()
    page.locator("#layer").fill("2")
    go_to(page, 42, 42)
    assert "Not read: this part of the image is damaged" in tip.inner_text()


def test_maps_have_the_colours_of_their_values(opened, made):
    page, store = opened(made.path), made.store
    page.select_option("#reading", "fraction")
    page.locator("#layer").fill("2")
    state, fraction = store["state"][1], store["fraction"][1]
    for place in (0, 3):
        shown = pixels(page, place)
        assert (shown[state == UNREAD] == 0).all()  # what is behind is seen: hatching
        assert (shown[state == FEW] == (180, 180, 180, 255)).all()
        wanted = colors_of("fraction")(fraction[..., place][state == READ])[:, :3] * 255
        assert np.abs(shown[state == READ][:, :3] - wanted).max() < 6
    page.select_option("#reading", "counts")
    assert page.locator(".map").count() == 1
    assert (pixels(page)[state == FEW] != (180, 180, 180, 255)).any()


def test_a_region_from_the_list_tells_its_alarm_and_names_are_text(opened, made):
    page = opened(made.path)
    assert HOSTILE in page.title() and page.locator("h1").inner_text().endswith(f"{HOSTILE}.zarr")
    page.select_option("#regions", label=HOSTILE)
    assert f"Chosen: {HOSTILE}." in page.locator("#picked").inner_text()
    page.select_option("#regions", label="foreign")
    alarm = page.locator("#told .alarm").inner_text()
    assert "holds something that the references do not explain: " in alarm
    assert "F⁻ (18.99" in alarm
    assert page.locator("#spectrum circle.foreign").count() > 0
    page.locator("#evidence button").last.click()
    assert float(page.locator("#to").input_value()) - float(page.locator("#from").input_value()) < 4
    page.select_option("#scale", "linear")
    page.select_option("#regions", label="Pixels with LiH")
    assert page.locator("#no-course").is_visible() and not page.locator("#depth").is_visible()
    assert page.locator("img[src=x]").count() == 0


def test_probabilities_alone_in_one_layer(opened, tmp_path, project, images, model_folder, lithium):
    words = ["--model", str(model_folder), "maps.readings=false", "maps.views=0"]
    run_in(project, ["maps", str(images / "peaks.zarr"), *words])
    store = zarr.open_group(project / "outputs/maps/peaks/maps.zarr", mode="r")
    regions = regions_of(store, lithium)
    path = written(store, lithium, regions, tmp_path / "first")
    page = opened(path)
    options = page.locator("#reading option").all_inner_texts()
    assert options == ["probability", "counts"]
    go_to(page, *find(store, READ))
    assert "probability" in page.locator("#tip").inner_text()
    assert not page.locator("#layer").is_visible()
    assert page.locator(".cut, #views, #depth").count() == 0
    again = written(store, lithium, regions, tmp_path / "second")
    assert path.read_bytes() == again.read_bytes()
