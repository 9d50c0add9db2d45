"""Dates as people write them in English and French, each with its ISO 8601 form: pairs to learn a translation from.

A style is a pattern of ``str.format`` over the fields of a date (``_fields``). A text tells its date by itself, without
the name of its style, and that decides what is left out:

- A month as a number stands after the day, as in Britain and France. The American 2/3/2009 is a day-first text too, so
  it appears only after an English weekday, where no other style has a number for the month.
- A year has four digits: '09 is 1909 or 2009, and nothing in a date tells which.
- Digits without separators are ISO's, year first.
"""

from __future__ import annotations

import datetime
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import ConfigurationError

Part = Literal["train", "test"]

# Styles are named by this date: its month has an accent and abbreviations, and its day and month differ.
EXAMPLE = datetime.date(2009, 2, 3)

ENGLISH_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
ENGLISH_ABBREVIATIONS = (
    *("Jan.", "Feb.", "March", "April", "May", "June"),
    *("July", "Aug.", "Sept.", "Oct.", "Nov.", "Dec."),
)
ENGLISH_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
ENGLISH_DAYS = (
    *("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"),
    *("eleventh", "twelfth", "thirteenth", "fourteenth", "fifteenth"),
    *("sixteenth", "seventeenth", "eighteenth", "nineteenth", "twentieth"),
    *("twenty-first", "twenty-second", "twenty-third", "twenty-fourth", "twenty-fifth"),
    *("twenty-sixth", "twenty-seventh", "twenty-eighth", "twenty-ninth", "thirtieth", "thirty-first"),
)
FRENCH_MONTHS = (
    *("janvier", "février", "mars", "avril", "mai", "juin"),
    *("juillet", "août", "septembre", "octobre", "novembre", "décembre"),
)
FRENCH_ABBREVIATIONS = (
    *("janv.", "févr.", "mars", "avr.", "mai", "juin"),
    *("juill.", "août", "sept.", "oct.", "nov.", "déc."),
)
FRENCH_WEEKDAYS = ("lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche")
FRENCH_DAYS = (
    *("premier", "deux", "trois", "quatre", "cinq", "six", "sept", "huit", "neuf", "dix"),
    *("onze", "douze", "treize", "quatorze", "quinze", "seize", "dix-sept", "dix-huit", "dix-neuf", "vingt"),
    *("vingt et un", "vingt-deux", "vingt-trois", "vingt-quatre", "vingt-cinq"),
    *("vingt-six", "vingt-sept", "vingt-huit", "vingt-neuf", "trente", "trente et un"),
)
ROMAN_MONTHS = ("I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII")


@dataclass(frozen=True)
class Style:
    """One way to write a date, named by its language ("en" or "fr") and what it makes of 3 February 2009.

    ``pattern`` is filled with the fields of a date, ``finish`` changes letters afterwards (``str.upper``, say).

    >>> style = STYLES[0]
    >>> style.name, style.write(datetime.date(2012, 2, 29))
    ('en: February 3, 2009', 'February 29, 2012')
    """

    name: str
    language: str
    pattern: str
    finish: Callable[[str], str] = str

    @property
    def takes_calendar(self) -> bool:
        """Are days or weeks counted through the year, so that no rule over letters tells the date?"""
        return any(field in self.pattern for field in ("week}", "week:", "of_year"))

    def write(self, date: datetime.date) -> str:
        """The date in this style."""
        return self.finish(self.pattern.format_map(_fields(date, self.language)))


@dataclass(frozen=True)
class DatePair:
    """A date as a person writes it, the same date as ISO 8601 has it (YYYY-MM-DD), and the name of the style."""

    text: str
    iso: str
    style: str


def date_pairs(
    count: int,
    seed: int,
    *,
    part: Part,
    styles: Sequence[Style] | None = None,
    first: datetime.date = datetime.date(1900, 1, 1),
    last: datetime.date = datetime.date(2099, 12, 31),
) -> Iterator[DatePair]:
    """``count`` pairs of one part, dates from ``first`` to ``last`` (inclusive) and styles drawn uniformly.

    The parts share no date, whatever the seeds: a fixed hash puts about a tenth of all days into "test" and the others
    into "train". ``styles`` None is all but HELD_OUT and those that take a calendar; whoever wants those names them, by
    ``styles_of``. The same arguments give the same pairs, and a smaller count the first of them.

    Raises:
        ConfigurationError: there is nothing to draw from.

    >>> day = datetime.date(2009, 3, 3)
    >>> next(date_pairs(1, seed=0, part="train", styles=STYLES[:1], first=day, last=day))
    DatePair(text='March 3, 2009', iso='2009-03-03', style='en: February 3, 2009')
    """
    chosen = styles_of("known") if styles is None else tuple(styles)
    if part not in get_args(Part):
        raise ConfigurationError(f"a part {part!r} does not exist; the parts are {', '.join(get_args(Part))}")
    if count < 0 or seed < 0 or not chosen:
        raise ConfigurationError(
            f"{count} pairs in {len(chosen)} styles, seed {seed}: ask for at least 0 pairs in at least 1 style, and a "
            "seed from 0"
        )
    days = np.arange(first.toordinal(), last.toordinal() + 1)
    days = days[_in_test(days) == (part == "test")]
    if not len(days):
        raise ConfigurationError(f"from {first} to {last} there is no date for {part}; give a longer span")
    rng = np.random.Generator(np.random.PCG64(seed))
    return (_pair(int(days[rng.integers(len(days))]), chosen[rng.integers(len(chosen))]) for _ in range(count))


def styles_of(kind: Literal["known", "held out", "calendar"]) -> tuple[Style, ...]:
    """The styles to learn from, the five that are only tested, or those that take a calendar.

    >>> [len(styles_of(kind)) for kind in ("known", "held out", "calendar")]
    [59, 5, 9]
    """
    kinds = {style: "calendar" if style.takes_calendar else "known" for style in STYLES}
    kinds |= {style: "held out" for style in STYLES if style.name in HELD_OUT}
    return tuple(style for style in STYLES if kinds[style] == kind)


def _pair(ordinal: int, style: Style) -> DatePair:
    date = datetime.date.fromordinal(ordinal)
    return DatePair(style.write(date), date.isoformat(), style.name)


def _in_test(ordinals: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which days are for testing: those whose hash, the last step of MurmurHash3 (fmix64), is a multiple of ten."""
    h = ordinals.astype(np.uint64)
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        h = (h ^ (h >> np.uint64(33))) * np.uint64(factor)
    return np.asarray((h ^ (h >> np.uint64(33))) % np.uint64(10) == 0)


def _fields(date: datetime.date, language: str) -> dict[str, str | int]:
    """What a pattern may name. ``nth`` and ``words`` are the day as the language reads it aloud; ``iso_year`` is the
    year that an ISO week belongs to, which around New Year may be another one."""
    iso_year, week, iso_weekday = date.isocalendar()
    day_of_year = date.timetuple().tm_yday
    fields = _english(date, day_of_year) if language == "en" else _french(date, day_of_year)
    return fields | {
        "d": date.day,
        "m": date.month,
        "y": f"{date.year:04}",
        "roman": ROMAN_MONTHS[date.month - 1],
        "day_of_year": day_of_year,
        "iso_year": f"{iso_year:04}",
        "week": week,
        "iso_weekday": iso_weekday,
    }


def _english(date: datetime.date, day_of_year: int) -> dict[str, str | int]:
    month, weekday = ENGLISH_MONTHS[date.month - 1], ENGLISH_WEEKDAYS[date.weekday()]
    return {
        "month": month,
        "mon": month[:3],
        "mon_dot": ENGLISH_ABBREVIATIONS[date.month - 1],
        "weekday": weekday,
        "wd": weekday[:3],
        "nth": _english_ordinal(date.day),
        "nth_of_year": _english_ordinal(day_of_year),
        "words": ENGLISH_DAYS[date.day - 1],
    }


def _french(date: datetime.date, day_of_year: int) -> dict[str, str | int]:
    weekday = FRENCH_WEEKDAYS[date.weekday()]
    return {
        "month": FRENCH_MONTHS[date.month - 1],
        "mon": FRENCH_ABBREVIATIONS[date.month - 1],
        "weekday": weekday,
        "wd": f"{weekday[:3]}.",
        "nth": "1er" if date.day == 1 else date.day,  # of all days of the month, only the first has an ordinal
        "nth_of_year": "1er" if day_of_year == 1 else f"{day_of_year}e",
        "words": FRENCH_DAYS[date.day - 1],
    }


def _english_ordinal(number: int) -> str:
    teens = number % 100 in (11, 12, 13)
    return f"{number}{'th' if teens else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"


def _without_accents(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))


def _capitals_without_accents(text: str) -> str:
    return _without_accents(text).upper()


def _styles(language: str, *patterns: str, finish: Callable[[str], str] = str) -> Iterator[Style]:
    for pattern in patterns:
        style = Style("", language, pattern, finish)
        yield replace(style, name=f"{language}: {style.write(EXAMPLE)}")


STYLES: tuple[Style, ...] = (
    *_styles("en", "{month} {d}, {y}", "{month} {d} {y}", "{mon} {d}, {y}", "{mon_dot} {d}, {y}", "{y} {month} {d}"),
    *_styles("en", "{d} {month} {y}", "{d} {mon} {y}", "{d}-{mon}-{y}", "{d:02}/{mon}/{y}", "{y}-{mon}-{d:02}"),
    *_styles("en", "{nth} {month} {y}", "{month} {nth}, {y}", "{mon} {nth} {y}"),
    *_styles("en", "the {nth} of {month} {y}", "the {nth} of {month}, {y}", "the {nth} of {month} in the year {y}"),
    *_styles("en", "in the year {y}, on {month} {d}", "the {words} of {month} {y}", "{month} the {words}, {y}"),
    *_styles("en", "{weekday}, {month} {d}, {y}", "{weekday} {d} {month} {y}", "{weekday} the {nth} of {month}, {y}"),
    *_styles("en", "{wd}, {d:02} {mon} {y}", "{wd} {mon} {d} {y}", "{wd} {m}/{d}/{y}"),  # the last one is American
    *_styles("en", "{month} {d}, {y}", "{d} {mon} {y}", "{weekday}, {month} {d}, {y}", finish=str.lower),
    *_styles("en", "{month} {d}, {y}", "{d:02}{mon}{y}", finish=str.upper),
    *_styles("en", "which day is the {nth} of {month} {y}?", "when is {month} {d}, {y}?"),
    *_styles("en", "{d}/{m}/{y}", "{d:02}-{m:02}-{y}", "{y}/{m:02}/{d:02}", "{y}-{m:02}-{d:02}", "{y}{m:02}{d:02}"),
    *_styles("en", "{iso_year}-W{week:02}-{iso_weekday}", "{iso_year}W{week:02}{iso_weekday}"),
    *_styles("en", "{weekday} of week {week}, {iso_year}"),
    *_styles("en", "{y}-{day_of_year:03}", "day {day_of_year} of {y}", "the {nth_of_year} day of {y}"),
    *_styles("fr", "{nth} {month} {y}", "le {nth} {month} {y}", "{nth} {mon} {y}"),
    *_styles("fr", "le {nth} {month} de l'an {y}", "en l'an {y}, le {nth} {month}", "le {words} {month} {y}"),
    *_styles("fr", "{weekday} {nth} {month} {y}", "le {weekday} {nth} {month} {y}", "{weekday} {words} {month} {y}"),
    *_styles("fr", "{wd} {nth} {mon} {y}", "{weekday} {d:02}/{m:02}/{y}"),
    *_styles("fr", "{weekday} {nth} {month} {y}", finish=str.capitalize),
    *_styles("fr", "{nth} {month} {y}", finish=_without_accents),
    *_styles("fr", "{nth} {month} {y}", finish=str.upper),
    *_styles("fr", "{nth} {month} {y}", "{weekday} {nth} {month} {y}", finish=_capitals_without_accents),
    *_styles("fr", "quel jour est le {nth} {month} {y} ?", "quelle date est le {weekday} {nth} {month} {y} ?"),
    *_styles("fr", "{d:02}/{m:02}/{y}", "le {d:02}/{m:02}/{y}", "{d:02}.{m:02}.{y}", "{d}.{m}.{y}", "{d}-{m}-{y}"),
    *_styles("fr", "{d:02} {m:02} {y}", "{d}.{roman}.{y}", "{d}-{roman}-{y}", "{d} {roman} {y}"),
    *_styles("fr", "{weekday} de la semaine {week} de {iso_year}"),
    *_styles("fr", "jour {day_of_year} de {y}", "le {nth_of_year} jour de {y}"),
)

# Each recombines what the other styles show, and none of its texts is a text of another style.
HELD_OUT: tuple[str, ...] = (
    "en: February 3rd, 2009",
    "en: Tuesday 3 February 2009",
    "fr: le mardi 3 février 2009",
    "fr: mardi trois février 2009",
    "fr: 3-II-2009",
)
