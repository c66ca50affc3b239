"""Models whose files were altered, in every door: nothing happens, nothing crashes, all refused.

Run as a program it tries the variants of one folder, so that a crash is seen by the test.
"""

import io
import json
import re
import shutil
import sys
import zipfile
from pathlib import Path

import numpy as np

from ionprint.errors import IonprintError
from ionprint.models.sealing import SUMS, seal

EFFECT = "written-by-a-model.txt"
FILES = "config.yaml model.skops model.yaml peaks.csv reading.npz references.parquet".split()


# ---- what is altered: a name, and what it does to a folder


def unsealed():
    """Alter files and leave the seal as it is; or alter the seal."""

    def change(name, how):
        def alter(folder):
            path = folder / name
            how(path, path.read_bytes() if path.exists() else b"")

        return alter

    ways = {
        "cut": lambda path, data: path.write_bytes(data[:-1]),
        "emptied": lambda path, data: path.write_bytes(b""),
        "longer": lambda path, data: path.write_bytes(data + b"\n"),
        "one bit": lambda path, data: path.write_bytes(bytes([data[0] ^ 1]) + data[1:]),
        "gone": lambda path, data: path.unlink(),
        "a folder": lambda path, data: (path.unlink(), path.mkdir()),
    }
    for name in [*FILES, SUMS]:
        for what, how in ways.items():
            yield f"{name} {what}", change(name, how)
    for name in ("more.txt", "model.pkl", ".hidden", "__init__.py"):
        yield f"{name} added", change(name, lambda path, data: path.write_bytes(b"1"))
    yield "a folder added", lambda folder: (folder / "sub").mkdir()
    lines = {
        "line left out": lambda text: "".join(text.splitlines(True)[1:]),
        "line twice": lambda text: text.splitlines(True)[0] + text,
        "other hash": lambda text: "0" * 64 + text[64:],
        "upper case": lambda text: text.upper(),
        "path outside": lambda text: text.replace("peaks.csv", "../peaks.csv"),
        "names itself": lambda text: text + "0" * 64 + f"  {SUMS}\n",
        "no hash": lambda text: text.replace(text[:64], ""),
        "endless": lambda text: text * 20_000,
    }
    for what, how in lines.items():
        yield (
            f"{SUMS} {what}",
            change(SUMS, lambda path, data, how=how: path.write_text(how(data.decode()))),
        )


def arrays_altered(folder):
    """Alter each array that a spectrum is read with, as no training would leave it."""
    with np.load(folder / "reading.npz") as held:
        arrays = dict(held)

    def put(**changed):
        def alter(place):
            new = {**arrays, **changed}
            kept = {name: value for name, value in new.items() if value is not None}
            with zipfile.ZipFile(place / "reading.npz", "w", zipfile.ZIP_DEFLATED) as archive:
                for name, value in kept.items():
                    file = io.BytesIO()
                    np.lib.format.write_array(file, value, allow_pickle=True)
                    archive.writestr(f"{name}.npy", file.getvalue())

        return alter

    for name, value in arrays.items():
        yield f"{name} missing", put(**{name: None})
        yield f"{name} objects", put(**{name: np.array([{"a": 1}], dtype=object)})
        if value.ndim and name != "classifier/peaks":  # any number of peaks may be divided by
            yield f"{name} shorter", put(**{name: value[..., :-1]})
            yield f"{name} flat", put(**{name: value[None]})
        if value.dtype.kind == "f":
            bad = value.copy()
            bad[...] = np.nan
            yield f"{name} no number", put(**{name: bad})
        elif value.dtype.kind == "i":
            yield f"{name} below 0", put(**{name: value - (value.max() + 1)})
            if not name.endswith(("group", *(f"group/{n}" for n in range(11)))):
                yield f"{name} beyond", put(**{name: value + (1 << 40)})
    mz = arrays["peaks/mz"]
    yield "m/z fall", put(**{"peaks/mz": mz[::-1].copy()})
    yield "unknown array", put(more=np.zeros(3))
    yield "other classes", put(**{"reader/classes": arrays["reader/classes"][::-1].copy()})
    for key, value in (("polarity", 7), ("limits", []), ("ions", {"H": "x"}), ("width", 1e300)):
        said = json.loads(str(arrays["method/choices"]))
        text = np.array(json.dumps({**said, key: value}))
        yield f"choices: {key}", put(**{"method/choices": text})

    def bomb(place):
        with zipfile.ZipFile(place / "reading.npz", "w", zipfile.ZIP_DEFLATED) as archive:
            file = io.BytesIO()
            np.lib.format.write_array_header_1_0(
                file, {"descr": "<f8", "fortran_order": False, "shape": (150 << 20,)}
            )
            with archive.open("peaks/mz.npy", "w", force_zip64=True) as packed:
                packed.write(file.getvalue())
                for _ in range(1200):
                    packed.write(bytes(1 << 20))

    def promise(place):
        file = io.BytesIO()
        np.lib.format.write_array_header_1_0(
            file, {"descr": "<f8", "fortran_order": False, "shape": (1 << 45,)}
        )
        with zipfile.ZipFile(place / "reading.npz", "w") as archive:
            archive.writestr("peaks/mz.npy", file.getvalue())

    yield "1.2 GB in a small file", bomb
    yield "more promised than there", promise


def settings_altered():
    """Alter what a model says of itself and its settings."""

    def write(name, text):
        return lambda folder: (folder / name).write_text(text)

    laughs = "a: &a [1,1,1,1,1,1,1,1,1]\n"
    for a, b in zip("abcdefghijkl", "bcdefghijklm", strict=True):
        laughs += f"{b}: &{b} [{', '.join([f'*{a}'] * 6)}]\n"
    for what, text in (
        ("a list", "- 1\n"),
        ("laughs", laughs),
        ("deep", "[" * 5000),
        ("a tag", "!!python/object/apply:os.system ['true']\n"),
        ("classes: one", "classes: [a]\nversions: {scikit-learn: '1.9.1'}\n"),
        ("classes: numbers", "classes: [1, 2]\nversions: {scikit-learn: '1.9.1'}\n"),
        ("no versions", "classes: [a, b]\n"),
    ):
        yield f"model.yaml {what}", write("model.yaml", text)


def pipelines_altered(folder, kind):
    """Alter what compiled code follows: trees, support vectors, neighbours."""
    content = (folder / "model.skops").read_bytes()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        held = {name: archive.read(name) for name in archive.namelist()}

    def loaded(name):
        return np.load(io.BytesIO(held[name]))

    def put(name, value):
        def alter(place):
            file = io.BytesIO()
            np.lib.format.write_array(file, value)
            with zipfile.ZipFile(place / "model.skops", "w") as archive:
                for one, data in held.items():
                    archive.writestr(one, file.getvalue() if one == name else data)

        return alter

    nodes = [n for n in held if n.endswith(".npy") and loaded(n).dtype.names]
    for name in nodes[:4]:
        good = loaded(name)
        for field in ("left_child", "right_child", "feature"):
            for number in (-5, 1 << 20, 1 << 60, 0 if field != "feature" else -1):
                bad = good.copy()
                bad[field][bad["left_child"] >= 0] = number
                yield f"{kind} {name} {field} {number}", put(name, bad)
        yield f"{kind} {name} shorter", put(name, good[:-1])
        yield f"{kind} {name} twice", put(name, np.concatenate([good, good]))
    for name in [n for n in held if n.endswith(".npy") and n not in nodes][:60]:
        good = loaded(name)
        if good.dtype.kind == "i" and good.size > 1 and kind in ("svm_rbf", "knn"):
            for number in (-(1 << 20), 1 << 20):
                yield f"{kind} {name} {number}", put(name, np.full_like(good, number))
        if good.dtype.kind == "f" and good.size > 1:
            yield f"{kind} {name} no number", put(name, np.full_like(good, np.nan))
    schema = held["schema.json"].decode()
    whole = list(re.finditer(r'"content": "(\d+)"', schema))
    for found in whole[:: max(len(whole) // 12, 1)]:
        for number in ("-3", "1000000000"):
            text = schema[: found.start(1)] + number + schema[found.end(1) :]
            yield f"{kind} schema {found.start()} {number}", rewritten(held, text)
    for old, new in (("Pipeline", "Memory"), ("sklearn.pipeline", "os"), ("NdArray", "Function")):
        yield f"{kind} {old} {new}", rewritten(held, schema.replace(old, new))


def rewritten(held, schema):
    def alter(place):
        with zipfile.ZipFile(place / "model.skops", "w") as archive:
            for name, data in {**held, "schema.json": schema.encode()}.items():
                archive.writestr(name, data)

    return alter


def evil_settings(settings):
    """Yield settings that name what is no model, anywhere they could."""
    path = {"_target_": "ionprint.files.Path", "_args_": [EFFECT]}
    write = {"_target_": "ionprint.files.Path.write_text", "_args_": [path, "anything"]}
    touch = {"_target_": "ionprint.files.Path.touch", "_args_": [path]}
    copy = {"_target_": "ionprint.files.shutil.copyfile", "src": "dvc.yaml", "dst": EFFECT}
    shell = {"_target_": "os.system", "_args_": [f"touch {EFFECT}"]}
    names = {
        "write_text": write,
        "touch": touch,
        "copyfile": copy,
        "shell": shell,
        "function": {"_target_": "sklearn.base.clone", "estimator": write},
        "partial": {"_target_": "ionprint.files.write_json", "_partial_": True},
        "get_method": {"_target_": "hydra.utils.get_method", "path": "os.system"},
        "estimator elsewhere": {"_target_": "sklearn.ensemble.VotingClassifier", "estimators": []},
        "underscore": {"_target_": "sklearn.preprocessing.MinMaxScaler", "_args_": [write]},
        "list": {"_target_": "sklearn.preprocessing.MinMaxScaler", "feature_range": [write, 1]},
        "refers": {"_target_": "${oc.env:HOME}"},
        "no name": {},
        "number": {"_target_": 7},
    }
    places = {"scaling": "transformer", "normalisation": "transformer", "model": "estimator"}
    for group, key in places.items():
        for what, part in names.items():
            yield f"{group} {what}", {**settings, group: {**settings[group], key: part}}
            nested = {**settings[group][key], "estimator": part}
            yield f"{group} within: {what}", {**settings, group: {**settings[group], key: nested}}
    space = {"C": {"type": "categorical", "choices": [write]}}
    yield "search space", {**settings, "model": {**settings["model"], "search_space": space}}
    yield "storage", {**settings, "tuning": {**settings["tuning"], "metric": "${oc.env:HOME}"}}


# ---- the program


def tried(folder, scratch, spectrum):
    """Try every variant of a folder, saying each before it is tried and what came of it."""
    import ionprint

    if folder.name == "linear":
        again = [*arrays_altered(folder), *settings_altered()]
        variants = [(*one, False) for one in unsealed()] + [(*one, True) for one in again]
    else:
        variants = [(*one, True) for one in pipelines_altered(folder, folder.name)]
    right = ionprint.load(folder).predict(spectrum)[0]
    for name, alter, sealed_again in variants:
        print(f"? {name}", flush=True)
        place = scratch / "model"
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(folder, place)
        alter(place)
        if sealed_again:
            seal(place)
        try:
            answer = ionprint.load(place).predict(spectrum)[0]
        except IonprintError as exc:
            print(f"refused {name}: {str(exc)[:200]}", flush=True)
        except BaseException as exc:
            print(f"foreign {name}: {type(exc).__name__} {str(exc)[:200]}", flush=True)
        else:
            same = answer["compounds"] == right["compounds"]
            print(f"{'same' if same else 'taken'} {name}", flush=True)


if __name__ == "__main__":
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))
    tried(*(Path(word) for word in sys.argv[1:]))
    sys.exit()
