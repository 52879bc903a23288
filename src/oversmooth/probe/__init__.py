"""Hooks that measure smoothing in any PyTorch Geometric model, and what the measures mean."""
