"""Callbacks of the frameworks that install quickly, on the frameworks themselves."""

import numpy as np
import polars as pl
import pytest

import tfruns_rs as tfr
from tfruns_rs.errors import MissingExtraError

RNG = np.random.default_rng(0)
X = RNG.random((120, 4)).astype(np.float32)
Y = (X.sum(axis=1) > 2).astype(np.int64)


@pytest.fixture(autouse=True)
def _runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TFRUNS_RUNS_DIR", raising=False)


def only_run():
    runs = tfr.ls_runs()
    assert runs.height == 1
    return runs.row(0, named=True)


def keras_model():
    import keras

    model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(1, activation="sigmoid")])
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    return model


@pytest.mark.frameworks
def test_keras_starts_a_run_and_ends_it():
    from tfruns_rs.keras import RunCallback

    model, callback = keras_model(), RunCallback()
    fit = {"batch_size": 16, "epochs": 3, "validation_data": (X[:30], Y[:30]), "verbose": 0}
    history = model.fit(X, Y, callbacks=[callback], **fit)
    model.evaluate(X[:50], Y[:50], callbacks=[callback], verbose=0)
    run = only_run()
    assert run["status"] == "completed"
    assert {
        k: run[k] for k in ("samples", "validation_samples", "batch_size", "epochs", "epochs_completed")
    } == {
        "samples": 120,
        "validation_samples": 30,
        "batch_size": 16,
        "epochs": 3,
        "epochs_completed": 3,
    }
    assert (run["optimizer"], run["loss_function"]) == ("adam", "binary_crossentropy")
    assert run["learning_rate"] == pytest.approx(0.001)
    assert "Dense" in run["model"]
    metrics = tfr.run_info(run["run_dir"]).metrics
    assert metrics["epoch"].to_list() == [1, 2, 3]
    for name, values in history.history.items():
        assert metrics[name].to_list() == pytest.approx(values)
    assert run["metric_val_loss"] == pytest.approx(history.history["val_loss"][-1])
    assert run["eval_accuracy"] == pytest.approx(model.evaluate(X[:50], Y[:50], verbose=0)[1])
    types = tfr.load_run(run["run_dir"]).metrics_frame()["type"].unique().sort().to_list()
    assert types == ["train", "val"]


@pytest.mark.frameworks
def test_keras_fills_the_active_run_and_leaves_its_end():
    from tfruns_rs.keras import RunCallback

    with tfr.create_run(name="mine") as run:
        keras_model().fit(X, Y, epochs=2, callbacks=[RunCallback()], validation_split=0.25, verbose=0)
        assert run.status == "Running"
    found = only_run()
    assert found["name"] == "mine"
    assert (found["samples"], found["validation_samples"], found["batch_size"]) == (90, 30, 32)
    assert found["epochs_completed"] == 2


@pytest.mark.frameworks
def test_keras_told_what_was_not_known():
    """A data set that does not know its length costs a property, not the training."""
    import keras

    from tfruns_rs.keras import RunCallback

    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 3

        def __getitem__(self, index):
            return X[:10], Y[:10]

    keras_model().fit(Batches(), epochs=1, callbacks=[RunCallback()], verbose=0)
    assert only_run()["metric_loss"] > 0


def test_xgboost():
    import xgboost

    from tfruns_rs.xgboost import RunCallback

    train, valid = xgboost.DMatrix(X[:90], Y[:90]), xgboost.DMatrix(X[90:], Y[90:])
    results = {}
    params = {"objective": "binary:logistic", "eta": 0.2, "eval_metric": ["logloss", "error"]}
    xgboost.train(
        params,
        train,
        5,
        evals=[(train, "train"), (valid, "test")],
        evals_result=results,
        verbose_eval=False,
        callbacks=[RunCallback()],
    )
    run = only_run()
    assert (run["status"], run["samples"], run["validation_samples"], run["epochs"]) == (
        "completed",
        90,
        30,
        5,
    )
    assert (run["loss_function"], run["learning_rate"], run["flag_eta"]) == ("binary:logistic", 0.2, 0.2)
    metrics = tfr.run_info(run["run_dir"]).metrics
    assert metrics["logloss"].to_list() == results["train"]["logloss"]
    assert metrics["val_error"].to_list() == results["test"]["error"]
    assert run["eval_logloss"] == results["test"]["logloss"][-1]


def test_xgboost_estimator_and_cross_validation():
    import xgboost

    from tfruns_rs.xgboost import RunCallback

    estimator = xgboost.XGBClassifier(n_estimators=4, callbacks=[RunCallback(name="estimator")])
    estimator.fit(X[:90], Y[:90], eval_set=[(X[90:], Y[90:])], verbose=False)
    xgboost.cv(
        {"objective": "binary:logistic"},
        xgboost.DMatrix(X, Y),
        3,
        nfold=2,
        metrics="logloss",
        callbacks=[RunCallback(name="cv")],
    )
    runs = {row["name"]: row for row in tfr.ls_runs().rows(named=True)}
    assert runs["estimator"]["metric_val_logloss"] == estimator.evals_result()["validation_0"]["logloss"][-1]
    assert {"metric_logloss", "metric_val_logloss"} <= set(runs["cv"])
    assert runs["cv"]["epochs_completed"] == 3


def test_lightgbm():
    import lightgbm

    from tfruns_rs.lightgbm import RunCallback

    train = lightgbm.Dataset(X[:90], Y[:90])
    valid = lightgbm.Dataset(X[90:], Y[90:], reference=train)
    results = {}
    params = {"objective": "binary", "learning_rate": 0.3, "verbose": -1, "min_data_in_leaf": 5}
    lightgbm.train(
        params,
        train,
        4,
        valid_sets=[train, valid],
        valid_names=["train", "held out"],
        callbacks=[RunCallback(), lightgbm.record_evaluation(results)],
    )
    run = only_run()
    assert (run["status"], run["epochs"], run["samples"], run["learning_rate"]) == ("completed", 4, 90, 0.3)
    assert run["loss_function"] == "binary"
    metrics = tfr.run_info(run["run_dir"]).metrics
    assert metrics["binary_logloss"].to_list() == results["train"]["binary_logloss"]
    assert metrics["val_binary_logloss"].to_list() == results["held out"]["binary_logloss"]


def test_lightgbm_stopped_early_ends_with_its_block():
    import lightgbm

    from tfruns_rs.lightgbm import RunCallback

    params = {"objective": "binary", "verbose": -1, "min_data_in_leaf": 5}
    train = lightgbm.Dataset(X[:90], Y[:90])
    valid = lightgbm.Dataset(X[90:], RNG.permutation(Y[90:]), reference=train)
    with RunCallback() as callback:
        stop = lightgbm.early_stopping(2, verbose=False)
        booster = lightgbm.train(params, train, 100, valid_sets=[valid], callbacks=[callback, stop])
    run = only_run()
    assert run["status"] == "completed"
    assert run["epochs_completed"] == booster.best_iteration + 2 < 100


@pytest.mark.parametrize("several", [False, True])
def test_a_search_becomes_runs(several):
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV

    from tfruns_rs.sklearn import log_search

    scoring = {"scoring": ["accuracy", "roc_auc"], "refit": "accuracy"} if several else {}
    grid = {"C": [0.01, 1.0, 100.0], "fit_intercept": [True, False]}
    search = GridSearchCV(LogisticRegression(), grid, cv=4, return_train_score=True, **scoring).fit(X, Y)
    runs = log_search(search, dataset="toy")
    assert runs.height == 6
    assert runs["flag_C"].to_list() == [p["C"] for p in search.cv_results_["params"]]
    score = "accuracy" if several else "score"
    assert runs[f"eval_{score}"].to_list() == pytest.approx(search.cv_results_[f"mean_test_{score}"].tolist())
    assert runs["best"].to_list().index("TRUE") == search.best_index_
    assert (runs["status"].unique().to_list(), runs["dataset"].unique().to_list()) == (["completed"], ["toy"])
    metrics = tfr.run_info(runs["run_dir"][2]).metrics
    assert metrics.height == 4
    held_out = [search.cv_results_[f"split{i}_test_{score}"][2] for i in range(4)]
    assert metrics[f"val_{score}"].to_list() == held_out
    assert score in metrics.columns
    assert tfr.ls_runs(pl.col("best") == "TRUE").height == 1


def test_a_search_of_estimators_and_functions():
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import RandomizedSearchCV
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import MinMaxScaler, StandardScaler

    from tfruns_rs.sklearn import log_search

    pipeline = Pipeline([("scale", StandardScaler()), ("model", LogisticRegression())])
    space = {"scale": [StandardScaler(), MinMaxScaler(), None], "model__C": np.logspace(-2, 2, 5)}
    search = RandomizedSearchCV(pipeline, space, n_iter=4, cv=2, random_state=0).fit(X, Y)
    runs = log_search(search)
    assert runs["flag_model__C"].dtype == pl.Float64
    assert runs["model"].str.starts_with("Pipeline").all()
    with pytest.raises(ValueError, match="fit"):
        log_search(RandomizedSearchCV(pipeline, space))


def test_a_missing_framework_is_one_line(monkeypatch):
    import sys

    import tfruns_rs.keras

    monkeypatch.delitem(tfruns_rs.keras.__dict__, "RunCallback", raising=False)
    monkeypatch.setitem(sys.modules, "keras", None)
    monkeypatch.setitem(sys.modules, "keras.callbacks", None)
    with pytest.raises(MissingExtraError, match="pip install keras"):
        _ = tfruns_rs.keras.RunCallback
    with pytest.raises(AttributeError):
        _ = tfruns_rs.keras.nothing


def test_ranks_beyond_the_first_record_nothing(monkeypatch, tmp_path):
    from tfruns_rs.xgboost import RunCallback

    monkeypatch.setenv("RANK", "1")
    import xgboost

    xgboost.train({}, xgboost.DMatrix(X, Y), 2, callbacks=[RunCallback()])
    assert not (tmp_path / "runs").exists()


def test_modules_import_no_framework():
    import subprocess
    import sys

    names = ("keras", "lightning", "transformers", "sklearn", "xgboost", "lightgbm", "torch", "tensorboardx")
    code = f"""
import sys, tfruns_rs
for name in {names!r}: assert getattr(tfruns_rs, name).__name__ == "tfruns_rs." + name
print([m for m in (*{names!r}, "tensorboardX", "numpy", "polars") if m in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_an_error_that_is_looked_for_at_the_top_is_pointed_at():
    import tfruns_rs

    with pytest.raises(AttributeError, match=r"no attribute 'FlagsError'; errors are in tfruns_rs\.errors"):
        tfruns_rs.FlagsError  # noqa: B018
    with pytest.raises(AttributeError, match=r"no attribute 'flag'$"):
        tfruns_rs.flag  # noqa: B018
