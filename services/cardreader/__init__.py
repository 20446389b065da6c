"""Finds the cards in the photographs of a shoot."""
