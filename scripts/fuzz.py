"""Damage the files that the book and the library read: whatever comes must be a sentence that names the file.

    python scripts/fuzz.py [READER …] [--inputs 10000] [--seed 0]

Inputs are drawn from sound files, the same for the same seed: bytes changed, lost, doubled or put in, and, of JSON and
YAML, values put in the place of others. Where atheris is installed (it is not in the lock), libFuzzer draws half of the
YAML files and notebooks, led by the lines that they reach of the readers and of PyYAML; other parsers are compiled.
Failures are printed, one of a kind; the input lies in `_build/fuzz`.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import hashlib
import importlib.util
import json
import os
import random
import shutil
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

atheris = importlib.import_module("atheris") if importlib.util.find_spec("atheris") else None

with atheris.instrument_imports(include=["oversmooth_book", "yaml"]) if atheris else contextlib.nullcontext():
    import nbformat
    import yaml

    import oversmooth as osm
    from oversmooth.graphs import files, ogb
    from oversmooth_book.attack.robustness import read_robustness
    from oversmooth_book.attack.variations import domain_faults, in_words, read_variations
    from oversmooth_book.book import figures, notebooks
    from oversmooth_book.book.book import Book
    from oversmooth_book.book.claims import read_claims, read_values
    from oversmooth_book.book.errors import BookError
    from oversmooth_book.book.profiles import PROFILES, ChapterProfile, read_profiles
    from oversmooth_book.book.records import read_record
    from oversmooth_book.book.statements import Statement, circle, read_blueprint
    from oversmooth_book.borrowing import read_borrowed
    from oversmooth_book.check.anatomy import anatomy
    from oversmooth_book.check.differences import table_difference
    from oversmooth_book.check.spread import measure_spread, read_spread
    from oversmooth_book.experiments.settings import Setting
    from oversmooth_book.show.benchmark_table import benchmark_table
    from oversmooth_book.show.pages import Page, provenance
    from oversmooth_book.values import evaluate, values_of

ROOT = Path(__file__).resolve().parents[1]
CHAPTERS, PUBLISHED = ROOT / "chapters", ROOT / "data" / "published"
CHAPTER = "forward_oversmoothing"
TABLE = PUBLISHED / CHAPTER / "tables" / "contrast.csv"


@dataclass(frozen=True)
class Reader:
    """What reads one kind of file, as a command does, and says what it finds wrong by one of ``errors``."""

    read: Callable[[Path], object]
    sound: Callable[[], bytes]
    file: str
    errors: tuple = (BookError,)


READERS: dict[str, Reader] = {}


def reader(file: str, sound: Callable[[], bytes], errors=(BookError,)):
    """Enter a function of a file's path: it lies at ``file``, in a folder that is otherwise empty at first."""

    def enter(function):
        READERS[function.__name__] = Reader(function, sound, file, errors)
        return function

    return enter


def rows_of(name: str, *places: int) -> Callable[[], bytes]:
    """Some rows of one of the book's YAML files: enough to damage, and quick to read."""

    def sound():
        rows = yaml.safe_load((CHAPTERS / name).read_text("utf-8"))
        some = [list(rows)[place] for place in places]
        rows = {name: rows[name] for name in some} if isinstance(rows, dict) else some
        return yaml.safe_dump(rows, allow_unicode=True).encode()

    return sound


@reader("claims.yml", rows_of("claims.yml", 0, -1))
def claims(path):
    """chapters/claims.yml."""
    for claim in read_claims(path).values():
        claim.measured(0.1), claim.verdict(0.1, "full"), claim.failure(0.1)
        if claim.domain is not None and not domain_faults(claim.domain):
            in_words(claim.domain)


@reader("profiles.yml", rows_of("profiles.yml", 0, 1))
def profiles(path):
    """chapters/profiles.yml."""
    for chapter in read_profiles(path).values():
        for profile in PROFILES:
            notebooks.fingerprint(chapter.parameters(profile))


@reader("statements.yml", rows_of("statements.yml", 0, 1))
def statements(path):
    """chapters/statements.yml."""
    rows = read_blueprint(path)
    circle(rows)
    for row in rows.values():
        if isinstance(row, Statement):
            row.others({})


@reader("variations.yml", rows_of("variations.yml", 0, 1, -1))
def variations(path):
    """chapters/variations.yml."""
    for variation in read_variations(path):
        variation.of(Setting())


@reader("run/claims.json", (PUBLISHED / CHAPTER / "claims.json").read_bytes)
def values(path):
    """A run's claims.json."""
    for value in read_values(path).values():
        float(value)


@reader("run/record.json", (PUBLISHED / CHAPTER / "record.json").read_bytes)
def records(path):
    """A run's record.json, as a page shows it."""
    if record := read_record(path.parent):
        page = Page(ChapterProfile(CHAPTER, None), record["profile"], path.parent, path, record)
        provenance(page, [TABLE])
        dict(record["outputs"]["tables"])


@reader("run/borrowed.json", lambda: b'{"curves": ["Cora", "CiteSeer"], "rates": ["tolokers"]}')
def borrowed(path):
    """A run's borrowed.json: the tables with published rows."""
    for graphs in read_borrowed(path.parent).values():
        ", ".join(graphs)


@reader("run/rounding.json", lambda: json.dumps({
    "numbers": "0", "replicas": ["1", "2", "3"], "claims": {"F1": [0.1, 0.2]},
    "tables": {"contrast": {"difference": {"0": [1e-9, 2e-9], "1": [0.0, 1e-12]}}},
}).encode())  # fmt: skip
def rounding(path):
    """A chapter's rounding.json, used on its table."""
    table_difference(TABLE, TABLE, read_spread(path.parent))


@reader("run/robustness.csv", (PUBLISHED / "explore" / "robustness.csv").read_bytes)
def robustness(path):
    """A chapter's robustness.csv."""
    for found in read_robustness(path.parent, Book(ROOT).claims).values():
        found.sentence()


@reader("tables/contrast.csv", TABLE.read_bytes)
def tables(path):
    """A published table: a claim's value, the comparison, the spread."""
    spread = read_spread(PUBLISHED / CHAPTER)
    table_difference(path, TABLE, spread), table_difference(TABLE, path, spread)
    with contextlib.suppress(BookError):
        measure_spread(path.parents[1], {"1": path.parents[1]})
    evaluate(values_of(CHAPTER)[0]["F4"], path.parent)


@reader("data/published/benchmarks/table.csv", (PUBLISHED / "benchmarks" / "table.csv").read_bytes)
def benchmarks(path):
    """The benchmarks' table on its page."""
    shutil.copy(PUBLISHED / "benchmarks" / "record.json", path.parent)
    benchmark_table(Book(path.parents[3]))


@reader("data/published/benchmarks/record.json", (PUBLISHED / "benchmarks" / "record.json").read_bytes)
def benchmarks_record(path):
    """Where and when they were measured."""
    shutil.copy(PUBLISHED / "benchmarks" / "table.csv", path.parent)
    benchmark_table(Book(path.parents[3]))


def small_notebook() -> bytes:
    """A chapter with its outputs, but for what the images show."""
    notebook = nbformat.read(CHAPTERS / "probe_your_model.ipynb", as_version=4)
    for cell in notebook.cells:
        cell.source = cell.source[:300]
        for output in cell.get("outputs", []):
            output.get("data", {}).update({kind: "eA==" for kind in output.get("data", {}) if "image" in kind})
    return nbformat.writes(notebook).encode()


@reader("probe_your_model.ipynb", small_notebook)
def chapters(path):
    """A notebook: what check, build and recheck ask of it."""
    notebook = notebooks.read_notebook(path)
    notebooks.parameters(notebook, path.name)
    notebooks.faults(notebook), notebooks.glued_texts(notebook), anatomy(notebook, path.stem)
    notebooks.source_fingerprint(notebook), notebooks.code_fingerprint(notebook)
    notebooks.output_fingerprint(notebook), notebooks.with_outputs(notebooks.clean(notebook), notebook)
    figures.drawn_tables(notebook, [TABLE]), figures.measuring_functions(notebook, path.stem)
    nbformat.writes(notebook)


def cell_of_a_sweep(width, seed):
    """A cell of a sweep, for its cache."""
    return [{"layer": layer, "value": width / (layer + 3), "kind": "x"} for layer in range(2)]


def cached() -> bytes:
    """What the sweep keeps of that cell."""
    with tempfile.TemporaryDirectory() as folder:
        osm.sweep(cell_of_a_sweep, {"width": [2]}, [0], cache=folder, jobs=1)
        return next(Path(folder).glob("*.json")).read_bytes()


@reader("cache/cell.json", cached, (UserWarning,))
def caches(path):
    """A file of a sweep's cache: damaged, it is told and computed anew; it never gives other rows."""
    osm.sweep(cell_of_a_sweep, {"width": [2]}, [0], cache=path.parent, jobs=1)
    path.replace(next(other for other in path.parent.glob("*.json") if other != path))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = osm.sweep(cell_of_a_sweep, {"width": [2]}, [0], cache=path.parent, jobs=1)
    assert found["value"].tolist() == [2 / 3, 2 / 4], "the cache gave other rows"


RAW = "Planetoid/Cora/raw/ind.cora.test.index"
DATA = files.data_root()


def cora() -> bytes:
    """A raw file of Cora, or nothing where it is not at hand."""
    return (DATA / RAW).read_bytes() if not osm.graphs.datasets.missing_files("cora") else b""


@reader(RAW, cora, (ValueError,))
def raw_graphs(path):
    """A raw file of a public graph: read only if its checksum is the recorded one."""
    for name in files.files_of("Planetoid", "Cora"):
        if not (other := path.parents[3] / name).exists():
            other.symlink_to(DATA / name)
    osm.load("Cora", path.parents[3])
    assert path.read_bytes() == cora(), "an altered raw file was read"


ARXIV = {
    "raw/edge": "0,1\n1,2\n2,0\n3,1\n", "raw/node-feat": "0.1,0.2\n" * 4, "raw/node-label": "0\n1\n0\n2\n",
    "raw/num-node-list": "4\n", "raw/num-edge-list": "4\n",
    "split/time/train": "0\n1\n", "split/time/valid": "2\n", "split/time/test": "3\n",
}  # fmt: skip


@reader("arxiv.txt", lambda: json.dumps(ARXIV, indent=0).encode(), (ValueError,))
def arxiv(path):
    """ogbn-arxiv's compressed tables, damaged within; what is no table of tables is compressed as it is."""
    content = path.read_bytes()
    try:
        texts = {name: str(text).encode("utf-8", "surrogatepass") for name, text in json.loads(content).items()}
    except (ValueError, AttributeError, RecursionError):
        texts = {}
    for name in ARXIV:
        target = path.parent / ogb.FOLDER / f"{name}.csv.gz"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(gzip.compress(texts[name]) if name in texts else content)
    try:
        osm.load("ogbn-arxiv", path.parent)
    except ValueError as error:
        raise ValueError(f"arxiv: {error}") from None


HOSTILE = [
    *(None, True, -1, 0, 10**400, 1.5, 1e308, float("nan"), float("inf"), "", "x", "0", "\ud800", "a\nb", "<b>x</b>"),
    *("1e-5", "../x", [], [[]], {}, {"": []}, [1, 2], ["x"], {"x": 1}, "x" * 5000, "{download}`x <../x>`"),
]
TOKENS = [
    *(b"", b"\x00", b"\xff", b"[", b"{", b"]}", b"'", b'"', b": ", b"- ", b",", b"!!int ", b"!!bool x", b"1e999"),
    *(b"\n", b"nan", b"-inf", b"\t", b"&a ", b"*a", b"|\n", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"null", b"9" * 400),
]


def mutated(content: bytes, chance: random.Random) -> bytes:
    """A file with a little damage, or, if it is JSON or YAML, with some values put in the place of others."""
    if chance.random() < 0.5:
        with contextlib.suppress(Exception):
            tree = yaml.safe_load(content) if content[:1] not in b"{[" else json.loads(content)
            for _ in range(chance.randint(1, 3)):
                tree = grafted(tree, chance)
            return json.dumps(tree).encode("utf-8", "surrogatepass")
    content = bytearray(content)
    for _ in range(chance.randint(1, 4)):
        place, length = chance.randrange(len(content) + 1), chance.choice([0, 1, 1, 2, 8, 200])
        part = bytes(content[place : place + length])
        content[place : place + length] = chance.choice([chance.choice(TOKENS), part * 2, chance.randbytes(1)])
    return bytes(content)


def grafted(tree, chance: random.Random):
    """A tree with one value changed, lost, doubled or taken from elsewhere."""
    if not isinstance(tree, dict | list) or not tree or chance.random() < 0.15:
        return chance.choice(HOSTILE)
    tree = tree.copy()
    key = chance.choice(list(tree) if isinstance(tree, dict) else range(len(tree)))
    kind = chance.random()
    if kind < 0.1:
        del tree[key]
    elif kind < 0.2 and isinstance(tree, dict):
        tree[chance.choice(["x", "", "\ud800", "a" * 300, *tree])] = tree.pop(key)
    elif kind < 0.2:
        tree.insert(key, tree[key])
    else:
        tree[key] = grafted(tree[key], chance)
    return tree


def complaint(name: str, content: bytes, folder: Path) -> str:
    """What is wrong with how a reader takes a file: "" if it reads it, or says in a sentence why not."""
    entry = READERS[name]
    path = folder / entry.file
    shutil.rmtree(folder, ignore_errors=True)
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error" if UserWarning in entry.errors else "ignore")
            entry.read(path)
    except entry.errors as error:
        text = str(error)
        named = path.stem in text or UserWarning in entry.errors
        return "" if named and len(text) < 2000 else f"no short sentence that names the file: {text[:300]}"
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        own = [frame for frame in traceback.extract_tb(error.__traceback__) if str(ROOT / "src") in frame.filename]
        where = own[-1] if own else place
        return f"{type(error).__name__} at {Path(where.filename).name}:{where.lineno}: {str(error)[:120]}"
    return ""


class Inputs:
    """The inputs of one reader: how many, and one of each kind of failure."""

    def __init__(self, name: str):
        self.name, self.count, self.kinds = name, 0, {}
        self.folder = Path(tempfile.mkdtemp(prefix="fuzz-"))

    def try_one(self, content: bytes) -> None:
        """Give the reader one more."""
        self.count += 1
        if found := complaint(self.name, content, self.folder / "x"):
            kind = found.split(": ")[0]
            if kind not in self.kinds:
                kept = ROOT / "_build" / "fuzz" / f"{self.name}-{hashlib.sha256(content).hexdigest()[:8]}"
                kept.parent.mkdir(parents=True, exist_ok=True)
                kept.write_bytes(content)
                print(f"{self.name}: {found} ({kept.relative_to(ROOT)})", flush=True)
            self.kinds[kind] = self.kinds.get(kind, 0) + 1

    def say(self) -> None:
        """The count, and the failures by their kinds."""
        print(
            f"{self.name}: {self.count} inputs, {sum(self.kinds.values())} failures of {len(self.kinds)} kinds",
            flush=True,
        )
        shutil.rmtree(self.folder)


def draw(name: str, inputs: int, seed: int) -> int:
    """Mutate a reader's sound file so many times: the number of kinds of failures."""
    found, sound = Inputs(name), READERS[name].sound()
    for number in range(inputs if sound else 0):
        found.try_one(mutated(sound, random.Random(f"{name} {seed} {number}")))
    found.say()
    return len(found.kinds)


def draw_guided(name: str, inputs: int, seed: int) -> int:
    """The same, led by coverage; libFuzzer does not return, so it has a process of its own."""
    if child := os.fork():
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    found, sound = Inputs(name), READERS[name].sound()

    def other(content, most, chance):
        if chance % 2:
            return mutated(content, random.Random(chance))[:most]
        return atheris.Mutate(content, most)

    def one(content):
        found.try_one(content)
        if found.count >= inputs:
            found.say()
            sys.stdout.flush()
            os._exit(min(len(found.kinds), 100))

    corpus = found.folder / "corpus"
    corpus.mkdir()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # libFuzzer's own words
    (corpus / "sound").write_bytes(sound)
    options = [f"-seed={seed + 1}", "-verbosity=0", "-max_len=65536", "-rss_limit_mb=0", "-timeout=60", str(corpus)]
    atheris.Setup([sys.argv[0], *options], one, custom_mutator=other)
    atheris.Fuzz()


def main() -> None:
    """Try the readers, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("readers", nargs="*", help=f"default: all of {', '.join(READERS)}")
    parser.add_argument("--inputs", type=int, default=10_000, help="of each reader (default: 10000)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--plain", action="store_true", help="do without atheris")
    options = parser.parse_args()
    unknown = set(options.readers) - set(READERS)
    if unknown:
        parser.error(f"no readers: {', '.join(sorted(unknown))}; known: {', '.join(READERS)}")
    wrong = 0
    for name in options.readers or READERS:
        guided = atheris is not None and not options.plain and READERS[name].file.endswith((".yml", ".ipynb"))
        half = options.inputs // 2 if guided else 0
        wrong += draw(name, options.inputs - half, options.seed)
        wrong += draw_guided(name, half, options.seed) if half else 0
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
