"""Figures of the chapter on proofs: one function each, from the ``draw_`` of its panels."""

import numpy as np

from oversmooth.drawing.theme import FORWARD, SERIES, THEORY, draw_floor, panels

EPSILON = np.finfo(float).eps
METHODS = {"gradient flow": ("o", SERIES[0]), "gradient descent": ("s", SERIES[1]), "Adam": ("^", SERIES[2])}
PROVED = {"color": FORWARD, "marker": "v", "markersize": 6}


def networks_figure(certificates, floats):
    """Gradient and loss of the trained networks against depth: proofs, and what floats say of the same ones."""
    _, (left, right) = panels(columns=2, height=3.7)
    depth = certificates["depth"]
    left.plot(floats["depth"], floats["certificate"], label="bound of the theorem", **THEORY)
    left.plot(depth, certificates["gradient_at_most"].astype(float), label="proved: at most", **PROVED)
    left.plot(floats["depth"], floats["gradient"], "o", label="floats", markersize=9, **_hollow(SERIES[1]))
    left.set(yscale="log", xlabel="depth", ylabel="whole gradient", title="proved: no gradient")
    gap = 1 - certificates["loss_at_least"].astype(float)
    right.plot(depth[gap > 0], gap[gap > 0], label="proved: at most", **PROVED)
    seen = floats[floats["gap"] > 0]
    right.plot(seen["depth"], seen["gap"], "o", label="floats", markersize=9, **_hollow(SERIES[1]))
    right.set(yscale="log", xlabel="depth", ylabel="label variance minus loss", title="proved: nothing gained")
    draw_floor(right, EPSILON, "smallest step of a double near 1")
    for ax in (left, right):
        ax.legend(loc="lower left" if ax is left else "upper right")


def escape_figure(escape, small, escapes, rate):
    """Times and distances: proved, and measured where descent can be followed; ``rate``: λ of the larger graph."""
    figure, axes = panels(rows=2, columns=2, height=3.4)
    draw_measured(axes[0], small, escapes, "time")
    axes[0].set(yscale="log", ylabel="time", title="small graph: until the loss leaves")
    draw_times(axes[1], escape, rate)
    draw_measured(axes[2], small, escapes, "distance")
    axes[2].set(ylabel="distance of the weights", title="small graph: how far away")
    axes[3].plot(escape["depth"], escape["distance_at_least"].astype(float), label="proved: at least", **_up())
    axes[3].set(xlabel="depth", ylabel="distance of the weights", title="reference graph: how far away", ylim=(0, None))
    axes[1].legend(fontsize=9)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)


def draw_measured(ax, small, escapes, quantity):
    """Proved and measured values against depth, a point for each seed; void bounds are left out."""
    proved = small[small[f"{quantity}_at_least"] > 0]
    ax.plot(proved["depth"], proved[f"{quantity}_at_least"].astype(float), label="proved: at least", **_up(line=""))
    for method, (marker, colour) in METHODS.items():
        rows = escapes[escapes["method"] == method]
        label = f"{method} (no bound of its time)" if method == "Adam" else method
        ax.plot(rows["depth"], rows[quantity], marker, label=label, **_hollow(colour))
    ax.set(xlabel="depth")
    ax.set_xticks(sorted(escapes["depth"].unique()))


def draw_times(ax, escape, rate):
    """The proved time against depth, and growth by 1/λ per layer through its last point."""
    rows = escape[escape["time_at_least"] > 0]
    depth, time = rows["depth"].to_numpy(), rows["time_at_least"].astype(float).to_numpy()
    ax.plot(depth, time, label="proved: at least", **_up())
    ax.plot(depth, time[-1] * rate ** (depth[-1] - depth), label=r"growth by $1/\lambda$ per layer", **THEORY)
    ax.set(yscale="log", xlabel="depth", ylabel="time", title="reference graph: until the loss leaves")


def _up(line="-"):
    return {**PROVED, "marker": "^", "linestyle": line}


def _hollow(colour):
    return {"color": colour, "markerfacecolor": "none", "markeredgewidth": 1.6}
