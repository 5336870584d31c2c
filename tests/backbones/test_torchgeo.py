"""Weights of torchgeo: its networks, its bands by name, its preprocessing; files that are not what they are called."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import rsir_fast as rf
from rsir_fast.backbones.preprocessing import PICTURE
from rsir_fast.errors import WeightFileError

pytest.importorskip("torchgeo", reason="needs torchgeo: pip install 'rsir-fast[torchgeo]'")
import torchgeo.models

SENTINEL = "ResNet18_Weights.SENTINEL2_ALL_MOCO"
LANDSAT = "ViTSmall16_Weights.LANDSAT_OLI_SR_MOCO"
PICTURES = "Swin_V2_T_Weights.SENTINEL2_SI_RGB_SATLAS"
NETWORKS = {SENTINEL: "resnet18", LANDSAT: "vit_small_patch16_224"}
FILE = "resnet18_sentinel2_all_moco-59bfdff9.pth"


def model_of(weights: str, seed: int = 0) -> torch.nn.Module:
    torch.manual_seed(seed)
    channels = torchgeo.models.get_weight(weights).meta["in_chans"]
    return torchgeo.models.get_model(NETWORKS[weights], in_chans=channels).eval()


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("torchgeo") / "w.pth"
    torch.save(model_of(SENTINEL).state_dict(), path)
    return path


@pytest.mark.parametrize("weights", NETWORKS)
def test_features_are_torchgeos(tmp_path, weights):
    model = model_of(weights)
    torch.save(model.state_dict(), tmp_path / "w.pth")
    encoder = rf.load_encoder(f"torchgeo:{weights}", weights=tmp_path / "w.pth")
    images = torch.randn(2, *encoder.backbone.preprocessing.shape)
    with torch.inference_mode():
        truth = model.forward_head(model.forward_features(images), pre_logits=True)
        assert torch.equal(encoder.backbone(images), truth)
    assert encoder.backbone.preprocessing.bands == tuple(torchgeo.models.get_weight(weights).meta["bands"])
    assert rf.load_encoder(encoder.spec, weights=tmp_path / "w.pth").spec == encoder.spec


def test_a_swin_of_pictures(tmp_path):
    """Red, green and blue of 8 bits come from image files, the middle of each as it is."""
    torch.manual_seed(0)
    model = torchgeo.models.get_model("swin_v2_t").eval()
    torch.save(model.state_dict(), tmp_path / "w.pth")
    encoder = rf.load_encoder(f"torchgeo:{PICTURES}", weights=tmp_path / "w.pth")
    scenes = rf.generate_scenes(tmp_path / "scenes", classes=2, per_class=1, size=300)
    prepare = torchgeo.models.get_weight(PICTURES).transforms
    seen = [torch.from_numpy(np.array(scenes.load_image(i))).permute(2, 0, 1).float() for i in range(2)]
    model.head = torch.nn.Identity()
    with torch.inference_mode():
        truth = model(torch.stack([prepare(image) for image in seen])).numpy()
    np.testing.assert_allclose(
        rf.encode(scenes, encoder, batch_size=2).matrix, truth, rtol=0, atol=2e-5 * np.abs(truth).max()
    )


def test_images_are_prepared_as_by_torchgeo():
    """All of its transforms, once each: to 1e-6 of the largest value where they can be had."""
    from rsir_fast.backbones.libraries.torchgeo import _OF_TIMM, _OF_TORCHVISION, _preprocessing, _published

    names = [name for name, network in _published() if network.startswith((*_OF_TIMM, *_OF_TORCHVISION))]
    different = {f"{(w := torchgeo.models.get_weight(name)).transforms} {w.meta['in_chans']}": name for name in names}
    sized = {steps: name for steps, name in different.items() if "size=" in steps and "Resize(size=[224" not in steps}
    assert len(sized) >= 12
    for steps in different.keys() - sized.keys():
        with pytest.raises(ValueError, match=r"sees images (of any size|resized to 224), .*; take another"):
            _preprocessing(different[steps], torchgeo.models.get_weight(different[steps]))
    ways = set()
    for name in sized.values():
        weights = torchgeo.models.get_weight(name)
        ours = _preprocessing(name, weights)
        ways.add((ours.resize, ours.dtype))
        for height, width in [(300, 270), (256, 256), (100, 400), (64, 65)]:
            samples = np.random.default_rng(0).integers(0, 256, (height, width, len(ours.bands)), np.uint8)
            if not ours.is_picture:
                samples = samples * np.float32(30)
            truth = weights.transforms(torch.from_numpy(samples.astype(np.float32)).permute(2, 0, 1).contiguous())
            made = ours.normalize(torch.from_numpy(prepared(ours, samples))[None])[0]
            difference = float((made - truth).abs().max() / truth.abs().max())
            assert difference <= 1e-6, (name, height, width, difference)
    assert ways == {("none", "uint8"), ("none", "float32"), ("whole", "float32")}


def prepared(steps, samples):
    from PIL import Image

    return steps.prepare(Image.fromarray(samples) if steps.is_picture else samples)


def test_arrays_of_bands(file):
    encoder = rf.load_encoder(f"torchgeo:{SENTINEL}", weights=file)
    rng = np.random.default_rng(0)
    scenes = [((rng.random((80, 90, 13)) * 5000).astype(np.float32), label) for label in (0, 1, 1)]
    features = rf.encode(scenes, encoder, workers=0, batch_size=2)
    assert features.matrix.shape == (3, 512)
    assert features.spec.preprocessing.bands[8] == "B8a"
    assert rf.search(features, rf.Query(ids=[1], k=1)).squared[0, 0] == 0
    few = rf.encode([(scenes[0][0], 0), (scenes[1][0][..., :4], 0)], encoder, workers=0, batch_size=2)
    assert few.skipped[0].reason.endswith("got float32 [80, 90, 4]")


def test_image_files_have_no_such_bands(tmp_path, file):
    rf.generate_scenes(tmp_path / "scenes", classes=2, per_class=1, size=64)
    with pytest.raises(ValueError, match=r"expected arrays \[h, w, 13\] in memory for torchgeo:ResNet18"):
        rf.encode(tmp_path / "scenes", rf.load_encoder(f"torchgeo:{SENTINEL}", weights=file))


def refused(weights) -> str:
    with pytest.raises(WeightFileError) as caught:
        rf.load_encoder(f"torchgeo:{SENTINEL}", weights=weights)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_files_that_are_not_what_they_are_called(tmp_path, monkeypatch, file):
    monkeypatch.setenv("RSIR_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "hub"))
    text = refused(None)
    assert f"no weights for 'torchgeo:{SENTINEL}': expected {FILE}; tried" in text
    assert f"m.get_weight('{SENTINEL}').get_state_dict()" in text
    (tmp_path / FILE).write_bytes(file.read_bytes())
    assert f"{FILE}: expected the published file (SHA-256 59bfdff9...); found other content" in refused(None)
    state = model_of(SENTINEL).state_dict()
    three = state | {"conv1.weight": torch.zeros(64, 3, 7, 7)}
    torch.save(three, tmp_path / "three.pth")
    assert "layer 'conv1' to have weight of shape (64, 13, 7, 7); found (64, 3, 7, 7)" in refused(
        tmp_path / "three.pth"
    )
    torch.save({n: t for n, t in state.items() if n != "layer4.1.bn2.running_var"}, tmp_path / "less.pth")
    assert "a file without layer4.1.bn2.running_var" in refused(tmp_path / "less.pth")
    torch.save({n: t for n, t in state.items() if not n.startswith("fc.")}, tmp_path / "headless.pth")
    rf.load_encoder(f"torchgeo:{SENTINEL}", weights=tmp_path / "headless.pth")


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("ResNet18_Weights.SENTINEL2_ALL_MOCCO", f"close names: torchgeo:{SENTINEL}"),
        ("resnet18", "unknown model 'torchgeo:resnet18'"),
        ("DOFABase16_Weights.DOFA_MAE", "is of dofa_base_patch16_224, which is no network of images alone to a vector"),
        ("Unet_Weights.SENTINEL2_2CLASS_FTW", "is of unet, which is no network"),
        ("ResNet50_Weights.FMOW_RGB_GASSL", "sees images resized to 224, not done here; take another"),
        ("ResNet50_Weights.SENTINEL2_ALL_CLOSP", "sees images of any size, and ours have one; take another"),
    ],
)
def test_words_that_mean_nothing(word, told):
    with pytest.raises(ValueError, match=told) as caught:
        rf.load_encoder(f"torchgeo:{word}", weights="random:0")
    assert "\n" not in str(caught.value)


def test_untrained_by_a_seed_alone():
    one, other = (rf.load_encoder(f"torchgeo:{SENTINEL}", weights=f"random:{seed}") for seed in (1, 2))
    assert one.provenance["weights"]["sha256"] != other.provenance["weights"]["sha256"]
    assert one.backbone.preprocessing.bands != PICTURE
