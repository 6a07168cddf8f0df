#!/usr/bin/env python3
r"""Doxygen's input filter: headers say `// text`, Doxygen wants `/// text`.

A block of comment lines that stands directly above a declaration, or text behind a member, documents
it; a comment followed by an empty line is prose about the file and stays out of the reference. What
Doxygen would take for HTML or a command is escaped. The number of lines does not change.
"""
import re
import sys


def is_comment(line):
    return line.lstrip().startswith("//")


def escaped(text):
    return re.sub(r"([<>@\\&])", r"\\\1", text)


def documenting(line):
    indent, _, text = line.partition("//")
    return f"{indent}///{escaped(text)}"


def documenting_behind(line):
    """`int n = 0;  // of them` -> `int n = 0;  ///< of them`"""
    found = re.match(r"(.*[;,{)]\s+)// (.*)", line)
    return f"{found[1]}///< {escaped(found[2])}" if found else line


def convert(lines):
    out = [line if is_comment(line) else documenting_behind(line) for line in lines]
    start = None
    for i, line in enumerate(lines + [""]):
        if is_comment(line):
            start = i if start is None else start
            continue
        code = line.strip()
        if start is not None and code and not code.startswith(("#", "}", "namespace")):
            out[start:i] = [documenting(comment) for comment in lines[start:i]]
        start = None
    return out


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        sys.stdout.write("\n".join(convert(file.read().split("\n"))))


if __name__ == "__main__":
    main()
