"""Boosted trees with LightGBM's estimator."""

import lightgbm as lgb
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

x, y = load_breast_cancer(return_X_y=True)
x_train, x_test, y_train, y_test = train_test_split(x, y, random_state=0)
model = lgb.LGBMClassifier(n_estimators=30, learning_rate=0.2, verbose=-1)
model.fit(x_train, y_train, eval_set=[(x_test, y_test)], callbacks=[lgb.early_stopping(10)])
print(model.best_score_)
