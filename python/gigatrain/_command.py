"""The `gigatrain` command: the program that the package brings along."""

import os
import sys


def main() -> None:
    """Becomes bin/gigatrain of this package, with the arguments given."""
    program = os.path.join(os.path.dirname(__file__), "bin", "gigatrain")
    if not os.path.exists(program):
        sys.exit("error: this build of gigatrain has no command\n"
                 "  next: apt-get install libcli11-dev, and pip install gigatrain's folder again")
    os.execv(program, [program, *sys.argv[1:]])
