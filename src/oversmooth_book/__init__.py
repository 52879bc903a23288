"""The book's machinery: run chapters, judge claims, build, compare and publish.

A chapter uses the names below. The rest is the command line, ``python -m oversmooth_book``.
"""

from oversmooth_book.borrowing import here, measured, named, tint
from oversmooth_book.chapter import claim, glue, numbers, save_table, start, verify
from oversmooth_book.proofs import save_proofs

__all__ = [
    "claim",
    "glue",
    "here",
    "measured",
    "named",
    "numbers",
    "save_proofs",
    "save_table",
    "start",
    "tint",
    "verify",
]
