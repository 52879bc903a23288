"""The book's machinery: run chapters, judge claims, build, compare and publish.

A chapter uses the four names below. The rest is the command line, ``python -m oversmooth_book``.
"""

from oversmooth_book.chapter import claim, glue, save_table, start

__all__ = ["claim", "glue", "save_table", "start"]
