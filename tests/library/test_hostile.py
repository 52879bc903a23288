"""The whole public face against hostile arguments: a sentence that names the argument, and no other exception.

A function that is exported is tested here the day it is: `test_every_public_function_is_called` holds the list to the
public names.
"""

import inspect
import math
import os
import random
import warnings

import matplotlib
import numpy as np
import pytest
import torch
import torch_geometric.nn as gnn
from scipy import sparse
from torch_geometric.data import Data

import oversmooth as osm
from oversmooth.public import MODULE_OF

matplotlib.use("Agg")
pytestmark = pytest.mark.filterwarnings("ignore")

DATA = osm.csbm(40, p_in=0.4, p_out=0.1, num_features=3)
X, Y = DATA.x, 2.0 * DATA.y.double()[:, None] - 1
P = osm.Propagation.from_data(DATA)
NET = osm.Network(P, [3, 4, 4, 1], seed=0)
OPERATOR = osm.OperatorNetwork("gat", DATA, [3, 4, 1])
HALVES = [sparse.csr_array(P.matrix)] * 2


def loss(output):
    return (output - Y).square().mean()


SIGNALS = osm.trace(NET, X, loss)
OPERATOR_SIGNALS = osm.trace_operator(OPERATOR, X, loss)


def cell(value, seed):
    return {"v": value + seed}


def axes():
    return matplotlib.figure.Figure().subplots()


def table():
    model = gnn.GCN(3, 4, 2, 2).double()
    with osm.Probe(model) as probe:
        model(X, DATA.edge_index).sum().backward()
    return probe.table()


TABLE = table()
DATA_X = Data(x=X, edge_index=DATA.edge_index)
# Name -> the function and arguments that it takes.
CALLS = {
    "available": (osm.available, {"name": "Cora", "root": "nowhere"}),
    "csbm": (
        osm.csbm,
        {"num_nodes": 30, "num_classes": 2, "p_in": 0.5, "p_out": 0.1, "num_features": 2}
        | {"separation": 1.0, "seed": 0, "shares": (0.4, 0.6)},
    ),
    "digits": (osm.digits, {"neighbors": 5}),
    "largest_component": (osm.largest_component, {"data": DATA}),
    "load": (osm.load, {"name": "karate", "root": None}),
    "from_edges": (osm.Propagation.from_edges, {"edge_index": DATA.edge_index, "num_nodes": 40, "kind": "gcn"}),
    "from_data": (osm.Propagation.from_data, {"data": DATA, "kind": "deflated", "base": "gcn", "modes": 1}),
    "from_matrix": (osm.Propagation.from_matrix, {"matrix": [[0.5, 0.5], [0.5, 0.5]]}),
    "identity": (osm.Propagation.identity, {"num_nodes": 3}),
    "deflate": (osm.deflate, {"propagation": P, "modes": 1}),
    "Network": (
        osm.Network,
        {"propagation": P, "widths": [3, 2, 1], "activation": "tanh", "weight_scale": 1.0}
        | {"output_bias": True, "seed": 0, "init": "glorot"},
    ),
    "trace": (osm.trace, {"network": NET, "features": X, "loss": loss}),
    **{
        name: (getattr(osm, name), {"backward" if "backward" in name else "features": X, "propagation": P})
        for name in ("backward_deviation", "backward_mean", "deviation", "energy", "mean", "relative_deviation")
    },
    "dirichlet_energy": (osm.dirichlet_energy, {"features": X, "edge_index": DATA.edge_index}),
    "mean_average_distance": (osm.mean_average_distance, {"features": X, "edge_index": DATA.edge_index}),
    "effective_rank": (osm.effective_rank, {"features": X}),
    "layer_profile": (osm.layer_profile, {"signals": SIGNALS}),
    "streamed_profile": (osm.streamed_profile, {"network": NET, "features": X, "loss": loss}),
    "backward_step": (osm.backward_step, {"signals": SIGNALS}),
    "certificate": (osm.certificate, {"signals": SIGNALS, "method": "plain"}),
    "forward_bound": (osm.forward_bound, {"network": NET, "features": X}),
    "loss_floor": (osm.loss_floor, {"network": NET, "features": X, "targets": Y, "kind": "mse", "mask": None}),
    "mean_transport": (osm.mean_transport, {"signals": SIGNALS}),
    "weight_norms": (osm.weight_norms, {"weights": list(NET.weights)}),
    "train_last_layer": (
        osm.train_last_layer,
        {"net": NET, "X": X, "y": Y, "how": "descent", "budget": 2.0} | {"mask": None, "steps": 3},
    ),
    "fit": (
        osm.fit,
        {"net_or_nets": NET, "X": X, "y": Y, "loss": "mse", "mask": None, "optimizer": "adam", "lr": 0.01}
        | {"steps": 2, "record_every": 1, "test_mask": None, "checkpoint": False, "clip": 1.0},
    ),
    "certify": (osm.certify, {"network": NET, "features": X, "targets": Y, "loss": "mse", "mask": None, "bits": 64}),
    "escape_distance": (
        osm.escape_distance,
        {"network": NET, "features": X, "targets": Y, "loss": "mse", "threshold": 0.8, "mask": None, "rigorous": True},
    ),
    "escape_time": (
        osm.escape_time,
        {"network": NET, "features": X, "targets": Y, "loss": "mse", "threshold": 0.8, "mask": None, "rigorous": True}
        | {"decrease": 1.0, "stride": 0.0},
    ),
    "exact_counterexample": (osm.exact_counterexample, {"depth": 3, "graph": "cycle", "activation": "elu"}),
    "curvature": (osm.curvature, {"network": NET, "features": X, "loss": loss, "tolerance": 0.1}),
    "hessian_product": (osm.hessian_product, {"network": NET, "features": X, "loss": loss}),
    "loss_plane": (
        osm.loss_plane,
        {"network": NET, "features": X, "loss": loss, "directions": torch.randn(2, 32).double()}
        | {"loss": lambda output: (output - Y).square().mean((-2, -1)), "first": [0.0], "second": [0.0]},
    ),
    "counterexample": (osm.counterexample, {"depth": 3, "graph": "cycle", "activation": "elu", "width": 2}),
    "spectral_deviation": (osm.spectral_deviation, {"propagation": P, "features": X, "layers": [0, 1, 2]}),
    "sweep": (
        osm.sweep,
        {"run": cell, "grid": {"value": [1]}, "seeds": [0], "jobs": 1, "cluster": None, "cache": None},
    ),
    "DeepNetwork": (
        osm.DeepNetwork,
        {"propagation": P, "features": 3, "classes": 2, "depth": 3, "width": 4}
        | {"remedy": "PairNorm", "activation": "tanh", "seed": 0},
    ),
    "Probe": (osm.Probe, {"model": gnn.GCN(3, 4, 2), "select": None, "norm": "auto"}),
    "outlook": (osm.outlook, {"edge_index": DATA.edge_index, "num_nodes": 40, "layer": "gcn"}),
    "prescribe": (
        osm.prescribe,
        {"model_factory": lambda: gnn.GCN(3, 4, 2, 2).double(), "data": DATA_X, "loss": loss, "steps": 1}
        | {"lr": 0.01, "seed": 0},
    ),
    "ProbeHistory": (osm.ProbeHistory, {"model": gnn.GCN(3, 4, 2), "every": 2, "select": None, "norm": "auto"}),
    "lightning_callback": (osm.lightning_callback, {"every": 5, "select": None, "norm": "auto"}),
    "OperatorNetwork": (
        osm.OperatorNetwork,
        {"operator": "gat", "data": DATA, "widths": [3, 2, 1], "activation": "tanh", "weight_scale": 1.0, "seed": 0},
    ),
    "trace_operator": (osm.trace_operator, {"network": OPERATOR, "features": X, "loss": loss}),
    "backward_paths": (
        osm.backward_paths,
        {"network": OPERATOR, "k": 0, "features": X} | {"backward": torch.ones(40, 4).double()},
    ),
    "sequence_rates": (osm.sequence_rates, {"matrices": HALVES, "weights": [np.full(40, 1 / 40)] * 3}),
    "sequence_weights": (osm.sequence_weights, {"matrices": HALVES}),
    "draw_floor": (osm.draw_floor, {"ax": axes(), "floor": 1e-9, "label": "x"}),
    "panels": (osm.panels, {"rows": 1, "columns": 2, "height": 2.0}),
    "draw_probe_norms": (osm.draw_probe_norms, {"ax": axes(), "table": TABLE}),
    "draw_probe_ratios": (osm.draw_probe_ratios, {"ax": axes(), "table": TABLE}),
}
HOSTILE = [
    *(None, True, 0, -1, 3, 1.5, -0.5, 1e300, math.nan, math.inf, "", "nothing", "x" * 300, [], [None], ["a"]),
    *(
        [math.nan],
        [1e300],
        {},
        {"a": 1},
        object(),
        print,
        int,
        torch.tensor(1.0),
        torch.empty(0),
        X[:0],
        X[:, :0],
        X[0],
    ),
    *(
        X.float(),
        X.half(),
        X.bfloat16(),
        X.long(),
        X > 0,
        X + 0j,
        X * math.nan,
        X * 1e200,
        X * 1e-200,
        X[None],
        X[:7],
        X.T,
    ),
    *(X.to_sparse(), X.to("meta"), X.numpy(), DATA.edge_index, DATA.edge_index + 40, DATA.edge_index.repeat(1, 2)),
    *(
        DATA.edge_index.float(),
        torch.zeros(2, 0, dtype=torch.long),
        np.eye(2),
        np.array([[1 + 1j]]),
        sparse.eye_array(3),
    ),
    *(P, NET, SIGNALS, OPERATOR, OPERATOR_SIGNALS, DATA, osm.ACTIVATIONS["relu"], osm.Network(P, [3, 1], seed=[0, 1])),
    *(
        lambda output: output.sum() * math.nan,
        lambda output: output,
        lambda output: 3.0,
        lambda output: output.sum() + 0j,
    ),
    *(
        lambda output: output.mul_(2).sum(),
        lambda output: torch.tensor(1.0),
        lambda: 1,
        os.devnull,
        torch.float16,
        "tanh",
    ),
]
# Results of wrong size or kind must be told, but so much memory is never asked for.
OTHERS = ("karate", "set_theme")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """A text is a folder's name to some: what they write must not lie in the repository."""
    monkeypatch.chdir(tmp_path)


def test_every_public_function_is_called():
    functions = {name for name in MODULE_OF if inspect.isfunction(getattr(osm, name))}
    built = {"Network", "Probe", "ProbeHistory", "DeepNetwork", "OperatorNetwork"}
    assert functions - set(OTHERS) | built <= set(CALLS)


@pytest.mark.parametrize("name", CALLS)
def test_the_call_itself_is_sound(name):
    function, arguments = CALLS[name]
    function(**arguments)


def refused_by_name(function, arguments, changed):
    """Whether a call goes well, or ends in a sentence about what was changed; anything else is raised."""
    before = {key: value.clone() for key, value in arguments.items() if _is_plain(value)}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            function(**arguments)
    except DOCUMENTED as error:
        text = str(error)
        assert len(text) < 1500
        assert any(name.strip("s") in text for name in (*changed, *SPOKEN)) or is_own(error, arguments, changed), text
    except Exception as error:
        if not is_own(error, arguments, changed):
            raise
    for key, value in before.items():
        assert torch.equal(arguments[key].nan_to_num(), value.nan_to_num()), f"{key} was changed"


def is_own(error, arguments, changed):
    """Whether a function of the caller's raised the error itself: it is handed on as it is."""
    for value in (arguments[name] for name in {"loss", "select"} & set(changed)):
        for given in ((NET(X),), (NET(X)[None],), ("convs.0", gnn.GCNConv(3, 4))):
            try:
                value(*given)
            except Exception as own:
                if type(own) is type(error):
                    return True
    return False


def _is_plain(value):
    return isinstance(value, torch.Tensor) and value.layout == torch.strided and value.device.type != "meta"


# Words that name an argument otherwise: what a graph or a network is said to be.
SPOKEN = (
    "the graph",
    "the network",
    "the loss",
    "the signal",
    "mask",
    "output",
    "rate",
    "P ",
    "cells failed",
    "no layer",
    "Dask",
    "λ",
)
# Exceptions that the functions document.
DOCUMENTED = (ValueError, TypeError, FileNotFoundError, ConnectionError, osm.SweepError)


@pytest.mark.parametrize("name", CALLS)
def test_one_hostile_argument(name):
    function, arguments = CALLS[name]
    for argument in arguments:
        for value in HOSTILE:
            refused_by_name(function, arguments | {argument: value}, [argument])


@pytest.mark.parametrize("seed", range(int(os.environ.get("OVERSMOOTH_FUZZ", "40"))))
def test_random_hostile_calls(seed):
    chance = random.Random(seed)
    for name in chance.sample(list(CALLS), 5):
        function, arguments = CALLS[name]
        changed = chance.sample(list(arguments), min(len(arguments), chance.randint(1, 3)))
        refused_by_name(function, arguments | {key: chance.choice(HOSTILE) for key in changed}, changed)
