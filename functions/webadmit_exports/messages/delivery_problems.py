"""The catalogue of problems of deliveries, in the form of `messages.problems`. Pure.

An alert's event id holds the problem's name, so that a name stays as it is.
"""

from enum import Enum

from webadmit_exports.messages.problem_kinds import ProblemText, Retry


class DeliveryProblem(ProblemText, Enum):
    """Why a file is not in its folder on the SFTP server."""

    NOT_SENT = (
        "it could not be sent",
        "the file could not be sent to the SFTP server",
        "`{list_ids}` tries to log in, and says what to repair: the secret, the host key, the folder or the firewall.",
    )
    NOT_RENAMED = (
        "the server does not rename it",
        "the file is on the SFTP server, whole, but the server does not give it its final name",
        "Ask whoever runs the server to let this user rename files in {folder}. Until then it lies there as {partial}.",
    )
    NOT_SEEN = (
        "whether it is there cannot be seen",
        "the file was sent to the SFTP server, but the folder could not be looked at",
        "Ask whoever runs the server to let this user list {folder}, and to keep fewer than 10,000 files there."
        " `{list_ids}` tries it.",
    )
    NOT_THERE = (
        "it is not where it was sent",
        "the SFTP server took the file, and has not got it any more",
        "Ask whoever runs the server what removes files from {folder} whose names begin with partial_.",
    )
    NO_LONGER_ARCHIVED = (
        "it is no longer in the archive",
        "the file is no longer in the archive, so that it cannot be sent",
        "If it is still needed, start the export again, and raise ArchiveRetentionDays if this comes often.",
        Retry.IS_USELESS,
    )
