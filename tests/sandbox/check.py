"""`make check`: CheckSetupFunction in the sandbox; its exit status tells whether it found a problem."""

import os
import sys

from .demo import EXPORTS, IDENTITY, NIGHT
from .lambda_runtime import RuntimeClientMissing
from .stack import Sandbox


def main(exports: str) -> int:
    """Checks a stack with these names and pairs in `Exports`; without any, with that of the demo."""
    try:
        with Sandbox({"Exports": exports or EXPORTS, "AlertEmail": "integration-team@university.example"}) as sandbox:
            for export_id, (name, _) in NIGHT.items():
                sandbox.webadmit.add_export(IDENTITY, export_id, name)
            invocation = sandbox.functions["CheckSetupFunction"].invoke({})
    except (RuntimeClientMissing, ValueError) as error:
        print(error)
        return 2
    print("This checks the sandbox on this machine. To check a stack of yours:")
    print("  sam remote invoke CheckSetupFunction --stack-name webadmit-exports")
    print()
    print("\n".join(invocation.payload["report"]))
    return 0 if invocation.payload["ok"] else 1


if __name__ == "__main__":
    sys.exit(main(os.environ.get("EXPORTS", "")))  # make hands it on; a shell would change its quotes
