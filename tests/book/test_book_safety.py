"""Nothing fetched is unpickled, and whatever stands in a file is read, or refused in a sentence."""

import ast
import json
import shutil

import nbformat
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from miniature import REPOSITORY, call, settle

from oversmooth.graphs import datasets as graphs
from oversmooth.graphs import files as rawfiles
from oversmooth_book.book.book import Book
from oversmooth_book.book.claims import read_claims, read_values
from oversmooth_book.book.errors import BookError
from oversmooth_book.book.notebooks import read_notebook
from oversmooth_book.book.profiles import read_profiles
from oversmooth_book.book.records import read_record
from oversmooth_book.book.strict_yaml import read_yaml
from oversmooth_book.show.pages import Page, provenance

# Messages of a sweep to its own worker processes: made by this program a moment ago, never read from a file.
OWN_MESSAGES = {"src/oversmooth/sweeps/cell.py": {"pickle.loads"}}
UNPICKLERS = {"pickle", "_pickle", "cPickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}
SAFE_PARTS = {"dumps", "dump", "HIGHEST_PROTOCOL", "PicklingError", "register_pickle_by_value"}


def unpickling(source: str) -> set[str]:
    """Every call in a program that could run a pickle's code."""
    found = set()
    for call_ in (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)):
        name = ast.unparse(call_.func)
        first, last = name.split(".")[0], name.split(".")[-1]
        if first in UNPICKLERS and last in {"load", "loads", "Unpickler", "open"}:
            found.add(name)
        if name in {"torch.load", "torch.jit.load"} or last == "read_pickle":
            found.add(name)
        if any(key.arg == "allow_pickle" and ast.unparse(key.value) != "False" for key in call_.keywords):
            found.add(name)
        if last in {"load", "full_load", "unsafe_load"} and first == "yaml" and last != "load":
            found.add(name)
    return found


def imported_loaders(source: str) -> set[str]:
    """``from pickle import loads`` would hide from the search above."""
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom)]
    names = {f"{node.module}.{alias.name}" for node in nodes for alias in node.names}
    return {name for name in names if name.split(".")[-1] in {"load", "loads", "Unpickler", "read_pickle"}} & {
        f"{module}.{name}"
        for module in (*UNPICKLERS, "torch", "pandas")
        for name in ("load", "loads", "Unpickler", "read_pickle")
    }


def test_no_code_of_ours_reads_a_pickle_from_a_file():
    files = sorted((REPOSITORY / "src").rglob("*.py")) + sorted((REPOSITORY / "scripts").glob("*.py"))
    assert len(files) > 40
    for file in files:
        name, source = file.relative_to(REPOSITORY).as_posix(), file.read_text(encoding="utf-8")
        assert unpickling(source) - OWN_MESSAGES.get(name, set()) == set(), name
        assert imported_loaders(source) == set(), name


@pytest.mark.parametrize(
    "source",
    [
        "pickle.load(f)",
        "x = torch.load(path)",
        "np.load(p, allow_pickle=True)",
        "pd.read_pickle(p)",
        "joblib.load(p)",
        "numpy.load(p, allow_pickle=yes)",
    ],
)
def test_the_search_finds_what_it_looks_for(source):
    assert unpickling(source)
    assert imported_loaders("from pickle import loads") == {"pickle.loads"}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(name=st.sampled_from(["Cora", "CiteSeer", "PubMed", "minesweeper", "tolokers"]), content=st.binary(max_size=300))
def test_raw_graph_files_of_any_content_are_refused_before_they_are_read(tmp_path_factory, name, content):
    """Every raw file holds the same bytes, some of which are pickles; nothing but the checksum sees them."""
    root = tmp_path_factory.mktemp("raw")
    family = "Planetoid" if name[0].isupper() else "HeterophilousGraphDataset"
    for path in rawfiles.files_of(family, name):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    with pytest.raises(ValueError, match=r"is not the published file of .* was not read\.") as caught:
        graphs.load(name, root)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    shutil.rmtree(root)


leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6)
trees = st.recursive(leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(leaves, inner, max_size=3))
claim_keys = ["id", "chapter", "statement", "paper", "quantity", "comparison", "threshold", "profile"]
claim_keys += ["digits", "why", "needs"]
likely = st.sampled_from(["F1", "tiny", "<", "between", "published", "full", 0, 1, 10**400, [1, 2], [2, 1], ["Cora"]])
claim_rows = st.fixed_dictionaries({}, optional={key: likely | trees for key in claim_keys})
chapter_rows = st.dictionaries(
    st.sampled_from(["published", "quick", "full", "other"]),
    st.dictionaries(st.sampled_from(["a", "b", 1, "a b"]), likely | trees, max_size=3) | likely | trees,
    max_size=5,
)


def outcome(read, path, content: str | bytes):
    """What a reader finds in a file of this content, or else what its BookError says: (found, words)."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
    try:
        return read(path), None
    except BookError as error:
        return None, str(error)


def read_or_named(words, path):
    """Whether there was no error, or one that names the file in a sentence."""
    return words is None or (len(words) > 20 and (path.name in words or path.parent.name in words))


@given(st.lists(claim_rows | trees, max_size=3) | trees)
def test_claims_of_any_rows(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("claims") / "claims.yml"
    claims, words = outcome(read_claims, path, yaml.safe_dump(rows))
    assert read_or_named(words, path)
    for claim in (claims or {}).values():
        assert claim.condition() and claim.verdict(0.5, "full") in ("PASS", "FAIL") and claim.show(0.5)


@given(st.dictionaries(st.sampled_from(["tiny", "a b", 1, None]), chapter_rows | trees, max_size=3) | trees)
def test_profiles_of_any_rows(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("profiles") / "profiles.yml"
    chapters, words = outcome(read_profiles, path, yaml.safe_dump(rows))
    assert read_or_named(words, path)
    for chapter in (chapters or {}).values():
        assert set(chapter.parameters("quick")) == set(chapter.published)


@given(st.binary(max_size=200))
def test_any_bytes_in_every_reader(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("bytes")
    for read, name in (
        (read_claims, "claims.yml"),
        (read_profiles, "profiles.yml"),
        (read_yaml, "x.yml"),
        (read_values, "claims.json"),
        (read_notebook, "x.ipynb"),
        (lambda path: read_record(path.parent), "record.json"),
    ):
        assert read_or_named(outcome(read, folder / name, content)[1], folder / name)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("a: &x [1]\nb: *x\n", "line 2: not readable as YAML (an alias)"),
        ("a: 1\nb: 2\na: 3\n", "line 3: not readable as YAML ('a' stands twice)"),
        ("[" * 5000, "too deep"),
        ("a: !!python/object/apply:os.getcwd []\n", "could not determine a constructor"),
        ("a: 2020-13-45\n", "month must be in 1..12"),
        ("? [1, 2]\n: 3\n", "unhashable"),
    ],
)
def test_yaml_that_is_more_than_rows_is_refused(tmp_path, content, words):
    (tmp_path / "claims.yml").write_text(content)
    with pytest.raises(BookError) as caught:
        read_claims(tmp_path / "claims.yml")
    assert words in str(caught.value) and "claims.yml" in str(caught.value)


@pytest.mark.parametrize("content", ['{"T1": true}', '{"T1": "0.5"}', '{"T1": NaN}', "[" * 100000])
def test_values_that_are_no_numbers_are_refused(tmp_path, content):
    (tmp_path / "claims.json").write_text(content)
    with pytest.raises(BookError, match="is damaged"):
        read_values(tmp_path / "claims.json")


@pytest.fixture(scope="module")
def record(ran):
    return json.loads((ran[0].run("published", "tiny") / "record.json").read_text())


def places(tree: dict) -> list[tuple[dict, str]]:
    """Every mapping within a mapping, with each of its keys."""
    inner = [place for value in tree.values() if isinstance(value, dict) for place in places(value)]
    return [(tree, key) for key in tree] + inner


json_values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2)
)


@given(data=st.data())
def test_a_record_with_any_part_replaced_is_shown_or_refused(record, ran, tmp_path_factory, data):
    changed = json.loads(json.dumps(record))
    holder, key = data.draw(st.sampled_from(places(changed)))
    if data.draw(st.booleans()):
        del holder[key]
    else:
        holder[key] = data.draw(json_values)
    folder = tmp_path_factory.mktemp("record")
    path = folder / "record.json"
    found, words = outcome(lambda path: read_record(path.parent), path, json.dumps(changed))
    assert read_or_named(words, path)
    if found is not None:
        assert all(isinstance(name, str) for name in found["missing"])
        page = Page(ran[0].profiles["tiny"], "published", folder, folder, found)
        assert "Profile" in provenance(page, [])


@pytest.fixture
def published(good):
    settle(good, "tiny")
    return good


@pytest.mark.parametrize("file", ["tables/powers.csv", "claims.json", "record.json"])
def test_a_truncated_output_is_made_again_and_said_so(good, file):
    path = good.run("published", "tiny") / file
    sound = path.read_bytes()
    path.write_bytes(sound[: len(sound) // 2])
    refused = call(good, "build")
    assert refused.returncode == 1 and "tiny cannot be shown (its " in refused.stderr
    answer = call(good, "run")
    why = "its record is damaged" if file == "record.json" else f"its outputs were altered: {file}"
    assert f"tiny: runs ({why})" in answer.stdout and answer.returncode == 0
    again = json.loads(path.read_text())["outputs"] if file == "record.json" else path.read_bytes()
    assert again == (json.loads(sound)["outputs"] if file == "record.json" else sound)


@pytest.mark.parametrize("file", ["tables/powers.csv", "claims.json", "record.json"])
def test_a_truncated_committed_output_is_never_shown(published, file):
    path = published.published("tiny") / file
    path.write_bytes(path.read_bytes()[:-9])
    shutil.rmtree(published.build("published") / "html", ignore_errors=True)  # of an earlier build
    answer = call(published, "build", "--committed")
    assert answer.returncode == 1 and path.name in answer.stderr, answer.stderr
    assert not (published.build("published") / "html").exists()


def test_a_notebook_that_is_none_is_named(tmp_path):
    book = Book(tmp_path)
    book.chapters.mkdir()
    nbformat.write(nbformat.v4.new_notebook(), book.notebook("x"))
    book.notebook("x").write_text(book.notebook("x").read_text()[:-20])
    with pytest.raises(BookError, match=r"x\.ipynb is not a readable notebook"):
        read_notebook(book.notebook("x"))
