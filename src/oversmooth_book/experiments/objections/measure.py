"""What the sections share: the reference setting, features layer by layer, and the least loss of a common budget."""

from dataclasses import replace as replace

import torch

from oversmooth_book.experiments.settings import Setting

REFERENCE = Setting(depth=41, seeds=tuple(range(10, 18)))


@torch.no_grad()
def features(network, first):
    """X⁽⁰⁾, …, X⁽ᴸ⁾ of a batch of networks on any operator: a list of (n, d_0) and then (seeds, n, d_k)."""
    signals = [first]
    for weight in network.weights[:-1]:
        signals.append(network.activation((network.propagation @ signals[-1]) @ weight))
    return signals


def least_losses(parameters, objective, steps, step_size, epsilon=1e-8):
    """Adam on a batch of networks that do not meet: the least loss that each seed met, (seeds,).

    ``objective()`` gives a loss for each seed; the sum's gradient is each seed's own. Adam's update is
    step_size · m/(√v + ε) with m and v running means of the gradient and its square: a gradient far below ε moves
    nothing, however long.
    """
    optimizer = torch.optim.Adam(parameters, lr=step_size, eps=epsilon, foreach=True)
    least = None
    for step in range(steps + 1):
        losses = objective()
        least = losses.detach() if least is None else torch.minimum(least, losses.detach())
        if step < steps:
            optimizer.zero_grad()
            losses.sum().backward()
            optimizer.step()
    return least
