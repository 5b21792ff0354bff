"""The rehearsal's check of deployment packages."""

import io
import zipfile

from tests.e2e.packages import UNCHECKED_HASH, without_byte_code

TIMESTAMP_BASED = bytes(4)  # PEP 552: valid only with the source's time, which zipping changes


def test_source_files_without_usable_byte_code_are_listed():
    files = {
        "app/good.py": b"1",
        "app/__pycache__/good.cpython-313.pyc": b"pyc." + UNCHECKED_HASH + b"code",
        "app/checked.py": b"1",
        "app/__pycache__/checked.cpython-313.pyc": b"pyc." + TIMESTAMP_BASED + b"code",
        "top.py": b"1",
    }
    with zipfile.ZipFile(io.BytesIO(), "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
        assert sorted(without_byte_code(archive)) == ["app/checked.py", "top.py"]
