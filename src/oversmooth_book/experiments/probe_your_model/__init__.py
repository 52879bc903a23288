"""The experiments of the chapter ``probe_your_model``."""
