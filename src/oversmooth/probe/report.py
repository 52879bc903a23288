"""A probe's history as one HTML page, drawn in SVG: no network, no matplotlib, readable on a phone."""

import html
import math

_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;margin:0 auto;max-width:60rem;padding:1rem;color:#222;background:#fff}
figure{margin:0}h1{font-size:1.3rem}h2{font-size:1.05rem;margin:1.2rem 0 .3rem}
.maps{display:grid;grid-template-columns:repeat(auto-fit,minmax(17rem,1fr));gap:1rem}svg{width:100%;height:auto}
.wide{overflow-x:auto}table{border-collapse:collapse;font-size:.85rem}td,th{padding:.15rem .5rem;text-align:right}
th{border-bottom:1px solid #999}td:nth-child(2),th:nth-child(2){text-align:left}
.verdict{border-left:.3rem solid #4477aa;padding:.2rem 1rem;background:#f3f6fa}
"""
_COLUMNS = ("layer", "name", "norm", "nodes", "components", "feature_norm", "feature_ratio", "backward_norm")
_COLUMNS += ("backward_ratio", "backward_mean", "gradient", "dead_units", "note")
_LOW, _HIGH = (68, 1, 84), (253, 231, 37)  # the ends of the map and its middle, of matplotlib's viridis
_MIDDLE = (33, 145, 140)


def page(table, diagnosis, maps):
    """The page's text.

    Args:
        table: of `ProbeHistory.table`.
        diagnosis: a `Diagnosis`.
        maps: column -> title of its heat map.

    Returns:
        HTML.
    """
    figures = "".join(
        f"<figure><h2>{html.escape(t)}</h2>{heat_map(table, column)}</figure>" for column, t in maps.items()
    )
    last = table[table["step"] == table["step"].max()]
    reasons = "".join(f"<li>{html.escape(reason)}</li>" for reason in diagnosis.reasons)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Probe report</title>'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><style>{_STYLE}</style></head><body>'
        f'<h1>Probe report</h1><div class="verdict"><p><strong>verdict: {html.escape(diagnosis.verdict)}</strong></p>'
        f"<ul>{reasons}</ul><p>try: {html.escape(diagnosis.advice)}</p></div>"
        f'{_curve(table)}<div class="maps">{figures}</div>'
        f'<h2>Step {int(last["step"].iloc[0])}</h2><div class="wide">{_rows(last)}</div></body></html>'
    )


def heat_map(table, column):
    """Layers × steps of a column as SVG, on a logarithmic scale whose ends are written below.

    Args:
        table: with step, layer and the column.
        column: its name.

    Returns:
        SVG.
    """
    steps, layers = sorted(set(table["step"])), sorted(set(table["layer"]))
    values = {(row["step"], row["layer"]): row[column] for row in table.to_dict("records")}
    logs = [math.log10(v) for v in values.values() if v == v and 0 < v < math.inf]
    if not logs:
        return "<p>nothing measured</p>"
    low, high = max(min(logs), max(logs) - 8), max(logs)
    wide, tall = 320 / len(steps), 160 / len(layers)
    cells = []
    for (step, layer), value in values.items():
        if value != value:
            continue
        share = 0.0 if value <= 0 else 1.0 if high == low else (math.log10(value) - low) / (high - low)
        x, y = 40 + steps.index(step) * wide, 160 - (layers.index(layer) + 1) * tall
        said = f"<title>step {step}, layer {layer}: {value:.3g}</title>"
        size = f'width="{wide + 0.3:.2f}" height="{tall + 0.3:.2f}"'
        cells.append(f'<rect x="{x:.2f}" y="{y:.2f}" {size} fill="{_colour(share)}">{said}</rect>')
    label = (
        f'<text x="36" y="158" text-anchor="end">{layers[0]}</text><text x="36" y="10" text-anchor="end">{layers[-1]}'
        f'</text><text x="40" y="174">step {steps[0]}</text><text x="360" y="174" text-anchor="end">{steps[-1]}</text>'
        f'<text x="200" y="190" text-anchor="middle">dark {10**low:.1e} to light {10**high:.1e}</text>'
    )
    return f'<svg viewBox="0 0 364 194" font-size="11" role="img">{"".join(cells)}{label}</svg>'


def _curve(table):
    """The loss over the steps, or nothing."""
    points = table.dropna(subset=["loss"]).groupby("step")["loss"].first()
    if len(points) < 2:
        return ""
    low, high = points.min(), points.max()
    first, last = points.index[0], points.index[-1]
    at = " ".join(
        f"{50 + 640 * (s - first) / (last - first):.1f},{110 - 100 * (v - low) / ((high - low) or 1):.1f}"
        for s, v in points.items()
    )
    ends = ((14, high), (112, low))
    text = "".join(f'<text x="46" y="{y}" text-anchor="end">{value:.3g}</text>' for y, value in ends)
    line = f'<polyline points="{at}" fill="none" stroke="#4477aa" stroke-width="2"/>'
    return f'<h2>Loss</h2><svg viewBox="0 0 700 120" font-size="12" role="img">{line}{text}</svg>'


def _colour(share):
    share = min(1.0, max(0.0, share))
    (start, end), t = ((_LOW, _MIDDLE), 2 * share) if share < 0.5 else ((_MIDDLE, _HIGH), 2 * share - 1)
    return "#" + "".join(f"{round(a + (b - a) * t):02x}" for a, b in zip(start, end, strict=True))


def _rows(table):
    shown = [column for column in _COLUMNS if column in table]
    head = "".join(f"<th>{column.replace('_', ' ')}</th>" for column in shown)
    lines = ["".join(f"<td>{_cell(row[column])}</td>" for column in shown) for row in table.to_dict("records")]
    return f"<table><tr>{head}</tr>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"


def _cell(value):
    if isinstance(value, float):
        return "" if value != value else f"{value:.3g}"
    return html.escape(str(value))
