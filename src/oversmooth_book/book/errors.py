"""The one error that the machinery raises for its users, and how an error shows what came."""

import errno

LONGEST = 80
LONGEST_LINE = 300
_ADVICE = {
    errno.ENOSPC: "make room on the disk",
    errno.EROFS: "the book writes into _build/ and, to publish, into chapters/ and data/: make its folder writable",
    errno.EACCES: "give yourself access to it",
    errno.EPERM: "give yourself access to it",
    errno.EEXIST: "a folder belongs there: remove the file",
    errno.ENOTDIR: "a folder belongs there: remove the file",
    errno.EISDIR: "a file belongs there: remove the folder",
}


class BookError(Exception):
    """Something a reader or author can mend; its text says what, where and how."""


def brief(value) -> str:
    """A value as an error shows it: one line, not too long."""
    try:
        text = repr(value)
    except ValueError:  # Python does not write out integers of thousands of digits
        return f"an integer of {value.bit_length()} bits" if isinstance(value, int) else f"a {type(value).__name__}"
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def first_line(error: Exception) -> str:
    """What an error says in its first line, if that is not a file's whole content; its name if it says nothing."""
    line = next(iter(str(error).strip().splitlines()), type(error).__name__)
    return line if len(line) <= LONGEST_LINE else f"{line[:LONGEST_LINE]}…"


def told(error: BookError | OSError) -> str:
    """An error as a reader is told it; of what the system refused (a full disk, say) also where, and what to do."""
    if isinstance(error, BookError):
        return str(error)
    place = f" ({error.filename})" if error.filename else ""
    advice = _ADVICE.get(error.errno, "look at that place")
    return f"{error.strerror or first_line(error)}{place}: {advice}, and call again; what was finished is kept"
