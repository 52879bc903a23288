"""The book's picture, "colour flows up, errors flow down": one traced network, as an SVG, as HTML and as a card.

A node's colour is its place on the axis along which the nodes differ most, as a share of the signal in that layer:
where all nodes say the same, all are white. ``scripts/picture.py`` measures once and writes; the book's page is made
from what it wrote, so no build depends on the last digit of a machine.
"""

import html
import json
from pathlib import Path

import networkx as nx
import torch

import oversmooth as osm

FILE = "picture.json"
LAYERS = (0, 8, 16, 24, 32)
DEPTH, WIDTH, SEED = 33, 32, 3
SIZE, RADIUS, GAP, TOP, LEFT = 100, 3.1, 12, 22, 34
INK, EDGE, WHITE, LOW, HIGH = "#222832", "#c3c8d4", "#ffffff", "#17306d", "#b5372a"
ALT = (
    "One graph of sixty nodes, drawn ten times. First row, features, from the input up: there the two halves of the "
    "graph are blue and red; from layer to layer the colours fade, and in the last layer all nodes are white. Second "
    "row, errors, from the output down: there the nodes are deep blue and red; towards the input they fade in the "
    "same way, nearly to white."
)
ROWS = {"features": "Features, on their way up", "errors": "Errors, on their way down"}


def measure() -> dict:
    """Trace an untrained network on a random graph with two communities.

    Returns:
        rate: λ; places: (x, y) of every node in [0, 1]; edges: pairs i < j; features and errors: for each of `LAYERS`
        every node's share, and under ratio how much of the signal differs between nodes.
    """
    data, network = subject()
    P, targets = network.propagation, 2.0 * data.y.double() - 1
    signals = osm.trace(network, data.x, lambda output: (output[:, 0] - targets).square().mean())
    edges = sorted((i, j) for i, j in data.edge_index.T.tolist() if i < j)
    found = {"rate": round(P.rate, 4), "places": _places(data.num_nodes, edges), "edges": edges}
    for name, layers in (("features", signals.features), ("errors", signals.backward)):
        shares = [share_of_signal(layers[k], targets) for k in LAYERS]
        found[name] = [[round(value, 3) for value in layer.tolist()] for layer in shares]
    return found


def subject(kind: str = "metropolis"):
    """The graph with two communities that is drawn, and an untrained network on it.

    Args:
        kind: of propagation; "identity" leaves the graph out.

    Returns:
        (data, network).
    """
    data = osm.largest_component(osm.csbm(num_nodes=60, p_in=0.2, p_out=0.06, seed=SEED))
    P = osm.Propagation.from_data(data, kind=kind)
    return data, osm.Network(P, [data.num_features, *[WIDTH] * (DEPTH - 1), 1], seed=0)


def share_of_signal(signal: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    """Every node's place on the axis along which nodes differ most, over the root mean square of the signal.

    Args:
        signal: X, (n, d).
        classes: ±1, (n,); they decide the axis' direction.

    Returns:
        (n,); the root of the mean of its squares is at most the signal's relative deviation.
    """
    departure = signal - signal.mean(0)
    place = departure @ torch.linalg.svd(departure, full_matrices=False).Vh[0]
    size = signal.square().sum(1).mean().sqrt()
    return place / size * torch.sign(place @ classes)


def _places(nodes: int, edges: list) -> list:
    """Where the nodes stand: springs, on the unit square."""
    graph = nx.Graph(edges)
    graph.add_nodes_from(range(nodes))
    found = nx.spring_layout(graph, seed=2, k=0.35)
    columns = list(zip(*(found[i] for i in range(nodes)), strict=True))
    low, high = [min(column) for column in columns], [max(column) for column in columns]
    return [[round((found[i][c] - low[c]) / (high[c] - low[c]), 4) for c in (0, 1)] for i in range(nodes)]


def read(folder: Path) -> dict:
    """What `measure` found, as ``scripts/picture.py`` saved it."""
    return json.loads((folder / FILE).read_text(encoding="utf-8"))


def spots(picture: dict) -> list[tuple[float, float]]:
    """Where the nodes stand in a panel."""
    inner = SIZE - 2 * RADIUS - 2
    return [(round(RADIUS + 1 + x * inner, 1), round(RADIUS + 1 + y * inner, 1)) for x, y in picture["places"]]


def _graph(picture: dict) -> str:
    """Edges, and every node in white."""
    at = spots(picture)
    lines = "".join(f"M{at[i][0]} {at[i][1]}L{at[j][0]} {at[j][1]}" for i, j in picture["edges"])
    dots = "".join(f'<circle cx="{x}" cy="{y}" r="{RADIUS}"/>' for x, y in at)
    return f'<path class="picture-edges" d="{lines}"/><g class="picture-nodes">{dots}</g>'


def _signal(picture: dict, shares: list[float]) -> str:
    """The colour on top of the nodes: a side and how much of it."""
    parts = []
    for (x, y), share in zip(spots(picture), shares, strict=True):
        strength = round(min(1.0, abs(share)), 2)
        if strength > 0.01:
            side = "low" if share < 0 else "high"
            parts.append(f'<circle class="{side}" cx="{x}" cy="{y}" r="{RADIUS - 0.3:.1f}" opacity="{strength:g}"/>')
    return "".join(parts)


def picture_html(picture: dict) -> str:
    """The picture for the book's first page: ten panels that a phone stacks, and that the page's colours dress.

    Args:
        picture: what `read` returned.

    Returns:
        HTML.
    """
    rows = "".join(_row(picture, name, title) for name, title in ROWS.items())
    return (
        f'<div class="picture" role="img" aria-label="{html.escape(ALT)}">{shared(picture)}{rows}</div>'
        f'<p class="picture-caption">Each layer of a graph network averages over neighbours. <b>Blue and '
        "red</b>: a node differs from the average, one way or the other. <b>White</b>: all nodes say the same. Traced "
        "by the library, in one untrained network of thirty-three layers.</p>"
    )


def shared(picture: dict) -> str:
    """What the panels of a page have in common, once a page: the graph, in white."""
    graph = f'<defs><g id="picture-graph">{_graph(picture)}</g></defs>'
    return f'<svg class="picture-shared" aria-hidden="true">{graph}</svg>'


def panel(picture: dict, shares: list[float], label: str, style: str = "", over: str = "") -> str:
    """The graph once, with a signal on it.

    Args:
        picture: what `read` returned.
        shares: every node's colour, -1 to 1.
        label: what stands below it.
        style: of the panel.
        over: SVG that is drawn on top.

    Returns:
        HTML, for a page that has what `shared` returns.
    """
    return (
        f'<div class="picture-panel" style="{style}"><svg viewBox="0 0 {SIZE} {SIZE}" aria-hidden="true">'
        f'<use href="#picture-graph"/><g class="signal">{_signal(picture, shares)}</g>{over}</svg>'
        f"<span>{label}</span></div>"
    )


def _row(picture: dict, name: str, title: str) -> str:
    panels = []
    for position, layer in enumerate(LAYERS):
        # Features appear from the input on; then the errors, from the output on.
        order = position if name == "features" else 2 * len(LAYERS) - 1 - position
        style = f"--turn:{order};--place:{len(LAYERS) - position}"
        panels.append(panel(picture, picture[name][position], f"layer {layer}", style))
    return f'<div class="picture-row {name}"><p>{title}</p><div class="picture-panels">{"".join(panels)}</div></div>'


def picture_svg(picture: dict) -> str:
    """The picture as one still SVG file, for the README.

    Args:
        picture: what `read` returned.

    Returns:
        SVG.
    """
    step, tall = SIZE + GAP, SIZE + TOP
    wide, high = LEFT + len(LAYERS) * step, 2 * tall + GAP
    style = (
        f"text{{font:11px sans-serif;fill:{INK}}}.picture-edges{{stroke:{EDGE};stroke-width:.4;fill:none}}"
        f".picture-nodes{{fill:{WHITE};stroke:#5a6270;stroke-width:.6}}.low{{fill:{LOW}}}.high{{fill:{HIGH}}}"
    )
    parts = [f'<defs><style>{style}</style><g id="graph">{_graph(picture)}</g></defs>']
    parts.append(f'<rect width="{wide}" height="{high}" fill="{WHITE}"/>')
    for row, (name, title) in enumerate({"features": "features →", "errors": "← errors"}.items()):
        y = TOP + row * tall
        parts.append(
            f'<text transform="translate(16 {y + SIZE / 2:g}) rotate(-90)" text-anchor="middle">{title}</text>'
        )
        for position, layer in enumerate(LAYERS):
            x = LEFT + position * step
            label = f'<text x="{SIZE / 2:g}" y="-7" text-anchor="middle">layer {layer}</text>' if row == 0 else ""
            signal = _signal(picture, picture[name][position])
            parts.append(f'<g transform="translate({x} {y})">{label}<use href="#graph"/>{signal}</g>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" role="img"><title>Colour flows up, '
        f"errors flow down</title><desc>{html.escape(ALT)}</desc>{''.join(parts)}</svg>\n"
    )
