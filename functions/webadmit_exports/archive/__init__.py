"""Fetch a file that is ready, and keep it in the bucket of the stack."""
