"""Means and deviations of a layer's signals inside each connected component, in one pass where digits allow it."""

import math

import torch

from oversmooth.moments import Moments, backward_measure, feature_measure, power_of_two, wide

_KEPT = 0.02  # σ² below this share of the whole is summed from departures: a difference would have lost its digits


class NodeWeights:
    """π and the scaling of one side of a layer's operator: a `Weighting`, as a `Propagation` is.

    Attributes:
        num_nodes: n.
        pi: (n, 1), positive, sums to 1.
        scaling: (n, 1), or None where it is 1 everywhere.
        labels: (n,) number of the connected component of each node, 0 the largest, or None where there is one.
        components: how many there are.
    """

    def __init__(self, pi, scaling=None, labels=None, components=1):
        self.num_nodes = len(pi)
        self.pi, self.scaling = pi[:, None], None if scaling is None else scaling[:, None]
        self.labels, self.components = labels if components > 1 else None, components
        self._kept = {}

    def measure(self, dtype, device):
        """π and the scaling in a dtype, on a device; see `Propagation.measure`."""
        if (dtype, device) not in self._kept:
            both = (self.pi, self.scaling)
            self._kept[dtype, device] = tuple(None if v is None else v.to(device, dtype) for v in both)
        return self._kept[dtype, device]

    def sums(self, kind, dtype, device):
        """What `signal_moments` needs of a kind of signal, in a dtype, prepared once."""
        key = (kind, dtype, device)
        if key not in self._kept:
            like = torch.empty((self.num_nodes, 1), dtype=dtype, device=device)
            self._kept[key] = _prepared(kind, like, self, self.labels, self.components)
        return self._kept[key]

    def __getstate__(self):
        return self.__dict__ | {"_kept": {}}


def _prepared(kind, like, weights, labels, components):
    m, c, a = (feature_measure if kind == "feature" else backward_measure)(like, weights)
    a64 = a[:, 0].to(wide(a))
    if labels is None:
        return m.mT.contiguous(), c, a64, None, None, None
    share = torch.zeros(components, dtype=a64.dtype, device=a.device)
    share.index_add_(0, labels, a64 * c[:, 0].to(a64.dtype).square())
    rest = (labels != 0).nonzero()[:, 0]  # all nodes but those of the largest component, which one product sums
    main = torch.where(labels[:, None] == 0, m, 0.0)
    return main.mT.contiguous(), c, a64, torch.where(share > 0, share, 1.0), labels, (rest, m[rest], labels[rest])


def _sums(x, measure):
    """Σ m_i x_i of each component, (components, d)."""
    main, _, _, share, _, rest = measure
    if share is None:
        return main @ x
    rows, m, labels = rest
    sums = x.new_zeros(len(share), x.shape[1])
    sums[:1] = main @ x
    return sums.index_add_(0, labels, x[rows] * m)


def signal_moments(x, kind, weights):
    """σ² and ‖μ‖² of a signal inside the components of its graph, combined by the components' weight.

    With p_c = Σ_{i in c} π_i and μ_c the mean of component c: σ² = Σ_i π_i ‖Z_i − μ_c(i)‖², ‖μ‖² = Σ_c p_c ‖μ_c‖².

    Args:
        x: (n, d) or (…, n, d), floating, detached; the mean over leading axes is taken.
        kind: "feature" (Z = X/scaling) or "backward" (Z = scaling·B/π).
        weights: a `Weighting` with n nodes.

    Returns:
        The `Moments`, as floats, and the share of dead units: columns whose sum over the nodes is exactly 0, as it is
        of units that are 0 everywhere, and by chance of hardly any other.
    """
    if x.dim() > 2:
        return pooled([signal_moments(one, kind, weights) for one in x.flatten(0, -3)])
    if not len(x):
        return Moments(math.nan, math.nan), math.nan
    measure = _measure(weights, kind, x)
    spread, centre, dead = _in_own_unit(x, measure)
    limits = torch.finfo(x.dtype)
    if limits.tiny / limits.eps <= spread + centre < limits.max:
        return Moments(spread, centre), dead
    # Squares that vanish would pass for a smooth signal, and infinite ones for a diverged one.
    x = x.to(wide(x))
    scale = power_of_two(x.abs().amax())
    spread, centre, dead = _in_own_unit(x / scale, _measure(weights, kind, x))
    return Moments(spread, centre, float(scale)), dead


def _measure(weights, kind, x):
    if isinstance(weights, NodeWeights):
        return weights.sums(kind, x.dtype, x.device)
    return _prepared(kind, x, weights, None, 1)


def _in_own_unit(x, measure):
    _, c, a, share, labels, _ = measure
    sums = _sums(x, measure)
    dead = 1 - int(sums.any(0).sum()) / max(1, sums.shape[1])
    sizes = torch.linalg.vector_norm(sums, dim=1).to(a.dtype).square()
    centre = float(sizes if share is None else sizes @ (1 / share))
    total = float(torch.linalg.vector_norm(x, dim=-1).to(a.dtype).square() @ a)
    if total - centre > _KEPT * total:
        return total - centre, centre, dead
    mean = sums if share is None else sums / share[:, None].to(x.dtype)
    departure = torch.addcmul(x, c, mean if labels is None else mean[labels], value=-1)
    return float(torch.linalg.vector_norm(departure, dim=-1).to(a.dtype).square() @ a), centre, dead


def pooled(found):
    """The mean of several `Moments` of floats, in the largest of their units, and of their shares of dead units."""
    if not found:
        return Moments(math.nan, math.nan), math.nan
    unit = max(moments.scale for moments, _ in found)
    scaled = [(moments.scale / unit) ** 2 for moments, _ in found]
    spread, centre = (sum(s * m[k] for s, (m, _) in zip(scaled, found, strict=True)) / len(found) for k in (0, 1))
    return Moments(spread, centre, unit), sum(dead for _, dead in found) / len(found)
