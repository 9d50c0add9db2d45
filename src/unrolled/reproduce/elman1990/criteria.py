"""What Elman 1990 says of its networks, and what a network must do here for it to hold.

Written from the paper before any network was trained; never changed afterwards. Source: J. L. Elman, "Finding structure
in time", Cognitive Science 14 (1990), 179-211.

Each criterion is one measured number and a bound on it. The paper shows one network of each kind; here several are
trained that differ in their first weights. A criterion **holds** where more than half of the trained networks meet it
and none of the same networks before training does: what an untrained network does is not learnt. Everything is measured
on new data of the same kind, made with another seed, except where the paper itself looks at the training text (part d).

Where the paper gives a number, a network may be a tenth worse: an error at most 1.1 times the published one, an angle
at most 1.1 times that of the published cosine. Where it shows a figure, the bound is chosen here, and ``why`` says how.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from unrolled.reproduce.claims import Criterion

TOLERANCE = 1.1  # of an error or an angle that the paper gives as a number
NETWORKS: Mapping[str, int] = {"xor": 10, "letters": 5, "words": 5, "classes": 3}  # how many are trained of each kind


# (a) Exclusive-Or. 1-2-1 with 2 context units, 3,000 bits, 600 passes.
XOR_THIRD = Criterion(
    "xor",
    "the least error (RMS over 1,200 cycles) at the 8 unpredictable bits of a cycle of 12, less the greatest at the 4 "
    "that are the XOR of the two before",
    "the error falls at every third bit",
    "Exclusive-Or; figure 3, RMS error over 12 consecutive inputs, averaged over 1,200 trials",
    "At all four places where a prediction is possible the error is lower than at all others, as in the figure.",
    above=0.0,
)
XOR_RULE = Criterion(
    "xor",
    "the least mean output after 01 and after 10, less the greatest after 00 and after 11",
    "the rule of XOR is applied at every bit, also where it does not hold",
    "Exclusive-Or; the text after figure 3, on what the averages hide",
    "A network that has found only a part of XOR that is linearly separable cannot order the four pairs so.",
    above=0.0,
)

# (b) Structure in letter sequences. 6-20-6 with 20 context units, 1,000 consonants, 200 passes.
LETTERS_ERROR = Criterion(
    "letters",
    "error (RMS over 6 bits) of predicting consonants over that of predicting vowels",
    "error is high on consonants and low on vowels, how many there are included",
    "Structure in letter sequences; figure 4",
    "Twice as high: in the figure every consonant stands far above every vowel.",
    least=2.0,
)
LETTERS_BIT = Criterion(
    "letters",
    "error (RMS) of the bit Consonant at all letters over that of the bit High at consonants",
    "that a consonant follows is known, which is not: error is low on the bit Consonant, high on the bit High",
    "Structure in letter sequences; figure 5, (a) bit 1 and (b) bit 4",
    "Half: a constant output makes an error of 0.47 or more on the bit Consonant, 1 of 3 letters being one.",
    most=0.5,
)
LETTERS_ALWAYS = Criterion(
    "letters",
    "share of all letters at which the error of the bit Consonant is lower than that of the bit High",
    "the error of the first bit is lower at all points in time",
    "Structure in letter sequences; the text on figure 5",
    "All points but one of twenty.",
    least=0.95,
)

# (c) Discovering the notion "word". 5-20-5 with 20 context units, 200 sentences of 4 to 9 words, 10 passes.
WORDS_ONSET = Criterion(
    "words",
    "error (RMS over 5 bits) of predicting first letters of words over that of predicting all others",
    "error is high at the onset of a word",
    'Discovering the notion "word"; figure 6',
    "Half as much again, over all words; in the figure most peaks are two to three times as high as what follows.",
    least=1.5,
)
WORDS_DECLINE = Criterion(
    "words",
    "the smaller fall of the error, from the first to the second and from the second to the third letter of words",
    "error declines as more of the word is received",
    'Discovering the notion "word"; the text on figure 6',
    "The error falls at both steps.",
    above=0.0,
)
WORDS_PRECISION = Criterion(
    "words",
    "precision: share of the peaks (error higher than at both neighbours) that are beginnings of words",
    "error is a clue to where words begin",
    'Discovering the notion "word"; figure 6 and the text on it',
    "More than half; of letters marked at random about a quarter are beginnings.",
    above=0.5,
)
WORDS_RECALL = Criterion(
    "words",
    "recall: share of the beginnings of words that are peaks",
    "error is a clue to where words begin",
    'Discovering the notion "word"; figure 6 and the text on it',
    "More than half; marks at random, as many as there are peaks, find about a third.",
    above=0.5,
)

# (d) Discovering lexical classes from word order. 31-150-31 with 150 context units, 10,000 sentences, 6 passes.
CLASSES_TARGET = Criterion(
    "classes",
    "error against the words that came: root of the mean over words of the squares summed over 31 units",
    "0.88 after training",
    "Discovering lexical classes from word order; the text on performance",
    "A tenth more; all units off makes 1.",
    most=0.88 * TOLERANCE,
)
CLASSES_RMS = Criterion(
    "classes",
    "error against the likelihoods of all words given the sentence so far: RMS over units and words",
    "0.053 (standard deviation 0.100)",
    "Discovering lexical classes from word order; the text on performance",
    "A tenth more.",
    most=0.053 * TOLERANCE,
)
CLASSES_COSINE = Criterion(
    "classes",
    "cosine of the angle between the outputs and the likelihoods, mean over words",
    "0.916 (standard deviation 0.123)",
    "Discovering lexical classes from word order; the text on performance",
    "The angle of 23.7° a tenth greater.",
    least=math.cos(math.acos(0.916) * TOLERANCE),
)
CLASSES_LARGE = Criterion(
    "classes",
    "of verbs, nouns, animates and inanimates, those that are exactly one branch of the dendrogram",
    "verbs stand against nouns, and among nouns animates against inanimates",
    "Discovering lexical classes from word order; figure 7",
    "All four. Hidden states averaged over each word's occurrences, Euclidean distance, average linkage (the paper "
    "names none).",
    least=4,
)
CLASSES_SMALL = Criterion(
    "classes",
    "of humans, animals, large animals, small animals, food and breakables, those that are exactly one branch",
    "smaller branches are humans, animals, large animals, edibles, breakables",
    "Discovering lexical classes from word order; figure 7 and the text on it",
    "Four of the six: one network of many, and a branch that misses a single word does not count.",
    least=4,
)
CLASSES_ZOG = Criterion(
    "classes",
    "of two, what holds of zog, in place of man everywhere and never trained: the animates with it are exactly one "
    "branch; the nearest word is human",
    "zog has the same relation to the other words as man had",
    "Types, tokens, and structured representations; figure 9",
    "Both.",
    least=2,
)

CRITERIA = (
    XOR_THIRD, XOR_RULE,
    LETTERS_ERROR, LETTERS_BIT, LETTERS_ALWAYS,
    WORDS_ONSET, WORDS_DECLINE, WORDS_PRECISION, WORDS_RECALL,
    CLASSES_TARGET, CLASSES_RMS, CLASSES_COSINE, CLASSES_LARGE, CLASSES_SMALL, CLASSES_ZOG,
)  # fmt: skip
