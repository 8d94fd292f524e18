"""Pure PyTorch: tensors in, parameters and metrics out."""
