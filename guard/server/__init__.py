"""The HTTP side of Guard: routes, wire formats, middleware."""
