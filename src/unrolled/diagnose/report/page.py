"""The page: what stands on it, in which order."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from typing import Any

from unrolled.diagnose.limits import Finding, Summary
from unrolled.diagnose.limits.plot import limits_plot
from unrolled.diagnose.limits.verdicts import key
from unrolled.diagnose.report import sections
from unrolled.diagnose.report.about import About
from unrolled.diagnose.report.elements import Html, element, joined
from unrolled.diagnose.report.equations import typeset
from unrolled.diagnose.report.inline import inline
from unrolled.diagnose.report.learning import Learning
from unrolled.diagnose.report.sections import SECTIONS, TITLES, Section
from unrolled.equations.extension import with_readout
from unrolled.equations.library import load
from unrolled.errors import ConfigurationError, DataError, EquationError, UnrolledError
from unrolled.recurrence import Recurrence

STEPS = 3  # of the drawing


def page(about: About, found: Mapping[str, Any], summary: Summary | UnrolledError | None, measured_on: str) -> str:
    """The whole page as HTML, from what was ``measured`` by name."""
    parts = [Section("summary", "What limits this model", _summary(summary))] if summary is not None else []
    parts += [
        Section("equations", "The equations", _equations(about)),
        Section("learning", "Learning", _learning(about)),
    ]
    parts += [Section(name, title, _measured(name, found[name])) for name, title in TITLES.items()]
    parts.append(Section("made", "How this was made", _made(about, measured_on)))
    style = Html(resources.files(__package__).joinpath("report.css").read_text("utf-8"))
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", f"{about.name}: a recurrent network"),
        element("style", style),
    )
    body = element("body", _header(about), _contents(parts), element("main", *map(_section, parts)))
    return f"<!DOCTYPE html>\n{element('html', head, body, lang='en')}\n"


def _header(about: About) -> Html:
    figures = about.held_out
    said = "It was not evaluated on held-out text." if figures is None else f"On held-out text: {figures.words}."
    return element("header", element("h1", about.name), element("p", about.line), element("p", said, class_="figures"))


def _contents(parts: list[Section]) -> Html:
    links = (element("li", element("a", each.title, href=f"#{each.key}")) for each in parts)
    return element("nav", element("ul", *links), aria_label="Contents")


def _section(part: Section) -> Html:
    return element("section", element("h2", part.title), part.content, id=part.key)


def _summary(summary: Summary | UnrolledError) -> Html:
    if isinstance(summary, UnrolledError):
        return _refused("This cannot be told", summary)
    shows = "What each change that was tried takes off the loss of held-out text, with three standard errors."
    drawn = element("div", inline(limits_plot(summary), "limits", shows), class_="scrolls")
    return joined(
        element("p", summary.headline, class_="headline"),
        element("figure", drawn, element("figcaption", shows)),
        element("dl", *map(_finding, summary.findings)),
        element("p", key(summary.measured), class_="key"),
    )


def _finding(finding: Finding) -> Html:
    advice = element("dd", "Next: ", finding.advice, class_="advice") if finding.advice else ""
    return joined(
        element("dt", finding.limit, ": ", element("strong", finding.verdict)),
        *(element("dd", sentence) for sentence in finding.evidence),
        advice,
    )


def _equations(about: About) -> Html:
    lines = str(with_readout(load(about.config.recurrence))).splitlines()
    content = [element("p", typeset(line)) for line in lines]
    if about.config.embedding:
        said = f"What is read is an embedding of {about.config.embedding} numbers of each symbol."
        content.append(element("p", said, class_="key"))
    try:
        drawing = Recurrence("\n".join(lines)).draw(STEPS, layers=about.config.layers)
    except (ConfigurationError, EquationError) as error:
        return joined(element("div", *content, class_="equations"), _refused("It is not drawn", error))
    caption = element("figcaption", f"Unrolled for {STEPS} steps of time.")
    drawn = element("div", Html(drawing.svg()), class_="scrolls")
    return joined(element("div", *content, class_="equations"), element("figure", drawn, caption))


def _learning(about: About) -> Html:
    try:
        return sections.learning(Learning.of(about.history, about.config))
    except DataError as error:
        return _refused("This is not shown", error)


def _measured(name: str, found: Any) -> Html:
    if isinstance(found, ConfigurationError | DataError):
        return _refused("This was not measured", found)
    return SECTIONS[name](found)


def _refused(what: str, error: Exception) -> Html:
    return element("p", f"{what}: {error}", class_="refused")


def _made(about: About, measured_on: str) -> Html:
    rows = {
        "trained by": element("code", about.command),
        "seed": about.config.seed,
        "model": f"the best on held-out text, of step {about.best.get('step', 'unknown')}",
        "measured on": measured_on,
        "measured by": about.versions,
    }
    listed = (joined(element("dt", name), element("dd", value)) for name, value in rows.items())
    return element("dl", *listed, class_="made")
