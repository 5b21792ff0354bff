"""Lines and the progress bar on the console."""

import io

import pytest

from local.console import BAR_WIDTH, CLEAR_LINE, Console, format_bar


class Tty(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("counts", "text", "done"),
    [
        ({}, "", 0),
        ({"pending": 12_345}, "0 of 12,345 completed", 0),
        ({"pending": 5, "completed": 5}, "5 of 10 completed", BAR_WIDTH // 2),
        ({"completed": 3, "failed": 1}, "3 of 4 completed, 1 failed", BAR_WIDTH * 3 // 4),
        ({"completed": 4}, "4 of 4 completed", BAR_WIDTH),
    ],
)
def test_bar_shows_the_progress(counts, text, done):
    bar = format_bar(counts)
    assert bar.endswith(text)
    assert bar.count("█") == done
    assert not bar or bar.index(" ") == BAR_WIDTH


def test_lines_are_printed_above_the_bar():
    stream = Tty()
    console = Console(stream)
    console.print_line("hello")
    console.show_counts({"pending": 1})
    console.show_counts({"pending": 1})
    console.print_line("there")
    console.show_counts({})
    bar = format_bar({"pending": 1})
    assert stream.getvalue() == f"hello\n{bar}{CLEAR_LINE}there\n{bar}{CLEAR_LINE}"


def test_file_or_pipe_gets_no_bar():
    stream = io.StringIO()
    console = Console(stream)
    console.show_counts({"pending": 1})
    console.print_line("hello")
    console.show_counts({})
    assert stream.getvalue() == "hello\n"
