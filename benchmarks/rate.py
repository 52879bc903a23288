"""The rate λ: against scipy's eigsh, posed as the library poses it and posed naively, and all eigenvalues, dense.

Posed as the library does: one eigenvalue of the operator from which the known eigenvector is taken out, to a residual
of 1e-9. Naively: the three largest of P itself, to the last digit, of which the second is λ.
"""

import numpy as np
from pairs import ratio, report
from scipy.sparse.linalg import LinearOperator, eigsh

import oversmooth as osm

ROADS = ("scipy's eigsh, deflated, one eigenvalue, tol 1e-9", "scipy's eigsh, as it comes", "all eigenvalues, dense")


def eigsh_deflated(P):
    """λ by scipy, told all that the library knows."""
    matrix, root = P.similar(), np.sqrt(P.pi)
    rest = LinearOperator(matrix.shape, matvec=lambda v: matrix @ v - root * (root @ v), dtype=np.float64)
    return abs(eigsh(rest, k=1, which="LM", tol=1e-9, return_eigenvectors=False)[0])


def eigsh_naive(P):
    """λ by scipy without a thought."""
    return sorted(abs(eigsh(P.similar(), k=3, which="LM", return_eigenvectors=False)))[-2]


def dense(P):
    """λ from all eigenvalues."""
    return sorted(abs(np.linalg.eigvalsh(P.similar().toarray())))[-2]


def main():
    """Report the ratios, after a check that all agree."""
    for name in ("Cora", "minesweeper"):
        data = osm.largest_component(osm.load(name))
        P = osm.Propagation.from_data(data)

        def ours(data=data):
            P = osm.Propagation.from_data(data)  # a fresh one: λ is kept once known
            return P.rate

        for road, theirs in zip(ROADS, (eigsh_deflated, eigsh_naive, dense), strict=True):
            if theirs is dense and data.num_nodes > 3000:
                continue
            if abs(ours() - theirs(P)) > 1e-6:
                raise SystemExit(f"{name}: {road} finds another λ")
            values = ratio(ours, lambda f=theirs, P=P: f(P), pairs=3 if theirs is dense else 7, warmup=0)
            headline = "λ, beside scipy's eigsh, deflated" if (theirs, name) == (eigsh_deflated, "Cora") else ""
            report("λ", f"{name}, building P included", f"times as fast as {road}", values, "", headline)


if __name__ == "__main__":
    main()
