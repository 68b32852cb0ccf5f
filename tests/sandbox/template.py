"""What template.yaml becomes on its way to CloudFormation, by AWS's own translator."""

import copy
import logging
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import boto3
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

PATH = Path(__file__).resolve().parents[2] / "template.yaml"
REGION = "us-east-1"
# The translator counts what it translates, and would complain that nobody publishes its figures.
logging.getLogger("samtranslator.metrics").setLevel(logging.ERROR)


@cache
def source() -> dict[str, Any]:
    """template.yaml as it stands; treat it as read-only."""
    parsed: dict[str, Any] = yaml_parse(PATH.read_text(encoding="utf-8"))
    return parsed


def translated(code_uri: str = "s3://bucket/key") -> dict[str, Any]:
    """The CloudFormation template, with the code at `code_uri`, where `sam deploy` puts what it packed."""
    template = copy.deepcopy(source())
    template["Globals"]["Function"]["CodeUri"] = code_uri
    translator = Translator(managed_policy_map={}, sam_parser=Parser(), boto_session=boto3.Session(region_name=REGION))
    cloudformation: dict[str, Any] = translator.translate(sam_template=template, parameter_values={})
    return cloudformation


class ParameterRefused(ValueError):
    """CloudFormation would not take this value for this parameter."""


def check_parameters(values: Mapping[str, str]) -> None:
    """Raises ParameterRefused, with the constraint's description, where CloudFormation would refuse a deploy."""
    parameters = source()["Parameters"]
    for name, value in values.items():
        if name not in parameters:
            raise ParameterRefused(f"there is no parameter {name}")
        rule = parameters[name]
        bad = (
            ("AllowedPattern" in rule and not re.fullmatch(rule["AllowedPattern"], value))
            or ("AllowedValues" in rule and value not in [str(allowed) for allowed in rule["AllowedValues"]])
            or ("MaxLength" in rule and len(value) > int(rule["MaxLength"]))
            or (rule["Type"] == "Number" and not re.fullmatch(r"-?[0-9]+", value))
            or ("MinValue" in rule and int(value) < int(rule["MinValue"]))
            or ("MaxValue" in rule and int(value) > int(rule["MaxValue"]))
        )
        if bad:
            raise ParameterRefused(f"{name} is {value!r}; it {rule.get('ConstraintDescription', 'is not allowed')}")
    check_rules(values)


def check_rules(values: Mapping[str, str]) -> None:
    """Raises ParameterRefused, with its description, where an assertion of the template's rules is not true."""
    parameters = {name: str(rule["Default"]) for name, rule in source()["Parameters"].items()} | dict(values)
    for rule in source()["Rules"].values():
        if _is_true(rule["RuleCondition"], parameters):
            for assertion in rule["Assertions"]:
                if not _is_true(assertion["Assert"], parameters):
                    raise ParameterRefused(assertion["AssertDescription"])


def _is_true(condition: Mapping[str, Any], parameters: Mapping[str, str]) -> bool:
    ((function, arguments),) = condition.items()
    if function == "Fn::Not":
        return not _is_true(arguments[0], parameters)
    assert function == "Fn::Equals", f"{function} is not known here"
    first, second = (parameters[one["Ref"]] if isinstance(one, dict) else one for one in arguments)
    return bool(first == second)
