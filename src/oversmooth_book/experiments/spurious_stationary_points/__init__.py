"""The experiments of the chapter ``spurious_stationary_points``."""
