"""Embeddings that can be searched for what sounds alike."""
