"""Writes metrics.json: what scikit-learn computes for the cases in it. Run: python3 test/golden/metrics.py

Scores are float32; the committed values were written by scikit-learn 1.2.1 and numpy 1.24.2.
"""
import json
import os

import numpy as np
import sklearn
from sklearn.metrics import average_precision_score, precision_recall_curve

RECALLS = [0.1, 0.5, 0.9, 0.99, 1.0]


def precision_at(scores, positives, wanted):
    """Precision at the highest threshold whose recall is at least `wanted`."""
    precision, recall, thresholds = precision_recall_curve(positives, scores)
    reached = np.flatnonzero(recall[: len(thresholds)] >= wanted)
    return float(precision[reached[-1]])  # thresholds ascend


def case(name, scores, positives):
    scores = np.asarray(scores, np.float32)
    positives = np.asarray(positives, np.uint8)
    return {
        'name': name,
        'scores': [float(s) for s in scores],
        'positives': [int(p) for p in positives],
        'averagePrecision': float(average_precision_score(positives, scores)),
        'precisionAtRecall': [[r, precision_at(scores, positives, r)] for r in RECALLS],
    }


def main():
    random = np.random.default_rng(20)
    cases = [
        case('one positive alone', [3.0], [1]),
        case('all positive', [1, 2, 2, 5], [1, 1, 1, 1]),
        case('perfect order', [4, 3, 2, 1], [1, 1, 0, 0]),
        case('reversed order', [1, 2, 3, 4], [1, 1, 0, 0]),
        case('all tied', [0.5] * 8, [1, 0, 0, 1, 0, 0, 0, 0]),
        case('tied zeros of both signs', [0.0, -0.0, 0.0, -0.0, 1, -1], [1, 0, 0, 1, 0, 1]),
        case('ties across the threshold', [0.9, 0.7, 0.7, 0.7, 0.3, 0.1], [1, 1, 0, 0, 1, 0]),
        case('neighbouring floats', np.nextafter(np.float32(1), np.float32([0, 1, 2])), [0, 1, 0]),
        case('subnormal and large', [1e-45, 0, -1e-45, 1e38, -1e38], [1, 0, 0, 0, 1]),
    ]
    for n, share, levels in [(50, 0.5, 4), (200, 0.1, 12), (400, 0.02, 1000), (400, 0.3, 7), (300, 0.9, 25)]:
        positives = (random.random(n) < share).astype(np.uint8)
        positives[0] = 1
        scores = np.round((random.normal(size=n) + positives) * levels) / levels
        cases.append(case(f'random, n={n}, share={share}, rounded to 1/{levels}', scores, positives))
    out = {'scikit-learn': sklearn.__version__, 'cases': cases}
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), 'metrics.json'), 'w') as file:
        json.dump(out, file, separators=(',', ':'))
        file.write('\n')


if __name__ == '__main__':
    main()
