"""Zero-shot tags over a vocabulary."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np
import pytest

from photos.vision.tags import DEFAULT_VOCABULARY, PROMPTS, choose_tags, embed_vocabulary, score_tags, with_article

if TYPE_CHECKING:
    from photos.vision.types import TextEncoder


class Axes:
    """A text tower whose words lie on axes: "a church" on 0, "a tree" on 1, everything else on the last."""

    def encode_text(self, texts):
        rows = np.zeros((len(texts), 4), np.float32)
        for row, text in zip(rows, texts, strict=True):
            row[0 if "church" in text else 1 if "tree" in text else 3] = 1
        return rows


@pytest.fixture
def vocabulary():
    return embed_vocabulary(cast("TextEncoder", Axes()), [("church", "a church"), ("tree", "a tree")])


def test_it_works(vocabulary):
    scores = score_tags(np.array([[0.9, 0.1, 0, 0], [0, 0, 1, 0]], np.float32), vocabulary)
    assert [tag.slug for tag in choose_tags(scores[0], vocabulary)] == ["church"]
    assert scores[0, 0] > 0.99


def test_a_picture_of_something_else_gets_no_tag(vocabulary):
    scores = score_tags(np.array([[0, 0, 0, 1]], np.float32), vocabulary)
    assert choose_tags(scores[0], vocabulary) == ()


def test_scores_are_shares(vocabulary):
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(20, 4)).astype(np.float32)
    scores = score_tags(rows / np.linalg.norm(rows, axis=1, keepdims=True), vocabulary)
    assert scores.shape == (20, 2)
    assert (scores >= 0).all()
    assert (scores.sum(axis=1) <= 1 + 1e-6).all()


def test_tags_come_best_first_cut_and_limited(vocabulary):
    tags = choose_tags(np.array([0.3, 0.6], np.float32), vocabulary, cut=0.2)
    assert [tag.slug for tag in tags] == ["tree", "church"]
    assert len(choose_tags(np.array([0.3, 0.6], np.float32), vocabulary, cut=0.2, limit=1)) == 1
    assert choose_tags(np.array([0.3, 0.6], np.float32), vocabulary, cut=0.7) == ()


def test_the_default_vocabulary_has_fifty_words_in_three_categories():
    words = [word for group in DEFAULT_VOCABULARY.values() for word in group]
    assert list(DEFAULT_VOCABULARY) == ["architecture", "nature", "objects"]
    assert len(words) == len(set(words)) == 50
    assert all(prompt.count("{}") == 1 for prompt in PROMPTS)


@pytest.mark.parametrize(("word", "expected"), [("arch", "an arch"), ("church", "a church"), ("stairs", "stairs")])
def test_words_take_their_article(word, expected):
    assert with_article(word) == expected
