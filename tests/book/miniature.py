"""A book of two tiny chapters, written into a temporary folder: everything real, only small."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import psutil

from oversmooth.graphs import ogb as ogbfiles
from oversmooth_book.book.book import Book
from oversmooth_book.run.processes import MARK

REPOSITORY = Path(__file__).parents[2]
PARAMETERS = "num_steps = 3\nscale = 1.5  # growth\nseeds = [0, 1]"
COMPUTE = """import os, sys
sys.path.append(os.path.join(os.environ["OVERSMOOTH_BOOK"], "src"))
import lib
import pandas
table = pandas.DataFrame({"step": range(num_steps), "value": [scale**k / 3 for k in range(num_steps)]})
book.save_table("powers", table)"""
DRAW = """import matplotlib.pyplot as plt
figure, ax = plt.subplots()
ax.plot(table.step, table.value)
plt.show()"""
MEASURE = """book.claim("T1", table.value.max())
book.glue("largest", table.value.max(), ".2f")"""
FIGURE = {"figure": {"caption": "Powers grow.", "name": "fig-powers"}, "image": {"alt": "A curve that rises."}}
CLAIM = """- id: {id}
  chapter: {chapter}
  kind: {kind}
  statement: Powers grow when $s > 1$.
  paper: claim 1
  quantity: the largest power
  comparison: "{comparison}"
  threshold: {threshold}
  profile: {profile}
"""
# The public graph without a recorded checksum: its raw files count as there whatever is in them.
STUB = "ogbn-arxiv"
NEEDY = "# Needy\n\nThe karate club and another graph."
DRAW_SIZES = """import matplotlib.pyplot as plt
figure, ax = plt.subplots()
ax.bar(table.index, table["nodes"])
book.tint(ax, "karate", "{graph}")
plt.show()"""
CLAIM_KARATE = 'book.claim("N2", table["nodes"]["karate"])'
SIZES = {"figure": {"caption": "Sizes of graphs.", "name": "fig-sizes"}, "image": {"alt": "Two bars."}}
# Fields that a claim may have or not.
OPTIONAL = ("digits", "why", "needs", "domain")


def write_chapter(book: Book, name: str, *cells: str, parameters=PARAMETERS, text=None) -> None:
    """A notebook: title, parameters, start, and the given code cells (DRAW gets its figure's metadata)."""
    new = nbformat.v4
    first = new.new_code_cell(parameters, metadata={"tags": ["parameters"]})
    start = new.new_code_cell(f'import oversmooth_book as book\nbook.start("{name}")')
    text = text or f"# The chapter {name}\n\nSteps multiply by $s = 1.5$, see {{numref}}`fig-powers`."
    rest = [new.new_code_cell(cell, metadata={"mystnb": FIGURE} if cell == DRAW else {}) for cell in cells]
    notebook = new.new_notebook(cells=[new.new_markdown_cell(text), first, start, *rest])
    notebook.metadata["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number}"
    nbformat.write(notebook, book.notebook(name))


def write_claims(book: Book, *rows: dict) -> None:
    defaults = {"id": "T1", "chapter": "tiny", "kind": "finding", "comparison": ">", "threshold": 0.5}
    defaults |= {"profile": "published"}
    text = "".join(
        CLAIM.format(**{**defaults, **row}) + "".join(f"  {key}: {row[key]}\n" for key in OPTIONAL if key in row)
        for row in rows
    )
    (book.chapters / "claims.yml").write_text(text, encoding="utf-8")


def write_profiles(book: Book, **chapters: str) -> None:
    text = "".join(f"{name}: {row}\n" for name, row in chapters.items())
    (book.chapters / "profiles.yml").write_text(text, encoding="utf-8")


def make_book(root: Path) -> Book:
    """One chapter, tiny, with a table, a figure, a claim and a glued number."""
    book = Book(root)
    book.chapters.mkdir(parents=True)
    (root / "src").mkdir()
    (root / "src" / "lib.py").write_text("one = 1\n")
    (root / "requirements.lock").write_text("torch\n")
    (root / ".gitignore").write_text("_build/\n")
    shutil.copy(REPOSITORY / "_config.yml", root)
    shutil.copytree(REPOSITORY / "chapters" / "_static", book.chapters / "_static")
    shutil.copy(REPOSITORY / "chapters" / "references.bib", book.chapters)
    (root / "_toc.yml").write_text(
        "format: jb-book\nroot: chapters/index\nchapters:\n  - file: chapters/tiny\n", encoding="utf-8"
    )
    (book.chapters / "index.md").write_text(
        "# Small book\n\n```{missing-files}\n```\n\n```{claim-cards}\n```\n", encoding="utf-8"
    )
    text = "# Tiny\n\nThe largest is {glue:text}`largest`, see {numref}`fig-powers`."
    write_chapter(book, "tiny", COMPUTE, DRAW, MEASURE, text=text)
    write_profiles(book, tiny="{published: {num_steps: 3, scale: 1.5, seeds: [0, 1]}, quick: {num_steps: 2}}")
    write_claims(book, {})
    return book


def add_chapter(book: Book, name: str, *cells: str, profile="{published: {}}") -> None:
    """A second chapter without parameters or claims."""
    write_chapter(book, name, *cells, parameters="# none", text=f"# The chapter {name}")
    with (book.chapters / "profiles.yml").open("a", encoding="utf-8") as file:
        file.write(f"{name}: {profile}\n")
    with (book.root / "_toc.yml").open("a", encoding="utf-8") as file:
        file.write(f"  - file: chapters/{name}\n")


def add_needy(book: Book, graph: str) -> None:
    """A chapter with a public graph beside the karate club: N1 needs it, N2 does not; so for the cells and rows."""
    measure = f"""import pandas
import oversmooth as osm
here = []
def sizes(graphs):
    here.extend(graphs)
    nodes = [1000 if name == "{STUB}" else osm.load(name).num_nodes for name in graphs]
    return pandas.DataFrame({{"graph": graphs, "nodes": nodes}})
table = book.measured("sizes", sizes, ["karate", "{graph}"]).set_index("graph")
book.claim("N1", table["nodes"]["{graph}"])
print("measured", *here)"""
    write_chapter(book, "needy", measure, DRAW_SIZES.format(graph=graph), CLAIM_KARATE, parameters="# none", text=NEEDY)
    notebook = nbformat.read(book.notebook("needy"), as_version=4)
    _, measures, draws, _ = notebook.cells[2:]
    measures.metadata["needs"] = draws.metadata["needs"] = [graph]
    draws.metadata |= {"mystnb": SIZES, "tables": ["sizes"]}
    nbformat.write(notebook, book.notebook("needy"))
    with (book.chapters / "profiles.yml").open("a", encoding="utf-8") as file:
        file.write("needy: {published: {}}\n")
    with (book.root / "_toc.yml").open("a", encoding="utf-8") as file:
        file.write("  - file: chapters/needy\n")
    needy = {"chapter": "needy", "threshold": 100}
    write_claims(book, {}, {"id": "N1", "needs": f"[{graph}]", **needy}, {"id": "N2", **needy, "threshold": 30})


def stub_data(root: Path) -> Path:
    """A folder in which the raw files of STUB lie; they are empty, and nothing reads them."""
    for path in ogbfiles.files():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    return root


def settle(book: Book, *names: str) -> None:
    """What `publish` leaves, for tests of what stands on it: a run's outputs, committed without being judged."""
    for name in names:
        shutil.copytree(book.run("published", name), book.published(name), dirs_exist_ok=True)
        (book.published(name) / f"{name}.ipynb").replace(book.notebook(name))


def copy_book(book: Book, root: Path, *without: str) -> Book:
    """The same book, its runs and its history in another folder, to change; ``without`` names what is left behind."""
    shutil.copytree(book.root, root, ignore=shutil.ignore_patterns(*without))
    return Book(root)


def git(book: Book, *arguments: str) -> str:
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    answer = subprocess.run(["git", *identity, *arguments], cwd=book.root, capture_output=True, text=True, check=True)
    return answer.stdout.strip()


def commit_all(book: Book) -> str:
    if not (book.root / ".git").is_dir():
        git(book, "init", "--quiet")
    git(book, "add", ".")
    git(book, "commit", "--quiet", "--allow-empty", "--message", "All")
    return git(book, "rev-parse", "HEAD")


def command(book: Book, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "oversmooth_book", "--root", str(book.root), *arguments]


def call(book: Book, *arguments: str, timeout: float = 900, **environment: str) -> subprocess.CompletedProcess:
    """The command line, as a reader calls it; the timeout tells what hangs, not what is slow."""
    return subprocess.run(
        command(book, *arguments), capture_output=True, text=True, timeout=timeout, env={**os.environ, **environment}
    )


def refusal(book: Book, *arguments: str) -> str:
    """What `publish` says as it refuses; chapters and published data stay as they were."""
    before = snapshot(book.chapters), snapshot(book.root / "data")
    answer = call(book, "publish", *arguments)
    assert answer.returncode == 1, answer.stdout + answer.stderr
    assert (snapshot(book.chapters), snapshot(book.root / "data")) == before, "a refused publish changed the book"
    return answer.stderr


def processes(book: Book) -> list[psutil.Process]:
    """Every living process that belongs to a run of this book."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK, "").startswith(str(book.root)) and process.status() != "zombie":
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def wait_until(condition, seconds: float = 60.0):
    """The first true value of ``condition()``; fails after ``seconds``."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.1)
    raise AssertionError(f"still waiting for {condition} after {seconds} s")


def snapshot(folder: Path) -> dict[str, bytes]:
    """Every file below a folder and its content."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
