"""MLLMs as targets: what they are asked, how their answers are read, and how they are reached."""
