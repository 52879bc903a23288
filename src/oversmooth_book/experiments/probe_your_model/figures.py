"""Figures of the chapter on the probe."""

from oversmooth.drawing.probe import draw_probe_norms, draw_probe_ratios
from oversmooth.drawing.theme import SERIES, panels

# What of a planted case its profiles show.
SEEN = {
    "healthy": "nothing is lost",
    "forward-only": "features smooth",
    "backward": "errors smooth, too",
    "spurious": "no gradient anywhere",
    "vanishing": "errors die out",
    "exploding": "gradients blow up",
}


def profiles_figure(table):
    """Ratios and norms of every case, a row each, from `measure.profiles`."""
    cases = list(table.groupby("case", sort=False))
    figure, axes = panels(rows=len(cases), columns=2, height=2.1)
    for row, (case, rows) in enumerate(cases):
        left, right = axes[2 * row : 2 * row + 2]
        draw_probe_ratios(left, rows)
        draw_probe_norms(right, rows)
        left.set_title(f"{case}: {SEEN[case]}" if case in SEEN else case)
        left.set_ylim(1e-7, 3)
        for ax in (left, right):
            ax.get_legend().remove()
    figure.legend(*right.get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure


def verdicts_figure(table):
    """How often each case got each verdict, from `measure.counts`."""
    figure, ax = panels(height=5)
    draw_probe_verdicts(ax, table)
    return figure


def symptoms_figure(table):
    """What the probe said of every model that was trained, from `symptoms.counts`."""
    figure, ax = panels(height=5.5)
    draw_probe_verdicts(ax, table)
    ax.set_ylabel("complaint: model")
    return figure


def grid_figure(table):
    """What became of the grid's models against the verdict, before and after training, from `grid.confusion`: axes."""
    moments = list(table.groupby("when", sort=False))
    _, axes = panels(columns=len(moments), height=4.2)
    for ax, (when, rows) in zip(axes, moments, strict=True):
        draw_probe_verdicts(ax, rows.rename(columns={"outcome": "case"}))
        ax.set(title=when, ylabel="what became of it")
    return axes


def draw_probe_verdicts(ax, table):
    """A number in a disc for each case and verdict, dark where it is right: case, verdict, count, right."""
    cases, said = list(dict.fromkeys(table["case"])), list(dict.fromkeys(table["verdict"]))
    x, y = [said.index(verdict) for verdict in table["verdict"]], [cases.index(case) for case in table["case"]]
    ax.scatter(x, y, s=520, c=[SERIES[3] if right else SERIES[1] for right in table["right"]])
    for column, row, count, right in zip(x, y, table["count"], table["right"], strict=True):
        ax.text(column, row, str(count), ha="center", va="center", color="white" if right else "black")
    ax.set_xticks(range(len(said)), said, rotation=30, ha="right")
    ax.set_yticks(range(len(cases)), cases)
    ax.set(xlim=(-0.6, len(said) - 0.4), ylim=(len(cases) - 0.4, -0.6), xlabel="verdict", ylabel="planted")
