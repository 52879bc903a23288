"""Naive twins of oversmooth.bounds: dense matrices, explicit stochastic coordinates, one loop per sum.

Everything is first written in the coordinates in which P is row-stochastic (for GCN propagation those of the random
walk); from there on P, π, D and R are plain arrays and nothing of the library is called but the activation itself.
"""

import math
from dataclasses import dataclass

import numpy as np
import reference
import torch


@dataclass
class Plain:
    """One pass of one network in stochastic coordinates, as numpy arrays."""

    P: np.ndarray
    pi: np.ndarray
    rate: float
    W: list
    F: list
    H: list
    B: list  # per unit of π: B̃
    slopes: list


def slope(activation, H):
    """ρ'(H) by autograd of ρ, one entry at a time."""
    result = np.empty(H.shape)
    for index, value in np.ndenumerate(H):
        h = torch.tensor(value, dtype=torch.float64, requires_grad=True)
        activation(h).backward()
        result[index] = h.grad.item()
    return result


def plain(signals, seed=None):
    """A pass (of one seed of a batch) in stochastic coordinates."""

    def pick(tensor, dims=2):
        return (tensor[seed] if tensor.dim() > dims else tensor).double().numpy()

    P = signals.propagation.to_dense().double().numpy()
    with np.errstate(divide="ignore"):
        scale, degree = np.ones(len(P)), 1 / np.diag(P)  # d̃, where P = D̃⁻¹Ã or its GCN form
    if signals.propagation.kind == "gcn":
        scale = np.sqrt(degree / degree.mean())
        P = np.array([[P[i, j] * scale[j] / scale[i] for j in range(len(P))] for i in range(len(P))])
    if signals.propagation.kind in ("random_walk", "gcn"):
        pi = degree / degree.sum()
    else:
        pi = np.full(len(P), 1 / len(P)) if signals.propagation.kind != "matrix" else reference.stationary(P)
    assert np.abs(pi @ P - pi).max() < 1e-12
    H = [pick(h) / scale[:, None] for h in signals.preactivations]
    B = [pick(b) * scale[:, None] / pi[:, None] for b in signals.backward]
    F = [pick(f) / scale[:, None] for f in signals.propagated]
    W = [pick(w) for w in signals.weights]
    return Plain(P, pi, reference.rate(P, pi), W, F, H, B, [slope(signals.activation, h) for h in H])


def average(pi, X):
    return reference.mean(np.asarray(X), pi).tolist()


def spread(pi, X):
    return math.sqrt(reference.energy(np.asarray(X), pi))


def length(vector):
    return math.sqrt(sum(value**2 for value in vector))


def spectral(W):
    """‖W‖₂ by the eigenvalues of WᵀW."""
    W = np.asarray(W)
    return math.sqrt(max(np.linalg.eigvalsh(W.T @ W)[-1], 0.0))


def weight_norms(weights):
    return [spectral(W) for W in weights]


def transport_row(b, W, D):
    """b Wᵀ D, entry by entry."""
    rows, columns = np.shape(W)
    return [sum(b[c] * W[j][c] for c in range(columns)) * D[j] for j in range(rows)]


def constants(q, activation, k, centred):
    """D, R and the three norms δ, r_∞, r_2; `centred` takes the mean of the slopes, else the slope at the mean."""
    n, width = q.H[k].shape
    D = average(q.pi, q.slopes[k]) if centred else slope(activation, np.array(average(q.pi, q.H[k])))
    R = [[q.slopes[k][i, j] - D[j] for j in range(width)] for i in range(n)]
    variance = [sum(q.pi[i] * R[i][j] ** 2 for i in range(n)) for j in range(width)]
    delta = max(abs(d) for d in D)
    r_inf = max(abs(R[i][j]) for i in range(n) for j in range(width))
    return D, variance, delta, r_inf, math.sqrt(max(variance))


def backward_step(signals, seed=None):
    """A list over k of dictionaries, keyed like the attributes of `BackwardStep`."""
    q = plain(signals, seed)
    steps = []
    for k in range(len(q.W) - 1):
        D, _, delta, r_inf, r_2 = constants(q, signals.activation, k, centred=False)
        s = spectral(q.W[k + 1])
        after, b = spread(q.pi, q.B[k + 1]), average(q.pi, q.B[k + 1])
        gamma = s * math.sqrt((q.rate * after) ** 2 + length(b) ** 2)
        carried = transport_row(b, q.W[k + 1], D)
        steps.append(
            {
                "delta": delta,
                "r_inf": r_inf,
                "r_2": r_2,
                "gamma": gamma,
                "deviation": spread(q.pi, q.B[k]),
                "deviation_bound": delta * q.rate * s * after + r_inf * gamma,
                "departure": length(np.subtract(average(q.pi, q.B[k]), carried)),
                "departure_bound": r_2 * gamma,
            }
        )
    return steps


def mean_transport(signals, seed=None):
    q = plain(signals, seed)
    carried = [average(q.pi, q.B[-1])]
    for k in range(len(q.W) - 2, -1, -1):
        D = slope(signals.activation, np.array(average(q.pi, q.H[k])))
        carried.append(transport_row(carried[-1], q.W[k + 1], D))
    return carried[::-1]


def times(W, diagonal):
    """‖Wᵀ diag‖₂, the product written out."""
    rows, columns = np.shape(W)
    return spectral(np.array([[W[j][c] * diagonal[j] for j in range(rows)] for c in range(columns)]))


def certificate(signals, method, seed=None):
    """Three lists over k: gradient, deviation, mean."""
    q = plain(signals, seed)
    b = average(q.pi, q.B[-1])
    S, M, e = [spread(q.pi, q.B[-1])], [length(b)], 0.0
    for k in range(len(q.W) - 2, -1, -1):
        centred = method == "transport"
        D, variance, delta, r_inf, r_2 = constants(q, signals.activation, k, centred)
        W, s = q.W[k + 1], spectral(q.W[k + 1])
        rough_in, mean_in = S[-1], M[-1]
        if method == "plain":
            gamma = s * math.sqrt((q.rate * rough_in) ** 2 + mean_in**2)
            S.append(delta * q.rate * s * rough_in + r_inf * gamma)
            M.append(delta * s * mean_in + r_2 * gamma)
        else:
            high, low = np.max(q.slopes[k], axis=0), np.min(q.slopes[k], axis=0)
            size = math.sqrt((q.rate * rough_in) ** 2 + e**2)
            g = transport_row(b, W, np.ones(len(W)))
            fresh = math.sqrt(sum(g[j] ** 2 * variance[j] for j in range(len(g))))
            kept = q.rate * times(W, (high + low) / 2) * rough_in + times(W, (high - low) / 2) * size
            S.append(kept + fresh)
            e = times(W, D) * e + q.rate * times(W, np.sqrt(variance)) * rough_in
            b = [g[j] * D[j] for j in range(len(g))]
            M.append(length(b) + e)
    S, M = S[::-1], M[::-1]
    gradient = [length(average(q.pi, F)) * m + spread(q.pi, F) * t for F, m, t in zip(q.F, M, S, strict=True)]
    return {"gradient": gradient, "deviation": S, "mean": M}


def loss_floor(output, targets, kind, mask=None):
    """From the output itself, (n, d): one seed at a time."""
    rows = [i for i in range(len(output)) if mask is None or bool(mask[i])]
    uniform = [1 / len(rows)] * len(rows)
    rough = spread(uniform, [output[i].tolist() for i in rows])
    if kind == "mse":
        wanted = [targets[i].reshape(-1).tolist() for i in rows]
        return max(spread(uniform, wanted) - rough, 0.0) ** 2
    counts = {}
    for i in rows:
        counts[int(targets[i])] = counts.get(int(targets[i]), 0) + 1
    entropy = -sum(c / len(rows) * math.log(c / len(rows)) for c in counts.values())
    one_hot = [[float(targets[i] == c) for c in counts] for i in rows]
    return max(entropy - spread(uniform, one_hot) * rough, 0.0)
