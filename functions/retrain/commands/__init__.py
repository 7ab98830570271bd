"""What `earshot` can do where the retrain function is installed."""
