#!/usr/bin/env python3
"""Checks the documents: the README is at most 200 lines, and every relative link leads to a file."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
MAX_README = 200


def broken_links(path):
    text = re.sub(r"```.*?```", "", path.read_text(), flags=re.S)  # code is not prose
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        target = target.split("#")[0]
        if target and "://" not in target and not (path.parent / target).exists():
            yield target


def main():
    errors = []
    readme = ROOT / "README.md"
    if readme.exists() and (lines := len(readme.read_text().splitlines())) > MAX_README:
        errors.append(f"README.md has {lines} lines, the limit is {MAX_README}")
    documents = [p for p in ROOT.glob("*.md")] + [p for f in ("docs", "tests", "examples")
                                                  for p in (ROOT / f).rglob("*.md")]
    for path in sorted(documents):
        errors += [f"{path.relative_to(ROOT)}: link to nowhere: {t}" for t in broken_links(path)]
    print("\n".join(errors) or "documents are in order")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
