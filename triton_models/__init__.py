"""The models: what builds them, the repository that Triton mounts, and the embedded server."""
