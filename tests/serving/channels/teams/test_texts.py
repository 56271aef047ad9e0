"""The HTML of a message is read as people see it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.channels.teams.activities import Body
from serving.channels.teams.texts import read


@pytest.mark.parametrize(
    ("html", "seen"),
    [
        ("Fix it.", "Fix it."),
        ("<p>Fix it.</p>\r\n<p>&nbsp;</p>\n<p>Now.</p>", "Fix it.\n\nNow."),
        ("<div><div>a<br>b</div></div><div>c</div>", "a\nb\nc"),
        ("1 &lt; 2 &amp;&amp; 3 &gt; 2", "1 < 2 && 3 > 2"),
        ("<at id='0'>Bob</at>: <strong>please</strong> <em>wait</em>", "@Bob: please wait"),
        ("<p>To do:</p><ul><li>one</li><li>two</li></ul>", "To do:\n- one\n- two"),
        ("See <a href='https://example.com/1'>https://example.com/1</a>.", "See https://example.com/1."),
        ("See <a href='https://example.com/1'>the ticket</a>.", "See the ticket (https://example.com/1)."),
        ("<p>Done <emoji alt='🎉'></emoji><img src='x' alt='🙂'></p>", "Done 🎉🙂"),
        ("<attachment id='1'>unseen</attachment><p>Yes</p>", "Yes"),
        ("<blockquote><p>He said no.</p></blockquote><p>Why?</p>", "He said no.\nWhy?"),
        ("<codeblock><code>a = 1<br>b = 2</code></codeblock>", "a = 1\nb = 2"),
        ("<![if !supportLists]>- a<![endif]><![a[x]>b<![%", "- ab"),
        ("a < b <", "a < b <"),
        ("</attachment></p>a</li>", "a"),
    ],
)
def test_a_text_is_read_as_it_is_seen(html: str, seen: str) -> None:
    assert read(Body(content=html, content_type="html")) == seen


def test_plain_text_stays() -> None:
    assert read(Body(content=" <p> & more ", content_type="text")) == "<p> & more"


TAGS = [
    "<p>",
    "</p>",
    "<br/>",
    "<li>",
    "<a href='x'>",
    "</a>",
    "<attachment>",
    "<![if x]>",
    "<![",
    "<!--",
    "<?x",
    "&",
    "&#0;",
]


@given(st.lists(st.sampled_from(TAGS) | st.text(max_size=5)).map("".join))
def test_any_html_is_read(html: str) -> None:
    assert "\n\n\n" not in read(Body(content=html, content_type="html"))
