"""How the embedded guard is trained. Imported by nothing that serves."""
