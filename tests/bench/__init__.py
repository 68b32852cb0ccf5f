"""Measures the service against a typical peer: `make bench`. Prints ratios; it is no test.

`peer/` does the same work as tutorials write it. `standin` is AWS and WebAdMIT, over TLS, in a process of its own;
`variants` lays both out as Lambda has them; `__main__` runs them side by side, shuffled, and prints the medians.
"""
