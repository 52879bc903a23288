"""The experiments of the chapter ``a_remedy_from_the_theorem``."""
