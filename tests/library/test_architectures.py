"""Deep networks with remedies: against torch_geometric's own message passing, autograd and plain loops."""

import copy
import pickle

import pytest
import torch
from cases import EDGE_KINDS, EXACT, propagation_of, signal
from torch_geometric.nn import GCN2Conv, GCNConv

import oversmooth as osm

HIDDEN = 4  # layers
GRAPH = "random with an isolated node"


def network(remedy, seed=3, graph=GRAPH, kind="random_walk", **options):
    return osm.DeepNetwork(propagation_of(graph, kind), 3, 2, HIDDEN + 1, width=5, remedy=remedy, seed=seed, **options)


def normalised(name, H):
    """What each norm does, written out."""
    centred = H - H.mean(0)
    if name == "mean subtraction":
        return centred
    if name == "PairNorm":
        return centred / (1e-5 + centred.square().sum(1).mean()).sqrt()
    if name == "BatchNorm":
        return centred / (H.var(0, unbiased=False) + 1e-5).sqrt()
    if name == "LayerNorm":
        rows = H - H.mean(1, keepdim=True)
        return rows / (H.var(1, unbiased=False, keepdim=True) + 1e-5).sqrt()
    return H


def by_hand(net, name, x, P):
    """The whole network as a plain loop with a dense P."""
    W = [layer.conv.weight1 if hasattr(layer.conv, "weight1") else layer.conv.lin.weight.T for layer in net.layers]
    X = [torch.tanh(normalised(name, P @ x @ W[0]))]
    for k in range(1, HIDDEN):
        H = P @ X[-1]
        if name in ("initial residual", "GCNII"):
            H = 0.9 * H + 0.1 * X[0]
        beta = float(torch.log(torch.tensor(1 + 0.5 / k, dtype=torch.float64))) if name == "GCNII" else 1.0
        H = (1 - beta) * H + beta * H @ W[k]
        X.append(torch.tanh(normalised(name, H)) + (X[-1] if name == "residual" else 0))
    last = torch.cat(X, dim=1) if name == "jumping knowledge" else X[-1]
    return P @ last @ net.output.lin.weight.T + net.output.bias


@pytest.mark.parametrize("name", osm.REMEDIES)
def test_output_and_gradients_are_those_of_a_plain_loop(name):
    net, x = network(name).eval(), signal(15, 3)
    with torch.no_grad():
        net.output.bias.copy_(torch.tensor([0.3, -1.2]))
    expected = by_hand(net, name, x, net.propagation.to_dense())
    assert (net(x) - expected).abs().max() < EXACT
    parameters = [p for p in net.parameters() if p.dim() == 2]
    ours, theirs = (torch.autograd.grad(out.cos().sum(), parameters) for out in (net(x), expected))
    for a, b in zip(ours, theirs, strict=True):
        assert (a - b).abs().max() < EXACT


@pytest.mark.parametrize("name", ["plain", "GCNII"])
def test_a_layer_gives_what_torch_geometrics_own_message_passing_gives(name):
    net = network(name)
    entries = net.propagation.to_dense().nonzero().T
    weights = net.propagation.to_dense()[entries[0], entries[1]]
    edge_index = entries.flip(0)  # from source to target: row i of P gathers what arrives at i
    for k, layer in enumerate(net.layers):
        x, x0 = signal(15, 3 if k == 0 else 5, seed=k), signal(15, 5, seed=9)
        own = copy.deepcopy(layer.conv)
        del own.propagate  # the class's again
        first = (x0,) if isinstance(own, GCN2Conv) else ()
        expected = own(x.clone(), *first, edge_index, weights)
        assert (layer.conv(x.clone(), *first, net.propagation) - expected).abs().max() < EXACT
    assert isinstance(net.output, GCNConv)


def test_every_remedy_starts_from_the_same_weights():
    plain = network("plain")
    for name in ("residual", "BatchNorm", "PairNorm", "mean subtraction", "LayerNorm", "DropEdge"):
        for a, b in zip(plain.layers, network(name).layers, strict=True):
            assert torch.equal(a.conv.lin.weight, b.conv.lin.weight), name
    scaled = network("large weights")
    for a, b in zip(plain.layers, scaled.layers, strict=True):
        assert torch.equal(2 * a.conv.lin.weight, b.conv.lin.weight)
    assert torch.equal(2 * plain.output.lin.weight, scaled.output.lin.weight)
    for layer in network("orthogonal").layers[1:]:
        W = layer.conv.lin.weight
        assert (W @ W.T - torch.eye(5)).abs().max() < EXACT
    assert {p.dtype for p in plain.parameters()} == {torch.float64}
    assert all(network(name).depth == HIDDEN + 1 for name in osm.REMEDIES)


def test_seeds_decide_and_the_random_state_stays(random_state_untouched):
    x = signal(15, 3)
    for name in osm.REMEDIES:
        first, again, other = network(name), network(name), network(name, seed=4)
        assert torch.equal(first(x), again(x)), name
        assert not torch.allclose(first(x), other(x)), name


def test_edges_are_dropped_in_training_only_and_a_new_draw_each_pass():
    net, x = network("DropEdge"), signal(15, 3)
    assert not torch.equal(net(x), net(x))
    assert torch.equal(net.eval()(x), network("plain").eval()(x))
    P = net.train()._propagation().to_dense()
    full = net.propagation.to_dense()
    assert (P.sum(1) - 1).abs().max() < EXACT  # normalised anew
    assert ((P != 0) == (P != 0).T).all() and not ((P != 0) & (full == 0)).any()
    kept = [int((net._propagation().to_dense() != 0).sum()) - 15 for _ in range(200)]
    edges = int((full != 0).sum()) - 15
    # pairs are kept with probability 1/2: six standard errors of the mean of 200 draws
    assert abs(sum(kept) / 200 - edges / 2) < 6 * 2 * (edges / 2 * 0.25 / 200) ** 0.5


def test_all_edges_may_be_dropped():
    net = network(osm.Remedy(drop_edges=1.0))
    assert (net._propagation().to_dense() == torch.eye(15)).all()
    assert torch.isfinite(net(signal(15, 3))).all()


@pytest.mark.parametrize("name", ["mean subtraction", "PairNorm", "BatchNorm"])
def test_centring_norms_let_no_mean_error_through(name):
    """Their backward pass subtracts the mean of the errors, so that only the output's bias can fit the mean."""
    net, x = network(name, kind="metropolis"), signal(15, 3)
    with osm.Probe(net) as probe:
        net(x)[:, 0].exp().sum().backward()
    table = probe.table()
    assert (table["backward_mean"][:-1] < EXACT * table["backward_norm"][:-1]).all()
    assert table["backward_mean"].iloc[-1] > 0.1 * table["backward_norm"].iloc[-1]
    assert list(table["type"]) == ["GCNConv"] * (HIDDEN + 1)


def test_copies_and_pickles_compute_the_same():
    for name in ("GCNII", "DropEdge"):
        net, x = network(name), signal(15, 3)
        for twin in (copy.deepcopy(net), network(name)):
            twin.load_state_dict(net.state_dict())
            assert torch.equal(net.eval()(x), twin.eval()(x))
    assert torch.equal(pickle.loads(pickle.dumps(net.cpu()))(x), net(x))


@pytest.mark.parametrize("kind", EDGE_KINDS)
def test_edges_are_dropped_whatever_the_kind(kind):
    net, x = network("DropEdge", kind=kind), signal(15, 3)
    assert not torch.equal(net(x), net(x)) and torch.equal(net.eval()(x), network("plain", kind=kind).eval()(x))


def test_what_makes_no_network_is_refused():
    P = propagation_of(GRAPH)
    with pytest.raises(ValueError, match=r"remedy is 'magic'; known: plain, residual"):
        osm.DeepNetwork(P, 3, 2, 5, remedy="magic")
    with pytest.raises(ValueError, match=r"depth - 1 is 0; an integer, at least 1"):
        osm.DeepNetwork(P, 3, 2, 1)
    with pytest.raises(ValueError, match=r"classes is 2\.0"):
        osm.DeepNetwork(P, 3, 2.0, 5)
    with pytest.raises(ValueError, match="edges are dropped from a graph, and the propagation is of kind 'identity'"):
        osm.DeepNetwork(propagation_of(GRAPH, "identity"), 3, 2, 5, remedy="DropEdge")


@pytest.mark.parametrize("remedy", ["GCNII", "initial residual"])
def test_without_a_graph_no_layer_overwrites_its_input(remedy):
    """GCN2Conv scales the product PX in place, which is X itself where P = I."""
    data = osm.csbm(num_nodes=30, seed=0)
    P = osm.Propagation.identity(30)
    dense = osm.Propagation.from_matrix(torch.eye(30, dtype=torch.float64))
    one, other = (osm.DeepNetwork(which, 8, 2, 6, remedy=remedy) for which in (P, dense))
    losses = [network(data.x).square().sum() for network in (one, other)]
    assert (losses[0] - losses[1]).abs() < EXACT
    for loss in losses:
        loss.backward()
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        assert a.grad is None or (a.grad - b.grad).abs().max() < EXACT


def test_every_layer_has_an_activation_of_its_own():
    """Hooks on modules, as a probe's, would take one that all share for one layer."""
    net = osm.DeepNetwork(osm.Propagation.from_data(osm.karate()), 2, 2, depth=5, width=4, activation="relu")
    assert len([module for module in net.modules() if isinstance(module, torch.nn.ReLU)]) == 4
