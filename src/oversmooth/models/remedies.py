"""Deep networks with one remedy against oversmoothing each, made from torch_geometric's own layers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from torch_geometric.nn import (
    BatchNorm,
    DeepGCNLayer,
    GCN2Conv,
    GCNConv,
    JumpingKnowledge,
    LayerNorm,
    MeanSubtractionNorm,
    PairNorm,
)
from torch_geometric.nn.resolver import activation_resolver
from torch_geometric.utils import dropout_edge

from oversmooth._arguments import checked
from oversmooth._validation import came, require
from oversmooth.propagation.averaging import Averaging
from oversmooth.propagation.kinds import EDGE_KINDS
from oversmooth.propagation.matrix import Propagation


@dataclass(frozen=True)
class Remedy:
    """What a remedy changes in a plain network; the defaults change nothing.

    Attributes:
        block: of `DeepGCNLayer`: "plain" ρ(H) or "res" X + ρ(H).
        norm: width -> module between H and ρ, or None.
        alpha: share of X⁽¹⁾ that every later layer receives, by `GCN2Conv`; None takes `GCNConv`.
        theta: of `GCN2Conv`: layer k has the weights (1 − β)I + βW, β = log(1 + θ/k); None means β = 1.
        jumping: of `JumpingKnowledge`: how the output layer reads all layers; None: it reads the last one.
        drop_edges: share of the edges left out in each pass in training mode, by `dropout_edge`.
        init: None (Glorot, torch_geometric's default) or "orthogonal", of all weights.
        scale: factor on all initial weights.

    Source: the selection is ours; the book's theorem thm-remedies says what some of them can do.
    """

    block: str = "plain"
    norm: Callable | None = None
    alpha: float | None = None
    theta: float | None = None
    jumping: str | None = None
    drop_edges: float = 0.0
    init: str | None = None
    scale: float = 1.0


# Each at the settings of its torch_geometric layer, or of its authors where the layer has none.
REMEDIES = {
    "plain": Remedy(),
    "residual": Remedy(block="res"),
    "initial residual": Remedy(alpha=0.1),
    "GCNII": Remedy(alpha=0.1, theta=0.5),
    "jumping knowledge": Remedy(jumping="cat"),
    # Statistics of the graph at hand in both modes: a full batch needs no running average.
    "BatchNorm": Remedy(norm=lambda width: BatchNorm(width, track_running_stats=False)),
    "PairNorm": Remedy(norm=lambda width: PairNorm()),
    "mean subtraction": Remedy(norm=lambda width: MeanSubtractionNorm()),
    # "node" is the layer norm of transformers; torch_geometric's default, "graph", takes one mean over all nodes.
    "LayerNorm": Remedy(norm=lambda width: LayerNorm(width, mode="node")),
    "DropEdge": Remedy(drop_edges=0.5),
    # Twice: at three times 64 layers of tanh are chaotic, and rounding decides the features' mean.
    "large weights": Remedy(scale=2.0),
    "orthogonal": Remedy(init="orthogonal"),
}


class DeepNetwork(nn.Module):
    """X⁽ᵏ⁺¹⁾ = ρ(norm(P X⁽ᵏ⁾ W⁽ᵏ⁾)) for k < L, output P X⁽ᴸ⁾ W⁽ᴸ⁾ + bias, with one remedy built in.

    Whatever the remedy, the propagation, depth, hidden width, activation and output bias are the same. Every layer is
    one of torch_geometric's; only its product with P is `Propagation`'s, which gives the same numbers faster.

    Args:
        propagation: `Propagation` of the graph.
        features: columns of X⁽⁰⁾.
        classes: columns of the output.
        depth: L+1, at least 2.
        width: of the hidden layers.
        remedy: a name of `REMEDIES`, or a `Remedy`.
        activation: a name that torch_geometric's `activation_resolver` knows.
        seed: of the weights and the dropped edges; the global random state is left alone.
        dtype: of the weights.

    Attributes:
        layers: the hidden layers, `DeepGCNLayer`, L of them.
        output: the output layer, `GCNConv`.

    Raises:
        ValueError: an unknown remedy, sizes that make no network, or edges to drop from a P that is no graph's.

    Source: the book's page *Notation* for the plain network; the layers name their papers.
    """

    @checked
    def __init__(
        self,
        propagation: Averaging,
        features: int,
        classes: int,
        depth: int,
        width: int = 16,
        remedy: str | Remedy = "plain",
        activation: str = "tanh",
        seed: int = 0,
        dtype: torch.dtype = torch.float64,
    ):
        super().__init__()
        sizes = {"features": features, "classes": classes, "width": width, "depth - 1": depth - 1}
        for name, size in sizes.items():
            require(size >= 1, f"{name} is {size}; an integer, at least 1, is needed")
        self.remedy, self.propagation = _find(remedy), propagation
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(int(seed))  # torch.manual_seed would reach the GPUs' generators, too
            self.layers = nn.ModuleList(
                _layer(self.remedy, k, features if k == 0 else width, width, activation) for k in range(depth - 1)
            )
            self.jumping = JumpingKnowledge(self.remedy.jumping) if self.remedy.jumping else None
            wide = width * (depth - 1) if self.remedy.jumping == "cat" else width
            self.output = _spreading(GCNConv(wide, classes, normalize=False, bias=True))
            _initialise(self.to(dtype))
            self._random = torch.get_rng_state()
        self._edges = _edges(propagation) if self.remedy.drop_edges else None

    @property
    def depth(self) -> int:
        """Number of weight matrices, L+1."""
        return len(self.layers) + 1

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """The output.

        Args:
            features: X⁽⁰⁾, (n, features).

        Returns:
            (n, classes).
        """
        P = self._propagation()
        return self.output(self.embed(features, P), P)

    def embed(self, features: torch.Tensor, propagation: Averaging | None = None) -> torch.Tensor:
        """What the output layer reads: X⁽ᴸ⁾, or with jumping knowledge X⁽¹⁾, …, X⁽ᴸ⁾ side by side.

        Args:
            features: X⁽⁰⁾, (n, features).
            propagation: P; None means the graph's.

        Returns:
            (n, width), or (n, L width).
        """
        P = self.propagation if propagation is None else propagation
        signals = [self.layers[0](features, P)]
        for layer in self.layers[1:]:
            initial = () if self.remedy.alpha is None else (signals[0],)
            signals.append(layer(signals[-1], *initial, P))
        return signals[-1] if self.jumping is None else self.jumping(signals)

    def _propagation(self):
        """P, in training mode without the edges that are dropped in this pass."""
        if self._edges is None or not self.training:
            return self.propagation
        with torch.random.fork_rng(devices=[]):
            torch.set_rng_state(self._random)
            kept, _ = dropout_edge(self._edges, self.remedy.drop_edges, force_undirected=True)
            self._random = torch.get_rng_state()
        return Propagation.from_edges(kept, self.propagation.num_nodes, self.propagation.kind)


def _find(remedy):
    require(
        isinstance(remedy, Remedy) or remedy in REMEDIES,
        f"remedy is {remedy!r}; known: {', '.join(REMEDIES)}, or pass a Remedy",
    )
    return remedy if isinstance(remedy, Remedy) else REMEDIES[remedy]


def _activation(activation):
    """A new module for each layer: one that several share is one module to whoever looks for them."""
    try:
        return activation_resolver(activation)
    except ValueError as error:
        raise ValueError(f"activation is {came(activation)}; a name of torch's, such as 'relu'") from error


def _layer(remedy, k, inputs, width, activation):
    """Hidden layer k. The first one changes the width, so that it can neither add its input nor know X⁽¹⁾."""
    if k == 0 or remedy.alpha is None:
        conv = GCNConv(inputs, width, normalize=False, bias=False)
    else:
        mapping = {} if remedy.theta is None else {"theta": remedy.theta, "layer": k}
        conv = GCN2Conv(width, remedy.alpha, normalize=False, add_self_loops=False, **mapping)
    norm = remedy.norm(width) if remedy.norm else None
    return DeepGCNLayer(_spreading(conv), norm, _activation(activation), "plain" if k == 0 else remedy.block)


def _spreading(conv):
    # An attribute of this one layer: torch_geometric writes its classes' own propagate anew for each class.
    conv.propagate = _product
    return conv


def _product(edge_index, x, **_):
    """PX, where a layer would sum messages over the edges."""
    product = edge_index @ x
    return product.clone() if product is x else product  # P = I: GCN2Conv scales what it gets in place


def _initialise(network):
    """Hidden and output weights as the remedy wants them; drawn by the layers themselves so far."""
    with torch.no_grad():
        for conv in (*(layer.conv for layer in network.layers), network.output):
            weight = conv.weight1 if isinstance(conv, GCN2Conv) else conv.lin.weight
            if network.remedy.init == "orthogonal":
                nn.init.orthogonal_(weight)
            weight.mul_(network.remedy.scale)


def _edges(propagation):
    """The graph's edges, (2, edges)."""
    require(
        propagation.kind in EDGE_KINDS,
        f"edges are dropped from a graph, and the propagation is of kind {propagation.kind!r}; needed: "
        + ", ".join(EDGE_KINDS),
    )
    entries = propagation.matrix.tocoo()
    edges = torch.stack([torch.from_numpy(side).long() for side in (entries.row, entries.col)])
    return edges[:, edges[0] != edges[1]]
