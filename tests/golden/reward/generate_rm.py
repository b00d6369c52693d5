#!/usr/bin/env python3
"""rm_report.json: agreement metrics of reward-model grades from scipy and scikit-learn, for golden_reward_test.

    pip install -r requirements.txt && python3 generate_rm.py > rm_report.json
"""
import json

import numpy as np
import scipy
import scipy.stats
import sklearn
import sklearn.metrics

generator = np.random.default_rng(5)
cases = []


def calibration_error(grade, prescribed, bins=8):
    index = np.minimum(((grade - 1) / (4 / bins)).astype(int), bins - 1)
    return float(sum(np.abs(grade[index == b].mean() - prescribed[index == b].mean()) * np.mean(index == b)
                     for b in range(bins) if np.any(index == b)))


def add(grade, prescribed):
    cases.append({
        "grade": [float(g) for g in grade],
        "prescribed": [int(p) for p in prescribed],
        "spearman": float(scipy.stats.spearmanr(grade, prescribed).statistic),
        "pearson": float(scipy.stats.pearsonr(grade, prescribed).statistic),
        "mean_absolute_error": float(sklearn.metrics.mean_absolute_error(prescribed, grade)),
        "calibration_error": calibration_error(np.asarray(grade, float), np.asarray(prescribed, float)),
    })


for n, noise in [(2, 1.0), (5, 0.5), (40, 0.3), (60, 2.0), (300, 1.0)]:
    prescribed = generator.integers(1, 6, n)
    if len(set(prescribed)) == 1:
        prescribed[0] = 1 + prescribed[0] % 5
    add(np.clip(prescribed + noise * generator.standard_normal(n), 1, 5), prescribed)  # ties at the ends
    add(generator.integers(1, 6, n) if n > 5 else np.arange(1, n + 1), prescribed)     # ties on both sides
print(json.dumps({"scipy": scipy.__version__, "sklearn": sklearn.__version__, "cases": cases}))
