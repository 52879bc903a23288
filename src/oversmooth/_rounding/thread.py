"""What a thread computes as: below the modules that set it and those that read it."""

import threading

state = threading.local()


def active():
    """The `Machine` that this thread computes as, or None."""
    return getattr(state, "machine", None)
