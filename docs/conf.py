"""How Sphinx builds the site: `python -m sphinx -W --keep-going -b html docs docs/_build`; nothing is fetched from a network."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE)]  # this checkout's recsim is the one described

project = "recsim"
author = copyright = "The recsim authors"
release = version = tomllib.loads((HERE.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]

extensions = ["myst_nb"]
exclude_patterns = ["_build", "jupyter_execute"]  # the latter is what myst-nb keeps of notebooks
nb_execution_mode = "off"  # a notebook is shown as it was last run
myst_heading_anchors = 3
myst_enable_extensions = ["dollarmath"]
nitpicky = True
nitpick_ignore_regex = [("py:.*", ".*")]  # types in signatures: those of other packages are not linked
toc_object_entries_show_parents = "hide"

html_theme = "furo"
html_title = f"recsim {release}"
html_copy_source = False
html_static_path = ["site.css"]
html_css_files = ["site.css"]
html_math_renderer = "mathml"


def setup(app: Any) -> None:
    """Write the pages that are made from the code, and let formulas be MathML, which browsers draw by themselves."""
    import generate

    generate.write(HERE / "_generated")
    app.add_html_math_renderer("mathml", (_formula, None), (_formula, None))


def _formula(translator: Any, node: Any) -> None:
    """Put a formula into the page."""
    from docutils import nodes
    from docutils.utils.math.latex2mathml import tex2mathml

    block = isinstance(node, nodes.math_block)
    formula = tex2mathml(node.astext(), as_block=block)
    translator.body.append(f'<div class="formula">{formula}</div>' if block else formula)
    raise nodes.SkipNode
