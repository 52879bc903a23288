"""release: the committed book as one archive with checksums; the same commit gives the same bytes."""

import gzip
import hashlib
import io
import re
import shutil
import tarfile
from pathlib import Path

from oversmooth_book.book.book import Book
from oversmooth_book.book.commits import code_version, commit_time, has_changes
from oversmooth_book.book.errors import BookError
from oversmooth_book.book.fingerprints import file_hash
from oversmooth_book.book.records import versions
from oversmooth_book.check.checker import check
from oversmooth_book.show.builder import build

SUMS = "SHA256SUMS"
# What Sphinx keeps for its next build, and nobody reads.
NOT_READ = {".buildinfo", ".buildinfo.bak", "objects.inv.bak"}


def release(book: Book) -> list[Path]:
    """Build the committed outputs afresh and pack them.

    Args:
        book: the book.

    Returns:
        The archive and the file that holds its SHA-256, both in ``_build/release``.

    Raises:
        BookError: before anything is packed, if the tree is dirty, ``check`` finds a problem or a claim fails.
    """
    commit, _ = code_version(book)
    if commit is None or has_changes(book, "."):
        raise BookError("not released: the tree has uncommitted changes, or there is no commit: commit first")
    problems = check(book)
    if problems:
        raise BookError("not released: " + "; ".join(problems))
    failed = build(book, "published", committed=True)
    if failed:
        raise BookError("not released: FAIL " + "; FAIL ".join(failed))
    name = f"oversmooth-book-{versions().get('oversmooth', '0')}-{commit[:10]}"
    place = book.root / "_build" / "release"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    archive, sums = place / f"{name}.tar.gz", place / f"{name}.tar.gz.sha256"
    pack(book.build("published") / "html", archive, name, commit_time(book))
    sums.write_text(f"{file_hash(archive)}  {archive.name}\n", encoding="utf-8")
    return [archive, sums]


def pack(folder: Path, archive: Path, name: str, seconds: int) -> None:
    """Pack a folder so that equal files give equal bytes: sorted names, one time, no owner.

    Args:
        folder: what to pack.
        archive: the ``.tar.gz`` to write, whole or not at all.
        name: the folder's name in the archive, which also holds ``SHA256SUMS`` over all other files.
        seconds: the time that every file gets, in seconds since 1970.

    Raises:
        BookError: a file whose name checksums cannot hold.
    """
    files = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in NOT_READ
    }
    odd = [file for file in files if re.search(r"[\\\x00-\x1f]", file) or file == SUMS]
    if odd:  # sha256sum would read another name than was meant
        raise BookError(f"not packed: the file name {odd[0]!r}; rename it")
    lines = [f"{hashlib.sha256(content).hexdigest()}  {file}\n" for file, content in sorted(files.items())]
    files[SUMS] = "".join(lines).encode()
    part = archive.with_name(f".{archive.name}.part")
    with (
        part.open("wb") as raw,
        gzip.GzipFile("", "wb", 9, raw, mtime=seconds) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for file, content in sorted(files.items()):
            entry = tarfile.TarInfo(f"{name}/{file}")
            entry.size, entry.mtime, entry.mode = len(content), seconds, 0o644
            tar.addfile(entry, io.BytesIO(content))
    part.replace(archive)
