"""Help the operator: check the setup, and say every morning whether the night has worked."""
