"""Figures of the chapter on the probe."""

from oversmooth.drawing.theme import PALETTE


def draw_probe_verdicts(ax, table):
    """Draw how often each case got each verdict: a number in a disc, dark where the verdict is the planted one.

    Args:
        ax: where.
        table: columns case, verdict, count, right.
    """
    cases, said = list(dict.fromkeys(table["case"])), list(dict.fromkeys(table["verdict"]))
    x, y = [said.index(verdict) for verdict in table["verdict"]], [cases.index(case) for case in table["case"]]
    ax.scatter(x, y, s=520, c=[PALETTE[0] if right else PALETTE[3] for right in table["right"]])
    for column, row, count, right in zip(x, y, table["count"], table["right"], strict=True):
        ax.text(column, row, str(count), ha="center", va="center", color="white" if right else "black")
    ax.set_xticks(range(len(said)), said, rotation=30, ha="right")
    ax.set_yticks(range(len(cases)), cases)
    ax.set(xlim=(-0.6, len(said) - 0.4), ylim=(len(cases) - 0.4, -0.6), xlabel="verdict", ylabel="planted")
