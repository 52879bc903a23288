"""All forward signals, backward signals and gradients of one pass."""

from dataclasses import dataclass, field

import torch

from oversmooth._validation import require
from oversmooth.activations import Activation
from oversmooth.propagation import Propagation


@dataclass(frozen=True)
class Signals:
    """One pass through a network: lists over the layers k = 0, …, L, under the names of the notation page.

    Shapes are for one network; a batch puts a seeds axis in front of each. Nothing here is attached to autograd, and
    the weights are copies: training the network further does not change them.

    Attributes:
        features: X⁽ᵏ⁾, (n, d_k).
        propagated: F⁽ᵏ⁾ = P X⁽ᵏ⁾, (n, d_k).
        preactivations: H⁽ᵏ⁾ = F⁽ᵏ⁾ W⁽ᵏ⁾, (n, d_{k+1}); the last one is the output.
        backward: B⁽ᵏ⁾ = ∂𝓛/∂H⁽ᵏ⁾, (n, d_{k+1}).
        gradients: ∂𝓛/∂W⁽ᵏ⁾, (d_k, d_{k+1}); in a batch one for each seed, even where the weights are shared.
        output: Ŷ, (n, d_{L+1}).
        loss: 𝓛, scalar, or (seeds,) if the loss function gave one value for each seed.
        weights: W⁽ᵏ⁾, (d_k, d_{k+1}).
        propagation: P.
        activation: ρ.
    """

    features: list[torch.Tensor]
    propagated: list[torch.Tensor]
    preactivations: list[torch.Tensor]
    backward: list[torch.Tensor]
    gradients: list[torch.Tensor]
    output: torch.Tensor
    loss: torch.Tensor
    weights: list[torch.Tensor] = field(repr=False)
    propagation: Propagation
    activation: Activation

    @property
    def depth(self):
        """Number of weight matrices, L+1."""
        return len(self.weights)


def trace(network, features, loss):
    """Every signal and gradient of one forward and one backward pass.

    X⁽ᵏ⁺¹⁾ = ρ(H⁽ᵏ⁾), H⁽ᵏ⁾ = P X⁽ᵏ⁾ W⁽ᵏ⁾; then from B⁽ᴸ⁾ = ∂𝓛/∂Ŷ downwards G⁽ᵏ⁾ = Pᵀ B⁽ᵏ⁺¹⁾ W⁽ᵏ⁺¹⁾ᵀ,
    B⁽ᵏ⁾ = ρ'(H⁽ᵏ⁾) ⊙ G⁽ᵏ⁾ and ∂𝓛/∂W⁽ᵏ⁾ = F⁽ᵏ⁾ᵀ B⁽ᵏ⁾. Only the loss itself goes through autograd. Parameters, their
    ``.grad``, the training mode and the random state stay as they are.

    Args:
        network: `Network`.
        features: X⁽⁰⁾, (n, d_0) or (seeds, n, d_0).
        loss: output -> scalar tensor, or for a batch one value for each seed, (seeds,).

    Returns:
        `Signals`.

    Raises:
        ValueError: features that do not fit the network, or a loss that is no scalar or ignores the output.

    Source: theory.md, section 1.
    """
    network.check(features)
    P, rho = network.propagation, network.activation
    W = [weight.detach().clone() for weight in network.weights]
    with torch.no_grad():
        X, F, H = [features.detach()], [], []
        for k in range(len(W)):
            F.append(P @ X[k])
            H.append(network.preactivate(k, F[k]))
            if k < len(W) - 1:
                X.append(rho(H[k]))
    value, error = _output_error(loss, H[-1])
    with torch.no_grad():
        B, gradients = [error], [F[-1].mT @ error]
        for k in reversed(range(len(W) - 1)):
            G = P.adjoint(B[0] @ W[k + 1].mT)
            B.insert(0, rho.backward(H[k], X[k + 1], G))
            gradients.insert(0, F[k].mT @ B[0])
    # A batch that starts from shared features still has one signal for each seed (a view: no memory).
    X[0], F[0] = (x.expand(*H[0].shape[:-2], *x.shape[-2:]) for x in (X[0], F[0]))
    return Signals(X, F, H, B, gradients, H[-1], value, W, P, rho)


def _output_error(loss, output):
    """𝓛 and B⁽ᴸ⁾ = ∂𝓛/∂Ŷ."""
    with torch.enable_grad():
        leaf = output.detach().requires_grad_()
        value = loss(leaf)
        require(isinstance(value, torch.Tensor), f"loss gave a {type(value).__name__}; a scalar tensor is needed")
        require(
            value.dim() == 0 or (output.dim() == 3 and value.shape == output.shape[:1]),
            f"loss gave shape {tuple(value.shape)}; a scalar is needed, or one value for each seed of a batch",
        )
        require(value.requires_grad, "the loss does not depend on the network's output, or was detached from it")
        (error,) = torch.autograd.grad(value.sum(), leaf)
    return value.detach(), error
