"""The exact multi-layer perceptron that has no spurious stationary point at a trained last layer, and its GNN twin.

The module is not called like its function: ``oversmooth.counterexample`` must be the function, in whatever order the
two are imported.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from oversmooth._arguments import checked
from oversmooth._validation import require
from oversmooth.activations import Activation
from oversmooth.network import Network
from oversmooth.propagation.matrix import Propagation

_CYCLE = torch.tensor([[0, 1, 2, 3, 1, 2, 3, 0], [1, 2, 3, 0, 0, 1, 2, 3]])
_FIRST, _SECOND = (1.0, 1.0, 2.0, 2.0), (1.0, 2.0, 1.0, 2.0)
_KINDS = {None: "identity", "cycle": "metropolis"}


@dataclass(frozen=True)
class Counterexample:
    """A network whose last layer is exactly trained, with its data and what is known of it in closed form.

    Attributes:
        network: `Network`.
        features: X, (4, 2).
        targets: Y, (4, 1).
        gradient: ∂𝓛/∂W⁽⁰⁾ in closed form, (2, width). All other gradients are 0.
        loss: 𝓛, the mean squared error, in closed form.
    """

    network: Network
    features: torch.Tensor
    targets: torch.Tensor
    gradient: torch.Tensor
    loss: float


@checked
def counterexample(
    depth: int, graph: str | None = None, activation: str | Activation = "elu", width: int = 1
) -> Counterexample:
    """An MLP with a trained last layer and a gradient that no depth can shrink; or the same network on a graph.

    Data: four nodes, X = [x₁ x₂] with x₁ = (1, 1, 2, 2), x₂ = (1, 2, 1, 2), and Y = x₂. Weights: W⁽⁰⁾ passes x₁ on in
    the first of ``width`` columns, W⁽ᵏ⁾ = I for 0 < k < L, and W⁽ᴸ⁾ has w in its first row, the least-squares solution.
    Every weight has spectral norm at most 1.

    Without a graph (P = I): w = 9/10, ∂𝓛/∂W⁽⁰⁾ = (0, −0.855)ᵀ and 𝓛 = 0.475 at every depth. On the 4-cycle with
    Metropolis weights, λ = 1/3: with a = 3^{−depth}/2, w = 9/(9 + 4a²),
    ∂𝓛/∂W⁽⁰⁾ = (0, (w/2) (9(w − 1) − (−1)^{depth} 2a))ᵀ, close to 3^{−depth}/2 in size, and
    𝓛 = 9(w − 1)²/4 + w²a² + 1/4.

    Args:
        depth: number of weight matrices, L+1, at least 2.
        graph: None for the MLP, "cycle" for its twin.
        activation: "elu", "relu" or another one that is the identity on positive numbers and 0 at 0.
        width: of the hidden layers.

    Returns:
        `Counterexample`.

    Raises:
        ValueError: a depth below 2, no width, an unknown graph, or an activation that changes positive numbers.

    Source: the paper's statement 6; the example is ours, the book's theorem thm-counterexample.
    """
    require(depth >= 2, f"depth is {depth}; an integer of at least 2 is needed")
    require(width >= 1, f"width is {width}; an integer of at least 1 is needed")
    require(graph in _KINDS, f"graph is {graph!r}; known: None for the MLP, 'cycle' for its twin on the 4-cycle")
    P = Propagation.from_edges(_CYCLE, 4, kind=_KINDS[graph])
    network = Network(P, [2, *[width] * (depth - 1), 1], activation=activation)
    rho = network.activation
    # 0 and the values that a positive signal takes here: the embedding needs ρ(0) = 0 besides ρ(h) = h.
    probe = torch.tensor([0.0, 0.5, 1.0, 1.5, 2.0], dtype=torch.float64)
    keeps = torch.equal(rho(probe), probe)
    require(keeps, f"activation {rho.name} changes positive numbers; use elu, relu or identity")
    w, slope, loss = _mlp() if graph is None else _cycle(depth)
    _set_weights(network, w)
    gradient = torch.zeros(2, width, dtype=torch.float64)
    gradient[1, 0] = slope
    features = torch.tensor([_FIRST, _SECOND], dtype=torch.float64).T.contiguous()
    return Counterexample(network, features, features[:, 1:].clone(), gradient, loss)


def _mlp():
    """w, the non-zero entry of ∂𝓛/∂W⁽⁰⁾, and 𝓛."""
    return 0.9, -0.855, 0.475


def _cycle(depth):
    """The same for the cycle: 3/2 is the mean of x₁ and x₂, and P multiplies the rest of x₁ by 1/3, of x₂ by −1/3."""
    a = 3.0**-depth / 2
    w = 9 / (9 + 4 * a * a)
    short = -4 * a * a / (9 + 4 * a * a)  # w − 1 without cancellation
    slope = w / 2 * (9 * short - (-1) ** depth * 2 * a)
    return w, slope, 9 * short**2 / 4 + w * w * a * a + 1 / 4


@torch.no_grad()
def _set_weights(network, w):
    for weight in network.weights:
        weight.zero_()
    network.weights[0][0, 0] = 1.0
    for weight in network.weights[1:-1]:
        weight.fill_diagonal_(1.0)
    network.weights[-1][0, 0] = w
