"""Dictionaries that sealed headers are compressed with, one file a number; none is ever removed."""
