"""Boosted trees with XGBoost."""

import xgboost as xgb
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

x, y = load_breast_cancer(return_X_y=True)
x_train, x_test, y_train, y_test = train_test_split(x, y, random_state=0)
dtrain, dtest = xgb.DMatrix(x_train, y_train), xgb.DMatrix(x_test, y_test)
params = {"objective": "binary:logistic", "max_depth": 3, "eta": 0.1, "eval_metric": "logloss"}
xgb.train(params, dtrain, 20, evals=[(dtrain, "train"), (dtest, "test")], verbose_eval=5)
