"""How the shipped models were made: images to linear kernels, network and Huffman tables."""
