"""Judging what is there: the committed book, a run against the published one, and how far rounding may move it."""
