"""Words that no override is: of commands about the registry."""

import pytest

from ionprint.cli import main


@pytest.mark.parametrize(
    "words", [["promote", "x"], ["promote", "--force"], ["rollback", "--to", "champion"]]
)
def test_wrong_words_end_with_2(words, capsys):
    assert main(words) == 2
    assert "expected" in capsys.readouterr().err
