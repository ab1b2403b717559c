"""Training of the facial-region network: teacher labels, augmented views, training, evaluation, ONNX export."""
