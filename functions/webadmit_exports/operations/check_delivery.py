"""Checks the way to the SFTP server: the secret, the login, the folder. Sends nothing."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from webadmit_exports.aws.connector import MOST_LISTED, Connector
from webadmit_exports.aws.outgoing_bucket import OutgoingBucket
from webadmit_exports.aws.secrets import Secrets
from webadmit_exports.messages.commands import Commands
from webadmit_exports.operations.setup_problem import SetupProblem

_LISTED_WITHIN = 20  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckDelivery:
    """`secret`: the ARN of SftpCredentials, whose value this cannot read; `folder`: the parameter SftpFolder."""

    connector: Connector
    outgoing: OutgoingBucket
    secrets: Secrets
    secret: str
    folder: str
    commands: Commands
    sleep: Callable[[float], None] = time.sleep

    def lines(self) -> list[str]:
        """For a person who opens the firewall; raises AwsUnavailable."""
        addresses = ", ".join(self.connector.addresses()) or "not known yet"
        return ["SFTP server:", f"  files go to {self.folder}; the connector comes from {addresses}"]

    def problems(self) -> Iterator[SetupProblem]:
        """What is wrong, the first thing only: the others hang on it. Raises AwsUnavailable."""
        if not self.secrets.has_value(self.secret):
            yield SetupProblem(what="SftpCredentials has no value: nothing can be delivered.", fix=self._store_user())
        elif said := self.connector.test():
            addresses = " and ".join(self.connector.addresses())
            yield SetupProblem(
                what=f"The connector cannot log in to the SFTP server: {said}.",
                fix=f"look at these in turn. The server's firewall has to let {addresses} in. The user has to be right:"
                f" {self._store_user()} SftpHostKeys has to be what `ssh-keyscan -t rsa,ecdsa HOST` prints after the"
                f" host (ask whoever runs the server if it has changed): {self.commands.deploy(SftpHostKeys='…')}",
            )
        else:
            yield from self._about_the_folder()

    def _about_the_folder(self) -> Iterator[SetupProblem]:
        listing = self.connector.list_folder(self.folder, self.outgoing.name, "listings")
        for _ in range(_LISTED_WITHIN):
            if folder := self.outgoing.folder(listing):
                break
            self.sleep(1)
        else:
            yield SetupProblem(
                what=f"The folder {self.folder} on the SFTP server was not listed within {_LISTED_WITHIN} seconds.",
                fix="if large files are on their way just now, run this check again later. The folder has to be there,"
                " and the user has to be allowed to list it, and to write, rename and remove files in it. If another"
                f" one is meant, {self.commands.deploy(SftpFolder='…')}",
            )
            return
        if folder.is_cut_off:
            yield SetupProblem(
                what=f"The folder {self.folder} has more than {MOST_LISTED:,} files: whether one has arrived cannot be"
                " seen there.",
                fix="have what is read there moved away, or removed, by whatever reads it",
            )

    def _store_user(self) -> str:
        return (
            'save {"Username": "…", "PrivateKey": "…"}, or "Password" in the place of "PrivateKey", as sftp-user.json,'
            f" run `{self.commands.store_secret(self.secret, 'sftp-user.json')}`, then delete the file."
        )
