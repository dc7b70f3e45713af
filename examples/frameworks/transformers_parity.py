"""A tiny transformer counts ones and zeros, with Hugging Face's Trainer."""

import numpy as np
import torch
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments, set_seed


class Sequences(torch.utils.data.Dataset):
    """Random sequences of two tokens."""

    def __init__(self, number, seed):
        self.tokens = torch.tensor(np.random.default_rng(seed).integers(0, 2, (number, 9)))
        self.labels = (self.tokens.sum(dim=1) > 4).long()

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        return {"input_ids": self.tokens[index], "labels": self.labels[index]}


set_seed(0)
config = BertConfig(
    vocab_size=2,
    hidden_size=16,
    num_hidden_layers=1,
    num_attention_heads=2,
    intermediate_size=16,
    max_position_embeddings=16,
)
trainer = Trainer(
    model=BertForSequenceClassification(config),
    args=TrainingArguments(
        output_dir="checkpoints",
        num_train_epochs=3,
        per_device_train_batch_size=32,
        learning_rate=1e-2,
        eval_strategy="epoch",
        logging_steps=4,
        save_strategy="no",
        report_to="none",
        use_cpu=True,
    ),
    train_dataset=Sequences(256, 0),
    eval_dataset=Sequences(64, 1),
    compute_metrics=lambda told: {"accuracy": (told.predictions.argmax(1) == told.label_ids).mean()},
)
trainer.train()
trainer.evaluate()
