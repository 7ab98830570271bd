"""How the command ends, for scripts."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """The exit status of ``earshot``; its help shows the same in words."""

    DONE = 0
    REFUSED = 1
    USAGE = 2
    UNREACHABLE = 3
    TOKEN = 4
    TRAINING = 5


MEANINGS = {
    ExitCode.DONE: "done",
    ExitCode.REFUSED: "refused or failed, by the API or by Earshot itself",
    ExitCode.USAGE: "the command line makes no sense",
    ExitCode.UNREACHABLE: "the API cannot be reached",
    ExitCode.TOKEN: "the token is missing or invalid, or may not do this",
    ExitCode.TRAINING: "the training that was waited for was rejected or failed",
    # The shell's own number for Ctrl-C, which typer keeps to.
    130: "interrupted",
}
