"""Teaches the shipped backbone what a pretrained network says of clips that anyone may use."""
