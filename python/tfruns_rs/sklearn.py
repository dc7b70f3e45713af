"""scikit-learn's searches become runs: `tfruns_rs.sklearn.log_search(GridSearchCV(…).fit(x, y))`."""

from tfruns_rs.frameworks._sklearn import log_search

__all__ = ["log_search"]
