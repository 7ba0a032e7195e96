import pytest

from common.results import whole_file, write_json


def test_write_json_leaves_only_the_file(tmp_path):
    path = tmp_path / "new" / "metrics.json"
    write_json(path, {"accuracy": 1})
    assert path.read_text() == '{\n  "accuracy": 1\n}\n'
    assert list(path.parent.iterdir()) == [path]


def test_whole_file_after_an_error_keeps_the_old_file(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), whole_file(path) as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
