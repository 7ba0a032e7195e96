"""The handwritten digits: MNIST, or real stand-in digits where the internet is out of reach.

    digits = prepare(data_path)          # which data there are; fetched or written when missing
    print(digits.sentence)
    images, labels = load(digits.root, "train")        # uint8 (60000, 28, 28) and (60000,)
    training, validation, test = split(len(labels))    # the same positions on every machine

Both sets are IDX files in the layout that torchvision's MNIST class reads,
`<root>/MNIST/raw/train-images-idx3-ubyte` and so on, each in a root of its own:

    <data_path>/MNIST/raw                  MNIST as it was published
    <data_path>/sklearn-digits/MNIST/raw   the stand-in, with a README.txt that says so

The stand-in is made of the 1,797 digits that ship inside scikit-learn (8x8 pixels, written by 13
people), enlarged to MNIST's 28x28 and turned, scaled and moved a little until there are as many as
in MNIST. No source digit is in two of the four parts (training, validation, test, t10k), so no
copy of a test digit is ever trained on. A score on it says that the code works, not how good a
network is: 270 different digits stand behind its 5,000 test images.

Needs numpy alone; scikit-learn only to write the stand-in.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import queue
import shutil
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

# SHA-256 of the packed files, as published.
MNIST_FILES = {
    "train-images-idx3-ubyte": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    "train-labels-idx1-ubyte": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    "t10k-images-idx3-ubyte": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    "t10k-labels-idx1-ubyte": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
}
MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
KNOCK_SECONDS = 5.0  # how long a start may wait for a mirror's first answer
STAND_IN = "sklearn-digits"

Say = Callable[[str], None]


def say_now(sentence: str) -> None:
    """Prints at once, also into a log file, where output otherwise waits for a full buffer."""
    print(sentence, flush=True)


@dataclass(frozen=True)
class Digits:
    """Where the digits lie and what they are.

    root: the folder to hand to torchvision's MNIST class, and to `load`.
    name: "MNIST" or "scikit-learn digits"; it belongs beside every score.
    sentence: one line for the person who started the run.
    """

    root: Path
    name: str
    sentence: str


class NoDigits(RuntimeError):
    """The wanted digits cannot be had; the text says why and what to do."""


def default_data_path(start: str | Path) -> Path:
    """`data/mnist` of the workspace that holds the file `start`, else `./data`."""
    for folder in Path(start).absolute().parents:
        if (folder / "data").is_dir() and (folder / "src").is_dir():
            return folder / "data" / "mnist"
    return Path("data")


def prepare(
    data_path: str | Path,
    dataset: str = "auto",
    *,
    mirrors: Sequence[str] = MIRRORS,
    files: dict[str, str] = MNIST_FILES,
    knock_seconds: float = KNOCK_SECONDS,
    say: Say = say_now,
) -> Digits:
    """Finds the digits under `data_path`, or brings them there.

    dataset: "mnist" (or an error), "digits" (the stand-in), or "auto": what earlier runs used,
    else MNIST, else the stand-in where no mirror answers.
    Raises NoDigits. Safe for several processes at once.
    """
    if dataset not in ("auto", "mnist", "digits"):
        raise NoDigits(f"No data set {dataset!r}: choose auto, mnist or digits.")
    home = Path(data_path)
    if dataset != "digits" and is_complete(home, files):
        return Digits(home, "MNIST", f"Data: MNIST, from {home}.")
    stand_in = home / STAND_IN
    if dataset == "auto" and is_complete(stand_in, files):
        return _stand_in_again(stand_in, mirrors, knock_seconds)
    if dataset == "digits":
        return _stand_in(home, "as asked for", say, files)

    mirror, why_not = first_answer(mirrors, knock_seconds)
    if mirror:
        try:
            root = _download_somewhere(home, mirror, files, say)
            return Digits(root, "MNIST", f"Data: MNIST, downloaded to {root}.")
        except (OSError, ValueError) as error:  # the connection broke, or the bytes are not MNIST
            why_not = str(error)
    if dataset == "mnist":
        raise NoDigits(
            f"MNIST is not in {home / 'MNIST' / 'raw'} and cannot be downloaded ({why_not}). "
            "Copy the four IDX files there, or use --dataset digits."
        )
    return _stand_in(home, f"MNIST cannot be downloaded here: {why_not}", say, files)


def is_complete(root: Path, files: dict[str, str] = MNIST_FILES) -> bool:
    """Whether all the IDX files lie under `root`, each as long as its head says."""
    return all(_is_whole(root / "MNIST" / "raw" / name) for name in files)


def _is_whole(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            head = file.read(4)
            shape = np.frombuffer(file.read(4 * head[3]), ">u4").astype(np.int64)
            return head[:3] == b"\0\0\x08" and path.stat().st_size == file.tell() + shape.prod()
    except (OSError, IndexError, ValueError):
        return False


def _stand_in_again(root: Path, mirrors: Sequence[str], seconds: float) -> Digits:
    sentence = f"Data: the digits from scikit-learn (not MNIST), from {root}."
    if first_answer(mirrors, min(seconds, 1.0))[0]:
        sentence += " MNIST itself can be downloaded now: add --dataset mnist."
    return Digits(root, "scikit-learn digits", sentence)


def _stand_in(home: Path, reason: str, say: Say, files: dict[str, str]) -> Digits:
    folder = writable(home, say)
    root = folder / STAND_IN
    if not is_complete(root, files):
        say("Writing the digits from scikit-learn as 70,000 images of MNIST's shape ...")
        try:
            write_stand_in(root)
        except OSError as error:
            raise NoDigits(
                f"The digits (55 MB) cannot be written to {root}: {error.strerror}."
            ) from error
    return Digits(
        root, "scikit-learn digits", f"Data: the digits from scikit-learn ({reason}), in {root}."
    )


# -- splitting and reading ---------------------------------------------------------------------


def split(count: int = 60_000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Positions for training, validation and test: 10, 1 and 1 twelfths (50,000, 5,000, 5,000).

    Always the same for the same count: the stand-in is written to fit this split.
    """
    order = np.random.RandomState(2022).permutation(count)  # a stream that numpy keeps for ever
    part = count // 12
    return order[2 * part :], order[part : 2 * part], order[:part]


def load(root: Path, which: str = "train") -> tuple[np.ndarray, np.ndarray]:
    """Images (n, 28, 28) and labels (n,), both uint8; `which` is "train" or "t10k"."""
    raw = root / "MNIST" / "raw"
    images = read_idx(raw / f"{which}-images-idx3-ubyte")
    return images, read_idx(raw / f"{which}-labels-idx1-ubyte")


def read_idx(path: Path) -> np.ndarray:
    """The uint8 array in an IDX file. Raises ValueError when the bytes are no such file."""
    return parse_idx(path.read_bytes(), str(path))


def parse_idx(data: bytes, name: str) -> np.ndarray:
    # Two zero bytes, 8 for unsigned bytes, the number of axes; then each length, big-endian.
    if len(data) < 4 or data[:3] != b"\0\0\x08":
        raise ValueError(f"{name} is not an IDX file of bytes")
    axes = data[3]
    shape = tuple(int(n) for n in np.frombuffer(data, ">u4", axes, offset=4))
    if len(data) != 4 + 4 * axes + int(np.prod(shape)):
        raise ValueError(f"{name} is cut short: {len(data):,} bytes do not fit the shape {shape}")
    return np.frombuffer(data, np.uint8, offset=4 + 4 * axes).reshape(shape)


def idx_bytes(array: np.ndarray) -> bytes:
    """A uint8 array as the content of an IDX file."""
    head = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    return head + np.ascontiguousarray(array, np.uint8).tobytes()


# -- downloading -------------------------------------------------------------------------------


def first_answer(mirrors: Sequence[str], seconds: float) -> tuple[str, str]:
    """(the first mirror that answers, "") or ("", why none did), within `seconds` in all.

    All mirrors are asked at once, in threads that may be left behind: looking up a name has no
    time-out of its own.
    """
    answers: queue.SimpleQueue[tuple[str, str]] = queue.SimpleQueue()
    for mirror in mirrors:
        threading.Thread(target=_knock, args=(mirror, seconds, answers), daemon=True).start()
    why = "no mirror is known"
    until = time.monotonic() + seconds
    for _ in mirrors:
        try:
            mirror, why = answers.get(timeout=max(0.0, until - time.monotonic()))
        except queue.Empty:
            return "", f"no answer within {seconds:g} s"
        if mirror:
            return mirror, ""
    return "", why


def _knock(mirror: str, seconds: float, answers: queue.SimpleQueue[tuple[str, str]]) -> None:
    smallest = urllib.request.Request(f"{mirror}t10k-labels-idx1-ubyte.gz", method="HEAD")
    try:
        with urllib.request.urlopen(smallest, timeout=seconds):
            answers.put((mirror, ""))
    except urllib.error.HTTPError as error:
        answers.put(("", f"{mirror} answers {error.code} {error.reason}"))
    except (OSError, ValueError):
        answers.put(("", "no way to the internet"))


def _download_somewhere(home: Path, mirror: str, files: dict[str, str], say: Say) -> Path:
    root = writable(home, say)
    if not is_complete(root, files):  # a temporary folder may hold what an earlier run fetched
        download(root / "MNIST" / "raw", mirror, files, say)
    return root


def download(
    raw: Path, mirror: str, files: dict[str, str] = MNIST_FILES, say: Say = say_now
) -> None:
    """Fetches the packed IDX files from `mirror` into `raw`, each moved there whole.

    Raises OSError when the connection breaks, ValueError when a checksum is wrong.
    """
    raw.mkdir(parents=True, exist_ok=True)
    for name, checksum in files.items():
        packed = _fetch(f"{mirror}{name}.gz", say)
        if hashlib.sha256(packed).hexdigest() != checksum:
            raise ValueError(f"{mirror}{name}.gz is not the published file (SHA-256 differs)")
        _write_whole(raw / name, gzip.decompress(packed))


def _fetch(address: str, say: Say) -> bytes:
    name = address.rsplit("/", 1)[-1]
    live = say is say_now and sys.stdout.isatty()
    with urllib.request.urlopen(address, timeout=30) as answer:
        total = int(answer.headers.get("Content-Length") or 0)
        say(f"Downloading {name} ({total / 1e6:.1f} MB) ...")
        parts, done = [], 0
        while part := answer.read(1 << 18):
            parts.append(part)
            done += len(part)
            if live and total:
                print(f"  {done / 1e6:5.1f} MB  {100 * done // total:3d} %", end="\r", flush=True)
    if total and done != total:
        raise OSError(f"the download of {name} broke off after {done:,} of {total:,} bytes")
    return b"".join(parts)


# -- writing -----------------------------------------------------------------------------------


def writable(home: Path, say: Say) -> Path:
    """`home`, made if need be; a folder for temporary files where it cannot be written to."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=home):
            return home
    except (FileExistsError, NotADirectoryError):
        raise NoDigits(f"The data path {home} is a file; name a folder.") from None
    except OSError as error:
        user = os.getuid() if hasattr(os, "getuid") else "user"
        instead = Path(tempfile.gettempdir()) / f"handwritten-digits-{user}"
        instead.mkdir(mode=0o700, exist_ok=True)
        say(f"{home} cannot be written to ({error.strerror}); using {instead}, which may not last.")
        return instead


def write_stand_in(root: Path) -> None:
    """Writes the stand-in as IDX files, made in a folder beside `root` and moved there at once."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    made = enlarge_all(bunch.images.astype(np.float32) / 16, bunch.target.astype(np.uint8))
    with _moved_into_place(root, marker="README.txt") as folder:
        (folder / "README.txt").write_text(STAND_IN_README, encoding="utf-8")
        raw = folder / "MNIST" / "raw"
        raw.mkdir(parents=True)
        for name, array in made.items():
            (raw / name).write_bytes(idx_bytes(array))


STAND_IN_README = """\
This is NOT MNIST.

It is a stand-in of the same shape (60,000 + 10,000 images, 28x28, IDX files), written because MNIST
could not be downloaded. Its source are the 1,797 digits that ship inside scikit-learn (8x8 pixels,
from the UCI set "Optical Recognition of Handwritten Digits", written by 13 people): enlarged, and
turned, scaled and moved a little. Scores on it do not compare with scores on MNIST.

For MNIST itself: run with --dataset mnist where the internet is reachable. Delete this folder, and
it is written again when needed.
"""


@contextmanager
def _moved_into_place(target: Path, marker: str) -> Iterator[Path]:
    """A new folder that becomes `target` when the block ends well; the first of two writers wins."""
    target.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        yield folder
        folder.chmod(0o755)  # mkdtemp makes it private; data are shared between users
        if target.exists() and not is_complete(target):
            shutil.rmtree(target)  # somebody deleted files in it: it is ours to write again
        try:
            folder.rename(target)
        except OSError:
            if not (target / marker).is_file():
                raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _write_whole(path: Path, data: bytes) -> None:
    handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


# -- making 70,000 images of 1,797 -------------------------------------------------------------


def enlarge_all(small: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
    """The four IDX arrays of the stand-in from 8x8 images (values 0 to 1) and their labels."""
    random = np.random.RandomState(1998)
    train, t10k = sources(labels)
    return {
        "train-images-idx3-ubyte": enlarge(small[train], random),
        "train-labels-idx1-ubyte": labels[train],
        "t10k-images-idx3-ubyte": enlarge(small[t10k], random),
        "t10k-labels-idx1-ubyte": labels[t10k],
    }


def sources(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which source digit stands behind each of the 60,000 and of the 10,000 images."""
    *parts, t10k = source_parts(labels)
    train = np.empty(60_000, np.intp)
    for positions, own in zip(split(60_000), parts, strict=True):
        train[positions] = np.resize(own, len(positions))  # each source digit equally often
    return train, np.resize(t10k, 10_000)


def source_parts(labels: np.ndarray) -> list[np.ndarray]:
    """Which source digits serve for training, validation, test and t10k; no digit serves twice.

    Of each of the ten classes 60, 10, 15 and 15 per cent.
    """
    random = np.random.RandomState(43)
    parts: list[list[np.ndarray]] = [[], [], [], []]
    for label in np.unique(labels):
        own = random.permutation(np.flatnonzero(labels == label))
        cuts = [round(len(own) * share) for share in (0.6, 0.7, 0.85)]
        for part, piece in zip(parts, np.split(own, cuts), strict=True):
            part.append(piece)
    return [random.permutation(np.concatenate(part)) for part in parts]


def enlarge(small: np.ndarray, random: np.random.RandomState, chunk: int = 5_000) -> np.ndarray:
    """uint8 (n, 28, 28) from (n, 8, 8): in MNIST's 20x20 box, its centre of mass in the middle.

    Each is turned by up to 10 degrees, scaled by 0.9 to 1.1 and moved by up to one pixel.
    """
    n = len(small)
    angle = np.deg2rad(random.uniform(-10, 10, n))
    scale = 20 / 8 * random.uniform(0.9, 1.1, n)
    shift = random.uniform(-1, 1, (n, 2))
    big = np.empty((n, 28, 28), np.uint8)
    for i in range(0, n, chunk):
        part = slice(i, i + chunk)
        big[part] = _enlarge(small[part], angle[part], scale[part], shift[part])
    return big


def _enlarge(
    small: np.ndarray, angle: np.ndarray, scale: np.ndarray, shift: np.ndarray
) -> np.ndarray:
    n = len(small)
    axis = np.arange(8, dtype=np.float32)
    mass = small.sum((1, 2))
    middle_y = (small.sum(2) @ axis / mass).astype(np.float32)[:, None, None]
    middle_x = (small.sum(1) @ axis / mass).astype(np.float32)[:, None, None]
    # Every pixel of the large image asks where it comes from in the small one.
    y, x = np.mgrid[0:28, 0:28].astype(np.float32) - 13.5
    y = y[None] - shift[:, 0, None, None].astype(np.float32)
    x = x[None] - shift[:, 1, None, None].astype(np.float32)
    cos = (np.cos(angle) / scale).astype(np.float32)[:, None, None]
    sin = (np.sin(angle) / scale).astype(np.float32)[:, None, None]
    from_y = np.clip(cos * y - sin * x + middle_y, -1, 8) + 1
    from_x = np.clip(sin * y + cos * x + middle_x, -1, 8) + 1
    return _to_bytes(_between(np.pad(small, ((0, 0), (1, 2), (1, 2))), from_y, from_x, n))


def _between(padded: np.ndarray, y: np.ndarray, x: np.ndarray, n: int) -> np.ndarray:
    """Bilinear interpolation in each of the n images at the places (y, x)."""
    top, left = y.astype(np.intp), x.astype(np.intp)
    down, right = y - top, x - left
    width = padded.shape[2]
    flat = padded.reshape(-1)
    at = (np.arange(n) * padded.shape[1] * width)[:, None, None] + top * width + left
    upper = flat[at] * (1 - right) + flat[at + 1] * right
    lower = flat[at + width] * (1 - right) + flat[at + width + 1] * right
    return upper * (1 - down) + lower * down


def _to_bytes(grey: np.ndarray) -> np.ndarray:
    # Enlarged strokes are blurred; a steeper slope around the middle makes their edges MNIST's.
    return np.rint(np.clip((grey - 0.5) * 1.8 + 0.5, 0, 1) * 255).astype(np.uint8)
