"""The experiments of the chapter ``other_operators``."""
