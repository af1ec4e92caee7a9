"""The `vlaser` command.

    vlaser up tabletop                              vlaser ground scene.png "the carrot"
    vlaser demo                                     vlaser plan scene.png "put carrot on plate" --ground
    vlaser eval tabletop --episodes 20 --json       vlaser ask scene.png "is the carrot on the plate?"
    vlaser inspect CHECKPOINT                       vlaser parity REFERENCES
    vlaser convert PUBLISHED FOLDER                 vlaser export CHECKPOINT FOLDER
    vlaser bench size --size 2b                     vlaser eval bag EPISODE --out FOLDER
    vlaser record widowx                            vlaser bag info EPISODE
    vlaser data build tabletop --out FOLDER         vlaser data stats FOLDER --json
    vlaser train flow --data bag:EPISODE            vlaser train sft --data FOLDER
    vlaser eval records FOLDER --limit 500          vlaser train bench
    vlaser eval reasoning --root FOLDER --out RUN   vlaser eval compare RUN OTHER --out PAGE

What a user got wrong is one line on stderr and exit code 2; Ctrl-C is 130. `up`, `demo`, `record` and all about bags need ROS 2.
"""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Sequence

PROG = "vlaser"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command line and exit: 0 done, 1 ran but failed, 2 wrong input, 130 interrupted, 141 nobody reads on (`| head`)."""
    try:
        try:
            code = run(arguments)
        except SystemExit as leaving:  # after --help
            code = leaving.code
        sys.stdout.flush()  # here, where a reader that is gone can be told from a failure
        sys.exit(code)
    except KeyboardInterrupt:
        print(f"{PROG}: interrupted", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        if not _nobody_reads():
            raise
        sys.exit(141)


def _nobody_reads() -> bool:
    """Whether it is our own output that broke, and not a connection of the command's. Python then has nothing left to flush at its end."""
    output = select.poll()
    output.register(sys.stdout, 0)  # what is told of a pipe without a reader, POLLERR, needs no asking
    broken = bool(output.poll(0))
    if broken:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return broken


def run(arguments: Sequence[str] | None = None) -> int:
    """The exit code of a command line; what the user can mend is told in one line."""
    # Imported here, so that Ctrl-C is answered in one line also while Python is still loading.
    from vlaser_core.errors import VlaserError
    from vlaser_ros.commands.arguments import parse

    try:
        return parse(arguments).run()
    except VlaserError as error:
        print(f"{PROG}: {error}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        # Only ROS may be absent: the reasoning commands work without it. Anything else missing is a broken install.
        if error.name is None or error.name.partition(".")[0] not in {"rclpy", "vlaser_msgs"}:
            raise
        print(f"{PROG}: this command needs ROS 2's {error.name!r}: source a ROS 2 workspace that has vlaser_ros, or run `make setup`", file=sys.stderr)
        return 2


if __name__ == "__main__":
    main()
