"""What keeps a model from being trained."""

from __future__ import annotations


class TrainingError(Exception):
    """The images, the device or the folder do not allow the training that is asked for."""
