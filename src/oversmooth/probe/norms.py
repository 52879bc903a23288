"""Which norm fits a layer: the node weights π and the scaling that its operator preserves, inferred or given."""

import inspect

import torch

from oversmooth._validation import require
from oversmooth.propagation.averaging import Weighting

NORMS = ("uniform", "degree", "sqrt_degree")
# Layers whose operator is D̃^{-1/2} Ã D̃^{-1/2}, whose fixed point is √d̃; unless built with normalize=False.
_SYMMETRIC = ("GCNConv", "GCN2Conv", "SGConv", "SSGConv", "APPNP", "TAGConv", "LGConv", "ARMAConv", "FAConv")
# Row-stochastic: attention (degree weights are exact while the attention is uniform), and means under another name.
_STOCHASTIC = ("GATConv", "GATv2Conv", "TransformerConv", "SuperGATConv", "AGNNConv", "ClusterGCNConv")
_EDGE_ARGUMENTS = ("edge_index", "adj_t", "adj")


class NodeWeights:
    """π and the scaling of one layer's operator: a `Weighting`, as a `Propagation` is.

    Attributes:
        num_nodes: n.
        pi: (n, 1), positive, sums to 1.
        scaling: (n, 1), or None where it is 1 everywhere.
    """

    def __init__(self, pi: torch.Tensor, scaling: torch.Tensor | None = None):
        self.num_nodes = len(pi)
        self.pi, self.scaling = pi[:, None], None if scaling is None else scaling[:, None]
        self._kept = {}

    def measure(self, dtype: torch.dtype, device: torch.device | str) -> tuple[torch.Tensor, torch.Tensor | None]:
        """π and the scaling in a dtype, on a device; see `Propagation.measure`."""
        if (dtype, device) not in self._kept:
            both = (self.pi, self.scaling)
            self._kept[dtype, device] = tuple(None if v is None else v.to(device, dtype) for v in both)
        return self._kept[dtype, device]


def infer_norm(module):
    """The norm that fits a layer, by its type.

    sqrt_degree for the symmetric normalisation (GCN and its kin); degree for means and attention, which are
    row-stochastic; uniform for all others: sums, maxima and what is not known.

    Args:
        module: a layer.

    Returns:
        One of `NORMS`.
    """
    names = {kind.__name__ for kind in type(module).__mro__}
    if names & set(_SYMMETRIC):
        return "sqrt_degree" if getattr(module, "normalize", True) else "uniform"
    if names & set(_STOCHASTIC) or getattr(module, "aggr", None) == "mean":
        return "degree"
    return "uniform"


def edge_arguments(module):
    """How to find the graph among the arguments of a layer's call.

    Args:
        module: a layer.

    Returns:
        A function of (args, kwargs) that gives (edges, edge weights), each possibly None.
    """
    names = [name for name in inspect.signature(module.forward).parameters if name != "self"]

    def find(args, kwargs):
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        edges = next((given[name] for name in _EDGE_ARGUMENTS if given.get(name) is not None), None)
        if edges is None:
            edges = next((value for value in given.values() if _is_graph(value)), None)
        weights = given.get("edge_weight")
        return edges, weights if isinstance(weights, torch.Tensor) else None

    return find


def node_weights(norm, module, edges, edge_weight, num_nodes, like):
    """The weights of a norm for one call of a layer.

    With d_i the weights that node i receives (self-loops added where the layer adds them; nodes that receive nothing
    count one): uniform: π = 1/n; degree: π ∝ d; sqrt_degree: π ∝ d and signals divided by √d.

    Args:
        norm: one of `NORMS`.
        module: the layer.
        edges: edge_index (2, edges), or a sparse adjacency, transposed as torch_geometric wants it; None: uniform.
        edge_weight: (edges,), or None.
        num_nodes: n.
        like: a tensor whose device the weights share.

    Returns:
        `NodeWeights`.
    """
    if norm == "uniform" or edges is None:
        return NodeWeights(torch.full((num_nodes,), 1 / num_nodes, dtype=torch.float64, device=like.device))
    degree = _received(module, edges, edge_weight, num_nodes)
    pi = degree / degree.sum()
    return NodeWeights(pi, (degree / degree.mean()).sqrt() if norm == "sqrt_degree" else None)


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


def _is_graph(value):
    if type(value).__name__ == "SparseTensor":
        return True
    if not isinstance(value, torch.Tensor):
        return False
    if value.layout != torch.strided:
        return True
    return value.dim() == 2 and value.shape[0] == 2 and value.dtype in (torch.int64, torch.int32)


def _received(module, edges, edge_weight, num_nodes):
    """d, (n,) float64: see `node_weights`."""
    if isinstance(edges, torch.Tensor) and edges.layout == torch.strided:
        source, target = edges if getattr(module, "flow", "source_to_target") == "source_to_target" else edges.flip(0)
    else:
        from torch_geometric.utils import to_edge_index

        (target, source), edge_weight = to_edge_index(edges)
    if edge_weight is None or edge_weight.dim() != 1 or infer_norm(module) != "sqrt_degree":
        edge_weight = torch.ones(target.shape, device=target.device)
    edge_weight = edge_weight.detach().double()
    degree = edge_weight.new_zeros(num_nodes)
    fill = _self_loop(module)
    if fill is None:
        degree.index_add_(0, target, edge_weight)
    else:
        # One loop a node, as torch_geometric adds them: a loop that is there already keeps its weight.
        loop = source == target
        degree.index_add_(0, target[~loop], edge_weight[~loop])
        loops = torch.full_like(degree, fill)
        loops[target[loop]] = edge_weight[loop]
        degree += loops
    return torch.where(degree > 0, degree, 1.0)


def _self_loop(module):
    """The weight of the self-loops that a layer adds, or None."""
    if type(module).__name__ == "ClusterGCNConv":
        return 1.0
    if not getattr(module, "add_self_loops", False):
        return None
    return 2.0 if getattr(module, "improved", False) else 1.0
