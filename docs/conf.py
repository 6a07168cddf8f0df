# The documentation site: `scripts/docs.sh` builds it into build/docs/html. Pages are Markdown (MyST);
# the C++ reference comes from the public headers through Doxygen and Breathe, the Python reference from
# the docstrings of the installed package.
import pathlib
import re

HERE = pathlib.Path(__file__).resolve().parent  # docs/, or its copy in build/docs/source
ROOT = next(p for p in HERE.parents if (p / "include/gigatrain").is_dir())

project = "gigatrain"
copyright = "2026, the gigatrain authors"
author = "the gigatrain authors"
version = release = re.search(
    r'GIGATRAIN_VERSION "([0-9.]+)"', (ROOT / "include/gigatrain/version.h").read_text()
).group(1)

extensions = ["myst_parser", "breathe", "sphinx.ext.autodoc"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
# Pages are read in the repository too, so they link to files that are outside of the site.
suppress_warnings = ["myst.xref_missing", "myst.header", "duplicate_declaration.cpp"]

breathe_projects = {"gigatrain": str(ROOT / "build/docs/doxygen/xml")}
breathe_default_project = "gigatrain"
breathe_show_include = False
breathe_default_members = ("members",)
primary_domain = "cpp"
highlight_language = "none"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "undoc-members": False}

html_theme = "furo"
html_title = f"gigatrain {version}"
html_copy_source = False


def plain_docstring(app, what, name, obj, options, lines):
    """Docstrings are plain text: what reStructuredText would read into it is escaped, and a part that is
    indented is code."""
    out, inside = [], False
    for line in lines:
        code = line.startswith("  ")
        if code and not inside:
            out += ["", "::", ""]
        elif inside and line and not code:
            out.append("")
        inside = code or (inside and not line)
        out.append(line if code else re.sub(r"([\\*|`_])", r"\\\1", line))
    lines[:] = out


def setup(app):
    app.connect("autodoc-process-docstring", plain_docstring)
