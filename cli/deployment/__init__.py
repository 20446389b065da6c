"""How Darkroom is deployed: manifests made from what services read and say, and checks of them.

Only whoever changes or checks manifests needs this; it uses packages that services do not.
"""
