import re
import time

import pytest

from tfruns_rs.views._ansi import cut_middle, plain, to_html


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("plain <b>", "plain &lt;b&gt;"),
        ("\x1b[31mred\x1b[0m", '<span class="f1">red</span>'),
        ("\x1b[1;4;38;5;208mx\x1b[0m", '<span class="f208 bold under">x</span>'),
        ("\x1b[38;2;255;0;0mx\x1b[m", '<span class="f196">x</span>'),
        ("\x1b[41m<\x1b[0m>", '<span class="b1">&lt;</span>&gt;'),
        ("\x1b[7mx\x1b[0m", '<span class="inverse">x</span>'),
        ("\x1b[32ma\nb\x1b[0m\nc", '<span class="f2">a</span>\n<span class="f2">b</span>\nc'),
        ("10%\r50%\r100%\n", "100%\n"),
        ("a\r\nb", "a\nb"),
        ("\x1b[2K\x1b[1Gx", "x"),
        ("\x1b]0;title\x07x\x1b]8;;http://x\x1b\\y\x1b]8;;\x1b\\", "xy"),
        ("a\x00\x07b", "a\ufffd\ufffdb"),
        ("\x1b(B\x1bMx", "x"),
    ],
)
def test_colours_stay_and_all_else_goes(text, html):
    assert to_html(text) == html
    assert plain(text) == re.sub(r"<[^>]*>", "", html).replace("&lt;", "<").replace("&gt;", ">")


@pytest.mark.parametrize(
    "text", ["\x1b]" * 100_000, "\x1b[" * 100_000, "\x1b[3" * 50_000 + "m", "\r" * 200_000]
)
def test_no_text_takes_long(text):
    start = time.process_time()
    to_html(text)
    assert time.process_time() - start < 5


def test_a_long_text_is_cut_in_its_middle():
    text = "".join(f"line {n}\n" for n in range(10_000))
    head, left_out, tail = cut_middle(text, 1_000)

    assert len(head) + len(tail) <= 1_000
    assert len(head) + left_out + len(tail) == len(text)
    assert head.startswith("line 0\n")
    assert head.endswith("\n")
    assert tail.endswith("line 9999\n")
    assert cut_middle("short", 1_000) == ("short", 0, "")
    assert cut_middle("x" * 3_000, 999)[1] == 2_001
