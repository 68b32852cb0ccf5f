"""What a university deploys without a clone, Python or a build; see build.py."""
