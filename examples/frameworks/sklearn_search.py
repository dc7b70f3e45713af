"""A grid search with scikit-learn."""

from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV
from sklearn.svm import SVC

x, y = load_iris(return_X_y=True)
search = GridSearchCV(SVC(), {"C": [0.1, 1, 10], "kernel": ["linear", "rbf"]}, cv=5, return_train_score=True)
search.fit(x, y)
print(search.best_params_, search.best_score_)
