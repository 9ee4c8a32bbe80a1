"""The markdown walker in a real browser: any way of cutting a text into pieces draws the same, and nothing gets out."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from tests.browser.static_site import open_component_page

CORPUS: dict[str, list[str]] = json.loads(Path(__file__).with_name("markdown_corpus.json").read_text())

# Deterministic random numbers, so that a failure can be repeated from its seed.
HARNESS = """async () => {
  const {MarkdownWalker} = await import('/static/widget/markdown-walker.js');
  const labels = {copy: 'Copy', table: 'Table', code: lang => `Code ${lang}`, image: alt => `image: ${alt}`};
  window.randomFrom = seed => () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  window.draw = pieces => {
    const root = document.createElement('div');
    document.querySelector('main').replaceChildren(root);
    const walker = new MarkdownWalker(root, labels);
    for (const piece of pieces) walker.write(piece);
    root.normalize();
    return root;
  };
  window.cut = (text, random) => {
    const pieces = [];
    const longest = [1, 3, 9, 40][Math.floor(random() * 4)];
    for (let at = 0; at < text.length;) {
      const length = 1 + Math.floor(random() * longest);
      pieces.push(text.slice(at, at + length));
      at += length;
    }
    return pieces;
  };
  window.differs = (text, seed, ways) => {
    const random = randomFrom(seed);
    const whole = draw([text]).innerHTML;
    for (let way = 0; way < ways; way++) {
      const pieces = cut(text, random);
      const drawn = draw(pieces).innerHTML;
      if (drawn !== whole) return {pieces, drawn, whole};
    }
    return null;
  };
}"""

WAYS_PER_TEXT = 12
RANDOM_TEXTS = 400


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def walker_page(browser: Browser) -> AsyncIterator[Page]:
    """A page with `draw(pieces)`, `cut(text, random)` and `differs(text, seed, ways)`."""
    async with open_component_page(browser) as page:
        await page.evaluate(HARNESS)
        yield page


@pytest.mark.parametrize("text", [*CORPUS["answers"], *CORPUS["attacks"]])
async def test_any_pieces_of_a_text_draw_the_same_as_the_whole(walker_page: Page, text: str) -> None:
    assert await walker_page.evaluate("([text, ways]) => differs(text, 7, ways)", [text, WAYS_PER_TEXT]) is None


async def test_any_pieces_of_random_texts_draw_the_same_as_the_whole(walker_page: Page) -> None:
    found = await walker_page.evaluate(
        """([fragments, texts]) => {
          for (let seed = 1; seed <= texts; seed++) {
            const random = randomFrom(seed);
            const count = 5 + Math.floor(random() * 60);
            const text = Array.from({length: count}, () => fragments[Math.floor(random() * fragments.length)]).join('');
            const difference = differs(text, seed, 3);
            if (difference) return {seed, text, ...difference};
          }
          return null;
        }""",
        [CORPUS["fragments"], RANDOM_TEXTS],
    )
    assert found is None


@pytest.mark.parametrize("text", CORPUS["attacks"])
async def test_an_attack_runs_nothing_loads_nothing_and_links_nowhere_unsafe(walker_page: Page, text: str) -> None:
    found: dict[str, Any] = await walker_page.evaluate(
        """async text => {
          const protocols = new Set(), tags = new Set();
          const random = randomFrom(3);
          for (const pieces of [[text], [...text], cut(text, random), cut(text, random)]) {
            const root = draw(pieces);
            for (const element of root.querySelectorAll('*')) {
              tags.add(element.localName);
              for (const name of element.getAttributeNames()) if (name.startsWith('on')) tags.add(name);
              if (element.localName === 'a') element.click();
              if (element.href) protocols.add(new URL(element.href).protocol);
            }
          }
          await new Promise(requestAnimationFrame);
          return {hit: window.__hit ?? null, protocols: [...protocols], tags: [...tags]};
        }""",
        text,
    )
    assert found["hit"] is None
    assert set(found["protocols"]) <= {"http:", "https:", "mailto:"}
    allowed = {
        "p",
        "a",
        "h3",
        "em",
        "strong",
        "s",
        "code",
        "pre",
        "div",
        "span",
        "button",
        "br",
        "hr",
        "ul",
        "ol",
    }
    assert set(found["tags"]) <= allowed | {"li", "blockquote", "table", "thead", "tbody", "tr", "th", "td", "input"}


async def test_links_are_absolute_and_carry_no_trust(walker_page: Page) -> None:
    links = await walker_page.evaluate(
        """() => [...draw(['[a](https://example.test/x) [b](/own) [c](//example.test)']).querySelectorAll('a')]
          .map(a => [a.getAttribute('href'), a.rel, a.target])"""
    )
    assert links == [["https://example.test/x", "noopener noreferrer nofollow ugc", "_blank"], *[[None, "", ""]] * 2]


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("# A\n\n### B", '<h3 class="major">A</h3><h3 class="minor">B</h3>'),
        ("a & b &lt;i&gt; &#x41;", "<p>a &amp; b &lt;i&gt; A</p>"),
        ("a<br>b", "<p>a&lt;br&gt;b</p>"),
        ("- a\n- b", "<ul><li><span>a</span></li><li><span>b</span></li></ul>"),
        ("3. a", '<ol start="3"><li><span>a</span></li></ol>'),
        ("![chart](https://example.test/c.png)", None),
    ],
)
async def test_markdown_becomes_plain_elements(walker_page: Page, text: str, html: str | None) -> None:
    drawn = await walker_page.evaluate("text => draw([text]).innerHTML", text)
    if html is None:
        assert "<img" not in drawn
        assert ">image: chart</a>" in drawn
    else:
        assert drawn == html


async def test_a_settled_block_is_never_touched_again(walker_page: Page) -> None:
    survives = await walker_page.evaluate(
        """async () => {
          const {MarkdownWalker} = await import('/static/widget/markdown-walker.js');
          const root = document.createElement('div');
          const walker = new MarkdownWalker(root, {copy: '', table: '', code: () => '', image: () => ''});
          walker.write('First block.\\n\\n- a\\n');
          const first = root.firstChild, list = root.children[1], item = list.firstChild;
          for (let n = 0; n < 50; n++) walker.write(`- item ${n}\\n`);
          walker.write('\\nNext.\\n\\nLast.\\n\\nThe end.');
          return [root.firstChild === first, root.children[1] === list, list.firstChild === item, list.children.length];
        }"""
    )
    assert survives == [True, True, True, 51]


@pytest.mark.parametrize("text", [">" * 20_000, "- " * 4_000 + "x", "[" * 20_000, "*a" * 10_000, "`a " * 7_000])
async def test_hostile_nesting_is_shown_in_bounded_time(walker_page: Page, text: str) -> None:
    shown, milliseconds = await walker_page.evaluate(
        "text => { const t = performance.now(); return [draw([text]).textContent.length, performance.now() - t] }", text
    )
    assert shown > 0
    assert milliseconds < 3_000
