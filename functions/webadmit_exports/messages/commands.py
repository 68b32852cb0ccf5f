"""The commands that mails and reports tell people to run, for one stack. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

_HOW = '"Deploy again" in docs/runbook.md'


@dataclass(frozen=True, slots=True, kw_only=True)
class Commands:
    """Commands to paste into a terminal, in the project's folder, and sentences that say what to do."""

    stack_name: str
    region: str
    api_key_secret: str = ""

    @property
    def _stack(self) -> str:
        return f"--stack-name {self.stack_name} --region {self.region}"

    def fill_in(self, template: str, function: str, **texts: str) -> str:
        """The template with the commands that it names in braces; `function` is the one whose log may help."""
        return template.format(
            store_key=self.store_key(),
            list_ids=self.invoke("CheckSetupFunction"),
            renew_signing_key=self.renew_signing_key(),
            logs=self.logs(function),
            **texts,
        )

    def store_key(self) -> str:
        """Stores the API key that stands in webadmit-api-key.txt."""
        return self.store_secret(self.api_key_secret, "webadmit-api-key.txt")

    def store_secret(self, arn: str, file: str) -> str:
        """Stores in a secret what stands in a file."""
        return f"aws secretsmanager put-secret-value --region {self.region} --secret-id {arn} --secret-string file://{file}"

    def renew_signing_key(self) -> str:
        """Where the steps are that store a new signing key."""
        return f'follow "Rotating the signing key" in docs/runbook.md for stack {self.stack_name} in {self.region}'

    def subscribe(self, topic_arn: str, endpoint: str) -> str:
        """Has AWS ask a mail address to confirm, again."""
        return (
            f"aws sns subscribe --region {self.region} --topic-arn {topic_arn} --protocol email"
            f' --notification-endpoint "{endpoint}"'
        )

    def subscribe_queue(self, topic_arn: str, queue_arn: str) -> str:
        """Has a topic send its messages to a queue again, as they are."""
        return (
            f"aws sns subscribe --region {self.region} --topic-arn {topic_arn} --protocol sqs"
            f" --notification-endpoint {queue_arn} --attributes RawMessageDelivery=true"
        )

    def logs(self, function: str) -> str:
        """Shows what a function logged."""
        return f'sam logs {self._stack} --name {function} --start-time "1 day ago"'

    def invoke(self, function: str, event_file: str = "") -> str:
        """Invokes a function; without a file its event is empty."""
        event = f" --event-file {event_file}" if event_file else ""
        return f"sam remote invoke {function} {self._stack}{event}"

    def with_event(self, function: str, request: str, ids: Mapping[str, int]) -> str:
        """A sentence that says how to invoke a function with a request about one file."""
        file = f"{request.rpartition('_')[2]}.json"
        return f"save the line `{json.dumps({request: ids})}` as {file} and run `{self.invoke(function, file)}`."

    def renew_schedules(self, state: str) -> str:
        """Brings schedules back to what they were deployed as, which a deployment that changes nothing does not do."""
        other = "ENABLED" if state == "DISABLED" else "DISABLED"
        return f'deploy {self.stack_name} with "ScheduleState={other}", then with "ScheduleState={state}" ({_HOW})'

    def deploy(self, **parameters: str) -> str:
        """Deploys the stack again, with these parameters changed: what a sentence says after "then" or "to do that".

        There is no command in it: which one is right hangs on how the stack was deployed, and a wrong one would
        deploy another stack.
        """
        values = ", ".join(f'"{name}={_quoted(value)}"' for name, value in parameters.items())
        return f"deploy {self.stack_name} {f'with {values}' if values else 'again'} ({_HOW})"


def _quoted(value: str) -> str:
    """As SAM wants it: what stands after a blank would be lost without quotes, and `…` stands for anything."""
    return f"'{value}'" if " " in value or value == "…" else value
