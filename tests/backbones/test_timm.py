"""Networks of timm: its features, its preprocessing, its names; weight files that are none of theirs."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn
from typer.testing import CliRunner

import rsir_fast as rf
from rsir_fast.backbones import load_backbone
from rsir_fast.cli import app
from rsir_fast.errors import WeightFileError
from rsir_fast.extraction.engines.choose import installed

timm = pytest.importorskip("timm", reason="needs timm: pip install 'rsir-fast[timm]'")

# Batch norm; a class token; layer norm after the mean; padding as in TensorFlow; layers after the mean.
NETWORKS = ["resnet18", "vit_tiny_patch16_224", "convnext_atto", "tf_efficientnet_lite0", "mobilenetv3_small_050"]
SMALL = "test_resnet"


def model_of(name: str, seed: int = 0) -> nn.Module:
    """A whole network of timm with random weights, statistics of batch norm included."""
    torch.manual_seed(seed)
    model = timm.create_model(name, pretrained=False).eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    return model


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    path = tmp_path_factory.mktemp("timm") / "small.safetensors"
    save_file(model_of(SMALL).state_dict(), path)
    return path


def scenes(tmp_path, count=6):
    return rf.generate_scenes(tmp_path / "scenes", classes=2, per_class=count // 2, size=64)


@pytest.mark.parametrize("name", NETWORKS)
def test_features_are_timms(tmp_path, name):
    model = model_of(name)
    save_file(model.state_dict(), tmp_path / "w.safetensors")
    encoder = rf.load_encoder(f"timm:{name}", weights=tmp_path / "w.safetensors")
    images = torch.randn(3, *encoder.backbone.preprocessing.shape, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        truth = model.forward_head(model.forward_features(images), pre_logits=True)
        assert torch.equal(encoder.backbone(images), truth)
        other = load_backbone(f"timm:{name}", weights="random:7")(images)
    assert not torch.allclose(other, truth)
    assert encoder.backbone.dim == truth.shape[1] == encoder.spec.fields[0].width
    assert rf.load_encoder(encoder.spec, weights=tmp_path / "w.safetensors").spec == encoder.spec


@pytest.mark.parametrize("size", [(300, 200), (97, 233), (224, 224), (40, 31), (700, 13)])
@pytest.mark.parametrize("name", ["resnet18", "convnext_atto", "vit_base_patch16_siglip_224", "tf_efficientnet_lite0"])
def test_images_are_prepared_as_by_timm(name, size):
    """By the bit: the resize, the crop and every value after them."""
    from rsir_fast.backbones.libraries.timm import _preprocessing

    published = timm.get_pretrained_cfg(name).to_dict()
    theirs = timm.data.create_transform(**timm.data.resolve_data_config({}, pretrained_cfg=published))
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8))
    ours = _preprocessing(name, published)
    made = ours.normalize(torch.from_numpy(ours.prepare(image))[None])[0]
    assert torch.equal(made, theirs(image))


def test_every_preprocessing_of_timm_is_ours_or_refused():
    from rsir_fast.backbones.libraries.timm import _preprocessing

    def made(name: str) -> str:
        try:
            return _preprocessing(name, timm.get_pretrained_cfg(name).to_dict()).interpolation
        except ValueError as error:
            return str(error)

    names = timm.list_pretrained()
    told = [made(name) for name in names]
    refused = [text for text in told if text not in ("bicubic", "bilinear", "nearest")]
    assert all("which are not made here; take another" in text for text in refused)
    assert len(refused) < 0.02 * len(names), refused


def test_from_files_to_hits(tmp_path, small):
    folder = scenes(tmp_path)
    features = rf.encode(folder, rf.load_encoder(f"timm:{SMALL}", weights=small), out=tmp_path / "A", batch_size=4)
    assert features.spec.title == "timm:test_resnet.r160_in1k:pre_logits"
    query = rf.Query(images=[str(next((tmp_path / "scenes").rglob("*.*g")))], k=3)
    assert rf.Archive(tmp_path / "A").search(query, weights=small).squared[0, 0] == 0


@pytest.mark.parametrize("options", ["turns=mean", "turns=each", "sizes=96+160", "precision=bfloat16"])
def test_options_go_with_it(tmp_path, small, options):
    encoder = rf.load_encoder(f"timm:{SMALL},{options}", weights=small)
    assert rf.load_encoder(encoder.spec, weights=small).spec == encoder.spec
    features = rf.encode(scenes(tmp_path, 2), encoder, batch_size=2)
    assert np.isfinite(features.matrix).all()


def test_sizes_that_it_cannot_take():
    with pytest.raises(ValueError, match="sizes: timm:vit_tiny.* cannot take images of 96"):
        rf.load_encoder("timm:vit_tiny_patch16_224,sizes=96+224", weights="random:0")


@pytest.mark.parametrize("engine", ["onnx", "openvino"])
def test_engines_run_it(tmp_path, small, engine):
    if not installed(engine):
        pytest.skip(f"no {engine} here")
    encoder = rf.load_encoder(f"timm:{SMALL}", weights=small)
    folder = scenes(tmp_path, 2)
    ours, theirs = (rf.encode(folder, encoder, engine=name, batch_size=2) for name in ("torch", engine))
    np.testing.assert_allclose(ours.matrix, theirs.matrix, atol=1e-3 * np.abs(ours.matrix).max())


def test_a_seed_says_all():
    first, again, other = (load_backbone(f"timm:{SMALL}", weights=f"random:{seed}") for seed in (3, 3, 4))
    weights = [each.provenance["weights"]["sha256"] for each in (first, again, other)]
    assert weights[0] == weights[1] != weights[2]
    state = torch.random.get_rng_state()
    load_backbone(f"timm:{SMALL}", weights="random:3")
    assert torch.equal(state, torch.random.get_rng_state())


def refused(weights, name: str = SMALL) -> str:
    with pytest.raises(WeightFileError) as caught:
        rf.load_encoder(f"timm:{name}", weights=weights)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_untrained_only_if_said(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("RSIR_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    text = refused(None)
    assert "no weights for 'timm:test_resnet.r160_in1k': expected test_resnet.r160_in1k.safetensors or" in text
    assert "timm.create_model('test_resnet.r160_in1k', pretrained=True)" in text
    save_file(model_of(SMALL).state_dict(), tmp_path / "test_resnet.r160_in1k.safetensors")
    assert rf.load_encoder(f"timm:{SMALL}").provenance["weights"]["source"] == "RSIR_WEIGHTS"


def test_the_cache_of_the_library(monkeypatch, tmp_path):
    """As Hugging Face's hub lays it out."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("RSIR_WEIGHTS", str(tmp_path / "none"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "none"))
    repository = tmp_path / "models--timm--test_resnet.r160_in1k"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs/main").write_text("0123abc")
    (repository / "snapshots/0123abc").mkdir(parents=True)
    save_file(model_of(SMALL).state_dict(), repository / "snapshots/0123abc/model.safetensors")
    assert rf.load_encoder(f"timm:{SMALL}").provenance["weights"]["source"] == "cache of timm"


def test_every_tensor_is_accounted_for(tmp_path):
    """The classifier alone may be missing, or of other classes."""
    state, path = model_of(SMALL).state_dict(), tmp_path / "w.pth"
    trunk = {name: tensor for name, tensor in state.items() if not name.startswith("fc.")}
    assert len(trunk) == len(state) - 2
    torch.save(trunk, path)
    truth = rf.load_encoder(f"timm:{SMALL}", weights=path)
    torch.save({"state_dict": {f"module.{name}": tensor for name, tensor in trunk.items()}}, path)
    wrapped = rf.load_encoder(f"timm:{SMALL}", weights=path)
    images = torch.randn(2, *truth.backbone.preprocessing.shape)
    assert torch.equal(truth.backbone(images), wrapped.backbone(images))
    torch.save(trunk | {"fc.weight": torch.zeros(3, 8), "fc.bias": torch.zeros(3)}, path)
    rf.load_encoder(f"timm:{SMALL}", weights=path)

    gone = sorted(trunk)[5]
    torch.save({name: tensor for name, tensor in state.items() if name != gone}, path)
    assert f"a file without {gone}" in refused(path)
    torch.save(state | {"more.weight": torch.zeros(3)}, path)
    assert "found 1 that it does not have (more.weight): another network" in refused(path)
    torch.save(state | {"conv1.0.weight": torch.zeros(3, 3, 3, 3)}, path)
    assert "layer 'conv1.0' to have weight of shape" in refused(path)
    broken = state | {gone: torch.full_like(state[gone], torch.nan)}
    torch.save(broken, path)
    assert "NaN" in refused(path)


def test_what_a_network_computes_itself_may_be_in_a_file(tmp_path):
    """Older files of Swin, and of this one, hold the relative positions of patches."""
    from rsir_fast.backbones.libraries.timm import build

    built = build("test_vit_relpos")
    computed = {name: tensor for name, tensor in built.whole.named_buffers() if name in built.computed}
    assert computed
    torch.save({**built.whole.state_dict(), **computed}, tmp_path / "w.pth")
    rf.load_encoder("timm:test_vit_relpos", weights=tmp_path / "w.pth")


class Bomb:
    def __reduce__(self):
        return (open, ("exploded", "w"))


def test_files_that_are_no_weights(tmp_path, monkeypatch, small):
    monkeypatch.chdir(tmp_path)
    torch.save({"conv1.weight": Bomb()}, "bomb.pth")
    assert "a pickle with code in it" in refused("bomb.pth")
    assert not (tmp_path / "exploded").exists()
    (tmp_path / "short.safetensors").write_bytes(small.read_bytes()[:-1000])
    assert "short.safetensors: expected a safetensors file; found a damaged one" in refused("short.safetensors")
    save_file(model_of("test_vit").state_dict(), "vit.safetensors")
    assert "vit.safetensors: expected weights for timm:test_resnet" in refused("vit.safetensors")
    torch.save(timm.create_model("resnet34").state_dict(), "resnet34.pth")
    assert "that it does not have (layer1.2.conv1.weight, " in refused("resnet34.pth", "resnet18")
    assert "nothing there" in refused("none.pth")


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("timm:resnet81", "unknown model 'timm:resnet81'; close names: timm:resnet"),
        ("timm:resnet18.no_such_tag", "unknown model 'timm:resnet18.no_such_tag'; close names: timm:resnet18."),
        ("timm:ResNet18", "close names: timm:resnet18"),
        ("timm:0", "unknown model 'timm:0'"),
        ("timm:hf-hub/x", "unknown model 'timm:hf-hub/x'"),
        ("timm:resnet18:layer4", "expected the layer 'pre_logits', the only one of networks of timm, got 'layer4'"),
        ("timm:resnet18,resize=whole", "expected no resize= for timm:resnet18, which is as its library has it"),
        ("timm:resnet18,width=0.5", "expected no width= for timm:resnet18"),
        ("timm:", "expected the name of a model after timm:"),
        ("timm", "unknown network 'timm'"),
    ],
)
def test_words_that_mean_nothing(word, told):
    with pytest.raises(ValueError, match=told) as caught:
        rf.load_encoder(word, weights="random:0")
    assert "\n" not in str(caught.value)


def test_without_the_package(monkeypatch):
    monkeypatch.setattr("rsir_fast.base.libraries.Library.version", None)
    with pytest.raises(ImportError, match=r"timm:resnet18 needs timm, .*: pip install 'rsir-fast\[timm\]'"):
        rf.load_encoder("timm:resnet18", weights="random:0")


def test_a_hash_model_on_top(tmp_path):
    from rsir_fast.encoders.hash_model import HashModel
    from rsir_fast.encoders.hash_network import DHCNN, HashHead

    trunk = load_backbone("timm:test_convnext", weights="random:0")
    made = HashModel(DHCNN(trunk, HashHead(trunk.dim, 12, 2, seed=3)), ("a", "b"), {"freeze_backbone": True})
    made.save(tmp_path / "model.safetensors")
    again = HashModel.load(tmp_path / "model.safetensors")
    images = torch.randint(0, 256, (2, *trunk.preprocessing.shape), dtype=torch.uint8)
    with torch.inference_mode():
        assert torch.equal(again.network(images)[0], made.network(images)[0])
    assert again.network.backbone.preprocessing == trunk.preprocessing


def test_on_the_command_line(tmp_path, small):
    scenes(tmp_path, 2)
    words = ["features", tmp_path / "scenes", "--encoder", f"timm:{SMALL}", "--out", tmp_path / "A", "--weights", small]
    done = CliRunner().invoke(app, [*map(str, words), "--batch-size", "2", "-q"])
    assert done.exit_code == 0, done.output
    assert "network   timm:test_resnet.r160_in1k, pre_logits" in done.stdout
    assert done.stderr == ""
