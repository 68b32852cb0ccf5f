"""What a file is called on the SFTP server. Pure.

`Slate_nightly__86446_20261128_050030_99752.csv`: the export's name, two underscores, its id, when its run finished
(UTC), the file's id. The beginning is the same every year, the whole is never the same again. Slate's rule for names
allows letters, digits and underscores. No name of an export has two underscores here, so that the mask
`Slate_nightly__*` fits no export whose name only begins like that.
"""

import re
from datetime import datetime

from webadmit_exports.domain.delivered import name_on_server

_ENDING = re.compile(r"\.[A-Za-z0-9]{1,10}$")


def remote_name(export_name: str, export_id: int, finished_at: datetime, export_file_id: int, key: str) -> str:
    """The name of a file; its ending is that of its key in the archive."""
    safe, ending = name_on_server(export_name), _ENDING.search(key)
    return f"{safe}__{export_id}_{finished_at:%Y%m%d_%H%M%S}_{export_file_id}{ending[0] if ending else ''}"


def partial_name(name: str, sending: str) -> str:
    """What the file is called while it is sent, in that sending and in no other.

    It begins with another word, or a mask without an ending would fit it.
    """
    return f"partial_{sending}_{name}.partial"


def is_partial_of(name: str, other: str) -> bool:
    """Whether a file is what that file is called in some sending."""
    return other.startswith("partial_") and other.endswith(f"_{name}.partial")


def remote_path(folder: str, name: str) -> str:
    """The path of a file in a folder, which is an absolute one."""
    return f"{folder.rstrip('/')}/{name}"
