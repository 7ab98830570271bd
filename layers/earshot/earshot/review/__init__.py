"""What a person is asked: in which order, and what came of it."""
