"""The experiments of the chapter ``explore``."""
