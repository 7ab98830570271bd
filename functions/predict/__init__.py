"""The predict function: Earshot's HTTP API."""
