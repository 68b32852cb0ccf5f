"""Follow a run: start it, take its callback, ask about it, announce its file."""
