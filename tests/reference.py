"""Naive twins of the library: dense matrices, loops over nodes and pairs, autograd. Slow, and meant to be read."""

import mpmath
import numpy as np
import torch


def propagation_matrix(graph, kind):
    """P of a networkx graph, entry by entry from its definition."""
    n = graph.number_of_nodes()
    degree = [sum(1 for j in graph[i] if j != i) for i in range(n)]
    P = np.zeros((n, n))
    for i in range(n):
        for j in range(n):
            neighbours = i != j and graph.has_edge(i, j)
            if kind == "metropolis" and neighbours:
                P[i, j] = 1 / (1 + max(degree[i], degree[j]))
            elif kind == "max_degree" and neighbours:
                P[i, j] = 1 / (max(degree) + 1)
            elif kind == "random_walk" and (neighbours or i == j):
                P[i, j] = 1 / (degree[i] + 1)
            elif kind == "gcn" and (neighbours or i == j):
                P[i, j] = 1 / ((degree[i] + 1) * (degree[j] + 1)) ** 0.5
        if kind in ("metropolis", "max_degree"):
            P[i, i] = 1 - sum(P[i, j] for j in range(n) if j != i)
    return np.eye(n) if kind == "identity" else P


def stationary(P):
    """The π of an irreducible P, by least squares on πᵀ(P − I) = 0, Σπ = 1."""
    n = len(P)
    system = np.vstack([P.T - np.eye(n), np.ones((1, n))])
    return np.linalg.lstsq(system, np.append(np.zeros(n), 1), rcond=None)[0]


def rate(P, pi):
    """The second largest singular value in the π inner product; the deflation of the library is not used."""
    root = np.sqrt(pi)
    singular = np.linalg.svd(root[:, None] * P / root[None, :], compute_uv=False)
    return singular[1] if len(P) > 1 else 0.0


def second_eigenvalue(P):
    """The second largest |eigenvalue| of P itself."""
    return np.sort(np.abs(np.linalg.eigvals(P)))[-2]


def mean(X, weights=None):
    weights = [1 / len(X)] * len(X) if weights is None else weights
    return np.array([sum(float(w) * float(x[c]) for w, x in zip(weights, X, strict=True)) for c in range(X.shape[1])])


def energy(X, weights=None):
    """Σ_i π_i ‖X_i − μ‖², by loops over nodes and columns."""
    weights = [1 / len(X)] * len(X) if weights is None else weights
    mu, total = mean(X, weights), 0.0
    for w, x in zip(weights, X, strict=True):
        for c in range(len(mu)):
            total += float(w) * (float(x[c]) - mu[c]) ** 2
    return total


def pair_energy(X, weights=None):
    """½ Σ_ij π_i π_j ‖X_i − X_j‖², the paper's measure, by a loop over pairs and no mean."""
    weights = [1 / len(X)] * len(X) if weights is None else weights
    total = 0.0
    for i in range(len(X)):
        for j in range(len(X)):
            total += float(weights[i]) * float(weights[j]) * float(((X[i] - X[j]) ** 2).sum())
    return total / 2


def dirichlet_energy(X, edge_index):
    total = 0.0
    for source, target in edge_index.T.tolist():
        for c in range(X.shape[1]):
            total += (float(X[source, c]) - float(X[target, c])) ** 2
    return total / len(X)


def mean_average_distance(X, edge_index, digits=60):
    """In 60-digit arithmetic, where 1 − cos is not rounding noise."""
    with mpmath.workdps(digits):
        rows = [[mpmath.mpf(float(value)) for value in row] for row in X]
        norms = [mpmath.sqrt(sum(value * value for value in row)) for row in rows]
        total = mpmath.mpf(0)
        for source, target in edge_index.T.tolist():
            if norms[source] == 0 and norms[target] == 0:
                continue
            if norms[source] == 0 or norms[target] == 0:
                total += 1
                continue
            inner = sum(a * b for a, b in zip(rows[source], rows[target], strict=True))
            total += 1 - inner / (norms[source] * norms[target])
        return float(total / len(X))


def effective_rank(X):
    singular = np.linalg.svd(np.asarray(X), compute_uv=False)
    if singular.sum() == 0:
        return 0.0
    shares = [s / singular.sum() for s in singular if s > 0]
    return float(np.exp(-sum(p * np.log(p) for p in shares)))


def one_pass(P, weights, activation, features, loss, bias=None):
    """All signals and gradients of one network, by autograd on dense matrices with every tensor retained."""
    P = torch.as_tensor(np.asarray(P), dtype=features.dtype)
    W = [weight.detach().clone().requires_grad_() for weight in weights]
    bias = None if bias is None else bias.detach().clone().requires_grad_()
    X, F, H = [features.detach().clone()], [], []
    for k in range(len(W)):
        F.append(P @ X[k])
        H.append(F[k] @ W[k] if bias is None or k < len(W) - 1 else F[k] @ W[k] + bias)
        H[k].retain_grad()
        if k < len(W) - 1:
            X.append(activation.function(H[k]))
    value = loss(H[-1])
    value.backward()
    return {
        "features": [x.detach() for x in X],
        "propagated": [f.detach() for f in F],
        "preactivations": [h.detach() for h in H],
        "backward": [h.grad for h in H],
        "gradients": [w.grad for w in W],
        "bias_gradient": None if bias is None else bias.grad,
        "loss": value.detach(),
    }
