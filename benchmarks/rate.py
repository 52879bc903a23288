"""The rate λ: against all eigenvalues of the dense matrix, and against scipy's eigsh on the sparse one."""

import numpy as np
from pairs import ratio, report
from scipy.sparse.linalg import eigsh

import oversmooth as osm


def main():
    """Report the ratios, after a check that all three agree."""
    for name in ("Cora", "minesweeper"):
        data = osm.largest_component(osm.load(name))
        P = osm.Propagation.from_data(data)
        matrix = P.matrix

        def ours(data=data):
            P = osm.Propagation.from_data(data)  # a fresh one: λ is kept once known
            return P.rate

        def by_eigsh(matrix=matrix):
            return sorted(abs(eigsh(matrix, k=3, which="LM", return_eigenvectors=False)))[-2]

        def by_dense(matrix=matrix):
            return sorted(abs(np.linalg.eigvalsh(matrix.toarray())))[-2]

        roads = {"scipy's eigsh": by_eigsh}
        if data.num_nodes < 3000:
            roads["all eigenvalues, dense"] = by_dense
        for road, theirs in roads.items():
            if abs(ours() - theirs()) > 1e-6:
                raise SystemExit(f"{name}: {road} finds another λ")
            pairs = 3 if theirs is by_dense else 5
            values = ratio(ours, theirs, pairs, warmup=0)
            report("λ", f"{name}, building P included", f"times as fast as {road}", values)


if __name__ == "__main__":
    main()
