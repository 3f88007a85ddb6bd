"""Linear layers: read, trained, applied to files and behind an encoder."""

from __future__ import annotations

from typing import cast

import numpy as np
import pytest
import torch

from photos.vision import registry
from photos.vision.__main__ import main
from photos.vision.adaptation import LinearLayer, adapted_spec, read_layer, write_layer
from photos.vision.adaptation_training import TrainingSettings, leave_one_out_map, train_layer
from photos.vision.encoders.linear import LinearEncoder, register_adapted
from photos.vision.errors import InterchangeError, UnknownModelError, VisionError, WeightsCorruptError
from photos.vision.interchange import feature_files
from photos.vision.types import BatchEncoder
from tests.vision.drawing import shapes


def layer(dimensions: int = 6, inputs: int = 8, seed: int = 0) -> LinearLayer:
    random = np.random.default_rng(seed)
    numbers = random.standard_normal((dimensions, inputs + 1)).astype(np.float32)
    return LinearLayer(np.ascontiguousarray(numbers[:, :-1]), np.ascontiguousarray(numbers[:, -1]))


def instances(count: int = 40, each: int = 6, dimensions: int = 24, seed: int = 1):
    """Features of instances that differ in a few directions only, under noise that is larger in all others."""
    random = np.random.default_rng(seed)
    centres = np.zeros((count, dimensions))
    centres[:, :6] = random.standard_normal((count, 6))
    labels = np.repeat(np.arange(count), each)
    noise = random.standard_normal((len(labels), dimensions)) * np.where(np.arange(dimensions) < 6, 0.4, 1.0)
    rows = centres[labels] + noise
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32), labels


def test_a_layer_gives_what_ilias_adapter_gives():
    found = layer()
    rows = np.random.default_rng(2).standard_normal((5, 8)).astype(np.float16)
    linear = torch.nn.Linear(8, 6)
    linear.load_state_dict({"weight": torch.from_numpy(found.weight), "bias": torch.from_numpy(found.bias)})
    expected = torch.nn.functional.normalize(linear(torch.from_numpy(rows).float()), dim=-1).detach().numpy()
    np.testing.assert_allclose(found.apply(rows), expected, atol=1e-6)
    with pytest.raises(InterchangeError, match="takes 8 numbers"):
        found.apply(np.ones((2, 9)))


def test_layers_of_ilias_and_ours_are_read_alike(tmp_path):
    found = layer()
    state = {"layer.weight": torch.from_numpy(found.weight), "layer.bias": torch.from_numpy(found.bias)}
    torch.save(state, tmp_path / "theirs.pth")
    write_layer(tmp_path / "ours.safetensors", found, notes={"epochs": "3"})
    for path in (tmp_path / "theirs.pth", tmp_path / "ours.safetensors"):
        read = read_layer(path)
        np.testing.assert_array_equal(read.weight, found.weight)
        np.testing.assert_array_equal(read.bias, found.bias)
        assert read.digest == found.digest
    assert layer(seed=1).digest != found.digest


@pytest.mark.parametrize(
    "state",
    [{"other": torch.ones(2)}, {"layer.weight": torch.ones(3)}, {"layer.weight": torch.full((2, 2), torch.nan)}, {}],
)
def test_other_weights_are_refused(tmp_path, state):
    torch.save(state, tmp_path / "x.pth")
    with pytest.raises(WeightsCorruptError, match="no linear layer"):
        read_layer(tmp_path / "x.pth")


def test_training_finds_the_directions_that_tell_unseen_instances_apart():
    rows, labels = instances(count=60, each=10)
    unseen, theirs = instances(count=20, seed=9)
    settings = TrainingSettings(dimensions=8, epochs=15, batch=64, learning_rate=1e-2, margin=0.1)
    training = train_layer(rows, labels, settings)
    before = leave_one_out_map(unseen, theirs)
    after = leave_one_out_map(training.layer.apply(unseen), theirs)
    assert after > before + 0.2
    assert training.epochs[-1].loss < training.epochs[1].loss
    assert training.epochs[training.best].held_out_map == max(one.held_out_map for one in training.epochs[1:])


def test_the_same_seed_gives_the_same_layer_and_another_does_not():
    rows, labels = instances(count=12)
    settings = [TrainingSettings(dimensions=8, epochs=2, seed=seed) for seed in (3, 3, 4)]
    random_state = torch.random.get_rng_state()
    first, second, third = (train_layer(rows, labels, one).layer.digest for one in settings)
    assert first == second != third
    assert torch.equal(torch.random.get_rng_state(), random_state)


def test_training_stops_when_retrieval_gets_no_better():
    random = np.random.default_rng(0)
    rows = random.standard_normal((240, 16)).astype(np.float32)
    labels = np.repeat(np.arange(60), 4)
    training = train_layer(rows, labels, TrainingSettings(dimensions=8, epochs=200, patience=2))
    assert len(training.epochs) < 100
    assert len(training.epochs) - 1 == training.best + 2


def test_with_few_classes_all_are_learned_from():
    rows, labels = instances(count=3)
    training = train_layer(rows, labels, TrainingSettings(dimensions=4, epochs=3))
    assert training.best == 3
    assert all(np.isnan(epoch.held_out_map) for epoch in training.epochs)


def test_one_class_cannot_be_told_apart():
    with pytest.raises(VisionError, match="the labels name 1"):
        train_layer(np.ones((3, 4)), np.zeros(3, int))
    with pytest.raises(VisionError, match="finite"):
        train_layer(np.full((3, 4), np.nan), np.arange(3))
    with pytest.raises(VisionError, match="held_out and margin"):
        TrainingSettings(margin=1)


def test_leave_one_out_map_by_hand():
    rows = np.eye(4, dtype=np.float32)[[0, 0, 1, 2]]
    assert leave_one_out_map(rows, np.array([1, 1, 2, 3])) == 1.0
    angles = np.radians([0, 10, 15])
    rows = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    assert leave_one_out_map(rows, np.array([1, 2, 1])) == pytest.approx((1 / 2 + 1 / 2) / 2)


def test_it_works_on_the_command_line(tmp_path, capsys):
    rows, labels = instances(count=12)
    ids = [f"p/{number}.jpg" for number in range(len(rows))]
    with feature_files.open_writer(tmp_path / "f.hdf5") as writer:
        writer.append(ids, rows)
        writer.finish()
    lines = [f"{one},{label % 6},{label // 6}" for one, label in zip(ids, labels, strict=True)]
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    made = tmp_path / "layer.safetensors"
    command = ["adapt", "--features", str(tmp_path / "f.hdf5"), "--labels", str(tmp_path / "labels.csv")]
    assert main([*command, "--out", str(made), "--dimensions", "8", "--epochs", "2"]) == 0
    told = capsys.readouterr().out
    assert f"+lin-{read_layer(made).digest}" in told
    assert "72 rows of 12 classes" in told
    assert main(["convert", str(tmp_path / "f.hdf5"), str(tmp_path / "g.parquet"), "--layer", str(made)]) == 0
    found_ids, found = feature_files.read_features(tmp_path / "g.parquet")
    assert found_ids == ids
    np.testing.assert_allclose(found, read_layer(made).apply(rows), atol=2e-3)


def test_converting_goes_on_where_it_was_stopped(tmp_path, capsys):
    rows, _ = instances(count=4)
    names = [f"é {number}" for number in range(len(rows))]
    for part, name in ((slice(0, 10), "a.hdf5"), (slice(10, None), "b.parquet")):
        with feature_files.open_writer(tmp_path / name) as writer:
            writer.append(names[part], rows[part])
            writer.finish()
    files = [str(tmp_path / "a.hdf5"), str(tmp_path / "b.parquet")]
    with feature_files.open_writer(tmp_path / "o.hdf5", origin=" ".join(files)) as writer:
        writer.append(names[:13], rows[:13])
    assert main(["convert", *files, str(tmp_path / "o.hdf5"), "--layer", str(tmp_path / "none.pth")]) == 1
    assert main(["convert", files[0], str(tmp_path / "o.hdf5")]) == 1
    assert "was begun from" in capsys.readouterr().err
    assert main(["convert", *files, str(tmp_path / "o.hdf5")]) == 0
    (tmp_path / "whole").mkdir()
    assert main(["convert", *files, str(tmp_path / "whole" / "o.hdf5")]) == 0
    assert (tmp_path / "o.hdf5").read_bytes() == (tmp_path / "whole" / "o.hdf5").read_bytes()
    assert [
        one for ids, _ in feature_files.iterate_features(tmp_path / "o.hdf5", unescape=True) for one in ids
    ] == names
    assert main(["convert", *files, str(tmp_path / "o.faiss")]) == 0
    assert "24 vectors" in capsys.readouterr().out


def there(vector: np.ndarray | None) -> np.ndarray:
    assert vector is not None
    return vector


def adapted(made: LinearLayer, vector: np.ndarray | None) -> np.ndarray:
    return np.asarray(made.apply(there(vector)[None])[0])


def test_behind_an_encoder_it_is_a_space_of_its_own(tmp_path):
    made = layer(dimensions=32, inputs=512)
    write_layer(tmp_path / "layer.safetensors", made)
    spec = register_adapted("classical-512", tmp_path / "layer.safetensors")
    assert (spec.slug, spec.dimensions) == (f"classical-512+lin-{made.digest}", 32)
    plain, encoder = registry.get_encoder("classical-512"), registry.get_encoder(spec.slug)
    assert isinstance(encoder, BatchEncoder)
    picture, blank = shapes(), np.full((64, 64, 3), 128, np.uint8)
    segments = registry.get_segmenter("windows").segment(picture)[:2]
    found = encoder.encode([picture, blank, picture])
    expected = adapted(made, plain.encode([picture])[0])
    assert found[1] is None
    np.testing.assert_allclose(there(found[0]), expected, atol=1e-6)
    whole, parts = encoder.encode_all(picture, segments)
    np.testing.assert_allclose(there(whole), expected, atol=1e-6)
    for part, other in zip(parts, plain.encode_segments(picture, segments), strict=True):
        np.testing.assert_allclose(there(part), adapted(made, other), atol=1e-6)
        assert np.linalg.norm(there(part)) == pytest.approx(1, abs=1e-5)
    with pytest.raises(UnknownModelError, match="knows no words"):
        cast("LinearEncoder", encoder).encode_text(["tower"])


def test_a_layer_for_other_features_is_refused(tmp_path):
    with pytest.raises(InterchangeError, match="takes 8 numbers, 'classical-512' gives 512"):
        adapted_spec(registry.get_spec("classical-512"), layer())


def test_a_layer_that_changed_is_no_longer_the_space(tmp_path):
    path = tmp_path / "layer.safetensors"
    write_layer(path, layer(inputs=512, seed=5))
    spec = register_adapted("classical-512", path)
    write_layer(path, layer(inputs=512, seed=6))
    with pytest.raises(UnknownModelError, match="another layer now"):
        registry.get_encoder(spec.slug)


def test_layers_of_the_configuration_are_encoders(tmp_path, monkeypatch):
    made = layer(dimensions=16, inputs=512, seed=7)
    write_layer(tmp_path / "layer.safetensors", made)
    monkeypatch.setenv("LINEAR_ADAPTATIONS", f"classical-512={tmp_path / 'layer.safetensors'}")
    slug = f"classical-512+lin-{made.digest}"
    assert registry.get_spec(slug).dimensions == 16
    assert slug in registry.encoder_slugs()
    assert np.linalg.norm(there(registry.get_encoder(slug).encode([shapes()])[0])) == pytest.approx(1, abs=1e-5)


def test_a_layer_of_the_configuration_that_is_missing_is_told(tmp_path, monkeypatch):
    for value, message in (
        (f"classical-512={tmp_path}/none.pth", "there is no layer"),
        ("classical-512", "encoder=file"),
    ):
        monkeypatch.setenv("LINEAR_ADAPTATIONS", value)
        with pytest.raises(VisionError, match=message):
            registry.get_spec("classical-512+lin-00000000")
