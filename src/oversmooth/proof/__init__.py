"""Proofs by computation: bounds that hold for a network with these very weights, whatever a processor rounds."""
