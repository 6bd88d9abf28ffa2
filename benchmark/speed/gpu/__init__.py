"""A picture-text encoder of base size on a GPU: eager PyTorch, torch.compile and ONNX Runtime in one run."""
