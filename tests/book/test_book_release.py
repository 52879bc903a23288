"""make release: an archive that the same commit always gives to the byte, or a refusal."""

import hashlib
import shutil
import subprocess
import tarfile

import pytest
from miniature import call, commit_all, write_claims

from oversmooth_book.book.book import Book
from oversmooth_book.publish.release import pack


@pytest.fixture(scope="module")
def published(ran, tmp_path_factory):
    root = tmp_path_factory.mktemp("released") / "book"
    shutil.copytree(ran[0].root, root)
    assert call(Book(root), "publish").returncode == 0
    return Book(root), commit_all(Book(root))


@pytest.fixture
def book(published, tmp_path):
    shutil.copytree(published[0].root, tmp_path / "mine")
    return Book(tmp_path / "mine")


def released(book):
    answer = call(book, "release")
    assert answer.returncode == 0, answer.stderr
    return sorted((book.root / "_build" / "release").iterdir())


def test_one_commit_gives_the_same_bytes_in_another_folder_and_the_sums_hold(book, published, tmp_path):
    other = Book(tmp_path / "elsewhere" / "a much longer name")
    shutil.copytree(published[0].root, other.root)
    archive, sums = released(book)
    again, _ = released(other)
    assert archive.read_bytes() == again.read_bytes()
    assert archive.name == again.name and published[1][:10] in archive.name
    assert sums.read_text() == f"{hashlib.sha256(archive.read_bytes()).hexdigest()}  {archive.name}\n"
    with tarfile.open(archive) as tar:
        tar.extractall(tmp_path / "out", filter="data")
        assert {(entry.uid, entry.uname, entry.mode) for entry in tar} == {(0, "", 0o644)}
        assert len({entry.mtime for entry in tar}) == 1
    (folder,) = (tmp_path / "out").iterdir()
    answer = subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=folder, capture_output=True)
    assert answer.returncode == 0, answer.stderr
    listed = {line.split("  ")[1] for line in (folder / "SHA256SUMS").read_text().splitlines()}
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert listed == files - {"SHA256SUMS"} and "chapters/tiny.html" in files
    assert not any(str(book.root).encode() in (folder / file).read_bytes() for file in files)


@pytest.mark.parametrize("what", ["a changed file", "a new file", "a failed claim", "an altered table", "no commit"])
def test_refusals(book, what):
    if what == "a changed file":
        (book.root / "src" / "lib.py").write_text("one = 9\n")
    elif what == "a new file":
        (book.chapters / "draft.md").write_text("# Draft\n")
    elif what == "a failed claim":
        write_claims(book, {"threshold": 0.8})
        commit_all(book)
    elif what == "an altered table":
        table = book.published("tiny") / "tables" / "powers.csv"
        table.write_text(table.read_text().replace("0.75", "0.76"))
        commit_all(book)
    else:
        shutil.rmtree(book.root / ".git")
    why = {
        "a failed claim": "data/published/tiny: FAIL T1 (tiny): measured 0.75, needed > 0.8",
        "an altered table": "data/published/tiny/tables/powers.csv: not that of the published record",
    }.get(what, "uncommitted changes")
    answer = call(book, "release")
    assert answer.returncode == 1 and why in answer.stderr, answer.stderr
    assert not (book.root / "_build" / "release").exists()


def test_packing_does_not_see_times_owners_or_the_order_on_disk(tmp_path):
    for name, files in (("a", ("x", "y")), ("b", ("y", "x"))):
        (tmp_path / name).mkdir()
        for file in files:
            (tmp_path / name / file).write_text(file)
    (tmp_path / "b" / "x").chmod(0o600)
    for name in "ab":
        pack(tmp_path / name, tmp_path / f"{name}.tar.gz", "book", 1000)
    assert (tmp_path / "a.tar.gz").read_bytes() == (tmp_path / "b.tar.gz").read_bytes()
