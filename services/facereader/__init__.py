"""Finds the faces of a photograph and makes numbers of them that can be compared."""
