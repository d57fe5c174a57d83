"""conntrack's filter options, once for all commands that take them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import typer

from ctreplay.cli.common import fail

_PANEL = "Filters (as conntrack's)"
# option of ctreplay.text.filters: all spellings, help; a flag when it takes no value
_OPTIONS: dict[str, tuple[tuple[str, ...], str, str]] = {
    "p": (("-p", "--proto", "--protonum"), "PROTO", "Protocol: tcp, udp, icmp … or a number."),
    "s": (("-s", "--src", "--orig-src"), "IP[/N]", "Source of the original direction."),
    "d": (("-d", "--dst", "--orig-dst"), "IP[/N]", "Destination of the original direction."),
    "r": (("-r", "--reply-src"), "IP[/N]", "Source of the reply direction."),
    "q": (("-q", "--reply-dst"), "IP[/N]", "Destination of the reply direction."),
    "host": (("--host",), "IP[/N]", "Either end."),
    "sport": (("--sport", "--orig-port-src"), "PORT", "Source port: 80, 8000-8999 or 80,443."),
    "dport": (("--dport", "--orig-port-dst"), "PORT", "Destination port."),
    "port": (("--port",), "PORT", "Port of either end."),
    "reply-port-src": (("--reply-port-src",), "PORT", "Source port of the reply direction."),
    "reply-port-dst": (("--reply-port-dst",), "PORT", "Destination port of the reply direction."),
    "state": (("--state",), "STATE", "TCP or SCTP state; several with commas."),
    "u": (("-u", "--status"), "STATUS", "SEEN_REPLY, ASSURED, EXPECTED … all of them; or UNSET."),
    "m": (("-m", "--mark"), "MARK[/MASK]", "Connection mark."),
    "f": (("-f", "--family"), "FAMILY", "ipv4 or ipv6."),
    "w": (("-w", "--zone"), "ZONE", "Zone."),
    "id": (("--id",), "CONN_ID", "One entry."),
    "icmp-type": (("--icmp-type", "--icmpv6-type"), "N", "ICMP type."),
    "icmp-code": (("--icmp-code", "--icmpv6-code"), "N", "ICMP code."),
    "icmp-id": (("--icmp-id", "--icmpv6-id"), "N", "ICMP identifier."),
    "srckey": (("--srckey", "--orig-key-src"), "KEY", "GRE source key."),
    "dstkey": (("--dstkey", "--orig-key-dst"), "KEY", "GRE destination key."),
    "n": (("-n", "--src-nat"), "", "Only entries whose source was translated."),
    "g": (("-g", "--dst-nat"), "", "Only entries whose destination was translated."),
    "j": (("-j", "--any-nat"), "", "Only translated entries."),
}


def with_filters(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command the filter options; it gets them as the argument `filters`."""
    # its type is imported for checkers only
    function.__annotations__.pop("filters", None)
    signature = inspect.signature(function, eval_str=True)
    parameters = [one for one in signature.parameters.values() if one.name != "filters"]
    names = {}
    for option, (spellings, metavar, text) in _OPTIONS.items():
        name = "filter_" + option.replace("-", "_")
        names[name] = option
        if metavar:
            default: Any = typer.Option(None, *spellings, metavar=metavar, help=text, rich_help_panel=_PANEL)
            kind: Any = str | None
        else:
            default = typer.Option(False, *spellings, help=text, rich_help_panel=_PANEL)
            kind = bool
        parameters.append(inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind))

    def command(**arguments: Any) -> None:
        from ctreplay.text.filters import FilterError, Filters

        filters = Filters()
        try:
            for name, option in names.items():
                value = arguments.pop(name)
                if value is True:
                    filters.add(option, "")
                elif value is not None and value is not False:
                    filters.add(option, value)
        except FilterError as exc:
            fail(str(exc))
        function(**arguments, filters=filters)

    parameters = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in parameters]
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {one.name: one.annotation for one in parameters}
    command.__doc__ = function.__doc__
    command.__name__ = function.__name__
    return command
