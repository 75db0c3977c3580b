"""The resources of a stack as a graph: what needs what, and on which condition."""
