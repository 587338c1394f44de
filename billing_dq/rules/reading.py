"""Rules of analysts, read from YAML files. What cannot be used is refused with the file, the line and the key."""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, time
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, NamedTuple

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from yaml.composer import ComposerError

from billing_dq.rules.kinds import KINDS
from billing_dq.rules.query_process import QUERIES, QueryError
from billing_dq.rules.sql import tables_of
from billing_dq.rules.suites import QUERY, SQL, Expectation, Rule, RuleError, Severity
from billing_dq.tables import TABLES, Column
from billing_dq.tables.sources import OF_MONGODB

_ORDERED = ("float64", "int64", "Int64", "time")
Text = Annotated[str, Field(min_length=1)]
Keys = tuple[str | int, ...]
#: What PyYAML raises of a text that is no value of its type: a date such as 2026-02-30, `!!bool x`, `!!timestamp x`.
_NO_VALUE = (ValueError, LookupError, AttributeError, TypeError, ArithmeticError)
#: The owner of a name that a check of ours has.
OWN_CHECKS = "billing_dq's own checks"


class _WithoutAliases(yaml.SafeLoader):
    """Reads YAML in which no part stands for another: a few lines of aliases can stand for more than a memory holds."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """A part of the file, as PyYAML composes it."""
        if self.check_event(yaml.AliasEvent):
            raise ComposerError(None, None, "an alias (*name) is not allowed", self.peek_event().start_mark)
        return super().compose_node(parent, index)


class _RuleText(BaseModel):
    """A rule as it is written."""

    model_config = ConfigDict(extra="forbid", strict=True)
    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=100)]
    table: Text
    severity: Severity
    note: Text
    owner: Text
    expectation: Text | None = None
    arguments: dict[str, object] = Field(default_factory=dict[str, object])
    sql: Text | None = None


class _Written(NamedTuple):
    """A rule as plain data, and the line of each of its keys by the way to it."""

    path: Path
    data: object
    lines: Mapping[Keys, int]

    def refuse(self, keys: Keys, reason: str) -> RuleError:
        """The error about a key, at its line, or at that of what should hold it."""
        present = keys
        while present not in self.lines:
            present = present[:-1]
        return RuleError(f"{self.path}:{self.lines[present]}: {'.'.join(map(str, keys)) or 'rule'}: {reason}")


class FolderRules(NamedTuple):
    """The rules of a folder that can be used, and why the others cannot: a line each, with the file."""

    usable: tuple[Rule, ...] = ()
    refused: tuple[str, ...] = ()


def read_folder(folder: str | Path | None, reserved: Iterable[tuple[str, str]] = ()) -> FolderRules:
    """The rules of all files of a folder that end in .yaml or .yml, in the order of their names.

    A file that cannot be used is left out, and no other: the night must not hang on it.

    Args:
        folder: where they are; folders inside it are not looked at. None: there are none.
        reserved: names that no rule may have, as pairs of table and check.
    """
    if folder is None:
        return FolderRules()
    directory = Path(folder)
    if not directory.is_dir():
        return FolderRules(refused=(f"rules_folder: there is no folder {folder}",))
    usable, refused = list[Rule](), list[str]()
    owners = dict.fromkeys(reserved, OWN_CHECKS)
    for path in sorted(path for path in directory.iterdir() if path.suffix in (".yaml", ".yml")):
        try:
            rules = read_file(path, owners)
        except RuleError as error:
            refused.append(str(error))
        else:
            usable += rules
            owners |= {(rule.table, rule.name): rule.place for rule in rules}
    return FolderRules(tuple(usable), tuple(refused))


def read_file(path: Path, owners: Mapping[tuple[str, str], str] = MappingProxyType({})) -> list[Rule]:
    """The rules of a file: one mapping, or a list of them.

    Args:
        path: the file.
        owners: who has a name already, by table and check.

    Raises:
        RuleError: the file cannot be read, or a rule cannot be used.
    """
    try:
        root = yaml.compose(path.read_text(encoding="utf-8"), Loader=_WithoutAliases)
    except yaml.MarkedYAMLError as error:
        raise _unreadable(path, error, 1) from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise RuleError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    except RecursionError:
        raise RuleError(f"{path}: cannot be read: it is nested too deeply") from None
    nodes = root.value if isinstance(root, yaml.SequenceNode) else [] if root is None else [root]
    if not nodes:
        raise RuleError(f"{path}:1: there is no rule in it")
    rules, owners = list[Rule](), dict(owners)
    for node in nodes:
        written = _written(path, node)
        rule = _rule(written)
        owner = owners.setdefault((rule.table, rule.name), rule.place)
        if owner != rule.place:
            raise written.refuse(("name",), f"{rule.table} has a check {rule.name} already, of {owner}")
        rules.append(rule)
    return rules


def _unreadable(path: Path, error: yaml.MarkedYAMLError, line: int) -> RuleError:
    line = error.problem_mark.line + 1 if error.problem_mark else line
    return RuleError(f"{path}:{line}: not readable as YAML: {error.problem}")


def _written(path: Path, root: yaml.Node) -> _Written:
    lines: dict[Keys, int] = {(): root.start_mark.line + 1}

    def note_lines(node: yaml.Node, keys: Keys) -> None:
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                place = (*keys, str(key.value))
                if place in lines:
                    raise RuleError(f"{path}:{key.start_mark.line + 1}: {'.'.join(map(str, place))}: stands twice")
                lines[place] = key.start_mark.line + 1
                note_lines(value, place)
        elif isinstance(node, yaml.SequenceNode):
            for number, value in enumerate(node.value):
                lines[*keys, number] = value.start_mark.line + 1
                note_lines(value, (*keys, number))

    note_lines(root, ())
    try:
        return _Written(path, yaml.constructor.SafeConstructor().construct_document(root), lines)
    except yaml.MarkedYAMLError as error:
        raise _unreadable(path, error, lines[()]) from None
    except _NO_VALUE as error:
        raise RuleError(f"{path}:{lines[()]}: not readable as YAML: {error}") from None


def _rule(written: _Written) -> Rule:
    if not isinstance(written.data, dict):
        raise written.refuse((), "must be a mapping of keys and values")
    try:
        text = _RuleText.model_validate(written.data)
    except ValidationError as error:
        errors = error.errors(include_input=False, include_url=False)
        # a key that is misspelt is missing, too: the misspelling is the reason
        first = min(errors, key=lambda detail: detail["type"] != "extra_forbidden")
        unknown = f"unknown key; there are {', '.join(_RuleText.model_fields)}"
        raise written.refuse(first["loc"], unknown if first["type"] == "extra_forbidden" else first["msg"]) from None
    if text.table not in TABLES:
        raise written.refuse(("table",), f"there is no table {text.table}; docs/tables.md has their names")
    if (text.expectation is None) == (text.sql is None):
        raise written.refuse((), "a rule has either an expectation or sql")
    if text.sql is not None and text.arguments:
        raise written.refuse(("arguments",), "only an expectation has arguments")
    reads = _reads(written, text)
    late = [name for name in reads if name not in OF_MONGODB]
    if text.severity == "critical" and text.table in OF_MONGODB and late:
        reason = f"a critical rule about {text.table} is judged before {', '.join(late)} is there; use warning"
        raise written.refuse(("severity",), reason)
    kwargs = _arguments(written, text) if text.sql is None else {SQL: text.sql}
    meta = {"name": text.name, "owner": text.owner, "file": f"{written.path}:{written.lines[()]}"}
    notes = " ".join(text.note.split())
    return Rule(text.table, Expectation(text.expectation or QUERY, kwargs, text.severity, notes, meta), reads)


def _reads(written: _Written, text: _RuleText) -> tuple[str, ...]:
    if text.sql is None:
        return (text.table,)
    try:
        return tuple(dict.fromkeys([text.table, *QUERIES.call(tables_of, text.sql)]))
    except QueryError as error:
        raise written.refuse(("sql",), str(error)) from None


def _arguments(written: _Written, text: _RuleText) -> dict[str, object]:
    """The arguments of an expectation, held to what it takes and to the columns of its table."""
    kind = KINDS.get(str(text.expectation))
    if kind is None:
        raise written.refuse(("expectation",), f"there is no {text.expectation}; docs/rules.md has a list")
    for name in text.arguments:
        if name not in kind.arguments:
            raise written.refuse(("arguments", name), f"unknown; there are {', '.join(kind.arguments)}")
    for name in kind.required:
        if name not in text.arguments:
            raise written.refuse(("arguments", name), "missing")
    if kind.one_of and not any(name in text.arguments for name in kind.one_of):
        raise written.refuse(("arguments",), f"one of {', '.join(kind.one_of)} is needed")
    columns = _columns(written, text)
    for name, column in columns.items():
        if kind.ordered and column.dtype not in _ORDERED:
            raise written.refuse(("arguments", name), f"{column.name} is {column.dtype}: neither a number nor a time")
    bounds_are_times = kind.ordered and any(column.dtype == "time" for column in columns.values())
    values: dict[str, object] = {}
    for name, value in text.arguments.items():
        is_time = bounds_are_times and name in ("min_value", "max_value")
        is_sound, wording = _TIME if is_time else _ARGUMENTS.get(name, _ANYTHING)
        if not is_sound(value):
            raise written.refuse(("arguments", name), f"must be {wording}")
        values[name] = _instant(value) if isinstance(value, date) and is_time else value
    return values


def _columns(written: _Written, text: _RuleText) -> dict[str, Column]:
    """The columns that the arguments name, by the name of the argument."""
    columns: dict[str, Column] = {}
    for argument in ("column", "column_A", "column_B", "column_list"):
        value = text.arguments.get(argument, [])
        names = value if isinstance(value, list) else [value]
        if argument == "column_list" and argument in text.arguments and (value is not names or len(names) < 2):
            raise written.refuse(("arguments", argument), "must be a list of two columns at least")
        for name in names:
            if name not in TABLES[text.table].column_names:
                reason = f"{text.table} has no column {name}; it has {', '.join(TABLES[text.table].column_names)}"
                raise written.refuse(("arguments", argument), reason)
            columns[argument] = TABLES[text.table].column(str(name))
    return columns


def _is_regex(value: object) -> bool:
    try:
        re.compile(value if isinstance(value, str) else "(")
    except re.error:
        return False
    return True


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _instant(value: date) -> datetime:
    instant = value if isinstance(value, datetime) else datetime.combine(value, time.min)
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


_Check = tuple[Callable[[object], bool], str]
_ANYTHING: _Check = (lambda value: True, "")
_TIME: _Check = (
    lambda value: isinstance(value, date),
    "a date or an instant, such as 2026-11-21 or 2026-11-21T03:00:00Z",
)
#: What the value of an argument must be; columns are held to the table.
_ARGUMENTS: dict[str, _Check] = {
    **dict.fromkeys(("min_value", "max_value"), (_is_number, "a number")),
    "mostly": (
        lambda value: isinstance(value, int | float) and _is_number(value) and 0 <= value <= 1,
        "a number between 0 and 1",
    ),
    **dict.fromkeys(("strict_min", "strict_max", "or_equal"), (lambda value: isinstance(value, bool), "true or false")),
    "value_set": (lambda value: isinstance(value, list) and bool(value), "a list of values"),
    "regex": (_is_regex, "a regular expression, as text"),
}
