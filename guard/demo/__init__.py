"""What `guard demo` shows: a stand-in API, pictures drawn here, and a table of what Guard said."""
