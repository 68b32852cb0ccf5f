"""The WebAdMIT API over HTTP, and its key."""
