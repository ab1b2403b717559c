"""The laboratory: training, evaluation and export of the networks. The only room that imports torch."""
