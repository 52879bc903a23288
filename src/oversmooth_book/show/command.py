"""The command lines of this room: a book, what is made of it, and where it lies."""

import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path

from oversmooth_book.book.book import Book, find_book
from oversmooth_book.book.errors import BookError


def run(parser: ArgumentParser, make: Callable[[Book, Namespace], list[Path]], arguments=None) -> int:
    """Make something of a book and say where it is, or in one sentence why not.

    Args:
        parser: with the options that ``make`` reads, but for the book.
        make: from the book and the options to the files that it wrote.
        arguments: words after the program's name; None takes the process's own.

    Returns:
        0 if all went well.
    """
    parser.add_argument("--root", help="the book's folder (default: around the working folder)")
    options = parser.parse_args(arguments)
    try:
        for path in make(find_book(options.root), options):
            print(f"Open {os.path.relpath(path)}")
    except BookError as error:
        print(f"oversmooth-book: {error}", file=sys.stderr)
        return 1
    return 0
