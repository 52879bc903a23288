"""Which norm fits a layer: the node weights π and the scaling that its operator preserves, inferred or given."""

from typing import NamedTuple

import numpy as np
import torch
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from oversmooth._validation import require
from oversmooth.probe.calls import endpoints
from oversmooth.probe.measures import NodeWeights
from oversmooth.propagation.averaging import Weighting

NORMS = ("uniform", "degree", "sqrt_degree")
GUESSED = "uniform (guessed)"  # what a layer of unknown kind is measured in
# Layers whose operator is D̃^{-1/2} Ã D̃^{-1/2}, whose fixed point is √d̃; unless built with normalize=False.
_SYMMETRIC = ("GCNConv", "GCN2Conv", "SGConv", "SSGConv", "APPNP", "TAGConv", "LGConv", "ARMAConv", "FAConv")
# Row-stochastic: attention (degree weights are exact while the attention is uniform), and means under another name.
_STOCHASTIC = ("GATConv", "GATv2Conv", "TransformerConv", "SuperGATConv", "AGNNConv", "ClusterGCNConv")
_FIXED = 1e-4  # a vector is an operator's fixed point where the operator moves it by no more than this share


class Sides(NamedTuple):
    """The weights of what comes into a layer and of what goes out; one and the same unless the layer is bipartite."""

    name: str
    source: Weighting
    target: Weighting


def infer_norm(module):
    """The norm that fits a layer, by its type.

    sqrt_degree for the symmetric normalisation (GCN and its kin); degree for means and attention, which are
    row-stochastic; `GUESSED` for all others: sums, maxima and what is not known.

    Args:
        module: a layer.

    Returns:
        One of `NORMS`, or `GUESSED`.
    """
    names = {kind.__name__ for kind in type(module).__mro__}
    if names & set(_SYMMETRIC):
        return "sqrt_degree" if getattr(module, "normalize", True) else GUESSED
    if names & set(_STOCHASTIC) or getattr(module, "aggr", None) == "mean":
        return "degree"
    return GUESSED


def node_weights(norm, module, edges, edge_weight, sizes, bipartite, device):
    """The weights of a norm for one call of a layer.

    With d_i the weights that node i receives (self-loops added where the layer adds them; nodes that receive nothing
    count one): uniform: π = 1/n; degree: π ∝ d; sqrt_degree: π ∝ d and signals divided by √d. A bipartite layer is
    measured on either side with that side's degrees.

    Args:
        norm: one of `NORMS`, or `GUESSED`.
        module: the layer.
        edges: edge_index (2, edges), or a sparse adjacency, transposed as torch_geometric wants it; None: uniform.
        edge_weight: (edges,), or None.
        sizes: rows that come in, rows that go out.
        bipartite: whether these are different nodes.
        device: where the weights lie.

    Returns:
        `Sides`.
    """
    graph = None if edges is None else _valid(endpoints(edges, edge_weight, _flow(module)), sizes, bipartite)
    if graph is None:
        return Sides("uniform" if norm == "uniform" else GUESSED, *(NodeWeights(_uniform(n, device)) for n in sizes))
    source, target, weight = graph
    labels = _components(source, target, sizes, bipartite, device)
    if norm in ("uniform", GUESSED):
        pis, scalings = [_uniform(n, device) for n in sizes], (None, None)
    else:
        degrees = _degrees(norm, module, source, target, weight, sizes, bipartite)
        pis = [degree / degree.sum() for degree in degrees]
        scalings = [_root(degree) if norm == "sqrt_degree" else None for degree in degrees]
    sides = [NodeWeights(*parts) for parts in zip(pis, scalings, *labels, strict=True)]
    return Sides(norm, sides[0], sides[1] if bipartite else sides[0])


def recognised(edges, edge_weight, mean, num_nodes, flow="source_to_target"):
    """The norm of an operator by what it preserves: W√d = √d and √dᵀW = √dᵀ, or W1 = 1 and dᵀW = dᵀ.

    Args:
        edges: what a layer propagates along.
        edge_weight: (edges,) with which it multiplies, or None.
        mean: whether it takes means.
        num_nodes: n.
        flow: of the layer.

    Returns:
        `Sides`, or None where neither holds: sums, learned attention, a directed graph.
    """
    graph = _valid(endpoints(edges, edge_weight, flow), (num_nodes, num_nodes), False)
    if graph is None:
        return None
    source, target, weight = graph
    weight = torch.ones(len(source), dtype=torch.float64, device=source.device) if weight is None else weight.double()
    count = _count(target, torch.ones_like(weight), num_nodes)
    weight = weight / count[target] if mean else weight
    touched = (count + _count(source, torch.ones_like(weight), num_nodes)) > 0
    loop = source == target
    inverse = _count(target[loop], weight[loop], num_nodes)  # the symmetric operator has 1/d on its diagonal
    degree = torch.where(inverse > 0, 1 / inverse.clamp(min=1e-300), count)
    labels = _components(source, target, (num_nodes, num_nodes), False, source.device)
    for name, left, right in (
        ("sqrt_degree", degree.sqrt(), degree.sqrt()),
        ("degree", count, touched.double()),
    ):
        moved = _count(target, weight * right[source], num_nodes), _count(source, weight * left[target], num_nodes)
        if all((m - v).abs()[touched].max() <= _FIXED * v.max() for m, v in zip(moved, (right, left), strict=True)):
            d = torch.where(touched, degree if name == "sqrt_degree" else count, 1.0)
            scaling = _root(d) if name == "sqrt_degree" else None
            found = NodeWeights(d / d.sum(), scaling, labels[0][0], labels[1][0])
            return Sides(name, found, found)
    return None


def require_norm(norm):
    """Check a norm given by name, by propagation, or by layer.

    Args:
        norm: "auto", one of `NORMS`, a `Propagation`, or a dictionary of layer names to these.

    Raises:
        ValueError: none of these.
    """
    for value in norm.values() if isinstance(norm, dict) else [norm]:
        require(
            isinstance(value, Weighting) or value in ("auto", *NORMS),
            f"norm is {value!r}; known: auto, {', '.join(NORMS)}, a Propagation, or a dictionary by layer name",
        )


def _flow(module):
    return getattr(module, "flow", "source_to_target")


def _valid(graph, sizes, bipartite):
    """The graph, or None where it names other nodes: then the integers were no edges."""
    source, target, weight = graph
    limits = sizes if bipartite else (sizes[0], sizes[0])
    for index, limit in zip((source, target), limits, strict=True):
        if index.numel() and not (int(index.min()) >= 0 and int(index.max()) < limit):
            return None
    return source, target, None if weight is None or weight.dim() != 1 else weight.detach()


def _uniform(num_nodes, device):
    return torch.full((num_nodes,), 1 / max(1, num_nodes), dtype=torch.float64, device=device)


def _root(degree):
    return (degree / degree.mean()).sqrt()


def _count(index, weight, num_nodes):
    return weight.new_zeros(num_nodes).index_add_(0, index, weight)


def _components(source, target, sizes, bipartite, device):
    """((labels of the source side, of the target side), (how many, how many)); edges count in both directions."""
    n = sum(sizes) if bipartite else sizes[0]
    ends = source.cpu().numpy(), (target + sizes[0] if bipartite else target).cpu().numpy()
    matrix = coo_array((np.ones(len(ends[0]), dtype=np.int8), ends), shape=(n, n))
    count, labels = connected_components(matrix, directed=False)
    rank = np.argsort(np.argsort(-np.bincount(labels), kind="stable"))
    labels = torch.from_numpy(rank[labels]).long().to(device)
    return ((labels[: sizes[0]], labels[sizes[0] :]) if bipartite else (labels, labels)), (count, count)


def _degrees(norm, module, source, target, weight, sizes, bipartite):
    """The d of each side, (n,) float64: see `node_weights`."""
    if weight is None or norm != "sqrt_degree":
        weight = torch.ones(target.shape, device=target.device)
    weight = weight.double()
    fill = self_loop(module)
    if bipartite:
        degrees = [_count(index, weight, n) for index, n in zip((source, target), sizes, strict=True)]
        for degree in degrees:
            degree[: min(sizes)] += fill or 0.0
        return [torch.where(degree > 0, degree, 1.0) for degree in degrees]
    if fill is None:
        degree = _count(target, weight, sizes[0])
    else:
        # One loop a node, as torch_geometric adds them: a loop that is there already keeps its weight.
        loop = source == target
        loops = weight.new_full((sizes[0],), fill)
        loops[target[loop]] = weight[loop]
        degree = _count(target[~loop], weight[~loop], sizes[0]) + loops
    degree = torch.where(degree > 0, degree, 1.0)
    return degree, degree


def self_loop(module):
    """The weight of the self-loops that a layer adds, or None."""
    if type(module).__name__ == "ClusterGCNConv":
        return 1.0
    if not getattr(module, "add_self_loops", False):
        return None
    return 2.0 if getattr(module, "improved", False) else 1.0
