"""One module for each file format: its header, and how its pixels are had.

Every reader takes the whole file and returns a Header without having decoded a pixel. Pillow's own
file opener is not used: it warns instead of refusing, keeps global limits and reads metadata that
nobody here needs. Each reader hands the decoder only what makes the picture.
"""
