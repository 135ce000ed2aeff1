"""Predictors: networks in exact integer arithmetic, their training and their weights."""
