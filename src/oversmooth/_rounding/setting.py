"""Another machine, simulated: `OVERSMOOTH_ROUNDING=7` runs anything that imports this library as replica 7 of it.

Two processors, or two builds of torch, add in another order and have another tanh. A replica does, too: each operator's
result is multiplied by 1 + u ξ, with ξ uniform in [−1, 1] and u a unit in the last place (2⁻⁵² in float64, 2⁻²³ in
float32), and sums run over their terms in an order of the replica's own. What replicas agree on, other machines agree
on; what they do not is rounding. The order matters by itself: where terms are sorted and cancel, adding them one by one
is off a hundred times as far as adding them in blocks, which no noise on the result shows.

    OVERSMOOTH_ROUNDING = REPLICA[:UNITS]     a whole number; the size of u in units in the last place, if not 1

A machine is a function: the same operator gives the same bits for the same numbers. So is a replica. ξ is a hash of
replica, operator and a sample of the bits that came out, the same in every process and in any order; a rerun and any
number of workers give the same bits. What is exact on every machine stays exact: whole numbers and short binary
fractions, copies, choices, comparisons, and draws of whole numbers and of uniform ones in [0, 1). (From a to b these
are scaled and shifted; normal ones pass through log and cos: they move.) With 0 units, all of this runs and no bit
changes, except in torch's singular values and eigenvalues without vectors (`svdvals`, `eigvalsh`,
`matrix_norm(…, 2)`): under any dispatch mode it computes vectors, by another algorithm.

It begins when the library is imported and lasts in the thread that did so; the cells of a sweep have it in every
process and thread, on a Dask cluster, too. torch is reached by a dispatch mode (backward passes on the CPU included),
LAPACK, SuperLU and ARPACK under NumPy and SciPy by wrappers, which move their input and their results.

What it does not show: other algorithms and other versions of torch; flushed denormals; another order of the entries in
a row of a sparse matrix, or inside an operator that is more than a sum or a product (layer and batch norms, losses,
softmax); NumPy's and SciPy's own arithmetic, `A @ x` included; what is not float32 or float64, dense and on the CPU;
threads that the user starts.
"""

import contextlib
import functools
import math
import os
import re

from oversmooth._rounding.thread import active, state

VARIABLE = "OVERSMOOTH_ROUNDING"


def setting() -> tuple[int, float] | None:
    """What the environment asks for.

    Returns:
        The replica and its units; None if nothing is asked.

    Raises:
        ValueError: if the environment asks for something else.
    """
    text = os.environ.get(VARIABLE, "")
    if not text:
        return None
    replica, colon, units = text.partition(":")
    with contextlib.suppress(ValueError):
        size = float(units) if colon else 1.0
        if re.fullmatch("[0-9]{1,18}", replica) and 0 <= size < math.inf:
            return int(replica), size
    raise ValueError(
        f"{VARIABLE} is {text!r}; the number of a replica is needed, 0, 1, 2 …, and, after a colon, by how many units "
        f"in the last place it moves results, if not by 1: {VARIABLE}=3 or {VARIABLE}=3:0.5. Without it, nothing moves."
    )


def enter() -> None:
    """Compute in this thread as the environment asks, from here to its end."""
    machine = _machine(setting())
    if machine is not None and active() is None:
        state.machine = machine
        _new_mode().__enter__()


@contextlib.contextmanager
def rounded(wanted: tuple[int, float] | None):
    """Compute in this thread as a replica, or unperturbed, whatever the thread computes as outside.

    Args:
        wanted: what `setting` returned, here or in another process.
    """
    before, machine, outside = active(), _machine(wanted), getattr(state, "mode", None)
    state.machine = machine
    try:
        # One mode a thread, since each would move the results once more; it asks for the active machine.
        with contextlib.nullcontext() if machine is None or outside is not None else _new_mode():
            yield
    finally:
        state.machine, state.mode = before, outside


def _new_mode():
    from oversmooth._rounding.mode import Rounding  # here, as below: only replicas pay for it

    state.mode = Rounding()
    return state.mode


@functools.cache
def _machine(wanted):
    if wanted is None:
        return None
    from oversmooth._rounding.machine import Machine, wrap_linear_algebra

    wrap_linear_algebra()
    return Machine(*wanted)
