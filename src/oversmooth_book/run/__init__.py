"""Running chapters: what is due, workers that can be killed at any moment, downloads."""
