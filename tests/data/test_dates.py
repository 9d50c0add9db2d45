"""Written dates: texts worked by hand, the calendar checked against the standard library's, and the two parts."""

import datetime
import unicodedata
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unrolled.data.dates import HELD_OUT, STYLES, DatePair, date_pairs, styles_of
from unrolled.errors import ConfigurationError

BY_NAME = {style.name: style for style in STYLES}
DAY = datetime.timedelta(days=1)

BY_HAND = [
    ("en: February 3, 2009", "2012-02-29", "February 29, 2012"),
    ("en: February 3 2009", "1918-11-11", "November 11 1918"),
    ("en: Feb 3, 2009", "2013-09-30", "Sep 30, 2013"),
    ("en: Feb. 3, 2009", "2013-09-30", "Sept. 30, 2013"),
    ("en: Feb. 3, 2009", "1968-05-13", "May 13, 1968"),
    ("en: Feb. 3, 2009", "1944-06-06", "June 6, 1944"),
    ("en: 2009 February 3", "2000-01-01", "2000 January 1"),
    ("en: 3 Feb 2009", "2024-06-01", "1 Jun 2024"),
    ("en: 3-Feb-2009", "1999-12-09", "9-Dec-1999"),
    ("en: 03/Feb/2009", "1999-12-09", "09/Dec/1999"),
    ("en: 2009-Feb-03", "2044-10-08", "2044-Oct-08"),
    ("en: 03FEB2009", "1975-08-05", "05AUG1975"),
    ("en: 3rd February 2009", "2001-09-11", "11th September 2001"),
    ("en: February 3rd, 2009", "1961-04-12", "April 12th, 1961"),
    ("en: Feb 3rd 2009", "1963-11-22", "Nov 22nd 1963"),
    ("en: the 3rd of February 2009", "2031-07-31", "the 31st of July 2031"),
    ("en: the 3rd of February, 2009", "2009-03-03", "the 3rd of March, 2009"),
    ("en: the 3rd of February in the year 2009", "2026-03-21", "the 21st of March in the year 2026"),
    ("en: in the year 2009, on February 3", "1900-01-02", "in the year 1900, on January 2"),
    ("en: the third of February 2009", "2009-03-31", "the thirty-first of March 2009"),
    ("en: February the third, 2009", "1984-08-12", "August the twelfth, 1984"),
    ("en: Tuesday, February 3, 2009", "1969-07-20", "Sunday, July 20, 1969"),
    ("en: Tuesday 3 February 2009", "2012-02-29", "Wednesday 29 February 2012"),
    ("en: Tuesday the 3rd of February, 2009", "1968-05-13", "Monday the 13th of May, 1968"),
    ("en: Tue, 03 Feb 2009", "2000-01-01", "Sat, 01 Jan 2000"),
    ("en: Tue Feb 3 2009", "1989-11-09", "Thu Nov 9 1989"),
    ("en: Tue 2/3/2009", "2001-09-11", "Tue 9/11/2001"),  # the American order
    ("en: 3/2/2009", "2001-09-11", "11/9/2001"),
    ("en: 20090203", "2009-03-03", "20090303"),
    ("en: tuesday, february 3, 2009", "1963-11-22", "friday, november 22, 1963"),
    ("en: FEBRUARY 3, 2009", "2000-10-10", "OCTOBER 10, 2000"),
    ("en: which day is the 3rd of February 2009?", "2055-05-23", "which day is the 23rd of May 2055?"),
    ("en: when is February 3, 2009?", "1955-05-02", "when is May 2, 1955?"),
    ("en: 2009-W06-2", "2009-03-03", "2009-W10-2"),
    ("en: 2009-W06-2", "2008-12-29", "2009-W01-1"),  # a week belongs to the year of its Thursday
    ("en: 2009W062", "2010-01-03", "2009W537"),
    ("en: Tuesday of week 6, 2009", "1977-01-01", "Saturday of week 53, 1976"),
    ("en: 2009-034", "2008-12-31", "2008-366"),
    ("en: day 34 of 2009", "2009-03-03", "day 62 of 2009"),
    ("en: the 34th day of 2009", "2009-04-11", "the 101st day of 2009"),
    ("en: the 34th day of 2009", "2009-04-21", "the 111th day of 2009"),
    ("en: the 34th day of 2009", "2009-04-23", "the 113th day of 2009"),
    ("en: the 34th day of 2009", "2012-02-01", "the 32nd day of 2012"),
    ("fr: 3 février 2009", "1968-08-22", "22 août 1968"),
    ("fr: le 3 février 2009", "2009-03-01", "le 1er mars 2009"),
    ("fr: le 3 février 2009", "2009-03-03", "le 3 mars 2009"),
    ("fr: 3 févr. 2009", "1789-07-14", "14 juill. 1789"),
    ("fr: mardi 3 février 2009", "1944-06-06", "mardi 6 juin 1944"),
    ("fr: Mardi 3 février 2009", "1918-11-11", "Lundi 11 novembre 1918"),
    ("fr: le mardi 3 février 2009", "1969-07-20", "le dimanche 20 juillet 1969"),
    ("fr: mar. 3 févr. 2009", "2000-01-01", "sam. 1er janv. 2000"),
    ("fr: le 3 février de l'an 2009", "2000-12-31", "le 31 décembre de l'an 2000"),
    ("fr: en l'an 2009, le 3 février", "2000-02-29", "en l'an 2000, le 29 février"),
    ("fr: le trois février 2009", "2009-10-01", "le premier octobre 2009"),
    ("fr: le trois février 2009", "2015-05-31", "le trente et un mai 2015"),
    ("fr: mardi trois février 2009", "1989-11-09", "jeudi neuf novembre 1989"),
    ("fr: 3 fevrier 2009", "1968-08-01", "1er aout 1968"),
    ("fr: 3 FÉVRIER 2009", "1968-08-22", "22 AOÛT 1968"),
    ("fr: 3 FEVRIER 2009", "1999-12-25", "25 DECEMBRE 1999"),
    ("fr: MARDI 3 FEVRIER 2009", "2012-02-29", "MERCREDI 29 FEVRIER 2012"),
    ("fr: mardi 03/02/2009", "2001-09-11", "mardi 11/09/2001"),
    ("fr: 3.2.2009", "1958-10-04", "4.10.1958"),
    ("fr: 3-2-2009", "1958-10-04", "4-10-1958"),
    ("fr: 3.II.2009", "1905-12-09", "9.XII.1905"),
    ("fr: 3-II-2009", "1936-06-03", "3-VI-1936"),
    ("fr: 3 II 2009", "1981-05-10", "10 V 1981"),
    ("fr: mardi de la semaine 6 de 2009", "2010-01-01", "vendredi de la semaine 53 de 2009"),
    ("fr: jour 34 de 2009", "2012-03-01", "jour 61 de 2012"),
    ("fr: le 34e jour de 2009", "2009-03-03", "le 62e jour de 2009"),
    ("fr: le 34e jour de 2009", "2100-01-01", "le 1er jour de 2100"),
    ("fr: quel jour est le 3 février 2009 ?", "2009-03-03", "quel jour est le 3 mars 2009 ?"),
    (
        "fr: quelle date est le mardi 3 février 2009 ?",
        "2024-02-29",
        "quelle date est le jeudi 29 février 2024 ?",
    ),
]

# The same texts as strftime gives them, which speaks English as long as nobody sets a locale.
STRFTIME = {
    "en: Tuesday, February 3, 2009": "%A, %B {d}, %Y",
    "en: Tue, 03 Feb 2009": "%a, %d %b %Y",
    "en: Tue Feb 3 2009": "%a %b {d} %Y",
    "en: Tue 2/3/2009": "%a {m}/{d}/%Y",
    "en: 2009-02-03": "%Y-%m-%d",
    "en: 2009/02/03": "%Y/%m/%d",
    "en: 20090203": "%Y%m%d",
    "en: 03-02-2009": "%d-%m-%Y",
    "en: 2009-W06-2": "%G-W%V-%u",
    "en: 2009W062": "%GW%V%u",
    "en: Tuesday of week 6, 2009": "%A of week {week}, %G",
    "en: 2009-034": "%Y-%j",
    "fr: 03/02/2009": "%d/%m/%Y",
    "fr: le 03/02/2009": "le %d/%m/%Y",
    "fr: 03.02.2009": "%d.%m.%Y",
    "fr: 03 02 2009": "%d %m %Y",
}


def days(year):
    first = datetime.date(year, 1, 1)
    return [first + k * DAY for k in range(366) if (first + k * DAY).year == year]


@pytest.mark.parametrize(("name", "iso", "text"), BY_HAND)
def test_by_hand(name, iso, text):
    assert BY_NAME[name].write(datetime.date.fromisoformat(iso)) == text


@given(date=st.dates(datetime.date(1900, 1, 1), datetime.date(2099, 12, 31)))
def test_as_strftime_has_it(date):
    numbers = {"d": date.day, "m": date.month, "week": date.isocalendar().week}
    for name, pattern in STRFTIME.items():
        assert BY_NAME[name].write(date) == date.strftime(pattern.format(**numbers))


def test_no_text_is_two_dates():
    dates_of = {}
    for year in (1900, 1912, 1999, 2000, 2001, 2009, 2010, 2012, 2020, 2099):
        for date in days(year):
            for style in STYLES:
                assert dates_of.setdefault(style.write(date), date) == date, style.name
    assert len(dates_of) > 3652 * 50  # the days of these years in styles that mostly differ


def test_texts_can_be_typed():
    for style in STYLES:
        for date in days(2012):
            text = style.write(date)
            assert text.isprintable()
            assert unicodedata.is_normalized("NFC", text)
            assert text == " ".join(text.split())
            assert text.isascii() or style.language == "fr"


def test_styles_are_many_and_all_different():
    assert len(STYLES) >= 45
    assert len(BY_NAME) == len(STYLES)
    assert len({tuple(map(style.write, days(2009))) for style in STYLES}) == len(STYLES)
    assert {style.language for style in STYLES} == {"en", "fr"}


def test_held_out_styles_write_what_no_other_style_does():
    assert len(set(HELD_OUT)) == 5
    assert set(HELD_OUT) <= set(BY_NAME)
    others = {style.write(date) for style in STYLES if style.name not in HELD_OUT for date in days(2009)}
    assert others.isdisjoint(BY_NAME[name].write(date) for name in HELD_OUT for date in days(2009))


def test_a_pair_is_a_date_in_a_style():
    for pair in date_pairs(2000, seed=1, part="train"):
        assert pair.style not in HELD_OUT
        assert pair.text == BY_NAME[pair.style].write(datetime.date.fromisoformat(pair.iso))
        assert "1900-01-01" <= pair.iso <= "2099-12-31"


def test_the_parts_share_no_date():
    training = {pair.iso for seed in range(3) for pair in date_pairs(20_000, seed, part="train")}
    testing = {pair.iso for seed in range(3) for pair in date_pairs(20_000, seed, part="test", styles=STYLES)}
    assert training.isdisjoint(testing)
    assert len(training) > 35_000
    assert len(testing) > 7_000  # of 73,049 dates, a tenth


def test_the_border_between_the_parts_never_moves():
    def in_test(ordinal):  # MurmurHash3's finaliser in whole numbers
        for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
            ordinal = (ordinal ^ ordinal >> 33) * factor % 2**64
        return (ordinal ^ ordinal >> 33) % 10 == 0

    span = {"first": datetime.date(2009, 1, 1), "last": datetime.date(2009, 12, 31)}
    for part in ("train", "test"):
        drawn = {pair.iso for pair in date_pairs(10_000, seed=0, part=part, **span)}
        assert drawn == {date.isoformat() for date in days(2009) if in_test(date.toordinal()) == (part == "test")}


def test_draws_are_uniform():
    pairs = list(date_pairs(59_000, seed=2, part="train"))
    assert len(styles_of("known")) == 59
    assert {style.name for style in styles_of("held out")} == set(HELD_OUT)
    assert set(STYLES) == {style for kind in ("known", "held out", "calendar") for style in styles_of(kind)}
    counts = Counter(pair.style for pair in pairs)
    assert len(counts) == 59
    assert all(abs(count - 1000) < 5 * 1000**0.5 for count in counts.values())
    decades = Counter(pair.iso[:3] for pair in pairs)
    assert len(decades) == 20
    assert all(abs(count - 2950) < 0.1 * 2950 for count in decades.values())


def test_the_seed_decides():
    pairs = list(date_pairs(100, seed=7, part="test"))
    assert pairs == list(date_pairs(100, seed=7, part="test"))
    assert pairs[:10] == list(date_pairs(10, seed=7, part="test"))
    assert pairs != list(date_pairs(100, seed=8, part="test"))
    assert list(date_pairs(0, seed=7, part="test")) == []


def test_styles_and_span_can_be_chosen():
    day = datetime.date(2009, 3, 3)
    pairs = date_pairs(2, seed=0, part="train", styles=[BY_NAME["fr: 3-II-2009"]], first=day, last=day)
    assert list(pairs) == [DatePair("3-III-2009", "2009-03-03", "fr: 3-II-2009")] * 2


def test_nothing_to_draw_from():
    day = datetime.date(2009, 3, 3)
    with pytest.raises(ConfigurationError, match="from 2009-03-03 to 2009-03-03 there is no date for test"):
        date_pairs(1, seed=0, part="test", first=day, last=day)
    with pytest.raises(ConfigurationError, match="there is no date for train"):
        date_pairs(1, seed=0, part="train", first=day, last=day - DAY)
    with pytest.raises(ConfigurationError, match="in 0 styles"):
        date_pairs(1, seed=0, part="train", styles=[])
    with pytest.raises(ConfigurationError, match="-1 pairs"):
        date_pairs(-1, seed=0, part="train")
    with pytest.raises(ConfigurationError, match="'dev' does not exist; the parts are train, test"):
        date_pairs(1, seed=0, part="dev")
