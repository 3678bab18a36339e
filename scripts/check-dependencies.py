#!/usr/bin/env python3
"""Checks the locked dependencies, offline: permissive licences, and versions at or above the known-safe floors."""

import json
import re
import subprocess
import sys

ALLOWED = {
    "MIT", "MIT-0", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "BSD-2-Clause", "BSD-3-Clause", "ISC", "Zlib", "0BSD",
    "Unicode-3.0", "Unlicense", "CC0-1.0", "BSL-1.0", "CDLA-Permissive-2.0", "NCSA", "bzip2-1.0.6", "OpenSSL",
}
# Weak copyleft, file by file, which binds nothing of ours: used unchanged, as decision 0020 says. By name, not by licence.
BY_NAME = {"MPL-2.0": ("symphonia",)}
# Public advisories concern older versions than these.
FLOORS = {"zip": (9, 0), "quick-xml": (0, 41), "calamine": (0, 35), "lopdf": (0, 42)}
# Old versions that stand only in the lock file of a dependency's development or build tools.
EXCEPT = set()


def permitted(expression):
    """True when an SPDX expression can be satisfied by allowed licences alone."""
    text = expression.replace("/", " OR ")
    tokens = re.findall(r"\(|\)|[^()\s]+", text)
    position = 0

    def atom():
        nonlocal position
        token = tokens[position]
        position += 1
        if token == "(":
            value = either()
            position += 1
            return value
        if position + 1 < len(tokens) and tokens[position] == "WITH":
            token = f"{token} WITH {tokens[position + 1]}"
            position += 2
        return token in ALLOWED

    def both():
        nonlocal position
        value = atom()
        while position < len(tokens) and tokens[position] == "AND":
            position += 1
            value = atom() and value
        return value

    def either():
        nonlocal position
        value = both()
        while position < len(tokens) and tokens[position] == "OR":
            position += 1
            value = both() or value
        return value

    return either()


def main():
    command = ["cargo", "metadata", "--format-version", "1", "--locked", "--filter-platform", "x86_64-unknown-linux-gnu"]
    packages = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)["packages"]
    errors = []
    for package in packages:
        name, version, licence = package["name"], package["version"], package["license"]
        label = f"{name} {version}"
        if not licence:
            if not package["license_file"]:
                errors.append(f"{label}: no licence")
        elif not permitted(licence) and not name.startswith(BY_NAME.get(licence, ("no such name",))):
            errors.append(f"{label}: licence {licence} is not on the list of permissive ones")
        floor = FLOORS.get(name)
        if floor and tuple(int(part) for part in version.split(".")[:2]) < floor and label not in EXCEPT:
            errors.append(f"{label}: known flaws below {'.'.join(map(str, floor))}")
    for error in errors:
        print(error, file=sys.stderr)
    print(f"{len(packages)} dependencies checked, {len(errors)} objections")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
