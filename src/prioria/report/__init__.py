"""Pictures and pages: what a run learned, with every number's estimator, samples and split."""
