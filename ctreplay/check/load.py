"""Check file text to model; every error names file and line and says what to write instead."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from ctreplay.check.expect import COUNTERS, FORMS, MODIFIERS, REASON_COUNTERS, is_counter
from ctreplay.check.model import Assertion, CheckFile, Count, Expect, Expected, Group, Options
from ctreplay.check.nodes import CheckFileError, Node, parse
from ctreplay.check.tables import NULL, parse_csv
from ctreplay.dataset import LEVELS
from ctreplay.sql import library
from ctreplay.tracker import sysctl

FILE_KEYS = ("checks", "sysctls", "packets", "helpers")
GROUP_KEYS = ("captures", "assert", "name", "merge", "sysctls", "packets", "helpers")
ASSERTION_KEYS = ("name", "expect", "sql", "query", "parameters", "equals", "equals_file", "ordered")
_PARTNERS = {"parameters": "`query`"}
_DIGITS = r"([0-9][0-9_,]{0,99})"
_COUNT = re.compile(rf"\s*(==|=|!=|>=|<=|>|<)?\s*{_DIGITS}\s*\Z")
_RANGE = re.compile(rf"\s*{_DIGITS}\s*\.\.\s*{_DIGITS}\s*\Z")


def is_check_file(path: Path) -> bool:
    """Whether the name is that of a check file: `ctreplay.yaml`, `*.ctreplay.yaml` (or .yml)."""
    name = path.name
    return name in ("ctreplay.yaml", "ctreplay.yml") or name.endswith((".ctreplay.yaml", ".ctreplay.yml"))


def load(path: Path, shown: str | None = None) -> CheckFile:
    """Read a check file. Raises CheckFileError."""
    name = shown if shown is not None else os.fspath(path)
    try:
        data = path.read_bytes()
    except OSError as exc:
        raise CheckFileError(name, None, exc.strerror or str(exc)) from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = data.count(b"\n", 0, exc.start) + 1
        raise CheckFileError(name, line, "not UTF-8; save the file as UTF-8") from None
    return parse_text(text, path, name)


def parse_text(text: str, path: Path, shown: str) -> CheckFile:
    """The check file that `path` would be with this text. Raises CheckFileError."""
    return _Loader(path, shown).file(text)


class _Loader:
    def __init__(self, path: Path, shown: str) -> None:
        self.path = path
        self.shown = shown

    def fail(self, node: Node, message: str) -> CheckFileError:
        return CheckFileError(self.shown, node.line, message)

    def mapping(self, node: Node, keys: Iterable[str], what: str) -> dict[str, Node]:
        keys = tuple(keys)
        if not isinstance(node.value, dict):
            raise self.fail(node, f"{what} has to be a mapping with {_any(keys)}, not {node.kind}")
        for key, one in node.value.items():
            if key not in keys:
                raise self.fail(one, f"{what} has no {key!r}{_near(key, keys)}")
        found: dict[str, Node] = node.value
        return found

    def text(self, node: Node, what: str) -> str:
        if not isinstance(node.value, str) or not node.value.strip():
            raise self.fail(node, f"{what} has to be a text, not {node.kind if node.value != '' else 'empty'}")
        if "\x00" in node.value:
            raise self.fail(node, f"{what} holds a NUL character")
        return node.value

    def flag(self, node: Node, what: str) -> bool:
        if not isinstance(node.value, bool):
            raise self.fail(node, f"{what} has to be true or false, not {_quote(node)}")
        return node.value

    def texts(self, node: Node, what: str) -> list[Node]:
        """A text or a list of texts, at least one."""
        found = node.value if isinstance(node.value, list) else [node]
        if not found:
            raise self.fail(node, f"{what} is an empty list")
        for one in found:
            self.text(one, what)
        return found

    def file(self, text: str) -> CheckFile:
        root = parse(text, self.shown)
        if root is None or root.value is None:
            raise CheckFileError(
                self.shown, None, "empty; write `checks:`, or let `ctreplay check --init CAPTURE` write it"
            )
        top = self.mapping(root, FILE_KEYS, "a check file")
        if "checks" not in top:
            raise self.fail(root, "`checks:` is missing: a list of captures with what must hold for them")
        checks = top["checks"]
        if not isinstance(checks.value, list) or not checks.value:
            raise self.fail(checks, f"`checks` has to be a list of `- captures: …` items, not {_empty(checks)}")
        base = self.options(top, Options())
        groups = tuple(self.group(one, base) for one in checks.value)
        return CheckFile(self.path, self.shown, text, groups)

    def options(self, found: dict[str, Node], base: Options) -> Options:
        sysctls = dict(base.sysctls)
        packets, helpers = base.packets, base.helpers
        if "sysctls" in found:
            node = found["sysctls"]
            if not isinstance(node.value, dict):
                raise self.fail(node, f"`sysctls` has to be a mapping of names to numbers, not {node.kind}")
            for name, one in node.value.items():
                if isinstance(one.value, bool) or not isinstance(one.value, (int, str)):
                    raise self.fail(one, f"{name}: a sysctl's value has to be a whole number, not {_quote(one)}")
                try:
                    sysctls.update(sysctl.parse([f"{name}={one.value}"]))
                except sysctl.SysctlError as exc:
                    raise self.fail(one, str(exc)) from None
        if "packets" in found:
            node = found["packets"]
            if node.value not in LEVELS:
                raise self.fail(node, f"`packets` has to be {_any(LEVELS)}, not {_quote(node)}")
            packets = node.value
        if "helpers" in found:
            helpers = tuple(self.text(one, "`helpers`") for one in self.texts(found["helpers"], "`helpers`"))
            self.helpers(helpers, found["helpers"])
        return Options(tuple(sorted(sysctls.items())), packets, helpers)

    def helpers(self, specs: tuple[str, ...], node: Node) -> None:
        from ctreplay.helpers.registry import HelperError
        from ctreplay.helpers.registry import parse as parse_helpers

        try:
            parse_helpers(specs)
        except HelperError as exc:
            raise self.fail(node, str(exc)) from None

    def group(self, node: Node, base: Options) -> Group:
        found = self.mapping(node, GROUP_KEYS, "an item of `checks`")
        patterns = (
            tuple((one.value, one.line) for one in self.texts(found["captures"], "`captures`"))
            if "captures" in found
            else ()
        )
        if "assert" not in found:
            raise self.fail(node, "`assert:` is missing: the list of what must hold for these captures")
        asserted = found["assert"]
        if not isinstance(asserted.value, list) or not asserted.value:
            raise self.fail(
                asserted,
                f"`assert` has to be a list of `- expect: …`, `- sql: …` or `- query: …`, not {_empty(asserted)}",
            )
        assertions = tuple(self.assertion(one) for one in asserted.value)
        seen: dict[str, int] = {}
        for one in assertions:
            if one.name in seen:
                raise CheckFileError(
                    self.shown,
                    one.line,
                    f"{one.name!r} is also the name of the assertion in line {seen[one.name]}; give one a `name:`",
                )
            seen[one.name] = one.line
        return Group(
            line=node.line,
            patterns=patterns,
            options=self.needed(assertions, self.options(found, base), found),
            assertions=assertions,
            name=self.text(found["name"], "`name`") if "name" in found else "",
            merge=self.flag(found["merge"], "`merge`") if "merge" in found else False,
        )

    def assertion(self, node: Node) -> Assertion:
        found = self.mapping(node, ASSERTION_KEYS, "an assertion")
        kinds = [key for key in ("expect", "sql", "query") if key in found]
        if len(kinds) != 1:
            problem = "has none of" if not kinds else "has more than one of"
            raise self.fail(
                node,
                f"an assertion {problem} `expect`, `sql` and `query`; write one, further ones as items of their own",
            )
        kind = kinds[0]
        for key in ("equals", "equals_file", "ordered", "parameters"):
            if key in found and (kind == "expect" or (key == "parameters" and kind != "query")):
                raise self.fail(
                    found[key],
                    f"`{key}` does not go with `{kind}`, only with {_PARTNERS.get(key, '`sql` and `query`')}",
                )
        expect = sql = query = None
        default = ""
        if kind == "expect":
            expect = self.expect(found["expect"])
            default = describe(expect)
        elif kind == "sql":
            sql = self.text(found["sql"], "`sql`").strip().rstrip(";").strip()
            default = " ".join(sql.split())
        else:
            query = self.text(found["query"], "`query`")
            default = query
        parameters = self.parameters(found["parameters"]) if "parameters" in found else ()
        if query is not None:
            self.known(query, parameters, found)
        if parameters:
            default += " (" + ", ".join(f"{name}={value}" for name, value in parameters) + ")"
        name = self.text(found["name"], "`name`").strip() if "name" in found else default
        return Assertion(
            " ".join(name.split()), node.line, expect, sql, query, parameters, self.expected(found, node.column - 1)
        )

    def known(self, name: str, parameters: tuple[tuple[str, str], ...], found: dict[str, Node]) -> None:
        """The query exists, takes these parameters, and looks at one dataset."""
        try:
            query = library.load(name)
        except library.QueryError as exc:
            raise self.fail(found["query"], str(exc)) from None
        try:
            query.values(dict(parameters))
        except library.QueryError as exc:
            raise self.fail(found["parameters"], str(exc)) from None
        if query.across == "runs":
            raise self.fail(found["query"], f"the query {name} compares replays; `ctreplay diff` does that")

    def needed(self, assertions: tuple[Assertion, ...], options: Options, found: dict[str, Node]) -> Options:
        """Every packet is kept when a named query needs them all."""
        for one in assertions:
            if one.query is not None and library.load(one.query).needs == "packets all":
                if "packets" in found and options.packets != "all":
                    raise self.fail(found["packets"], f"the query {one.query} needs every packet: write `packets: all`")
                return replace(options, packets="all")
        return options

    def parameters(self, node: Node) -> tuple[tuple[str, str], ...]:
        if not isinstance(node.value, dict):
            raise self.fail(node, f"`parameters` has to be a mapping of names to values, not {node.kind}")
        found = []
        for name, one in node.value.items():
            if isinstance(one.value, (dict, list)) or one.value is None:
                raise self.fail(one, f"parameter {name!r} has to be a text or a number, not {one.kind}")
            found.append((name, str(one.value).lower() if isinstance(one.value, bool) else str(one.value)))
        return tuple(found)

    def expect(self, node: Node) -> Expect:
        forms = tuple(FORMS)
        if isinstance(node.value, str):
            raise self.fail(
                node,
                f"`expect` has to be a mapping such as `{{invalid_packets: 0}}`, not a text{_near(node.value, forms)}",
            )
        found = self.mapping(node, (*forms, *MODIFIERS), "`expect`")
        given = [key for key in found if key in FORMS]
        if len(given) != 1:
            what = "needs one of" if not given else f"has {' and '.join(given)}; it takes one of"
            raise self.fail(node, f"`expect` {what} {_any(forms)}")
        form = FORMS[given[0]]
        value = found[given[0]]
        for key in found:
            if key in MODIFIERS and key not in form.modifiers:
                raise self.fail(found[key], f"`{key}` does not go with `{given[0]}`")
        where = self.text(found["where"], "`where`").strip() if "where" in found else ""
        empty_ok = self.flag(found["empty_ok"], "`empty_ok`") if "empty_ok" in found else False
        count: Count | None = None
        values: tuple[str, ...] = ()
        condition = ""
        if form.takes == "count":
            count = self.count(value, given[0])
        elif form.takes == "values":
            values = tuple(one.value for one in self.texts(value, f"`{given[0]}`"))
        elif form.takes == "condition":
            condition = self.text(value, f"`{given[0]}`").strip()
        else:
            values = (self.text(value, f"`{given[0]}`"),)
            if not is_counter(values[0]):
                near = _near(values[0], (*COUNTERS, *REASON_COUNTERS), (*COUNTERS, "reason.NAME"))
                raise self.fail(value, f"the table stats has no counter {values[0]!r}{near}")
            if "is" not in found:
                raise self.fail(node, f"`{given[0]}` needs an `is:`, for example `is: 0`")
            count = self.count(found["is"], "is")
        return Expect(given[0], count, values, condition, where, empty_ok)

    def count(self, node: Node, what: str) -> Count:
        value = node.value
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return Count(str(value), value, value)
        if isinstance(value, str):
            if match := _COUNT.match(value):
                number = int(match[2].replace(",", "").replace("_", ""))
                text = " ".join(value.split())
                match match[1]:
                    case ">=":
                        return Count(text, low=number)
                    case "<=":
                        return Count(text, high=number)
                    case ">":
                        return Count(text, low=number + 1)
                    case "<":
                        return Count(text, high=number - 1)
                    case "!=":
                        return Count(text, unequal=number)
                return Count(str(number), number, number)
            if match := _RANGE.match(value):
                low, high = (int(one.replace(",", "").replace("_", "")) for one in match.groups())
                if low <= high:
                    return Count(f"{low}..{high}", low, high)
        raise self.fail(
            node, f"`{what}` has to be a number or a comparison such as '>= 3', '< 100' or '3..5', not {_quote(node)}"
        )

    def expected(self, found: dict[str, Node], indent: int) -> Expected | None:
        ordered = self.flag(found["ordered"], "`ordered`") if "ordered" in found else False
        if "equals" in found and "equals_file" in found:
            raise self.fail(found["equals_file"], "`equals` and `equals_file` exclude each other")
        if "equals_file" in found:
            return self.csv_file(found["equals_file"], ordered)
        if "equals" in found:
            return self.inline(found["equals"], ordered, indent)
        if "ordered" in found:
            raise self.fail(found["ordered"], "`ordered` needs `equals` or `equals_file`")
        return None

    def csv_file(self, node: Node, ordered: bool) -> Expected:
        file = self.path.parent / self.text(node, "`equals_file`")
        try:
            columns, rows = parse_csv(file.read_text(encoding="utf-8-sig"))
        except FileNotFoundError:
            return Expected((), (), ordered, file, missing=True)
        except (ValueError, OSError) as exc:
            raise self.fail(node, f"{node.value}: {getattr(exc, 'strerror', None) or exc}") from None
        if not columns:
            raise self.fail(
                node, f"{node.value}: no header line with the column names; `ctreplay check --update` writes it"
            )
        return Expected(columns, rows, ordered, file)

    def inline(self, node: Node, ordered: bool, indent: int) -> Expected:
        place: dict[str, Any] = {"start": node.start, "end": node.end, "indent": indent}
        if node.value is None or node.value == "":
            return Expected((), (), ordered, missing=True, **place)
        if isinstance(node.value, str):
            if "\n" not in node.value.strip() and not node.block:
                raise self.fail(
                    node,
                    "`equals` has to be a table (`equals: |` and CSV lines below it); for a file write `equals_file`",
                )
            try:
                columns, rows = parse_csv(node.value)
            except ValueError as exc:
                raise self.fail(node, f"`equals`: {exc}") from None
            return Expected(columns, rows, ordered, **place)
        if isinstance(node.value, list) and all(isinstance(one.value, dict) for one in node.value) and node.value:
            columns = tuple(node.value[0].value)
            found = []
            for one in node.value:
                if set(one.value) != set(columns):
                    raise self.fail(
                        one, f"this row has {_any(tuple(one.value), 'and')}, the first has {_any(columns, 'and')}"
                    )
                found.append(tuple(_cell(one.value[name]) for name in columns))
            return Expected(columns, tuple(found), ordered, **place)
        raise self.fail(node, f"`equals` has to be CSV text (`equals: |`) or a list of rows, not {_empty(node)}")


def describe(expect: Expect) -> str:
    """The name of a short form that has none, in words."""
    return FORMS[expect.form].describe(expect)


def _cell(node: Node) -> str:
    match node.value:
        case None:
            return NULL
        case bool():
            return "true" if node.value else "false"
        case list():
            return "[" + ", ".join(_cell(one) for one in node.value) + "]"
    return str(node.value)


def _near(word: str, known: Iterable[str], shown: Iterable[str] | None = None) -> str:
    known = tuple(known)
    near = difflib.get_close_matches(word.replace("-", "_").replace(" ", "_").lower(), known, 1, 0.6)
    return f"; did you mean {near[0]!r}?" if near else f"; it takes {_any(tuple(shown or known))}"


def _any(words: tuple[str, ...], glue: str = "or") -> str:
    shown = [f"`{word}`" for word in words]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} {glue} {shown[-1]}" if shown else "nothing"


def _quote(node: Node) -> str:
    if isinstance(node.value, (dict, list)) or node.value is None:
        return node.kind
    return repr(node.value) if not isinstance(node.value, bool) else str(node.value).lower()


def _empty(node: Node) -> str:
    return f"{node.kind}" if node.value else "empty" if isinstance(node.value, (list, dict)) else node.kind
