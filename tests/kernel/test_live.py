"""The kernel of this machine against ctreplay: the samples and a bounded amount of fresh random traffic.

Set CTREPLAY_SEED to repeat a run; the seed of a failing one is in its message.
"""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ctreplay.verify import CannotVerify, record_packets
from ctreplay.verify.run import verify_captures
from tests.traffic import build, generate
from tests.traffic.campaign import SETTINGS, damaged
from tests.traffic.minimise import judge

from .packets import load
from .record import scenarios

_SAMPLES = sorted((Path(__file__).parents[2] / "sample_pcaps").glob("*.pcap*"))
_SECONDS = 40
_SETTINGS = (*SETTINGS, {"nf_conntrack_checksum": 1})


@pytest.fixture(scope="module", autouse=True)
def _referee() -> None:
    try:
        list(record_packets([]))
    except CannotVerify as error:
        pytest.skip(f"no referee here: {error}")


@pytest.fixture(scope="module")
def deadline() -> Iterator[float]:
    yield time.monotonic() + _SECONDS


@pytest.mark.parametrize("sample", _SAMPLES, ids=lambda path: path.name)
def test_sample(sample: Path) -> None:
    # a sample that takes the referee longer is checked by hand: UDP's two seconds are slept
    planned = record_packets(_ip_packets(sample))
    for _ in planned:
        break
    planned.close()
    if planned.planned_s > 8:
        pytest.skip(f"would sleep {planned.planned_s:.0f} s for UDP's two-second rule")
    found = verify_captures([sample])
    assert not found.report.differences


@pytest.mark.parametrize("folder", scenarios(), ids=lambda folder: folder.name)
def test_scenario(folder: Path) -> None:
    """What was recorded once, this machine's kernel says too."""
    scenario = load(folder)
    assert not judge(scenario.packets, scenario.sysctls).differences


def test_damage_and_pipes() -> None:
    """What of a damaged capture is compared is said; a pipe, which is read twice, is kept."""
    sample = next(path for path in _SAMPLES if path.name == "truncated.pcap")
    for name in (str(sample), "-"):
        done = subprocess.run(
            [sys.executable, "-m", "ctreplay", "verify", name], input=sample.read_bytes(), capture_output=True,
            timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0 and b" 0 differences" in done.stdout, done.stderr
        assert b"frame 20, offset 3048" in done.stderr and b"the rest was not read" in done.stderr


def _ip_packets(sample: Path) -> list[tuple[int, int, bytes]]:
    from ctreplay.verify.inputs import ip_packets

    return ip_packets([sample])


@pytest.mark.parametrize("setting", _SETTINGS, ids=lambda setting: next(iter(setting), "default"))
def test_fresh_random_traffic(setting: dict[str, int], deadline: float) -> None:
    seed = int(os.environ.get("CTREPLAY_SEED", random.SystemRandom().randrange(1 << 32)))
    if time.monotonic() > deadline:
        pytest.skip(f"the {_SECONDS} s for fresh traffic are used up")
    print(f"seed {seed}")
    bad = 0.1 if setting.get("nf_conntrack_checksum") else 0.0
    packets = generate(seed, 1500, udp=0.02, bad_checksums=bad)
    report = judge(packets, {"nf_conntrack_checksum": 0, **setting})
    assert not report.differences, f"CTREPLAY_SEED={seed} with {setting}: {report.differences[:3]}"
    assert report.packets > 1000
    assert report.connections > 50


@pytest.mark.parametrize("setting", _SETTINGS[:2], ids=["default", "nf_conntrack_tcp_loose"])
def test_damaged_packets_of_the_samples(setting: dict[str, int], deadline: float) -> None:
    seed = int(os.environ.get("CTREPLAY_SEED", random.SystemRandom().randrange(1 << 32)))
    if time.monotonic() > deadline:
        pytest.skip(f"the {_SECONDS} s for fresh traffic are used up")
    print(f"seed {seed}")
    rng = random.Random(seed)
    whole = [data[:1400] for sample in _SAMPLES for _, _, data in _ip_packets(sample)[:300] if len(data) >= 20]
    begin = rng.randrange(len(whole) - 600)
    packets = [(10**18 + n * 5_000_000, damaged(rng, data)) for n, data in enumerate(whole[begin : begin + 600])]
    report = judge(packets, {"nf_conntrack_checksum": 0, **setting})
    assert not report.differences, f"CTREPLAY_SEED={seed} with {setting}: {report.differences[:3]}"
    assert report.packets > 500


def test_the_machine_keeps_nothing_of_a_killed_referee() -> None:
    devices = Path("/proc/net/dev").read_text().count("\n")
    recording = record_packets([])  # returns when the namespace is set up
    process = recording._process
    namespace = os.readlink(f"/proc/{process.pid}/ns/net")
    assert namespace != os.readlink("/proc/self/ns/net")
    process.kill()
    recording.close()
    assert namespace not in _namespaces()
    assert Path("/proc/net/dev").read_text().count("\n") == devices


@pytest.mark.parametrize("seconds", [0, 1_900_000])
def test_timeouts_that_the_referee_cannot_tell_are_refused(seconds: int) -> None:
    with pytest.raises(CannotVerify, match=f"nf_conntrack_udp_timeout={seconds}: only timeouts of 1 to 1899999 s"):
        record_packets([], {"nf_conntrack_udp_timeout": seconds})


_LIMITS = """
import contextlib
from ctreplay.tracker import sysctl
from ctreplay.verify import CannotVerify, namespace
namespace.enter()
for name in sysctl.DEFAULTS:
    highest = sysctl.highest(name)
    # how many jiffies a second has is another kernel's choice; what is not of the namespace is left alone
    if highest in (1, 2, 255):
        for value in (highest, highest + 1):
            with contextlib.suppress(CannotVerify):
                namespace.sysctl(f"net.netfilter.{name}", value)
                print(name, value - highest)
"""


def test_the_kernel_takes_the_same_highest_values() -> None:
    done = subprocess.run([sys.executable, "-c", _LIMITS], capture_output=True, text=True, timeout=60, check=True)
    lines = done.stdout.splitlines()
    assert len(lines) >= 9 and all(line.endswith(" 0") for line in lines), lines


def _namespaces() -> set[str]:
    found = set()
    for path in Path("/proc").glob("[0-9]*/ns/net"):
        with contextlib.suppress(OSError):  # a process that has ended meanwhile
            found.add(os.readlink(path))
    return found


def test_the_kernel_notices_a_wrong_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """A comparison that finds nothing must be able to find something: an answer altered on purpose is reported."""
    import tempfile

    from ctreplay.replaying import replay_to
    from ctreplay.verify.compare import compare
    from tests.traffic import pcap

    a, b = bytes((10, 0, 0, 1)), bytes((10, 0, 0, 2))
    packets = [(1, build.ip(a, b, build.TCP, build.tcp(1, 2, 100, 0, build.SYN, 1000)))]
    recording = record_packets([(1, 1, packets[0][1])], {"nf_conntrack_checksum": 0})
    answers = list(recording)
    answers[0].refreshed = 119
    with tempfile.TemporaryDirectory() as folder:
        capture = pcap.write(Path(folder) / "one.pcap", packets)
        replay_to([capture], Path(folder) / "out", sysctls={}, packets="all")
        report = compare(Path(folder) / "out", answers, recording.entries)
    assert [d.field for d in report.differences] == ["timeout"]


_HELPED = ("ftp_active", "ftp_ipv6", "ftp_passive", "irc_dcc", "sip_call", "tftp")
_CONTROL = Path(__file__).parents[1] / "helpers" / "golden"


@pytest.mark.parametrize("name", _HELPED)
def test_sample_with_helpers(name: str) -> None:
    report = verify_captures([next(path for path in _SAMPLES if path.name == f"{name}.pcap")], helpers=["all"]).report
    assert not report.differences
    assert report.expectations > 0


@pytest.mark.parametrize(("name", "helper"), [("ftp", "ftp"), ("sip", "sip"), ("pptp_calls", "pptp"), ("ras", "ras")])
def test_damaged_control_sessions(name: str, helper: str) -> None:
    """Refused messages, timers set anew, calls that end with their control connection."""
    report = verify_captures([_CONTROL / f"{name}.pcap.gz"], helpers=[helper]).report
    assert not report.differences
    assert report.expectations > 5


@pytest.mark.parametrize(
    ("udp_timeout", "gap_ns", "ctstate", "unused"),
    [
        (400, 299_999_999_999, "RELATED", []), (400, 300_000_000_000, "NEW", [(1, 10**18 + 300 * 10**9, "timeout")]),
        (30, 29_999_999_999, "RELATED", []), (30, 31_000_000_000, "NEW", [(1, 10**18 + 30 * 10**9, "master_gone")]),
    ],
)  # fmt: skip
def test_expectations_end_in_the_time_of_the_capture(
    udp_timeout: int, gap_ns: int, ctstate: str, unused: list[tuple[int, int, str]], tmp_path: Path
) -> None:
    from tests.traffic import pcap

    client, server = bytes((10, 0, 0, 1)), bytes((10, 0, 0, 2))
    ask = build.ip(client, server, build.UDP, build.udp(4000, 69, b"\0\1f\0octet\0"))
    answer = build.ip(server, client, build.UDP, build.udp(5000, 4000, b"\0\3\0\1x"))
    packets = [(10**18, ask), (10**18 + gap_ns, answer)]
    sysctls = {"nf_conntrack_checksum": 0, "nf_conntrack_udp_timeout": udp_timeout}
    told = list(record_packets([(n, *one) for n, one in enumerate(packets, 1)], sysctls, [("tftp", 17, 69)]))
    assert [one.ctstate for one in told] == ["NEW", ctstate]
    assert told[1].unused == unused
    capture = pcap.write(tmp_path / "tftp.pcap", packets)
    assert not verify_captures([capture], sysctls, ["tftp"]).report.differences


@pytest.mark.parametrize("seconds", [119, 120, 121, 1_900_000, 3_000_000])
def test_a_timer_set_anew_is_told_to_the_second(seconds: int, tmp_path: Path) -> None:
    from tests.traffic import pcap

    client, server = bytes((10, 0, 0, 1)), bytes((10, 0, 0, 2))

    def message(first: str) -> bytes:
        return (
            f"{first}\r\nVia: SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bK1\r\nFrom: <sip:a@10.0.0.2>;tag=1\r\n"
            f"To: <sip:a@10.0.0.2>\r\nCall-ID: 1@10.0.0.1\r\nCSeq: 1 REGISTER\r\nContact: <sip:a@10.0.0.1:5060>\r\n"
            f"Expires: {seconds}\r\nContent-Length: 0\r\n\r\n"
        ).encode()

    ask = build.udp(5060, 5060, message("REGISTER sip:10.0.0.2 SIP/2.0"))
    answer = build.udp(5060, 5060, message("SIP/2.0 200 OK"))
    packets = [
        (10**18, build.ip(client, server, build.UDP, ask)),
        (10**18 + 1, build.ip(server, client, build.UDP, answer)),
    ]
    told = list(record_packets([(n, *one) for n, one in enumerate(packets, 1)], {}, [("sip", 17, 5060)]))
    assert [(e.event, e.timeout_s) for one in told for e in one.expectations] == [("NEW", 180), ("REFRESH", seconds)]
    report = verify_captures([pcap.write(tmp_path / "register.pcap", packets)], helpers=["sip"]).report
    assert not report.differences


def test_control_connections_of_other_addresses_are_not_judged(tmp_path: Path) -> None:
    """The kernel gets a stand-in for ::1, and the payload still says ::1."""
    from tests.traffic import pcap

    here = bytes(15) + b"\1"
    segments = [
        (4000, 21, 1, 0, build.SYN, b""), (21, 4000, 1, 2, build.SYN | build.ACK, b""),
        (4000, 21, 2, 2, build.ACK, b""), (4000, 21, 2, 2, build.ACK | build.PSH, b"EPRT |2|::1|5555|\r\n"),
        (20, 5555, 1, 0, build.SYN, b""),
    ]  # fmt: skip
    packets = [
        (10**18 + n, build.ip(here, here, build.TCP, build.tcp(sport, dport, seq, ack, flags, 60000, data=data)))
        for n, (sport, dport, seq, ack, flags, data) in enumerate(segments)
    ]
    capture = pcap.write(tmp_path / "loopback.pcap", packets)
    assert verify_captures([capture]).report.packets == 5
    report = verify_captures([capture], helpers=["ftp"]).report
    assert not report.differences
    assert report.not_judged == {"a helper reads addresses in payloads that this machine cannot take from a device": 5}


def test_wrong_helpers_are_noticed(tmp_path: Path) -> None:
    """Each thing that a helper decides, altered on purpose in the kernel's answers, is reported; as is its absence."""
    from ctreplay.replaying import replay_to
    from ctreplay.verify.answers import KernelAnswer
    from ctreplay.verify.compare import compare

    sample = next(path for path in _SAMPLES if path.name == "ftp_active.pcap")
    recording = record_packets(_ip_packets(sample), {"nf_conntrack_checksum": 0}, [("ftp", 6, 21)])
    answers = list(recording)
    replay_to([sample], tmp_path / "out", sysctls={}, packets="all", helpers=["ftp"])
    announcing = next(a for a in answers if any(e.event == "NEW" for e in a.expectations))
    related = next(a for a in answers if a.ctstate == "RELATED")
    about = announcing.expectations[0].about
    assert about is not None

    def fields() -> set[str]:
        report = compare(tmp_path / "out", answers, recording.entries, recording.ended)
        return {difference.field for difference in report.differences}

    def altered(answer: KernelAnswer, **values: object) -> set[str]:
        kept = {name: getattr(answer, name) for name in values}
        for name, value in values.items():
            setattr(answer, name, value)
        found = fields()
        for name, value in kept.items():
            setattr(answer, name, value)
        return found

    assert fields() == set()
    assert altered(related, ctstate="NEW") == {"ctstate"}
    assert altered(announcing, dropped=True) == {"dropped"}
    assert altered(announcing, expectations=[]) >= {"expectations"}
    last = [answer for answer in answers if answer.conn == related.conn and answer.left_ns is not None][-1]
    assert altered(last, helper="irc") == {"helper"}
    assert altered(last, master=None) == {"master"}
    assert altered(answers[-1], unused=[(1, 5, "timeout")]) == set()  # it was used before
    for place, wrong in ((5, "10.9.9.9"), (6, 1), (7, "irc"), (8, 3)):
        kept, about[place] = about[place], wrong
        assert fields() == {"expectations"}, place
        about[place] = kept
    event = announcing.expectations[0]
    event.timeout_s = 299
    assert fields() == {"expectations"}
    replay_to([sample], tmp_path / "none", sysctls={}, packets="all")
    report = compare(tmp_path / "none", answers, recording.entries, recording.ended)
    assert {"ctstate", "expectations", "helper", "master"} <= {difference.field for difference in report.differences}


def test_a_helper_that_the_kernel_has_not_is_named() -> None:
    with pytest.raises(CannotVerify, match="no helper nosuch; load its module: modprobe nf_conntrack_nosuch"):
        record_packets([], {}, [("nosuch", 6, 21)])


def test_an_unknown_helper_is_a_usage_error() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ctreplay", "verify", str(_SAMPLES[0]), "--helper", "ftpp"], capture_output=True,
        text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "unknown helper 'ftpp': did you mean ftp?" in done.stderr


def test_without_root_the_reason_is_given() -> None:
    script = (
        "import os, sys; sys.path[:0] = sys.argv[1:]\n"
        "from ctreplay.verify import namespace\n"
        "from ctreplay.verify.errors import CannotVerify\n"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "try:\n    namespace.enter(); namespace.device()\n"
        "except CannotVerify as error:\n    print('cannot:', error)\n"
    )
    if os.geteuid() != 0:
        pytest.skip("drops root's rights, so it needs them")
    done = subprocess.run(
        [sys.executable, "-c", script, *sys.path], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    if os.stat("/dev/net/tun").st_mode & 0o006 != 0o006:
        assert done.stdout.startswith("cannot: no ")
