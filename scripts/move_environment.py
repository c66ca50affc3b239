"""Let the commands of a moved or copied .venv find their Python again: no network, no reinstall.

pip writes the environment's absolute path into the first line of every command. Run with the
environment's own Python after its folder has changed.
"""

import sys
from pathlib import Path


def main() -> None:
    """Rewrite the first lines of the commands beside the running Python."""
    folder = Path(sys.prefix) / "bin"
    # a first line may not hold blanks, a path may: the shell starts Python, which reads the same
    # three lines as a string
    start = f"#!/bin/sh\n'''exec' \"{folder}/python\" \"$0\" \"$@\"\n' '''\n".encode()
    for command in folder.iterdir():
        if command.is_symlink() or not command.is_file():
            continue
        text = command.read_bytes()
        if text.startswith(b"#!/bin/sh\n'''exec'"):
            command.write_bytes(start + text.split(b"\n", 3)[3])
        elif text.startswith(b"#!") and b"python" in text.split(b"\n", 1)[0]:
            command.write_bytes(start + text.split(b"\n", 1)[1])


if __name__ == "__main__":
    main()
