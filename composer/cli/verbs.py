"""The verbs and their one-line descriptions, so that ``--help`` imports none of them."""

from __future__ import annotations

VERBS = {
    "build": "Build the images of services",
    "config": "Check the stack file and show it in canonical form",
    "down": "Stop and remove containers and networks",
    "events": "Stream container events",
    "exec": "Run a command in a running container",
    "graph": "Show the stack's resources and what needs what",
    "image": "Work with images: ls, bootstrap, import, rm, inspect",
    "images": "List the images that the stack's containers use",
    "kill": "Signal containers (SIGKILL unless told otherwise)",
    "logs": "Show the output of containers",
    "plan": "Show what `up` would do, and why; changes nothing",
    "ps": "List containers",
    "restart": "Restart containers",
    "run": "Run a one-off command in a new container of a service",
    "start": "Start stopped containers",
    "stop": "Stop containers, keeping them",
    "system": "Describe this host: `system info`",
    "up": "Create and start containers",
    "version": "Show composer's version",
}
