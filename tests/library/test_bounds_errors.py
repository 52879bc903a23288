"""What the bounds refuse, what they say of one layer, and that they do not warn without reason."""

import math
import warnings

import pytest
import reference_bounds as reference
import torch
from bounds_cases import edges, make_signals, propagation, same_values, unsmoothing_allowed
from torch_geometric.nn import GCN

import oversmooth as osm

pytestmark = unsmoothing_allowed


@pytest.mark.parametrize("function", [osm.backward_step, osm.mean_transport, osm.certificate])
def test_diverged_signals_are_refused(function):
    for name in ("preactivations", "backward"):
        for bad in (math.nan, math.inf):
            signals = make_signals("random_walk", "star", 5, "tanh", 3, "mse", 0)
            getattr(signals, name)[-1][2, 0] = bad
            with pytest.raises(ValueError, match="layer 2 have non-finite entries"):
                function(signals)


@pytest.mark.parametrize("function", [osm.backward_step, osm.mean_transport, osm.certificate])
def test_gcn_needs_a_homogeneous_activation(function):
    P = propagation("gcn", "star", 5)
    X = torch.ones(5, 2, dtype=torch.float64)
    signals = osm.trace(osm.Network(P, [2, 3, 1], "tanh"), X, lambda y: y.square().mean())
    with pytest.raises(ValueError, match=r"homogeneous activation .*, not tanh: use kind='random_walk'"):
        function(signals)


def test_one_layer():
    """No backward step; the transport is the summed error, the certificate (G) of the only layer."""
    signals = make_signals("random_walk", "star", 5, "tanh", 1, "mse", 0)
    with pytest.raises(ValueError, match="one layer only"):
        osm.backward_step(signals)
    (transport,) = osm.mean_transport(signals)
    assert same_values(transport, signals.backward[0].sum(0))
    for method in ("transport", "plain"):
        value = osm.certificate(signals, method)
        assert value.gradient.shape == (1,)
        assert same_values(value.gradient, reference.certificate(signals, method)["gradient"])


def test_another_model_is_told_what_measures_it():
    model = GCN(2, 3, num_layers=2).double()
    X, edge_index = torch.ones(3, 2, dtype=torch.float64), edges("path", 3)
    for function in (osm.trace, osm.streamed_profile, osm.curvature):
        with pytest.raises(ValueError, match=r"network is a GCN; an oversmooth\.Network .* oversmooth\.Probe\(model\)"):
            function(model, X, torch.sum)
    for function in (osm.loss_floor, osm.train_last_layer):
        with pytest.raises(ValueError, match=r"is a GCN; an oversmooth\.Network .* oversmooth\.Probe\(model\)"):
            function(model, X, X)
    with osm.Probe(model) as probe:
        model(X, edge_index).sum().backward()
    for function in (osm.certificate, osm.backward_step, osm.mean_transport, osm.layer_profile):
        with pytest.raises(ValueError, match=r"signals is a Probe; what oversmooth\.trace .*probe\.table\(\)"):
            function(probe)


def test_unknown_options_list_the_known_ones():
    signals = make_signals("metropolis", "path", 4, "tanh", 2, "mse", 0)
    with pytest.raises(ValueError, match="method is 'tight'; known: transport, plain"):
        osm.certificate(signals, "tight")
    net = osm.Network(propagation("metropolis", "path", 4), [2, 1])
    with pytest.raises(ValueError, match="'hinge'; known: mse, cross_entropy"):
        osm.loss_floor(net, torch.ones(4, 2).double(), torch.zeros(4), "hinge")


def test_no_warning_on_a_connected_graph():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        signals = make_signals("random_walk", "star", 5, "relu", 3, "mse", 0)
        osm.certificate(signals), osm.backward_step(signals), osm.mean_transport(signals)
    assert [str(warning.message) for warning in caught] == []
