"""Earshot at work, as programs to read and run."""
