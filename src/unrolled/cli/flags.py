"""The flags of ``unrolled train``, made from the configuration so that no name, default or help text stands twice."""

from __future__ import annotations

from dataclasses import field, fields, make_dataclass
from typing import Annotated, Any, get_type_hints

from cyclopts import Group, Parameter
from msgspec import Meta

from unrolled.training.config import TrainConfig, hints

GROUPS = {
    name: Group(name, sort_key=index) for index, name in enumerate(("Text", "Task", "Model", "Learning", "Length"))
}
GROUPS |= {name: Group(name, sort_key=10 + index) for index, name in enumerate(("Reports", "Run"))}


def _flag_types() -> list[tuple[str, Any, Any]]:
    plain = get_type_hints(TrainConfig)
    result: list[tuple[str, Any, Any]] = []
    for option in fields(TrainConfig):
        if option.name == "text":  # the positional argument
            continue
        meta = next(item for item in hints()[option.name].__metadata__ if isinstance(item, Meta) and item.description)
        assert meta.extra is not None  # every option has a group
        meaning = meta.description or ""
        default = "" if option.default in (None, "") else f" [default: {option.default}]"
        parameter = Parameter(help=f"{meaning[:1].upper()}{meaning[1:]}.{default}", group=GROUPS[meta.extra["group"]])
        result.append((option.name, Annotated[plain[option.name] | None, parameter], field(default=None)))
    return result


# None stands for "not given": an explicit flag wins over a file even where it repeats the default.
TrainFlags = make_dataclass("TrainFlags", _flag_types(), frozen=True)
TrainFlags.__module__ = __name__  # where cyclopts looks for the names in the annotations


def given(flags: Any) -> dict[str, Any]:
    """The flags that the user wrote."""
    if flags is None:
        return {}
    return {option.name: value for option in fields(flags) if (value := getattr(flags, option.name)) is not None}
