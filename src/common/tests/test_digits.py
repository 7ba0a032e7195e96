"""The digits without the internet: the servers here are on this machine, the stand-in is the real one."""

import gzip
import hashlib
import socket
import tempfile
import threading
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from common import digits
from common.digits import NoDigits, first_answer, load, prepare, split

NOBODY = ("http://127.0.0.1:9/",)  # the port where nothing listens


def tiny_set() -> dict[str, bytes]:
    images = np.arange(12 * 28 * 28, dtype=np.uint32).astype(np.uint8).reshape(12, 28, 28)
    labels = np.arange(12, dtype=np.uint8) % 10
    arrays = {"train-images-idx3-ubyte": images, "train-labels-idx1-ubyte": labels}
    arrays |= {"t10k-images-idx3-ubyte": images[:2], "t10k-labels-idx1-ubyte": labels[:2]}
    return {name: digits.idx_bytes(array) for name, array in arrays.items()}


@pytest.fixture
def mirror(tmp_path):
    """The address of a server with a tiny set of IDX files, and their checksums."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    checksums = {}
    for name, content in tiny_set().items():
        packed = gzip.compress(content)
        (folder / f"{name}.gz").write_bytes(packed)
        checksums[name] = hashlib.sha256(packed).hexdigest()

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *words):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/", checksums, folder
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="session")
def stand_in(tmp_path_factory):
    """A data folder with the real stand-in, written once for all tests."""
    home = tmp_path_factory.mktemp("data")
    prepare(home, "digits")
    return home


@pytest.fixture
def quick_stand_in(monkeypatch):
    """The stand-in of a few images, for tests of where it goes rather than what it is."""
    few = {name: digits.parse_idx(data, name) for name, data in tiny_set().items()}
    monkeypatch.setattr(digits, "enlarge_all", lambda small, labels: few)


def test_the_split_is_disjoint_complete_and_always_the_same():
    training, validation, test = split()
    assert (len(training), len(validation), len(test)) == (50_000, 5_000, 5_000)
    assert sorted(np.concatenate([training, validation, test])) == list(range(60_000))
    assert test[:3].tolist() == split()[2][:3].tolist() == [17368, 41509, 46525]


@pytest.mark.parametrize("shape", [(3,), (2, 28, 28), (0, 28, 28)])
def test_idx_files_come_back_as_they_were(tmp_path, shape):
    array = np.random.RandomState(0).randint(0, 256, shape).astype(np.uint8)
    (tmp_path / "file").write_bytes(digits.idx_bytes(array))
    assert (digits.read_idx(tmp_path / "file") == array).all()


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"\0\0\x08\x01\0\0\0\x05abc", b"\0\0\x08\x03\0"])
def test_what_is_no_idx_file_is_refused(data):
    with pytest.raises(ValueError):
        digits.parse_idx(data, "x")


def test_no_source_digit_is_in_two_parts():
    from sklearn.datasets import load_digits

    train, t10k = digits.sources(load_digits().target)
    behind = [set(train[part]) for part in split()] + [set(t10k)]
    assert sum(map(len, behind)) == len(set.union(*behind)) == 1797


def test_the_stand_in_has_the_shape_of_mnist_and_says_what_it_is(stand_in):
    assert not (stand_in / "MNIST").exists()  # nobody who looks for MNIST finds it
    root = stand_in / "sklearn-digits"
    assert "NOT MNIST" in (root / "README.txt").read_text()
    for which, count in (("train", 60_000), ("t10k", 10_000)):
        images, labels = load(root, which)
        assert images.shape == (count, 28, 28) and images.dtype == np.uint8
        assert np.bincount(labels).min() > 0.08 * count
        edge = np.concatenate([images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1]])
        assert (edge > 0).mean() < 0.01  # digits have a margin, as in MNIST


def test_the_stand_in_is_the_same_every_time(stand_in):
    small = np.random.RandomState(0).rand(20, 8, 8).astype(np.float32)
    one, other = (digits.enlarge(small, np.random.RandomState(1)) for _ in range(2))
    assert (one == other).all()


def test_offline_the_stand_in_is_written_and_found_again(tmp_path, quick_stand_in):
    said = []
    first = prepare(tmp_path, mirrors=NOBODY, say=said.append)
    assert first.name == "scikit-learn digits" and "no way to the internet" in first.sentence
    assert len(said) == 1
    again = prepare(tmp_path, mirrors=NOBODY, say=said.append)
    assert again.root == first.root and len(said) == 1
    assert "--dataset mnist" not in again.sentence


def test_mnist_is_downloaded_once_and_then_needs_no_network(tmp_path, mirror):
    address, checksums, _ = mirror
    home = tmp_path / "data"
    first = prepare(home, mirrors=[*NOBODY, address], files=checksums)
    assert first.name == "MNIST" and first.root == home
    assert load(first.root)[0].shape == (12, 28, 28)
    assert prepare(home, mirrors=()).name == "MNIST"
    assert {path.name for path in (home / "MNIST" / "raw").iterdir()} == set(checksums)


def test_after_the_stand_in_mnist_is_offered_and_taken_when_asked_for(
    tmp_path, mirror, quick_stand_in
):
    address, checksums, _ = mirror
    kept = partial(prepare, tmp_path / "data", files=checksums)
    kept("digits")
    offered = kept(mirrors=[address])
    assert offered.name == "scikit-learn digits" and "--dataset mnist" in offered.sentence
    assert kept("mnist", mirrors=[address]).name == "MNIST"
    assert kept(mirrors=()).name == "MNIST"
    assert kept("digits", mirrors=()).name == "scikit-learn digits"


@pytest.mark.parametrize("harm", ["wrong bytes", "cut short", "missing"])
def test_a_spoiled_download_is_not_taken_for_mnist(tmp_path, mirror, quick_stand_in, harm):
    address, checksums, folder = mirror
    file = folder / "t10k-images-idx3-ubyte.gz"
    if harm == "missing":
        file.unlink()
    else:
        file.write_bytes(b"<html>" if harm == "wrong bytes" else file.read_bytes()[:-9])
    home = tmp_path / "data"
    with pytest.raises(NoDigits, match="--dataset digits"):
        prepare(home, "mnist", mirrors=[address], files=checksums)
    assert prepare(home, mirrors=[address], files=checksums).name == "scikit-learn digits"
    assert not digits.is_complete(home)


def test_a_server_that_never_answers_costs_no_more_than_it_may():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        started = time.perf_counter()
        mirror, why = first_answer([f"http://127.0.0.1:{silent.getsockname()[1]}/"], 0.3)
        assert mirror == "" and why
        assert time.perf_counter() - started < 2


def test_where_nothing_can_be_written_a_temporary_folder_is_used(
    tmp_path, monkeypatch, quick_stand_in
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    nowhere = Path("/proc/digits")
    if not nowhere.parent.is_dir():
        pytest.skip("no folder here that even root cannot write to")
    said = []
    found = prepare(nowhere, mirrors=NOBODY, say=said.append)
    assert found.root.is_relative_to(tmp_path)
    assert "cannot be written to" in said[0]


def test_a_data_path_that_is_a_file_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(NoDigits, match="is a file"):
        prepare(tmp_path / "file", "digits")


def test_an_unknown_data_set_is_refused(tmp_path):
    with pytest.raises(NoDigits, match="auto, mnist or digits"):
        prepare(tmp_path, "cifar")


def test_several_writers_at_once_leave_one_whole_set(tmp_path, quick_stand_in):
    root = tmp_path / "sklearn-digits"
    writers = [threading.Thread(target=digits.write_stand_in, args=(root,)) for _ in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert digits.is_complete(root)
    assert [path.name for path in tmp_path.iterdir()] == ["sklearn-digits"]


def test_a_set_with_a_file_missing_is_written_again(tmp_path, quick_stand_in):
    root = prepare(tmp_path, "digits").root
    (root / "MNIST" / "raw" / "train-labels-idx1-ubyte").unlink()
    prepare(tmp_path, "digits")
    assert digits.is_complete(root)


@pytest.mark.parametrize("harm", [b"", b"\0\0", b"PK\3\4", b"\0\0\x08\x01\0\0\0\x09"])
def test_a_broken_file_makes_a_set_incomplete(tmp_path, quick_stand_in, harm):
    root = prepare(tmp_path, "digits").root
    assert digits.is_complete(root)
    (root / "MNIST" / "raw" / "t10k-labels-idx1-ubyte").write_bytes(harm)
    assert not digits.is_complete(root)


def test_a_disk_that_is_full_is_one_sentence(tmp_path, monkeypatch, quick_stand_in):
    def full(root):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(digits, "write_stand_in", full)
    with pytest.raises(NoDigits, match="No space left"):
        prepare(tmp_path, "digits")


def test_the_default_place_is_the_workspace_that_holds_the_file(tmp_path):
    script = tmp_path / "src" / "line" / "train.py"
    assert digits.default_data_path(script) == Path("data")
    (tmp_path / "src").mkdir()
    (tmp_path / "data").mkdir()
    assert digits.default_data_path(script) == tmp_path / "data" / "mnist"
