"""A challenger that hears along with the champion, and what both said."""
