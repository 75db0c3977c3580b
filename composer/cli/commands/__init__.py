"""One module per verb, imported only when that verb is asked for.

Each module has ``EXAMPLES`` (shown by ``--help``), ``add_options(parser)`` and
``execute(session, options)``, which returns the exit code.
"""
