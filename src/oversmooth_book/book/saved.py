"""What a program wrote into a file, read again: whole, or told in a sentence that names the file and what to do."""

import warnings
from pathlib import Path

import msgspec

from oversmooth_book.book.errors import BookError, first_line

AGAIN = "run the chapter again"


def read_json(path: Path, kind, remedy: str = AGAIN):
    """A JSON file as a type that msgspec checks.

    Args:
        path: the file.
        kind: the type.
        remedy: what writes the file anew, for the error.

    Returns:
        The object.

    Raises:
        BookError: if the file is damaged; it names folder, file and place.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise BookError(damaged(path, error, remedy)) from None


def read_table(path: Path, remedy: str = AGAIN, **options):
    """A CSV file as a table.

    Args:
        path: the file.
        remedy: what writes the file anew, for the error.
        options: for `pandas.read_csv`.

    Returns:
        A pandas DataFrame.

    Raises:
        BookError: if the file is damaged; it names folder and file.
    """
    import pandas

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pandas.errors.ParserWarning)
            # else rows longer than the head begin with their names
            return pandas.read_csv(path, index_col=False, **options)
    # pandas' own are ValueErrors, as are those of a wrong encoding
    except (ValueError, OverflowError, pandas.errors.ParserWarning) as error:
        raise BookError(damaged(path, error, remedy)) from None


def damaged(path: Path, error: Exception, remedy: str) -> str:
    """The sentence about a file that is not what was written."""
    return f"{path.parent.name}/{path.name} is damaged ({first_line(error)}); {remedy}"
