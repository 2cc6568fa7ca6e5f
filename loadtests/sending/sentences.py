"""Sentences as a text encoder takes them: tokens of real lengths, none of anybody's words.

The lengths are those of 23,703 English sentences and snippets (tweets, product and film reviews,
newspaper editorials) which C. J. Hutto and E. Gilbert published with "VADER: A Parsimonious
Rule-based Model for Sentiment Analysis of Social Media Text" (ICWSM 2014; the four files
`*_GroundTruth.txt` in the source archive of vaderSentiment 0.5), counted with the WordPiece
vocabulary of all-MiniLM-L6-v2, lower case, both special tokens included. Their mean is 25.1.
"""

from collections.abc import Sequence

import numpy as np

__all__ = ["LENGTHS", "lengths", "padded"]

LENGTHS = (
    *((0.00, 3), (0.01, 6), (0.02, 7), (0.05, 9), (0.10, 11), (0.15, 13), (0.20, 15), (0.25, 17)),
    *((0.30, 18), (0.35, 20), (0.40, 21), (0.45, 22), (0.50, 24), (0.55, 25), (0.60, 27)),
    *((0.65, 29), (0.70, 30), (0.75, 32), (0.80, 34), (0.85, 37), (0.90, 40), (0.95, 45)),
    *((0.98, 52), (0.99, 55), (0.995, 61), (0.999, 80), (1.00, 203)),
)
"""Quantiles: the share of the sentences that have so many tokens or fewer."""

_FIRST, _LAST, _PAD = 101, 102, 0  # [CLS], [SEP] and [PAD] of the vocabulary
_WORDS = (1000, 30000)  # whose tokens are neither special nor single signs


def lengths(count: int, random: np.random.Generator) -> np.ndarray:
    """The tokens of `count` sentences, evenly over the distribution, in an order of chance."""
    shares, tokens = zip(*LENGTHS, strict=True)
    drawn = np.interp((random.permutation(count) + 0.5) / count, shares, tokens)
    return np.asarray(np.rint(drawn), int)


def padded(tokens: Sequence[int], random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Sentences of these lengths in one request.

    Returns:
        Their `input_ids` and `attention_mask`, INT64 [sentences, tokens of the longest]; what is
        missing behind a shorter one is padding, and 0 in the mask.
    """
    mask = (np.arange(max(tokens)) < np.asarray(tokens)[:, None]).astype(np.int64)
    ids = random.integers(*_WORDS, mask.shape)
    ids[:, 0] = _FIRST
    ids[np.arange(len(tokens)), np.asarray(tokens) - 1] = _LAST
    return np.where(mask == 1, ids, _PAD), mask
