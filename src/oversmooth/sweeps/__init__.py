"""Grids of experiments in parallel, cached, on one machine or on a Dask cluster."""
