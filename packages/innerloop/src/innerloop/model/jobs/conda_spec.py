"""One dependency of a conda file: its name and version, and what pip calls them.

Source: conda's "Package match specifications" (`channel/subdir::name version build[key=value]`) and
"Version ordering"; PEP 440 for pip's versions.
"""

from __future__ import annotations

import re
import sys

from ...util.late_patterns import late_pattern
from ...util.quick_dataclasses import dataclass

# Conda packages with another name on the Python package index.
_RENAMED = {
    "pytorch": "torch", "pytorch-cpu": "torch", "pytorch-gpu": "torch", "py-xgboost": "xgboost",
    "py-xgboost-cpu": "xgboost", "py-xgboost-gpu": "xgboost", "tensorflow-gpu": "tensorflow",
    "tensorflow-base": "tensorflow", "numpy-base": "numpy",
    "opencv": "opencv-python-headless", "py-opencv": "opencv-python-headless",
    "pytables": "tables", "matplotlib-base": "matplotlib", "seaborn-base": "seaborn",
    "dask-core": "dask", "ray-core": "ray", "ray-default": "ray[default]", "ray-tune": "ray[tune]",
    "uvicorn-standard": "uvicorn[standard]", "python-graphviz": "graphviz", "faiss": "faiss-cpu",
    "msgpack-python": "msgpack", "ruamel_yaml": "ruamel.yaml", "brotli-python": "brotli",
    "python-fastjsonschema": "fastjsonschema", "python-tzdata": "tzdata", "pyqt": "PyQt5",
    "libsass-python": "libsass",
}  # fmt: skip
# Python packages whose names begin as those of system libraries do.
_PYTHON = frozenset(
    {
        "libcst", "librosa", "libpysal", "libtmux", "libusb1", "libarchive-c", "libnacl", "librt",
        "libipld", "libvirt-python", "libretranslate", "libtpu", "libsass-python", "cuda-python",
    }
)  # fmt: skip
# Not Python packages: the interpreter, system libraries and programs. The names are those of
# `conda env export`.
_SYSTEM = late_pattern(
    r"(python|pip|python_abi|pypy|cudatoolkit|cudnn|nccl|cuda|cuda-.*|pytorch-cuda|pytorch-mutex|"
    r"cpuonly|nodejs|openmpi|mpich|mpi|gcc|gxx|gfortran|gcc_.*|gxx_.*|clang|clang-\d+|clangxx|cmake|"
    r"make|ninja-base|git|git-lfs|openjdk|r-base|r-.*|lib.*|_.*|mkl|mkl-include|mkl-devel|blas|"
    r"blas-devel|openblas|openblas-devel|intel-openmp|llvm-openmp|tbb|ca-certificates|openssl|bzip2|"
    r"ld_impl_.*|binutils.*|sysroot_.*|kernel-headers_.*|ncurses|readline|sqlite|tk|tzdata|xz|xz-tools|"
    r"zlib|zlib-ng|zstd|lz4-c|snappy|icu|jpeg|openjpeg|giflib|lerc|lcms2|krb5|gmp|mpfr|mpc|isl|"
    r"freetype|fontconfig|font-.*|fonts-.*|glib|glib-tools|gettext|gstreamer|gst-plugins-.*|cairo|"
    r"pango|pixman|harfbuzz|graphite2|gdk-pixbuf|gtk\d?|graphviz|qt|qt-main|qt6-main|qt-webengine|pcre|"
    r"pcre2|expat|dbus|alsa-lib|attr|keyutils|pulseaudio.*|nspr|nss|x264|x265|lame|opus|ffmpeg|nettle|"
    r"gnutls|openh264|aom|dav1d|svt-av1|xorg-.*|xcb-.*|libxcb|pthread-stubs|p11-kit|arrow-cpp|aws-.*|"
    r"s2n|orc|re2|abseil-cpp|grpc-cpp|gflags|glog|boost-cpp|thrift-cpp|utf8proc|c-ares|nlohmann_json|"
    r"hdf5|hdf4|netcdf4-cpp|geos|proj|gdal-data|curl|wget|unzip|zip|tar|bash|coreutils|findutils|grep|"
    r"sed|tree|tmux|vim|nano|htop|rsync|pandoc|texlive-core|perl|ruby|go|rust|rust_.*|metis|"
    r"suitesparse|glpk|coin-or-.*|fftw|gsl|eigen|protobuf-cpp|sleef|magma.*|nvtx-c|vc14_runtime|vc|"
    r"vs2015_runtime|ucrt|m2w64-.*|msys2-.*|docker-.*|compilers|c-compiler|cxx-compiler|"
    r"fortran-compiler|pkg-config|autoconf|automake|libtool|m4|patch|patchelf|swig|doxygen|java-.*|"
    r"maven|conda|conda-.*|mamba|menuinst)"
)
_SPEC = late_pattern(
    r"(?:(?P<channel>\S*?(?::\w*)?):+)?(?P<name>[A-Za-z0-9_.-]+)\s*(?P<version>[^\[]*?)\s*"
    r"(?P<brackets>\[.*\])?$"
)


@dataclass(frozen=True, slots=True)
class CondaSpec:
    """A dependency: `name` in small letters; `version` in conda's words, "" for any."""

    name: str
    version: str = ""

    @property
    def is_python_package(self) -> bool:
        return self.name in _PYTHON or _SYSTEM.fullmatch(self.name) is None

    def requirement(self) -> str | None:
        """The dependency for pip; None if its version cannot be said to pip."""
        version = as_pip(self.version)
        return None if version is None else _RENAMED.get(self.name, self.name) + version

    def python(self) -> str:
        """The minor version ("3.9") that a dependency on python asks for; "" for any.

        Of a range that allows several: the one of this Python, else the newest.
        """
        version = as_pip(self.version)
        if not version:
            return ""
        own = f"{sys.version_info.major}.{sys.version_info.minor}"
        pinned = re.fullmatch(r"={2,3}(\d+\.\d+)(\.[\d*]+)*", version)
        if pinned:
            return pinned[1]
        minors = [own, *(f"3.{minor}" for minor in range(20, 4, -1))]
        fitting = [minor for minor in minors if _allows(version, minor)]
        if own in fitting or not fitting:
            return ""
        return fitting[0]


def parse_spec(text: str) -> CondaSpec | None:
    """The dependency; None for a text that names no package (a URL, say)."""
    text = re.sub(r"\s#.*$", "", text).strip()
    if "://" in text or text.endswith((".conda", ".tar.bz2")):
        return None
    match = _SPEC.fullmatch(text)
    if match is None:
        return None
    keys = dict(_pairs(match["brackets"] or ""))
    version = _version(match["version"].strip())
    return CondaSpec(match["name"].lower(), keys.get("version", version).strip())


def _pairs(brackets: str) -> list[tuple[str, str]]:
    """`[version='>=1,<2', build=x]`."""
    pair = re.compile(r"([\w-]+)\s*=\s*(?:'([^']*)'|\"([^\"]*)\"|([^,\]]*))")
    return [(m[1], m[2] or m[3] or m[4] or "") for m in pair.finditer(brackets)]


def _version(text: str) -> str:
    """The version without a build: of `=1.2=py39_0`, `1.2 py39_0`, `==1.2`, `>= 1 , < 2`."""
    text = re.sub(r"\s*([,|])\s*", r"\1", text)
    text = re.sub(r"([<>=!~])\s+", r"\1", text)
    text = text.split(" ")[0]
    if match := re.fullmatch(r"={0,2}(?P<version>[^=<>!~]+)=[^=]+", text):
        # With a build the version is exact; a build of wildcards says no more than the version.
        is_exact = not text.endswith("=*") and "*" not in match["version"]
        return f"=={match['version']}" if is_exact else f"={match['version']}"
    return text


def as_pip(version: str) -> str | None:
    """A version for pip; "" for any, None if pip has no words for it.

    Conda's `=1.2` means 1.2.*, `==1.2` and `1.2` exactly 1.2. Of alternatives (`1.2|1.3`) pip can
    have one: the last, which is the newest as people write them.
    """
    text = version.strip().strip("\"'").replace(" ", "")
    text = text.replace("(", "").replace(")", "").split("|")[-1]
    parts = []
    for part in filter(None, text.split(",")):
        one = _part(part)
        if one is None:
            return None
        parts += [one] if one else []
    return ",".join(parts)


def _part(part: str) -> str | None:
    match = re.fullmatch(r"(?P<operator>===?|[<>!~]=|=|<|>)?(?P<number>.*)", part)
    assert match is not None
    operator, number = match["operator"] or "", match["number"]
    if number in ("", "*"):
        return "" if operator in ("", "=", "==", ">=") else None
    is_prefix = number.endswith("*") or operator == "="
    number = re.sub(r"\.?\*$", "", number)
    if not re.fullmatch(r"[\w.!+]*\d[\w.!+]*", number):
        return None
    number = number.replace("_", ".")
    if operator in ("", "=", "==", "==="):
        return f"=={number}.*" if is_prefix else f"=={number}"
    if operator == "!=":
        return f"!={number}.*" if is_prefix else f"!={number}"
    if operator == "~=" and "." not in number:
        return f">={number}"
    return f"{operator}{number}"


def _allows(version: str, minor: str) -> bool:
    """Whether some patch version of a minor version of Python fits a range."""
    wanted = int(minor.split(".")[1])
    for part in version.split(","):
        match = re.match(r"([<>=!~]+)(\d+)(?:\.(\d+))?(?:\.(\d+))?", part)
        if match is None:
            continue
        major, number = int(match[2]), int(match[3] or 0)
        here, there = (3, wanted), (major, number)
        fits = {
            ">=": here >= there,
            ">": here >= there if match[4] else here > there or (match[3] is None and here > there),
            "<=": here <= there if match[3] else major >= 3,
            "<": here < there or (here == there and int(match[4] or 0) > 0),
            "!=": here != there or match[4] is not None,
            "==": here == there if match[3] else major == 3,
            "~=": here >= there and (major == 3 if match[4] is None else here == there),
        }
        if not fits.get(match[1], True):
            return False
    return True
