"""Graphs: drawn at random, bundled, or downloaded and checked."""
