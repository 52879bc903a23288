"""Verdicts on planted tables, and their words; the loss compared; the drawing."""

import json
import types

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch

import oversmooth as osm
from oversmooth.probe.diagnosis import diagnose
from oversmooth.probe.rules import RULES, VERDICTS
from oversmooth_book.experiments.probe_your_model import measure as planted


def layers(depth=10, **columns):
    """A healthy table, but for the columns given."""
    table = pd.DataFrame({"pass": 0, "layer": range(depth)})
    healthy = {"feature_ratio": 0.5, "feature_norm": 1.0, "backward_ratio": 0.5, "backward_norm": 1.0}
    healthy |= {"backward_mean": 0.5, "gradient": 0.3}
    return table.assign(**healthy, **{}).assign(**columns)


SMOOTH, ROUGH = np.geomspace(0.5, 1e-6, 10), np.geomspace(1e-6, 0.5, 10)
GONE = {"feature_ratio": SMOOTH, "backward_mean": 1e-4, "backward_ratio": 0.9}
FALL = {"backward_norm": np.geomspace(1e-5, 1, 10), "gradient": 1e-5}
TABLES = {
    "nothing": ({}, "healthy", []),
    "features": ({"feature_ratio": SMOOTH}, "forward-only oversmoothing", list(range(3, 10))),
    "errors": ({"feature_ratio": SMOOTH, "backward_ratio": ROUGH}, "backward oversmoothing", list(range(7))),
    "errors smooth already at the output": ({"backward_ratio": 1e-3}, "healthy", []),
    "features smooth already at the input": ({"feature_ratio": 1e-3}, "healthy", []),
    "errors shrink": (
        {"backward_norm": np.geomspace(1e-6, 1, 10), "gradient": np.geomspace(1e-6, 1, 10)},
        "vanishing",
        list(range(5)),
    ),
    "errors shrink, features too, gradients alike": (
        {"backward_norm": np.geomspace(1e-6, 1, 10), "feature_norm": np.geomspace(1, 1e-6, 10)},
        "vanishing",
        list(range(5)),
    ),
    "errors shrink and gradients do not": ({"backward_norm": np.geomspace(1e-6, 1, 10)}, "healthy", []),
    "errors fall to their mean, and no further": (
        {"feature_ratio": SMOOTH, "backward_ratio": ROUGH, "backward_norm": [5e-4] * 9 + [1.0], "backward_mean": 5e-4},
        "backward oversmoothing",
        list(range(9)),
    ),
    "errors grow": ({"backward_norm": np.geomspace(1e6, 1, 10)}, "exploding", list(range(5))),
    "features grow": ({"feature_norm": np.geomspace(1, 1e6, 10)}, "exploding", list(range(5, 10))),
    "stationary, in one pass": (GONE | FALL, "backward oversmoothing", list(range(7))),
    "features are zeros": (
        {"feature_norm": [1.0] * 6 + [0.0] * 4, "feature_ratio": [0.5] * 6 + [0.0] * 4},
        "dead",
        [6, 7, 8, 9],
    ),
    "no error arrives": ({"backward_norm": 0.0, "backward_ratio": 0.0, "gradient": 0.0}, "dead", list(range(10))),
    "features the same everywhere": (
        {"feature_ratio": 0.0, "backward_ratio": ROUGH},
        "backward oversmoothing",
        list(range(7)),
    ),
    "errors the same everywhere": ({"backward_ratio": 0.0}, "healthy", []),
    "a true minimum, features alive": (FALL | {"backward_mean": 1e-4, "backward_norm": 1.0}, "healthy", []),
    "stationary, but for one gradient": (
        GONE | {"backward_norm": np.geomspace(1e-4, 1, 10), "gradient": [0.1] + [1e-5] * 9},
        "backward oversmoothing",
        list(range(7)),
    ),
}


@pytest.mark.parametrize("name", TABLES)
def test_rules(name):
    columns, verdict, where = TABLES[name]
    found = diagnose(layers(**columns))
    assert found.verdict == verdict
    assert found.findings.get(verdict, []) == where
    assert str(found).startswith(f"verdict: {verdict}\n") and found.advice in str(found)
    assert json.loads(json.dumps(found.to_dict()))["verdict"] == verdict and verdict in found._repr_html_()


def test_a_plateau_of_several_passes_is_a_stationary_point():
    """Never one pass; never a few updates; never an error that moves."""
    columns = layers(**(GONE | FALL))
    still = [(step, 1.0) for step in (0, 15, 30)]
    verdicts = {
        "flat": still,
        "two passes": still[1:],
        "few updates": [(step / 3, error) for step, error in still],
        "moving": [(0, 1.2), (15, 1.1), (30, 1.0)],
        "moved before": [(0, 9.0), (10, 5.0), *[(20 + step, 1.0) for step, _ in still]],
    }
    found = {name: diagnose(columns, facts={"trail": trail}).verdict for name, trail in verdicts.items()}
    spurious = {name for name, verdict in found.items() if verdict == "spurious stationary point"}
    assert spurious == {"flat", "moved before"}
    assert diagnose(columns, facts={"trail": still}, thresholds={"updates": 31}).verdict == "backward oversmoothing"


def test_infinite_numbers_are_named_by_their_first_layer():
    model = planted.plant("healthy", planted.graph(0, 60), planted.REFERENCE)
    model.convs[1].lin.weight.data *= float("inf")
    found = planted.probed(model, planted.graph(0, 60)).diagnosis()
    assert found.verdict == "not a number" and "first in the output of layer 1 (convs.1)" in str(found)
    data = planted.graph(0, 60)
    data.x[3, 2] = float("nan")
    found = planted.probed(planted.plant("healthy", data, planted.REFERENCE), data).diagnosis()
    assert found.verdict == "not a number" and "first in the input" in str(found)
    data = planted.graph(0, 60)
    model = planted.plant("healthy", data, planted.REFERENCE)
    with osm.Probe(model) as probe:
        (model(data.x, data.edge_index)[:, 0] * float("nan")).sum().backward()
    assert "first in the error that layer 2 (convs.2) receives" in str(probe.diagnosis())


def test_the_median_of_the_passes_counts():
    tables = [layers(**columns).assign(**{"pass": k}) for k, columns in enumerate([{}, {"feature_ratio": SMOOTH}, {}])]
    assert diagnose(pd.concat(tables)).verdict == "healthy"
    assert diagnose(pd.concat(tables[1:2] * 2 + tables[:1])).verdict == "forward-only oversmoothing"


@pytest.fixture(scope="module")
def stuck():
    data = planted.graph(0, 200)
    model = planted.plant("spurious", data, planted.REFERENCE)
    return data, model, planted.probed(model, data)


def test_words_hold_the_numbers(stuck):
    data, _, probe = stuck
    found = probe.diagnosis(data.y)
    table = probe.table()
    lines = str(found).splitlines()
    assert f"deviation down to {table['feature_ratio'].min():.1e} of their norm" in str(found)
    share = table["backward_mean"].iloc[-1] / table["backward_norm"].iloc[-1]
    assert any(f"mean output error {share:.1e} of it" in line for line in lines)
    assert found.verdict == "backward oversmoothing" and lines[-1].startswith("try: some layers receive hardly more")
    assert any("cross-entropy" in line for line in lines)


def test_a_loop_that_stands_still_is_a_spurious_stationary_point():
    """The planted patient, watched while it trains: the probe's blocks remember each other."""
    data = planted.graph(0, 200)
    model = planted.plant("spurious", data, planted.REFERENCE)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    probe = osm.Probe(model, every=10)
    said = []
    for step in range(31):
        optimizer.zero_grad()
        with probe:
            planted.loss(model, data).backward()
        optimizer.step()
        if step % 10 == 0:
            said.append(probe.diagnosis(data.y))
    assert [found.verdict for found in said] == ["backward oversmoothing"] * 2 + ["spurious stationary point"] * 2
    table = probe.table()
    largest = (table["gradient"] / table["feature_norm"]).max() / table["backward_norm"].iloc[-1]
    assert f"gradients are at most {largest:.1e} of" in str(said[-1])
    assert said[-1].advice.startswith("longer training is unlikely to help")


def test_loss_and_constant_loss_are_torchs(stuck):
    data, model, probe = stuck
    numbers = probe.diagnosis(data.y).numbers
    assert numbers["loss"] == pytest.approx(float(planted.loss(model, data)), rel=1e-12)
    frequency = torch.bincount(data.y).double() / len(data.y)
    assert numbers["constant_loss"] == pytest.approx(float(-(frequency * frequency.log()).sum()), rel=1e-6)
    mask = torch.zeros(len(data.y), dtype=torch.bool)
    mask[:9] = True
    output = model(data.x, data.edge_index)
    masked = probe.diagnosis(data.y, mask).numbers["loss"]
    assert masked == pytest.approx(float(torch.nn.functional.cross_entropy(output[:9], data.y[:9])), rel=1e-12)
    Y = torch.randn_like(output)
    numbers = probe.diagnosis(Y).numbers
    assert numbers["loss"] == pytest.approx(float((output - Y).square().mean()), rel=1e-12)
    best = torch.nn.functional.mse_loss(Y.mean(0).expand_as(Y), Y)
    assert numbers["constant_loss"] == pytest.approx(float(best), rel=1e-12)


def test_targets_that_do_not_fit(stuck):
    data, _, probe = stuck
    with pytest.raises(ValueError, match=r"class numbers from 0 to 1"):
        probe.diagnosis(data.y + 5)
    with pytest.raises(ValueError, match=r"targets has shape \(\d+,\) \(floats\), the output \(\d+, 2\)"):
        probe.diagnosis(data.y.double())
    with pytest.raises(ValueError, match=r"a torch\.Tensor or None is needed"):
        probe.diagnosis([1, 2])


class Made:
    """An output of two rows with a given deviation and error, as the rules read it."""

    tree = torch.tensor([[9.0, 0], [0, 9.0]])
    deviation, error, rows, gradients = 1e-3, 1.0, 2, {}


def test_a_low_loss_is_no_spurious_point():
    table, trail = layers(**GONE, **FALL), [(0, 1.0), (15, 1.0), (30, 1.0)]
    facts = {"trail": trail}
    assert diagnose(table, Made, facts=facts).verdict == "spurious stationary point"
    assert diagnose(table, Made, torch.tensor([0, 1]), facts=facts).verdict != "spurious stationary point"

    class Varied(Made):
        deviation = 0.5

    assert diagnose(table, Varied, facts=facts).verdict != "spurious stationary point"


def test_a_loss_at_the_best_constant_s_after_training():
    """Without another cause, and only once the weights have moved."""

    class Flat(Made):
        tree = torch.tensor([[0.01, 0], [0, 0.01]])
        gradients = types.MappingProxyType({(): torch.tensor([[-0.25, 0.25], [0.25, -0.25]])})

    targets = torch.tensor([0, 1])
    assert diagnose(layers(), Flat, targets, facts={"updates": 60}).verdict == "no better than a constant"
    untried = diagnose(layers(), Flat, targets, facts={"updates": 3})
    assert untried.verdict == "healthy" and "the weights look untrained (3 updates)" in str(untried)
    ill = diagnose(layers(feature_ratio=SMOOTH), Flat, targets, facts={"updates": 60})
    assert ill.verdict == "forward-only oversmoothing"
    with pytest.raises(ValueError, match=r"thresholds names \['smooth'\]; known: smoothed"):
        diagnose(layers(), thresholds={"smooth": 1})


def test_verdicts_have_advice():
    assert len(set(VERDICTS)) == len(RULES) and {*planted.CASES.values()} <= set(VERDICTS)


def test_the_docstring_names_every_verdict_in_its_order():
    text = " ".join(osm.Diagnosis.__doc__.split())
    places = [text.find(name) for name in VERDICTS]
    assert min(places) > 0 and places == sorted(places)


def test_plot_draws_the_table(stuck):
    _, _, probe = stuck
    left, right = probe.plot()
    table = probe.table()
    drawn = {line.get_label(): line.get_xydata() for ax in (left, right) for line in ax.get_lines()}
    assert np.array_equal(drawn["gradient"], table[["layer", "gradient"]])
    ratios = {line.get_label(): line.get_ydata() for line in left.get_lines()}
    assert np.array_equal(ratios["features"], table["feature_ratio"])
    assert np.array_equal(ratios["errors"], table["backward_ratio"])
    assert left.get_yscale() == right.get_yscale() == "log"
    _, axes = plt.subplots(1, 2)
    assert probe.plot(axes)[0] is axes[0]
    plt.close("all")


def test_several_passes_are_drawn_faint_but_the_last():
    table = pd.concat([layers().assign(**{"pass": 0}), layers(feature_ratio=0.1).assign(**{"pass": 1})])
    _, ax = plt.subplots()
    osm.draw_probe_ratios(ax, table)
    faint, full = ax.get_lines()[0], ax.get_lines()[2]
    assert faint.get_alpha() < full.get_alpha() == 1 and set(full.get_ydata()) == {0.1}
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["features", "errors"]
    plt.close("all")
