"""Raw files of the public graphs: where they lie, how they are fetched, and how each one is checked.

No file is read before its SHA-256 equals the recorded one: Planetoid's files are Python pickles, which can
run code when read. Only complete, checked downloads are ever written below the root, each as soon as it is
there, so that a download that breaks off goes on where it stopped; nothing is deleted.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from oversmooth._paths import expanded
from oversmooth._validation import require

DOWNLOAD_TIMEOUT = 30.0  # seconds without an answer before the network counts as absent
RETRIES = 3  # further attempts, after 1, 2 and 3 seconds, when an answer broke off or is not the recorded file


def _recorded() -> dict[str, str]:
    """Path relative to the root -> SHA-256, as recorded in raw_sha256.txt (the format of `sha256sum -c`).

    Cora, CiteSeer, minesweeper and tolokers: taken from the files at kimiyoung/planetoid af6abf468a77 and
    yandex-research/heterophilous-graphs a431395582e9. The others: as published by several projects whose
    lists agree with one another and with those sums.
    """  # noqa: DOC201
    lines = Path(__file__).with_name("raw_sha256.txt").read_text().splitlines()
    return {path: digest for digest, path in (line.split() for line in lines)}


RAW_SHA256 = _recorded()


def data_root(root: str | os.PathLike | None = None) -> Path:
    """The folder of raw files: the argument, else $OVERSMOOTH_DATA, the checkout's data/raw, a user's cache.

    Args:
        root: a folder given by the caller, or None to look further.

    Returns:
        The folder, which need not exist.

    Raises:
        ValueError: if it is said to lie in a home folder and there is none.
    """
    root = root if root is not None else os.environ.get("OVERSMOOTH_DATA") or None
    if root is not None:
        return expanded(root)
    checkout = Path(__file__).resolve().parents[3]
    if (checkout / "pyproject.toml").is_file() and (checkout / "src" / "oversmooth").is_dir():
        return checkout / "data" / "raw"
    return expanded(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "oversmooth"


def files_of(family: str, name: str) -> dict[str, str]:
    """The raw files of one dataset: path relative to the root -> SHA-256.

    Args:
        family: name of the torch_geometric dataset class.
        name: name of the dataset's folder below it.

    Returns:
        A dictionary of eight files (Planetoid) or one (HeterophilousGraphDataset).
    """
    folder = f"{family}/{name}/raw/"
    return {path: digest for path, digest in RAW_SHA256.items() if path.startswith(folder)}


def missing_files(family: str, name: str, root: Path) -> list[str]:
    """Raw files of one dataset that are not below the root.

    Args:
        family: name of the torch_geometric dataset class.
        name: name of the dataset's folder below it.
        root: folder that holds the raw files.

    Returns:
        Paths relative to the root.
    """
    return [path for path in files_of(family, name) if not os.path.exists(root / path)]


def copy_checked(family: str, name: str, root: Path, scratch: Path) -> None:
    """Copy the raw files of one dataset into a scratch folder and check the SHA-256 of every copy.

    The copy is checked, not the original: what is read later is exactly what was checked.

    Args:
        family: name of the torch_geometric dataset class.
        name: name of the dataset's folder below it.
        root: folder that holds the raw files; it is only read.
        scratch: an existing folder to copy to, in the same layout.

    Raises:
        ValueError: if a file cannot be read or is not the recorded one.
    """
    for path, digest in files_of(family, name).items():
        source, copy = root / path, scratch / path
        copy.parent.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copyfile(source, copy)
        except OSError as error:
            raise ValueError(f"{source} cannot be read: {error.strerror or error}") from None
        found = _sha256(copy)
        require(
            found == digest,
            f"{source} is not the published file of {name}: SHA-256 {digest} was expected, {found} came. "
            "It is damaged, half-written or altered, and was not read. Move it away and load again to "
            "download it, or put a sound copy in its place",
        )


def download_missing(family: str, name: str, root: Path, url: str) -> None:
    """Download the files of one dataset that are not below the root; each is checked, then moved into place.

    What came before a failure is kept: the next call asks for the rest. On a terminal a bar shows the progress.

    Args:
        family: name of the torch_geometric dataset class.
        name: name of the dataset's folder below it.
        root: folder that shall hold the raw files.
        url: address of the folder in which the files are published: the dataset class's own.

    Raises:
        ValueError: if another file than the recorded one came.
        FileNotFoundError: if files are missing and cannot be downloaded or stored.
    """
    folder = root / family / name / "raw"
    try:
        for path in missing_files(family, name, root):
            with tempfile.TemporaryDirectory() as scratch:
                _put(_download(url, path, Path(scratch)), folder)
    except (OSError, ImportError) as error:
        names = ", ".join(Path(path).name for path in missing_files(family, name, root))
        raise FileNotFoundError(
            f"{name} needs these files in {folder}: {names}. They are not there and could not be downloaded "
            f"from {url} ({_reason(error)}). Put them there by hand, or set OVERSMOOTH_DATA to a folder that holds "
            f"{family}/{name}/raw with these files."
        ) from None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _download(url: str, path: str, scratch: Path) -> Path:
    try:
        import pooch
    except ModuleNotFoundError as error:
        raise ImportError(f"the package {error.name} is not installed: pip install {error.name}") from None

    name, logger = Path(path).name, pooch.get_logger()
    cache = pooch.create(scratch, f"{url}/", registry={name: RAW_SHA256[path]}, retry_if_failed=RETRIES)
    level = logger.level
    logger.setLevel("WARNING")  # it tells of every file and every attempt
    try:
        return Path(cache.fetch(name, downloader=_get))
    except ValueError as error:  # pooch names what was expected and what came, but not the address
        raise ValueError(
            f"{url}/{name} gave another file than the recorded one, and nothing of it was kept. {error}"
        ) from None
    finally:
        logger.setLevel(level)


def _get(address: str, file: str, cache: object) -> None:
    # One attempt. After an error of requests pooch makes another: what is final becomes an OSError of Python's own.
    from pooch import HTTPDownloader
    from tqdm import tqdm

    name = address.rpartition("/")[2]
    with tqdm(total=1, desc=name, unit="B", unit_scale=True, leave=False, disable=None) as bar:
        try:
            HTTPDownloader(bar, timeout=DOWNLOAD_TIMEOUT)(address, file, cache)
        except (OSError, ValueError) as error:
            if _is_final(error):
                raise OSError(_reason(error)) from None
            raise


def _is_final(error: Exception) -> bool:
    # No network answers at once; a file that is not there will not be there in a second, nor will an address be one.
    if (answer := getattr(error, "response", None)) is not None:
        return answer.status_code < 500
    return isinstance(error, ValueError) or bool(error.args and getattr(error.args[0], "reason", None))


def _reason(error: Exception) -> str:
    # Without the layers that requests and urllib3 wrap around it; "reason" is that of a connection never made.
    inner = error.args[0] if error.args and isinstance(error.args[0], Exception) else error
    inner = getattr(inner, "reason", None) or inner
    text = inner.args[0] if isinstance(inner, Exception) and inner.args else None
    return text if isinstance(text, str) else str(error)


def _put(file: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f".{file.name}.{os.getpid()}.part"
    try:
        shutil.copyfile(file, part)
        os.replace(part, folder / file.name)  # a rename: no reader ever sees half a file
    finally:
        part.unlink(missing_ok=True)  # still there after a full disk
