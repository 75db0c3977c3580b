"""Observes a stack and carries plans out; joins the capabilities, which never import each other."""
