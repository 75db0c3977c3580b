"""From stack files to a ``Stack``: a visible list of passes over a located tree (``load``)."""
