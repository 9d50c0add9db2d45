"""The report: a page that holds together, shows nothing but its own content, and says what the measurements say."""

import re
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pytest
from matplotlib.figure import Figure

import planted
from unrolled.checkpoint import RunDirectory
from unrolled.data.corpora import split
from unrolled.diagnose import (
    find_trackers,
    influence_horizon,
    jacobian_report,
    lyapunov_spectrum,
    receptive_field,
    token_tree,
    what_if,
)
from unrolled.diagnose.limits import Finding, Summary
from unrolled.diagnose.plots import BLUE, panels
from unrolled.diagnose.report import report
from unrolled.diagnose.report.about import About
from unrolled.diagnose.report.change import chosen
from unrolled.diagnose.report.colouring import coloured
from unrolled.diagnose.report.elements import element, table
from unrolled.diagnose.report.equations import typeset
from unrolled.diagnose.report.inline import inline
from unrolled.diagnose.report.learning import Learning, learning_plot
from unrolled.diagnose.report.measuring import read
from unrolled.diagnose.report.readings import learning_reading
from unrolled.diagnose.report.sections import units
from unrolled.diagnose.stretches import stretches
from unrolled.diagnose.units import Tracker, Trackers
from unrolled.errors import DataError
from unrolled.generation import load
from unrolled.training import TrainConfig, train
from unrolled.training.evaluation import result_of

TEXT = "ONE <b> says: the quick & brown fox <script>alert(1)</script> over\x07 it.\n$x_1$ \\alpha и why?\n\n" * 60
LONGEST = 5_000_000
VOID = {"meta", "br"}
LOADS = ("src", "href", "srcset", "data", "action", "poster")


SUMMARY = Summary(
    "Its <memory> limits it.",
    (
        Finding("memory", "limits it", ("It feels 9 steps & forgets.",), "Use gates."),
        Finding("data", "cannot be told", ("It is too short.",)),
    ),
    planted.evidence(),
)


class Page(HTMLParser):
    """A page taken apart: what is wrong with its nesting, its names, links, the resources it loads, its words."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.wrong, self.ids, self.links, self.loaded, self.tags = [], [], [], [], [], []
        self.words, self.styles = "", ""
        self.feed(text)
        self.close()
        self.wrong += [f"<{tag}> is never closed" for tag in self.open]

    def handle_starttag(self, tag, attributes):
        self.handle_startendtag(tag, attributes)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        for name, value in attributes:
            if name == "id":
                self.ids.append(value)
            if name.rpartition(":")[2] in LOADS:
                (self.links if value.startswith("#") else self.loaded).append(value)
            self.links += [f"#{target}" for target in re.findall(r"url\(#([^)]+)\)", value or "")]
            self.loaded += re.findall(r"url\(([^#)][^)]*)\)", value or "")

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f"</{tag}> at {self.getpos()}")

    def handle_data(self, data):
        if self.open and self.open[-1] == "style":
            self.styles += data
        else:
            self.words += data


@dataclass
class Case:
    model: object
    ids: np.ndarray
    text: str = ""
    page: Page = field(init=False)

    def __post_init__(self):
        self.page = Page(self.text)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    place = tmp_path_factory.mktemp("report")
    (place / "text.txt").write_text(TEXT)
    config = TrainConfig(
        text=str(place / "text.txt"), recurrence="gru", layers=2, hidden=4, batch=4, sequence_length=9, steps=6,
        evaluate_every=3, run=str(place / "a <run>"), sample_length=0,
    )  # fmt: skip
    list(train(config, corpus=split(config.text, TEXT)))
    return place / "a <run>"


@pytest.fixture(scope="module")
def case(run):
    model = load(run)
    ids = model.vocabulary.encode(TEXT)
    return Case(model, ids, result_of(report(model, ids, summary=SUMMARY, measured_on="all & more")))


@pytest.fixture(scope="module")
def short(run):
    """What the run held out, which is too short for some measurements."""
    model = load(run)
    ids = model.vocabulary.encode(TEXT)[:180]
    return Case(model, ids, result_of(report(model, ids)))


@pytest.mark.parametrize("which", ["case", "short"])
def test_a_page_that_holds_together(which, request):
    found = request.getfixturevalue(which)
    page = found.page
    assert page.wrong == []
    assert len(set(page.ids)) == len(page.ids)
    assert {link[1:] for link in page.links} <= set(page.ids)
    assert len(found.text.encode()) < LONGEST


def test_nothing_is_loaded(case):
    assert all(each.startswith("data:image/png;base64,") for each in case.page.loaded)
    assert "@import" not in case.page.styles
    assert "url(" not in case.page.styles
    assert {tag for tag, _ in case.page.tags}.isdisjoint({"script", "link", "iframe", "object", "embed", "img"})


def test_every_picture_says_what_it_shows(case):
    pictures = [attributes for tag, attributes in case.page.tags if tag == "svg"]
    assert len(pictures) == 10  # the drawing, limits, learning, and all measurements but the text of the units
    plots = [each for each in pictures if each["class"] == "plot"]
    assert all(each["role"] == "img" for each in pictures)
    assert all(len(each["aria-label"]) > 20 for each in plots)
    assert len({each["aria-label"] for each in plots}) == len(plots) == 9
    assert case.text.count("<title>A recurrent network") == 1  # the drawing's own


def recorded(steps, shares):
    """What the generator returns; what it yields is kept in ``shares``."""
    while True:
        try:
            shares.append(next(steps))
        except StopIteration as end:
            return end.value


def test_the_same_page_again(case, run):
    shares = []
    assert recorded(report(load(run), case.ids, summary=SUMMARY, measured_on="all & more"), shares) == case.text
    assert all(0 < a <= b <= 1 for a, b in pairwise(shares))


def test_what_the_text_holds_is_text(case):
    assert "<script" not in case.text
    assert "&lt;script&gt;" in case.text
    assert "\x07" not in case.text
    assert "<h1>a &lt;run&gt;</h1>" in case.text
    assert "all &amp; more" in case.text


def test_the_summary_stands_first(case, short):
    assert "Its <memory> limits it." in case.page.words
    order = [case.page.ids.index(key) for key in ("summary", "equations", "learning", "horizon", "flow", "made")]
    assert order == sorted(order)
    assert case.text.count("Next: ") == 1
    assert "It feels 9 steps & forgets." in case.page.words
    assert "summary" not in short.page.ids


def test_why_there_is_no_summary(short):
    page = Page(result_of(report(short.model, short.ids, summary=DataError("only 9 <symbols> were held out"))))
    assert "This cannot be told: only 9 <symbols> were held out" in page.words
    assert page.wrong == []


def test_the_figures_of_the_run(case, run):
    finished = RunDirectory.open(run).history()[-1]
    for figure in (
        f"{finished['nats']:.4f} nats per character", f"{finished['bits_per_character']:.4f} bits per character",
        f"perplexity {finished['perplexity']:.3f}", f"{sum(p.numel() for p in case.model.layer.parameters()):,} param",
    ):  # fmt: skip
        assert figure in case.page.words
    assert "--recurrence gru --layers 2 --hidden 4 --sequence-length 9 --batch 4 --steps 6" in case.page.words


def test_the_horizon_is_that_of_the_measurement(case):
    found = result_of(influence_horizon(case.model.layer, stretches(case.ids, 16, 250)))
    assert found.steps is not None
    assert f"After {found.steps} steps (95 %: {found.steps_band[0]} to {found.steps_band[1]})" in case.page.words
    assert f"exponent predicts {found.predicted:.0f}." in case.page.words
    assert f"layers as here, 2, see 5 steps, or {receptive_field(2, dilated=True)} dilated" in case.page.words


def test_exponents_and_jacobians_are_those_of_the_measurements(case):
    exponents = result_of(lyapunov_spectrum(case.model.layer, stretches(case.ids, 4, 600)))
    told = re.search(r"largest exponent is −([\d.]+) ± \S+(?: · \S+)? nats", case.page.words)
    assert float(told[1]) == pytest.approx(-exponents.exponents[0], rel=5e-3)
    assert "Of the 8 exponents none is positive" in case.page.words
    jacobians = result_of(jacobian_report(case.model.layer, stretches(case.ids, 8, 150)))
    told = re.search(r"up to ([\d.]+)-fold \(the mean of 8 places\)", case.page.words)
    assert float(told[1]) == pytest.approx(jacobians.largest, rel=5e-3)


def test_hidden_states_are_those_of_the_measurements(case):
    trackers = result_of(find_trackers(case.model, case.ids))
    first = trackers.trackers[0]
    assert f"{first.lead:+.2f} ± {first.error:.2f}".replace("-", "−") in case.page.words
    assert len(trackers.activations) == case.text.count('class="coloured"') - 1  # one is that of the changed text
    tree = result_of(token_tree(case.model, case.ids))
    assert f"with a purity of {tree.purity:.2f}" in case.page.words


def test_the_change_is_that_of_the_measurement(case):
    position, symbol = chosen(case.model.vocabulary, case.ids)
    characters = [each for each in TEXT if not each.isspace()]
    often = sorted(set(characters), key=lambda each: (-characters.count(each), each))
    assert symbol == often[1]
    assert position == TEXT.index(often[0], len(TEXT) // 2)
    found = result_of(what_if(case.model, case.ids, position, symbol))
    assert f"At position {position:,} of the text “{symbol}” is read in place of “{found.was}”" in case.page.words
    told = re.search(r"”: ([\d.]+) % of the probability of the next symbol moves at once", case.page.words)
    assert float(told[1]) == pytest.approx(100 * found.variation.values[0], rel=5e-3)


def test_what_cannot_be_measured_says_why(short):
    refusals = re.findall(r'class="refused">([^<]*)<', short.text)
    assert len(refusals) == 2
    assert all("the text has 180 symbols" in each for each in refusals)
    assert "lanes of 250 steps" in refusals[0]  # the horizon
    assert "lanes of 600 steps" in refusals[1]  # the exponents


def test_a_model_from_no_run(case):
    with pytest.raises(DataError, match="comes from none"):
        next(report(replace(case.model, path=None), case.ids))


def test_large_networks_are_read_along_less(case):
    ids = np.zeros(50_000, dtype=np.int64)
    assert len(read(case.model, ids)) == 20_000
    large = replace(case.model, layer=type(case.model.layer)("gru", x=8, h=600))
    assert len(read(large, ids)) == 20_000 * 500_000 // sum(each.numel() for each in large.layer.parameters())


def test_learning_by_hand(case):
    history = [
        {"event": "step", "step": step, "loss": loss, "gradient_norm": norm, "learning_rate": 0.1}
        for step, (loss, norm) in enumerate([(4.0, 9.0), (3.0, 1.0), (None, None), (2.0, 6.0)], 1)
    ]
    history.append({"event": "evaluation", "step": 4, "nats": 2.5})
    found = Learning.of(history, TrainConfig(clip=5.0))
    assert found.before(4) == 3.0
    assert found.clipped == 2
    said = learning_reading(found)
    assert "lowest at step 4, 2.5000 nats a symbol; on the training text it was 3.0000 then" in said
    assert "0.5000 higher" in said
    assert "longer than 5, where it is clipped, at 2 of 4 steps" in said
    assert "was not clipped" in learning_reading(Learning.of(history[:4], TrainConfig(clip=0.0)))
    with pytest.raises(DataError, match="no step"):
        Learning.of([], TrainConfig())
    loss = learning_plot(found).axes[0]
    assert loss.lines[0].get_ydata()[[0, 1, 3]].tolist() == [4.0, 3.0, 2.0]
    assert loss.lines[1].get_xydata().tolist() == [[4.0, 2.5]]


@pytest.mark.parametrize(("options", "said"), [
    ({"clipping": "adaptive"}, "shortened to the 0.1 quantile of its norms so far, and 5 at most."),
    ({"clipping": "adaptive", "clip": 0.0}, "shortened to the 0.1 quantile of its norms so far."),
    ({"clipping": "value", "clip": 0.5}, "Each entry of the gradient was brought into ±0.5."),
    ({"clipping": "parameter"}, "The gradient of each parameter was shortened to 5 where it was longer."),
    ({"clipping": "value", "clip": 0.0}, "The gradient was not clipped."),
])  # fmt: skip
def test_other_rules_of_clipping_are_not_counted_at_a_threshold(options, said):
    step = {"event": "step", "step": 1, "loss": 3.0, "gradient_norm": 4.0, "learning_rate": 0.1}
    found = Learning.of([step], TrainConfig(**options))
    assert found.threshold is None
    assert learning_reading(found).endswith(said)


def test_a_held_out_loss_that_is_not_finite_is_never_the_lowest():
    history = [{"event": "step", "step": n, "loss": 3.0, "gradient_norm": 4.0, "learning_rate": 0.1} for n in (1, 2)]
    history += [
        {"event": "evaluation", "step": 1, "nats": float("nan")},
        {"event": "evaluation", "step": 2, "nats": 2.5},
    ]
    assert "lowest at step 2, 2.5000" in learning_reading(Learning.of(history, TrainConfig()))


def test_figures_of_a_run_that_was_stopped(case):
    about = About.read(case.model)
    stopped = replace(about, history=[e for e in about.history if e["event"] != "finished"])
    evaluations = [e for e in about.history if e["event"] == "evaluation"]
    assert stopped.held_out.nats == min(e["nats"] for e in evaluations)
    assert replace(stopped, best={"step": 1}).held_out is None


def test_colours_of_a_text():
    shown = coloured("ab\nc", [-1.0, 0.5, 0.5, 0.01], "title")
    spans = re.findall(r"<span( class=\"\w+\")? title=\"([^\"]*)\">([^<]*)</span>", shown)
    assert spans == [(' class="n8"', "-1.00", "a"), (' class="p4"', "0.50", "b↵\n"), ("", "0.01", "c")]


def test_units_that_are_worth_a_name():
    follows = Tracker("vowel", False, "h", 3, -1, 0.9, 0.8, 0.5, 0.25, 0.3, 0.01)
    rival = replace(follows, predicate="digit", lead=0.05)
    found = Trackers((follows, rival), ("quotes",), 1000, 8, 10, ("a", "b"), {"h[3]: vowel": (-0.5, 0.25)})
    page = Page(units(found))
    assert "Of 8 units some follow “vowel” (0.80, untrained 0.50): chosen" in page.words
    assert [a["class"] for tag, a in page.tags if tag == "span"] == ["n8", "p4"]
    assert "Too rare in this text to be scored: quotes." in page.words
    alone = Page(units(replace(found, trackers=(rival,), activations={})))
    assert "Of 8 units none follows something nameable better than its rivals do" in alone.words
    assert "nearest to it comes “digit”, with a score of 0.80, untrained 0.50, the symbol alone 0.25" in alone.words


def test_elements():
    assert element("a", "<", href='"x"') == '<a href="&quot;x&quot;">&lt;</a>'
    assert element("p", "\x00\ud800\x85") == "<p>���</p>"
    assert '<th scope="row">1</th><td>&amp;</td>' in table(["n", "sign"], [[1, "&"]])


@pytest.mark.parametrize(("line", "expected"), [
    ("tanh(W_hr h_{t-1})", "tanh(<i>W</i><sub>hr</sub> <i>h</i><sub><i>t</i>−1</sub>)"),
    ("(1 - z_t)^2 < 1", "(1 − <i>z</i><sub><i>t</i></sub>)<sup>2</sup> &lt; 1"),
])  # fmt: skip
def test_equations(line, expected):
    assert typeset(line) == expected


def plotted():
    figure, axes = panels(1)
    axes.plot(range(150), np.arange(150) % 7, ".", color=BLUE, markersize=4, rasterized=True)
    axes.plot([0, 1], color="black")
    return figure


def test_a_figure_takes_the_colours_of_the_page():
    found = Page(inline(plotted(), "one", "A & B"))
    styles = " ".join(attributes.get("style", "") for _, attributes in found.tags)
    assert "var(--blue)" in styles
    assert "currentColor" in styles
    assert not re.search(r"#[0-9a-fA-F]{6}", styles)
    assert found.tags[0][1]["aria-label"] == "A & B"
    assert found.ids
    assert all(each.startswith("one-") for each in found.ids)
    assert {link[1:] for link in found.links} == set(found.ids)
    assert found.loaded == []  # dots are no bitmap


def test_dots_that_are_joined_stay_where_they_were():
    figure: Figure = plotted()
    dots = next(a["d"] for _, a in Page(inline(figure, "one", "")).tags if a.get("d", "").count("h0") == 150)
    places = np.array(re.findall(r"M(\S+) (\S+)h0", dots), dtype=np.float64)
    expected = figure.axes[0].transData.transform(figure.axes[0].lines[0].get_xydata()) * 72 / figure.dpi
    expected[:, 1] = figure.get_size_inches()[1] * 72 - expected[:, 1]
    np.testing.assert_allclose(places, expected, atol=0.01)
