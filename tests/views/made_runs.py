"""Run directories made by hand, in the layout of R's tfruns: pages are tested apart from our writers."""

import io
import json
import random
import tarfile
from pathlib import Path

PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63f8cfc0000003010100"
    "c9fe92ef0000000049454e44ae426082"
)


def make_run(
    run_dir: Path,
    *,
    properties: dict[str, str] | None = None,
    flags: dict | None = None,
    metrics: dict | None = None,
    evaluation: dict | None = None,
    error: dict | None = None,
    sources: dict[str, str] | None = None,
    output: str = "",
    files: dict[str, bytes] | None = None,
    start: float = 1_767_225_600.125,
    seconds: float = 61.5,
) -> Path:
    meta = run_dir / "tfruns.d"
    (meta / "properties").mkdir(parents=True)
    (run_dir / "plots").mkdir()
    (run_dir / "plots" / "Rplot001.png").write_bytes(PIXEL)
    texts = {
        "type": "training",
        "context": "local",
        "script": "train.py",
        "start": f"{start:.15g}",
        "end": f"{start + seconds:.15g}",
        "completed": "FALSE" if error else "TRUE",
        "output": output,
        **(properties or {}),
    }
    for name, text in texts.items():
        (meta / "properties" / name).write_text(text + "\n")
    for name, values in (
        ("flags", flags),
        ("metrics", metrics),
        ("evaluation", evaluation),
        ("error", error),
    ):
        if values is not None:
            (meta / f"{name}.json").write_text(json.dumps(values))
    if sources is not None:
        with tarfile.open(meta / "source.tar.gz", "w:gz") as archive:
            for name, text in sources.items():
                entry = tarfile.TarInfo(f"source/{name}")
                entry.size = len(text.encode())
                archive.addfile(entry, io.BytesIO(text.encode()))
    for name, data in (files or {}).items():
        (run_dir / name).parent.mkdir(parents=True, exist_ok=True)
        (run_dir / name).write_bytes(data)
    return run_dir


def random_run(run_dir: Path, seed: int) -> Path:
    """A run whose every value is drawn: no template has seen it."""
    draw = random.Random(seed)  # noqa: S311 - test data
    epochs = draw.randint(3, 9)
    loss = [draw.uniform(0.1, 2) / (n + 1) for n in range(epochs)]
    accuracy = [draw.random() for _ in range(epochs)]
    return make_run(
        run_dir,
        flags={
            "learning_rate": draw.choice([2e-05, 1e-3]) * draw.random(),
            "units": draw.randint(1, 512),
            "activation": draw.choice(["relu", "tanh"]),
            "batch_norm": draw.random() < 0.5,
        },
        metrics={
            "loss": loss,
            "accuracy": accuracy,
            "val_loss": [value * 1.1 for value in loss],
            "val_accuracy": [value * 0.9 for value in accuracy],
        },
        evaluation={"loss": draw.random(), "accuracy": draw.random()},
        properties={
            "epochs": str(epochs + 2),
            "samples": str(draw.randint(1000, 90_000)),
            "batch_size": "128",
            "model": "Model\n____\ndense (Dense)  (None, 10)\n",
            "optimizer": "Adam",
            "learning_rate": "0.001",
        },
        sources={"train.py": f"def train():\n    return {draw.random()}\n", "helper.py": "X = 1\n"},
        output=f"\x1b[32mepoch {epochs}\x1b[0m done\n",
        files={"weights/model.bin": b"w" * draw.randint(1, 5000)},
        start=1_767_225_600.125 + seed,
    )
