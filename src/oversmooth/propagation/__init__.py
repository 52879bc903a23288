"""The propagation matrix P of a graph: its kinds, its spectrum, and P without its slowest modes."""
