"""What the chapters share: the setting of an experiment, graphs, targets, losses, medians over seeds, slopes."""

from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd
import torch

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

    def network(self, outputs=None):
        """Untrained networks, one for each seed; ``outputs``: width of the output, by default what the loss needs."""
        data = self.data()
        if outputs is None:
            outputs = 1 if self.loss == "mse" else int(data.y.max()) + 1
        widths = [data.num_features, *[self.width] * (self.depth - 1), outputs]
        options = {"seed": list(self.seeds), "init": self.init}
        return osm.Network(self.propagation(), widths, self.activation, self.weight_scale, **options)

    def objective(self):
        """Output -> loss, one for each seed."""
        data = self.data()
        return squared_error(signs(data.y)) if self.loss == "mse" else cross_entropy(data.y)

    def trace(self):
        """All signals of the untrained networks."""
        return osm.trace(self.network(), self.data().x, self.objective())

    def trained(self, how="budget"):
        """The same networks with their last layers trained alone, to labels ±1; ``how`` as in `train_last_layer`."""
        data = self.data()
        return osm.train_last_layer(self.network(1), data.x, signs(data.y), how=how, budget=self.budget)


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
    return torch.where(torch.from_numpy(hit), labels[torch.from_numpy(other)], labels)


def signs(labels):
    """±1 labels, class 0 against all others: (n, 1) float64."""
    return torch.where(labels > 0, 1.0, -1.0).to(torch.float64)[:, None]


def squared_error(targets):
    """The mean squared error to ``targets``: output (n, d) or (seeds, n, d) -> scalar or (seeds,)."""
    return lambda output: (output - targets).square().mean((-1, -2))


def cross_entropy(labels):
    """The cross-entropy to class labels (n,): output (n, c) or (seeds, n, c) -> scalar or (seeds,)."""
    index = labels[:, None]

    def loss(output):
        logits = torch.log_softmax(output, -1)
        return -logits.take_along_dim(index.expand(*logits.shape[:-1], 1), -1).mean((-1, -2))

    return loss


def clear_of_rounding(errors, floor=1e-9):
    """Differences that should be 0: below ``floor`` they are rounding, other on every machine, and become 0."""
    return np.where(np.abs(errors) > floor, errors, 0.0)


def over_seeds(table, by, value):
    """Median and range over the seeds, for `oversmooth.drawing.theme.band`: columns ``by``, median, low, high."""
    groups = table.groupby(by, sort=False)[value]
    return groups.agg(median="median", low="min", high="max").reset_index()


def log_slope(x, y):
    """Least-squares slope of log y against x: of an exponential decay, its rate's logarithm."""
    return float(np.polyfit(np.asarray(x, float), np.log(np.asarray(y, float)), 1)[0])


def bands(table, by, names):
    """`over_seeds` of several columns, one below the other: columns ``by``, median, low, high, quantity."""
    return pd.concat([over_seeds(table, by, name).assign(quantity=name) for name in names], ignore_index=True)


def judged(network, data, certified=True):
    """`osm.layer_profile` of a batch with one output, targets ±1, and certificate, loss, floor, total, last_norm.

    total is the norm of the whole gradient, last_norm is ‖W⁽ᴸ⁾‖; the same in all rows of a seed. Where the theory
    does not reach, or with ``certified`` false, the certificate is NaN.
    """
    Y, P = signs(data.y), network.propagation
    signals = osm.trace(network, data.x, squared_error(Y))
    table = osm.layer_profile(signals)
    # The theory covers the GCN matrix in the coordinates of the random walk, for homogeneous activations only.
    covered = certified and (P.scaling is None or network.activation.homogeneous)
    # (layers, seeds) one after the other, the order of the profile
    table["certificate"] = osm.certificate(signals).gradient.mT.reshape(-1).numpy() if covered else np.nan
    per_seed = {
        "loss": signals.loss,
        "floor": osm.loss_floor(network, data.x, Y),
        "total": sum(gradient.square().sum((-2, -1)) for gradient in signals.gradients).sqrt(),
        "last_norm": torch.linalg.matrix_norm(network.weights[-1].detach()),
    }
    for name, values in per_seed.items():
        table[name] = values.numpy()[table["seed"]]
    return table


def block_model(num_nodes, seed=0, separation=1.0, density=1.0, shares=None):
    """The reference graph's block model with another number of nodes and the same mean degree, times ``density``."""
    edges = {"p_in": 24 * density / num_nodes, "p_out": 8 * density / num_nodes}
    return osm.csbm(num_nodes=num_nodes, **edges, separation=separation, seed=seed, shares=shares)


def label_entropy(labels):
    """The entropy of the classes' frequencies, natural logarithm: the cross-entropy of the best constant output."""
    shares = labels.bincount() / labels.numel()
    return float(torch.special.entr(shares.double()).sum())


def accuracy(output, labels):
    """The share of nodes whose largest output, of (n, classes), is that of their class."""
    return float((output.argmax(1) == labels).double().mean())


def score(output, labels):
    """Accuracy of (n, classes); for two classes the area under the ROC curve, which does not mind that one is rare."""
    if output.shape[1] > 2:
        return accuracy(output, labels)
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(labels, output[:, 1] - output[:, 0]))


def descend(parameters, objective, steps, step_size):
    """Adam with torch's other defaults on ``objective()``, in place. Ends at the least loss it met.

    A deep network's loss may leap by a hundredfold in one step and come back in the next. Where it stands when the
    budget is spent is then chance, and rounding decides; the least loss is not.
    """
    parameters = list(parameters)
    optimizer = torch.optim.Adam(parameters, lr=step_size, foreach=True)
    least, kept = float("inf"), [parameter.detach().clone() for parameter in parameters]
    for step in range(steps + 1):
        optimizer.zero_grad()
        value = objective()
        if value < least:
            least, kept = float(value.detach()), [parameter.detach().clone() for parameter in parameters]
        if step < steps:
            value.backward()
            optimizer.step()
    with torch.no_grad():
        for parameter, best in zip(parameters, kept, strict=True):
            parameter.copy_(best)


def mean_growth(setting, scales, layers=48, start=8):
    """g(s), the growth per layer of a small difference in the MLP that the mean row passes: scale, growth.

    Where all rows are nearly x, the next ones are nearly ρ(sxW), and a difference d between them becomes λ_j times
    s(dW) ⊙ ρ'(sxW) in mode j of P. So σ(X⁽ᵏ⁾) ~ (λg)ᵏ near the smoothed state, which draws features in below 1.
    The geometric mean over the layers from ``start`` on and over the seeds. Many seeds and few layers: the MLP is
    chaotic above s = 1, and after 60 layers rounding would decide.
    """
    alone = osm.Propagation.from_matrix(torch.eye(1, dtype=torch.float64))
    network = osm.Network(alone, [setting.width] * (layers + 1), setting.activation, seed=list(setting.seeds))
    rows = []
    for scale in scales:
        x, d = torch.eye(2, setting.width, dtype=torch.float64)[:, None, None]  # any two rows: their start is forgotten
        logs = []
        for weight in network.weights:
            h, d = scale * (x @ weight.detach()), scale * (d @ weight.detach())
            x, d = network.activation(h), d * network.activation.slope(h)
            size = d.norm(dim=-1, keepdim=True)
            d, logs = d / size, [*logs, size.log().mean()]
        rows.append({"scale": float(scale), "growth": float(torch.stack(logs[start:]).mean().exp())})
    return pd.DataFrame(rows)
