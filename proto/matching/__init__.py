"""What matching answers: who is in the photographs of a shoot, and how sure that is.

An agency has subjects; references show who they are; a match compares the faces of photographs with
them. People review what it was not sure of. Every request names the account, and what belongs to
another one is NotFound.
"""
