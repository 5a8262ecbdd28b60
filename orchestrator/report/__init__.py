"""The report: verdicts of packages over time, as one document and as a static site."""
