"""CLIP models of open_clip: its vectors of images and texts, its preprocessing, its names, its files."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

import rsir_fast as rf
from rsir_fast.backbones import load_backbone
from rsir_fast.errors import WeightFileError

open_clip = pytest.importorskip("open_clip", reason="needs open_clip: pip install 'rsir-fast[open_clip]'")
import small_clip  # noqa: E402

SMALL = f"open_clip:{small_clip.NAME}"


@pytest.fixture(scope="module", autouse=True)
def known(tmp_path_factory):
    small_clip.known(tmp_path_factory.mktemp("configs"))


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return small_clip.write(small_clip.model(5), tmp_path_factory.mktemp("clip") / "w.safetensors")


def test_vectors_are_open_clips(weights):
    clip, encoder = small_clip.model(5).eval(), rf.load_encoder(SMALL, weights=weights)
    images = torch.randn(3, *encoder.backbone.preprocessing.shape)
    texts = ["an airport", "two harbours beside a forest"]
    with torch.inference_mode():
        torch.testing.assert_close(
            encoder.backbone(images), clip.encode_image(images, normalize=True), rtol=0, atol=1e-6
        )
        tokens = open_clip.get_tokenizer(small_clip.NAME)(texts)
        truth = clip.encode_text(tokens, normalize=True).numpy()
    np.testing.assert_allclose(encoder.texts(texts), truth, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(encoder.texts(texts[1:]), encoder.texts(texts)[1:])
    np.testing.assert_allclose(np.linalg.norm(encoder.texts(texts), axis=1), 1, atol=1e-6)
    assert encoder.spec.fields[0].name == "image"
    assert rf.load_encoder(encoder.spec, weights=weights).spec == encoder.spec


@pytest.mark.parametrize("name", ["RN50", "ViT-B-16-quickgelu.dfn2b", "ViT-B-16-SigLIP.webli", "convnext_base"])
@pytest.mark.parametrize("size", [(300, 200), (40, 31), (500, 13)])
def test_images_are_prepared_as_by_open_clip(name, size):
    """By the bit."""
    from open_clip.transform import PreprocessCfg, image_transform_v2, merge_preprocess_dict

    from rsir_fast.backbones.libraries.open_clip import _preprocessing

    model, _, tag = name.partition(".")
    steps = {**vars(PreprocessCfg()), "size": open_clip.get_model_config(model)["vision_cfg"]["image_size"]}
    if tag:
        steps = merge_preprocess_dict(steps, open_clip.pretrained.get_pretrained_cfg(model, tag))
    theirs = image_transform_v2(PreprocessCfg(**steps), is_train=False)
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8))
    ours = _preprocessing(name, steps)
    made = ours.normalize(torch.from_numpy(ours.prepare(image))[None])[0]
    assert torch.equal(made, theirs(image))


@pytest.mark.parametrize("options", ["turns=mean", "turns=each", "precision=bfloat16"])
def test_options_go_with_it(tmp_path, weights, options):
    encoder = rf.load_encoder(f"{SMALL},{options}", weights=weights)
    assert rf.load_encoder(encoder.spec, weights=weights).spec == encoder.spec
    features = rf.encode(rf.generate_scenes(tmp_path, classes=2, per_class=1, size=64), encoder, batch_size=2)
    lengths = np.linalg.norm(features.field("image").matrix, axis=1)
    assert (lengths <= 1 + 1e-5).all()
    if options == "turns=mean":
        with pytest.raises(ValueError, match="text: expected .* without turns=mean and sizes="):
            encoder.texts(["a beach"])
    else:
        np.testing.assert_allclose(lengths, 1, atol=1e-5)
        assert encoder.texts(["a beach"]).shape == (1, 32)


def test_sizes_that_it_cannot_take():
    with pytest.raises(ValueError, match="sizes: open_clip:rsir-small-clip image cannot take images of 64"):
        rf.load_encoder(f"{SMALL},sizes=64", weights="random:0")


@pytest.mark.parametrize(
    ("texts", "told"),
    [
        ([""], "text: expected words, got ''"),
        ([" \n"], r"text: expected words, got ' \\n'"),
        (["a beach", "runway " * 200], "text: expected at most 75 tokens for rsir-small-clip, got 200; shorten it"),
    ],
)
def test_texts_that_say_nothing_or_too_much(weights, texts, told):
    """open_clip cuts off a long one without a word."""
    encoder = rf.load_encoder(SMALL, weights=weights)
    assert encoder.texts(["runway " * 75]).shape == (1, 32)
    with pytest.raises(ValueError, match=told):
        encoder.texts(texts)


def test_an_encoder_without_text():
    for word in ("squeezenet1_1", "timm:test_vit"):
        with pytest.raises(ValueError, match=f"text: expected an encoder that reads text as well, .*, got {word}"):
            rf.load_encoder(word, weights="random:0").texts(["a beach"])
    with pytest.raises(ValueError, match="got hog, which does not; ask by images"):
        rf.load_encoder("hog").texts(["a beach"])


def test_a_model_whose_words_are_elsewhere():
    """SigLIP's vocabulary is a file of the hub; its images are none the less encoded."""
    from rsir_fast.backbones.libraries.open_clip import build

    assert build("ViT-B-16-SigLIP.webli").texts is None


def refused(weights) -> str:
    with pytest.raises(WeightFileError) as caught:
        rf.load_encoder(SMALL, weights=weights)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_every_tensor_is_accounted_for(tmp_path, weights):
    """Those of the texts, too, though images do without them."""
    state, path = small_clip.model(5).state_dict(), tmp_path / "w.pt"
    torch.save({"epoch": 3, "state_dict": {f"module.{name}": tensor for name, tensor in state.items()}}, path)
    ours, wrapped = rf.load_encoder(SMALL, weights=weights), rf.load_encoder(SMALL, weights=path)
    np.testing.assert_array_equal(ours.texts(["a beach"]), wrapped.texts(["a beach"]))
    torch.save(state | {"input_resolution": torch.tensor(32), "vocab_size": torch.tensor(49408)}, path)
    rf.load_encoder(SMALL, weights=path)
    for gone in ("visual.conv1.weight", "token_embedding.weight", "logit_scale"):
        torch.save({name: tensor for name, tensor in state.items() if name != gone}, path)
        assert f"a file without {gone}" in refused(path)
    torch.save(state | {"visual.more": torch.zeros(3)}, path)
    assert "found 1 that it does not have (visual.more): another network" in refused(path)
    path.write_bytes(weights.read_bytes()[:-100])
    assert "w.pt: expected a safetensors file; found a damaged one" in refused(path)


def test_untrained_only_if_said(monkeypatch, tmp_path, caplog):
    monkeypatch.setenv("RSIR_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert f"no weights for '{SMALL}': expected rsir-small-clip.safetensors or rsir-small-clip.pt" in refused(None)
    digests = [load_backbone(SMALL, weights=f"random:{n}").provenance["weights"]["sha256"] for n in (1, 1, 2)]
    assert digests[0] == digests[1] != digests[2]
    assert not caplog.records  # open_clip tells the root logger otherwise


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("open_clip:ViT-B-23", "unknown model 'open_clip:ViT-B-23'; close names: open_clip:ViT-B-"),
        ("open_clip:vit-b-32", "close names: open_clip:ViT-B-32"),
        ("open_clip:ViT-B/32", "close names: open_clip:ViT-B-32"),
        ("open_clip:ViT-B-32.laion2b", "unknown model 'open_clip:ViT-B-32.laion2b'; close names: open_clip:ViT-B-32.l"),
        ("open_clip:ViT-B-32.openai", "trained with QuickGELU, .*; take open_clip:ViT-B-32-quickgelu.openai"),
        ("open_clip:ViT-B-32:openai", "expected the layer 'image', the only one of CLIP models of open_clip, got 'op"),
        ("open_clip:roberta-ViT-B-32", "is built of files of Hugging Face's hub, not here; take another"),
        ("open_clip:ViT-B-32,resize=whole", "expected no resize= for open_clip:ViT-B-32, which is as its library"),
    ],
)
def test_words_that_mean_nothing(word, told):
    with pytest.raises(ValueError, match=told) as caught:
        rf.load_encoder(word, weights="random:0")
    assert "\n" not in str(caught.value)


def test_without_the_package(monkeypatch):
    monkeypatch.setattr("rsir_fast.base.libraries.Library.version", None)
    with pytest.raises(ImportError, match=r"needs open_clip_torch, .*: pip install 'rsir-fast\[open_clip\]'"):
        rf.load_encoder("open_clip:ViT-B-32", weights="random:0")
