"""The theme of the figures, and what a probe measured, drawn."""
