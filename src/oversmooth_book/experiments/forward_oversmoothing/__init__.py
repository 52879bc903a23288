"""The experiments of the chapter ``forward_oversmoothing``."""
