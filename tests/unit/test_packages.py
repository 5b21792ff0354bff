"""That the rehearsal sees what is wrong with a package."""

import io
import zipfile

from tests.e2e.packages import UNCHECKED_HASH, without_byte_code

CHECKED = bytes(4)  # by the time of its source, which zipping changes


def test_a_module_without_byte_code_that_lambda_can_use_is_named():
    files = {
        "app/good.py": b"1",
        "app/__pycache__/good.cpython-313.pyc": b"pyc." + UNCHECKED_HASH + b"code",
        "app/checked.py": b"1",
        "app/__pycache__/checked.cpython-313.pyc": b"pyc." + CHECKED + b"code",
        "top.py": b"1",
    }
    with zipfile.ZipFile(io.BytesIO(), "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
        assert sorted(without_byte_code(archive)) == ["app/checked.py", "top.py"]
