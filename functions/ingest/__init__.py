"""The ingest function: acts on objects that appear in the recordings bucket."""
