"""The one error that the machinery raises for its users."""


class BookError(Exception):
    """Something a reader or author can mend; its text says what, where and how."""
