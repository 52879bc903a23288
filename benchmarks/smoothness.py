"""Each measure of smoothness on Cora: in torch's sparse products of the features, and against what one would write.

The edge measures stand beside a line of torch, at widths from one column to all features, and beside the loop over
edges that reads as their definition does.
"""

import torch
from pairs import ratio, report
from torch.nn.functional import cosine_similarity

import oversmooth as osm


def dirichlet_line(x, edges):
    """The Dirichlet energy in one line."""
    source, target = edges
    return (x[source] - x[target]).square().sum() / len(x)


def distance_line(x, edges):
    """The mean average distance in one line."""
    source, target = edges
    return (1 - cosine_similarity(x[source], x[target])).sum() / len(x)


def dirichlet_loop(x, edges):
    """The Dirichlet energy as its definition reads."""
    total = 0.0
    for source, target in edges.T.tolist():
        total += float((x[source] - x[target]).square().sum())
    return total / len(x)


def distance_loop(x, edges):
    """The mean average distance as its definition reads."""
    total = 0.0
    for source, target in edges.T.tolist():
        total += 1 - float(torch.cosine_similarity(x[source], x[target], dim=0))
    return total / len(x)


def in_products(P, x, measures):
    """Report the measures' times in sparse products of the same signal."""
    matrix, _ = P._as_tensors(x.dtype, torch.device("cpu"))
    for name, measure in measures.items():
        few = name == "effective rank" and x.shape[1] > 1000  # a thousand singular values take a second
        values = ratio(lambda: matrix @ x, lambda f=measure: f(x), 3 if few else 9, warmup=1)
        case = f"Cora, width {x.shape[1]}, {str(x.dtype)[6:]}"
        report(name, case, "time in torch's sparse products of the same features", values, "≤ 5")


def against_lines(x, edges, lines):
    """Report how many times as fast the edge measures are as a line of torch."""
    for name, (measure, line) in lines.items():
        if abs(float(measure(x, edges)) / float(line(x, edges)) - 1) > 1e-4:
            raise SystemExit(f"{name}: the line finds another value")
        values = ratio(lambda f=measure: f(x, edges), lambda f=line: f(x, edges), pairs=15)
        case, width = f"Cora, width {x.shape[1]}, {str(x.dtype)[6:]}", x.shape[1]
        shown = (name, width, x.dtype) == ("Dirichlet energy", 64, torch.float64)
        headline = f"{name}, beside one line of torch" if shown else ""
        report(name, case, "times as fast as a line of torch", values, "≥ 1", headline)


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
    lines = {
        "Dirichlet energy": (osm.dirichlet_energy, dirichlet_line),
        "mean average distance": (osm.mean_average_distance, distance_line),
    }
    for dtype in (torch.float64, torch.float32):
        hidden = torch.randn(data.num_nodes, 64, dtype=dtype, generator=torch.Generator().manual_seed(0))
        x = data.x.to(dtype)
        in_products(P, x, measures)
        in_products(P, hidden, {"effective rank": osm.effective_rank})
        for width in (1, 8, 64):
            against_lines(hidden[:, :width].contiguous(), edges, lines)
        against_lines(x, edges, lines)
    for name, loop in (("Dirichlet energy", dirichlet_loop), ("mean average distance", distance_loop)):
        values = ratio(lambda f=measures[name]: f(data.x), lambda f=loop: f(data.x, edges), pairs=3, warmup=1)
        report(name, "Cora, width 1433, float32", "times as fast as a plain loop over edges", values)


if __name__ == "__main__":
    main()
