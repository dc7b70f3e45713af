"""A digit classifier in plain PyTorch, with its SummaryWriter."""

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split
from torch.utils.tensorboard import SummaryWriter

torch.manual_seed(0)
digits = load_digits()
data = TensorDataset(
    torch.tensor(digits.data / 16, dtype=torch.float32), torch.tensor(digits.target, dtype=torch.long)
)
train, valid = random_split(data, [1500, len(data) - 1500])
model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
loss_of = nn.CrossEntropyLoss()

writer = SummaryWriter()
for epoch in range(4):
    total = 0.0
    for x, y in DataLoader(train, batch_size=64, shuffle=True):
        optimizer.zero_grad()
        loss = loss_of(model(x), y)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(x)
    writer.add_scalar("train/loss", total / len(train), epoch)
    x, y = valid.dataset[valid.indices]
    with torch.no_grad():
        out = model(x)
    writer.add_scalar("val/loss", loss_of(out, y), epoch)
    writer.add_scalar("val/accuracy", (out.argmax(1) == y).float().mean(), epoch)
    writer.add_histogram("weights", model[0].weight, epoch)
writer.close()
