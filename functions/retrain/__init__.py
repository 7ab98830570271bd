"""The retrain function: a Batch job that fits, proves and promotes a new version."""
