"""The project's own samples, checked by its own checks."""

from pathlib import Path

SAMPLES = Path(__file__).parents[2] / "sample_pcaps"


def test_the_samples_hold(process):
    done = process("check", SAMPLES)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed · " in done.stdout
    again = process("check", SAMPLES, "-q")
    replays = done.stdout.rsplit(" · ", 2)[1].split()[0]
    assert f"({replays} from the cache)" in again.stdout
    assert again.returncode == 0


def test_number_of_jobs_does_not_change_the_output(process):
    one, four = (
        process("check", SAMPLES, "--no-cache", "-k", "nothing odd", "-j", jobs).stdout.splitlines()[:-1]
        for jobs in (1, 4)
    )
    assert one == four != []


def test_copies_of_one_capture_do_not_differ(run):
    for kind in ("gz", "xz", "zst"):
        done = run("diff", SAMPLES / "tftp.pcap", SAMPLES / f"tftp.pcap.{kind}")
        assert done.returncode == 0, done.stdout
        assert done.stdout == "identical: 6 connections, no difference\n"


def test_an_option_differs(run):
    capture = SAMPLES / "invalid_window.pcap"
    done = run("diff", capture, capture, "--new-sysctl", "nf_conntrack_tcp_be_liberal=1")
    assert done.returncode == 1
    assert "tcp_seq_over_upper_bound" in done.stdout


def test_a_helper_differs(run):
    capture = SAMPLES / "ftp_passive.pcap"
    done = run("diff", capture, capture, "--new-helper", "ftp")
    assert done.returncode == 1
    assert "expected" in done.stdout
    assert "expectations  " in done.stdout
    assert run("diff", capture, capture, "--helper", "ftp").returncode == 0
    assert "ftp" in run("diff", capture, capture, "--helper", "fpt").stderr
