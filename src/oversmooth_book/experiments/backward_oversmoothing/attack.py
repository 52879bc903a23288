"""What the attack varies of the chapter on backward oversmoothing, and how its tables are measured then."""

from oversmooth_book.experiments.backward_oversmoothing import frozen, measure
from oversmooth_book.experiments.backward_oversmoothing import positions as where
from oversmooth_book.experiments.settings import Setting

SETTING = Setting()
# The chapter compares activations and scales of its own choice, on untrained networks.
FIXED = {"activation", "optimizer", "step_size", "steps"}
NETWORKS = {name: measure.NETWORKS[name] for name in ("tanh", "elu")}


def valleys(setting):
    """Where and how deep the valley of the backward ratio is."""
    networks = NETWORKS | {"relu, scale √2": measure.RELU_NETWORKS["relu, scale √2"]}
    return measure.all_valleys(measure.on_graphs({"CSBM": measure.profiles(setting, networks, bounds=False)}))


def positions(setting):
    """Where the ratio is smallest, and where it is predicted to be."""
    return where.positions(setting, variations=({},))


def rises(setting):
    """The rise towards the input with some slopes frozen."""
    return frozen.rises(frozen.interventions(setting))


def steps(setting):
    """The average of the error against the transported one."""
    return measure.steps(measure.profiles(setting, NETWORKS))


def backward_profile(setting):
    """Medians over the seeds, layer by layer."""
    return measure.bands(measure.profiles(setting, NETWORKS))
