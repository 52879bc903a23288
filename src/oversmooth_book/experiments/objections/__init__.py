"""Experiments of the chapter on what neighbouring works say: their statements, run on the book's networks."""
