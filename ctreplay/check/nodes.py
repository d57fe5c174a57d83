"""YAML text as a tree that knows where everything stands; scalars by the YAML 1.2 core rules (`no` is a text)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

_NULL = {"", "~", "null", "Null", "NULL"}
_TRUE = {"true", "True", "TRUE"}
_FALSE = {"false", "False", "FALSE"}
_INT = re.compile(r"[-+]?[0-9]+\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
_PLAIN_TAGS = {
    f"tag:yaml.org,2002:{name}"
    for name in ("str", "int", "float", "bool", "null", "timestamp", "map", "seq", "merge", "value")
}


class CheckFileError(Exception):
    """A check file that cannot be used: `where` is `file:line` (or the file), the text says what to write instead."""

    def __init__(self, path: str, line: int | None, message: str) -> None:
        self.path = path
        self.line = line
        self.message = message
        super().__init__(f"{path}:{line}: {message}" if line else f"{path}: {message}")


@dataclass(slots=True)
class Node:
    """A value of the file: `value` is a dict of Nodes, a list of Nodes, or a scalar.

    `line` and `column` count from 1; `start` and `end` are positions in the text; `block`: a | or > scalar.
    """

    value: Any
    line: int
    column: int
    start: int
    end: int
    block: bool = False

    @property
    def kind(self) -> str:
        """What the value is, in the words of an error message."""
        match self.value:
            case dict():
                return "a mapping"
            case list():
                return "a list"
            case bool():
                return "true or false"
            case None:
                return "nothing"
            case str():
                return "a text"
        return "a number"


def scalar(text: str) -> str | int | float | bool | None:
    """A plain (unquoted) scalar's value."""
    if text in _NULL:
        return None
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    if _INT.match(text) and len(text) < 300:
        return int(text)
    if _FLOAT.match(text):
        return float(text)
    return text


def parse(text: str, path: str) -> Node | None:
    """The document of the text, None when it is empty. Raises CheckFileError."""
    import yaml

    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        root = yaml.compose(text, Loader=loader)
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        line = mark.line + 1 if mark else None
        raise CheckFileError(path, line, f"not valid YAML: {_hint(exc.problem or str(exc), text, line)}") from None
    except yaml.YAMLError as exc:
        position = getattr(exc, "position", None)
        line = text.count("\n", 0, position) + 1 if isinstance(position, int) else None
        reason = getattr(exc, "reason", None) or str(exc).splitlines()[0]
        raise CheckFileError(path, line, f"not valid YAML: {reason}") from None
    except RecursionError:
        raise CheckFileError(path, None, "not a check file: nested too deeply") from None
    return None if root is None else _convert(root, path, {}, 0)


def _hint(problem: str, text: str, line: int | None) -> str:
    lines = text.splitlines()
    at = lines[line - 1] if line and line <= len(lines) else ""
    if "\t" in at[: len(at) - len(at.lstrip())] or ("cannot start any token" in problem and "\t" in at):
        return "the line is indented with a tab; YAML wants spaces"
    if "mapping values are not allowed" in problem:
        return f"{problem}; put quotes around a text that holds ': '"
    if "could not find expected ':'" in problem:
        return f"{problem}; a ':' is missing here or on the line before"
    if "did not find expected" in problem or "expected <block end>" in problem:
        return f"{problem}; compare the indentation with the lines before"
    return problem


def _convert(node: Any, path: str, done: dict[int, Node | None], depth: int) -> Node:
    import yaml

    line, column = node.start_mark.line + 1, node.start_mark.column + 1
    if id(node) in done:
        found = done[id(node)]
        if found is None:
            raise CheckFileError(path, line, "an alias (*) that contains itself")
        return found
    if depth > 20:
        raise CheckFileError(path, line, "nested too deeply for a check file")
    if node.tag not in _PLAIN_TAGS:
        raise CheckFileError(path, line, f"the tag {node.tag!r} is not supported; write the plain value")
    done[id(node)] = None
    value: Any
    if isinstance(node, yaml.MappingNode):
        value = {}
        for key_node, value_node in node.value:
            at = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                raise CheckFileError(path, at, "a key has to be a plain text")
            key = key_node.value
            if key in value:
                raise CheckFileError(path, at, f"{key!r} stands here a second time; keep one of the two")
            value[key] = _convert(value_node, path, done, depth + 1)
            value[key].line = min(value[key].line, at) if value_node.start_mark.line + 1 >= at else value[key].line
    elif isinstance(node, yaml.SequenceNode):
        value = [_convert(one, path, done, depth + 1) for one in node.value]
    else:
        value = node.value if node.style else scalar(node.value)
        result = Node(value, line, column, node.start_mark.index, node.end_mark.index, node.style in ("|", ">"))
        done[id(node)] = result
        return result
    end = node.end_mark.index
    if not node.flow_style and value:
        # the mark of a block stands at the next token, behind comments that are not its own
        end = max(one.end for one in (value.values() if isinstance(value, dict) else value))
    result = Node(value, line, column, node.start_mark.index, end)
    done[id(node)] = result
    return result
