"""Field recordings: heard part by part, kept with what was found in them, and listed."""
