"""Rounding replicas: another machine, simulated."""
