"""DeliveryMachine: the state machine that brings archived files to the SFTP server, one execution for each."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from webadmit_exports.aws.clients import aws_errors, error_code

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_stepfunctions import SFNClient


def find_machine(client: "CloudFormationClient", stack_id: str) -> str:
    """The ARN of the stack's machine, which the function that it calls cannot have: each would wait for the other."""
    with aws_errors("CloudFormation"):
        found = client.describe_stack_resource(StackName=stack_id, LogicalResourceId="DeliveryMachine")
    return found["StackResourceDetail"]["PhysicalResourceId"]


class DeliveryMachine:
    """Every method raises AwsUnavailable if Step Functions does not do as asked."""

    def __init__(self, client: "SFNClient", arn: str) -> None:
        self._client = client
        self._arn = arn

    def start(self, name: str, receipt: Mapping[str, Any], *, released: bool = False) -> None:
        """Starts the delivery of the file in a receipt; the same name starts nothing twice, for 90 days."""
        document = json.dumps({"receipt": receipt, "released": released}, ensure_ascii=False)
        with aws_errors("Step Functions"):
            try:
                self._client.start_execution(stateMachineArn=self._arn, name=name, input=document)
            except ClientError as error:
                if error_code(error) != "ExecutionAlreadyExists":
                    raise

    def count_running(self, since_before: datetime) -> int:
        """How many deliveries run that began before that time."""
        pages = self._client.get_paginator("list_executions").paginate(
            stateMachineArn=self._arn, statusFilter="RUNNING"
        )
        with aws_errors("Step Functions"):
            return sum(found["startDate"] < since_before for page in pages for found in page["executions"])
