"""torch as a replica: a mode that sees every operator, reorders what it adds and moves what it writes."""

import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from oversmooth._rounding.thread import active

# What these give is the same everywhere: copied, chosen, filled in, cut off, negated, or drawn from whole numbers. So
# are views, and what ends in "_copy", "_view" or "scatter". Whole numbers and truth values never move.
_EXACT = """
    abs amax amin aminmax arange bernoulli cat ceil clamp clamp_max clamp_min clone constant_pad_nd copy copysign cummax
    cummin diag_embed embedding eye fill flip floor fmax fmin fmod frac full full_like gather hardtanh hardtanh_backward
    heaviside index index_fill index_select kthvalue lift linspace masked_fill masked_select max max_pool2d_with_indices
    maximum median min minimum mode nan_to_num nanmedian neg nextafter ones ones_like rand rand_like relu repeat roll
    round scalar_tensor select_backward sgn sign slice_backward sort stack take threshold threshold_backward to_dense
    topk tril triu trunc unique_dim where zero zeros zeros_like
"""
EXACT = frozenset(_EXACT.split())
# Of one number, these give that number.
REDUCTIONS = {"sum", "nansum", "mean", "prod", "norm", "linalg_vector_norm", "logsumexp"}
SUMS = REDUCTIONS | {"std", "var", "std_mean", "var_mean"}
# Products: where among the arguments the first of the two factors stands.
PRODUCTS = {"mm": 0, "bmm": 0, "mv": 0, "dot": 0, "vdot": 0, "addmm": 1, "baddbmm": 1, "addmv": 1}
SCATTERS = {"index_add", "index_reduce", "scatter_add", "scatter_reduce"}
# Entries put in a place each are copies; added up in it, they are not.
PUTS = {"index_put", "index_put_impl"}
# A gradient goes to the entry that is equal to the one chosen.
CHOICES = ("amax", "amin", "max", "min")


class Plan(NamedTuple):
    """What a replica does about an operator."""

    name: str
    composite: bool  # made of others, and so seen in inference mode only
    fresh: bool  # returns new memory
    written: tuple[tuple[int, str], ...]  # positions and names of the arguments that it writes to
    arrange: Callable | None  # (machine, arguments) -> arguments


class Rounding(TorchDispatchMode):
    """Makes torch compute as the thread's active `Machine` would; nothing where there is none."""

    @classmethod
    def _should_skip_dynamo(cls):
        return False  # nothing is compiled here, and torch's guard costs a microsecond a call

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs, machine, plan = kwargs or {}, active(), _plan(func)
        if machine is None or plan is None:
            return func(*args, **kwargs)
        if plan.composite:
            with self:
                return func.decompose(*args, **kwargs)
        if plan.arrange is not None:
            args = plan.arrange(machine, args)
        out = func(*args, **kwargs)
        if not _copies(plan.name, args, out):
            for position, argument in plan.written:
                _move(machine, plan.name, args[position] if position < len(args) else kwargs.get(argument))
            if plan.fresh:
                _move(machine, plan.name, out)
        return out


@functools.cache
def _plan(func) -> Plan | None:
    """The plan for an operator; None if its results are exact, or views."""
    schema = func._schema
    name = schema.name.split("::")[1].strip("_").removeprefix("foreach_")
    if name in EXACT or name.endswith(("_copy", "_view", "scatter")) or name.startswith(("new_", "empty")):
        return None
    if torch.Tag.inplace_view in func.tags:
        return None
    arguments = enumerate(schema.arguments)
    written = tuple((i, a.name) for i, a in arguments if a.alias_info is not None and a.alias_info.is_write)
    fresh, composite = any(result.alias_info is None for result in schema.returns), func._can_decompose()
    if not (fresh or written or composite):
        return None
    return Plan(name, composite, fresh, written, _arrangement(name, schema))


def _arrangement(name, schema):
    if name in PRODUCTS:
        return functools.partial(_arranged_factors, PRODUCTS[name])
    if name in SUMS:
        position = next((i for i, a in enumerate(schema.arguments) if a.name == "dim"), None)
        return functools.partial(_arranged_terms, position)
    if name in SCATTERS:
        return _arranged_scatter
    if name.startswith("linalg_") or name.endswith("_solve"):
        return functools.partial(_moved_matrix, name)
    return None


def _copies(name, args, out) -> bool:
    """Whether these arguments let the operator choose or copy numbers only."""
    if name in REDUCTIONS:
        chooses = len(args) > 1 and args[1] in (math.inf, -math.inf)
        return chooses or (isinstance(out, torch.Tensor) and out.numel() == args[0].numel())
    if name == "uniform":
        return tuple(args[1:3]) in ((), (0, 1))  # from a to b it is scaled and shifted, which two kernels round apart
    if name.endswith("_reduce"):
        return any(isinstance(value, str) and value in CHOICES for value in args)
    return name in PUTS and not (len(args) > 3 and args[3])


def _arranged_factors(first, machine, args):
    left, right = args[first : first + 2]
    if not (_seen(left) and _seen(right)):  # sparse
        return args
    factors = _arranged(machine, left, -1), _arranged(machine, right, -min(2, right.dim()))
    return (*args[:first], *factors, *args[first + 2 :])


def _arranged_terms(position, machine, args):
    terms = args[0]
    if not _seen(terms):
        return args
    dims = args[position] if position is not None and len(args) > position else None
    dims = [dims] if isinstance(dims, int) else dims or range(terms.dim())
    for dim in dims if terms.dim() else ():
        terms = _arranged(machine, terms, dim)
    return (terms, *args[1:])


def _arranged_scatter(machine, args):
    """Of target, dimension, index and source: index and source, entry by entry."""
    target, dim, index, source, *others = args
    if not (_seen(source) and source.dim() and index.dim()):
        return args
    along = dim if index.dim() == source.dim() else 0
    length = index.shape[along]
    return (target, dim, _arranged(machine, index, along), _arranged(machine, source, dim, length), *others)


def _arranged(machine, tensor, dim, length=None):
    order = machine.order(length or tensor.shape[dim])
    if order is None:
        return tensor
    # NumPy takes from axes in the order of memory in a quarter of index_select's time.
    values = tensor.detach().numpy()
    axes = sorted(range(values.ndim), key=values.strides.__getitem__, reverse=True)
    taken = values.transpose(axes).take(order, axes.index(dim % values.ndim), mode="clip")
    return torch.from_numpy(taken.transpose(sorted(range(values.ndim), key=axes.__getitem__)))


def _moved_matrix(name, machine, args):
    if not _seen(args[0]):
        return args
    matrix = args[0].clone()  # by torch: MKL's last bits depend on where in memory a matrix begins
    _move(machine, f"{name} takes", matrix)
    return (matrix, *args[1:])


def _move(machine, name, value):
    if isinstance(value, (tuple, list)):
        for part in value:
            _move(machine, name, part)
    elif _seen(value):
        machine.move(value.detach().numpy(), name)


def _seen(value) -> bool:
    if not isinstance(value, torch.Tensor) or value.dtype not in (torch.float64, torch.float32):
        return False
    return value.layout is torch.strided and value.is_cpu
