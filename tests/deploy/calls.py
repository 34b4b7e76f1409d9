"""Compares the system calls that a run made with those that the unit's SystemCallFilter lets through.

usage: calls.py UNIT FILE_OF_CALLS
"""

import pathlib
import subprocess
import sys


def members(group):
    """The system calls of a group, as systemd has them; groups hold groups."""
    text = subprocess.run(["systemd-analyze", "syscall-filter", group], check=True, capture_output=True, text=True).stdout
    names = [line.strip() for line in text.splitlines()[1:] if line.strip() and not line.strip().startswith("#")]
    return {member for name in names for member in (members(name) if name.startswith("@") else {name})}


unit, made = (pathlib.Path(path).read_text() for path in sys.argv[1:])
allowed = set()
for line in unit.splitlines():
    if line.startswith("SystemCallFilter="):
        groups = line.removeprefix("SystemCallFilter=")
        found = {call for group in groups.lstrip("~").split() for call in members(group)}
        allowed = allowed - found if groups.startswith("~") else allowed | found
made = set(made.split())
assert len(made) > 30 and len(allowed) > 200, (made, allowed)
# Before the program there is execve, which systemd itself makes.
assert made <= allowed, f"the unit would refuse {sorted(made - allowed)}"
print(f"{len(made)} system calls were made, all of which the unit lets through")
