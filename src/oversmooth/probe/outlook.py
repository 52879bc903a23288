"""What a graph alone does to deep layers, before any training."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from oversmooth._arguments import checked
from oversmooth._validation import require, require_edges
from oversmooth.graphs.datasets import largest_component
from oversmooth.propagation.kinds import KINDS
from oversmooth.propagation.matrix import Propagation
from oversmooth.sparse import to_scipy

# What the operator of a layer is among the kinds of propagation; attention is taken as uniform.
_KIND = {"gcn": "gcn", "gat": "random_walk", "sage": "random_walk"}
_BITES = 5e-2  # the share of a signal's deviation that is left where smoothing bites, as the probe's rules have it


@dataclass(frozen=True)
class Outlook:
    """How fast a graph smooths.

    Attributes:
        rate: λ of the operator on the largest connected component: a layer leaves at most this share of a deviation.
        depth: layers after which smoothing alone leaves at most 5 % of any deviation; infinite where λ = 1.
        num_components: connected components of the graph; a signal is smoothed inside each.
        num_nodes: n.
        layer: the kind of layer.

    Source: deviations after L layers are at most λᴸ times those at the input, the paper's forward bound with weights
        of norm 1; the 5 % are ours.
    """

    rate: float
    depth: float
    num_components: int
    num_nodes: int
    layer: str

    def __str__(self):
        depth = "no depth" if math.isinf(self.depth) else f"{self.depth:.0f} layers"
        return (
            f"{self.layer} on {self.num_nodes} nodes in {self.num_components} components: λ = {self.rate:.4f}; "
            f"smoothing alone leaves 5 % of a deviation, whatever the features, after {depth}"
        )


@checked
def outlook(edge_index: torch.Tensor, num_nodes: int, layer: str = "gcn") -> Outlook:
    """λ of a layer's operator on a graph, and the depth at which smoothing alone would bite, before any training.

    λᴸ = 0.05 gives the depth. It holds for the slowest signal; structureless features lose most of their deviation
    earlier. Own weights of a node (SAGE's root), skip connections and large weights let deviations live longer.

    Args:
        edge_index: (2, edges) integers, each undirected edge in both directions.
        num_nodes: n.
        layer: "gcn", "gat" (with uniform attention), "sage" (its mean, with the node itself), or one of `KINDS`.

    Returns:
        `Outlook`: print it, or ask its ``rate`` and ``depth``.

    Raises:
        ValueError: edges that name other nodes, a directed graph, or an unknown layer.

    Source: the paper's Theorem on forward oversmoothing; chapter *Forward oversmoothing*.
    """
    from torch_geometric.data import Data

    known = [*_KIND, *(kind for kind in KINDS if kind not in _KIND)]
    require(layer in known, f"layer is {layer!r}; known: {', '.join(known)}")
    require(num_nodes >= 1, f"num_nodes is {num_nodes}; at least 1 is needed")
    require_edges(edge_index, num_nodes, "the graph")
    components = _count(edge_index, num_nodes)
    data = Data(x=torch.zeros(num_nodes, 1), edge_index=edge_index, num_nodes=num_nodes)
    main = largest_component(data) if components > 1 else data
    if main.num_nodes == 1:
        return Outlook(0.0, 1.0, components, num_nodes, layer)
    rate = float(Propagation.from_edges(main.edge_index, main.num_nodes, kind=_KIND.get(layer, layer)).rate)
    depth = math.inf if rate >= 1 else max(1.0, math.ceil(math.log(_BITES) / math.log(rate))) if rate > 0 else 1.0
    return Outlook(rate, depth, components, num_nodes, layer)


def _count(edge_index, num_nodes):
    from scipy.sparse.csgraph import connected_components

    ones = torch.ones(edge_index.shape[1])
    adjacency = to_scipy(
        torch.sparse_coo_tensor(edge_index.cpu(), ones, (num_nodes, num_nodes), check_invariants=False)
    )
    return int(connected_components(adjacency, directed=False, return_labels=False))
