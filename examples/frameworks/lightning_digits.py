"""A digit classifier in PyTorch Lightning."""

import lightning
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split


class Digits(lightning.LightningModule):
    """Two layers."""

    def __init__(self, units=32, lr=0.01):
        super().__init__()
        self.save_hyperparameters()
        self.layers = nn.Sequential(nn.Linear(64, units), nn.ReLU(), nn.Linear(units, 10))
        self.loss = nn.CrossEntropyLoss()

    def training_step(self, batch, _):
        x, y = batch
        loss = self.loss(self.layers(x), y)
        self.log("train_loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch, _):
        self.measure("val", batch)

    def test_step(self, batch, _):
        self.measure("test", batch)

    def measure(self, part, batch):
        x, y = batch
        out = self.layers(x)
        self.log(f"{part}_loss", self.loss(out, y))
        self.log(f"{part}_accuracy", (out.argmax(1) == y).float().mean())

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=self.hparams.lr)


lightning.seed_everything(0)
digits = load_digits()
data = TensorDataset(
    torch.tensor(digits.data / 16, dtype=torch.float32), torch.tensor(digits.target, dtype=torch.long)
)
train, valid, test = random_split(data, [1200, 300, len(data) - 1500])
trainer = lightning.Trainer(max_epochs=3, accelerator="cpu", enable_progress_bar=False)
model = Digits()
trainer.fit(model, DataLoader(train, batch_size=64, shuffle=True), DataLoader(valid, batch_size=100))
trainer.test(model, DataLoader(test, batch_size=100))
