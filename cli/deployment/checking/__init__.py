"""Looking at what would be deployed, as it would be deployed.

Each module has functions that take the objects of an overlay and yield a sentence for everything
that is wrong. They know nothing of how manifests are made, only what must be true of them.
"""
