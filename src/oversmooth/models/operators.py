"""Networks whose operator is one of torch_geometric's own layers, and their signals, by autograd.

X⁽ᵏ⁺¹⁾ = ρ(H⁽ᵏ⁾), H⁽ᵏ⁾ = layer_k(X⁽ᵏ⁾) for k < L, and a linear head without graph, Ŷ = X⁽ᴸ⁾ W⁽ᴸ⁾: the same for every
operator, so that only the operator differs. The depth counts the head: L + 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sparse
import torch
from torch import nn

from oversmooth._arguments import checked
from oversmooth._validation import require, require_signal
from oversmooth.activations import Activation, find_activation
from oversmooth.network import Network
from oversmooth.propagation.kinds import BUILDERS, adjacency_matrix
from oversmooth.propagation.matrix import Propagation
from oversmooth.propagation.perron import fixed_propagation
from oversmooth.signals import output_error

if TYPE_CHECKING:
    from torch_geometric.data import Data

ATTENTION = ("gat", "gatv2", "transformer")
NAMES = ("metropolis", "random_walk", "gcn", *ATTENTION, "sum", "max")
# These layers add their own self-loops (or, GINConv, the node itself); the others are given them.
_LOOPED = ("random_walk", "transformer", "max")


class OperatorNetwork(nn.Module):
    """A deep network on one operator of torch_geometric, with the weights that `Network` has for the same seed.

    metropolis: GCNConv on given weights; random_walk: SAGEConv, mean of the node and its neighbours (D̃⁻¹Ã);
    gcn: GCNConv; gat: GATConv; gatv2: GATv2Conv; transformer: TransformerConv; sum: GINConv (ÃXW); max: SAGEConv,
    maximum over the node and its neighbours. One head, no bias, no skip connection. Value weights are orthogonal; what
    the attention has besides keeps torch_geometric's own initialisation.

    Args:
        operator: one of `NAMES`.
        data: the graph, undirected.
        widths: d_0, …, d_{L+1}: depth + 1 positive integers.
        activation: name, or `Activation`.
        weight_scale: factor on the orthogonal weights, the head's too.
        seed: an integer; the global random state is left alone.

    Attributes:
        layers: the L layers.
        head: W⁽ᴸ⁾, (d_L, d_{L+1}).
        propagation: `Propagation` where the operator is a fixed matrix (up to a factor, for sum); None otherwise.

    Raises:
        ValueError: an unknown name, a directed graph, or widths that make no network.

    Source: chapter *Other operators*; layers of Kipf and Welling, Hamilton et al., Veličković et al., Brody et al., Shi
    et al. and Xu et al., as torch_geometric has them.
    """

    @checked
    def __init__(
        self,
        operator: str,
        data: Data,
        widths: Sequence[int],
        activation: str | Activation = "tanh",
        weight_scale: float = 1.0,
        seed: int = 0,
    ):
        super().__init__()
        require(operator in NAMES, f"operator is {operator!r}; known: {', '.join(NAMES)}")
        adjacency = adjacency_matrix(data.edge_index, data.num_nodes)
        self.operator, self.activation = operator, find_activation(activation)
        self.num_nodes = data.num_nodes
        self.propagation = fixed_propagation(operator, adjacency)
        edges, weights = _edges(operator, adjacency)
        self.register_buffer("edge_index", edges)
        self.register_buffer("edge_weight", weights)
        *values, head = Network(
            Propagation.identity(data.num_nodes), widths, weight_scale=weight_scale, seed=seed
        ).weights
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)  # torch_geometric draws from it; fork_rng puts it back
            self.layers = nn.ModuleList(_layer(operator, *value.shape).double() for value in values)
        with torch.no_grad():
            for layer, value in zip(self.layers, values, strict=True):
                value_map(layer).weight.copy_(value.T)
        self.head = nn.Parameter(head.detach().clone())

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Ŷ.

        Args:
            features: X⁽⁰⁾, (n, d_0).

        Returns:
            Ŷ, (n, d_{L+1}).
        """
        for layer in self.layers:
            features = self.activation(self.apply_layer(layer, features))
        return features @ self.head

    def check(self, features: torch.Tensor, k: int = 0) -> None:
        """Raise ValueError unless features fit the graph and layer k.

        Args:
            features: X⁽ᵏ⁾, (n, d_k).
            k: a layer.

        Raises:
            ValueError: they do not, or there is no such layer.
        """
        require(0 <= k < len(self.layers), f"k is {k}; layers 0 to {len(self.layers) - 1} are there")
        require_signal("features", features, self.num_nodes)
        width, dtype = value_map(self.layers[k]).weight.shape[1], self.head.dtype
        require(
            features.shape == (self.num_nodes, width) and features.dtype == dtype,
            f"features are {tuple(features.shape)} of {features.dtype}; layer {k} takes "
            f"{(self.num_nodes, width)} of {dtype}",
        )

    def apply_layer(self, layer, features):
        """H⁽ᵏ⁾, (n, d_{k+1}), of one layer for X⁽ᵏ⁾, (n, d_k)."""
        if self.edge_weight is not None:
            return layer(features, self.edge_index, self.edge_weight)
        return layer(features, self.edge_index)

    def attend(self, layer, features):
        """H⁽ᵏ⁾ of an attention layer, its edges (2, entries) and its attention (entries,): P_ij, from j to i."""
        out, (edges, alpha) = layer(features, self.edge_index, return_attention_weights=True)
        return out, edges, alpha[:, 0]


@dataclass(frozen=True)
class OperatorSignals:
    """One pass: lists over the layers k = 0, …, L−1, detached; names as in `Signals`.

    Attributes:
        features: X⁽ᵏ⁾, k = 0, …, L: one more than the others.
        preactivations: H⁽ᵏ⁾.
        backward: B⁽ᵏ⁾ = ∂𝓛/∂H⁽ᵏ⁾.
        gradients: norm of the gradient of all parameters of layer k, floats; the head's last.
        attention: P⁽ᵏ⁾ as (n, n) scipy CSR, for attention; else empty.
        output: Ŷ.
        loss: 𝓛, a float.
    """

    features: list[torch.Tensor]
    preactivations: list[torch.Tensor]
    backward: list[torch.Tensor]
    gradients: list[float]
    attention: list[sparse.csr_array]
    output: torch.Tensor
    loss: float


@checked
def trace_operator(
    network: OperatorNetwork, features: torch.Tensor, loss: Callable[[torch.Tensor], torch.Tensor]
) -> OperatorSignals:
    """Every signal of one forward and one backward pass of an `OperatorNetwork`, by autograd through its layers.

    Args:
        network: `OperatorNetwork`; its ``.grad`` stays as it is.
        features: X⁽⁰⁾, (n, d_0).
        loss: output -> scalar tensor.

    Returns:
        `OperatorSignals`.

    Raises:
        ValueError: features that do not fit, or a loss that is no scalar or ignores the output.

    Source: chapter *Other operators*.
    """
    network.check(features)
    X, H, attention = [features.detach()], [], []
    with torch.enable_grad():
        for layer in network.layers:
            if network.operator in ATTENTION:
                out, edges, alpha = network.attend(layer, X[-1])
                attention.append(attention_matrix(edges, alpha, len(features)))
            else:
                out = network.apply_layer(layer, X[-1])
            H.append(out)
            X.append(network.activation(out))
        output = X[-1] @ network.head
        value, error = output_error(loss, output)
        groups = [list(layer.parameters()) for layer in network.layers] + [[network.head]]
        # unused: the map of the skip connection that TransformerConv builds even when told to have none
        found = torch.autograd.grad(output, [*H, *(p for group in groups for p in group)], error, allow_unused=True)
    B, rest = list(found[: len(H)]), iter(found[len(H) :])
    gradients = [_norm([next(rest) for _ in group]) for group in groups]
    detached = [x.detach() for x in X], [h.detach() for h in H]
    return OperatorSignals(*detached, B, gradients, attention, output.detach(), float(value))


def attention_matrix(edges, alpha, num_nodes):
    """P of one attention layer as scipy CSR: edge (j, i) of torch_geometric, from j to i, is entry P_ij.

    Args:
        edges: (2, entries) integers.
        alpha: (entries,).
        num_nodes: n.

    Returns:
        The (n, n) matrix.
    """
    source, target = edges.numpy()
    return sparse.coo_array((alpha.detach().numpy(), (target, source)), shape=(num_nodes, num_nodes)).tocsr()


def value_map(layer):
    """The linear map of a layer that carries its values, W⁽ᵏ⁾ᵀ as ``weight``."""
    names = [name for name in ("lin_value", "lin_l", "lin", "nn") if hasattr(layer, name)]
    require(bool(names), f"layer is a {type(layer).__name__}; one with a linear map for its values is needed")
    return getattr(layer, names[0])


def _norm(gradients):
    return float(sum(gradient.square().sum() for gradient in gradients if gradient is not None)) ** 0.5


def _edges(operator, adjacency):
    """edge_index and weights (or None) that the layers are given; row i of a symmetric matrix is node i's."""
    matrix = adjacency
    if operator == "metropolis":
        matrix = BUILDERS[operator](adjacency).matrix
    elif operator in _LOOPED:
        matrix = adjacency + sparse.eye_array(adjacency.shape[0])
    target, source = sparse.coo_array(matrix).coords
    edges = torch.from_numpy(np.stack([source, target]).astype(np.int64))
    return edges, torch.from_numpy(matrix.tocoo().data) if operator == "metropolis" else None


def _layer(operator, rows, columns):
    import torch_geometric.nn as pyg

    plain = {"in_channels": rows, "out_channels": columns, "bias": False}
    makers = {
        "metropolis": lambda: pyg.GCNConv(**plain, normalize=False),
        "random_walk": lambda: pyg.SAGEConv(**plain, aggr="mean", root_weight=False),
        "gcn": lambda: pyg.GCNConv(**plain),
        "gat": lambda: pyg.GATConv(**plain),
        "gatv2": lambda: pyg.GATv2Conv(**plain, share_weights=True),
        "transformer": lambda: pyg.TransformerConv(**plain, root_weight=False),
        "sum": lambda: pyg.GINConv(nn.Linear(rows, columns, bias=False)),
        "max": lambda: pyg.SAGEConv(**plain, aggr="max", root_weight=False),
    }
    return makers[operator]()
