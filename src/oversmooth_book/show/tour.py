"""The five-minute tour's seven pictures, of the graph and the network of the book's picture.

``scripts/picture.py`` measures and writes, as for that picture; the page is made from what it wrote.
"""

import functools
import html
import json
import statistics
from pathlib import Path

import torch

import oversmooth as osm
from oversmooth_book.show import picture as drawing

FILE = "tour.json"
LAYERS = (0, 16, 32)
STATES = {"untrained": "before", "trained": "after the last layer is trained"}
ALTS = {
    "average": "A graph of sixty nodes, twice. One node is ringed, with the lines to its neighbours drawn bold. Left, "
    "a feature as it enters: neighbours differ, blue and red. Right, after one average: each node has moved to its "
    "neighbours' mean, and the colours are paler.",
    "smooth": "The graph at layers 0, 16 and 32. Its two halves are blue and red at layer 0; at layer 16 they are "
    "pale, and at layer 32 all nodes are white.",
    "error": "The graph three times. First, the labels: one half red, one half blue. Second, the network's answer: all "
    "nodes white, the same for all. Third, the error, answer minus label: one half blue, one half red, the other way "
    "round.",
    "back": "The errors at layers 32, 16 and 0, on their way down. At layer 32 the halves are red and blue; at layers "
    "16 and 0 all nodes are nearly white.",
    "mean": "The error of every node as a dot on a line from minus one to one, twice. Before training, one half of the "
    "dots is near minus one and one half near zero; after the last layer is trained, one half is at minus a half, one "
    "half at a half, and the mark of their mean stands at zero.",
    "silence": "The gradient of each of thirty-three layers as a bar. Before training all bars are equally high; after "
    "the last layer is trained no bar can be seen.",
    "alone": "The same bars for the network without the graph, after its last layer is trained: all but the last can "
    "be seen, highest in the first layers.",
}
WIDE, HIGH, LEAST = 330, 90, 0.5


def measure() -> dict:
    """Trace the picture's network with labels 0 and 1, before and after its last layer is trained.

    Returns:
        feature: every node's first feature, as it enters and after one average, on one scale; answers and
        output_errors, every node's number before and after; errors: shares at `LAYERS`, before; gradients: norms over
        the layers, and losses, before, after, and after without the graph (alone).
    """
    data, network = drawing.subject()
    classes, targets = 2.0 * data.y.double() - 1, data.y.double()

    def traced(net):
        return osm.trace(net, data.x, lambda output: (output[:, 0] - targets).square().mean())

    found = {"labels": data.y.tolist(), "answers": {}, "output_errors": {}, "gradients": {}, "losses": {}}
    train = functools.partial(osm.train_last_layer, X=data.x, y=targets[:, None], how="descent")
    nets = {"untrained": network, "trained": train(network), "alone": train(drawing.subject("identity")[1])}
    traces = {state: traced(net) for state, net in nets.items()}
    for state, signals in traces.items():
        answers = signals.output[:, 0]
        found["answers"][state] = _rounded(answers)
        found["output_errors"][state] = _rounded(answers - targets)
        found["gradients"][state] = [float(f"{float(one.norm()):.3g}") for one in signals.gradients]
        found["losses"][state] = round(float(signals.loss), 4)
    before = traces["untrained"]
    first = [layers[0][:, 0] - layers[0][:, 0].mean() for layers in (before.features, before.propagated)]
    shares = [drawing.share_of_signal(before.backward[k], -classes) for k in LAYERS]
    feature = [_rounded(one / first[0].abs().max()) for one in first]
    return {**found, "feature": feature, "errors": [_rounded(one) for one in shares]}


def _rounded(values: torch.Tensor) -> list[float]:
    return [round(value, 3) for value in values.tolist()]


def read(folder: Path) -> dict:
    """What `measure` found, as ``scripts/picture.py`` saved it, and the picture that it belongs to."""
    found = json.loads((folder / FILE).read_text(encoding="utf-8"))
    return {**found, "picture": drawing.read(folder)}


def tour_picture(name: str, tour: dict) -> str:
    """One of the tour's pictures.

    Args:
        name: a key of `ALTS`.
        tour: what `read` returned.

    Returns:
        HTML.
    """
    first = drawing.shared(tour["picture"]) if name == next(iter(ALTS)) else ""
    body = {"mean": _strips, "silence": _silence, "alone": _alone}.get(name, _graphs)(name, tour)
    alt = html.escape(ALTS[name])
    return f'{first}<div class="tour-picture" role="img" aria-label="{alt}"><div class="tour-{name}">{body}</div></div>'


def _graphs(name: str, tour: dict) -> str:
    """Two or three copies of the graph."""
    picture = tour["picture"]
    layers = [drawing.LAYERS.index(layer) for layer in LAYERS]
    sides = [2 * label - 1 for label in tour["labels"]]
    answers = tour["answers"]["untrained"]
    drawn = {
        "average": list(zip(("one feature", "after one average"), tour["feature"], strict=True)),
        "smooth": [(f"layer {layer}", picture["features"][k]) for layer, k in zip(LAYERS, layers, strict=True)],
        "error": [
            ("labels", sides),
            ("answers", [answer - statistics.fmean(answers) for answer in answers]),
            ("errors", [-side for side in sides]),
        ],
        "back": [(f"layer {layer}", tour["errors"][k]) for k, layer in reversed(list(enumerate(LAYERS)))],
    }[name]
    ring = _neighbourhood(picture) if name == "average" else ""
    return "".join(drawing.panel(picture, shares, label, over=ring) for label, shares in drawn)


def _neighbourhood(picture: dict) -> str:
    """A ring around the node with most neighbours, and its edges, bold."""
    nodes = [node for edge in picture["edges"] for node in edge]
    centre, spots = statistics.mode(nodes), drawing.spots(picture)
    x, y = spots[centre]
    ends = [spots[i + j - centre] for i, j in picture["edges"] if centre in (i, j)]
    lines = "".join(f"M{x} {y}L{u} {v}" for u, v in ends)
    return f'<path class="bold" d="{lines}"/><circle class="ring" cx="{x}" cy="{y}" r="{drawing.RADIUS + 1.5}"/>'


def _strips(name: str, tour: dict) -> str:
    """The errors of all nodes on a line, and their mean, before and after."""
    return "".join(_strip(tour["output_errors"][state], words) for state, words in STATES.items())


def _strip(errors: list[float], words: str) -> str:
    """One line of dots."""

    def place(error):
        return round(WIDE / 2 * (1 + max(-1.0, min(1.0, error / 1.2))), 1)

    mean = statistics.fmean(errors)
    dots = "".join(
        f'<circle class="{"low" if error < 0 else "high"}" cx="{place(error)}" cy="{20 + 7 * (k % 5)}" r="3"/>'
        for k, error in enumerate(errors)
    )
    axis = "".join(f'<text x="{place(tick)}" y="76">{tick}</text>' for tick in (-1, 0, 1))
    lines = f'<path class="axis" d="M0 60H{WIDE}M{place(0)} 56V64"/>'
    mark = f'<path class="mean" d="M{place(mean)} 8V60"/>'
    shown = f"{mean:.2f}".replace("-0.00", "0.00").replace("-", "−")
    return (
        f'<figure><svg viewBox="0 0 {WIDE} 80">{lines}{axis}<g class="signal">{dots}</g>{mark}</svg>'
        f"<p>{words}: mean error {shown}</p></figure>"
    )


def _silence(name: str, tour: dict) -> str:
    return "".join(_bars(tour, state, words) for state, words in STATES.items())


def _alone(name: str, tour: dict) -> str:
    return _bars(tour, "alone", "without the graph, after the last layer is trained")


def _bars(tour: dict, state: str, words: str) -> str:
    """The gradients of all layers, on one scale for all states."""
    top, heights = max(map(max, tour["gradients"].values())), tour["gradients"][state]
    step = WIDE / len(heights)
    bars = "".join(
        f'<rect x="{k * step + 1:.1f}" y="{HIGH - tall:.1f}" width="{step - 2:.1f}" height="{tall:.1f}"/>'
        for k, tall in enumerate(max(LEAST, HIGH * height / top) for height in heights)
    )
    return (
        f'<figure><svg viewBox="0 0 {WIDE} {HIGH + 2}"><g class="signal">{bars}</g>'
        f'<path class="axis" d="M0 {HIGH + 1}H{WIDE}"/></svg>'
        f"<p>{words}: loss {tour['losses'][state]:.2f}; first layer on the left</p></figure>"
    )
