"""For maintainers: replicas, publication, release."""
