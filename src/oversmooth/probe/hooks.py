"""Hooks that are never in the user's way."""

import contextlib
import sys

import torch


class Hook:
    """A hook that never raises, never returns anything, and is nothing in a copy or a pickle of its module."""

    __torch_unserializable__ = True  # torch warns of hooks on tensors that it saves, but for those

    def __init__(self, function, failed):
        self._function, self._failed = function, failed

    def __call__(self, *arguments):
        """Run the function; what it raises is noted."""
        try:
            self._function(*arguments)
        except Exception as error:
            with contextlib.suppress(Exception):
                self._failed(f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"[:160])

    def __reduce__(self):
        # Takes any arguments, returns None, and is in the standard library, wherever the copy is read.
        return getattr, (contextlib.nullcontext(), "__exit__")


def in_backward():
    """Whether autograd is running, which then runs a checkpointed layer again."""
    return torch._C._current_graph_task_id() != -1


def eager():
    """Run what torch.compile compiled as it was written while hooks are there; gives what `close` undoes."""
    stack = contextlib.ExitStack()
    if "torch._dynamo" in sys.modules and hasattr(torch.compiler, "set_stance"):
        with contextlib.suppress(Exception):
            stack.enter_context(torch.compiler.set_stance("force_eager"))
    return stack
