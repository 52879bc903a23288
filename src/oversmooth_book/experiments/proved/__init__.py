"""The chapter on proofs by computation."""
