"""Portraits: finds the face in a photograph and crops it to a preset."""
