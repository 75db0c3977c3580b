"""The command line: arguments in, text and an exit code out.

A command for a running stack is a thin client: everything imported at the top of these modules is
the standard library's and cheap.  What is not (drivers, the stack file's loader, rich) is imported
inside the function that needs it; ``typing`` (6 ms) only by type checkers, to which any variable
called ``TYPE_CHECKING`` is true.
"""
