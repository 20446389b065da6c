"""Rosters: from a list kept in a spreadsheet to subjects, and what is wrong in it."""
