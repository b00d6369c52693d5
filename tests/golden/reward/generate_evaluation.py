"""Writes evaluation.json: what scikit-learn and scipy say about two simulated runs over the same records.

Run by hand (versions: requirements-evaluation.txt beside this file):  python generate_evaluation.py > evaluation.json

Metrics: sklearn.metrics (macro-F1 and balanced accuracy over the labels that occur, undefined precision 0). p of the paired
difference in accuracy: scipy.stats.permutation_test, sign flips of the per-record differences. Holm: statsmodels.
An answer is a digit; 9 is no label at all.
"""

import json
import sys

import numpy as np
import scipy
import sklearn
from scipy.stats import permutation_test
from sklearn import metrics
from statsmodels.stats.multitest import multipletests

LABELS = ["angry", "fear", "happy", "neutral", "sad"]
OTHER = 9


def run(rng, truth, accuracy):
    wrong = rng.choice([0, 1, 2, 3, 4, OTHER], size=truth.size, p=[0.3, 0.1, 0.1, 0.3, 0.1, 0.1])
    return np.where(rng.random(truth.size) < accuracy, truth, wrong)


def classification(truth, answers):
    labels = list(range(len(LABELS)))
    common = dict(labels=labels, zero_division=0, average=None)
    return {
        "accuracy": metrics.accuracy_score(truth, answers),
        "unweighted_average_recall": metrics.recall_score(truth, answers, labels=labels, average="macro", zero_division=0),
        "macro_f1": metrics.f1_score(truth, answers, labels=labels, average="macro", zero_division=0),
        "recall": metrics.recall_score(truth, answers, **common).tolist(),
        "precision": metrics.precision_score(truth, answers, **common).tolist(),
        "f1": metrics.f1_score(truth, answers, **common).tolist(),
        "confusion": metrics.confusion_matrix(truth, answers, labels=labels + [OTHER])[: len(LABELS)].tolist(),
    }


def paired_p(truth, a, b):
    difference = (b == truth).astype(float) - (a == truth).astype(float)
    found = permutation_test(
        (difference,), np.mean, permutation_type="samples", alternative="two-sided", n_resamples=20000, random_state=1
    )
    return {"difference": difference.mean(), "p_value": found.pvalue}


def case(seed, size, accuracy_a, accuracy_b):
    rng = np.random.default_rng(seed)
    truth = rng.choice(5, size=size, p=[0.1, 0.15, 0.2, 0.35, 0.2])
    a, b = run(rng, truth, accuracy_a), run(rng, truth, accuracy_b)
    text = lambda values: "".join(str(v) for v in values)
    return {
        "truth": text(truth), "a": text(a), "b": text(b),
        "metrics_a": classification(truth, a), "metrics_b": classification(truth, b), "paired": paired_p(truth, a, b),
    }


def main():
    cases = [case(1, 1500, 0.60, 0.60), case(2, 1500, 0.60, 0.63), case(3, 1500, 0.50, 0.53), case(4, 1500, 0.55, 0.65)]
    p_values = [[0.01, 0.04, 0.03, 0.005], [0.5, 0.9, 0.7], [0.02], [0.04, 0.04, 0.01]]
    holm = [{"p": p, "adjusted": multipletests(p, method="holm")[1].tolist()} for p in p_values]
    versions = {"sklearn": sklearn.__version__, "scipy": scipy.__version__, "numpy": np.__version__}
    json.dump({"versions": versions, "labels": LABELS, "cases": cases, "holm": holm}, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
