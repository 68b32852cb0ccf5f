"""The same work as tutorials write it: no signatures, no conditions, one after the other."""
