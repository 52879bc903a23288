"""The experiments of the chapter ``real_graphs``."""
