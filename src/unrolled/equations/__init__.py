"""The language of recurrences: text ⇄ System, pure data.

``notation`` (LaTeX and Unicode to plain text) → ``syntax`` (text to nodes, by ``grammar.lark``) → ``elaboration``
(roles, kinds, sizes) → ``system``. ``expression`` is the graph that everything else works on, ``operations`` its
elementwise vocabulary, ``printing`` the way back to text, ``library`` the named cells, ``network`` stacks of Systems.
"""

from unrolled.equations import printing as _printing  # noqa: F401 - an expression is printed by it from the start
