"""The setting of an experiment: all that it may vary, and the graph, networks and loss that it stands for.

Loads no torch before one of these is made: the book's commands read the fields of a `Setting` only.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

import oversmooth as osm


@dataclass(frozen=True)
class Setting:
    """All that an experiment may vary. A variation is ``replace(setting, width=256)``, and every ``measure`` takes one.

    The defaults are the book's reference: the two-class block model with Metropolis weights, tanh networks of width 32
    and depth 41 with orthogonal weights, the squared error to labels ±1.

    Attributes:
        graph: "CSBM", "CSBM 1000" (so many nodes), "karate", "digits", or a name that `oversmooth.load` knows.
        graph_seed: of the block model's draw.
        kind: of the propagation P.
        feature_scale: X⁽⁰⁾ is multiplied by it.
        activation: name of ρ.
        width: of the hidden layers.
        depth: L + 1.
        weight_scale: s, the spectral norm of every weight matrix.
        seeds: of the weights, a network for each.
        loss: "mse" (to labels ±1) or "cross_entropy".
        optimizer: "sgd" or "adam".
        step_size: η.
        steps: updates.
        budget: the norm that a last layer trained alone may reach.
        init: of the weights, "orthogonal" or "glorot".
        feature_shift: is added to X⁽⁰⁾.
        separation: of the block model's class means.
        density: both of its edge probabilities are multiplied by it.
        shares: of its classes; None: equal.
        label_noise: the share of the labels that are drawn anew, blindly, after features and edges.
    """

    graph: str = "CSBM"
    graph_seed: int = 0
    kind: str = "metropolis"
    feature_scale: float = 1.0
    activation: str = "tanh"
    width: int = 32
    depth: int = 41
    weight_scale: float = 1.0
    seeds: tuple[int, ...] = (0,)
    loss: str = "mse"
    optimizer: str = "adam"
    step_size: float = 0.001
    steps: int = 300
    budget: float = 3.0
    init: str = "orthogonal"
    feature_shift: float = 0.0
    separation: float = 1.0
    density: float = 1.0
    shares: tuple[float, ...] | None = None
    label_noise: float = 0.0

    def data(self):
        """The graph, with its features scaled and shifted, and noise in its labels."""
        data = graph(*self._drawn)
        if (self.feature_scale, self.feature_shift, self.label_noise) == (1, 0, 0):
            return data
        data = data.clone()
        data.x = self.feature_scale * data.x + self.feature_shift
        data.y = noisy(data.y, self.label_noise, self.graph_seed)
        return data

    def propagation(self):
        """P of the graph."""
        return propagation(*self._drawn, kind=self.kind)

    @property
    def _drawn(self):
        return self.graph, self.graph_seed, self.separation, self.density, self.shares

    def network(self, outputs=None, seed=None):
        """Untrained networks, one for each seed, or a single one of this ``seed``.

        ``outputs``: width of the output, by default what the loss needs.
        """
        data = self.data()
        if outputs is None:
            outputs = 1 if self.loss == "mse" else int(data.y.max()) + 1
        widths = [data.num_features, *[self.width] * (self.depth - 1), outputs]
        options = {"seed": list(self.seeds) if seed is None else seed, "init": self.init}
        return osm.Network(self.propagation(), widths, self.activation, self.weight_scale, **options)

    def objective(self):
        """Output -> loss, one for each seed."""
        data = self.data()
        return squared_error(signs(data.y)) if self.loss == "mse" else cross_entropy(data.y)

    def trace(self):
        """All signals of the untrained networks."""
        return osm.trace(self.network(), self.data().x, self.objective())

    def trained(self, how="budget", seed=None):
        """The same networks with their last layers trained alone, to labels ±1; ``how`` as in `train_last_layer`."""
        data = self.data()
        return osm.train_last_layer(self.network(1, seed), data.x, signs(data.y), how=how, budget=self.budget)


@cache
def graph(name, seed=0, separation=1.0, density=1.0, shares=None):
    """A graph by its name: "CSBM" is drawn, as the other arguments say; public ones are their largest component."""
    if name.split()[0] == "CSBM":
        size = name.removeprefix("CSBM").strip()
        blocks = block_model(int(size or 400), seed, separation, density, shares)
        # The reference is connected, but for rare draws; then it is used as it is drawn.
        return osm.largest_component(blocks) if size or density < 1 else blocks
    require_no_blocks(name, separation, density, shares)
    if name in ("karate", "digits"):
        return getattr(osm, name)()
    return osm.largest_component(osm.load(name))


def require_no_blocks(name, separation, density, shares):
    """Refuse what only a block model has, for another graph."""
    if (separation, density, shares) != (1.0, 1.0, None):
        raise ValueError(f"{name} is no block model: it has no separation, density or shares to vary")


@cache
def propagation(name, *drawn, kind="metropolis"):
    """P of `graph`."""
    return osm.Propagation.from_data(graph(name, *drawn), kind)


def noisy(labels, share, seed=0):
    """The labels (n,), so large a share of which is replaced by labels of other nodes, drawn with replacement."""
    stream = np.random.default_rng([seed, 1])
    hit, other = stream.random(len(labels)) < share, stream.integers(len(labels), size=len(labels))
    changed = labels.clone()
    changed[hit] = labels[other[hit]]
    return changed


def signs(labels):
    """±1 labels, class 0 against all others: (n, 1) float64."""
    return 2 * (labels > 0).double()[:, None] - 1


def squared_error(targets):
    """The mean squared error to ``targets``: output (n, d) or (seeds, n, d) -> scalar or (seeds,)."""
    return lambda output: (output - targets).square().mean((-1, -2))


def cross_entropy(labels):
    """The cross-entropy to class labels (n,): output (n, c) or (seeds, n, c) -> scalar or (seeds,)."""
    index = labels[:, None]

    def loss(output):
        logits = output.log_softmax(-1)
        return -logits.take_along_dim(index.expand(*logits.shape[:-1], 1), -1).mean((-1, -2))

    return loss


def block_model(num_nodes, seed=0, separation=1.0, density=1.0, shares=None):
    """The reference graph's block model with another number of nodes and the same mean degree, times ``density``."""
    edges = {"p_in": 24 * density / num_nodes, "p_out": 8 * density / num_nodes}
    return osm.csbm(num_nodes=num_nodes, **edges, separation=separation, seed=seed, shares=shares)
