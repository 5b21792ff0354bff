"""That the rehearsal sees what is wrong with a package."""

import io
import zipfile

from tests.e2e.packages import UNCHECKED_HASH, read

CHECKED = bytes(4)  # by the time of its source, which zipping changes


def zipped(files):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return content.getvalue()


def test_a_module_without_byte_code_that_lambda_can_use_is_named():
    files = {
        "app/good.py": b"1",
        "app/__pycache__/good.cpython-313.pyc": b"pyc." + UNCHECKED_HASH + b"code",
        "app/checked.py": b"1",
        "app/__pycache__/checked.cpython-313.pyc": b"pyc." + CHECKED + b"code",
        "top.py": b"1",
    }
    found = read("Function", zipped(files))
    assert found.without_byte_code == ("app/checked.py", "top.py")
    assert (found.modules, found.files, found.folders) == (3, 5, ("app",))
    assert found.unzipped == sum(map(len, files.values()))
