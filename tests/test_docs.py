"""The documentation tells the truth: commands compose, targets, links, paths and settings exist."""

import functools
import importlib
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import yaml
from omegaconf import OmegaConf

from ionprint.cli import OWN_OPTIONS, STAGES, VERIFIED
from ionprint.config import compose, groups
from ionprint.errors import ConfigError
from ionprint.stages.sweep import expand, planned

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
CONF_FILE = re.compile(r"# (conf/\w+/\w+\.yaml)\n")
ROOMS = ("src", "conf", "docs", "tests", "data", "outputs", "benchmarks", ".dvc")
GENERATED = ("gallery/",)  # by make docs
BESIDE_STAGES = (
    "outputs/sweep",
    "outputs/compared",
    "outputs/.studies",
    "outputs/images",
    "outputs/maps",
)  # written, but not by a stage of dvc.yaml


def blocks(text, language):
    return [body for name, body in FENCE.findall(text) if name == language]


def spans(text):
    return SPAN.findall(FENCE.sub("", text))


def conf_files(page):
    """Return path and content of the settings files that a page tells to write."""
    bodies = map(textwrap.dedent, blocks(page.read_text(encoding="utf-8"), "yaml"))
    return [(place[1], body) for body in bodies if (place := CONF_FILE.match(body))]


def typed(text):
    """Return the commands of a page as lists of words: those of sh blocks and of code spans."""
    lines = [line.strip() for block in blocks(text, "sh") for line in block.splitlines()]
    lines = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    lines += [s for s in spans(text) if s.startswith(("ionprint ", "make ")) and "..." not in s]
    found = []
    for line in lines:
        words = shlex.split(line)
        while "=" in words[0] and words[0].partition("=")[0].isupper():
            words.pop(0)
        found.append(words)
    return found


def problem_with(words, root):
    """Return what is wrong with an `ionprint` command, or None."""
    stage, *args = words[1:]
    if stage.startswith("-"):
        return None if stage in ("--help", "--version") else f"no option {stage}"
    if stage not in STAGES:
        return f"no stage {stage}"
    if stage == "samples":
        return None if not args or "--pattern" in args else "samples without --pattern"
    if stage in ("predict", "serve"):
        try:  # a command may be named without what it asks for
            module = importlib.import_module(f"ionprint.stages.{stage}")
            module.parser().parse_args(args or ["FILE"] * (stage == "predict"))
        except SystemExit as exc:
            return f"{stage} does not know its arguments" if exc.code else None
        return None
    if stage == "compare":
        if len(args) < 2:
            return "compare without two runs"
        args = args[2:]
    if stage == "verify":
        if args[:1] not in ([what] for what in VERIFIED):
            return f"verify without {' or '.join(VERIFIED)}"
        args = args[1:]
    if stage in OWN_OPTIONS:
        try:
            _, args = importlib.import_module(f"ionprint.stages.{stage}").arguments(args)
        except ConfigError as exc:
            return str(exc)
    swept = stage == "sweep"
    if swept:
        args = [f"{key}={','.join(values)}" for key, values in planned(no_hydra(args), root)]
    choices = expand(args)
    if swept == all(len(values) == 1 for _, values in choices):
        return "a sweep varies nothing, or a single run varies something"
    known = groups(root / "conf")
    for key, values in choices:  # quicker than to compose with each
        if unknown := set(values) - set(known.get(key, values)):
            return f"{key}: no {unknown}"
    others = (len(values) for key, values in choices if key not in known)
    longest = max(others, default=1)
    rows = (tuple(f"{k}={v[min(i, len(v) - 1)]}" for k, v in choices) for i in range(longest))
    return next(filter(None, (composing(row, root) for row in rows)), None)


def no_hydra(args):
    """Leave out Hydra's own settings, which are not of conf/."""
    return [a for a in args if not a.startswith("hydra")]


@functools.cache
def composing(overrides, root):
    """Return what is said when the overrides do not compose, or None."""
    try:
        compose(list(overrides), root)
    except ConfigError as exc:
        return str(exc)
    return None


def anchors(page):
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in HEADING.findall(text)}


def is_path(span):
    return re.fullmatch(r"[\w./,=-]+", span) and (
        ("/" in span and span.split("/")[0] in ROOMS)
        or span in ("Makefile", "dvc.yaml", "dvc.lock", "data.dvc", "pyproject.toml")
    )


def outputs():
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"].values()
    listed = [o for s in stages for o in (*s.get("outs", []), *s.get("metrics", []))]
    return [o if isinstance(o, str) else next(iter(o)) for o in listed]


def is_output(path, known, code):
    """A path below outputs/ is one that a stage writes, and its file is named in the code."""
    path = path.rstrip("/")
    listed = [f"{k}/" for k in (*known, *BESIDE_STAGES)]
    if any(k.startswith(f"{path}/") for k in listed):
        return True
    name = Path(path)
    named = not name.suffix or any(f'{sign}{name.name}"' in code for sign in '"/')
    named = named or f'"{name.stem}"' in code  # a figure's ending is added when it is saved
    return named and any(path.startswith(k) for k in listed)


@pytest.fixture(scope="module")
def documented(tmp_path_factory):
    """A project with the configuration as it is, and the files that the pages tell to write."""
    root = tmp_path_factory.mktemp("documented")
    shutil.copytree(ROOT / "conf", root / "conf")
    for page in PAGES:
        for place, body in conf_files(page):
            (root / place).write_text(body, encoding="utf-8")
    return root


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_ionprint_commands_compose(page, documented):
    commands = [w for w in typed(page.read_text(encoding="utf-8")) if w[0] == "ionprint"]
    problems = {shlex.join(w): problem_with(w, documented) for w in commands}
    assert {k: v for k, v in problems.items() if v} == {}


@pytest.mark.parametrize(
    "command",
    [
        "ionprint tun",
        "ionprint tune model=logistc",
        "ionprint tune tuning.trails=3",
        "ionprint peaks dataset=folder",
        "ionprint sweep model=logistic,dumy",
        "ionprint tune model=logistic,dummy",
        "ionprint samples folder",
        "ionprint compare RUN",
    ],
)
def test_a_wrong_command_is_found(command, documented):
    assert problem_with(command.split(), documented)


def test_files_told_to_write_compose(documented):
    written = [
        (group, option)
        for group, options in groups(documented / "conf").items()
        for option in options
        if not (ROOT / "conf" / group / f"{option}.yaml").exists()
    ]
    assert written
    for group, option in written:
        assert compose([f"{group}={option}"], documented)[group].name == option


def test_make_targets_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    settings = set(re.findall(r"^(\w+) \?=", makefile, re.MULTILINE))
    for page in PAGES:
        for words in typed(page.read_text(encoding="utf-8")):
            if words[0] != "make":
                continue
            for word in words[1:]:
                known = settings if "=" in word else targets
                assert word.partition("=")[0] in known, f"{page.name}: {shlex.join(words)}"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(page):
    for link in LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8"))):
        if link.startswith(("https://", *GENERATED)):
            continue
        place, _, anchor = link.partition("#")
        target = (page.parent / place).resolve() if place else page
        assert target.exists(), f"{page.name}: {link}"
        assert not anchor or anchor in anchors(target), f"{page.name}: {link}"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_paths_exist(page):
    text = page.read_text(encoding="utf-8")
    told = {place for page in PAGES for place, _ in conf_files(page)}
    code = "\n".join(p.read_text(encoding="utf-8") for p in (ROOT / "src").rglob("*.py"))
    known = outputs()
    for span in filter(is_path, spans(text)):
        if span.startswith("outputs/"):
            good = is_output(span, known, code)
        elif span.startswith("data/"):
            good = (ROOT / span).exists() or not (ROOT / "data").exists()
        else:
            good = span in told or (ROOT / span).exists()
        assert good, f"{page.name}: {span}"


def test_a_path_that_no_stage_writes_is_found():
    assert is_output("outputs/peaks/peaks.csv", ["outputs/peaks"], '"peaks.csv"')
    assert not is_output("outputs/peaks/s.csv", ["outputs/peaks"], '"peaks.csv"')
    assert is_output("outputs/peaks/", ["outputs/peaks/peaks.csv"], "")
    assert not is_output("outputs/other/peaks.csv", ["outputs/peaks"], '"peaks.csv"')


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_settings_exist(page, documented):
    cfg = OmegaConf.to_container(compose([], documented))
    known = groups(documented / "conf")
    for span in spans(page.read_text(encoding="utf-8")):
        setting = re.fullmatch(r"([a-z_]+(?:\.[a-z_]+)*)(=[^\s]*)?", span)
        if not setting or setting[1].split(".")[0] not in known:
            continue
        key, value = setting[1], (setting[2] or "=").removeprefix("=")
        node = cfg
        for part in key.split("."):
            assert isinstance(node, dict) and part in node, f"{page.name}: {span}"
            node = node[part]
        if key in known and value:
            assert value in known[key], f"{page.name}: {span}"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_python_blocks_compile(page):
    for body in blocks(page.read_text(encoding="utf-8"), "python"):
        compile(body, page.name, "exec")


def test_readme_shows_how_to_begin_and_says_where_its_pictures_come_from():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    first = text.split("## ")[0]
    assert "$ make run\n" in first
    assert "$ make test\n" in first
    pictures = re.findall(r"!\[(\w+) data: [^\]]*\]\([^)]+\)\n\n\*(\w+) data", first)
    assert pictures == [("Measured", "Measured"), ("Simulated", "Simulated")]


def test_the_site_is_built_without_a_warning(tmp_path):
    for name in ("docs", "mkdocs.yml"):
        copy = shutil.copytree if name == "docs" else shutil.copy
        copy(ROOT / name, tmp_path / name)
    gallery = tmp_path / "docs" / "gallery" / "index.md"
    gallery.parent.mkdir(exist_ok=True)
    gallery.write_text("# Figures\n", encoding="utf-8")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    site = tmp_path / "site"
    assert len(list(site.glob("*.html"))) == len(list((ROOT / "docs").glob("*.md"))) + 1  # 404
    fetched = re.findall(
        r'(?:src|<link[^>]+href)="(https?://[^"]+)', (site / "index.html").read_text()
    )
    assert fetched == []  # opens without a network


def test_every_page_is_in_the_navigation():
    nav = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("nav:")[2]
    for page in (ROOT / "docs").glob("*.md"):
        assert f" {page.name}\n" in nav, page.name


def test_pictures_are_small():
    pictures = list((ROOT / "docs" / "images").glob("*.png"))
    assert pictures
    for picture in pictures:
        assert picture.stat().st_size < 120_000, picture.name
