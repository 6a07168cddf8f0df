#!/usr/bin/env python3
"""Runs the tutorials: every code block of docs/tutorials/*.md, in order, in an empty folder.

    scripts/check_tutorials.py [--path FOLDER]... [--prefix FOLDER] [--python EXE] [NAME]...

A block is run by what stands behind its opening fence:
    ```bash                   commands; one that fails fails the tutorial
    ```LANGUAGE file=NAME     written to that file
    ```python                 run in one interpreter session, the blocks one after the other
A comment `<!-- expect: REGEX -->` after a block must match in its output.
"""
import argparse
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
FENCE = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```[ \t]*$(?:\n<!-- expect: (.*?) -->)?", re.S | re.M)
TIMEOUT = 300


def run(command, folder, env, stdin=None):
    done = subprocess.run(command, cwd=folder, env=env, input=stdin, text=True, timeout=TIMEOUT,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.returncode, done.stdout


class Tutorial:
    def __init__(self, page, python, env):
        self.page, self.python, self.env = page, python, env
        self.session = ""  # Python code of the blocks so far

    def fail(self, number, why, output):
        print(output.rstrip())
        sys.exit(f"{self.page.relative_to(ROOT)}: block {number}: {why}")

    def run_block(self, number, language, options, code, expect, folder):
        if file := re.search(r"file=(\S+)", options):
            (folder / file.group(1)).write_text(code)
            return
        if language == "bash":
            status, output = run(["bash", "-euo", "pipefail", "-c", code], folder, self.env)
        elif language == "python":
            marker = f"--- block {number}"
            self.session += f"print({marker!r}, flush=True)\n{code}\n"
            status, output = run([self.python, "-"], folder, self.env, self.session)
            output = output.split(marker)[-1]
        else:
            return  # something to read
        if status:
            self.fail(number, f"exit code {status}", output)
        if expect and not re.search(expect, output):
            self.fail(number, f"its output does not match '{expect}'", output)

    def check(self):
        blocks = list(FENCE.finditer(self.page.read_text()))
        with tempfile.TemporaryDirectory() as name:
            for number, block in enumerate(blocks, 1):
                self.run_block(number, *block.groups(), pathlib.Path(name))
        print(f"{self.page.relative_to(ROOT)}: {len(blocks)} blocks in order")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--path", action="append", default=[], help="searched for commands first")
    parser.add_argument("--prefix", help="where CMake finds the installed library")
    parser.add_argument("--python", default=sys.executable, help="has gigatrain installed")
    parser.add_argument("names", nargs="*", help="tutorials by name; all without")
    args = parser.parse_args()
    env = dict(os.environ)
    env["PATH"] = os.pathsep.join([str(pathlib.Path(p).resolve()) for p in args.path] + [env["PATH"]])
    if args.prefix:
        env["CMAKE_PREFIX_PATH"] = str(pathlib.Path(args.prefix).resolve())
    for page in sorted((ROOT / "docs/tutorials").glob("*.md")):
        if not args.names or page.stem in args.names:
            Tutorial(page, args.python, env).check()


if __name__ == "__main__":
    main()
