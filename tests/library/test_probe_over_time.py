"""The probe over a training, the outlook before it, and what prescriptions find."""

import html.parser
import math
import re

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import pytest
import torch
import torch.nn.functional as F
import torch_geometric.nn as gnn

import oversmooth as osm
from oversmooth.probe.report import heat_map


def graph():
    return osm.largest_component(osm.csbm(60, p_in=0.4, p_out=0.1, seed=0))


def trained(every, steps, **options):
    data = graph()
    torch.manual_seed(0)
    model = gnn.GCN(8, 8, 3, 2).double()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with osm.ProbeHistory(model, every=every, **options) as history:
        for _ in range(steps):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(data.x, data.edge_index), data.y)
            loss.backward()
            optimizer.step()
            history.step(loss)
    return history, data


def test_a_history_has_the_numbers_of_every_measured_step():
    data = graph()
    torch.manual_seed(0)
    model = gnn.GCN(8, 8, 3, 2).double()
    optimizer, losses, alone = torch.optim.SGD(model.parameters(), lr=0.1), [], {}
    history = osm.ProbeHistory(model, every=4)
    for step in range(10):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(data.x, data.edge_index), data.y)
        loss.backward()
        if step % 4 == 0:
            alone[step] = math.hypot(*(float(p.grad.norm()) for p in model.convs[1].parameters()))
        optimizer.step()
        with torch.no_grad():
            model(data.x, data.edge_index)  # validation
        history.step(loss)
        losses.append(float(loss.detach()))
    history.close()
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    table = history.table()
    assert sorted(set(table["step"])) == [0, 4, 8] and set(table["layer"]) == {0, 1, 2}
    for step, gradient in alone.items():
        row = table[(table["step"] == step) & (table["layer"] == 1)].iloc[0]
        assert row["gradient"] == pytest.approx(gradient, rel=1e-12) and row["loss"] == losses[step]
        assert row["mean_error"] == pytest.approx(row["backward_mean"] / row["backward_norm"], rel=1e-12)
    last = table[table["step"] == 8]
    assert history.diagnosis().numbers["first_norm"] == last["feature_norm"].iloc[0]
    assert history.scalars()["probe/gradient/001_convs.1"] == last["gradient"].iloc[1]


class Page(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.text = [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text.append(data)


def test_a_report_is_one_file_with_verdict_figures_and_table(tmp_path):
    history, data = trained(5, 11)
    history.report(tmp_path / "probe.html", data.y)
    text = (tmp_path / "probe.html").read_text(encoding="utf-8")
    page = Page()
    page.feed(text)
    words = " ".join(page.text)
    found = history.diagnosis(data.y)
    assert f"verdict: {found.verdict}" in words and all(reason in words for reason in found.reasons)
    tags = [tag for tag, _ in page.tags]
    assert tags.count("svg") == 5 and "script" not in tags and not re.search(r"(src|href)=", text)
    assert any(tag == "meta" and each.get("name") == "viewport" for tag, each in page.tags)
    assert f"{history.table()['gradient'].iloc[-1]:.3g}" in words
    with pytest.raises(ValueError, match=r"the folder .* is not there"):
        history.report(tmp_path / "absent" / "probe.html")


def test_a_heat_map_has_a_cell_for_each_layer_and_step():
    history, _ = trained(5, 11)
    table = history.table()
    text = heat_map(table, "gradient")
    assert text.count("<rect") == len(table) == 9
    largest, smallest = table["gradient"].idxmax(), table["gradient"].idxmin()
    for index, colour in ((largest, "#fde725"), (smallest, "#440154")):
        row = table.loc[index]
        cell = f'fill="{colour}"><title>step {row["step"]}, layer {row["layer"]}: {row["gradient"]:.3g}</title>'
        assert cell in text
    assert "nothing measured" in heat_map(table.assign(gradient=float("nan")), "gradient")


def test_the_plot_draws_the_table():
    history, _ = trained(5, 11)
    figure = history.plot()
    table = history.table()
    titles = {ax.get_title(): ax for ax in figure.axes}
    mesh = titles["gradient"].collections[0].get_array()
    assert (
        mesh.shape == (3, 3) and mesh[1, 2] == table[(table["step"] == 10) & (table["layer"] == 1)]["gradient"].iloc[0]
    )
    (line,) = next(ax for ax in figure.axes if ax.get_ylabel() == "loss").get_lines()
    assert line.get_ydata().tolist() == table.groupby("step")["loss"].first().tolist()
    plt.close("all")


def test_the_outlook_is_the_operator_s_rate():
    data = graph()
    P = osm.Propagation.from_data(data, kind="gcn")
    found = osm.outlook(data.edge_index, data.num_nodes)
    assert found.rate == pytest.approx(P.rate, rel=1e-9) and found.num_components == 1
    assert P.rate**found.depth <= 0.05 < P.rate ** (found.depth - 1)
    x = torch.randn(data.num_nodes, 4).double()
    left = x
    for _ in range(int(found.depth)):
        left = P @ left
    assert float(osm.deviation(left, P)) <= 0.05 * float(osm.deviation(x, P)) * (1 + 1e-9)
    twice = torch.cat([data.edge_index, data.edge_index + data.num_nodes], 1)
    double = osm.outlook(twice, 2 * data.num_nodes)
    assert double.rate == pytest.approx(found.rate, rel=1e-9) and double.num_components == 2
    assert osm.outlook(torch.zeros(2, 0, dtype=torch.long), 3).num_components == 3
    assert "λ = " in str(found) and f"after {found.depth:.0f} layers" in str(found)
    with pytest.raises(ValueError, match="layer is 'cnn'; known: gcn, gat, sage"):
        osm.outlook(data.edge_index, data.num_nodes, "cnn")


def small_weights():
    model = gnn.GCN(8, 16, 8, 2).double()
    with torch.no_grad():
        for conv in model.convs:
            conv.lin.weight *= 0.2
    return model


def test_a_prescription_frees_the_gradient(random_state_untouched):
    data = graph()
    table = osm.prescribe(small_weights, data, lambda output: F.cross_entropy(output, data.y), steps=20)
    assert table["change"][:2].tolist() == ["as it is", "no graph (P = I)"] and len(table) == 5
    assert table["verdict"][0] == "vanishing" and table["freed"][0] == 1 and table["gain"][0] == 0
    best = table.iloc[2]
    assert best["loss_end"] == table["loss_end"][2:].min() < table["loss_end"][0] - 0.05
    by_name = table.set_index("change")
    assert by_name["freed"]["initial scale"] > 1e3
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = small_weights()
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    losses = []
    for _ in range(21):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(data.x, data.edge_index), data.y)
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert table["loss_start"][0] == losses[0] and table["loss_end"][0] == pytest.approx(losses[20], rel=1e-12)
    again = osm.prescribe(small_weights, data, lambda output, d: F.cross_entropy(output, d.y), steps=20)
    assert again["loss_end"].tolist() == table["loss_end"].tolist()


def test_the_twin_without_a_graph_sees_no_neighbour():
    data = graph()
    table = osm.prescribe(small_weights, data, lambda output: F.cross_entropy(output, data.y), steps=1)
    torch.manual_seed(0)
    model = small_weights()
    loops = torch.arange(len(data.x)).repeat(2, 1)
    loss = F.cross_entropy(model(data.x, loops), data.y)
    assert table["loss_start"][1] == pytest.approx(float(loss), rel=1e-12)
    with pytest.raises(ValueError, match="model_factory gave a int; a model is needed"):
        osm.prescribe(lambda: 3, data, lambda output: output.sum())
    with pytest.raises(ValueError, match="data has no x or no edge_index"):
        osm.prescribe(small_weights, None, lambda output: output.sum())
