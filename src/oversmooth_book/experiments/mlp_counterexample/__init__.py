"""The experiments of the chapter ``mlp_counterexample``."""
