import pytest

from common.results import output_folder, whole_file, write_json


def test_a_file_appears_whole(tmp_path):
    path = tmp_path / "new" / "metrics.json"
    write_json(path, {"accuracy": 1})
    assert path.read_text() == '{\n  "accuracy": 1\n}\n'
    assert list(path.parent.iterdir()) == [path]


def test_after_an_error_the_old_file_is_still_there(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), whole_file(path) as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_for_results_is_made_or_named(tmp_path):
    assert output_folder(tmp_path / "a" / "b").is_dir()
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit, match="file.*--output_path"):
        output_folder(tmp_path / "file")
