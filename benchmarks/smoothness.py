"""Each measure of smoothness on Cora, in sparse products of the same features."""

import torch
from pairs import ratio, report

import oversmooth as osm


def main():
    """Print the ratios."""
    data = osm.load("Cora")
    P = osm.Propagation.from_data(data)
    measures = {
        "energy": lambda x: osm.energy(x, P),
        "deviation": lambda x: osm.deviation(x, P),
        "Dirichlet energy": lambda x: osm.dirichlet_energy(x, data.edge_index),
        "mean average distance": lambda x: osm.mean_average_distance(x, data.edge_index),
        "effective rank": osm.effective_rank,
    }
    for dtype in (torch.float64, torch.float32):
        x = data.x.to(dtype)
        for name, measure in measures.items():
            # The singular values of 1,433 columns are no matter of a few sparse products: shown, not promised.
            target = "none (a full SVD)" if measure is osm.effective_rank else "≤ 5"
            pairs = 3 if measure is osm.effective_rank else 15
            values = ratio(lambda x=x: P @ x, lambda x=x, measure=measure: measure(x), pairs, warmup=1)
            report(f"{name}, Cora, {str(dtype)[6:]}: sparse products", values, target)


if __name__ == "__main__":
    main()
