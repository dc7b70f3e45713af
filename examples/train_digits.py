"""Train a small neural network on scikit-learn's handwritten digits, and log it.

A training script as anybody would write it. It runs by itself (`python train_digits.py --epochs 5`), and as a
recorded run (`tfr.training_run("train_digits.py")`).
"""

import numpy as np
from sklearn.datasets import load_digits
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

import tfruns_rs as tfr

FLAGS = tfr.flags(
    tfr.flag_integer("epochs", 20, "Passes over the training images"),
    tfr.flag_numeric("learning_rate", 0.002, "Of the Adam optimiser"),
    tfr.flag_integer("hidden_units", 32, "In the one hidden layer"),
)


def main() -> None:
    """Train for some epochs; log loss and accuracy of both parts of the data after each."""
    x, y = load_digits(return_X_y=True)
    parts = train_test_split(x / 16, y, test_size=0.25, random_state=1, stratify=y)
    x_train, x_valid, y_train, y_valid = parts
    model = MLPClassifier(FLAGS.hidden_units, learning_rate_init=FLAGS.learning_rate, random_state=1)
    classes = np.unique(y)

    for epoch in range(FLAGS.epochs):
        model.partial_fit(x_train, y_train, classes=classes)
        scores = {
            name: {
                "loss": log_loss(labels, model.predict_proba(images)),
                "accuracy": model.score(images, labels),
            }
            for name, images, labels in (("train", x_train, y_train), ("valid", x_valid, y_valid))
        }
        tfr.log_event(scores, step=epoch)
        if epoch % 5 == 4:
            valid = scores["valid"]
            print(f"epoch {epoch + 1:3}: valid loss {valid['loss']:.3f}, accuracy {valid['accuracy']:.3f}")


if __name__ == "__main__":
    main()
