"""Reads the settings that template.yaml gives a function."""

import re
from collections.abc import Mapping

from webadmit_exports.errors import InvalidInput


class Settings:
    """The environment variables of a function, as template.yaml sets them."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def setting(self, name: str) -> str:
        """A setting that must be there; raises InvalidInput where it is not."""
        value = self._environment.get(name, "")
        if not value:
            raise InvalidInput(f"the environment variable {name} is not set; template.yaml sets it")
        return value

    def optional(self, name: str) -> str:
        """A setting that may be empty."""
        return self._environment.get(name, "")

    def number(self, name: str) -> float:
        """A setting that is a number above zero; CloudFormation lets people give one a fraction."""
        text = self.setting(name)
        if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text) or float(text) <= 0:
            raise InvalidInput(f"the environment variable {name} is {text!r}; it must be a number above zero")
        return float(text)

    @property
    def is_in_lambda(self) -> bool:
        """Whether this process is to take events, and is not only a test or a tool that imports the module."""
        return bool(self.optional("AWS_LAMBDA_RUNTIME_API"))
