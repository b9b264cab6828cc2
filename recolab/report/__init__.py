"""Run the notebooks in order by papermill, only those that are out of date, and write down what they found."""

from recolab.report.running import NotebookFailedError, make_report

__all__ = ["NotebookFailedError", "make_report"]
