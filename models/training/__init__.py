"""How models are made: images to linear kernels, networks and Huffman tables."""

from models.training.errors import TrainingError
from models.training.fit import Schedule
from models.training.images import TrainingImage
from models.training.losses import Loss
from models.training.train import Trained, TrainOptions, train

__all__ = [
    "Loss",
    "Schedule",
    "TrainOptions",
    "Trained",
    "TrainingError",
    "TrainingImage",
    "train",
]
