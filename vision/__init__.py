"""Typed calls on the Triton models and the image geometry around them.

Knows pictures and models; knows no HTTP, no messages and no tokens. What is heavy on the processor
is an ordinary function for the caller's thread pool; only calls on models are coroutines.
"""

import os

# onnxruntime writes down what machine it runs on and what it is asked to do, and sends that to its
# makers, unless it is told not to before it is imported
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
