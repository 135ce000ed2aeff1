"""Lossless image codec: arrays in, bytes out, and back."""
