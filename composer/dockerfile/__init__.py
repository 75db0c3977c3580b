"""Builds images from Dockerfiles: text to stages, stages to steps, steps to layers."""
