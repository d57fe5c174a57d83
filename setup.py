"""Compiles every module of ctreplay that has a sibling .pxd; CTREPLAY_PURE=1 leaves them plain Python."""

import os
import re
import shutil
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
PACKAGE = ROOT / "ctreplay"

# Each header is read behind one length check, so its bytes need no bounds check of their own; column buffers are
# written at a row number that is checked once per row, and encoded behind one look at their lengths. The pure build
# indexes with all checks, and the tests compare the two; CTREPLAY_CHECKED=1 compiles with all checks.
GUARDED = (
    "ctreplay.decode.network", "ctreplay.decode.link", "ctreplay.decode.checksum",
    "ctreplay.quality", "ctreplay.dataset.rows", "ctreplay.dataset.distinct",
    "ctreplay.capture.pcap", "ctreplay.capture.pcapng", "ctreplay.parquet.encoding", "ctreplay.dataset.flowhash",
    "ctreplay.dataset.addresstext", "ctreplay.dataset.ranking",
)  # fmt: skip

# declarations of C functions; the .py is their pure form and stays plain Python
HEADERS = ("ctreplay.octets", "ctreplay.keyedhash", "ctreplay.dataset.sha1")


class BuildPy(build_py):
    """Puts the query library into the wheel: `queries/` lives at the top of the project."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            target = Path(self.build_lib) / "ctreplay" / "queries"
            target.mkdir(parents=True, exist_ok=True)
            for path in sorted((ROOT / "queries").glob("*.sql")):
                shutil.copy2(path, target / path.name)


# a module constant in C, and what its value may consist of
DECLARED = re.compile(r"^static ([\w ]+) (__pyx_v_\w+__[A-Z]\w*);$", re.M)
VALUE = re.compile(r"[-+*|&<>() \w]+")


def settle_constants(path: Path) -> None:
    """Make constants of module constants: Cython leaves them variables, which C code reads again after every call.

    Only those that get their value once, from numbers and other constants. This saves a twentieth of a packet.
    """
    text = path.read_text()
    kinds = {name: kind for kind, name in DECLARED.findall(text)}
    given = [found for found in re.findall(r"^ +(__pyx_v_\w+) = (.+);$", text, re.M) if found[0] in kinds]
    names = [name for name, _ in given]
    values: dict[str, str] = {}
    for name, value in given:
        used = re.findall(r"__pyx_\w+", value)
        if names.count(name) == 1 and VALUE.fullmatch(value) and all(one in values for one in used):
            values[name] = "(" + re.sub(r"__pyx_\w+", lambda one: values[one[0]], value) + ")"
    for name, value in values.items():
        text = text.replace(f"static {kinds[name]} {name};\n", f"static const {kinds[name]} {name} = {value};\n")
        text = re.sub(rf"^ +{name} = .+;\n", "", text, flags=re.M)
    if values:
        path.write_text(text)


def extensions() -> list[Extension]:
    from Cython.Build import cythonize

    checked, guarded = [], []
    wanted = os.environ.get("CTREPLAY_CHECKED") == "1"
    # a checked build is for tests: soon done, and with the assertions of `octets`
    flags = ["-fno-strict-aliasing", *(["-O1", "-UNDEBUG"] if wanted else ["-O3"])]
    for pxd in sorted(PACKAGE.rglob("*.pxd")):
        source = pxd.with_suffix(".py")
        name = ".".join(source.relative_to(ROOT).with_suffix("").parts)
        if source.exists() and name not in HEADERS:
            kind = guarded if name in GUARDED and not wanted else checked
            kind.append(Extension(name, [str(source.relative_to(ROOT))], extra_compile_args=flags))
    (ROOT / "build" / "cython").mkdir(parents=True, exist_ok=True)
    shared = Extension("ctreplay._cyutility", ["build/cython/_cyutility.c"], extra_compile_args=["-O2"])
    built: list[Extension] = []
    for group, boundscheck in (([shared, *checked], True), (guarded, False)):
        built += cythonize(
            group,
            quiet=True,
            annotate=bool(os.environ.get("CTREPLAY_ANNOTATE")),
            nthreads=os.cpu_count() or 1,
            build_dir="build/cython",
            # the memoryview code exists once instead of in every module
            shared_utility_qualified_name="ctreplay._cyutility",
            compiler_directives={
                "language_level": 3,
                "annotation_typing": False,
                "boundscheck": boundscheck,
                "wraparound": False,
                "initializedcheck": False,
                "embedsignature": True,
            },
        )
    for one in built:
        settle_constants(ROOT / one.sources[0])
    return built


setup(
    cmdclass={"build_py": BuildPy},
    options={"build_ext": {"parallel": os.cpu_count()}},
    ext_modules=[] if os.environ.get("CTREPLAY_PURE") == "1" else extensions(),
)
