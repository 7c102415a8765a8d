"""How commands end: with an exit status and, where something stopped them, one sentence on standard error."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from functools import wraps
from typing import Protocol

from latent.errors import LatentError

REFUSED, STOPPED, UNREAD = 1, 130, 141  # exit statuses; the last two as shells have them after SIGINT and SIGPIPE
FULL_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO}  # what any library may meet, too


class Command(Protocol):
    """Runs a command line, by default that of the process; returns the exit status."""

    def __call__(self, arguments: Sequence[str] | None = None) -> int: ...


def command(main: Command) -> Command:
    """A function that runs a command line, from whose end nobody sees a traceback unless there is a bug.

    A `LatentError` is printed; who stops the command by Ctrl-C, or closes the pipe that reads its output, knows why it
    ended; a disk that is full or read-only is a sentence also where a library was about to write.
    """

    @wraps(main)
    def run(arguments: Sequence[str] | None = None) -> int:
        try:
            status = main(arguments)
            sys.stdout.flush()  # here, and not when Python ends, where a closed pipe would be a traceback
            return status
        except LatentError as error:
            print(error, file=sys.stderr)
            return REFUSED
        except KeyboardInterrupt:
            print("\nStopped.", file=sys.stderr)
            return STOPPED
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what Python still flushes
            return UNREAD
        except OSError as error:
            if error.errno not in FULL_DISK:
                raise
            place = f"{error.filename} " if error.filename else "A file "
            print(f"{place}cannot be written: {error.strerror}.", file=sys.stderr)
            return REFUSED

    return run
