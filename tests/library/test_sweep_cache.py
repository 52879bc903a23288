"""The cache of a sweep: values to the last bit, only new cells computed, damage told, a killed driver resumed."""

import functools
import math
import subprocess
import sys
import time
import types
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
import torch
from sweep_cases import counted, fails_at_two, lines, same, slowly

import oversmooth as osm

AWKWARD = [0.1 + 0.2, 5e-324, 1.7976931348623157e308, -0.0, math.inf, math.nan, 1 / 3]


def awkward(count, seed):
    row = {"yes": True, "whole": 2**53 + 1, "big": 2**70, "text": 'a,"b"\nπ', "none": None, "numpy": np.int64(3)}
    return [{**row, "float": value, "single": np.float32(seed + 0.1)} for value in AWKWARD[:count]]


def test_values_come_back_from_the_cache_to_the_last_bit(tmp_path):
    plain = osm.sweep(awkward, {"count": [7, 2]}, [0])
    first = osm.sweep(awkward, {"count": [7, 2]}, [0], cache=tmp_path)
    files = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    again = osm.sweep(awkward, {"count": [7, 2]}, [0], cache=tmp_path)
    assert same(plain, first)
    assert same(plain, again)
    assert files == {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} and len(files) == 2
    assert plain["yes"].dtype == bool and plain["whole"].tolist() == [2**53 + 1] * 9 and plain["big"][0] == 2**70
    assert math.copysign(1, again["float"][3]) == -1 and again["none"].isna().all()


def test_only_new_cells_are_computed(tmp_path):
    run, cache = functools.partial(counted, str(tmp_path / "log")), tmp_path / "cache"
    osm.sweep(run, {"value": [1, 2]}, [0], cache=cache)
    got = osm.sweep(run, {"value": [3, 2, 1]}, [0, 1], cache=cache)
    assert got["v"].tolist() == [3, 3, 2, 2, 1, 1]
    assert sorted(lines(tmp_path / "log")) == ["1 0", "1 1", "2 0", "2 1", "3 0", "3 1"]
    osm.sweep(run, {"value": [1.0, True]}, [0], cache=cache)
    assert sorted(lines(tmp_path / "log"))[1:4:2] == ["1 1", "2 0"] and len(lines(tmp_path / "log")) == 8


def test_a_file_answers_for_its_own_cell_only(tmp_path):
    run, cache = functools.partial(counted, str(tmp_path / "log")), tmp_path / "cache"
    osm.sweep(run, {"value": [1]}, [0], cache=cache)
    (first,) = cache.iterdir()
    osm.sweep(run, {"value": [2]}, [0], cache=cache)
    (second,) = set(cache.iterdir()) - {first}
    second.write_bytes(first.read_bytes())
    with pytest.warns(UserWarning, match=r"another cell's: this cell is computed anew"):
        assert osm.sweep(run, {"value": [2]}, [0], cache=cache)["v"].tolist() == [2]
    assert osm.sweep(run, {"value": [2]}, [0], cache=cache)["v"].tolist() == [2]
    assert lines(tmp_path / "log") == ["1 0", "2 0", "2 0"]


def test_a_cell_may_hold_nan(tmp_path):
    run = functools.partial(counted, str(tmp_path / "log"))
    for _ in range(2):
        osm.sweep(run, {"value": [math.nan]}, [0], cache=tmp_path / "cache")
    assert len(lines(tmp_path / "log")) == 1


def test_a_cache_that_cannot_be_written_costs_no_result(tmp_path):
    run, cache = functools.partial(counted, str(tmp_path / "log")), tmp_path / "cache"
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=r"cache is .*file', where no folder can be: File exists"):
        osm.sweep(run, {"value": [1]}, [0], cache=tmp_path / "file")
    osm.sweep(run, {"value": [1]}, [0], cache=cache)
    (kept,) = cache.iterdir()
    kept.unlink()
    kept.mkdir()
    with pytest.warns(UserWarning, match=r"is damaged.*|cannot be written .*: this cell is not kept") as told:
        assert osm.sweep(run, {"value": [1]}, [0], cache=cache)["v"].tolist() == [1]
    assert len(told) == 2


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: text.replace('"v": 1', '"v": 2'),
        lambda text: text.replace('"sha256": "', '"sha256": "0'),
        lambda text: "[]",
        lambda text: "",
    ],
)
def test_a_damaged_file_is_told_and_computed_anew(tmp_path, damage):
    cache = tmp_path / "cache"
    run = functools.partial(counted, str(tmp_path / "log"))
    osm.sweep(run, {"value": [1]}, [0], cache=cache)
    (file,) = cache.iterdir()
    sound = file.read_text()
    assert damage(sound) != sound
    file.write_text(damage(sound))
    with pytest.warns(UserWarning, match="is damaged, edited or another cell's: this cell is computed anew"):
        got = osm.sweep(run, {"value": [1]}, [0], cache=cache)
    assert got["v"].tolist() == [1] and len(lines(tmp_path / "log")) == 2 and file.read_text() == sound


MODULE = """
import functools
FACTOR = 2
@functools.cache
def table():
    return {"a": FACTOR}
def helper(x):
    return x + 1
class Model:
    @staticmethod
    def go():
        return 1
EXPONENT = 1
import own
def run(a, seed, exponent=EXPONENT):
    return {"v": [helper(a) * table()["a"] for _ in range(1)][0] ** exponent * Model.go() * own.one()}
"""
OWN = "def one():\n    return 1\n"


def module_of(folder, text, name="written"):
    path = folder / f"{name}.py"
    path.write_text(text)
    module = types.ModuleType(name)
    module.__file__ = str(path)
    exec(compile(text, path, "exec"), module.__dict__)
    return module


@pytest.mark.parametrize(
    ("old", "new", "value"),
    [
        ("x + 1", "x + 2", 6),
        ("FACTOR = 2", "FACTOR = 3", 6),
        ('{"a": FACTOR}', '{"a": FACTOR + 3}', 10),
        ("helper(a) *", "helper(a) +", 4),
        ("        return 1", "        return 7", 28),
        ("EXPONENT = 1", "EXPONENT = 2", 16),
        ("import functools", "import functools  # nothing the result depends on", 4),
    ],
)
def test_the_cache_sees_what_the_function_calls_and_reads(tmp_path, monkeypatch, old, new, value):
    (tmp_path / "cache").mkdir()
    (tmp_path / "code").mkdir()
    monkeypatch.setitem(sys.modules, "own", module_of(tmp_path / "code", OWN, "own"))
    for text in (MODULE, MODULE.replace(old, new)):
        module = module_of(tmp_path / "code", text)
        monkeypatch.setitem(sys.modules, "written", module)
        got = osm.sweep(module.run, {"a": [1]}, [0], cache=tmp_path / "cache")
    assert got["v"].tolist() == [value]


def test_the_cache_sees_another_module_of_the_users(tmp_path, monkeypatch):
    (tmp_path / "code").mkdir()
    for text in (OWN, OWN.replace("return 1", "return 5")):
        monkeypatch.setitem(sys.modules, "own", module_of(tmp_path / "code", text, "own"))
        module = module_of(tmp_path / "code", MODULE)
        monkeypatch.setitem(sys.modules, "written", module)
        got = osm.sweep(module.run, {"a": [1]}, [0], cache=tmp_path / "cache")
    assert got["v"].tolist() == [20]


def test_another_library_is_another_key(tmp_path, monkeypatch):
    from oversmooth.sweeps import cache as sweep_cache

    osm.sweep(fails_at_two, {"depth": [1]}, [0], cache=tmp_path)
    found = sweep_cache.versions()
    monkeypatch.setattr(sweep_cache, "versions", lambda: {**found, "oversmooth": "0.0.9"})
    osm.sweep(fails_at_two, {"depth": [1]}, [0], cache=tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


def test_what_a_cache_cannot_tell_apart_is_refused(tmp_path):
    graph = torch.ones(3)
    with pytest.raises(ValueError, match="takes 'graph', a Tensor, from outside itself"):
        osm.sweep(lambda seed: {"v": float(graph.sum())}, {}, [0], cache=tmp_path)
    with pytest.raises(ValueError, match="a cell holds a Tensor"):
        osm.sweep(fails_at_two, {"depth": [graph]}, [0], cache=tmp_path)
    assert list(tmp_path.iterdir()) == []


DRIVER = """
import functools, sys, oversmooth as osm
sys.path.insert(0, sys.argv[1])
from sweep_cases import slowly
osm.sweep(functools.partial(slowly, sys.argv[2]), {"value": list(range(8))}, [0, 1], jobs=2, cache=sys.argv[3])
"""


def test_a_killed_driver_resumes_with_the_finished_cells(tmp_path):
    log, cache = tmp_path / "log", tmp_path / "cache"
    words = [sys.executable, "-c", DRIVER, str(Path(__file__).parent), str(log), str(cache)]
    driver = subprocess.Popen(words, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 200
    while len(list(cache.glob("*.json"))) < 4 and time.monotonic() < end:
        time.sleep(0.02)
    workers = psutil.Process(driver.pid).children(recursive=True)
    driver.kill()
    driver.wait()
    assert psutil.wait_procs(workers, timeout=60)[1] == [], "its processes outlive it"
    kept, before = len(list(cache.glob("*.json"))), len(lines(log))
    assert 4 <= kept < 16
    got = osm.sweep(functools.partial(slowly, str(log)), {"value": list(range(8))}, [0, 1], cache=cache)
    assert len(lines(log)) - before == 16 - kept
    assert same(got, pd.DataFrame([{"value": k, "seed": s, "v": k / 3 + s} for k in range(8) for s in range(2)]))
