"""Earshot: a serverless sound classifier that retrains itself."""

__version__ = "0.1.0"
