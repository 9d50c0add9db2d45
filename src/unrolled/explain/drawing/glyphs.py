"""How wide a character is, in ems: for each the widest of the common serif and sans-serif fonts.

A picture does not know the font that its reader has, so that a box is made wide enough for any of them.
"""

from __future__ import annotations

# measured on the upright and italic faces of DejaVu Serif, DejaVu Sans and STIX, rounded up to 0.05 em
_WIDTHS = {
    0.35: " ,./:;\\ijl|·",
    0.4: "()-I[]fι",
    0.45: "!Jt²ᵀ'′",
    0.5: '"*_`r',
    0.55: "?szεζ∂∥",
    0.6: "cvxyγξ",
    0.65: "$0123456789abdeghknopqu{}βδηθλμνορτυχϵ∘",
    0.7: "FLPSTZακπσϕΓ",
    0.75: "ABEKVXYφϑΔΛΞΣ∇",
    0.8: "CGRψ",
    0.85: "#+<=>DOQU^~ωΘΦΩ−×⊙±",
    0.9: "&HNwΠΨ",
    0.95: "←→∑√",
    1.0: "%@m⋯…",
    1.05: "MW",
}
_OF = {character: width for width, characters in _WIDTHS.items() for character in characters}
_ANY_OTHER = 1.05


def width(text: str) -> float:
    """The width of ``text`` in ems, for any common font at least as wide as what is drawn.

    >>> width("W") > width("i")
    True
    """
    return sum(_OF.get(character, _ANY_OTHER) for character in text)
