"""Each measure of smoothness on Cora: in torch's sparse products of the features, and against loops over edges."""

import torch
from pairs import ratio, report

import oversmooth as osm


def dirichlet_loop(x, edge_index):
    """The Dirichlet energy as its definition reads."""
    total = 0.0
    for source, target in edge_index.T.tolist():
        total += float((x[source] - x[target]).square().sum())
    return total / len(x)


def distance_loop(x, edge_index):
    """The mean average distance as its definition reads."""
    total = 0.0
    for source, target in edge_index.T.tolist():
        total += 1 - float(torch.cosine_similarity(x[source], x[target], dim=0))
    return total / len(x)


def main():
    """Report the ratios."""
    data = osm.load("Cora")
    P, edges = osm.Propagation.from_data(data), data.edge_index
    measures = {
        "energy": lambda x: osm.energy(x, P),
        "deviation": lambda x: osm.deviation(x, P),
        "Dirichlet energy": lambda x: osm.dirichlet_energy(x, edges),
        "mean average distance": lambda x: osm.mean_average_distance(x, edges),
        "effective rank": osm.effective_rank,
    }
    loops = {"Dirichlet energy": dirichlet_loop, "mean average distance": distance_loop}
    for dtype in (torch.float64, torch.float32):
        matrix, _ = P._as_tensors(dtype, torch.device("cpu"))
        x, case = data.x.to(dtype), f"Cora, 1433 features, {str(dtype)[6:]}"
        hidden = torch.randn(len(x), 64, dtype=dtype, generator=torch.Generator().manual_seed(0))
        cases = [(name, case, x) for name in measures] + [
            ("effective rank", f"Cora, width 64, {str(dtype)[6:]}", hidden)
        ]
        for name, where, signal in cases:
            pairs = 3 if name == "effective rank" and signal is x else 9  # 1,433 singular values take a second
            values = ratio(lambda x=signal, A=matrix: A @ x, lambda x=signal, f=measures[name]: f(x), pairs, warmup=1)
            report(name, where, "time in torch's sparse products of the same features", values, "≤ 5")
        for name, loop in loops.items():
            values = ratio(lambda x=x, f=measures[name]: f(x), lambda x=x, f=loop: f(x, edges), pairs=3, warmup=1)
            report(name, case, "times as fast as a plain loop over edges", values)


if __name__ == "__main__":
    main()
