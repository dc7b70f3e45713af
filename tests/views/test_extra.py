import pytest

from tfruns_rs.errors import MissingExtraError, TfrunsError
from tfruns_rs.views._extra import require


def test_a_missing_extra_is_one_line_that_says_what_to_install():
    with pytest.raises(MissingExtraError, match=r"pip install 'tfruns-rs\[view\]'") as caught:
        require("no_such_module.inner")
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, ImportError)
    assert issubclass(MissingExtraError, TfrunsError)
