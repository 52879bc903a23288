"""Placeholder until the first modules land."""
