"""Fills the model repository from pinned packages: `python -m triton_models.builder`."""
