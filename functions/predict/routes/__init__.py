"""One module a topic, each with a ``router``."""
