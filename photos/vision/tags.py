"""Zero-shot tags: which words of a vocabulary a picture's embedding lies near.

The vocabulary is turned into vectors by the encoder's text tower, each word as the mean over a few prompts (Radford et
al. 2021, https://arxiv.org/abs/2103.00020). A word's score is its share of a softmax over the vocabulary together with
background prompts that describe no word in particular, so that a picture of something else gives its weight to them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from photos.vision.types import TagScore, TextEncoder

PROMPTS: Final = ("a photo of {}.", "a cropped photo of {}.", "a close-up photo of {}.", "{} in the city.")
BACKGROUND: Final = ("a photo.", "a blurry photo.", "a texture.", "something unrecognisable.", "a plain background.")
LOGIT_SCALE: Final = 100.0
"""CLIP's learned temperature; other towers' own is close enough for a share that is cut by calibration."""
DEFAULT_CUT: Final = 0.15
MAX_TAGS: Final = 5

DEFAULT_VOCABULARY: Final[dict[str, tuple[str, ...]]] = {
    "architecture": (
        *("church", "mosque", "temple", "castle", "tower", "bridge", "skyscraper", "house", "apartment building"),
        *("monument", "statue", "fountain", "arch", "dome", "stairs", "square", "street", "wall"),
    ),
    "nature": (
        *("mountain", "hill", "forest", "tree", "river", "lake", "sea", "beach", "cliff", "waterfall", "field"),
        *("garden", "flower", "snow", "sky", "rock"),
    ),
    "objects": (
        *("car", "bus", "tram", "train", "bicycle", "boat", "person", "crowd", "animal", "traffic sign"),
        *("shop sign", "street lamp", "bench", "flag", "clock", "market stall"),
    ),
}


@dataclass(frozen=True, slots=True, eq=False)
class Vocabulary:
    """Words as vectors of one space.

    `slugs` (T,) names the rows of `vectors`, (T, D) float32 of unit norm; `background` is (B, D).
    """

    slugs: tuple[str, ...]
    vectors: NDArray[np.float32]
    background: NDArray[np.float32]


def embed_vocabulary(encoder: TextEncoder, words: Sequence[tuple[str, str]]) -> Vocabulary:
    """Return the vectors of `words`, pairs of a slug and the words that a prompt takes ("a church")."""
    texts = [prompt.format(text) for _, text in words for prompt in PROMPTS]
    rows = encoder.encode_text([*texts, *BACKGROUND])
    split = len(texts)
    means = rows[:split].reshape(len(words), len(PROMPTS), -1).mean(axis=1)
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    return Vocabulary(tuple(slug for slug, _ in words), means.astype(np.float32), rows[split:])


def score_tags(embeddings: NDArray[np.float32], vocabulary: Vocabulary) -> NDArray[np.float32]:
    """Return each word's share, (N, T) float32 in 0..1, for `embeddings` (N, D) of unit norm."""
    rows = np.concatenate([vocabulary.vectors, vocabulary.background])
    logits = LOGIT_SCALE * (np.asarray(embeddings, np.float32) @ rows.T)
    logits -= logits.max(axis=1, keepdims=True)
    shares = np.exp(logits)
    shares /= shares.sum(axis=1, keepdims=True)
    return np.asarray(shares[:, : len(vocabulary.slugs)], np.float32)


def choose_tags(
    scores: NDArray[np.float32], vocabulary: Vocabulary, *, cut: float = DEFAULT_CUT, limit: int = MAX_TAGS
) -> tuple[TagScore, ...]:
    """Return the tags of one picture or segment with a share of at least `cut`, best first; `scores` is (T,)."""
    order = np.argsort(-scores, kind="stable")[:limit]
    return tuple(TagScore(vocabulary.slugs[i], float(scores[i])) for i in order if scores[i] >= cut)


def tag_picture(
    embedding: NDArray[np.float32] | None,
    segments: Sequence[NDArray[np.float32]],
    vocabulary: Vocabulary,
    *,
    cut: float = DEFAULT_CUT,
) -> tuple[tuple[TagScore, ...], list[tuple[TagScore, ...]]]:
    """Return the tags of a picture and of each of its segments from their vectors, (D,) of unit norm.

    The picture's score for a word is the best of the whole and the segments: a small bridge is a bridge too.
    """
    rows = [*([] if embedding is None else [embedding]), *segments]
    if not rows or not vocabulary.slugs:
        return (), [() for _ in segments]
    scores = score_tags(np.stack(rows), vocabulary)
    of_segments = scores[len(rows) - len(segments) :]
    return (
        choose_tags(scores.max(axis=0), vocabulary, cut=cut),
        [choose_tags(one, vocabulary, cut=cut) for one in of_segments],
    )


def with_article(word: str) -> str:
    """Return "a church", "an arch", "stairs": the form that the prompts take."""
    if word.endswith("s") and not word.endswith("ss"):
        return word
    return f"{'an' if word[0] in 'aeiou' else 'a'} {word}"
