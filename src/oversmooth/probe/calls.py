"""What a call of a layer holds: the signals that came in and went out, by node type, and its graph."""

import inspect
from collections.abc import Mapping
from typing import NamedTuple

import torch

_GRAPHS = ("edge_index", "adj_t", "adj")


class Inputs(NamedTuple):
    """What a layer received.

    Attributes:
        signals: node type (None where there is one kind of nodes) -> features.
        target: the target side of a pair (source, target), None for a pair (source, None).
        bipartite: the features came as a pair of two things.
        edges: the graph as it was given, or None.
        edge_weight: (edges,), or None.
    """

    signals: dict
    target: torch.Tensor | None
    bipartite: bool
    edges: object
    edge_weight: torch.Tensor | None


def parameters_of(module):
    """Names of the positional parameters of a module's forward, and whether they are all there are."""
    try:
        parameters = inspect.signature(module.forward).parameters.values()
    except (TypeError, ValueError):  # a function of C, a script
        return ()
    return tuple(p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD))


def inputs(names, args, kwargs):
    """The `Inputs` of a call.

    Features are the first argument with a floating tensor that belongs to no edges; of a pair the source side.

    Args:
        names: of `parameters_of`.
        args: positional arguments.
        kwargs: the others.

    Returns:
        `Inputs`.
    """
    given = {(names[index] if index < len(names) else index): value for index, value in enumerate(args)} | kwargs
    edges = next((given[name] for name in _GRAPHS if is_graph(given.get(name), dense=True)), None)
    if edges is None:
        edges = next((value for value in given.values() if is_graph(value)), None)
    weight = given.get("edge_weight")
    rest = [v for name, v in given.items() if v is not edges and not str(name).startswith(("edge", "adj"))]
    value = next((value for value in rest if signals_of(value)), None)
    pair = isinstance(value, tuple | list) and len(value) > 1 and (value[1] is None or _is_signal(value[1]))
    target = value[1] if pair and value[1] is not value[0] else None
    bipartite = bool(pair and value[1] is not value[0])
    return Inputs(signals_of(value), target, bipartite, edges, weight if isinstance(weight, torch.Tensor) else None)


def signals_of(value):
    """Node type -> floating tensor, of a tensor, a list (its first), a dictionary, a data object or a record."""
    if _is_signal(value):
        return {None: value}
    if isinstance(value, Mapping):
        return {key: found for key, part in value.items() if (found := _first(part)) is not None}
    found = _first(value)
    return {} if found is None else {None: found}


def _first(value):
    """The first floating tensor in a value, or None."""
    if _is_signal(value):
        return value
    if isinstance(value, tuple | list):
        return next((found for part in value if (found := _first(part)) is not None), None)
    x = None if isinstance(value, torch.Tensor) else getattr(value, "x", None)  # a graph as one argument
    if _is_signal(x):
        return x
    return next((v for v in getattr(value, "__dict__", {}).values() if _is_signal(v)), None) if x is None else None


def _is_signal(value):
    return (
        isinstance(value, torch.Tensor)
        and value.layout == torch.strided
        and value.is_floating_point()
        and value.dim() > 0
    )


def is_graph(value, dense=False):
    """Whether a value is edges (2, edges) or a sparse adjacency; ``dense``: or any square matrix."""
    if type(value).__name__ == "SparseTensor":
        return True
    if not isinstance(value, torch.Tensor):
        return False
    if value.layout != torch.strided:
        return True
    if value.dim() == 2 and value.shape[0] == 2 and value.dtype in (torch.int64, torch.int32):
        return True
    return dense and value.dim() == 2 and value.shape[0] == value.shape[1]


def endpoints(edges, edge_weight, flow="source_to_target"):
    """(source, target, weight or None) of a graph in any of its forms, read without changing it.

    A sparse adjacency has targets as rows, as torch_geometric's adj_t and as in A @ X.

    Args:
        edges: (2, edges), or a sparse tensor of torch or torch_sparse.
        edge_weight: (edges,), or None.
        flow: of the layer.

    Returns:
        The three.

    Raises:
        ValueError: a layout that is not known.
    """
    if type(edges).__name__ == "SparseTensor":
        target, source, weight = edges.coo()
        return source, target, weight
    if edges.layout == torch.strided and edges.is_floating_point():
        target, source = edges.detach().nonzero().T
        return source, target, edges.detach()[target, source]
    if edges.layout == torch.strided:
        both = edges.detach()
        both = both.as_tensor() if hasattr(both, "as_tensor") else both
        source, target = both.long() if flow == "source_to_target" else both.long().flip(0)
        return source, target, edge_weight
    edges = edges.detach()
    if edges.layout == torch.sparse_coo:
        target, source = edges._indices()  # indices() and coalesce() of the user's tensor would move its version
        return source, target, edges._values()
    if edges.layout == torch.sparse_csr:
        return edges.col_indices().long(), _rows_of(edges.crow_indices()), edges.values()
    if edges.layout == torch.sparse_csc:
        return _rows_of(edges.ccol_indices()), edges.row_indices().long(), edges.values()
    raise ValueError(f"a graph of layout {edges.layout}")


def _rows_of(ends):
    return torch.repeat_interleave(torch.arange(len(ends) - 1, device=ends.device), ends.long().diff())
