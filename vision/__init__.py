"""Typed calls on the Triton models and the image geometry around them.

Knows pictures and models; knows no HTTP, no messages and no tokens. What is heavy on the processor
is an ordinary function for the caller's thread pool; only calls on models are coroutines.
"""
