"""How long a run will take, from what its chapters took before, and corrected by what those just done take here."""

import math
import time
from collections.abc import Iterable

from oversmooth_book.book.book import Book
from oversmooth_book.book.errors import BookError
from oversmooth_book.book.records import read_record


class Clock:
    """What is said before the first chapter and after each.

    Args:
        seconds: name of each run -> what it took before, None where nobody knows.
        workers: how many are at work at once.
        now: seconds of a clock.
    """

    def __init__(self, seconds: dict[str, float | None], workers: int, now=time.monotonic):
        self.seconds, self.workers, self.now = seconds, workers, now
        self.began, self.took = {}, {}

    def before(self) -> str:
        """The number of chapters, and how long they took before, if that is known of all."""
        count = f"{len(self.seconds)} chapters" if len(self.seconds) > 1 else "1 chapter"
        at_once = f", {self.workers} at a time" if self.workers > 1 else ""
        left = self.left()
        return f"{count}{at_once}" if left is None else f"{count}{at_once}: {_words(left)}, going by earlier runs"

    def begin(self, name: str) -> None:
        """Note that a chapter begins."""
        self.began[name] = self.now()

    def end(self, name: str) -> str:
        """Note that it ended, and say what is left."""
        self.took[name] = self.now() - self.began[name]
        rest = len(self.seconds) - len(self.took)
        if not rest:
            return ""
        left = self.left()
        return f"; {rest} to go" if left is None else f"; {rest} to go, {_words(left)}"

    def drop(self, name: str) -> None:
        """Note that a chapter failed, which says nothing of how long others take."""
        self.seconds.pop(name, None)

    def left(self) -> float | None:
        """Seconds until all have ended; None where one is left of which nobody knows how long it takes."""
        open_ = [name for name in self.seconds if name not in self.took]
        if any(self.seconds[name] is None for name in open_):
            return None
        known = [name for name in self.took if self.seconds[name]]
        pace = sum(self.took[name] for name in known) / sum(self.seconds[name] for name in known) if known else 1.0
        rest = [max(0.0, pace * self.seconds[name] - self._running(name)) for name in open_]
        return max(max(rest, default=0.0), sum(rest) / self.workers)

    def _running(self, name):
        return self.now() - self.began[name] if name in self.began else 0.0


def seconds_before(book: Book, profile: str, names: Iterable[str]) -> dict[str, float | None]:
    """What each chapter's last run took, here or, for those that have not run here, where it was published.

    Args:
        book: the book.
        profile: quick, published or full.
        names: chapters.

    Returns:
        Name -> seconds; None where there is no record.
    """
    committed = {"published": book.published, "full": book.published_full}.get(profile)
    found = {}
    for name in names:
        places = [book.run(profile, name), *([committed(name)] if committed else [])]
        found[name] = next((record["seconds"] for record in map(_record, places) if record), None)
    return found


def _record(folder):
    try:
        return read_record(folder)
    except BookError:
        return None


def _words(seconds):
    return f"about {math.ceil(seconds / 60)} minutes" if seconds > 90 else "about a minute"
