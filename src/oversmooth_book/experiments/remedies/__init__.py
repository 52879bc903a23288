"""The experiments of the chapter ``remedies``."""
