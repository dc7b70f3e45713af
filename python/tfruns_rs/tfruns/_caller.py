"""Calls a function as a training run in a process of its own: started as a file by `training_run`."""

import os
import pickle
import signal
import sys


def _main() -> None:
    meta, package = sys.argv[1:3]
    with open(package, "rb") as file:  # noqa: PTH123 - as the parent wrote it
        told = pickle.load(file)  # noqa: S301 - from the parent, by a file that only its user reads
    sys.argv = [sys.executable]
    sys.path[:] = told["path"]

    from tfruns_rs.tfruns import _runner

    signal.signal(signal.SIGTERM, _runner.leave_politely)
    with _runner.leaving_errors(meta):
        from tfruns_rs.tfruns._function import call

        function = pickle.loads(told["function"])  # noqa: S301 - as above
        call(function, told["values"], os.path.dirname(meta))  # noqa: PTH120 - texts stay as given


if __name__ == "__main__":
    _main()
