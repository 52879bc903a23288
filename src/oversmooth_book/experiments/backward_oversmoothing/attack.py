"""What the attack varies of the chapter on backward oversmoothing, and how its tables are measured then.

Deep networks stand on one graph, and are one or two of a kind if they are wide or the graph is large. The karate club
is what it is: of what varies the block model, seed and size move the depth of equal λ^L there, and nothing else does.
"""

from dataclasses import replace

from oversmooth_book.experiments.backward_oversmoothing import frozen, measure, operators, rates
from oversmooth_book.experiments.backward_oversmoothing import positions as where
from oversmooth_book.experiments.settings import Setting

SETTING = Setting()
# The chapter compares activations and scales of its own choice, on untrained networks.
FIXED = {"activation", "optimizer", "step_size", "steps"}
NETWORKS = {name: measure.NETWORKS[name] for name in ("tanh", "elu")}
# The two greatest depths of the chapter, and its scales below and above the edge.
DEPTHS, SLOW, STOPPED = (81, 121), (1.0, 2.0), (6.0, 10.0)
WIDE, LARGE = 128, 1000


def valleys(setting):
    """Where and how deep the valley of the backward ratio is."""
    networks = NETWORKS | {"relu, scale √2": measure.RELU_NETWORKS["relu, scale √2"]}
    blocks = measure.profiles(setting, networks, bounds=False)
    return measure.all_valleys(measure.on_graphs({"CSBM": blocks, "karate club": _karate(setting)}))


def positions(setting):
    """Where the ratio is smallest, and where it is predicted to be; and so where no valley is expected."""
    return where.positions(setting, variations=({}, {"depth": 21}, {"feature_scale": 0.1}))


def rises(setting):
    """The rise towards the input with some slopes frozen."""
    return frozen.rises(frozen.interventions(setting))


def steps(setting):
    """The average of the error against the transported one."""
    return measure.steps(measure.profiles(setting, NETWORKS))


def backward_profile(setting):
    """Medians over the seeds, layer by layer."""
    return measure.bands(measure.profiles(setting, NETWORKS))


def stopped(setting):
    """What is left of linear networks under the random walk and GCN, in both norms."""
    return operators.stopped(operators.norm_bands(operators.norms(_few(setting))))


def by_depth(setting):
    """Where the ratio is smallest in deep networks."""
    return measure.by_depth(_few(setting), DEPTHS, [setting.graph_seed])


def rate_bands(setting):
    """Factors per layer of features and errors."""
    return rates.rate_bands(_rates(setting, SLOW))


def predicted_rates(setting):
    """What λ and g(s) predict of them."""
    return rates.predicted_rates(setting, [setting.graph_seed], SLOW)


def levels(setting):
    """The factors of the typical ratio where large weights stop smoothing."""
    return rates.levels(_rates(setting, STOPPED))


def _rates(setting, scales):
    return rates.smoothing_rates(replace(_few(setting), depth=max(DEPTHS)), [setting.graph_seed], scales)


def _karate(setting):
    blocks = replace(_few(setting), separation=1.0, density=1.0, shares=None)
    return measure.profiles(measure.matching(blocks, "karate"), NETWORKS, bounds=False)


def _few(setting):
    large = 2 if setting.propagation().num_nodes >= LARGE else len(setting.seeds)
    return replace(setting, seeds=setting.seeds[: 1 if setting.width >= WIDE else large])
