"""The live machine: its engine, in a real browser, against the library; and its page, by mouse, touch and keyboard."""

import math

import networkx
import numpy as np
import pytest
import torch
from browsing import soup
from torch_geometric.nn import PairNorm

import oversmooth as osm
from oversmooth_book.sphinx.machine_panel import ASSETS, panel

EDGES = "a b\nb c # a remark\n\nc,a\nc;d\nd e\ne c\nb c"
STEPS = 20
CONFIGS = {
    "default": {},
    "ReLU, random seed": {"activation": "relu", "seed": 7, "depth": 9, "scale": 1.5},
    "ELU, half a step": {"activation": "elu", "dial": 0.5, "depth": 12, "optimizer": "sgd", "lr": 0.05},
    "softsign, karate club": {"graph": "karate", "activation": "softsign", "depth": 7, "scale": 2.5, "width": 5},
    "linear, cycle": {"graph": "cycle", "nodes": 11, "activation": "identity", "depth": 17, "optimizer": "sgd"},
    "cross-entropy": {"loss": "cross_entropy", "depth": 5, "nodes": 90, "communities": 0.8, "width": 24},
    "own edges": {"graph": "edges", "edges": EDGES, "depth": 4, "width": 3, "optimizer": "sgd", "lr": 0.1},
    "no graph": {"remedy": "no graph", "depth": 33, "seed": 3},
    "deflation": {"remedy": "deflation", "depth": 33, "seed": 4},
    "deflation, slow P, cross-entropy": {"remedy": "deflation", "dial": 0.2, "depth": 20, "loss": "cross_entropy"},
    "one layer": {"depth": 1, "scale": 3.0},
    "large weights": {"scale": 6.0, "depth": 8, "lr": 0.001},
}
OTHER_ROAD = {
    "residual": {"remedy": "residual", "depth": 9, "activation": "elu", "dial": 0.7},
    "residual, descent": {"remedy": "residual", "depth": 3, "optimizer": "sgd", "lr": 0.02},
    "PairNorm": {"remedy": "pairnorm", "depth": 9, "width": 6},
    "PairNorm, cross-entropy": {"remedy": "pairnorm", "depth": 12, "loss": "cross_entropy", "activation": "softsign"},
}


@pytest.fixture(scope="module")
def engine(browser, tmp_path_factory):
    """`window.oversmooth.run` of the page's own markup, opened from a file."""
    path = tmp_path_factory.mktemp("machine") / "machine.html"
    path.write_text(f"<!doctype html><meta charset=utf-8><body>{panel()}", encoding="utf-8")
    page = browser.new_page()
    page.set_default_timeout(120_000)
    page.goto(path.as_uri())
    page.wait_for_selector("#machine[data-ready=true]")
    yield lambda **config: page.evaluate("config => window.oversmooth.run(config)", config)
    page.close()


def tensors(matrices):
    return [torch.tensor(rows, dtype=torch.float64) for rows in matrices]


def propagation(found):
    """P of the page's own edges, by the library: the dial and the remedies on its Metropolis weights."""
    pairs, config = found["edges"], found["config"]
    edges = torch.tensor([*pairs, *(pair[::-1] for pair in pairs)]).T
    dense = osm.Propagation.from_edges(edges, found["nodes"]).to_dense()
    mixed = (1 - config["dial"]) * torch.eye(len(dense), dtype=torch.float64) + config["dial"] * dense
    P = osm.Propagation.from_matrix(mixed)
    if config["remedy"] == "no graph":
        return osm.Propagation.identity(found["nodes"])
    return osm.deflate(P) if config["remedy"] == "deflation" else P


def network(found, P):
    """The library's network with the page's weights."""
    weights = tensors(found["weights"])
    net = osm.Network(P, [len(weights[0]), *(W.shape[1] for W in weights)], found["config"]["activation"])
    with torch.no_grad():
        for mine, theirs in zip(net.weights, weights, strict=True):
            mine.copy_(theirs)
    return net


def task(found):
    """Targets, and the loss as a function of the output."""
    y = torch.tensor(found["labels"], dtype=torch.float64)
    if found["config"]["loss"] == "mse":
        return y, lambda output: (output[:, 0] - y).square().mean()
    classes = (y > 0).long()
    return classes, lambda output: torch.nn.functional.cross_entropy(output, classes)


def close(mine, theirs):
    """Within 1e-9 of the largest entry."""
    mine, theirs = np.asarray(mine, dtype=float), np.asarray(theirs, dtype=float)
    return mine.shape == theirs.shape and np.abs(mine - theirs).max() <= 1e-9 * max(np.abs(theirs).max(), 1e-12)


def differing(mine, theirs):
    """The layers in which two lists of signals differ."""
    pairs = zip(mine, theirs, strict=True)
    return [k for k, (page, library) in enumerate(pairs) if not close(page, library.detach())]


@pytest.mark.parametrize("name", CONFIGS)
def test_signals_and_gradients_are_those_of_the_library(engine, name):
    found = engine(**CONFIGS[name])
    P = propagation(found)
    net, (_, loss) = network(found, P), task(found)
    signals = osm.trace(net, torch.tensor(found["features"][0], dtype=torch.float64), loss)
    assert differing(found["features"], signals.features) == []
    assert differing(found["errors"], signals.backward) == []
    assert differing(found["gradients"], signals.gradients) == []
    assert close(found["output"], signals.output) and found["loss"] == pytest.approx(float(signals.loss), rel=1e-12)
    table = osm.layer_profile(signals)
    for measure in ("ratio", "size"):
        column = {"ratio": "ratio", "size": "norm"}[measure]
        assert np.allclose(found[measure]["features"], table[f"feature_{column}"], rtol=1e-9, atol=0)
        assert np.allclose(found[measure]["errors"], table[f"backward_{column}"], rtol=1e-9, atol=0)


@pytest.mark.parametrize("name", CONFIGS)
def test_twenty_steps_are_those_of_fit(engine, name):
    found = engine(**CONFIGS[name], steps=STEPS)
    config, net = found["config"], network(found, propagation(found))
    targets, _ = task(found)
    X = torch.tensor(found["features"][0], dtype=torch.float64)
    options = {"loss": config["loss"], "optimizer": config["optimizer"], "lr": config["lr"], "steps": STEPS}
    table = osm.fit(net, X, targets, **options).table
    assert np.allclose([row["loss"] for row in found["history"]], table["loss"], rtol=1e-9, atol=0)
    for k in range(net.depth):
        mine, theirs = [row["gradient"][k] for row in found["history"]], table[f"gradient_{k}"]
        assert np.abs(mine - theirs).max() <= 1e-9 * table["gradient"].max(), f"gradient of layer {k}"
    assert differing(found["trained"], list(net.weights)) == []
    assert found["accuracy"] == pytest.approx(table["accuracy"].iloc[-1])


@pytest.mark.parametrize("name", CONFIGS)
def test_rate_constant_and_floor_are_those_of_the_library(engine, name):
    found = engine(**CONFIGS[name])
    P = propagation(found)
    net, X = network(found, P), torch.tensor(found["features"][0], dtype=torch.float64)
    rate = P.base.rate if found["config"]["remedy"] == "deflation" else P.rate
    assert found["lambda"] == pytest.approx(rate, rel=1e-11)
    bound = float(osm.forward_bound(net, X)[-1])
    assert found["bound"] == pytest.approx(bound, rel=1e-9)
    y = torch.tensor(found["labels"], dtype=torch.float64)
    share = float((y > 0).double().mean())
    if found["config"]["loss"] == "mse":
        constant = float(y.var(correction=0))
        floor = max(0.0, math.sqrt(constant) - bound) ** 2
    else:
        constant = -share * math.log(share) - (1 - share) * math.log(1 - share)
        floor = max(0.0, constant - math.sqrt(1 - share**2 - (1 - share) ** 2) * bound)
    assert found["constant"] == pytest.approx(constant, rel=1e-12)
    assert found["floor"] == pytest.approx(floor, rel=1e-9, abs=1e-12)
    targets, _ = task(found)
    assert found["floor"] <= osm.loss_floor(net, X, targets, found["config"]["loss"]) + 1e-12 <= found["loss"] + 2e-12


@pytest.mark.parametrize("name", OTHER_ROAD)
def test_remedies_are_what_autograd_finds(engine, name):
    """Another road, for what the library's own trace does not cover: the layers written out, torch's gradients."""
    found = engine(**OTHER_ROAD[name], steps=STEPS)
    config, dense = found["config"], propagation(found).to_dense()
    _, loss = task(found)
    weights = [W.requires_grad_() for W in tensors(found["weights"])]
    rho = osm.ACTIVATIONS[config["activation"]]
    norm = PairNorm() if config["remedy"] == "pairnorm" else torch.nn.Identity()

    def forward():
        X, kept = torch.tensor(found["features"][0], dtype=torch.float64), []
        for k, W in enumerate(weights):
            H = dense @ X @ W
            H.retain_grad()
            kept.append((X, H))
            skip = X if config["remedy"] == "residual" and 0 < k < len(weights) - 1 else 0
            X = rho(norm(H)) + skip
        return kept

    kept = forward()
    loss(kept[-1][1]).backward()
    assert differing(found["features"], [X for X, _ in kept]) == []
    assert differing(found["errors"], [H.grad for _, H in kept]) == []
    assert differing(found["gradients"], [W.grad for W in weights]) == []
    optimizer = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}[config["optimizer"]](weights, lr=config["lr"])
    losses = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        value = loss(forward()[-1][1])
        value.backward()
        optimizer.step()
        losses.append(value.item())
    assert np.allclose([row["loss"] for row in found["history"]][:-1], losses, rtol=1e-9, atol=0)
    assert differing(found["trained"], weights) == []
    assert found["floor"] is None, "no floor is proved for this remedy"


class Generator:
    """The page's documented generator, mulberry32, and normal numbers by Box and Muller."""

    def __init__(self, seed):
        self.state = seed

    def uniform(self):
        def times(a, b):
            return (a * b) & 0xFFFFFFFF

        self.state = (self.state + 0x6D2B79F5) & 0xFFFFFFFF
        t = times(self.state ^ (self.state >> 15), 1 | self.state)
        t ^= (t + times(t ^ (t >> 7), 61 | t)) & 0xFFFFFFFF
        return (t ^ (t >> 14)) / 2**32

    def normal(self):
        radius = math.sqrt(-2 * math.log(1 - self.uniform()))
        return radius * math.cos(2 * math.pi * self.uniform())


def test_chance_is_the_documented_generator(engine):
    found = engine(graph="karate", seed=5, depth=3, width=4, scale=2.0)
    chance = Generator(5)
    y = np.array(found["labels"])
    X = np.array([chance.normal() for _ in range(34 * 8)]).reshape(34, 8) + y[:, None] / math.sqrt(8)
    assert np.allclose(found["features"][0], X, rtol=0, atol=1e-12)
    for W in map(np.array, found["weights"]):
        rows, columns = W.shape
        tall = np.array([chance.normal() for _ in range(rows * columns)]).reshape(max(W.shape), min(W.shape))
        q, r = np.linalg.qr(tall)
        q = q * np.sign(np.diag(r))
        assert np.allclose(W, 2 * (q if rows >= columns else q.T), rtol=0, atol=1e-10)


def test_the_block_models_edges_come_first_and_only_its_largest_component_stays(engine):
    found = engine(nodes=40, communities=0.5, seed=11, depth=1)
    chance, pairs = Generator(11), []
    for i in range(40):
        for j in range(i + 1, 40):
            sign = 1 if (i < 20) == (j < 20) else -1
            if chance.uniform() < 8 * (1 + sign * 0.5) / 40:
                pairs.append([i, j])
    assert found["nodes"] == 40 and found["edges"] == pairs
    small = engine(nodes=200, communities=0.9, seed=2, depth=1)
    data = propagation(small)
    assert data.num_components == 1 and small["nodes"] <= 200


def test_graphs_are_what_they_are_called(engine):
    club, data = engine(graph="karate", depth=1), osm.karate()
    theirs = {tuple(sorted(pair)) for pair in data.edge_index.T.tolist()}
    assert {tuple(sorted(pair)) for pair in club["edges"]} == theirs and len(club["edges"]) == 78
    sides = networkx.karate_club_graph().nodes(data="club")
    assert club["labels"] == [-1 if side == "Mr. Hi" else 1 for _, side in sides]
    ring = engine(graph="cycle", nodes=9, depth=1)
    assert all(sum(i in pair for pair in ring["edges"]) == 2 for i in range(9)) and len(ring["edges"]) == 9
    own = engine(graph="edges", edges=EDGES, depth=1)
    assert sorted(map(tuple, own["edges"])) == [(0, 1), (0, 2), (1, 2), (2, 3), (2, 4), (3, 4)]
    assert own["labels"] == [-1, -1, 1, 1, 1]


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"depth": 65}, "depth is 65; a whole number from 1 to 64 is needed"),
        ({"depth": 2.5}, "depth is 2.5; a whole number"),
        ({"scale": "2"}, "scale is 2; a number from 0.1 to 10"),
        ({"activation": "sin"}, 'activation is "sin"; known: tanh, relu'),
        ({"layers": 3}, "layers is no setting; known: graph, nodes"),
        ({"graph": "edges", "edges": "a b\nc"}, 'line 2 of the edge list is "c"; two names are needed'),
        ({"graph": "edges", "edges": "a b\nc d"}, "not connected: 2 of 4 nodes hang together with the first"),
        ({"graph": "edges", "edges": "a a"}, "the edge list has 1 nodes; 3 to 300 are needed"),
        ({"graph": "edges", "edges": "a b\nb c\nc a", "remedy": "deflation"}, "nothing to deflate to"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(engine, config, words):
    with pytest.raises(Exception, match="Error") as error:
        engine(**config)
    assert words in str(error.value)


def test_the_same_seed_gives_the_same_run_and_another_one_another(engine):
    first, again, other = engine(steps=5), engine(steps=5), engine(steps=5, seed=1)
    assert first == again and first["history"] != other["history"]


def test_the_scripts_are_small():
    assert sum(path.stat().st_size for path in ASSETS.glob("*.js")) <= 60_000


# ---- the page, in the book

PAGE = "chapters/machine.html"
# The button is pressed in, and the sentence after it has come: both are cleared together when another one starts.
DONE = """k => document.querySelectorAll('.machine-experiments button')[k].getAttribute('aria-pressed') === 'true'
    && document.querySelector('.machine-after').textContent !== ''"""


def ready(page):
    page.wait_for_selector("#machine[data-ready=true]")
    return page


def pixels(page, name):
    return page.evaluate(f"document.querySelector('[data-draw={name}]').toDataURL()")


def summary(page):
    return page.locator(".machine-summary").inner_text()


def test_all_eight_experiments_come_out_as_they_say(visit):
    open_page, complaints = visit
    page = ready(open_page(PAGE, reduced_motion="reduce"))
    buttons = page.locator(".machine-experiments button")
    assert buttons.count() == 8
    for k in range(8):
        buttons.nth(k).click()
        page.wait_for_function(DONE, arg=k)
        assert page.locator("#machine").get_attribute("data-experiment") == "holds", buttons.nth(k).inner_text()
        assert len(page.locator(".machine-before").inner_text()) > 40
        assert len(page.locator(".machine-after").inner_text()) > 40
    assert complaints == []


CONTROLS = {
    "graph": lambda page: page.locator("#machine-graph").select_option("cycle"),
    "nodes": lambda page: page.locator("#machine-nodes").press("ArrowRight"),
    "communities": lambda page: page.locator("#machine-communities").press("ArrowRight"),
    "depth": lambda page: page.locator("#machine-depth").click(position={"x": 30, "y": 12}),
    "width": lambda page: page.locator("#machine-width").press("ArrowLeft"),
    "activation": lambda page: page.get_by_label("Activation").select_option("relu"),
    "scale": lambda page: page.locator("#machine-scale").press("End"),
    "dial": lambda page: page.locator("#machine-dial").press("Home"),
    "remedy": lambda page: page.get_by_label("Remedy").select_option("pairnorm"),
    "loss": lambda page: page.locator("#machine-loss").select_option("cross_entropy"),
    "seed": lambda page: page.get_by_label("Seed").fill("3"),
}


@pytest.mark.parametrize("control", CONTROLS)
def test_every_setting_changes_the_machine_and_the_address(visit, control):
    open_page, complaints = visit
    page = ready(open_page(PAGE))
    before = summary(page), page.evaluate("location.hash")
    CONTROLS[control](page)
    page.wait_for_function("old => document.querySelector('.machine-summary').textContent !== old", arg=before[0])
    assert f"{control}=" in page.evaluate("location.hash")
    said = summary(page)
    page.reload()
    assert summary(ready(page)) == said, "the address holds the state"
    assert complaints == []


def test_optimiser_and_step_size_change_the_training(visit):
    open_page, _ = visit
    page = ready(open_page(PAGE + "#depth=3"))
    seen = set()
    for kind, lr in (("adam", "0.003"), ("sgd", "0.003"), ("sgd", "0.1")):
        page.get_by_label("Optimiser").select_option(kind)
        page.get_by_label("Step size").fill(lr)
        page.wait_for_function("document.querySelector('.machine-summary').textContent.startsWith('Step 0')")
        page.get_by_role("button", name="Step", exact=True).click()
        page.wait_for_function("document.querySelector('.machine-summary').textContent.startsWith('Step 1:')")
        seen.add(summary(page))
    assert len(seen) == 3


def test_step_train_stop_and_reset_by_keyboard(visit):
    open_page, complaints = visit
    page = ready(open_page(PAGE + "#depth=5"))
    start = summary(page)
    page.get_by_role("button", name="Step", exact=True).press("Enter")
    page.wait_for_function("document.querySelector('.machine-summary').textContent.startsWith('Step 1:')")
    page.locator("#machine-steps").select_option("30")
    page.locator("[data-act=train]").press("Space")
    page.wait_for_function("document.querySelector('.machine-summary').textContent.startsWith('Step 31:')")
    page.locator("#machine-steps").select_option("3000")
    page.locator("[data-act=train]").press("Enter")
    page.wait_for_selector("#machine[data-busy=true]")
    page.locator("[data-act=train]").press("Enter")
    page.wait_for_selector("#machine[data-busy=false]")
    page.get_by_role("button", name="Reset").press("Enter")
    page.wait_for_function("document.querySelector('.machine-summary').textContent.startsWith('Step 0:')")
    assert summary(page) == start and complaints == []
    assert page.locator(".machine-summary").get_attribute("role") == "status"


def test_the_picture_follows_layer_kind_node_and_mode(visit):
    open_page, complaints = visit
    page = ready(open_page(PAGE))
    page.wait_for_timeout(300)
    seen = [pixels(page, "graph")]

    def changed():
        page.wait_for_function("old => document.querySelector('[data-draw=graph]').toDataURL() !== old", arg=seen[-1])
        seen.append(pixels(page, "graph"))

    page.locator("#machine-layer").press("End")
    changed()
    page.get_by_label("errors, on their way down").check()
    changed()
    page.locator("#machine-node").select_option("7")
    changed()
    assert "Node 7, errors of layer 32" in page.locator(".machine-numbers").inner_text()
    page.locator("[data-draw=strip]").click(position={"x": 3, "y": 20})
    changed()
    assert "layer 0" in page.locator(".machine-numbers").inner_text()
    page.locator("button.theme-switch-button").first.click()
    page.locator("button.theme-switch-button").first.click()
    labels = page.locator("#machine canvas").evaluate_all("all => all.map(one => one.getAttribute('aria-label'))")
    assert all(len(label) > 40 for label in labels)
    assert complaints == []


def test_a_node_is_chosen_by_touch_and_dragged_by_mouse(visit):
    open_page, complaints = visit
    page = ready(open_page(PAGE + "#graph=cycle&nodes=12", width=390, has_touch=True))
    canvas = page.locator("[data-draw=graph]")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    page.touchscreen.tap(box["x"] + box["width"] - 17, box["y"] + box["height"] / 2 + 20)
    first = page.locator("#machine-node").input_value()
    page.touchscreen.tap(box["x"] + 18, box["y"] + box["height"] / 2 + 20)
    assert page.locator("#machine-node").input_value() != first
    before = pixels(page, "graph")
    page.mouse.move(box["x"] + box["width"] - 17, box["y"] + box["height"] / 2 + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, steps=4)
    page.mouse.up()
    page.wait_for_function("old => document.querySelector('[data-draw=graph]').toDataURL() !== old", arg=before)
    assert complaints == []


def test_own_edges_are_pasted_and_a_wrong_line_is_named(visit):
    open_page, _ = visit
    page = ready(open_page(PAGE))
    page.locator("#machine-graph").select_option("edges")
    field = page.get_by_label("Your edges")
    field.fill("x y\ny z\nz x\nz")
    page.wait_for_function("document.querySelector('.machine-summary').textContent.includes('line 4')")
    field.fill("x y\ny z\nz x\nz w")
    page.wait_for_function("document.querySelector('.machine-summary').textContent.startsWith('Step 0')")
    assert page.locator("#machine-node option").all_inner_texts() == ["x", "y", "z", "w"]


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_it_works_from_a_file_on_a_phone(site, visit, mode):
    open_page, complaints = visit
    page = ready(open_page((site / PAGE).as_uri(), width=375, mode=mode))
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    page.locator("[data-act=step]").click()
    page.wait_for_function("document.querySelector('.machine-summary').textContent.startsWith('Step 1:')")
    assert complaints == []


def test_without_javascript_the_page_says_what_is_missing(site):
    article = soup(site / PAGE).select_one("article")
    assert article.select_one("#machine").has_attr("hidden")
    assert "needs JavaScript" in article.select_one("noscript").get_text()
