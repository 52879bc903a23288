"""The spectrum of a propagation and where the labels stand in it."""

from dataclasses import replace

import numpy as np
import pandas as pd
import torch

from oversmooth.propagation.modes import leading_modes

# Eigenvalues this close, as a share of the second, count as equal: on the chapter's graphs equal ones agree to 1e-14,
# others are at least 6e-8 apart.
SAME = 1e-10
# Shares below are zero by symmetry; what is left of them is rounding.
NONE = 1e-15


def second_modes(propagation, count=2):
    """The modes of largest |λ_j| after the constant: λ_j (count,), u_j (n, count), orthonormal in π's inner product."""
    rates, vectors = leading_modes(propagation, count)
    return torch.from_numpy(rates), torch.from_numpy(vectors) / propagation.stationary.sqrt()[:, None]


def fourth_moment(propagation, mode):
    """m₄ = Σ_i π_i u_i⁴ of a mode u: large where it lives on few nodes. Only a simple eigenvalue has *a* mode."""
    return float((propagation.stationary * mode**4).sum())


def spectra(setting, graphs, count=40, bases=("metropolis", "random_walk")):
    """Labels in the spectrum, by eigenvalue: graph, base, classes, mode, rate, share, relative, cumulative.

    A row for each value of |λ_j|: ``mode`` is the last j with it (the constant is mode 1), ``share`` that of the
    variance of the one-hot labels in its modes, ``relative`` |λ_j/λ_2|. At most ``count`` modes after the constant, and
    no eigenvalue is cut in two: grids and symmetric graphs have several modes of one eigenvalue. Each of them, and its
    share, is the choice of an algorithm; the sum of their shares is not.
    """
    tables = []
    for graph in graphs:
        for base in bases:
            one = replace(setting, graph=graph, kind=base)
            data, P = one.data(), one.propagation()
            # One mode more than asked for shows whether the last eigenvalue is complete.
            rates, modes = second_modes(P, min(count + 1, data.num_nodes - 1))
            weights, _ = P.measure()
            labels = torch.nn.functional.one_hot(data.y).double()
            labels = labels - weights.mT @ labels
            shares = ((weights * modes).mT @ labels).square().sum(1) / (weights * labels.square()).sum()
            table = _by_eigenvalue(rates.abs().numpy(), shares.numpy(), complete=data.num_nodes - 1 <= count)
            keys = {"graph": graph, "base": base, "classes": labels.shape[1]}
            tables.append(table.assign(**keys)[[*keys, *table.columns]])
    return pd.concat(tables, ignore_index=True)


def _by_eigenvalue(rates, shares, complete):
    """One row for the modes of equal |λ_j|; the last value is left out unless the spectrum is complete."""
    rates = np.where(rates > SAME * rates[0], rates, 0.0)
    value = np.cumsum(np.diff(rates, prepend=rates[0]) < -SAME * rates[0])
    modes = pd.DataFrame({"value": value, "mode": range(2, len(rates) + 2), "rate": rates, "share": shares})
    groups = (modes if complete else modes[value < value[-1]]).groupby("value")
    table = groups.agg(mode=("mode", "last"), rate=("rate", "first"), share=("share", "sum"))
    table["share"] = table["share"].where(table["share"] > NONE, 0.0)
    table["relative"], table["cumulative"] = table["rate"] / rates[0], table["share"].cumsum()
    return table.reset_index(drop=True)
