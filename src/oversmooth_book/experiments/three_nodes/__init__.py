"""The chapter before the claims: three nodes, by hand."""
