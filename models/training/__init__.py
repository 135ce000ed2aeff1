"""How models are made: images to linear kernels, networks and Huffman tables."""

from models.training.fit import Schedule
from models.training.images import TrainingImage
from models.training.train import Trained, TrainOptions, train

__all__ = ["Schedule", "TrainOptions", "Trained", "TrainingImage", "train"]
