"""The experiments of the chapter ``backward_oversmoothing``."""
